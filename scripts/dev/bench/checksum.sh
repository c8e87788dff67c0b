#!/usr/bin/env bash
# pai-checksum against sha256sum, hashdeep and openssl: large, small, one long and one tiny file, printing and checking.
# Usage: scripts/dev/bench/checksum.sh (scripts/bench.sh builds the tools and calls this)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=scripts/dev/lib/timing.sh
. "$here/scripts/dev/lib/timing.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/dev/bench/checksum.sh

Makes 32 files of 16 MiB, 20,000 of 4 KiB, one of 1 GiB and one of 1 KiB under $TMPDIR (1.7 GiB, removed at
the end), and times pai-checksum against sha256sum, hashdeep and openssl on them, read from the page cache.
"no SHA-NI" forces the kernels of a CPU without these instructions, for openssl too.

Exit status: 0 done, 2 trouble.
TEXT
}

# fill DIR COUNT SIZE: DIR with COUNT files of SIZE bytes of noise.
fill() {
  mkdir -p "$1"
  head -c $(($2 * $3)) /dev/urandom | split -a 5 -b "$3" - "$1/f"
}

# both JOB FIGURE BAR OURS THEIRS: printing, then checking with -c a list that is already there.
both() {
  versus "$1" "$2" "$3" "$4 <names" "$5 <names"
  versus "$1, -c" "$2" "$3" "pai-checksum --quiet -c list" "sha256sum --quiet -c list"
}

many() {
  cd "$1"
  printf '%s\0' f* >names
  xargs -0 sha256sum <names >list
  cd - >/dev/null
}

rows() {
  local large small xargs="xargs -0 -n 100000"
  large="32 x 16 MiB"
  small="20,000 x 4 KiB"
  cd "$work/large"
  both "$large" cpu "9x (AVX-512)" "$xargs pai-checksum" "$xargs sha256sum"
  both "$large, 2 cores" wall 12x "$xargs pai-checksum" "$xargs sha256sum"
  versus "$large, AVX2" cpu 5x "PAI_SHA256=avx2 $xargs pai-checksum <names" "$xargs sha256sum <names"
  cd "$work/small"
  both "$small" cpu 5x "$xargs pai-checksum" "$xargs sha256sum"
  versus "$small, a folder" wall 1x "pai-checksum -r ." "hashdeep -c sha256 -r -l ."
  cd "$work/large"
  versus "$large, a folder" wall 1x "pai-checksum -r ." "hashdeep -c sha256 -r -l ."
  cd "$work"
  versus "1 GiB, no SHA-NI" wall 1.7x "PAI_SHA256=avx512 pai-checksum long" "sha256sum long"
  versus "1 GiB, no SHA-NI" wall 0.95x "PAI_SHA256=avx512 pai-checksum long" \
    "OPENSSL_ia32cap=:~0x20000000 openssl dgst -sha256 long"
  versus "1 GiB" wall - "pai-checksum long" "sha256sum long" "openssl dgst -sha256 long"
  versus "1 KiB, 500 times" wall 1x "for i in {1..500}; do pai-checksum tiny; done" \
    "for i in {1..500}; do sha256sum tiny; done"
}

main() {
  begin checksum "$@"
  fill "$work/large" 32 $((16 << 20))
  fill "$work/small" 20000 4096
  many "$work/large"
  many "$work/small"
  head -c 1073741824 /dev/urandom >"$work/long"
  head -c 1024 /dev/urandom >"$work/tiny"
  table "pai-checksum"
  rows
}

main "$@"
