#!/usr/bin/env bash
# Rotates and compresses the logs, and drops those past their age.
# run: daily 20
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/protected.sh
. "$scripts_folder/lib/protected.sh"

usage() {
  cat <<TEXT
Usage: tasks/log-rotation.sh [OPTION...]

Logs of at least LOG_ROTATE_SIZE (10M) or older than LOG_ROTATE_AGE (7d) become NAME.log-STAMP.gz; LOG_KEEP (5)
of each stay, none longer than LOG_DAYS (30). Writers may keep a log open (copied, then emptied). The files
of single maintenance runs are dropped after LOG_DAYS. Protected paths (PROTECTED_PATHS) are left alone.

$task_help
TEXT
}

main() {
  task_begin "$@"
  no_words
  need pai-rotate
  setting LOG_ROTATE_SIZE 10M
  setting LOG_ROTATE_AGE 7d
  setting LOG_KEEP 5
  setting LOG_DAYS 30
  local file logs=() runs=() dry=()
  [ "$dry_run" = no ] || dry=(--dry-run)
  du -sh "$LOG_DIR"
  for file in "$LOG_DIR"/*.log "$LOG_DIR"/*.jsonl; do
    [ -f "$file" ] || continue
    leave_protected "$file"
    [ "${#allowed[@]}" -gt 0 ] || continue
    case "${file##*/}" in
      maintenance-[0-9]*_[0-9]*.log) runs+=("$file") ;;
      *) logs+=("$file") ;;
    esac
  done
  if [ "${#logs[@]}" -gt 0 ]; then
    look pai-rotate logs "${dry[@]}" --size "$LOG_ROTATE_SIZE" --age "$LOG_ROTATE_AGE" --keep "$LOG_KEEP" \
      --days "$LOG_DAYS" --copytruncate "${logs[@]}"
  fi
  if [ "${#runs[@]}" -gt 0 ]; then
    look pai-rotate "${dry[@]}" --days "$LOG_DAYS" "${runs[@]}"
  fi
  du -sh "$LOG_DIR"
  task_end
}

main "$@"
