#!/usr/bin/env bash
# The stack's maintenance: each task of scripts/tasks its own process; all run, the worst decides.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/stack.sh
. "$here/lib/stack.sh"
# shellcheck source=scripts/lib/periods.sh
. "$here/lib/periods.sh"
# shellcheck source=scripts/lib/run-task.sh
. "$here/lib/run-task.sh"

usage() {
  cat <<TEXT
Usage: maintenance.sh [--daily|--weekly|--monthly|--yearly|--due|TASK...] [OPTION...]

Runs a period's tasks, or the named ones; without either, the daily ones. A bigger period includes the
smaller ones, less what they already did today (this week, month). A bigger period that was missed for
longer than itself and a day is made up for by the next smaller run. --due runs whatever has not been done
today, this week, this month, this year.

  --cleanup          the tasks log-rotation and docker-cleanup
  emergency          the task for a full disk and after a crash; works with no byte free
  --list             the tasks, their periods and what they do
  --only TASK        of the period's tasks only this one (may be repeated)
  --skip TASK        not this one (may be repeated)
  -n, --dry-run      every task prints exactly what it would run; nothing changes
  -y, --yes          let the update tasks install what they list
  -v, --verbose      show what the tasks print (the run's own log always has it)
      --timeout D    limit of each task (default 30m)
      --wait D       wait that long for another run to end (default 0s)
      --folder DIR   another folder of tasks
  -h, --help         this text

Exit status: 0 all done, 1 a task was done in part or found something, 2 a task failed or did not end in time,
75 another run holds the lock, 130/143 by signal. A skipped task is neither done nor failed.

Environment:
$stack_help
  STATE_DIR  what was done when (default: LOG_DIR/state)
Files: LOG_DIR/maintenance-YYYYMMDD_HHMMSS.log (all a run's output), LOG_DIR/maintenance.jsonl (a line for each task)

Examples:
  maintenance.sh --daily
  maintenance.sh --weekly --dry-run --skip system-update
  maintenance.sh health-check docker-cleanup --verbose
TEXT
}

options() {
  period='' asked=() only=() skip=() listing=no dry_run=no yes=no verbose=no limit=30m wait_for=0s tasks_folder=$here/tasks
  while [ $# -gt 0 ]; do
    case "$1" in
      --only | --skip | --timeout | --wait | --folder) [ $# -gt 1 ] || bad_usage "$1 needs a value" ;;
    esac
    case "$1" in
      -h | --help)
        usage
        exit 0
        ;;
      --daily | --weekly | --monthly | --yearly | --due)
        [ -z "$period" ] || bad_usage 'one period at a time: the bigger one includes the smaller'
        period=${1#--}
        ;;
      --cleanup) asked+=(log-rotation docker-cleanup) ;;
      --list) listing=yes ;;
      --only) only+=("$2") && shift ;;
      --skip) skip+=("$2") && shift ;;
      -n | --dry-run) dry_run=yes ;;
      -y | --yes) yes=yes ;;
      -v | --verbose) verbose=yes ;;
      --timeout) limit=$2 && shift ;;
      --wait) wait_for=$2 && shift ;;
      --folder) tasks_folder=$2 && shift ;;
      -*) bad_usage "unknown option: $1" ;;
      *) asked+=("$1") ;;
    esac
    shift
  done
  seconds_of "$limit"
  limit=$seconds
  seconds_of "$wait_for"
  wait_for=$seconds
  [ -z "$period" ] || [ "${#asked[@]}" -eq 0 ] || bad_usage 'either a period or task words'
  [ -n "$period" ] || [ "${#asked[@]}" -gt 0 ] || period=daily
}

# check_names: every word must be a task; a mistyped --skip must not run what was to be skipped.
check_names() {
  local name
  for name in "${asked[@]}" "${only[@]}" "${skip[@]}"; do
    [ -n "${runs_of[$name]+known}" ] || bad_usage "no such task: $name (there are: ${task_names[*]})"
  done
}

# take_lock: one lock for all periods; the kernel drops it when this process ends, however it ends.
take_lock() {
  mkdir -p "$LOG_DIR" "$STATE_DIR"
  exec 9>"$STATE_DIR/maintenance.lock"
  flock --exclusive --wait "$wait_for" 9 && return 0
  note 'another run holds the lock'
  exit 75
}

# summary: a line for each task, in the order they ran.
summary() {
  local i
  for ((i = 0; i < ${#done_names[@]}; i++)); do
    printf '%-8s %-26s %8.1f s%s\n' "${done_states[$i]}" "${done_names[$i]}" "${done_seconds[$i]}" \
      "${done_reasons[$i]:+  ${done_reasons[$i]}}"
  done
}

tell() {
  [ "$dry_run" = no ] && [ -x "$here/notify.sh" ] || return 0
  # Not our stdin: one that stays open would be waited for. 9>&-: nothing but this process may hold the lock.
  timeout 60 "$here/notify.sh" "$@" </dev/null >&2 9>&- || warn "notify.sh: exit $?"
}

main() {
  options "$@"
  stack_open "$here"
  read_tasks
  if [ "$listing" = yes ]; then
    list_tasks
    return 0
  fi
  check_names
  take_lock
  local name run=${period:-tasks}
  open_log
  worst=0 child='' running='' done_names=() done_states=() done_seconds=() done_reasons=()
  trap 'ended_by 130 INT' INT
  trap 'ended_by 143 TERM' TERM
  local how=
  [ "$dry_run" = no ] || how=' (dry run)'
  echo "$(date -Iseconds) maintenance $run starts$how" | to_log
  tell start "maintenance-$run"
  plan
  for name in "${planned[@]}"; do
    run_task "$name"
  done
  summary | to_log
  local word='ends, all done'
  [ "$worst" -eq 0 ] || word="FAILED, exit $worst: an error in $(failed_tasks)"
  echo "$(date -Iseconds) maintenance $run $word" | to_log
  if [ "$worst" -eq 0 ]; then
    tell success "maintenance-$run" "$log"
  else
    tell fail "maintenance-$run" "$log"
  fi
  close_log
  exit "$worst"
}

main "$@"
