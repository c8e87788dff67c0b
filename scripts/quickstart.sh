#!/usr/bin/env bash
# From a fresh checkout to a verified backup: build, back up a workspace, verify, restore one file.
# Usage: scripts/quickstart.sh
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/scripts/lib/say.sh"
# shellcheck source=scripts/lib/toolchain.sh
. "$here/scripts/lib/toolchain.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/quickstart.sh

Builds the tools (release, locked), then backs up a workspace, lists the archive, verifies it, restores
one file into a folder of its own and checks that file's SHA-256. The workspace is a small demo in a new
temporary folder, or the one PAI_HOME names. Old archives stay, whatever their age.

  -h, --help  this text

Environment:
  PAI_HOME  back up this workspace instead of a demo
  PAI_BIN   use the built tools in this folder; build nothing
  TMPDIR    where temporary folders are made [default: /tmp]

Exit status: 0 done, 2 trouble or bad usage, otherwise that of the step that failed.

Examples:
  scripts/quickstart.sh
  PAI_HOME=~/pai scripts/quickstart.sh
  PAI_BIN=/usr/local/bin scripts/quickstart.sh
TEXT
}

step() {
  printf '\n== %s\n' "$1"
}

# find_tools: puts a folder with pai-backup first on PATH.
find_tools() {
  local folder=${PAI_BIN-}
  if [ -z "$folder" ]; then
    step "building (release, locked)"
    need_build_tools "$here"
    cargo build --quiet --release --locked --workspace --bins --manifest-path "$here/Cargo.toml" || return 2
    folder=${CARGO_TARGET_DIR:-$here/target}/release
  fi
  if ! folder=$(cd "$folder" && pwd) || [ ! -x "$folder/pai-backup" ]; then
    die "could not find pai-backup in $folder"
  fi
  echo "tools: $folder"
  PATH="$folder:$PATH"
}

# make_demo FOLDER: a workspace with the names a real one has.
make_demo() {
  mkdir -p "$1/projects/garden" "$1/tools"
  cd "$1"
  cat >context.md <<'TEXT'
# Context

I keep notes for Ada, who grows vegetables and writes firmware. Answer briefly; ask before deleting anything.
TEXT
  cat >memory.md <<'TEXT'
# Memory

## 2025-09-02

- Ada's server room is the pantry: warn above 30 degrees.

## 2025-09-14

- Decided: backups nightly at 02:00, kept for 30 days.
- TODO: move the tomato log out of the inbox.
TEXT
  cat >projects/garden/plan.md <<'TEXT'
# Garden

| bed | crop | sown |
| --- | --- | --- |
| 1 | tomatoes | 2025-03-20 |
| 2 | broad beans | 2025-02-11 |
TEXT
  printf '# Inbox\n\n- tomato log: 14 kg in August\n' >projects/inbox.md
  cat >tools/words.sh <<'TEXT'
#!/bin/sh
# How long the memory has become.
wc -w "${PAI_HOME:?}/memory.md"
TEXT
  printf '{\n  "model": "local",\n  "port": 8377,\n  "retention_days": 30\n}\n' >config.json
  cat >pai.sh <<'TEXT'
#!/bin/sh
exec python3 "$(dirname "$0")/server.py" "$@"
TEXT
  cat >server.py <<'TEXT'
from http.server import HTTPServer, SimpleHTTPRequestHandler

HTTPServer(("127.0.0.1", 8377), SimpleHTTPRequestHandler).serve_forever()
TEXT
  printf 'JOBS = {"backup.sh": "0 2 * * *", "optimize_memory.py": "30 2 * * 0"}\n' >scheduler.py
  printf 'def say(text):\n    print(text)\n' >voice.py
  printf 'import os\n\nos.execvp("pai-optimize", ["pai-optimize", "--window", "7"])\n' >optimize_memory.py
  printf '#!/bin/sh\nexec pai-backup "$@"\n' >backup.sh
  chmod +x pai.sh backup.sh tools/words.sh
  cd - >/dev/null
}

# restore_one ARCHIVE FOLDER: one file of it into FOLDER, checked against the SHA-256 the archive has for it.
restore_one() {
  local line
  # A name with a backslash or a line end is written with escapes; any other file will do.
  line=$(pai-backup list --sha256 "$1" | grep -m 1 '  memory\.md$') ||
    line=$(pai-backup list --sha256 "$1" | grep -m 1 '^[0-9a-f]') || true
  if [ -z "$line" ]; then
    echo "no file in it to restore"
    return 0
  fi
  pai-backup restore "$1" --target "$2" "${line:66}"
  (cd "$2" && sha256sum --check <<<"$line")
  echo "restored: $2/${line:66}"
}

main() {
  case "${1-}" in
    '') ;;
    -h | --help)
      usage
      return 0
      ;;
    *) bad_usage "unknown word: $1" ;;
  esac
  find_tools
  local scratch archive
  scratch=$(mktemp -d "${TMPDIR:-/tmp}/pai-quickstart.XXXXXX")
  if [ -z "${PAI_HOME-}" ]; then
    step "making a demo workspace"
    make_demo "$scratch/pai"
    export PAI_HOME=$scratch/pai
  fi
  echo "workspace: $PAI_HOME"

  step "backing up"
  archive=$(pai-backup create --no-rotate)
  echo "archive: $archive"
  echo "log: $PAI_HOME/logs/backup.log"

  step "listing"
  pai-backup list
  pai-backup list "$archive" | head -n 20

  step "verifying"
  pai-backup verify "$archive"

  step "restoring one file"
  restore_one "$archive" "$scratch/restored"

  step "done"
  printf 'any tar opens the archive: tar -tzf %q\n' "$archive"
  echo "what was made here stays in $scratch"
}

main "$@"
