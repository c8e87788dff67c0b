#!/usr/bin/env bash
# defragment on vector stores: bytes, latency and recall before and after, and how long it takes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lib/timing.sh
. "$here/scripts/lib/timing.sh"
# shellcheck source=scripts/lib/packages.sh
. "$here/scripts/lib/packages.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh vectors

Builds stores of BENCH_VECTORS (100000) vectors of 384 dimensions under $TMPDIR, three in ten deleted, and defragments each. BENCH_STORES
are the kinds (annoy faiss hnswlib lancedb chroma). Their libraries come from PyPI into target/python. Recall is recall@10 against an
exact search; p95 is that of 200 queries, one at a time.

  -h, --help  this text

Exit status: 0 done, 2 trouble.
TEXT
}

# measured KIND: a row of the table.
measured() {
  local kind=$1 options='' start
  python3 -B "$here/scripts/bench/vectors.py" "$work" "$count" "$kind" >&2
  case "$kind" in
    annoy | hnswlib) options='?dimensions=384' ;;
  esac
  [ "$kind" != hnswlib ] || options+='&metric=cosine'
  start=$EPOCHREALTIME
  python3 -B "$here/scripts/stores/store.py" defragment "$kind:$work/$kind$options" --state "$work" --source "$work/live.npz" \
    --keep 0 --figures "$work/figures" >&2
  awk -v kind="$kind" -v a="$start" -v b="$EPOCHREALTIME" '{
    for (i = 1; i <= NF; i++) { split($i, word, "="); of[word[1]] = word[2] }
    printf "| %s | %.0f MB | %.0f MB | %.2f ms | %.2f ms | %.3f | %.3f | %.0f s |\n", kind, of["before_bytes"] / 1e6, of["after_bytes"] / 1e6,
      of["p95_ms_before"], of["p95_ms"], of["recall_before"], of["recall"], b - a
  }' "$work/figures"
}

main() {
  begin vectors "$@"
  count=${BENCH_VECTORS:-100000}
  local kind
  install_vector_stores "$here/target/python"
  export PYTHONPATH=$here/target/python PYTHONWARNINGS=ignore
  python3 -B "$here/scripts/bench/vectors.py" "$work" "$count" source
  printf '\n### defragment, %s vectors of 384 dimensions, 30 %% deleted\n\n' "$count"
  printf '| store | bytes before | after | p95 before | after | recall@10 before | after | took |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n'
  for kind in ${BENCH_STORES:-annoy faiss hnswlib lancedb chroma}; do
    measured "$kind"
    rm -rf "${work:?}/$kind"
  done
}

main "$@"
