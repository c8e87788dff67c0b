#!/usr/bin/env bash
# Tells the operator how a job went: mail, webhook, dead-man's ping. Each is off unless configured.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/lib/say.sh"
# shellcheck source=scripts/lib/dotenv.sh
. "$here/lib/dotenv.sh"

usage() {
  cat <<'TEXT'
Usage: notify.sh [-n] [--status N] [--journal SCOPE] start|success|fail|recovery JOB [FILE]

Tells the operator about JOB. FILE, or stdin, goes along, its last 10 kB, passwords blanked out. Recovery is
the first success after a fail, sent wherever fails are. Nothing is sent unless it is configured, in the environment or in the first of
$NOTIFY_CONFIG, ~/.config/pai-tools/notify.env, /etc/pai-tools/notify.env (KEY=VALUE, read, never run):

  NOTIFY_ON           what is mailed and sent to the webhook [fail]; "start success fail" for everything
  NOTIFY_MAIL_TO      address for mail(1)
  NOTIFY_WEBHOOK_URL  gets a POST of JSON: text, job, event, status, host, time, output
  NOTIFY_PING_URL     a healthchecks-style address: URL, URL/fail, URL/STATUS; {job} becomes JOB. Success and fail
                      are always pinged (silence is the alarm); URL/start if NOTIFY_ON has start
  NOTIFY_TIMEOUT      seconds for each attempt [10]

An address is a secret: NOTIFY_PING_URL_FILE and NOTIFY_WEBHOOK_URL_FILE may name a file that holds it.

  --status N      the job's exit status
  --journal SCOPE JOB is a unit; SCOPE is system or user. Its last lines in the journal and its exit status go along,
                  and the job's name is what cron's job is called: its SyslogIdentifier=, else JOB without .service
  -n, --dry-run   say what would be sent
  -h, --help      this text

Exit status: 0 told, or nothing configured; 1 somebody could not be reached; 2 bad usage. run-job.sh and the
systemd units never let this status decide a job's.

Examples:
  tail -n 20 backup.log | notify.sh --status 2 fail pai-backup
  NOTIFY_MAIL_TO=ops@example.com notify.sh -n fail codex-database
  OnFailure=pai-notify@%n.service        (in a unit: runs notify.sh --journal system fail UNIT)
  OnSuccess=pai-notify-success@%n.service
TEXT
}

# configure: fills the associative array config from the environment and the file.
configure() {
  local file key
  declare -gA config=([NOTIFY_ON]=fail [NOTIFY_TIMEOUT]=10)
  for file in ${NOTIFY_CONFIG:+"$NOTIFY_CONFIG"} "${HOME:-/}/.config/pai-tools/notify.env" /etc/pai-tools/notify.env; do
    # One that is there and must not be read is told: silence would look like "nothing configured".
    [ -e "$file" ] || continue
    dotenv_read "$file" config
    local trouble
    for trouble in "${dotenv_errors[@]}"; do
      complain "$trouble"
    done
    break
  done
  for key in NOTIFY_ON NOTIFY_MAIL_TO NOTIFY_TIMEOUT NOTIFY_WEBHOOK_URL NOTIFY_PING_URL \
    NOTIFY_WEBHOOK_URL_FILE NOTIFY_PING_URL_FILE; do
    [ -z "${!key-}" ] || config[$key]=${!key}
  done
  [[ ${config[NOTIFY_TIMEOUT]} =~ ^[1-9][0-9]{0,2}$ ]] || die 'NOTIFY_TIMEOUT is not a number of seconds'
}

# ask_systemd: what systemd knows of the unit $job: its output and exit status, and the name of the job it runs.
ask_systemd() {
  local property value code='' name=${job%.service} control=(systemctl)
  [ "$journal" = system ] || control=(systemctl --user)
  output=$({ journalctl "--$journal" --unit "$job" --lines 20 --no-pager --output cat 2>&1 || true; } | without_secrets)
  while IFS='=' read -r property value; do
    case "$property" in
      SyslogIdentifier) name=${value:-$name} ;;
      ExecMainCode) code=$value ;;
      ExecMainStatus) status=${status:-$value} ;;
    esac
  done < <("${control[@]}" show --property=SyslogIdentifier,ExecMainCode,ExecMainStatus -- "$job" 2>/dev/null)
  # As a shell would tell of it: a signal (CLD_KILLED, CLD_DUMPED) is 128 and its number.
  [[ $code != [23] ]] || status=$((128 + status))
  # A unit that never came so far as to run its program has no status.
  [ "$event" != fail ] || [ "$status" != 0 ] || status=
  job=$name
}

# without_secrets: stdin with what looks like a password blanked out.
without_secrets() {
  sed -E -e 's#(://[^/:@[:space:]]*:)[^@[:space:]]*@#\1***@#g' \
    -e 's/((password|passwd|secret|token|api[_-]?key)[a-z_]*["'\'']?[[:space:]]*[=:][[:space:]]*)[^[:space:]]+/\1***/Ig'
}

# post URL TYPE: sends stdin. The address goes through a file descriptor: arguments are public.
post() {
  local quoted=${1//\\/\\\\}
  curl --silent --show-error --fail --max-time "${config[NOTIFY_TIMEOUT]}" --retry 2 --retry-max-time 20 \
    --output /dev/null --header "Content-Type: $2" --data-binary @- \
    --config <(printf 'url = "%s"\n' "${quoted//\"/\\\"}")
}

send_mail() {
  timeout -k 5 "$((config[NOTIFY_TIMEOUT] * 3))" mail -s "$headline" -- "${config[NOTIFY_MAIL_TO]}" <<<"$headline

$output"
}

send_webhook() {
  local body='{' key
  local -A fields=([text]=$headline [job]=$job [event]=$event [host]=$host [time]=$now [output]=$output)
  for key in text job event host time output; do
    json_text "${fields[$key]}"
    body+="\"$key\":$json,"
  done
  post "$secret" application/json <<<"$body\"status\":${status:-null}}"
}

send_ping() {
  local url=${secret//'{job}'/$job}
  url=${url%/}
  case "$event" in
    start) url+=/start ;;
    fail) url+="/${status:-fail}" ;;
  esac
  post "$url" 'text/plain; charset=utf-8' <<<"$output"
}

# tell NAME FUNCTION: one way of telling; its trouble is no reason not to try the next.
tell() {
  if [ "$dry_run" = yes ]; then
    printf 'would send: %s: %s\n' "$1" "$headline"
    return 0
  fi
  local trouble result=0
  trouble=$("$2" 2>&1) || result=$?
  # curl names the host and port at most, mail the address: neither is a secret.
  [ "$result" -eq 0 ] || complain "could not send the $1 (exit $result): ${trouble//$'\n'/; }"
}

wanted() { [[ " ${config[NOTIFY_ON]} " == *" ${event/recovery/fail} "* ]]; }

main() {
  dry_run=no status='' journal=''
  while [[ ${1-} == -* ]]; do
    case "$1" in
      -h | --help)
        usage
        return 0
        ;;
      -n | --dry-run) dry_run=yes ;;
      --status)
        status=${2-}
        [[ $status =~ ^[0-9]{1,3}$ ]] || bad_usage '--status needs a number'
        shift
        ;;
      --journal)
        journal=${2-}
        [[ $journal =~ ^(system|user)$ ]] || bad_usage '--journal needs system or user'
        shift
        ;;
      *) bad_usage "unknown option: $1" ;;
    esac
    shift
  done
  event=${1-} job=${2-} output='' secret=''
  local file=${3-}
  [[ $event =~ ^(start|success|fail|recovery)$ ]] || bad_usage 'the first word is start, success, fail or recovery'
  [[ $job =~ ^[A-Za-z0-9@._-]+$ ]] || bad_usage 'the second word is the name of the job'
  [ -z "$file" ] || [ -r "$file" ] || bad_usage "could not read $file"
  configure
  [ -z "$journal" ] || ask_systemd
  host=${HOSTNAME:-$(uname -n)} now=$(date +%Y-%m-%dT%H:%M:%S%:z)
  case "$event" in
    fail) headline="$job failed on $host${status:+ (exit $status)}" ;;
    success) headline="$job done on $host" ;;
    recovery) headline="$job works again on $host" ;;
    start) headline="$job started on $host" ;;
  esac
  if [ -z "$journal" ] && { [ -n "$file" ] || [ ! -t 0 ]; }; then
    output=$(tail -c 10000 -- ${file:+"$file"} | without_secrets)
  fi

  # shellcheck disable=SC2310 # its only result is its status
  if wanted && [ -n "${config[NOTIFY_MAIL_TO]-}" ]; then tell mail send_mail; fi
  dotenv_secret NOTIFY_WEBHOOK_URL config
  # shellcheck disable=SC2310 # as above
  if wanted && [ -n "$secret" ]; then tell webhook send_webhook; fi
  dotenv_secret NOTIFY_PING_URL config
  # shellcheck disable=SC2310 # as above
  if [ -n "$secret" ] && { [ "$event" != start ] || wanted; }; then tell ping send_ping; fi
  return "$complaints"
}

main "$@"
