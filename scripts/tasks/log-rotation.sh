#!/usr/bin/env bash
# Rotates and compresses the logs, and drops those past their age.
# run: daily 20
# Needs:  pai-rotate; what LOG_POSTROTATE runs
# Reads:  LOG_FOLDERS, LOG_PATTERNS, LOG_ROTATE_SIZE, LOG_ROTATE_AGE, LOG_KEEP, LOG_DAYS, LOG_ARCHIVE, LOG_WRITERS, LOG_POSTROTATE, PROTECTED_PATHS
# Writes: NAME.log-STAMP.gz in each of LOG_FOLDERS, or in its LOG_ARCHIVE; empties the logs, removes old copies and files of runs
# Exit:   0 done, 1 in part: no such folder, a protected log, or one that could not be rotated, 2 not done
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/protected.sh
. "$scripts_folder/lib/protected.sh"

usage() {
  cat <<TEXT
Usage: tasks/log-rotation.sh [OPTION...]

In each of LOG_FOLDERS (LOG_DIR; ; between two) the files like LOG_PATTERNS (*.log;*.jsonl) of at least LOG_ROTATE_SIZE (10M)
or older than LOG_ROTATE_AGE (7d) become NAME.log-STAMP.gz, in its sub-folder LOG_ARCHIVE if that is set; LOG_KEEP (5) of
each stay, none longer than LOG_DAYS (30). LOG_WRITERS says what the writers do: keep (the default) a log open, so that it
is copied and then emptied; reopen it for each line, or when LOG_POSTROTATE (a command) tells them, so that no line
is ever lost. The files of single maintenance runs are dropped after LOG_DAYS. Protected paths (PROTECTED_PATHS) are left alone.

$task_help
TEXT
}

# find_folder NAME: the folder of the list as it is here, in $folder. D:/DATA is /mnt/d/DATA where Windows' drives are mounted.
find_folder() {
  folder=$1
  [[ $folder == /* ]] || folder=$STACK_HOME/$1
  if [[ $1 =~ ^([A-Za-z]):(/.*)$ && ! -d $folder ]]; then folder=/mnt/${BASH_REMATCH[1],,}${BASH_REMATCH[2]}; fi
}

# find_logs FOLDER: its logs in the array logs, the files of single runs in the array runs.
find_logs() {
  local pattern file
  logs=() runs=()
  for pattern in "${patterns[@]}"; do
    while IFS= read -r -d '' file; do
      leave_protected "$file"
      [ "${#allowed[@]}" -gt 0 ] || continue
      case "${file##*/}" in
        maintenance-[0-9]*_[0-9]*.log) runs+=("$file") ;;
        *) logs+=("$file") ;;
      esac
    done < <(find -H "$1" -mindepth 1 -maxdepth 1 -name "$pattern" ! -name '.*' -type f -print0 | sort -z)
  done
}

# rotate FOLDER: its logs.
rotate() {
  local logs runs
  du -sh -- "$1"
  find_logs "$1"
  if [ "${#logs[@]}" -gt 0 ]; then
    if [ -n "$LOG_ARCHIVE" ] && [ "$dry_run" = no ]; then mkdir -p -- "$1/$LOG_ARCHIVE"; fi
    look pai-rotate logs "${dry[@]}" --size "$LOG_ROTATE_SIZE" --age "$LOG_ROTATE_AGE" --keep "$LOG_KEEP" --days "$LOG_DAYS" \
      ${LOG_ARCHIVE:+--archive-dir "$1/$LOG_ARCHIVE"} "${writers[@]}" "${logs[@]}"
  fi
  if [ "${#runs[@]}" -gt 0 ]; then
    look pai-rotate "${dry[@]}" --days "$LOG_DAYS" "${runs[@]}"
  fi
  du -sh -- "$1"
}

main() {
  task_begin "$@"
  no_words
  need pai-rotate
  setting LOG_ROTATE_SIZE 10M
  setting LOG_ROTATE_AGE 7d
  setting LOG_KEEP 5
  setting LOG_DAYS 30
  setting LOG_ARCHIVE ''
  setting LOG_WRITERS keep
  setting LOG_POSTROTATE ''
  local name folder list patterns dry=() writers=()
  [ "$dry_run" = no ] || dry=(--dry-run)
  case "$LOG_WRITERS" in
    keep) writers=(--copytruncate) ;;
    reopen) [ -z "$LOG_POSTROTATE" ] || writers=(--postrotate "$LOG_POSTROTATE") ;;
    *) die "LOG_WRITERS is keep or reopen, not $LOG_WRITERS" ;;
  esac
  setting_list LOG_PATTERNS '*.log;*.jsonl'
  patterns=("${list[@]}")
  setting_list LOG_FOLDERS "$LOG_DIR"
  for name in "${list[@]}"; do
    find_folder "$name"
    if [ -d "$folder" ]; then
      rotate "$folder"
    else
      complain "no such folder of logs: $folder"
    fi
  done
  task_end
}

main "$@"
