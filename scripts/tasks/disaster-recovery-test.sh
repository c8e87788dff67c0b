#!/usr/bin/env bash
# Restores the newest backup into a scratch place, compares every row count and file, and takes it away again.
# run: yearly 60
# Needs:  pai-backup, pai-checksum, tar, gzip; docker, or psql if DATABASE_SERVICE is local, for dumps
# Reads:  BACKUP_DIR, DATABASE_SERVICE, DATABASE_USER
# Writes: databases pa_scratch_* and a scratch folder, which go again; LOG_DIR/disaster-recovery.jsonl, STATE_DIR/backup-verified
# Exit:   0 all of it restores, 1 a part does not, 2 not done
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/postgres.sh
. "$scripts_folder/lib/postgres.sh"
# shellcheck source=scripts/lib/backups.sh
. "$scripts_folder/lib/backups.sh"

usage() {
  cat <<TEXT
Usage: tasks/disaster-recovery-test.sh [latest|BACKUP] [OPTION...]

Verifies the backup, loads every dump into a scratch database (pa_scratch_...) and counts the rows of every table,
extracts every archive into a scratch folder and compares it with the archive. The live data is not touched.
What it took is appended to LOG_DIR/disaster-recovery.jsonl.

$task_help
TEXT
}

try_dump() {
  load_scratch "$1"
  if [ -n "$load_trouble" ]; then
    complain "${1##*/}: $load_trouble"
  else
    echo "${1##*/}: $loaded_rows rows restored and counted"
  fi
  rows=$((rows + loaded_rows))
  drop_scratch
}

try_archive() {
  local into difference='' status=0
  into=$(mktemp -d "$scratch/archive.XXXXXX")
  pai-backup restore "$1" --target "$into" >/dev/null || status=$?
  # tar's own comparison: content, modes, times, owners; of all but the scratch folder itself.
  [ "$status" -ne 0 ] || difference=$(tar --diff --gzip --file "$1" --directory "$into" 2>&1 | grep -v '^\.: ') || true
  if [ "$status" -ne 0 ]; then
    complain "${1##*/}: could not be restored (exit $status)"
  elif [ -n "$difference" ]; then
    complain "${1##*/}: restored it differs: $(head -n 3 <<<"$difference" | paste -sd ';' -)"
  else
    echo "${1##*/}: $(find "$into" -mindepth 1 | wc -l) entries restored and compared"
  fi
  rm -rf "$into"
}

main() {
  task_begin "$@"
  local file start=$SECONDS status=0 json
  find_backup "${words[0]:-latest}"
  if [ "$dry_run" = yes ]; then
    echo "would restore into scratch: $backup"
    list_artefacts "$backup"
    return 0
  fi
  "$scripts_folder/verify-backup.sh" "$backup" || status=$?
  [ "$status" -eq 0 ] || complain 'the backup is damaged'
  scratch=$(mktemp -d) scratch_database='' rows=0
  trap 'drop_scratch; rm -rf "$scratch"' EXIT
  trap 'exit 143' TERM
  if compgen -G "$backup/databases/*.sql" >/dev/null; then
    need_postgres
    for file in "$backup"/databases/*.sql; do
      [[ ${file##*/} =~ ^globals_[0-9]{8}_[0-9]{6}\.sql$ ]] || try_dump "$file"
    done
  fi
  for file in "$backup"/{volumes,stores,configs}/*.tar.gz; do
    [ ! -e "$file" ] || try_archive "$file"
  done
  json_text "$backup"
  printf '{"type":"recovery","time":"%s","backup":%s,"seconds":%d,"rows":%d,"exit":%d}\n' \
    "$(date -Iseconds)" "$json" $((SECONDS - start)) "$rows" "$complaints" >>"$LOG_DIR/disaster-recovery.jsonl"
  echo "took $((SECONDS - start)) s"
  task_end
}

main "$@"
