#!/usr/bin/env bash
# Everything the tests need on a Debian machine with Rust, then all tests.
# Usage: scripts/test.sh [--no-install] [CARGO TEST ARGUMENT...]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/packages.sh
. "$here/scripts/lib/packages.sh"

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
  "$here/scripts/check-licences.sh"
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
