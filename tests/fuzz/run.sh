#!/usr/bin/env bash
# Makes a first corpus from what real programs write, then fuzzes each target for a while.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
all=(archive checksum dated index listing memory pax request sealed_file sealed_list sealed_packs stamp tar)

usage() {
  cat <<'TEXT'
Usage: tests/fuzz/run.sh [--seconds N] [--seeds] [TARGET...]

Fuzzes what reads bytes that somebody else wrote; the properties are in tests/properties. Needs a nightly compiler
(rustup toolchain install nightly) and cargo-fuzz (cargo install cargo-fuzz).

  --seconds N  for each target [600]
  --seeds      make the first corpus and stop
  -h, --help   this text

Targets: archive checksum dated index listing memory pax request sealed_file sealed_list sealed_packs stamp tar
[all of them]

What is found is kept in tests/fuzz/artifacts/TARGET. Run it again with
  cargo +nightly fuzz run --fuzz-dir tests/fuzz TARGET tests/fuzz/artifacts/TARGET/FILE

Exit status: 0 nothing was found, 1 something was, 2 it could not run.
TEXT
}

# seed TARGET NAME [PREFIX]: stdin, behind what printf makes of PREFIX, becomes a file of the corpus.
seed() {
  mkdir -p "$here/corpus/$1"
  # shellcheck disable=SC2059 # the prefix is a format: bytes written as escapes
  { printf "${3-}" && cat; } >"$here/corpus/$1/seed-$2"
}

# tree FOLDER: one of each thing a tar can hold.
tree() {
  local long
  long=$(printf 'n%.0s' {1..120})
  mkdir -p "$1/folder/$long"
  printf 'text\n' >"$1/folder/$long/$long"
  printf 'more text\n' >"$1/file"
  ln -f "$1/file" "$1/hard"
  ln -sf "folder/$long" "$1/symbolic"
  [ -p "$1/fifo" ] || mkfifo "$1/fifo"
  truncate -s 16K "$1/sparse"
  printf 'island' | dd of="$1/sparse" bs=1 seek=8192 conv=notrunc status=none
  touch -d '2025-09-16 06:00:03.25 UTC' "$1/file"
}

seed_tars() {
  local src=$1/src format
  tree "$src"
  for format in v7 ustar oldgnu gnu posix; do
    # The oldest formats cannot hold everything; what they leave out others have.
    tar --format="$format" -b1 --exclude=sparse -C "$src" -cf "$1/tar" . 2>/dev/null || true
    seed tar "$format" <"$1/tar"
    seed archive "$format" '\1\0' <"$1/tar"
    seed archive "$format-gzip" '\2\0' <"$1/tar"
    seed archive "$format-sealed" '\43\0' <"$1/tar"
  done
  for format in 0.0 0.1 1.0; do
    tar --format=posix -b1 --sparse --sparse-version="$format" -C "$src" -cf - . | seed tar "sparse-$format"
  done
  tar --format=gnu -b1 --sparse --label=label -C "$src" -cf - . | seed tar gnu-sparse
  local tool
  for tool in "$here"/../../target/{release,debug}/pai-backup; do
    [ -x "$tool" ] || continue
    "$tool" -q --home "$src" -o - | seed archive ours '\0\0'
    break
  done
}

seed_lines() {
  local names='pai-20250916-090003.tar.gz\npai-2025-09-15.sql\npai-20250915T090003Z.tar.gz.sha256\nx_20250914.partial\n'
  sha256sum "$1/src/file" | seed checksum text
  sha256sum --tag "$1/src/file" | seed checksum tag
  printf '# 10 1.000000001 2.000000000 x\n%064d  x\n\\%064d  a\\nb\n' 1 2 | seed checksum manifest
  printf 'tree/pai-20250916-090003.tar.gz/a%%20b/%%3C%%FF?at=x' | seed request tree
  printf 'compare?from=a&to=now' | seed request compare
  printf '/../%%2e%%2e/%%252f%%00' | seed request out
  printf 'pai-20250916-090003.tar.gz' | seed stamp compact
  printf 'folder/x 2025-09-16 09.00.03Z.sql' | seed stamp dashed
  # shellcheck disable=SC2059 # the names stand there with their line feeds
  printf "$names" | seed listing lines '\20'
  # shellcheck disable=SC2059 # as above
  printf "$names" | tr '\n' '\0' | seed listing nul '\21'
}

seed_memory() {
  # shellcheck disable=SC2016 # Markdown's code, not the shell's
  printf '# PAI Memory\n\nText.\n\n## Projects\n- pai\n\n## 2025-09-01\n- Signed the lease.\n\n## 2025-09-15\n```\n## x\n```\n' |
    seed memory plain '\0'
  printf '## Summaries\n_Last updated: x_\n\n- 2025-08-01: old ([archive](archive/memory/memory-2025-08-01.md))\n\n%s' \
    $'## Recent Entries\n\n## 2025-09-01 - title\n<!-- pin -->\n<!--\n## 2025-09-02\n-->\n' | seed memory ours '\3'
}

seed_sealed() {
  local digest
  digest=$(printf 'x' | sha256sum | cut -d ' ' -f 1)
  printf '# pai-backup list 1\n# archive a\n# size 7\n# head %s %s\n%s 0 7\n' "$digest" "$digest" "$digest" |
    seed sealed_list text
  printf '%s  packs/%s/%s.gz.age\n# packs 1 sha256 %s list %s\n' "$digest" "${digest:0:2}" "$digest" "$digest" "$digest" |
    seed sealed_list packs
  local how
  for how in 1 2 3 9 13; do
    printf 'some content, and more of it' | seed sealed_file "$how" "\\$how\\7\\0\\1\\2"
    printf 'some content, and more of it, in three packs' | seed sealed_packs "$how" "\\$how\\7\\0\\1\\2"
  done
}

seed_dated() {
  printf '# M\n\n## Projects\n### Alpha (2025-09-01)\n- a\n\n#### Beta 2025/08/03\nb\n## 6 March 2025\nc\n## 2025-09-15\nd\n' |
    seed memory dated '\100'
  printf '# M\n\n- 2025-09-01: a\n- b\n\n- **2025-09-02** c\n\nText.\n' | seed memory bullets '\200'
  printf '## 06.03.2025 x\n\n- 2025-09-01: a\n\n### 2025-09-02\n- 2025-09-03: b\n' | seed memory both '\301'
  local form
  for form in '2026-03-06 10:00' '[1.2.0] - 2026-03-06' 'March 6, 2026' '6. M\303\244rz 2026' '2026\345\271\2643\346\234\2106\346\227\245'; do
    # shellcheck disable=SC2059 # bytes written as escapes
    printf "$form" | seed dated "${form//[^0-9a-zA-Z]/}"
  done
}

seed_headers() {
  printf 'path=a/b\xffmtime=1.25\xffuid=3000000\xffSCHILY.xattr.user.a%%3D=1' | seed pax plain '\0'
  printf 'GNU.sparse.major=1\xffGNU.sparse.minor=0\xffGNU.sparse.name=a\xffGNU.sparse.realsize=512' | seed pax sparse '\0'
  printf 'GNU.sparse.size=512\xffGNU.sparse.map=0,0\xffGNU.sparse.numblocks=1' | seed pax sparse-map '\0'
  # One member, one file of five bytes; then a member without entries; no more groups; totals.
  local digest
  digest=$(printf '%32s' '' | tr ' ' d)
  printf '\1\1\67\74\2%scrc4\0\0\4name\244\3\0\0\5\0\0\0\0\1\1\0\0%s\1\0\0\74\2%scrc4\0\1\1\5' "$digest" "$digest" "$digest" |
    seed index one
}

main() {
  local seconds=600 only_seeds=no status=0 target
  while [[ ${1-} == -* ]]; do
    case "$1" in
      -h | --help)
        usage
        return 0
        ;;
      --seeds) only_seeds=yes ;;
      --seconds)
        seconds=${2:?--seconds needs a number}
        shift
        ;;
      *)
        usage >&2
        return 2
        ;;
    esac
    shift
  done
  [ $# -gt 0 ] || set -- "${all[@]}"
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  seed_tars "$scratch"
  seed_lines "$scratch"
  seed_memory
  seed_dated
  seed_headers
  seed_sealed
  [ "$only_seeds" = no ] || return 0
  # A thread may still be ending when its input is done, or the run: what it holds is no leak.
  export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
  for target in "$@"; do
    echo "== $target"
    cargo +nightly fuzz build --fuzz-dir "$here" "$target" || return 2
    cargo +nightly fuzz run --fuzz-dir "$here" "$target" -- \
      -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 -max_len=24576 || status=1
  done
  return "$status"
}

main "$@"
