#!/usr/bin/env bash
# Timings against the tools people use today: ratios in one run, tables on stdout.
# Usage: scripts/bench.sh [SECTION...]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/scripts/lib/say.sh"
# shellcheck source=scripts/dev/lib/packages.sh
. "$here/scripts/dev/lib/packages.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh [SECTION...]

Builds the tools (release), makes its own input under $TMPDIR, and times each job against the tool people
use for it today. Every figure is a ratio of medians within this run. SECTIONs are the files of
scripts/dev/bench/, without .sh; all of them by default.

Exit status: 0 done, 2 trouble.
TEXT
}

main() {
  help_first "$@"
  local section sections=("$@")
  for section in "$@"; do
    [ -f "$here/scripts/dev/bench/$section.sh" ] || bad_usage "no such section: $section"
  done
  install_missing "${bench_programs[@]}"
  (cd "$here" && cargo build --quiet --release --locked --workspace --bins) || return 2
  export PATH="$here/target/release:$PATH"
  if [ "${#sections[@]}" -eq 0 ]; then
    for section in "$here"/scripts/dev/bench/*.sh; do
      sections+=("$(basename "$section" .sh)")
    done
  fi
  for section in "${sections[@]}"; do
    bash "$here/scripts/dev/bench/$section.sh" || return 2
  done
}

main "$@"
