#!/usr/bin/env bash
# Collects what is needed to find out why the stack is ill: each look with a time limit, secrets blanked out.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/stack.sh
. "$here/lib/stack.sh"
# shellcheck source=scripts/lib/redact.sh
. "$here/lib/redact.sh"

usage() {
  cat <<TEXT
Usage: diagnose.sh [OPTION...]

Writes LOG_DIR/diagnostic-report-YYYYMMDD_HHMMSS.txt: system, network, docker, containers and their last log lines,
health, configuration (keys, no values), the last maintenance. Works without docker, and says what it could
not look at. Values of .env and what looks like a secret are replaced by [redacted].
Prints the report's path.

  -c, --component SERVICE  only this service's containers (may be repeated)
  -l, --lines N            log lines of each container (50)
  -o, --output FILE        the report; - is stdout
      --timeout SECONDS    limit of each look (20)
  -h, --help               this text

Exit status: 0 nothing found, 1 the report has findings, 2 no report could be written.

Environment:
$stack_help

Examples:
  diagnose.sh
  diagnose.sh --component n8n --lines 200 --output -
  less "\$(diagnose.sh)"
TEXT
}

findings=()

# look TITLE COMMAND...: what it prints, under a heading; a failure is a line in the report and a finding.
look() {
  local title=$1 status=0
  shift
  printf '\n== %s\n' "$title"
  timeout -k 2 "$limit" "$@" </dev/null 2>&1 | head -c 262144 || status=$?
  # 141 is head having had enough.
  case "$status" in
    0 | 141) ;;
    124) findings+=("$title: no answer within $limit s") ;;
    *) findings+=("$title: exit $status") ;;
  esac
}

# Absent programs are said to be absent; that is no finding.
look_if() {
  if command -v "$2" >/dev/null; then
    look "$@"
  else
    printf '\n== %s\n%s is not installed\n' "$1" "$2"
  fi
}

system_section() {
  look 'system' uname -a
  look 'uptime and load' cat /proc/uptime /proc/loadavg
  look 'memory' free -h
  look 'disks' df -h -x tmpfs -x devtmpfs
  look 'inodes' df -i -- "$STACK_HOME"
  look 'biggest processes' ps -eo pid,rss,pcpu,comm --sort=-rss
  look_if 'listening ports' ss -tln
  # By process: it works without systemd.
  printf '\n== cron\n'
  if pgrep -x 'cron|crond' >/dev/null; then
    echo 'a cron daemon runs'
  else
    echo 'no cron daemon runs'
    findings+=('cron: no daemon runs')
  fi
}

docker_section() {
  local id name
  printf '\n== docker\n'
  find_engine
  if [ "$engine" != up ]; then
    echo "$engine_trouble"
    findings+=("docker: $engine_trouble")
    return 0
  fi
  echo 'the daemon answers'
  look 'docker version' docker version
  look 'docker disk use' docker system df
  look 'containers' docker ps --all --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME"
  # Without --no-stream it would never end.
  look 'container figures' docker stats --no-stream
  while read -r id name; do
    [ -n "$id" ] || continue
    look "log of $name" docker logs --tail "$lines" --timestamps "$id"
  done < <(docker ps --all --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
    --format '{{.ID}} {{.Names}} {{.Label "com.docker.compose.service"}}' |
    awk -v only=" ${components[*]} " 'only == "  " || index(only, " " $3 " ") { print $1, $2 }')
  look_if 'journal of docker' journalctl --quiet --no-pager --unit docker --since '1 day ago' --lines 200
}

stack_section() {
  look 'health' "$here/health-check.sh" --timeout "$(((limit + 1) / 2))"
  look 'configuration' "$here/validate-config.sh"
  look 'backups' ls -la "$BACKUP_DIR"
  if [ -r "$LOG_DIR/maintenance.jsonl" ]; then
    look 'last maintenance' tail -n 20 "$LOG_DIR/maintenance.jsonl"
  else
    printf '\n== last maintenance\nnone yet\n'
  fi
}

report() {
  local finding
  echo "Diagnostic report $(date -Iseconds), stack $COMPOSE_PROJECT_NAME in $STACK_HOME"
  system_section
  docker_section
  stack_section
  printf '\n== findings\n'
  for finding in "${findings[@]}"; do echo "$finding"; done
  echo "${#findings[@]} findings"
  [ "${#findings[@]}" -eq 0 ]
}

main() {
  local output='' status
  components=() lines=50 limit=20
  while [ $# -gt 0 ]; do
    case "$1" in
      -c | --component | -l | --lines | -o | --output | --timeout) [ $# -gt 1 ] || bad_usage "$1 needs a value" ;;
    esac
    case "$1" in
      -h | --help)
        usage
        exit 0
        ;;
      -c | --component) components+=("$2") && shift ;;
      -l | --lines) lines=$2 && shift ;;
      -o | --output) output=$2 && shift ;;
      --timeout) limit=$2 && shift ;;
      *) bad_usage "unknown option: $1" ;;
    esac
    shift
  done
  [[ $lines$limit =~ ^[0-9]+$ ]] || bad_usage 'lines and seconds are numbers'
  stack_open "$here"
  read_secrets
  umask 077
  if [ -z "$output" ]; then
    mkdir -p "$LOG_DIR" 2>/dev/null || die "could not make $LOG_DIR"
    output=$LOG_DIR/diagnostic-report-$(date +%Y%m%d_%H%M%S).txt
  fi
  if [ "$output" = - ]; then
    output=/dev/stdout
  else
    : >"$output" || die "could not write $output"
  fi
  set +e
  report | redact >"$output"
  status=$((PIPESTATUS[0] | PIPESTATUS[1]))
  [ "$output" = /dev/stdout ] || echo "$output"
  exit "$status"
}

main "$@"
