#!/usr/bin/env bash
# Says whether load, memory or disk have been growing, from the daily figures.
# run: weekly 40
# Needs:  nothing
# Reads:  CAPACITY_DAYS, TREND_GROWN, LOG_DIR/performance.csv
# Writes: nothing
# Exit:   0 nothing to worry about, 1 memory or swap use grows, 2 not done, 75 too few figures
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

Exit 1 if memory or swap use grows so that all of it is used within CAPACITY_DAYS (60), or has grown by more than TREND_GROWN (10)
percent since the last restart.
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
  local why='' grown
  [ "$verbose" = no ] || why=", z $z"
  printf '%-8s %-9s %12.4g %s a day  (%d points%s)\n' "$1" "$verdict" "$slope" "$3" "$points" "$why"
  [ "$4" = alarm ] || return 0
  days_until 100
  [ -n "$days" ] || return 0
  span_of "$days"
  grown=$(series "$file" "$2" 90 | tail -n 1 | awk -v from="$first" -v slope="$slope" '{ printf "%.1f", slope * ($1 - from) }')
  if [ "$days" -le "$CAPACITY_DAYS" ] || awk -v a="$grown" -v b="$TREND_GROWN" 'BEGIN { exit !(a > b) }'; then
    complain "$1 use grows: by $grown percent so far; all of it is used in about $span"
  fi
}

main() {
  task_begin "$@"
  no_words
  setting CAPACITY_DAYS 60
  setting TREND_GROWN 10
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
