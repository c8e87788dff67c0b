#!/usr/bin/env bash
# For a full disk and after a crash: makes room among the logs, shows the last errors, restarts what is ill, reports.
# Needs:  pai-rotate; what comprehensive-cleanup, auto-restart and maintenance-report need
# Reads:  EMERGENCY_FREE, EMERGENCY_TAIL, EMERGENCY_DIR, RESTART_COMMAND, PROTECTED_PATHS, LOG_DIR/*.log
# Writes: removes old logs of LOG_DIR, rotates the others (into EMERGENCY_DIR), with --yes cuts them down; LOG_DIR/actions.jsonl; what it calls
# Exit:   0 done, 1 too little room, or a called task found something, 2 not done
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/protected.sh
. "$scripts_folder/lib/protected.sh"
# shellcheck source=scripts/lib/action.sh
. "$scripts_folder/lib/action.sh"

usage() {
  cat <<TEXT
Usage: tasks/emergency.sh [--yes] [OPTION...]

If less than EMERGENCY_FREE (1G) is free where the logs are, until so much is free:
  1. compressed logs of earlier rotations, and logs of earlier maintenance runs, are deleted, the oldest first
  2. the logs are rotated: into EMERGENCY_DIR (a folder on another file system; none by default), else into what room there is
  3. with --yes, each log is cut down to its last EMERGENCY_TAIL (1M): older lines are lost
  4. comprehensive-cleanup drops backups past their age, if there is a fresh verified one
Works with no byte free; protected paths (PROTECTED_PATHS) are left alone. Then: the last lines of the logs with the word error,
and the tasks auto-restart and maintenance-report.

  -y, --yes      cut logs down where nothing else makes room
$task_help

Exit 1 if there is still too little room, or what was called found something.
TEXT
}

find_free() { free=$(df --block-size=1 --output=avail -- "$LOG_DIR" | tail -n 1 | tr -d ' '); }

# drop_old: what is a copy of the past, one file at a time.
drop_old() {
  local file size
  while IFS= read -r -d '' file; do
    file=${file#* }
    leave_protected "$file"
    [ "${#allowed[@]}" -gt 0 ] || continue
    size=$(stat -c %s -- "$file")
    change rm -f -- "$file"
    record_action emergency "$file" delete ok "before_bytes=$size" after_bytes=0
    find_free
    [ "$free" -lt "$wanted" ] || return 0
  done < <(find -H "$LOG_DIR" -maxdepth 1 -type f \( -name '*.log-*.gz' -o -name '*.jsonl-*.gz' -o \
    -name 'maintenance-[0-9]*_[0-9]*.log' -mmin +1 \) \
    -printf '%T@ %p\0' | sort -zn)
}

# list_logs: the live ones, in the array logs.
list_logs() {
  local file found=()
  for file in "$LOG_DIR"/*.log; do
    if [ -s "$file" ] && [[ ${file##*/} != maintenance-[0-9]*_[0-9]*.log ]]; then found+=("$file"); fi
  done
  leave_protected "${found[@]}"
  logs=("${allowed[@]}")
}

# rotate_logs: without EMERGENCY_DIR the compressed copy needs room of its own; there may be none.
rotate_logs() {
  local options=(--size 1 --keep 5 --copytruncate)
  [ "${#logs[@]}" -gt 0 ] || return 0
  [ "$dry_run" = no ] || options+=(--dry-run)
  [ -z "$EMERGENCY_DIR" ] || options+=(--archive-dir "$EMERGENCY_DIR")
  pai-rotate logs "${options[@]}" "${logs[@]}" || note 'the logs could not be rotated'
}

# cut_down LOG: the end is kept in memory, then the log emptied, then the end written: at no time is room needed.
cut_down() {
  local size tail
  size=$(stat -c %s -- "$1")
  [ "$size" -gt "$tail_bytes" ] || return 0
  echo "cut down: $1 to its last $EMERGENCY_TAIL"
  [ "$dry_run" = no ] || return 0
  tail=$(mktemp /dev/shm/emergency.XXXXXX)
  # Without the line that it begins in the middle of.
  tail -c "$tail_bytes" -- "$1" | tail -n +2 >"$tail"
  if cat -- "$tail" >"$1"; then rm -f "$tail"; else complain "the end of $1 is in $tail"; fi
  record_action emergency "$1" cut-down ok "before_bytes=$size" "after_bytes=$(stat -c %s -- "$1")"
}

# make_room: `if`, not `||`: behind that a failed step would not end the task.
make_room() {
  local log
  drop_old
  list_logs
  if [ "$free" -lt "$wanted" ]; then rotate_logs; fi
  find_free
  for log in "${logs[@]}"; do
    if [ "$free" -lt "$wanted" ] && [ "$yes" = yes ]; then cut_down "$log"; fi
    find_free
  done
  if [ "$free" -lt "$wanted" ]; then
    "$task_folder/comprehensive-cleanup.sh" || note 'comprehensive-cleanup could not help'
    find_free
  fi
  [ "$free" -ge "$wanted" ] || complain "$free bytes free where the logs are, less than EMERGENCY_FREE ($EMERGENCY_FREE)"
  record_action emergency "$LOG_DIR" make-room "$([ "$complaints" -eq 0 ] && echo ok || echo failed)" \
    "free_before=$before" "free_after=$free"
}

# call TASK: one that does not apply here is no trouble.
call() {
  local status=0
  [ -x "$task_folder/$1.sh" ] || return 0
  "$task_folder/$1.sh" || status=$?
  [ "$status" -eq 0 ] || [ "$status" -eq 75 ] || complain "$1: exit $status"
}

main() {
  task_begin "$@"
  no_words
  need pai-rotate
  setting EMERGENCY_FREE 1G
  setting EMERGENCY_TAIL 1M
  setting EMERGENCY_DIR ''
  bytes_of "$EMERGENCY_TAIL"
  tail_bytes=$bytes
  bytes_of "$EMERGENCY_FREE"
  wanted=$bytes
  find_free
  local before=$free
  # For the tasks that are called.
  export MAINTENANCE_DRY_RUN=$dry_run
  if [ "$free" -lt "$wanted" ]; then make_room; fi
  echo "free where the logs are: $before bytes before, $free after"
  echo 'what went wrong, as the logs have it:'
  grep -iH 'error' "$LOG_DIR"/*.log 2>/dev/null | tail -n 20 || true
  setting RESTART_COMMAND ''
  [ -z "$RESTART_COMMAND" ] || call auto-restart
  call maintenance-report
  task_end
}

main "$@"
