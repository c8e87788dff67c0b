#!/usr/bin/env bash
# Pictures of what browse shows, for docs/past.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/lib/say.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/screenshots.sh [FOLDER]

Makes a workspace with some nights, runs pai-backup browse on it, and takes pictures of its pages by chromium at widths of
400 and 1280 pixels into FOLDER (default: docs/). In docs/ only browse.png is made, a picture of two pages beside each other.
pai-backup and chromium must be on PATH.

  -h, --help  this text

Exit status: 0 done, 2 not done.
TEXT
}

# nights HOME: ten nights of a workspace; each changes a little.
nights() {
  local home=$1 night
  mkdir -p "$home/projects" "$home/tools"
  printf '# Plan\n\nBuy a sonar.\nSurvey the harbour.\n' >"$home/projects/harbour.md"
  printf '# Garden\n\nWater the beans.\n' >"$home/projects/garden.md"
  printf '#!/bin/sh\necho tool\n' >"$home/tools/run.sh"
  for night in 02 03 05 06 07 08 09 12 13 14; do
    printf -- '- %s: walked along the canal.\n' "$night" >>"$home/memory.md"
    case $night in
      05) sed -i 's/Buy a sonar/Rent a better sonar in September/' "$home/projects/harbour.md" ;;
      08) echo 'Ask Dr. Byron for the depth figures.' >>"$home/projects/harbour.md" ;;
      09) mv "$home/projects/garden.md" "$home/projects/beans.md" ;;
      13) rm "$home/tools/run.sh" ;;
    esac
    PAI_NOW=2026-10-${night}T02:00:00Z pai-backup create -q --home "$home" >/dev/null
  done
}

# shoot URL FILE WIDTH HEIGHT
shoot() {
  chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --disable-background-networking \
    --disable-component-update --disable-sync --no-first-run --disable-dev-shm-usage --virtual-time-budget=5000 \
    --user-data-dir="$work/profile" --window-size="$3,$4" --screenshot="$2" "$1" >/dev/null 2>&1
}

main() {
  local folder page name width
  case ${1-} in
    -h | --help)
      usage
      return
      ;;
    -*) bad_usage "unknown option: $1" ;;
  esac
  folder=${1:-${here%/*}/docs}
  { command -v chromium && command -v pai-backup; } >/dev/null || die 'chromium or pai-backup is not on PATH'
  work=$(mktemp -d)
  trap 'kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
  export TZ=UTC XDG_CACHE_HOME=$work/cache
  nights "$work/pai"
  pai-backup browse -q --home "$work/pai" >"$work/address" &
  server=$!
  until [ -s "$work/address" ]; do sleep 0.1; done
  base=$(<"$work/address")
  if [ "$(basename "$folder")" = docs ]; then
    # Two pages in frames would need a policy that allows them: two pictures are put side by side instead.
    shoot "$base" "$work/left.png" 640 620
    shoot "${base}versions/projects/harbour.md" "$work/right.png" 640 620
    printf '<!DOCTYPE html><body style="margin:0;display:flex"><img src=left.png><img src=right.png>' >"$work/both.html"
    shoot "file://$work/both.html" "$folder/browse.png" 1280 620
    return
  fi
  mkdir -p "$folder"
  local last=pai-20261014-020000.tar.gz first=pai-20261002-020000.tar.gz
  for page in "nights=" "tree=tree/$last/" "compare=compare/$first/$last" "versions=versions/projects/harbour.md"; do
    name=${page%%=*}
    for width in 400 1280; do
      shoot "$base${page#*=}" "$folder/$name-$width.png" "$width" 900
    done
  done
}

server=
main "$@"
