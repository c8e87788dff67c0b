#!/usr/bin/env bash
# Installs the object store that the tests of clusters start: for the gate, since building it takes minutes.
# Usage: scripts/dev/garage.sh
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
version=2.5.0
# shellcheck source=scripts/lib/say.sh
. "$here/scripts/lib/say.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/dev/garage.sh

Builds Garage into target/tools unless it is there or on PATH. It is a program of its own that tests run (AGPL), and
nothing of ours is linked to it. Exit status: 0 it is there, otherwise cargo's.
TEXT
}

main() {
  help_first "$@"
  if [ -x "$here/target/tools/bin/garage" ] || command -v garage >/dev/null 2>&1; then
    return 0
  fi
  # Optimising it would take longer than all tests together.
  CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    CARGO_TARGET_DIR="$here/target/tools/build" nice cargo install --quiet --locked --root "$here/target/tools" \
    "garage@$version"
  rm -rf "$here/target/tools/build"
}

main "$@"
