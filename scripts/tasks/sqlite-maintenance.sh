#!/usr/bin/env bash
# Checks SQLite databases, empties their write-ahead logs, says their sizes, keeps a copy of each.
# Needs:  sqlite3, pai-backup, pai-rotate
# Reads:  SQLITE_DATABASES, SQLITE_TIMEOUT, SQLITE_BACKUP_*, CHECKPOINT_TRIES, PROTECTED_PATHS
# Writes: SQLITE_BACKUP_DIR/NAME_STAMP.db (or .db.gz), LOG_DIR/actions.jsonl; empties write-ahead logs, removes old copies
# Exit:   0 done, 1 a database is damaged, busy or not backed up, 2 not done, 75 no sqlite3, or no database
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/databases.sh
. "$scripts_folder/lib/databases.sh"
# shellcheck source=scripts/lib/action.sh
. "$scripts_folder/lib/action.sh"
# shellcheck source=scripts/lib/protected.sh
. "$scripts_folder/lib/protected.sh"

usage() {
  cat <<TEXT
Usage: tasks/sqlite-maintenance.sh [check] [checkpoint] [backup] [OPTION...]

For each database of SQLITE_DATABASES (data/memoai.db), while it is in use; without a word, all three:
  check       PRAGMA integrity_check; a damaged database is left alone by the other two
  checkpoint  brings the rows of the write-ahead log into the database and empties the log. A reader or writer
              that holds the log is given CHECKPOINT_TRIES (5) times SQLITE_TIMEOUT (30) seconds
  backup      a copy, checked, into SQLITE_BACKUP_DIR (BACKUP_DIR/sqlite), compressed if SQLITE_BACKUP_GZIP=yes; then
              copies older than SQLITE_BACKUP_DAYS (30) go, but the newest SQLITE_BACKUP_KEEP (7) stay
Always: pages, size, free pages, size of the log. It runs on the host, where the data folder is: a container's
image need not have sqlite3. tasks/sqlite-restore.sh brings a copy back.

$task_help
TEXT
}

# check DATABASE: $verdict; what is not sound is complained of.
check() {
  sqlite_judge "$1"
  case "$verdict" in
    sound) echo "$1: integrity ok" ;;
    damaged) complain "$1 is damaged: $trouble (tasks/sqlite-restore.sh brings the newest good copy back)" ;;
    unknown) complain "could not check $1: $trouble" ;;
  esac
}

# truncate_log DATABASE: one attempt: $busy is 1 if somebody holds the log, though sqlite3 ends with 0 then too;
# of $log frames $moved are in the database.
truncate_log() {
  local answer status=0
  answer=$(sqlite3 -init /dev/null -bail -batch -cmd ".timeout $((SQLITE_TIMEOUT * 1000))" "$1" \
    'PRAGMA wal_checkpoint(TRUNCATE)' 2>&1) || status=$?
  busy='' log='' moved=''
  if [ "$status" -eq 0 ] && [[ $answer =~ ^([01])\|(-?[0-9]+)\|(-?[0-9]+)$ ]]; then
    busy=${BASH_REMATCH[1]} log=${BASH_REMATCH[2]} moved=${BASH_REMATCH[3]}
  else
    checkpoint_trouble="exit $status: ${answer##*$'\n'}"
  fi
}

checkpoint() {
  local mode status=0 try bytes before
  # shellcheck disable=SC2310 # its only result is its status
  mode=$(sqlite_ask "$1" 'PRAGMA journal_mode' 2>&1) || status=$?
  if [ "$status" -ne 0 ]; then
    complain "could not read $1: ${mode##*$'\n'}"
    return 0
  elif [ "$mode" != wal ]; then
    echo "$1: journal mode $mode: it has no log"
    return 0
  fi
  if [ "$dry_run" = yes ]; then
    echo "would run: sqlite3 $1 'PRAGMA wal_checkpoint(TRUNCATE)'"
    return 0
  fi
  bytes_in "$1-wal"
  before=$bytes
  for ((try = 1; try <= CHECKPOINT_TRIES; try++)); do
    [ "$try" -eq 1 ] || sleep 1
    truncate_log "$1"
    case "$busy" in
      0)
        bytes_in "$1-wal"
        echo "$1: log emptied: $before bytes before, $bytes after"
        record_action "$task" "$1" checkpoint ok "before_bytes=$before" "after_bytes=$bytes"
        return 0
        ;;
      1) echo "$1: busy: $moved of $log frames of the log are in the database (try $try of $CHECKPOINT_TRIES)" ;;
      *)
        complain "could not checkpoint $1: $checkpoint_trouble"
        return 0
        ;;
    esac
  done
  bytes_in "$1-wal"
  record_action "$task" "$1" checkpoint busy "before_bytes=$before" "after_bytes=$bytes"
  complain "$1: a long reader or writer holds the log: it stays at $bytes bytes"
}

sizes() {
  local pages size free bytes
  # Counted by SQLite: what is in the log and not yet in the file counts too.
  # shellcheck disable=SC2310 # no answer is complained of
  IFS='|' read -r pages size free < <(sqlite_ask "$1" \
    'SELECT * FROM pragma_page_count, pragma_page_size, pragma_freelist_count' 2>/dev/null) || true
  if [ -z "${free-}" ]; then
    complain "could not read the sizes of $1"
    return 0
  fi
  bytes_in "$1-wal"
  echo "$1: $pages pages of $size bytes = $((pages * size)) bytes, $free pages free ($((pages ? 100 * free / pages : 0)) %), log $bytes bytes"
}

back_up() {
  local status=0 copies series keep=() bytes allowed
  local options=(--dir "$SQLITE_BACKUP_DIR" --timeout "$SQLITE_TIMEOUT")
  [ "$SQLITE_BACKUP_GZIP" != yes ] || options+=(--gzip)
  [ "$dry_run" = no ] || options+=(--dry-run) keep=(--dry-run)
  "$scripts_folder/backup-sqlite.sh" "${options[@]}" "$1" || status=$?
  if [ "$status" -ne 0 ]; then
    record_action "$task" "$1" backup failed
    complain "could not back up $1; its older copies are left as they are"
    return 0
  fi
  series_of "$1"
  list_copies "$series"
  [ "${#copies[@]}" -gt 0 ] || return 0
  bytes_in "${copies[0]}"
  record_action "$task" "$1" backup ok "after_bytes=$bytes"
  leave_protected "${copies[@]}"
  [ "${#allowed[@]}" -eq 0 ] || look pai-rotate "${keep[@]}" --days "$SQLITE_BACKUP_DAYS" --min-keep "$SQLITE_BACKUP_KEEP" "${allowed[@]}"
}

maintain() {
  verdict=sound
  if [[ $wanted == *' check '* || ! -f $1 ]]; then
    check "$1"
  fi
  [ "$verdict" = sound ] || return 0
  [[ $wanted != *' checkpoint '* ]] || checkpoint "$1"
  sizes "$1"
  [[ $wanted != *' backup '* ]] || back_up "$1"
}

main() {
  task_begin "$@"
  local word database task=sqlite-maintenance
  wanted=" ${words[*]:-check checkpoint backup} "
  for word in $wanted; do
    [[ $word =~ ^(check|checkpoint|backup)$ ]] || bad_usage "unknown word: $word"
  done
  setting CHECKPOINT_TRIES 5
  setting SQLITE_BACKUP_GZIP no
  setting SQLITE_BACKUP_DAYS 30
  setting SQLITE_BACKUP_KEEP 7
  database_settings
  need_databases
  need pai-backup pai-rotate
  for database in "${databases[@]}"; do
    maintain "$database"
  done
  task_end
}

main "$@"
