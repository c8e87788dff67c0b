#!/usr/bin/env bash
# Estimates when the disk is full, from the daily figures, and lists what is big.
# run: monthly 40
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

# shellcheck source=scripts/lib/trend.sh
. "$scripts_folder/lib/trend.sh"

usage() {
  cat <<TEXT
Usage: tasks/capacity-planning.sh [OPTION...]

Days until the disk is full: free bytes over the Theil-Sen slope of the last 365 lines of LOG_DIR/performance.csv.
With fewer than 10 lines it says so. Then the sizes of the logs, the backups and docker's store.

$task_help

Exit 1 if the disk is full within CAPACITY_DAYS (60).
TEXT
}

forecast() {
  local points slope z free days
  read -r points slope z < <(column_by_day "$1" 4 365 | theil_sen)
  free=$(df --block-size=1 --output=avail -- "$STACK_HOME" | tail -n 1)
  days=$(awk -v free="$free" -v slope="$slope" -v z="$z" 'BEGIN { if (slope > 0 && z > 2.58) printf "%d", free / slope }')
  if [ -z "$days" ]; then
    echo "disk: no growth to speak of ($points points, $free bytes free)"
    return 0
  fi
  printf 'disk: full in about %d days at %.0f bytes a day (%d points, %d bytes free)\n' "$days" "$slope" "$points" "$free"
  [ "$days" -gt "$CAPACITY_DAYS" ] || complain "the disk of $STACK_HOME is full in about $days days"
}

main() {
  task_begin "$@"
  no_words
  setting CAPACITY_DAYS 60
  local file=$LOG_DIR/performance.csv lines=0
  [ ! -r "$file" ] || lines=$(tail -n +2 "$file" | wc -l)
  if [ "$lines" -ge 10 ]; then
    forecast "$file"
  else
    echo "disk: too few figures for a forecast: $lines of at least 10 (performance-check writes them)"
  fi
  du -sh "$LOG_DIR"
  [ ! -d "$BACKUP_DIR" ] || du -sh "$BACKUP_DIR"
  find_engine
  if [ "$engine" = up ]; then look docker system df; fi
  task_end
}

main "$@"
