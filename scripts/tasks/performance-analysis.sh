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
Mann and Kendall's test, widened for figures that resemble their neighbours, calls it a trend (1 % level). What was
before a restart does not count. With fewer than 10 lines it says so and decides nothing.

$task_help

Exit 1 if memory or swap use grows.
TEXT
}

# figure NAME COLUMN UNIT ALARM
figure() {
  judge_series 10 < <(series "$file" "$2" 90)
  case "$verdict" in
    none | 'too few')
      printf '%-8s %s: %d of at least 10 points\n' "$1" "$verdict" "$points"
      return 0
      ;;
  esac
  printf '%-8s %-9s %12.4g %s a day  (%d points, z %s)\n' "$1" "$verdict" "$slope" "$3" "$points" "$z"
  if [ "$verdict" = grows ] && [ "$4" = alarm ]; then complain "$1 use grows"; fi
}

main() {
  task_begin "$@"
  no_words
  file=$LOG_DIR/performance.csv
  [ -r "$file" ] || not_here "no figures yet: $file is written by performance-check"
  local lines
  lines=$(tail -n +2 "$file" | wc -l)
  [ "$lines" -ge 10 ] || not_here "too few figures: $lines of at least 10"
  figure load load '' quiet
  figure memory memory_percent percent alarm
  figure swap swap_percent percent alarm
  figure disk disk_used bytes quiet
  task_end
}

main "$@"
