#!/usr/bin/env bash
# Checks backups down to the last byte. Passes on nothing but a whole backup.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/stack.sh
. "$here/lib/stack.sh"
# shellcheck source=scripts/lib/dump.sh
. "$here/lib/dump.sh"
# shellcheck source=scripts/lib/backups.sh
. "$here/lib/backups.sh"

usage() {
  cat <<TEXT
Usage: verify-backup.sh [--latest | --all | PATH...] [OPTION...]

Of each backup: the manifest and every file it names; SHA256SUMS against every file, and no file beside them; every
.tar.gz read to its end; every .sql complete, no table cut off; every .json parsed. One line each on
stdout, "PATH: OK" or "PATH: FAILED (why; why)". The newest good one is noted for health-check.

      --latest   the newest backup (default)
      --all      every backup of BACKUP_DIR
  -q, --quiet    only what failed
  -h, --help     this text

Exit status: 0 all are good, 1 one is not, 2 there is nothing to verify, or bad usage.

Environment:
$stack_help

Examples:
  verify-backup.sh --latest
  verify-backup.sh --all --quiet
  verify-backup.sh /mnt/usb/pa-ecosystem-backup-20261121_020000
TEXT
}

why() { faults+="${faults:+; }$1"; }

check_lists() {
  local line name
  if ! grep -q '^## Backup Contents' "$1/BACKUP_MANIFEST.md" 2>/dev/null; then
    why 'no manifest (BACKUP_MANIFEST.md)'
  else
    while read -r name; do
      [ -f "$1/$name" ] || why "missing: $name"
    done < <(sed -n 's/^- \(.*\) [0-9]* bytes$/\1/p' "$1/BACKUP_MANIFEST.md")
  fi
  if [ ! -s "$1/SHA256SUMS" ]; then
    why 'no SHA256SUMS'
    return 0
  fi
  # Only names without a backslash or line end are ever written here.
  line=$(cd "$1" && pai-checksum --check --strict --quiet SHA256SUMS 2>&1) ||
    why "checksums: $(head -n 3 <<<"$line" | paste -sd, - | tr -d '\000-\037')"
  while read -r name; do
    [ -z "$name" ] || why "not in SHA256SUMS: $name"
  done < <(comm -23 <(cd "$1" && find . -type f ! -path ./SHA256SUMS -printf '%P\n' | LC_ALL=C sort) \
    <(cut -c 67- "$1/SHA256SUMS" | LC_ALL=C sort))
}

check_artefact() {
  local trouble
  [ -s "$1/$2" ] || {
    why "empty: $2"
    return 0
  }
  case "$2" in
    *.tar.gz)
      trouble=$(pai-backup verify "$1/$2" 2>&1) || why "$2: $(tail -n 1 <<<"$trouble" | sed 's/.*FAILED/FAILED/')"
      # An archive cut behind its last member still has members; tar knows the end by its zero blocks.
      gzip -t "$1/$2" 2>/dev/null || why "$2: not a whole gzip file"
      ;;
    *.sql)
      tail -c 4096 "$1/$2" | grep -Eq '^-- PostgreSQL database (cluster )?dump complete' || why "$2: the end is missing"
      trouble=$(rows_of "$1/$2")
      [[ $'\n'$trouble != *$'\n''cut '* ]] || why "$2: ends within a table"
      ;;
    *.json)
      if ! command -v jq >/dev/null; then
        why "$2: not parsed, jq is not installed"
      elif ! jq -e . "$1/$2" >/dev/null 2>&1; then
        why "$2: not JSON"
      fi
      ;;
  esac
}

# verify BACKUP: its line; $faults stays empty if it is good.
verify() {
  local file count=0
  faults=
  check_lists "$1"
  while read -r file; do
    case "$file" in
      databases/* | volumes/* | stores/* | configs/*)
        check_artefact "$1" "$file"
        count=$((count + 1))
        ;;
    esac
  done < <(list_artefacts "$1")
  [ "$count" -gt 0 ] || why 'it holds nothing'
  if [ -n "$faults" ]; then
    printf '%s: FAILED (%s)\n' "$1" "$faults"
  elif [ "$quiet" = no ]; then
    printf '%s: OK\n' "$1"
  fi
}

# remember BACKUP: the newest good one, for health-check and for the tasks that need one.
remember() {
  local before=0 path=
  [[ ${1##*/} != pre-restore-* ]] && [[ $1 =~ -backup-[0-9]{8}_[0-9]{6}$ ]] || return 0
  stamp_of "$1"
  [ ! -r "$STATE_DIR/backup-verified" ] || read -r before _ path <"$STATE_DIR/backup-verified"
  if [ "$made" -ge "$before" ] || [ ! -e "$path" ]; then
    mkdir -p "$STATE_DIR"
    echo "$made $(date +%s) $1" >"$STATE_DIR/backup-verified"
  fi
}

main() {
  local which=--latest paths=() path good=0 bad=0
  quiet=no
  while [ $# -gt 0 ]; do
    case "$1" in
      -h | --help)
        usage
        exit 0
        ;;
      --latest | --all) which=$1 ;;
      -q | --quiet) quiet=yes ;;
      -*) bad_usage "unknown option: $1" ;;
      *) paths+=("$1") ;;
    esac
    shift
  done
  stack_open "$here"
  need pai-backup pai-checksum
  if [ "${#paths[@]}" -eq 0 ] && [ "$which" = --all ]; then
    list_backups
    paths=("${backups[@]}")
    [ "${#paths[@]}" -gt 0 ] || die "no backups in $BACKUP_DIR"
  fi
  for path in "${paths[@]:-latest}"; do
    if [ "$path" != latest ] && [ ! -d "$path" ]; then
      printf '%s: FAILED (no such backup)\n' "$path"
      bad=$((bad + 1))
      continue
    fi
    find_backup "$path"
    verify "$backup"
    if [ -n "$faults" ]; then
      bad=$((bad + 1))
    else
      good=$((good + 1))
      remember "$backup"
    fi
  done
  [ "$which" != --all ] || note "$((good + bad)) backups: $good good, $bad bad"
  [ "$bad" -eq 0 ]
}

main "$@"
