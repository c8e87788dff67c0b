#!/usr/bin/env bash
# Backs up SQLite databases while they are in use: online backup, integrity check, then a name.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/lib/say.sh"
# shellcheck source=scripts/lib/sqlite.sh
. "$here/lib/sqlite.sh"

usage() {
  cat <<'TEXT'
Usage: backup-sqlite.sh [--dir DIR] [--gzip] [--timeout SECONDS] [-n] DATABASE...

Copies each DATABASE with SQLite's online backup, so that a writer at work (WAL mode or not) disturbs nothing
and no committed row is missing; checks the copy's integrity and that it has the source's tables; then
DIR/NAME_YYYYMMDD-HHMMSS.db appears, mode 0600. A file copy of a WAL database would lack its newest rows.

  --dir DIR          where copies go [$BACKUP_DIR, else backups/ beside the database]; made if missing, 0700
  --gzip             keep NAME_YYYYMMDD-HHMMSS.db.gz
  --timeout SECONDS  how long to wait for a busy database [30]
  -n, --dry-run      say what would be copied where
  -h, --help         this text

stdout: the path of each copy. stderr: tables and rows of each.

Exit status: 0 done; 1 a database could not be backed up, the others were; 2 bad usage, or none was.

Examples:
  backup-sqlite.sh data/memoai.db
  backup-sqlite.sh --gzip --dir /backups data/memoai.db ~/.local/share/notes.db
  10 2 * * * memo run-job.sh memoai -- backup-sqlite.sh --dir /backups /srv/memo/data/memoai.db   (in /etc/cron.d)
TEXT
}

# back_up FILE: dies on trouble; runs in a subshell.
back_up() {
  local source=$1 folder name copy extension=.db wanted got
  [ -f "$source" ] || die "no such database: $source"
  source=$(realpath -- "$source")
  folder=${dir:-$(dirname -- "$source")/backups}
  name=$(basename -- "$source")
  name=${name%.*}
  [ "$gzip" = no ] || extension=.db.gz
  if [ "$dry_run" = yes ]; then
    printf 'would copy %s to %s/%s_<time>%s\n' "$source" "$folder" "$name" "$extension"
    return 0
  fi
  [ -d "$folder" ] || try "make $folder" mkdir -p -m 0700 -- "$folder"
  scratch=$(try "write into $folder" mktemp -d "$folder/.incoming.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  copy=$scratch/copy.db
  # In a transaction: otherwise each commit of a writer starts the copy anew, and it may never end. A name without
  # quotes in it, whatever the folder is called.
  (cd "$scratch" && sqlite_ask "$source" 'BEGIN; SELECT count(*) FROM sqlite_schema' '.backup main copy.db') >/dev/null
  sqlite_judge "$copy"
  [ "$verdict" = sound ] || die "the copy of $source is $verdict: $trouble"
  wanted=$(sqlite_tables "$source")
  got=$(sqlite_tables "$copy")
  [ "$wanted" = "$got" ] || die "the copy of $source lacks tables"
  note "$source: $(sqlite_count "$copy")"
  pai-backup capture --name "${name}_" --ext "$extension" --archive-dir "$folder" -- cat -- "$copy"
}

main() {
  local dir=${BACKUP_DIR-} gzip=no timeout=30 dry_run=no source done=no status
  while [[ ${1-} == -* ]]; do
    case "$1" in
      -h | --help)
        usage
        return 0
        ;;
      --gzip) gzip=yes ;;
      -n | --dry-run) dry_run=yes ;;
      --dir | --timeout)
        [ -n "${2-}" ] || bad_usage "$1 needs a value"
        printf -v "${1#--}" '%s' "$2"
        shift
        ;;
      *) bad_usage "unknown option: $1" ;;
    esac
    shift
  done
  [ $# -gt 0 ] || bad_usage 'no database named'
  [[ $timeout =~ ^[0-9]{1,4}$ ]] || bad_usage "not a number of seconds: $timeout"
  SQLITE_TIMEOUT=$timeout
  umask 077
  for source in "$@"; do
    # Not `|| status=$?`: that would switch `set -e` off inside.
    set +e
    (
      set -e
      back_up "$source"
    )
    status=$?
    set -e
    if [ "$status" -eq 0 ]; then done=yes; else complain "could not back up $source"; fi
  done
  [ "$done" = yes ] || return 2
  return "$complaints"
}

main "$@"
