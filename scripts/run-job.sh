#!/usr/bin/env bash
# Runs one job of a schedule: one at a time, with a log, and the operator is told when it fails.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/lib/say.sh"

usage() {
  cat <<'TEXT'
Usage: run-job.sh [--lock FILE] [--wait SECONDS] [--log FILE] NAME -- COMMAND [ARGUMENT...]

Runs COMMAND as job NAME. Silent on success, so that cron mails nothing; on failure the last 20 lines of
output go to stderr, and notify.sh tells whoever is configured. New files are private (umask 077).

  --lock FILE     only one job at a time holds FILE; while another does: exit 75, and that is told too
  --wait SECONDS  wait so long for the lock instead of giving up at once
  --log FILE      append what COMMAND says, between lines that tell when it started and how it ended
  -h, --help      this text

A full disk stops the log, not the telling. A notification that fails or hangs changes neither COMMAND's time
nor the exit status.

Exit status: COMMAND's; 75 another job holds the lock; 2 bad usage.

Examples:
  run-job.sh --lock /backups/.lock --log /backups/backup.log codex-database -- backup-database.sh codexdb
  run-job.sh pai-backup -- pai-backup --home /srv/pai
  15 2 * * * codex run-job.sh --lock /backups/.lock capsules -- replay-capsule.sh      (in /etc/cron.d)
TEXT
}

# log_line TEXT: one line of the log. A log that cannot be written is told once, and stops nothing.
log_line() {
  printf '[%s] %s: %s\n' "$(date +%Y-%m-%dT%H:%M:%S%:z)" "$job" "$1" 2>/dev/null >>"$log" ||
    warn "could not write $log: ${1}"
}

# tell EVENT [STATUS]: notify.sh decides what is sent; its trouble is a line in the log.
tell() {
  local trouble
  trouble=$("$here/notify.sh" ${2:+--status "$2"} "$1" "$job" <<<"$output" 2>&1) || log_line "${trouble//$'\n'/; }"
}

# failed STATUS REASON: the end of a job that did not do its work.
failed() {
  log_line "$2"
  printf '%s: %s\n' "$job" "$2" >&2
  [ -z "$output" ] || printf '%s\n' "$output" >&2
  output=$2${output:+$'\n'}$output
  tell fail "$1"
  exit "$1"
}

take_lock() {
  exec 9>>"$lock" || failed 2 "could not open the lock $lock"
  flock --exclusive --timeout "$wait" 9 || failed 75 "not started: another run holds $lock"
}

main() {
  local lock='' wait=0 begun status=0 starting
  log=/dev/null output=''
  while [[ ${1-} == -* ]]; do
    case "$1" in
      -h | --help)
        usage
        return 0
        ;;
      --lock | --log | --wait)
        [ $# -ge 2 ] || bad_usage "$1 needs a value"
        printf -v "${1#--}" '%s' "$2"
        shift
        ;;
      *) bad_usage "unknown option: $1" ;;
    esac
    shift
  done
  [[ ${1-} =~ ^[A-Za-z0-9@._-]+$ ]] || bad_usage 'no name for the job'
  job=$1
  if [ "${2-}" != -- ] || [ $# -lt 3 ]; then bad_usage 'no command after --'; fi
  [[ $wait =~ ^[0-9]+$ ]] || bad_usage "not a number of seconds: $wait"
  shift 2
  umask 077
  # cron's PATH is /usr/bin:/bin: what is installed beside this script is found all the same.
  PATH=$here:${here%/libexec/pai-tools}/bin:$PATH
  # Where that fails, the lock or the log will tell.
  mkdir -p -- "$(dirname -- "$log")" "$(dirname -- "${lock:-$log}")" 2>/dev/null || true
  [ -z "$lock" ] || take_lock
  begun=$SECONDS
  log_line started
  # In the background, without the lock: a slow ping must not hold up the job, nor keep the lock after it.
  tell start 9>&- &
  starting=$!
  # tee goes on when the log's disk is full; tail keeps what is told bounded.
  output=$(
    "$@" 2>&1 9>&- | tee -a -- "$log" 2>/dev/null 9>&- | tail -n 20 9>&-
    exit "${PIPESTATUS[0]}"
  ) || status=$?
  exec 9>&-
  wait "$starting" || true
  [ "$status" -eq 0 ] || failed "$status" "failed: exit $status after $((SECONDS - begun)) s"
  log_line "done in $((SECONDS - begun)) s"
  tell success 0
}

main "$@"
