# shellcheck shell=bash
# shellcheck disable=SC2004,SC2034,SC2154 # words, settings, help and the array load are the task's
# What stress-test and performance-test share: their options, the target, the results.
# shellcheck source=scripts/lib/postgres.sh
. "$lib_folder/postgres.sh"
# shellcheck source=scripts/lib/action.sh
. "$lib_folder/action.sh"

load_help='TARGET is an address (http://..., https://...), an SQLite file, or postgres:DATABASE; without one, the setting
LOAD_TARGET. Every request is really sent, once. A query is what to send: a body for POST (without any: GET), or a SELECT.

      --query TEXT         what to send; @FILE: a query a line, used in turn; otherwise the setting LOAD_QUERY
      --header "NAME: TEXT"  for an address, may be repeated; otherwise the list LOAD_HEADERS
      --requests N         how many in each stage
      --concurrency N      how many at the same time
      --timeout D          longest time for one
      --duration D         longest time for a stage; what was not sent by then counts as missed
      --max-p95 SECONDS, --min-throughput N, --max-errors N   the limits
      --output FILE        where the results go'

# load_options: the options into the array load, over its defaults; the target into $target.
load_options() {
  local i key
  setting LOAD_TARGET ''
  setting LOAD_QUERY ''
  setting_list LOAD_HEADERS ''
  headers=("${list[@]}") target=$LOAD_TARGET
  load[query]=$LOAD_QUERY
  for ((i = 0; i < ${#words[@]}; i++)); do
    key=${words[$i]#--}
    key=${key//-/_}
    case "${words[$i]}" in
      --query | --requests | --concurrency | --timeout | --duration | --max-p95 | --min-throughput | --max-errors | --output)
        [ $((i + 1)) -lt ${#words[@]} ] || bad_usage "${words[$i]} needs a value"
        load[$key]=${words[i + 1]}
        i=$((i + 1))
        ;;
      --header)
        [[ ${words[i + 1]-} == *:* ]] || bad_usage '--header needs "NAME: TEXT"'
        headers+=("${words[i + 1]}")
        i=$((i + 1))
        ;;
      -*) bad_usage "unknown option: ${words[$i]}" ;;
      *) target=${words[$i]} ;;
    esac
  done
  for key in requests concurrency max_errors; do
    [[ ${load[$key]} =~ ^[0-9]{1,7}$ ]] || bad_usage "--${key//_/-}: not a number: ${load[$key]}"
  done
  for key in max_p95 min_throughput; do
    [[ ${load[$key]} =~ ^[0-9]{1,9}(\.[0-9]+)?$ ]] || bad_usage "--${key//_/-}: not a number: ${load[$key]}"
  done
  [ $((load[requests] * load[concurrency])) -gt 0 ] || bad_usage 'nothing would be sent'
  [ -n "$target" ] || not_here 'no target is named or set up (LOAD_TARGET)'
}

# load_probe: how the target is reached, in the array probe.
load_probe() {
  local header
  probe=()
  case "$target" in
    http://* | https://*)
      probe=(--url "$target")
      for header in "${headers[@]}"; do probe+=(--header "$header"); done
      return 0
      ;;
    postgres:*)
      need_postgres
      # \warn, not \echo: psql keeps back what goes to stdout.
      probe=(--end '\warn load-end' --client "${pg_command[@]}" psql -X -q -A -t -v ON_ERROR_STOP=1 -d "${target#postgres:}")
      ;;
    *)
      need sqlite3
      [ -f "$target" ] || die "no such store: $target"
      probe=(--end '.print load-end' --client sqlite3 -init /dev/null -readonly -bail -batch "$target")
      ;;
  esac
  [ -n "${load[query]}" ] || die 'a store needs a --query (or LOAD_QUERY)'
}

# write_queries FILE: the queries, a line each; none for GET.
write_queries() {
  case "${load[query]}" in
    '') : >"$1" ;;
    @*) cat -- "${load[query]#@}" >"$1" || die "could not read ${load[query]#@}" ;;
    *) printf '%s\n' "${load[query]//$'\n'/ }" >"$1" ;;
  esac
}

# put_load CONCURRENCY...: a stage of each; the results go to the output file, a line of them to stdout.
put_load() {
  local options=() key
  need python3 jq
  load_probe
  for key in timeout duration; do
    seconds_of "${load[$key]}"
    options+=("--$key" "$seconds")
  done
  for key in max_errors max_p95 min_throughput; do options+=("--${key//_/-}" "${load[$key]}"); done
  if [ "$dry_run" = yes ]; then
    echo "would send ${load[requests]} requests to $target in each stage of $* at the same time"
    return 0
  fi
  scratch=$(mktemp -d "$(dirname -- "${load[output]}")/.load.XXXXXX")
  trap 'rm -rf "$scratch"' EXIT
  trap 'exit 143' TERM
  write_queries "$scratch/queries"
  [ ! -s "$scratch/queries" ] || options+=(--queries "$scratch/queries")
  # -B: no __pycache__ beside the scripts.
  python3 -B "$scripts_folder/load/load.py" --total "${load[requests]}" --concurrency "$@" "${options[@]}" "${probe[@]}" \
    >"$scratch/results.json" || die 'the load could not be made'
  mv -f -- "$scratch/results.json" "${load[output]}"
  tell_results "${load[output]}"
}

# tell_results FILE: a line a stage, the record, and a complaint of each limit that was not kept.
tell_results() {
  local result=ok figures line
  jq -r '.stages[] | .concurrency as $c | .summary | "\(.total_queries) requests, \($c) at a time: \(.fail_count) failed" +
    (if .success_count == 0 then "" else ", p50 \(.p50_latency) s, p95 \(.p95_latency) s, p99 \(.p99_latency) s, " +
    "\(.throughput_qps) a second" end) + ([.errors | to_entries[] | "; \(.value) x \(.key)"] | add // "")' "$1"
  while IFS= read -r line; do
    [ -z "$line" ] || complain "$target: $line"
  done < <(jq -r '"\(.concurrency) at a time: " + .violations[]' "$1")
  [ "$complaints" -eq 0 ] || result=failed
  read -ra figures < <(jq -r '.summary | "requests=\(.total_queries) failed=\(.fail_count) throughput_qps=\(.throughput_qps)" +
    (if .p95_latency then " p95_seconds=\(.p95_latency)" else "" end)' "$1")
  record_action "$program" "$target" load "$result" "${figures[@]}" "seconds=$(jq .duration "$1")"
  echo "results: $1"
}
