#!/usr/bin/env bash
# Everything the tests need on a Debian machine with Rust, then all tests.
# Usage: scripts/test.sh [--no-install] [CARGO TEST ARGUMENT...]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/dev/lib/packages.sh
. "$here/scripts/dev/lib/packages.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/test.sh [--no-install] [ARGUMENT...]

Installs what the tests use from the distribution's packages (where apt-get and root are at hand), checks the
licences of all crates, builds the workspace and runs every test. ARGUMENTs go to cargo test.

  --no-install  use what is there; tests that miss a program say SKIP and why
  -h, --help    this text

Exit status: 0 all tests passed, otherwise cargo's or that of check-licences.sh.
TEXT
}

# settle_environment: what makes the tests quick here; what is set already stays.
settle_environment() {
  # Many tests wait: for a clock to go on, a server to come up, a signal to arrive.
  export RUST_TEST_THREADS=${RUST_TEST_THREADS:-$(($(nproc) * 2))}
  # A first build gains nothing from notes for the next one, and they take a quarter of its time.
  [ -d "${CARGO_TARGET_DIR:-target}/debug/incremental" ] || export CARGO_INCREMENTAL=${CARGO_INCREMENTAL:-0}
  # A version manager's python3 takes ten times as long to start as the one it starts.
  local python
  python=$(python3 -c 'import os, sys; print(os.path.dirname(sys.executable))' 2>/dev/null) || return 0
  PATH=$python:$PATH
}

main() {
  local install=yes
  case "${1-}" in
    -h | --help)
      usage
      return 0
      ;;
    --no-install)
      install=no
      shift
      ;;
  esac
  if [ "$install" = yes ]; then
    install_missing "${test_programs[@]}"
    install_vector_stores "$here/target/python"
    install_rclone "$here/target/python"
  fi
  cd "$here"
  settle_environment
  "$here/scripts/dev/check-licences.sh"
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  local status=0
  cargo test --locked --workspace --no-fail-fast "$@" 2>&1 | tee "$log" || status=$?
  local skipped
  skipped=$(grep -c '^SKIP ' "$log" || true)
  echo "skipped: $skipped (each SKIP line above says why)"
  return "$status"
}

main "$@"
