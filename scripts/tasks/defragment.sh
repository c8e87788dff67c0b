#!/usr/bin/env bash
# Rebuilds the indexes of the vector stores and gives unused space back: SQLite, PostgreSQL, Chroma, FAISS and others.
# run: daily 45
# Needs:  sqlite3, docker or psql, or python3 (STORES_PYTHON) with the library, as the stores are
# Reads:  VECTOR_STORES, VECTOR_SOURCES, SQLITE_TIMEOUT, SQLITE_EXTENSIONS, DEFRAGMENT_*, STORES_PYTHON, QDRANT_API_KEY, DATABASE_SERVICE, DATABASE_USER, PROTECTED_PATHS
# Writes: the stores; STATE_DIR/stores, LOG_DIR/actions.jsonl
# Exit:   0 done, 1 a store is left as it was, 2 not done, 75 no VECTOR_STORES
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/postgres.sh
. "$scripts_folder/lib/postgres.sh"
# shellcheck source=scripts/lib/protected.sh
. "$scripts_folder/lib/protected.sh"
# shellcheck source=scripts/lib/action.sh
. "$scripts_folder/lib/action.sh"
# shellcheck source=scripts/lib/compact-sqlite.sh
. "$scripts_folder/lib/compact-sqlite.sh"
# shellcheck source=scripts/lib/reindex-postgres.sh
. "$scripts_folder/lib/reindex-postgres.sh"
# shellcheck source=scripts/lib/vector-stores.sh
. "$scripts_folder/lib/vector-stores.sh"

usage() {
  cat <<TEXT
Usage: tasks/defragment.sh [STORE...] [OPTION...]

A STORE is an SQLite file, postgres:DATABASE (postgres:* for all), chroma:FOLDER, lancedb:FOLDER, qdrant:URL, faiss:FILE,
annoy:FILE?dimensions=N&metric=NAME or hnswlib:FILE?dimensions=N&metric=NAME; without one, those of VECTOR_STORES (a list,
with ; between two). Of an SQLite file: integrity_check, REINDEX, VACUUM, optimize, integrity_check; rows keep their numbers,
and tables of sqlite-vec are tables like any others. Of a database (DATABASE_SERVICE, as database-maintenance): every index
REINDEX CONCURRENTLY, then VACUUM ANALYZE; indexes that broken-off rebuilds left are removed, invalid ones rebuilt.
The others are compacted by their own library, index files built anew from the vectors of VECTOR_SOURCES. 200 queries
are asked before and after: if the new one finds less (recall@10 lower by 0.01) or has fewer vectors, the old one stays.
A damaged, busy or protected store (PROTECTED_PATHS) is left as it is and complained of; the others are done. The sizes before and
after go to LOG_DIR/actions.jsonl.

  SQLITE_EXTENSIONS        files for sqlite3 to load, a list; needed where an index uses their functions
  SQLITE_TIMEOUT           seconds to wait for a busy file (30)
  DEFRAGMENT_LOCK_TIMEOUT  seconds to wait for a lock of PostgreSQL (60)
  VECTOR_SOURCES           what index files are built from, a list of FILE=SOURCE; a SOURCE is DATABASE:TABLE:KEY:COLUMN of
                           SQLite, FILE.npz (ids, vectors), or another store
  STORES_PYTHON            the Python that has the stores' libraries (python3)
  DEFRAGMENT_QUERIES       how many queries are asked before and after (200)
  QDRANT_API_KEY           sent to a Qdrant server
  DEFRAGMENT_KEEP_VERSIONS days that LanceDB keeps old versions (7)
  DEFRAGMENT_OPTIMIZER_LIMIT  seconds to wait for Qdrant's optimizer (1800)
  DEFRAGMENT_MAX_DELETED   a source that lacks more percent of an index's vectors is not believed (50)

$task_help
TEXT
}

# finish STORE ACTION BEFORE AFTER START [KEY=NUMBER...]: says and records what became of it; $trouble says why it failed.
finish() {
  local store=$1 action=$2 before=$3 after=$4 took result=ok
  took=$(awk -v a="$5" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }')
  shift 5
  [ -z "$trouble" ] || result=failed
  [ -n "$trouble" ] || echo "$store: $before bytes before, $after after, $took s"
  record_action defragment "$store" "$action" "$result" "before_bytes=$before" "after_bytes=$after" "seconds=$took" "$@"
}

# room_for FILE: VACUUM writes the file once beside it and once into a journal.
room_for() {
  local free
  free=$(df --block-size=1 --output=avail -- "${1%/*}" | tail -n 1 | tr -d ' ')
  [ "$free" -ge $(($2 * 2)) ] || trouble="$1: $free bytes free, $(($2 * 2)) needed"
}

do_sqlite() {
  local file before start=$EPOCHREALTIME
  trouble='' how=vacuum
  if [ ! -f "$1" ]; then
    complain "no such store: $1"
    return 0
  fi
  need sqlite3
  # The file itself: through a link, the journal would lie beside the link.
  file=$(realpath -- "$1")
  before=$(stat -c %s -- "$file")
  room_for "$file" "$before"
  if [ -z "$trouble" ] && [ "$dry_run" = yes ]; then
    sound "$file"
    [ -n "$trouble" ] || find_numbered "$file"
    [ -n "$trouble" ] || echo "would compact $file ($before bytes)${numbered[*]:+, with the row numbers of ${numbered[*]}}"
  elif [ -z "$trouble" ]; then
    compact_sqlite "$file"
    [ -n "$trouble" ] || empty_wal "$file"
  fi
  [ -z "$trouble" ] || complain "$trouble"
  [ "$dry_run" = yes ] || finish "$file" "$how" "$before" "$(stat -c %s -- "$file")" "$start"
}

do_database() {
  local before start=$EPOCHREALTIME had=$complaints
  complaints=0 trouble=''
  size_of "$1"
  before=$size
  defragment_postgres "$1"
  [ "$complaints" -eq 0 ] || trouble=complained
  size_of "$1"
  [ "$dry_run" = yes ] || finish "postgres:$1" reindex "$before" "$size" "$start" "indexes=$rebuilt" "leftovers=$mended"
  complaints=$((complaints | had))
}

do_databases() {
  local folders name all database
  need_postgres
  folders=$(postgres_folders)
  while IFS= read -r name; do
    [ -z "$name" ] || find_protected "$name"
    [ -z "${protected-}" ] || die "left alone: the server's $name is protected ($protected)"
  done <<<"$folders"
  all=$'\n'$(printf '%s\n' "${databases[@]}")$'\n'
  for name in "$@"; do
    if [ "$name" = '*' ]; then
      for database in "${databases[@]}"; do do_database "$database"; done
    elif [[ $all == *$'\n'"$name"$'\n'* ]]; then
      do_database "$name"
    else
      complain "no such database: $name"
    fi
  done
}

main() {
  task_begin "$@"
  setting SQLITE_TIMEOUT 30
  setting DEFRAGMENT_LOCK_TIMEOUT 60
  store_settings
  setting_list SQLITE_EXTENSIONS ''
  extensions=("${list[@]}") scratch=''
  trap '[ -z "$scratch" ] || rm -rf "$scratch"' EXIT
  trap 'exit 143' TERM
  local store names=()
  if [ "${#words[@]}" -eq 0 ]; then
    setting_list VECTOR_STORES ''
    words=("${list[@]}")
    [ "${#words[@]}" -gt 0 ] || not_here 'no vector store is set up (VECTOR_STORES)'
    cd "$STACK_HOME"
  fi
  for store in "${words[@]}"; do
    [[ $store != -* ]] || bad_usage "unknown option: $store"
  done
  for store in "${words[@]}"; do
    if [[ $store == postgres:* ]]; then
      names+=("${store#postgres:}")
      continue
    fi
    if [[ $store =~ $store_kinds ]]; then
      do_store "$store"
      continue
    fi
    leave_protected "$store"
    [ "${#allowed[@]}" -eq 0 ] || do_sqlite "$store"
  done
  [ "${#names[@]}" -eq 0 ] || do_databases "${names[@]}"
  task_end
}

main "$@"
