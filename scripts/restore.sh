#!/usr/bin/env bash
# Brings a backup back: says what it would do, keeps what it replaces, ends well only if all of it worked.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/stack.sh
. "$here/lib/stack.sh"
# shellcheck source=scripts/lib/postgres.sh
. "$here/lib/postgres.sh"
# shellcheck source=scripts/lib/backups.sh
. "$here/lib/backups.sh"
# shellcheck source=scripts/lib/restore-parts.sh
. "$here/lib/restore-parts.sh"
# shellcheck source=scripts/lib/restore-databases.sh
. "$here/lib/restore-databases.sh"

usage() {
  cat <<TEXT
Usage: restore.sh [--dry-run] [--force] [OPTION...] latest|BACKUP

Verifies the backup, makes a safety copy of what is there (pre-restore-backup-STAMP), stops the services, restores
configuration, databases and volumes, starts the services and waits until health-check passes. A database is
loaded and counted under another name first; a volume's old content goes when the new one is on disk.

  -d, -n, --dry-run     list everything it would restore; needs no docker and changes nothing
  -f, -y, --force       needed for anything but --dry-run
  -c, --config-only     configuration alone
      --data-only       databases and volumes alone
  -s, --services-only   only start the services and wait for them
      --without-safety-copy  when there is nothing left to copy
      --no-health-check      do not wait for health
      --deadline D      how long to wait for health (default 5m)
  -h, --help            this text

Exit status: 0 restored and healthy, 1 something was not restored or is not healthy, 2 nothing was changed.

Environment:
$stack_help

Examples:
  restore.sh --dry-run latest
  restore.sh --force latest
  restore.sh --force --config-only deployment/backups/pa-ecosystem-backup-20261121_020000
TEXT
}

options() {
  parts='configs data' dry_run=no force=no copy=yes health=yes deadline=5m which=''
  while [ $# -gt 0 ]; do
    case "$1" in
      -h | --help)
        usage
        exit 0
        ;;
      -d | -n | --dry-run) dry_run=yes ;;
      -f | -y | --force | --yes) force=yes ;;
      -c | --config-only) parts=configs ;;
      --data-only) parts=data ;;
      -s | --services-only) parts='' ;;
      --without-safety-copy) copy=no ;;
      --no-health-check) health=no ;;
      --deadline)
        [ $# -gt 1 ] || bad_usage "$1 needs a value"
        deadline=$2
        shift
        ;;
      -*) bad_usage "unknown option: $1" ;;
      *)
        [ -z "$which" ] || bad_usage 'one backup at a time'
        which=$1
        ;;
    esac
    shift
  done
  seconds_of "$deadline"
  deadline=$seconds
  [ -n "$which" ] || [ -z "$parts" ] || bad_usage 'which backup? latest or a folder'
}

# keep_what_is_there: a backup of the same parts. Without it nothing is replaced.
keep_what_is_there() {
  local kind=()
  safety_copy=
  [ "$copy" = yes ] || return 0
  case "$parts" in
    configs) kind=(--config-only) ;;
    data) kind=(--data-only) ;;
  esac
  safety_copy=$("$here/backup.sh" --quiet --name pre-restore "${kind[@]}") ||
    die 'could not make the safety copy: nothing was changed (--without-safety-copy if there is nothing to keep)'
  note "what is there now is kept in $safety_copy"
}

wait_for_health() {
  local until=$((SECONDS + deadline))
  [ "$health" = yes ] || return 0
  while ! "$here/health-check.sh" >"$scratch/health" 2>&1; do
    if [ "$SECONDS" -ge "$until" ]; then
      cat "$scratch/health" >&2
      complain "not healthy after $deadline s"
      return 0
    fi
    sleep 2
  done
  note 'healthy'
}

# uses_docker: whether anything of this restore is in containers.
uses_docker() {
  docker_part=no
  [ "$DATABASE_SERVICE" = local ] || [[ " ${artefacts[*]}" != *' databases/'* ]] || docker_part=yes
  [[ " ${artefacts[*]}" != *' volumes/'* ]] || docker_part=yes
  [ -n "$parts" ] || docker_part=yes
}

# at_end STATUS: whatever ends a restore half-way, that is said, and what was stopped is started again.
# shellcheck disable=SC2317 # the trap's
at_end() {
  drop_scratch
  rm -rf "$scratch"
  [ "$changing" = yes ] || return 0
  changing=no
  complain 'the restore ended half-way: what it had not come to is as it was'
  [ "$docker_part" = no ] || start_services
  exit $(($1 < 128 ? 1 : $1))
}

apply() {
  changing=no docker_part=no
  scratch=$(mktemp -d)
  trap 'at_end $?' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  uses_docker
  stopped=() compose=()
  if [ "$docker_part" = yes ]; then
    find_engine
    [ "$engine" = up ] || die "$engine_trouble"
  fi
  [ -z "$parts" ] || keep_what_is_there
  changing=yes
  restore_configs
  [ "$docker_part" = no ] || prepare_services
  restore_databases
  restore_volumes
  [ "$docker_part" = no ] || start_services
  changing=no
  wait_for_health
}

main() {
  options "$@"
  stack_open "$here"
  setting DATABASE_SERVICE supabase-db
  need pai-backup pai-checksum
  artefacts=()
  if [ -n "$parts" ]; then
    find_backup "$which"
    stamp_of "$backup"
    local status=0
    "$here/verify-backup.sh" "$backup" || status=$?
    plan_restore
    [ "$status" -eq 0 ] || die 'the backup is damaged: nothing was changed'
    [ "${#artefacts[@]}" -gt 0 ] || die 'the backup holds nothing of that kind'
  fi
  if [ "$dry_run" = yes ]; then
    exit "$complaints"
  fi
  [ "$force" = yes ] || die 'this replaces what is there: that needs --force'
  [ "$complaints" -eq 0 ] || die 'nothing was changed'
  apply
  if [ "$complaints" -ne 0 ]; then
    note 'the restore FAILED in part: see the lines with error above'
  else
    note "restored ${which:-the services}"
  fi
  exit "$complaints"
}

main "$@"
