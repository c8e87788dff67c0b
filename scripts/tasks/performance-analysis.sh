#!/usr/bin/env bash
# Says whether load, memory or disk have been growing, from the daily figures.
# run: weekly 40
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

# shellcheck source=scripts/lib/trend.sh
. "$scripts_folder/lib/trend.sh"

usage() {
  cat <<TEXT
Usage: tasks/performance-analysis.sh [OPTION...]

A verdict for each figure of LOG_DIR/performance.csv over its last 90 lines: Theil-Sen slope per day, and whether
Mann and Kendall's test calls it a trend (1 % level). With fewer than 10 lines it says so and decides nothing.

$task_help

Exit 1 if memory or swap use grows.
TEXT
}

# verdict NAME COLUMN UNIT ALARM
verdict() {
  local points slope z word
  read -r points slope z < <(column_by_day "$file" "$2" 90 | theil_sen)
  word=$(awk -v z="$z" 'BEGIN { print (z > 2.58 ? "grows" : z < -2.58 ? "shrinks" : "no trend") }')
  printf '%-8s %-9s %12.4g %s a day  (%d points, z %s)\n' "$1" "$word" "$slope" "$3" "$points" "$z"
  if [ "$word" = grows ] && [ "$4" = alarm ]; then complain "$1 use grows"; fi
}

main() {
  task_begin "$@"
  no_words
  file=$LOG_DIR/performance.csv
  [ -r "$file" ] || not_here "no figures yet: $file is written by performance-check"
  local lines
  lines=$(tail -n +2 "$file" | wc -l)
  [ "$lines" -ge 10 ] || not_here "too few figures: $lines of at least 10"
  verdict load 1 '' quiet
  verdict memory 2 percent alarm
  verdict swap 3 percent alarm
  verdict disk 4 bytes quiet
  task_end
}

main "$@"
