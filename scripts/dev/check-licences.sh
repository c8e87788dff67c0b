#!/usr/bin/env bash
# Whether everything that is built into the tools may be given away with them.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/scripts/lib/say.sh"

# Licences that ask for no more than their notice. Zlib is zlib-rs, Unicode-3.0 the tables of regex and of clap.
allowed=(MIT Apache-2.0 Apache-2.0_WITH_LLVM-exception BSD-2-Clause BSD-3-Clause ISC Zlib Unicode-3.0 Unlicense CC0-1.0
  0BSD BSL-1.0)

usage() {
  cat <<'TEXT'
Usage: scripts/dev/check-licences.sh [METADATA]

Checks the licence of every crate the workspace is built of on this machine, tests included, against the list at the
top of this script. METADATA is a file with the output of cargo metadata, for another workspace than this one.
Known vulnerabilities are looked up too where cargo-deny is installed and its database can be reached.

  -h, --help  this text

Exit status: 0 all may be used, 1 some may not (each is named), 2 it could not be found out.
TEXT
}

metadata() {
  local host
  host=$(rustc -vV | sed -n 's/^host: //p')
  cargo metadata --locked --format-version 1 --filter-platform "$host" --manifest-path "$here/Cargo.toml"
}

# permits EXPRESSION: whether an SPDX expression leaves a choice of allowed licences.
permits() {
  local words word sum=
  # The slash is how crates said OR before SPDX.
  read -ra words < <(sed -e 's/ WITH /_WITH_/g' -e 's,/, OR ,g' -e 's/[()]/ & /g' <<<"$1")
  for word in "${words[@]}"; do
    case "$word" in
      AND) sum+=' && ' ;;
      OR) sum+=' || ' ;;
      '(' | ')') sum+=$word ;;
      *) if [[ " ${allowed[*]} " == *" $word "* ]]; then sum+=1; else sum+=0; fi ;;
    esac
  done
  ((sum))
}

# advisories: what is known of the crates' vulnerabilities, as far as it can be known here.
advisories() {
  local database=https://github.com/rustsec/advisory-db
  if ! command -v cargo-deny >/dev/null; then
    echo "advisories: not checked, cargo-deny is not installed"
  elif ! GIT_TERMINAL_PROMPT=0 timeout 20 git ls-remote --quiet "$database" HEAD >/dev/null 2>&1; then
    echo "advisories: not checked, $database cannot be reached"
  else
    cargo deny --manifest-path "$here/Cargo.toml" check advisories
  fi
}

main() {
  local name licence count=0 refused=0 list
  if ! command -v jq >/dev/null; then
    echo "SKIP licences: no jq"
    return 0
  fi
  case "${1-}" in
    -h | --help)
      usage
      return 0
      ;;
    '') list=$(metadata) ;;
    -*) bad_usage "unknown option: $1" ;;
    *) list=$(<"$1") ;;
  esac
  # A crate with a licence file alone has no expression; somebody must read that file.
  list=$(jq -r '(.resolve.nodes | map(.id)) as $built | .packages[] | select(.id | IN($built[]))
    | "\(.name) \(.version)\t\(.license // "none named")"' <<<"$list") || return 2
  while IFS=$'\t' read -r name licence; do
    count=$((count + 1))
    # shellcheck disable=SC2310 # its last word is its verdict
    if ! permits "$licence"; then
      printf '%s: its licence is not on the list: %s\n' "$name" "$licence" >&2
      refused=$((refused + 1))
    fi
  done <<<"$list"
  if [ -z "$list" ]; then
    echo "no crates to check" >&2
    return 2
  fi
  echo "licences: $count crates checked, $refused refused"
  [ "$refused" -eq 0 ] || return 1
  [ $# -gt 0 ] || advisories
}

main "$@"
