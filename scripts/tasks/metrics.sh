#!/usr/bin/env bash
# Measures a service, or the machine, and keeps the figures: one CSV line a run.
# Needs:  pgrep for METRICS_PATTERN; nvidia-smi if it is there
# Reads:  METRICS_*, and /proc
# Writes: METRICS_FILE, METRICS_RESTARTS, STATE_DIR/metrics-process
# Exit:   0 measured, 1 the process is not running, 2 not done
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

usage() {
  cat <<TEXT
Usage: tasks/metrics.sh [OPTION...]

Appends a line to METRICS_FILE (LOG_DIR/usage_metrics_log.csv) and prints it:
  timestamp,memory_mb,cpu_percent,disk_percent,bytes_sent,bytes_recv,gpu_load,gpu_mem
Memory (resident) and CPU (100 is one core) are those of the process in METRICS_PID_FILE, or of all whose command
line matches METRICS_PATTERN (a regular expression, as pgrep -f takes it); without either, of the whole machine
(100 is all cores). The disk is METRICS_DISK's (STACK_HOME); bytes are the machine's since it started, without lo;
gpu_load is in percent, gpu_mem in MB (nvidia-smi). What is not known stays empty.

A process that is not the one of the last run has been restarted: its time goes to METRICS_RESTARTS
(LOG_DIR/usage_metrics_restarts.csv), where trend-analysis starts anew.

$task_help

Exit 1 if the process is not running.
TEXT
}

# find_processes: the processes to measure, as folders of /proc, in the array processes; what they are in $whose.
find_processes() {
  processes=() whose=
  if [ -n "$METRICS_PID_FILE" ]; then
    whose="the process of $METRICS_PID_FILE"
    local pid=''
    [ ! -r "$METRICS_PID_FILE" ] || read -r pid <"$METRICS_PID_FILE" || true
    if [[ $pid =~ ^[1-9][0-9]*$ ]] && [ -d "/proc/$pid" ]; then processes=("/proc/$pid"); fi
  elif [ -n "$METRICS_PATTERN" ]; then
    whose="a process like $METRICS_PATTERN"
    local pid found
    found=$(pgrep -f -- "$METRICS_PATTERN") || true
    for pid in $found; do
      # This script may have the pattern in its own command line; so may what started it.
      [ "$pid" = "$$" ] || [ "$pid" = "$PPID" ] || processes+=("/proc/$pid")
    done
  fi
}

# ticks: what the processes, or the machine, have computed so far, in clock ticks, and (machine) its total.
ticks() {
  if [ -z "$whose" ]; then
    awk '$1 == "cpu" { for (i = 2; i <= 9; i++) all += $i; print all - $5 - $6, all }' /proc/stat
  else
    # The name, in parentheses, may hold blanks. The 14th and 15th fields count from before it.
    cat "${processes[@]/%//stat}" 2>/dev/null | sed 's/.*) //' | awk '{ n += $12 + $13 } END { print n + 0, 0 }'
  fi
}

# born: when the oldest of the processes, or the machine, started: a mark of its identity.
born() {
  if [ -z "$whose" ]; then
    awk '$1 == "btime" { print "machine " $2 }' /proc/stat
  else
    cat "${processes[@]/%//stat}" 2>/dev/null | sed 's/ (.*) / /' | sort -n -k 21,21 | awk 'NR == 1 { print $1, $21 }'
  fi
}

# measure: the cells, in the columns' order.
measure() {
  memory='' cpu=''
  if [ -z "$whose" ]; then
    memory=$(awk '{ v[$1] = $2 } END { printf "%.1f", (v["MemTotal:"] - v["MemAvailable:"]) / 1024 }' /proc/meminfo)
  elif [ "${#processes[@]}" -gt 0 ]; then
    memory=$(cat "${processes[@]/%//status}" 2>/dev/null | awk '$1 == "VmRSS:" { n += $2 } END { if (n) printf "%.1f", n / 1024 }')
  fi
  if [ -n "$memory" ]; then
    local before after all all_after start=$EPOCHREALTIME
    read -r before all < <(ticks)
    sleep "$METRICS_INTERVAL"
    read -r after all_after < <(ticks)
    cpu=$(awk -v used=$((after - before)) -v all=$((all_after - all)) -v a="$start" -v b="$EPOCHREALTIME" -v hz="$(getconf CLK_TCK)" \
      'BEGIN { if (used >= 0) printf "%.1f", (all > 0 ? 100 * used / all : 100 * used / hz / (b - a)) }')
  fi
  disk=$(df --block-size=1 --output=used,avail -- "$METRICS_DISK" | awk 'END { if ($1 + $2 > 0) printf "%.2f", 100 * $1 / ($1 + $2) }')
  read -r sent received < <(awk -F'[: ]+' '{ sub(/^ +/, "") } NR > 2 && $1 != "lo" { r += $2; s += $10 } END { printf "%.0f %.0f\n", s, r }' /proc/net/dev)
  gpu_load='' gpu_memory=''
  if command -v nvidia-smi >/dev/null; then
    read -r gpu_load gpu_memory < <(timeout 10 nvidia-smi --query-gpu=utilization.gpu,memory.used --format=csv,noheader,nounits |
      awk -F', *' '$1 ~ /^[0-9.]+$/ { load += $1; n++ } $2 ~ /^[0-9.]+$/ { used += $2 } END { if (n) printf "%.1f %.0f\n", load / n, used }') || true
  fi
}

# keep LINE MARK: appends the line, after the header if it is the first; a new MARK is a restart. One run at a time.
keep() {
  local header=timestamp,memory_mb,cpu_percent,disk_percent,bytes_sent,bytes_recv,gpu_load,gpu_mem last=''
  exec 8>>"$METRICS_FILE"
  flock 8
  if [ ! -s "$METRICS_FILE" ]; then
    echo "$header" >&8
  elif [ "$(head -n 1 -- "$METRICS_FILE" | tr -d '\r')" != "$header" ]; then
    die "$METRICS_FILE has other columns: move it away"
  elif [ -n "$(tail -c 1 -- "$METRICS_FILE")" ]; then
    # A run that a full disk or a crash cut short.
    echo >&8
  fi
  echo "$1" >&8
  [ ! -r "$STATE_DIR/metrics-process" ] || read -r last <"$STATE_DIR/metrics-process" || true
  if [ -n "$2" ] && [ "$2" != "$last" ]; then
    if [ -n "$last" ]; then
      [ -s "$METRICS_RESTARTS" ] || echo timestamp,process >"$METRICS_RESTARTS"
      echo "${1%%,*},${2% *}" >>"$METRICS_RESTARTS"
    fi
    echo "$2" >"$STATE_DIR/metrics-process"
  fi
  exec 8>&-
}

main() {
  task_begin "$@"
  no_words
  setting METRICS_FILE "$LOG_DIR/usage_metrics_log.csv"
  setting METRICS_RESTARTS "$LOG_DIR/usage_metrics_restarts.csv"
  setting METRICS_PID_FILE ''
  setting METRICS_PATTERN ''
  setting METRICS_DISK "$STACK_HOME"
  setting METRICS_INTERVAL 1
  [[ $METRICS_INTERVAL =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "METRICS_INTERVAL: not a number of seconds: $METRICS_INTERVAL"
  local line processes whose memory cpu disk sent received gpu_load gpu_memory
  find_processes
  measure
  line=$(date -Iseconds),$memory,$cpu,$disk,$sent,$received,$gpu_load,$gpu_memory
  echo "$line"
  if [ "$dry_run" = yes ]; then
    echo "would append this to $METRICS_FILE"
  else
    keep "$line" "$(born)"
  fi
  [ -n "$memory" ] || complain "$whose is not running"
  task_end
}

main "$@"
