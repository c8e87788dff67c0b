#!/usr/bin/env bash
# Restarts a service that stays ill or uses too much, a limited number of times, and checks that it came back.
# Needs:  ps; what RESTART_CHECK, RESTART_PIDS, RESTART_LOGS and RESTART_COMMAND run
# Reads:  RESTART_*, STATE_DIR/auto-restart-NAME.hold; .env, for the secrets to blank out of logs
# Writes: STATE_DIR/auto-restart-NAME and .lock, LOG_DIR/auto-restart-NAME.log, LOG_DIR/actions.jsonl; restarts the service, tells notify.sh
# Exit:   0 well, well again or just started, 1 ill, 2 not done, 75 no RESTART_COMMAND, or another run is at work
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/action.sh
. "$scripts_folder/lib/action.sh"
# shellcheck source=scripts/lib/redact.sh
. "$scripts_folder/lib/redact.sh"
# shellcheck source=scripts/lib/service-sample.sh
. "$scripts_folder/lib/service-sample.sh"
# shellcheck source=scripts/lib/restart-state.sh
. "$scripts_folder/lib/restart-state.sh"

usage() {
  cat <<TEXT
Usage: tasks/auto-restart.sh [--reset] [OPTION...]

Takes one sample of a service; run it every minute or few. After RESTART_AFTER bad samples in a row RESTART_COMMAND is run
and the service has RESTART_RECOVERY to come back. Restarts back off (RESTART_BACKOFF, then twice as long each
time) and are given up, with an alert by notify.sh, after RESTART_PER_HOUR within an hour: until the service was well for
RESTART_STABLE, or --reset. The file STATE_DIR/auto-restart-NAME.hold holds restarts off as long as it is there.

  RESTART_COMMAND       the shell line that restarts the service; without it the task does not apply
  RESTART_CHECK         as in health.conf: http api http://localhost:8000/health json=status:healthy
  RESTART_PIDS          a shell line that prints the service's process ids (cat /run/api.pid, pgrep -f uvicorn); none is bad
  RESTART_MAX_RSS       most resident memory of these (2G, or 80% of the machine's), RESTART_MAX_CPU of a processor (90%)
  RESTART_MAX_MEMORY    most memory used on the machine (90%); an empty limit, the default, is none
  RESTART_LOGS          a shell line whose last 200 lines are kept first (docker compose logs --tail 200 api)
  RESTART_NAME (service), RESTART_AFTER (3), RESTART_GRACE (60s, from a start on nothing is counted), RESTART_BACKOFF (60s),
  RESTART_BACKOFF_MAX (1h), RESTART_PER_HOUR (3), RESTART_STABLE (1h), RESTART_RECOVERY (60s), RESTART_TIMEOUT (5m)

      --reset    forget the counts, and that it was given up
$task_help

What the commands said is in LOG_DIR/auto-restart-NAME.log. Exit 1 if the service is ill, unless it came back.
TEXT
}

read_settings() {
  local name
  for name in COMMAND CHECK PIDS MAX_RSS MAX_CPU MAX_MEMORY LOGS; do setting "RESTART_$name" ''; done
  setting RESTART_NAME service
  setting RESTART_AFTER 3
  setting RESTART_PER_HOUR 3
  setting_seconds RESTART_GRACE 60s grace
  setting_seconds RESTART_BACKOFF 60s backoff
  setting_seconds RESTART_BACKOFF_MAX 1h backoff_max
  setting_seconds RESTART_STABLE 1h stable
  setting_seconds RESTART_RECOVERY 60s recovery
  setting_seconds RESTART_TIMEOUT 5m limit
  [ -n "$RESTART_COMMAND" ] || not_here 'no service is set up (RESTART_COMMAND)'
  [[ $RESTART_NAME =~ ^[A-Za-z0-9._-]+$ ]] || die "RESTART_NAME: not a name: $RESTART_NAME"
  [[ $RESTART_AFTER =~ ^[1-9][0-9]{0,3}$ && $RESTART_PER_HOUR =~ ^[0-9]{1,4}$ ]] || die 'RESTART_AFTER and RESTART_PER_HOUR are numbers'
  [ -n "$RESTART_CHECK$RESTART_PIDS$RESTART_MAX_MEMORY" ] || die 'nothing tells whether the service is well (RESTART_CHECK)'
  [ -n "$RESTART_PIDS" ] || [ -z "$RESTART_MAX_RSS$RESTART_MAX_CPU" ] || die 'limits of its processes need RESTART_PIDS'
}

# setting_seconds NAME DEFAULT VARIABLE: a setting that is a duration.
setting_seconds() {
  setting "$1" "$2"
  seconds_of "${!1}"
  printf -v "$3" %d "$seconds"
}

# tell EVENT TEXT: the operator; whether that works decides nothing.
tell() {
  timeout 60 "$scripts_folder/notify.sh" "$1" "auto-restart-$RESTART_NAME" <<<"$2" >&2 8>&- || warn "notify.sh: exit $?"
}

# restart: logs first, then the command, then whether it helped. 8>&-: the service must not inherit the lock.
# shellcheck disable=SC2154 # setting_seconds assigned limit and recovery
restart() {
  local log=$LOG_DIR/auto-restart-$RESTART_NAME.log status=0 begun=$SECONDS
  read_secrets
  {
    echo "$(date -Iseconds) restart of $RESTART_NAME: $illness"
    [ -z "$RESTART_LOGS" ] || { timeout -k 2 60 bash -c "$RESTART_LOGS" 2>&1 8>&- </dev/null || true; } | tail -n 200 | redact
  } >>"$log"
  echo "restart: $RESTART_NAME: $illness"
  timeout -k 10 "$limit" bash -c "$RESTART_COMMAND" >>"$log" 2>&1 8>&- </dev/null || status=$?
  local why=$illness deadline=$((SECONDS + recovery))
  look_at_service
  while [ -n "$illness" ] && [ "$SECONDS" -lt "$deadline" ]; do
    sleep 1
    look_at_service
  done
  [ "$status" -eq 0 ] || illness="RESTART_COMMAND: exit $status${illness:+; $illness}"
  if [ -z "$illness" ]; then
    record_action auto-restart "$RESTART_NAME" restart ok "seconds=$((SECONDS - begun))" "attempt=$attempts"
    echo "$RESTART_NAME: well again after $((SECONDS - begun)) s"
    tell recovery "$why"
  else
    record_action auto-restart "$RESTART_NAME" restart failed "seconds=$((SECONDS - begun))" "attempt=$attempts"
    complain "$RESTART_NAME: restarted, and still ill: $illness (see $log)"
    tell fail "restarted because of: $why. Now: $illness"
  fi
}

act() {
  local often="bad sample $failures of $RESTART_AFTER"
  case "$decision" in
    grace) note "$RESTART_NAME: $illness (it was just started: not counted)" ;;
    count) complain "$RESTART_NAME: $illness ($often)" ;;
    held) complain "$RESTART_NAME: $illness (not restarted: $state_file.hold is there)" ;;
    back-off) complain "$RESTART_NAME: $illness (next restart not before $(date -Iseconds -d "@$until"))" ;;
    latched) complain "$RESTART_NAME: $illness (given up at $(date -Iseconds -d "@$latched"); --reset begins anew)" ;;
    give-up)
      record_action auto-restart "$RESTART_NAME" give-up failed "restarts=${#restarts[@]}"
      complain "$RESTART_NAME: $illness (given up after ${#restarts[@]} restarts within an hour)"
      [ "$dry_run" = yes ] || tell fail "given up after ${#restarts[@]} restarts within an hour: $illness"
      ;;
    restart)
      if [ "$dry_run" = yes ]; then
        change bash -c "$RESTART_COMMAND"
        complain "$RESTART_NAME: $illness ($often)"
      else
        restart
      fi
      ;;
  esac
}

main() {
  task_begin "$@"
  [ "${words[*]}" = --reset ] || no_words
  read_settings
  state_file=$STATE_DIR/auto-restart-$RESTART_NAME
  exec 8>"$state_file.lock"
  flock --nonblock 8 || not_here 'another run looks at the service'
  [ "${words[*]}" != --reset ] || change rm -f -- "$state_file"
  local now
  look_at_service
  now=$(date +%s)
  read_state
  forget_old "$now"
  if [ -z "$illness" ]; then
    good_sample "$now"
    write_state
    echo "$RESTART_NAME: well"
    [ "$latched" -eq 0 ] || note 'it was given up: no restart until it was well for long enough'
  else
    bad_sample "$now" "$started"
    [ "$decision" != restart ] || note_restart "$now"
    write_state
    act
  fi
  task_end
}

main "$@"
