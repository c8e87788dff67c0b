# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # settings and results are auto-restart's
# One sample of a service: its answer, its processes, what they use (proc(5)).

# resident PID...: their resident memory in $rss, in bytes. Processes that have ended use none.
resident() {
  local pid kib
  rss=0
  for pid in "$@"; do
    kib=$(awk '/^VmRSS:/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || kib=
    rss=$((rss + ${kib:-0} * 1024))
  done
}

# ticks PID...: the processor time they have used, in clock ticks, in $used. A program's name may hold anything; what
# follows the last parenthesis does not.
ticks() {
  local pid line fields
  used=0
  for pid in "$@"; do
    { line=$(<"/proc/$pid/stat"); } 2>/dev/null || continue
    read -ra fields <<<"${line##*) }"
    used=$((used + fields[11] + fields[12]))
  done
}

# processor PID...: the share of one processor that they use during a second, in percent, in $cpu.
processor() {
  local before start=$EPOCHREALTIME
  ticks "$@"
  before=$used
  sleep 1
  ticks "$@"
  cpu=$(awk -v used=$((used - before)) -v hertz="$(getconf CLK_TCK)" -v a="$start" -v b="$EPOCHREALTIME" \
    'BEGIN { printf "%d", used < 0 ? 0 : used / hertz * 100 / (b - a) }')
}

# started_at PID: when, in seconds since 1970, in $started; 0 if there is no such process.
started_at() {
  local age
  age=$(ps -o etimes= -p "$1" 2>/dev/null) || age=
  started=0
  [ -z "$age" ] || started=$(($(date +%s) - age))
}

# memory_percent: how much of the machine's memory programs cannot have, in $memory.
memory_percent() {
  memory=$(awk '/^MemTotal:/ { total = $2 } /^MemAvailable:/ { free = $2 } END { printf "%d", (total - free) * 100 / total }' /proc/meminfo)
}

# look_at_service: what is wrong with it, in $illness; empty if nothing is.
look_at_service() {
  illness=''
  look_at_health
  look_at_limits
}

# look_at_health: adds to $illness what is wrong with its answer or its processes.
look_at_health() {
  local words line status=0 pid
  pids=() started=0
  if [ -n "$RESTART_CHECK" ]; then
    read -ra words <<<"$RESTART_CHECK"
    [ -x "$scripts_folder/checks/${words[0]}.sh" ] || die "RESTART_CHECK: no such check: ${words[0]}"
    line=$(timeout -k 2 30 "$scripts_folder/checks/${words[0]}.sh" "${words[@]:1}" 2>&1 8>&-) || status=$?
    # 3 is a warning.
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ] || illness="${line:-no answer}"
  fi
  [ -n "$RESTART_PIDS" ] || return 0
  line=$(timeout -k 2 30 bash -c "$RESTART_PIDS" 2>/dev/null 8>&-) || true
  for pid in $line; do
    # One that has ended and was not waited for is no service.
    if [[ $pid =~ ^[0-9]+$ ]] && grep -qs '^State:[[:blank:]]*[^ZX[:blank:]]' "/proc/$pid/status"; then pids+=("$pid"); fi
  done
  if [ "${#pids[@]}" -eq 0 ]; then
    illness+="${illness:+; }it has no process"
  else
    started_at "${pids[0]}"
  fi
}

# over WHAT NUMBER LIMIT: adds to $illness if the number is bigger.
over() {
  local most=${3%\%}
  [[ $most =~ ^[0-9]+$ ]] || die "not a limit: $3"
  [ "$2" -le "$most" ] || illness+="${illness:+; }$1 $2 over $3"
}

# look_at_limits: adds to $illness what uses too much.
look_at_limits() {
  local total
  if [ -n "$RESTART_MAX_RSS" ] && [ "${#pids[@]}" -gt 0 ]; then
    resident "${pids[@]}"
    if [[ $RESTART_MAX_RSS == *% ]]; then
      total=$(awk '/^MemTotal:/ { printf "%d", $2 * 1024 }' /proc/meminfo)
      over 'resident memory in percent' $((rss * 100 / total)) "$RESTART_MAX_RSS"
    else
      bytes_of "$RESTART_MAX_RSS"
      over 'resident memory' "$rss" "$bytes"
    fi
  fi
  if [ -n "$RESTART_MAX_CPU" ] && [ "${#pids[@]}" -gt 0 ]; then
    processor "${pids[@]}"
    over 'processor in percent' "$cpu" "$RESTART_MAX_CPU"
  fi
  [ -n "$RESTART_MAX_MEMORY" ] || return 0
  memory_percent
  over 'memory of the machine in percent' "$memory" "$RESTART_MAX_MEMORY"
}
