#!/usr/bin/env bash
# Keeps the list of checksums beside the replay capsules: what was listed is checked, what is new is added.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/lib/say.sh"

usage() {
  cat <<'TEXT'
Usage: checksum-replays.sh [OPTION...] [FOLDER]

Keeps FOLDER/checksums.txt, which `cd FOLDER && sha256sum -c checksums.txt` reads: names relative, so that the
folder may move; replaced in one step, so that there is always a whole list. FOLDER is $REPLAYS_PATH, else
/opt/Super-Codex-AI/storage/replays.

A file never changes once it is listed: one that no longer has its checksum is an error, and its line stays, so
that the damage is not signed off by the next night's run. A listed file that is gone is told once, then its
line goes. New files are named and added. Files that the pattern does not cover are named.

  --pattern GLOB     which files [*.zip]
  --forget-missing   listed files may go (retention takes them): no error
  --clean-up DAYS    first remove capsules older than DAYS, but never the newest 7, and their lines with them
  --accept NAME      take the present content of NAME for good
  -n, --dry-run      report, change nothing
  -h, --help         this text

Exit status: 0 done; 1 done, and something was damaged or missing; 2 not done (no file: the list stays as it was).

Examples:
  checksum-replays.sh
  checksum-replays.sh --clean-up 90
  checksum-replays.sh --forget-missing --pattern 'pai-*.tar.gz' ~/pai/archive
TEXT
}

# as_listed NAME: the name as sha256sum writes it, in $listed.
as_listed() {
  listed=${1//\\/\\\\}
  listed=${listed//$'\n'/\\n}
  listed=${listed//$'\r'/\\r}
}

# read_list: the lines of the list by name, in the associative array line_of.
read_list() {
  local line name number=0
  [ -e checksums.txt ] || return 0
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    case "$line" in '' | \#*) continue ;; esac
    # Left out, it would make its file a new one, and whatever that holds now would be signed.
    [[ $line =~ ^(\\?)([0-9A-Fa-f]{64})\ [\ *](.+)$ ]] || die "checksums.txt:$number: not a line of sha256sum; mend it or take it out"
    name=${BASH_REMATCH[3]}
    # Lists made with the folder in front of each name are taken over.
    name=${name#"$PWD/"}
    line_of[$name]="${BASH_REMATCH[1]}${BASH_REMATCH[2],,}  $name"
  done <checksums.txt
}

# look: the files the pattern covers, in $files; their names as listed are the keys of present.
look() {
  local name listed
  mapfile -d '' -t files < <(find . -maxdepth 1 -type f -name "$pattern" -printf '%P\0' | LC_ALL=C sort -z)
  present=()
  for name in "${files[@]}"; do
    as_listed "$name"
    present[$listed]=1
  done
}

# drop_missing WHETHER_TO_COMPLAIN: lines of files that are gone.
drop_missing() {
  local name
  for name in "${!line_of[@]}"; do
    [ -z "${present[$name]-}" ] || continue
    unset "line_of[\$name]"
    [ "$1" = no ] || complain "$name is listed and gone"
  done
}

# find_new: files without a line, in $fresh.
find_new() {
  local name listed
  for name in "${files[@]}"; do
    as_listed "$name"
    if [ -z "${line_of[$listed]-}" ] || [ "$name" = "$accept" ]; then
      fresh+=("$name")
      unset "line_of[\$listed]"
      printf 'new: %s\n' "$name"
    fi
  done
}

# check_listed: does every listed file still have its checksum?
check_listed() {
  [ "${#line_of[@]}" -gt 0 ] || return 0
  local status=0
  printf '%s\n' "${line_of[@]}" | LC_ALL=C sort -k 2 >"$scratch/listed"
  pai-checksum --check --quiet "$scratch/listed" || status=$?
  case "$status" in
    0) ;;
    1) complain 'a listed file has changed; its line stays until the file is restored, or --accept NAME' ;;
    *) die "could not check the listed files (pai-checksum: exit $status)" ;;
  esac
}

write_list() {
  [ "${#line_of[@]}" -eq 0 ] || printf '%s\n' "${line_of[@]}" >"$scratch/list"
  [ "${#fresh[@]}" -eq 0 ] || pai-checksum -- "${fresh[@]}" >>"$scratch/list"
  LC_ALL=C sort -k 2 -o "$scratch/list" "$scratch/list"
  ! cmp -s "$scratch/list" checksums.txt || return 0
  new=$(try "write into $PWD" mktemp .checksums.XXXXXX)
  cat "$scratch/list" >"$new" || die "could not write checksums.txt in $PWD: it stays as it was"
  [ ! -e checksums.txt ] || chmod --reference=checksums.txt "$new"
  sync "$new"
  mv -f "$new" checksums.txt
  sync .
}

main() {
  local folder=${REPLAYS_PATH:-/opt/Super-Codex-AI/storage/replays} pattern='*.zip' clean_up='' accept='' forget=no
  local dry_run=no name
  while [[ ${1-} == -* ]]; do
    case "$1" in
      -h | --help)
        usage
        return 0
        ;;
      -n | --dry-run) dry_run=yes ;;
      --forget-missing) forget=yes ;;
      --pattern | --clean-up | --accept)
        [ -n "${2-}" ] || bad_usage "$1 needs a value"
        name=${1#--}
        printf -v "${name//-/_}" '%s' "$2"
        shift
        ;;
      *) bad_usage "unknown option: $1" ;;
    esac
    shift
  done
  [ $# -eq 0 ] || folder=$1
  [[ $clean_up =~ ^[0-9]*$ ]] || bad_usage "not a number of days: $clean_up"
  umask 077
  other_ends_are_trouble
  try "enter $folder" cd -- "$folder"
  cd -- "$folder"
  local -A line_of=() present=()
  local files=() fresh=() dry=() complain=yes
  [ "$dry_run" = no ] || dry=(--dry-run)
  [ "$forget" = no ] || complain=no
  new='' scratch=$(try 'make a temporary folder' mktemp -d)
  trap 'rm -rf "$scratch" ${new:+"$new"}' EXIT
  read_list
  look
  drop_missing "$complain"
  if [ -n "$clean_up" ]; then
    pai-rotate --days "$clean_up" --min-keep 7 ${dry:+"${dry[@]}"} -- "${files[@]/#/./}"
    look
    drop_missing no
  fi
  [ "${#files[@]}" -gt 0 ] || die "no $pattern in $folder: the list stays as it was"
  find_new
  check_listed
  find . -maxdepth 1 -type f ! -name "$pattern" ! -name '.*' ! -name checksums.txt ! -name '*.sha256' -printf 'not covered: %P\n'
  [ "$dry_run" = yes ] || write_list
  exit "$complaints"
}

main "$@"
