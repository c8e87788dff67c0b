#!/usr/bin/env bash
# Builds the cache of the most accessed documents anew, beside the old one, and swaps it in when it is whole.
# Needs:  sqlite3; for an index python3 (STORES_PYTHON) with the library of CACHE_KIND
# Reads:  CACHE_*, STORES_PYTHON, SQLITE_TIMEOUT, SQLITE_EXTENSIONS, PROTECTED_PATHS; the files that CACHE_LOGS and CACHE_SOURCE name
# Writes: CACHE_FILE and its index, or what CACHE_COMMAND does; LOG_DIR/actions.jsonl; removes what a killed run left beside CACHE_FILE
# Exit:   0 done, 1 the new index is not good enough, 2 not done (after 1 and 2 the old cache stays), 75 no CACHE_LOGS
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/protected.sh
. "$scripts_folder/lib/protected.sh"
# shellcheck source=scripts/lib/action.sh
. "$scripts_folder/lib/action.sh"
# shellcheck source=scripts/lib/compact-sqlite.sh
. "$scripts_folder/lib/compact-sqlite.sh"
# shellcheck source=scripts/lib/hot-cache.sh
. "$scripts_folder/lib/hot-cache.sh"
# shellcheck source=scripts/lib/index-cache.sh
. "$scripts_folder/lib/index-cache.sh"

usage() {
  cat <<TEXT
Usage: tasks/cache-rebuild.sh [OPTION...]

Counts the documents of the access logs and builds a cache of the CACHE_SIZE most accessed ones beside CACHE_FILE, checks it,
and renames it. Programs that have the old cache open keep that until they open it again. After any failure the old cache
is what it was. CACHE_KIND annoy, hnswlib or usearch: CACHE_FILE is a JSON file that names an index of the documents' vectors
("index") and says which document each of its numbers is ("ids"). CACHE_KIND sqlite: an SQLite file with the documents' rows
and a table cache_ranking (place, document, accesses).

  CACHE_KIND     sqlite (the default), annoy, hnswlib, usearch
  CACHE_LOGS     access logs, a list: CSV with a heading, or JSON lines (.json, .jsonl, .ndjson)
  CACHE_FIELD    the column or member that names the document (document_id)
  CACHE_SIZE     how many documents (1000)
  CACHE_TIME_FIELD  the column or member that names the time (time), for the hit rate of the last day
  CACHE_SOURCE   the store, an SQLite file; it is only read. Of an index: DATABASE:TABLE:KEY:COLUMN of SQLite, FILE.npz, or
                 a store as in VECTOR_STORES
  CACHE_METRIC   of an index: cosine (the default), l2, ip
  STORES_PYTHON  of an index: the Python that has its library (python3)
  CACHE_TABLES   of SQLite: what to copy, a list of TABLE:KEY; KEY is the column that CACHE_FIELD holds (documents:id)
  CACHE_FILE     the cache
  CACHE_COMMAND  for another store, instead of the three above: a shell line that gets the documents on stdin, most
                 accessed first, one a line; its failure is the task's
  SQLITE_EXTENSIONS  files for sqlite3 to load, a list; needed for a table of sqlite-vec

$task_help
TEXT
}

read_settings() {
  cache_settings
  setting CACHE_COMMAND ''
  setting SQLITE_TIMEOUT 30
  setting_list SQLITE_EXTENSIONS ''
  extensions=("${list[@]}")
  setting_list CACHE_TABLES documents:id
  tables=("${list[@]}")
  [ "${#logs[@]}" -gt 0 ] || not_here 'no access log is set up (CACHE_LOGS)'
  [[ $CACHE_SIZE =~ ^[1-9][0-9]{0,8}$ ]] || die "CACHE_SIZE: not a number of documents: $CACHE_SIZE"
  [ "$CACHE_KIND" = sqlite ] || [ -z "$CACHE_COMMAND" ] || die 'CACHE_COMMAND is for CACHE_KIND=sqlite'
  # The index takes the first ones that its source has.
  ranked=$CACHE_SIZE
  [ "$CACHE_KIND" = sqlite ] || ranked=-1
  if [ -n "$CACHE_COMMAND" ] || [ "$CACHE_KIND" != sqlite ]; then
    tables=()
  fi
  if [ -n "$CACHE_COMMAND" ]; then
    return 0
  elif [ -z "$CACHE_SOURCE" ] || [ -z "$CACHE_FILE" ]; then
    die 'CACHE_SOURCE and CACHE_FILE, or CACHE_COMMAND, must be set'
  fi
}

# check_places: what is read is there, and what is written may be; $folder is where the new cache is built.
check_places() {
  local log absolute=()
  folder=${TMPDIR:-/tmp}
  for log in "${logs[@]}"; do
    # sqlite3 imports nothing from what it cannot read, and says nothing.
    if [ ! -f "$log" ] || [ ! -r "$log" ]; then die "could not read the access log $log"; fi
    absolute+=("$(realpath -- "$log")")
  done
  logs=("${absolute[@]}")
  [ -z "$CACHE_COMMAND" ] || return 0
  if [ "$CACHE_KIND" = sqlite ]; then
    [ -f "$CACHE_SOURCE" ] || die "no such store: $CACHE_SOURCE"
    CACHE_SOURCE=$(realpath -- "$CACHE_SOURCE")
  fi
  CACHE_FILE=$(realpath -m -- "$CACHE_FILE")
  folder=${CACHE_FILE%/*}
  [ -d "$folder" ] || die "no such folder: $folder"
  find_protected "$CACHE_FILE"
  [ -z "$protected" ] || die "left alone: $CACHE_FILE is protected ($protected)"
  [ ! "$CACHE_FILE" -ef "$CACHE_SOURCE" ] || die 'the cache cannot be its own source'
  local rest
  for rest in "$CACHE_FILE-wal" "$CACHE_FILE-journal"; do
    # SQLite would take it for the new file's and apply it.
    [ ! -e "$rest" ] || die "somebody writes to the cache: $rest is there"
  done
}

# build FILE: the new cache; what is remarkable goes to stdout.
build() {
  local script said status=0
  script=$(cache_statements)
  : >"$1"
  # shellcheck disable=SC2310 # it is one command, and its status is looked at
  said=$(printf '%s\n' "$script" | store_sql "$1" 2>&1) || status=$?
  if [ "$status" -ne 0 ]; then
    plainly 'the new cache' "$said"
    die "$trouble; the old cache stays"
  fi
  [ -z "$said" ] || printf '%s\n' "$said"
  sound "$1"
  [ -z "$trouble" ] || die "$trouble; the old cache stays"
  ask_store "$1" 'SELECT count(*), coalesce(sum(accesses), 0) FROM cache_ranking;'
  documents=${answer%|*} accesses=${answer#*|}
  [ "$documents" -gt 0 ] || die 'not one document of the logs is in the store; the old cache stays'
}

# swap FILE: it becomes the cache, in one step and for good.
swap() {
  local old=0
  [ ! -e "$CACHE_FILE" ] || old=$(stat -c %s -- "$CACHE_FILE")
  if [ -e "$CACHE_FILE" ]; then
    chmod --reference="$CACHE_FILE" -- "$1"
    [ "$(id -u)" -ne 0 ] || chown --reference="$CACHE_FILE" -- "$1"
  fi
  sync -- "$1"
  mv -fT -- "$1" "$CACHE_FILE"
  sync -- "${CACHE_FILE%/*}"
  echo "$CACHE_FILE: the $documents most accessed documents ($accesses accesses), $old bytes before, $(stat -c %s -- "$CACHE_FILE") after"
  record_action cache-rebuild "$CACHE_FILE" swap ok "before_bytes=$old" "after_bytes=$(stat -c %s -- "$CACHE_FILE")" \
    "documents=$documents" "seconds=$((SECONDS - start))"
}

# hand_over FILE: the documents to the command.
hand_over() {
  local status=0
  ask_store "$1" 'SELECT document FROM cache_ranking ORDER BY place;'
  bash -c "$CACHE_COMMAND" <<<"$answer" || status=$?
  [ "$status" -eq 0 ] || die "CACHE_COMMAND: exit $status"
  echo "CACHE_COMMAND got the $documents most accessed documents ($accesses accesses)"
  record_action cache-rebuild CACHE_COMMAND hand-over ok "documents=$documents" "seconds=$((SECONDS - start))"
}

# at_end STATUS: a failure leaves its record, too.
# shellcheck disable=SC2317 # the trap's
at_end() {
  rm -rf "$scratch"
  [ "$1" -eq 0 ] || record_action cache-rebuild "${CACHE_FILE:-CACHE_COMMAND}" build failed "seconds=$((SECONDS - start))"
}

main() {
  task_begin "$@"
  no_words
  read_settings
  need sqlite3
  cd "$STACK_HOME"
  check_places
  start=$SECONDS
  # What a run that was killed left; a younger one may be at work.
  find "$folder" -maxdepth 1 -name '.cache-rebuild.??????' -mmin +1440 -exec rm -rf -- {} +
  scratch=$(mktemp -d "$folder/.cache-rebuild.XXXXXX")
  trap 'at_end $?' EXIT
  trap 'exit 143' TERM
  build "$scratch/new.db"
  if [ "$CACHE_KIND" != sqlite ]; then
    build_index "$scratch/new.db"
  elif [ "$dry_run" = yes ]; then
    echo "would take the $documents most accessed documents ($accesses accesses) into ${CACHE_FILE:-CACHE_COMMAND}"
  elif [ -n "$CACHE_COMMAND" ]; then
    hand_over "$scratch/new.db"
  else
    swap "$scratch/new.db"
  fi
  task_end
}

main "$@"
