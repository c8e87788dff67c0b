#!/usr/bin/env bash
# Backs up the stack: databases, volumes, configuration. Whole or not at all, and verified at the end.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/stack.sh
. "$here/lib/stack.sh"
# shellcheck source=scripts/lib/postgres.sh
. "$here/lib/postgres.sh"
# shellcheck source=scripts/lib/backups.sh
. "$here/lib/backups.sh"
# shellcheck source=scripts/lib/backup-parts.sh
. "$here/lib/backup-parts.sh"
# shellcheck source=scripts/lib/backup-stores.sh
. "$here/lib/backup-stores.sh"
scripts_folder=$here

usage() {
  cat <<TEXT
Usage: backup.sh [OPTION...]

Writes BACKUP_DIR/NAME-backup-YYYYMMDD_HHMMSS: a dump of every database and of the roles, every volume of the
stack, its vector stores, its configuration, a manifest, SHA256SUMS. Then points "latest" to it and verifies it. If one part
fails, the others are still made, but the folder keeps the ending .incomplete and "latest" stays.
Prints the folder.

  -c, --config-only    configuration alone
      --data-only      databases, volumes and vector stores alone
  -s, --services-only  what the services export (BACKUP_EXPORTS) alone
  -o, --output DIR     instead of BACKUP_DIR
  -n, --name NAME      instead of BACKUP_NAME (pa-ecosystem)
  -d, --dry-run        print what would be run; write nothing
  -q, --quiet          no notes on stderr
  -h, --help           this text

Exit status: 0 whole and verified, 1 something is missing or wrong, 2 nothing was made, 75 another backup runs.

Environment:
$stack_help
  DATABASE_SERVICE (supabase-db; local; none), DATABASE_USER (postgres), BACKUP_DATABASES (all), BACKUP_VOLUMES (the
  stack's, less the database's own; none), BACKUP_CONFIGS (deployment docs), BACKUP_EXPORTS (NAME=URL words),
  BACKUP_PAUSE (yes: containers are paused while their volume is read), HELPER_IMAGE (alpine), BACKUP_STORES (none; as
  VECTOR_STORES, docs/vector-store.md), BACKUP_STOP and BACKUP_START (commands around the copies that need a stopped service)

Examples:
  backup.sh
  backup.sh --config-only --output /mnt/usb
  DATABASE_SERVICE=local PGHOST=/run/postgresql backup.sh --data-only
TEXT
}

options() {
  parts='databases volumes stores configs exports' dry_run=no quiet=no name='' output=''
  while [ $# -gt 0 ]; do
    case "$1" in
      -o | --output | -n | --name) [ $# -gt 1 ] || bad_usage "$1 needs a value" ;;
    esac
    case "$1" in
      -h | --help)
        usage
        exit 0
        ;;
      -f | --full) ;;
      -c | --config-only) parts='configs' ;;
      --data-only) parts='databases volumes stores' ;;
      -s | --services-only) parts='exports' ;;
      -o | --output) output=$2 && shift ;;
      -n | --name) name=$2 && shift ;;
      -d | --dry-run) dry_run=yes ;;
      -q | --quiet) quiet=yes ;;
      *) bad_usage "unknown option: $1" ;;
    esac
    shift
  done
  [[ -z $name || $name =~ ^[A-Za-z0-9._-]+$ ]] || bad_usage "not a name: $name"
}

# One backup at a time for a folder; the kernel drops the lock when this process ends.
take_lock() {
  mkdir -p "$BACKUP_DIR"
  exec 8>"$BACKUP_DIR/.lock"
  flock --nonblock 8 && return 0
  note 'another backup runs'
  exit 75
}

# publish: the folder gets its name in one step, complete with lists; only a whole one becomes "latest".
publish() {
  write_manifest >"$work/BACKUP_MANIFEST.md"
  (
    cd "$work"
    find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 pai-checksum -- >"$work.sums" ||
      die 'could not take the checksums'
    mv "$work.sums" SHA256SUMS
  )
  chmod -R go= "$work"
  if [ "$complaints" -ne 0 ]; then
    mv -T "$work" "$target.incomplete"
    die_incomplete
  fi
  sync -f "$work"
  mv -T "$work" "$target"
  ln -sfn "${target##*/}" "$BACKUP_DIR/.latest.new"
  mv -fT "$BACKUP_DIR/.latest.new" "$BACKUP_DIR/latest"
}

die_incomplete() {
  note "incomplete: $target.incomplete"
  exit 1
}

main() {
  options "$@"
  stack_open "$here"
  setting BACKUP_NAME pa-ecosystem
  # Absolute: it is written to from other folders, too.
  BACKUP_DIR=$(realpath -ms -- "${output:-$BACKUP_DIR}")
  umask 077
  need pai-backup pai-checksum tar flock
  stamp=$(date +%Y%m%d_%H%M%S)
  target=$BACKUP_DIR/${name:-$BACKUP_NAME}-backup-$stamp
  work=$target.partial
  if [ "$dry_run" = no ]; then
    take_lock
    [ ! -e "$target" ] || die "there is already $target"
    mkdir "$work" "$work"/{databases,volumes,configs,logs}
    trap 'unpause; start_service; rm -rf "$work" "$work.sums"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
  fi
  local part
  for part in $parts; do
    "backup_$part"
  done
  if [ "$dry_run" = yes ]; then
    echo "would make: $target"
    # What could not be looked at would be missing tonight, too.
    exit "$complaints"
  fi
  [ "$artefacts" -gt 0 ] || die 'nothing to back up was found'
  publish
  echo "$target"
  # Whoever takes the lock next may delete; verification only reads.
  exec 8>&-
  local quietly=()
  [ "$quiet" = no ] || quietly=(--quiet)
  BACKUP_DIR=$BACKUP_DIR "$here/verify-backup.sh" "${quietly[@]}" "$target" >&2
}

main "$@"
