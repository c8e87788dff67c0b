#!/usr/bin/env bash
# Measures how fast a service or a store answers, and fails if that is too slow.
# Needs:  python3, jq; sqlite3, docker or psql, if the target is a store
# Reads:  LOAD_TARGET, LOAD_QUERY, LOAD_HEADERS, DATABASE_SERVICE, DATABASE_USER
# Writes: LOG_DIR/performance_results.json (or --output), LOG_DIR/actions.jsonl
# Exit:   0 within the limits, 1 over one, 2 not done, 75 no target
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/load.sh
. "$scripts_folder/lib/load.sh"

usage() {
  cat <<TEXT
Usage: tasks/performance-test.sh [TARGET] [OPTION...]

Sends 100 requests, 10 at the same time, and writes LOG_DIR/performance_results.json: summary.{total_queries,success_count,
fail_count,avg_latency,min_latency,max_latency,p50_latency,p95_latency,p99_latency,throughput_qps,timeouts,errors} (latencies in seconds,
of good answers; throughput is good answers over the time that passed), and each request's result.

$load_help

$task_help

Exit 1 if a limit is not kept: p95 1 second, 10 requests a second, no errors, unless options say otherwise.
TEXT
}

main() {
  task_begin "$@"
  declare -A load=([requests]=100 [concurrency]=10 [timeout]=10s [duration]=60s [max_p95]=1 [min_throughput]=10 [max_errors]=0
    [output]=$LOG_DIR/performance_results.json)
  load_options
  put_load "${load[concurrency]}"
  task_end
}

main "$@"
