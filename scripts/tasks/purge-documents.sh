#!/usr/bin/env bash
# Deletes documents from an SQLite store of this machine, after a copy of it; never from a protected one.
# Needs:  sqlite3; pai-backup for the copy
# Reads:  SQLITE_TIMEOUT, SQLITE_EXTENSIONS, PROTECTED_PATHS
# Writes: with --yes the store, a copy of it in BACKUP_DIR, LOG_DIR/actions.jsonl
# Exit:   0 done, 1 deleted, and the store is damaged, 2 nothing was deleted
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

usage() {
  cat <<TEXT
Usage: tasks/purge-documents.sh [--yes] [--without-backup] [--all] FILE TABLE:KEY[;TABLE:KEY...] CONDITION

Counts the rows of the first TABLE for which CONDITION (SQL) holds, and with --yes deletes them, and with them the rows of
the other tables that have the same KEY: the vectors of the documents. All of it or nothing. A copy of FILE (backup-sqlite.sh, in
BACKUP_DIR) comes first. A file under PROTECTED_PATHS is refused, whatever the way to it.

  -y, --yes             delete
      --without-backup  make no copy first
      --all             every row may go
  SQLITE_EXTENSIONS     files for sqlite3 to load, a list; needed for a table of sqlite-vec
$task_help

Example: tasks/purge-documents.sh test.db 'documents:id;vec_documents:rowid' "created < date('now', '-90 days')"
TEXT
}

# names_of TABLE:KEY: both, quoted for SQL, in $table and $key.
names_of() {
  sql_name "${1%:*}"
  table=$quoted_sql
  sql_name "${1##*:}"
  key=$quoted_sql
}

# deletions: the statements. The keys are written down first: the condition may look at rows that go.
deletions() {
  local pair
  echo 'PRAGMA foreign_keys = ON;'
  echo 'BEGIN IMMEDIATE;'
  echo "CREATE TEMP TABLE gone AS SELECT $table.$key AS key FROM $table WHERE ($condition);"
  for pair in "${pairs[@]}"; do
    names_of "$pair"
    # With the table's name: SQLite takes a bare "name" that is no column for a text, and every row would match it.
    echo "DELETE FROM $table WHERE $table.$key IN (SELECT key FROM temp.gone);"
  done
  echo 'COMMIT;'
}

options() {
  local word rest=()
  all=no backup=yes
  for word in "${words[@]}"; do
    case "$word" in
      --all) all=yes ;;
      --without-backup) backup=no ;;
      -*) bad_usage "unknown option: $word" ;;
      *) rest+=("$word") ;;
    esac
  done
  [ "${#rest[@]}" -eq 3 ] || bad_usage 'FILE, TABLE:KEY and CONDITION are needed'
  file=${rest[0]} condition=${rest[2]}
  IFS=';' read -ra pairs <<<"${rest[1]}"
  for word in "${pairs[@]}"; do
    [[ $word == ?*:?* ]] || bad_usage "not TABLE:KEY: $word"
  done
  # It is one expression: another statement behind it would not be counted before it is run.
  [[ $condition != *[\;]* && $condition == *[![:space:]]* ]] || bad_usage 'CONDITION is one SQL expression'
}

main() {
  task_begin "$@"
  options
  setting SQLITE_TIMEOUT 30
  setting_list SQLITE_EXTENSIONS ''
  extensions=("${list[@]}")
  find_protected "$file"
  [ -z "$protected" ] || die "refused: $file is protected ($protected)"
  [ -f "$file" ] || die "no such store: $file"
  need sqlite3
  file=$(realpath -- "$file")
  local table key count total status=0 said
  names_of "${pairs[0]}"
  ask_store "$file" "SELECT count($table.$key) FILTER (WHERE ($condition)), count(*) FROM $table;"
  [ -z "$trouble" ] || die "$trouble"
  count=${answer%|*} total=${answer#*|}
  echo "$count of $total documents in $file: $condition"
  [ "$count" -gt 0 ] || task_end
  [ "$count" -lt "$total" ] || [ "$all" = yes ] || die 'every document would go: that needs --all'
  if [ "$yes" = no ] || [ "$dry_run" = yes ]; then
    echo 'nothing was deleted: that needs --yes'
    task_end
  fi
  [ "$backup" = no ] || "$scripts_folder/backup-sqlite.sh" --dir "$BACKUP_DIR" "$file" || die 'there is no copy: nothing was deleted'
  # shellcheck disable=SC2310 # it is one command, and its status is looked at
  said=$(deletions | store_sql "$file" 2>&1) || status=$?
  if [ "$status" -ne 0 ]; then
    plainly "$file" "$said"
    record_action purge-documents "$file" delete failed "documents=$count"
    die "$trouble; nothing was deleted"
  fi
  record_action purge-documents "$file" delete ok "documents=$count"
  echo "deleted: $count documents"
  sound "$file"
  [ -z "$trouble" ] || complain "$trouble"
  task_end
}

main "$@"
