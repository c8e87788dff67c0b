#!/usr/bin/env bash
# Whether the stack is well: every check of a small file, all at once, each with a time limit.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/stack.sh
. "$here/lib/stack.sh"
# shellcheck source=scripts/lib/health-report.sh
. "$here/lib/health-report.sh"

usage() {
  cat <<TEXT
Usage: health-check.sh [OPTION...]

Runs the checks of deployment/health.conf and prints a verdict and a line for each. A line of that file is
  TYPE NAME [level=live|ready|deep] [OPTION=VALUE...]
where TYPE is a file in scripts/checks: http container disk memory backup certificate.

      --level LEVEL      live (default), ready or deep; each includes the ones before it
      --json             one JSON object a line instead of the table
      --prometheus FILE  also write FILE for the node exporter's textfile collector
      --notify           tell notify.sh when the verdict changes, and again every 6 h while it is bad
      --timeout SECONDS  limit of each check (default 10)
      --config FILE      another file of checks
  -h, --help             this text

Exit status: 0 nothing failed (warnings are shown), 1 a check failed, 2 trouble or bad usage.

Environment:
$stack_help
  HEALTH_REALERT  seconds between repeated alerts of --notify (default 21600)

Examples:
  health-check.sh
  health-check.sh --level deep --json | jq -r 'select(.status == "error").name'
  health-check.sh --prometheus /var/lib/node_exporter/stack.prom --notify
TEXT
}

levels=(live ready deep)

# due_now LEVEL: whether checks of LEVEL run at the wanted level, in $due.
due_now() {
  local level
  due=no
  for level in "${levels[@]}"; do
    [ "$level" != "$1" ] || due=yes
    [ "$level" != "$wanted" ] || return 0
  done
}

# start_checks FILE: one background process for each line; what they say goes to $scratch/N.
start_checks() {
  local line word level words
  count=0
  while IFS= read -r line || [ -n "$line" ]; do
    read -ra words <<<"${line%%#*}"
    [ "${#words[@]}" -gt 0 ] || continue
    level=live
    local rest=()
    for word in "${words[@]:1}"; do
      case "$word" in
        level=*) level=${word#level=} ;;
        *) rest+=("$word") ;;
      esac
    done
    [[ " ${levels[*]} " == *" $level "* ]] || die "$1: unknown level: $level"
    due_now "$level"
    [ "$due" = yes ] || continue
    [ -x "$here/checks/${words[0]}.sh" ] || die "$1: no such check: ${words[0]}"
    types+=("${words[0]}") names+=("${rest[0]-${words[0]}}") at+=("$level")
    run_check "$count" "$here/checks/${words[0]}.sh" "${rest[@]:-${words[0]}}" &
    count=$((count + 1))
  done <"$1"
  [ "$count" -gt 0 ] || die "$1: no checks at level $wanted"
}

# run_check N COMMAND...: status and seconds to $scratch/N.status, its text to $scratch/N.
run_check() {
  local status=0 start=$EPOCHREALTIME number=$1
  shift
  CHECK_TIMEOUT=$limit timeout -k 2 "$((limit + 2))" "$@" >"$scratch/$number" 2>&1 || status=$?
  [ "$status" -ne 124 ] || echo "no result within $limit s" >"$scratch/$number"
  awk -v status="$status" -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%d %.3f\n", status, b - a }' \
    >"$scratch/$number.status"
}

# collect: what the checks found, in the arrays status, seconds, detail; the counts in errors and warnings.
collect() {
  local i code
  errors=0 warnings=0 failed_names=
  for ((i = 0; i < count; i++)); do
    read -r code took["$i"] <"$scratch/$i.status"
    detail["$i"]=$(tail -n 1 "$scratch/$i" | tr -d '\000-\037\177')
    case "$code" in
      0) status["$i"]=ok ;;
      3) status["$i"]=warning warnings=$((warnings + 1)) ;;
      *)
        status["$i"]=error errors=$((errors + 1))
        failed_names+="${failed_names:+, }${types[$i]} ${names[$i]}"
        [ -n "${detail[$i]}" ] || detail["$i"]="exit $code"
        ;;
    esac
  done
}

# alert: tells notify.sh when the verdict changed, or stays bad for long. An alert that fails is only a warning.
alert() {
  local state=$STATE_DIR/health before=ok since=0 now word=
  now=$(date +%s)
  mkdir -p "$STATE_DIR"
  [ ! -r "$state" ] || read -r before since <"$state"
  if [ "$errors" -gt 0 ]; then
    if [ "$before" = ok ] || [ $((now - since)) -ge "${HEALTH_REALERT:-21600}" ]; then
      word=fail
    fi
  elif [ "$before" != ok ]; then
    word=recovery
  fi
  [ -n "$word" ] || return 0
  local after=ok
  [ "$errors" -eq 0 ] || after=failed
  echo "$after $now" >"$state"
  print_table >"$scratch/alert"
  timeout 60 "$here/notify.sh" "$word" health-check "$scratch/alert" >&2 || warn "notify.sh: exit $?"
}

options() {
  wanted=live format=table prometheus='' notify=no limit=10 config=''
  while [ $# -gt 0 ]; do
    case "$1" in
      --level | --prometheus | --timeout | --config) [ $# -gt 1 ] || bad_usage "$1 needs a value" ;;
    esac
    case "$1" in
      -h | --help)
        usage
        exit 0
        ;;
      --level) wanted=$2 && shift ;;
      --json) format=json ;;
      --prometheus) prometheus=$2 && shift ;;
      --notify) notify=yes ;;
      --timeout) limit=$2 && shift ;;
      --config) config=$2 && shift ;;
      *) bad_usage "unknown option: $1" ;;
    esac
    shift
  done
  [[ " ${levels[*]} " == *" $wanted "* ]] || bad_usage "no such level: $wanted (live, ready, deep)"
  [[ $limit =~ ^[1-9][0-9]{0,3}$ ]] || bad_usage "not a number of seconds: $limit"
}

# find_config: --config, else deployment/health.conf, else the example that comes with these scripts.
find_config() {
  [ -z "$config" ] || return 0
  config=$STACK_HOME/deployment/health.conf
  if [ ! -e "$config" ] && [ ! -e "$here/../examples/health.conf" ]; then
    die "no $config: copy examples/health.conf of the sources there and make it yours"
  elif [ ! -e "$config" ]; then
    note "no $config: using the example's checks"
    config=$here/../examples/health.conf
  fi
}

main() {
  options "$@"
  stack_open "$here"
  find_config
  [ -r "$config" ] || die "could not read $config"
  beside='' scratch=$(mktemp -d)
  trap 'rm -rf "$scratch" ${beside:+"$beside"}' EXIT
  types=() names=() at=() status=() took=() detail=()
  start_checks "$config"
  wait
  collect
  case "$format" in
    table) print_table ;;
    json) print_json ;;
  esac
  [ -z "$prometheus" ] || write_prometheus "$prometheus"
  [ "$notify" = no ] || alert
  [ "$errors" -eq 0 ]
}

main "$@"
