#!/usr/bin/env bash
# Measures load, memory, disk and containers, and keeps the figures for the trends.
# run: daily 50
# Needs:  docker if it is there
# Reads:  PERFORMANCE_LIMIT, and /proc
# Writes: LOG_DIR/performance.csv
# Exit:   0 done, 1 memory or disk are full, or docker does not answer, 2 not done
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

usage() {
  cat <<TEXT
Usage: tasks/performance-check.sh [OPTION...]

Appends a line to LOG_DIR/performance.csv (time, load, memory and swap used in percent, disk bytes used and
total) and prints it, with the containers' figures. Exit 1 if memory or the disk is at least
PERFORMANCE_LIMIT (95) percent full.

$task_help
TEXT
}

main() {
  task_begin "$@"
  no_words
  setting PERFORMANCE_LIMIT 95
  local file=$LOG_DIR/performance.csv load memory swap used total percent line
  read -r load _ </proc/loadavg
  read -r memory swap < <(awk '{ v[$1] = $2 } END { swap = v["SwapTotal:"]
    printf "%.1f %.1f\n", (v["MemTotal:"] - v["MemAvailable:"]) * 100 / v["MemTotal:"], swap ? (swap - v["SwapFree:"]) * 100 / swap : 0 }' /proc/meminfo)
  read -r used total percent < <(df --block-size=1 --output=used,size,pcent -- "$STACK_HOME" | tail -n 1 | tr -d %)
  line=$(date -Iseconds),$load,$memory,$swap,$used,$total
  echo "load $load, memory $memory% used, swap $swap% used, disk $percent% used ($used of $total bytes)"
  if [ "$dry_run" = yes ]; then
    echo "would append to $file: $line"
  else
    [ -s "$file" ] || echo 'time,load,memory_percent,swap_percent,disk_used,disk_total' >"$file"
    echo "$line" >>"$file"
  fi
  [ "${memory%.*}" -lt "$PERFORMANCE_LIMIT" ] || complain "memory: $memory% used"
  [ "$percent" -lt "$PERFORMANCE_LIMIT" ] || complain "disk of $STACK_HOME: $percent% used"
  find_engine
  # Without --no-stream it would never end.
  case "$engine" in
    up) look docker stats --no-stream ;;
    absent) echo "containers: $engine_trouble" ;;
    down) complain "$engine_trouble" ;;
  esac
  task_end
}

main "$@"
