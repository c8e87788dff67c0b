# shellcheck shell=bash
# shellcheck disable=SC2034 # options and results are read by the tasks
# What every file in scripts/tasks starts from. See docs/ecosystem.md, "A task of your own".

task_folder=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
scripts_folder=$(cd "$task_folder/.." && pwd)
# shellcheck source=scripts/lib/stack.sh
. "$scripts_folder/lib/stack.sh"

# The options every task takes; their help.
dry_run=no yes=no verbose=no
task_help='  -n, --dry-run  print exactly what would run; change nothing
  -v, --verbose  say more
  -h, --help     this text'
task_exit='Exit status: 0 done, 1 done in part or something was found, 2 not done, 75 does not apply here.'

# task_begin "$@": takes the common options, opens the stack; other words are left in the array words.
# MAINTENANCE_DRY_RUN, MAINTENANCE_YES and MAINTENANCE_VERBOSE are maintenance.sh's way to set them.
task_begin() {
  dry_run=${MAINTENANCE_DRY_RUN:-no} yes=${MAINTENANCE_YES:-no} verbose=${MAINTENANCE_VERBOSE:-no}
  words=()
  while [ $# -gt 0 ]; do
    case "$1" in
      -n | --dry-run) dry_run=yes ;;
      -y | --yes) yes=yes ;;
      -v | --verbose) verbose=yes ;;
      -h | --help)
        usage
        printf '\n%s\n' "$task_exit"
        exit 0
        ;;
      *) words+=("$1") ;;
    esac
    shift
  done
  stack_open "$task_folder"
  mkdir -p "$LOG_DIR" "$STATE_DIR"
}

# no_words: for tasks that take no more options.
no_words() {
  [ "${#words[@]}" -eq 0 ] || bad_usage "unknown option: ${words[0]}"
}

# change COMMAND...: runs a command that changes something, or prints it under --dry-run. Its failure is
# complained of, and the task goes on.
change() {
  quoted "$@"
  if [ "$dry_run" = yes ]; then
    printf 'would run: %s\n' "$quoted"
    return 0
  fi
  printf 'run: %s\n' "$quoted"
  local status=0
  "$@" || status=$?
  [ "$status" -eq 0 ] || complain "exit $status: $quoted"
}

# look COMMAND...: runs a command that only reads. Its failure is complained of, and the task goes on.
look() {
  local status=0
  timeout -k 5 "${LOOK_TIMEOUT:-60}" "$@" || status=$?
  quoted "$@"
  [ "$status" -eq 0 ] || complain "exit $status: $quoted"
}

# not_here REASON: the task does not apply to this machine.
not_here() {
  printf '%s: skipped: %s\n' "$program" "$1" >&2
  exit 75
}

# need_engine: a machine without docker has nothing to do; a daemon that is down is trouble.
need_engine() {
  find_engine
  case "$engine" in
    absent) not_here "$engine_trouble" ;;
    down) die "$engine_trouble" ;;
  esac
}

# need_backup AGE: dies unless a backup was verified within AGE. "Always backup before major maintenance."
need_backup() {
  local seconds now verified=0
  seconds_of "$1"
  now=$(date +%s)
  [ ! -r "$STATE_DIR/backup-verified" ] || read -r verified _ <"$STATE_DIR/backup-verified"
  [[ $verified =~ ^[0-9]+$ ]] || verified=0
  [ $((now - verified)) -gt "$seconds" ] || return 0
  local trouble="no backup was verified within $1: run backup.sh and verify-backup.sh --latest first (or --without-backup)"
  if [ "$dry_run" = yes ]; then
    note "would stop here: $trouble"
  else
    die "$trouble"
  fi
}

# task_end: the task's exit status.
task_end() { exit "$complaints"; }
