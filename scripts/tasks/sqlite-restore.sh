#!/usr/bin/env bash
# Brings the newest good copy of an SQLite database back; what was there stays beside it.
# Needs:  sqlite3; gzip for a .gz; what SQLITE_STOP, SQLITE_POST_RESTORE and SQLITE_START run
# Reads:  SQLITE_DATABASES, SQLITE_BACKUP_DIR, SQLITE_TIMEOUT, SQLITE_STOP, SQLITE_POST_RESTORE, SQLITE_START, PROTECTED_PATHS
# Writes: the database; DATABASE.before-STAMP (what was there), LOG_DIR/actions.jsonl
# Exit:   0 restored, 1 restored, but a command after it failed, 2 not done, or what was restored is not sound
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/databases.sh
. "$scripts_folder/lib/databases.sh"
# shellcheck source=scripts/lib/hooks.sh
. "$scripts_folder/lib/hooks.sh"
# shellcheck source=scripts/lib/action.sh
. "$scripts_folder/lib/action.sh"
# shellcheck source=scripts/lib/protected.sh
. "$scripts_folder/lib/protected.sh"

usage() {
  cat <<TEXT
Usage: tasks/sqlite-restore.sh [DATABASE] latest|COPY [--yes] [OPTION...]

Puts COPY, a name in SQLITE_BACKUP_DIR or a path, .gz or not, in the place of DATABASE (may be left out if
SQLITE_DATABASES has one). latest is the newest copy whose integrity holds; a newer bad one is named. The steps:
unpack and check the copy beside the database; run SQLITE_STOP; refuse if a process that this user may look at still
has the database open; keep the old one, with its -wal, -shm and -journal, as DATABASE.before-STAMP (itself a COPY that
can be brought back); rename the copy into place; run SQLITE_POST_RESTORE (migrations) and, if that went well,
SQLITE_START. These command lines are empty by default: then nothing is stopped or started.

  -y, --yes, --force  needed for anything but --dry-run
$task_help

Example settings:
  SQLITE_STOP="docker compose stop backend"
  SQLITE_POST_RESTORE="docker compose run --rm -T backend python init_db.py"
  SQLITE_START="docker compose up -d backend"
TEXT
}

# take_words: the database in $database, the copy's name in $which.
take_words() {
  local word force=$yes
  database='' which=''
  for word in "${words[@]}"; do
    case "$word" in
      -f | --force) force=yes ;;
      -*) bad_usage "unknown option: $word" ;;
      *)
        [ -z "$database" ] || bad_usage "one word too many: $word"
        database=$which which=$word
        ;;
    esac
  done
  yes=$force
  [ -n "$which" ] || bad_usage 'which copy? latest or a file'
  [[ $which == */* || $which == latest ]] || which=$SQLITE_BACKUP_DIR/$which
  if [ -z "$database" ]; then
    [ "${#databases[@]}" -eq 1 ] || bad_usage "which database? one of ${databases[*]}"
    database=${databases[0]}
  elif [[ $database != /* ]]; then
    database=$STACK_HOME/$database
  fi
  # The file itself, not a link to it, is what gets replaced.
  database=$(realpath -m -- "$database")
  [ -d "${database%/*}" ] || die "no such folder: ${database%/*}"
  find_protected "$database"
  [ -z "$protected" ] || die "left alone: $database is protected ($protected)"
}

# try_copy FILE: unpacked beside the database, so that the last step is a rename; whether it is good, in $verdict.
try_copy() {
  rm -f "$scratch"/*
  # shellcheck disable=SC2310 # what goes wrong is in the file trouble
  case "$1" in
    *.gz) gzip -dc -- "$1" >"$scratch/copy" 2>"$scratch/trouble" || true ;;
    *) copy_with_log "$1" 2>"$scratch/trouble" || true ;;
  esac
  if [ -s "$scratch/trouble" ]; then
    verdict=unknown trouble=$(head -n 1 "$scratch/trouble")
  else
    sqlite_judge "$scratch/copy"
  fi
  [ "$verdict" = sound ] || warn "not used: $1: $trouble"
}

# copy_with_log FILE: a file that an application left behind has its newest rows in its log.
copy_with_log() {
  local end log=no
  cp -- "$1" "$scratch/copy"
  for end in -wal -journal; do
    if [ -s "$1$end" ]; then
      cp -- "$1$end" "$scratch/copy$end"
      log=yes
    fi
  done
  [ "$log" = no ] || sqlite3 -init /dev/null -batch "$scratch/copy" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null
}

# choose_copy: the first good one of the candidates in $chosen, unpacked in $scratch/copy.
choose_copy() {
  local copies=("$which") file series
  if [ "$which" = latest ]; then
    series_of "$database"
    list_copies "$series"
    [ "${#copies[@]}" -gt 0 ] || die "no copies of $series in $SQLITE_BACKUP_DIR"
  elif [ ! -f "$which" ]; then
    die "no such copy: $which"
  fi
  scratch=$(mktemp -d "${database%/*}/.restoring.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  chosen=
  for file in "${copies[@]}"; do
    try_copy "$file"
    [ "$verdict" != sound ] || { chosen=$file && break; }
  done
  [ -n "$chosen" ] || die 'no good copy: nothing was changed'
}

# need_it_closed: a process that has the file open would go on writing into what is moved away. Containers are
# processes of this machine too, and the file is the same one whatever its name in there.
need_it_closed() {
  local device inode open
  [ -e "$database" ] || return 0
  read -r device inode < <(stat -c '%d %i' -- "$database")
  # Not -samefile: find itself would have it open.
  open=$(find -L /proc/[0-9]*/fd -mindepth 1 -maxdepth 1 -inum "$inode" -printf '%D %p\n' 2>/dev/null |
    sed -n "s|^$device /proc/\([0-9]*\)/.*|\1|p" | sort -un | paste -sd' ' -) || true
  [ -n "$open" ] || return 0
  give_up "in use by process $open: stop it first (SQLITE_STOP)"
}

# give_up REASON: before anything was changed; what SQLITE_STOP stopped is started again.
give_up() {
  run_hook SQLITE_START
  die "$1; nothing was changed"
}

# swap: the old database keeps its log, so no row of it is lost; no log may be found beside the new one.
swap() {
  local end before
  before=$database.before-$(date +%Y%m%d-%H%M%S)
  [ ! -e "$before" ] || { sleep 1 && before=$database.before-$(date +%Y%m%d-%H%M%S); }
  if [ -e "$database" ]; then
    chmod --reference="$database" "$scratch/copy"
    chown --reference="$database" "$scratch/copy" || give_up "could not give the copy its owner"
    ln -- "$database" "$before" || give_up "could not keep the old database as $before"
  else
    chown --reference="${database%/*}" "$scratch/copy" || give_up "could not give the copy its owner"
  fi
  for end in -wal -shm -journal; do
    [ ! -e "$database$end" ] || mv -- "$database$end" "$before$end"
  done
  sync "$scratch/copy"
  mv -T -- "$scratch/copy" "$database"
  sync "${database%/*}"
  # What a process that opened the old file in between has left is not the new file's.
  rm -f -- "$database-wal" "$database-shm" "$database-journal"
  [ ! -e "$before" ] || echo "what was there is kept: $before"
}

main() {
  task_begin "$@"
  setting SQLITE_STOP ''
  setting SQLITE_START ''
  setting SQLITE_POST_RESTORE ''
  database_settings
  take_words
  need sqlite3
  choose_copy
  local rows bytes before
  rows=$(sqlite_count "$scratch/copy")
  if [ "$dry_run" = yes ]; then
    echo "would restore $database from $chosen ($rows)"
    exit "$complaints"
  fi
  [ "$yes" = yes ] || die "this would replace $database by $chosen ($rows): that needs --yes"
  run_hook SQLITE_STOP
  [ "$hook_status" -eq 0 ] || die 'nothing was changed'
  need_it_closed
  bytes_in "$database"
  before=$bytes
  swap
  bytes_in "$database"
  sqlite_judge "$database"
  record_action sqlite-restore "$database" restore "${verdict/sound/ok}" "before_bytes=$before" "after_bytes=$bytes"
  [ "$verdict" = sound ] || die "$database is $verdict after the restore: $trouble"
  echo "$database: restored from $chosen: $rows, integrity ok"
  run_hook SQLITE_POST_RESTORE
  if [ "$hook_status" -eq 0 ]; then
    run_hook SQLITE_START
  else
    note 'SQLITE_START was not run'
  fi
  task_end
}

main "$@"
