#!/usr/bin/env bash
# Loads a service or a store with more and more requests at the same time, until it fails or holds.
# Needs:  python3, jq; sqlite3, docker or psql, if the target is a store
# Reads:  LOAD_TARGET, LOAD_QUERY, LOAD_HEADERS, DATABASE_SERVICE, DATABASE_USER
# Writes: LOG_DIR/stress_test_results.json (or --output), LOG_DIR/actions.jsonl
# Exit:   0 every stage held, 1 one broke a limit, 2 not done, 75 no target
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/load.sh
. "$scripts_folder/lib/load.sh"

usage() {
  cat <<TEXT
Usage: tasks/stress-test.sh [TARGET] [OPTION...]

Stages of 1000 requests, with 1, 2, 4, ... at the same time, up to 32, or to the first stage that breaks a limit. Writes
LOG_DIR/stress_test_results.json: what performance-test writes, of all stages together, and stages[] with the figures of each,
withstood (the most at the same time that kept to the limits), total_requests, concurrency, start_time, end_time, duration,
errors, timeouts, memory_percent, cpu_percent.

$load_help

$task_help

Exit 1 if a stage breaks a limit: p95 5 seconds, no errors, unless options say otherwise.
TEXT
}

main() {
  task_begin "$@"
  declare -A load=([requests]=1000 [concurrency]=32 [timeout]=5s [duration]=60s [max_p95]=5 [min_throughput]=0 [max_errors]=0
    [output]=$LOG_DIR/stress_test_results.json)
  load_options
  local stages=() n
  for ((n = 1; n < load[concurrency]; n *= 2)); do stages+=("$n"); done
  put_load "${stages[@]}" "${load[concurrency]}"
  task_end
}

main "$@"
