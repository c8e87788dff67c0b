#!/usr/bin/env bash
# Estimates when the disk is full, from the daily figures, and lists what is big.
# run: monthly 40
# Needs:  docker if it is there, for the size of its store
# Reads:  CAPACITY_DAYS, LOG_DIR/performance.csv; the sizes of LOG_DIR and BACKUP_DIR
# Writes: nothing
# Exit:   0 room for CAPACITY_DAYS, or too few figures to tell, 1 not, or docker did not answer, 2 not done
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
  local free
  judge_series 10 < <(series "$1" disk_used 365)
  if [ "$verdict" = 'too few' ]; then
    echo "disk: too few figures since it was cleaned up: $points of at least 10"
    return 0
  fi
  free=$(df --block-size=1 --output=avail -- "$STACK_HOME" | tail -n 1)
  # What is used says nothing of what root keeps for itself: the free bytes are df's.
  level=0
  days_until "$free"
  if [ -z "$days" ]; then
    echo "disk: no growth to speak of ($points points, $free bytes free)"
    return 0
  fi
  span_of "$days"
  printf 'disk: full in about %s at %.0f bytes a day (%d points, %d bytes free)\n' "$span" "$slope" "$points" "$free"
  [ "$days" -gt "$CAPACITY_DAYS" ] || complain "the disk of $STACK_HOME is full in about $span"
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
