#!/usr/bin/env bash
# defragment on vector stores: bytes, latency and recall before and after, and how long it takes.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=scripts/dev/lib/timing.sh
. "$here/scripts/dev/lib/timing.sh"
# shellcheck source=scripts/dev/lib/packages.sh
. "$here/scripts/dev/lib/packages.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh vectors

Builds stores of BENCH_VECTORS (100000) vectors of 384 dimensions under $TMPDIR, three in ten deleted, and defragments each. BENCH_STORES
are the kinds (annoy faiss hnswlib lancedb chroma sqlite postgres). Their libraries, sqlite-vec, and a PostgreSQL with pgvector come from
PyPI into target/python. Recall is recall@10 against an exact search; p50 and p95 are those of the same 200 queries before and after in one
run, one at a time. Bytes and recall do not depend on what else the machine does; milliseconds and seconds do.

  -h, --help  this text

Exit status: 0 done, 2 trouble.
TEXT
}

# row NAME SECONDS: a row of the table, of "BYTES P50 P95 RECALL" before and after, two lines on stdin.
row() {
  awk -v name="$1" -v took="$2" '{ bytes[NR] = $1; p50[NR] = $2; p95[NR] = $3; recall[NR] = $4 } END {
    printf "| %s | %.0f MB | %.0f MB | %.2f / %.2f ms | %.2f / %.2f ms | %.3f | %.3f | %.0f s |\n", name, bytes[1] / 1e6, bytes[2] / 1e6,
      p50[1], p95[1], p50[2], p95[2], recall[1], recall[2], took
  }'
}

passed() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }'; }

# measured KIND: a store that stores/store.py defragments.
measured() {
  local kind=$1 options='' start took
  python3 -B "$here/scripts/dev/bench/vectors.py" "$work" "$count" "$kind" >&2
  case "$kind" in
    annoy | hnswlib) options='?dimensions=384' ;;
  esac
  [ "$kind" != hnswlib ] || options+='&metric=cosine'
  start=$EPOCHREALTIME
  python3 -B "$here/scripts/stores/store.py" defragment "$kind:$work/$kind$options" --state "$work" --source "$work/live.npz" \
    --keep 0 --figures "$work/figures" >&2
  took=$(passed "$start")
  awk '{
    for (i = 1; i <= NF; i++) { split($i, word, "="); of[word[1]] = word[2] }
    print of["before_bytes"], of["p50_ms_before"], of["p95_ms_before"], of["recall_before"]
    print of["after_bytes"], of["p50_ms"], of["p95_ms"], of["recall"]
  }' "$work/figures" | row "$kind" "$took"
}

# measured_sql KIND STORE: one that tasks/defragment.sh defragments with the store's own statements.
measured_sql() {
  local kind=$1 start took sql=(python3 -B "$here/scripts/dev/bench/vectors_sql.py" "$work" "$count" "$1")
  "${sql[@]}" build >&2
  "${sql[@]}" measure >"$work/rows"
  start=$EPOCHREALTIME
  STACK_HOME=$work DATABASE_SERVICE=local "$here/scripts/tasks/defragment.sh" "$2" >&2
  took=$(passed "$start")
  "${sql[@]}" measure >>"$work/rows"
  row "$kind" "$took" <"$work/rows"
}

# with_postgres COMMAND...: runs it beside a server of its own, on a socket in $work, from PyPI's pgserver, which has pgvector.
with_postgres() {
  local programs=$here/target/python/pgserver/pginstall/bin as=() data=$work/postgres server tries
  if [ ! -x "$programs/postgres" ]; then
    echo 'postgres: no pgserver' >&2
    return 0
  fi
  chmod 755 "$work"
  mkdir "$data"
  # It does not run as root.
  if [ "$(id -u)" -eq 0 ]; then
    chown postgres: "$data"
    as=(setpriv --reuid postgres --regid postgres --clear-groups)
  fi
  "${as[@]}" "$programs/initdb" --no-sync --username=bench --auth=trust -D "$data/data" >&2
  "${as[@]}" "$programs/postgres" -D "$data/data" -k "$data" -c listen_addresses= -c shared_buffers=512MB >&2 2>"$work/server.log" &
  server=$!
  for ((tries = 0; tries < 600; tries++)); do
    ! PGHOST=$data PGUSER=bench psql -X -q -d postgres -c 'CREATE DATABASE bench' 2>/dev/null || break
    sleep 0.1
  done
  PGHOST=$data PGUSER=bench "$@"
  kill "$server"
  wait "$server" || true
}

main() {
  begin vectors "$@"
  count=${BENCH_VECTORS:-100000}
  local kind
  install_vector_stores "$here/target/python"
  export PYTHONPATH=$here/target/python PYTHONWARNINGS=ignore
  python3 -B "$here/scripts/dev/bench/vectors.py" "$work" "$count" source
  printf '\n### defragment, %s vectors of 384 dimensions, 30 %% deleted\n\n' "$count"
  printf '| store | bytes before | after | p50 / p95 before | after | recall@10 before | after | took |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n'
  for kind in ${BENCH_STORES:-annoy faiss hnswlib lancedb chroma sqlite postgres}; do
    case "$kind" in
      sqlite) measured_sql sqlite "$work/sqlite" ;;
      postgres) with_postgres measured_sql postgres postgres:bench ;;
      *) measured "$kind" ;;
    esac
    rm -rf "${work:?}/$kind"
  done
}

main "$@"
