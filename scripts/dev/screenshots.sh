#!/usr/bin/env bash
# Pictures of a terminal for README.md, and of what browse shows for docs/past.md.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/scripts/lib/say.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/dev/screenshots.sh [FOLDER]

Makes a workspace with some nights, runs pai-backup browse on it, and takes pictures of its pages by chromium at widths of
400 and 1280 pixels into FOLDER (default: docs/). In docs/ only two pictures are made: browse.png, two pages beside each other, and
terminal.png, a backup and a restore at a terminal. pai-backup, chromium, aha and script must be on PATH.

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

# session: what is typed at the terminal of terminal.png. It runs on a terminal, so the tools speak as they do to a person.
session() {
  local PAI_NOW=2026-11-27T02:00:00Z PAI_HOME=$HOME/pai
  export PAI_NOW PAI_HOME
  type_in 'pai-backup'
  type_in "echo '- The harbour opens in May.' >>memory.md"
  PAI_NOW=2026-11-28T02:00:00Z
  type_in 'pai-backup'
  type_in 'pai-backup history memory.md --diff | head -9'
  type_in 'pai-backup verify --all'
  type_in 'pai-backup restore latest --target ~/restored projects/harbour.md'
}

# type_in COMMAND: shows it behind a prompt, and what it prints.
type_in() {
  printf '\033[1;32m~/pai $\033[0m %s\n' "$1"
  eval "$1"
}

# shoot_terminal FILE: a picture of the session.
shoot_terminal() {
  export HOME=$work/ada
  mkdir -p "$HOME/pai/projects"
  cd "$HOME/pai"
  printf '# Memory\n\n- Ada plans a survey of the harbour.\n' >memory.md
  printf '# Plan\n\nRent a sonar.\nSurvey the harbour.\n' >projects/harbour.md
  export -f session type_in
  SHELL=/bin/bash script --quiet --return --command 'stty cols 140; session' "$work/typescript" >/dev/null
  # What script adds are its first and its last line.
  sed -e '1d;$d' -e "s|$HOME|/home/ada|g; s/\r//g" "$work/typescript" >"$work/shown"
  aha --black --title terminal <"$work/shown" |
    sed 's|<pre>|<pre style="margin:0;padding:14px;background:#14181d;color:#d7dbe0;font:14px/1.45 monospace">|' >"$work/terminal.html"
  shoot "file://$work/terminal.html" "$1" 1180 "$((28 + $(wc -l <"$work/shown") * 41 / 2))"
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
  folder=${1:-$here/docs}
  for name in pai-backup chromium aha script; do
    command -v "$name" >/dev/null || die "$name is not on PATH"
  done
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
    shoot_terminal "$folder/terminal.png"
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
