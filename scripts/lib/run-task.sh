# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with maintenance.sh
# One task: its own process, a time limit, all its output in the run's log, one JSON line.

# open_log: the run's log, $log. On a full disk it is in memory: a task whose output cannot be written would end.
open_log() {
  local free
  log_name=maintenance-$(date +%Y%m%d_%H%M%S).log
  log=$LOG_DIR/$log_name
  free=$(df --block-size=1 --output=avail -- "$LOG_DIR" | tail -n 1 | tr -d ' ')
  [ "$free" -lt 1048576 ] || return 0
  warn "$LOG_DIR has $free bytes free: this run's log and temporary files are in memory"
  memory=$(mktemp -d /dev/shm/maintenance.XXXXXX)
  trap 'rm -rf "$memory"' EXIT
  export TMPDIR=$memory
  log=$memory/$log_name
}

# close_log: a log in memory goes where it belongs, if there is room by now.
close_log() {
  [ "$log" != "$LOG_DIR/$log_name" ] || return 0
  cp -- "$log" "$LOG_DIR/$log_name" 2>/dev/null && return 0
  rm -f -- "$LOG_DIR/$log_name"
  warn "no room for the run's log; what it ended with: $(tail -n 1 "$log")"
}

# to_log: stdin to the run's log and to stdout. That may be full (cron's >> on a full disk) or gone (| head): tasks
# run all the same.
to_log() { tee -a -p -- "$log" || true; }

# run_task NAME: runs it unless plan left it out, and records what became of it.
run_task() {
  local name=$1 status=0 start=$EPOCHREALTIME offset
  if [ -n "${left_out[$name]-}" ]; then
    record "$name" skipped 0 0 "because ${left_out[$name]}"
    return 0
  fi
  echo "$(date -Iseconds) == $name starts" >>"$log"
  offset=$(stat -c %s "$log")
  # In the background and waited for: bash then takes a signal at once. 9>&-: a task's own children must not
  # keep the lock after this process has gone.
  running=$name
  MAINTENANCE_DRY_RUN=$dry_run MAINTENANCE_YES=$yes MAINTENANCE_VERBOSE=$verbose MAINTENANCE_PERIOD=${period_of[$name]} \
    timeout -k 10 "$limit" "$tasks_folder/$name.sh" >>"$log" 2>&1 </dev/null 9>&- &
  child=$!
  wait "$child" || status=$?
  child='' running=''
  judge "$name" "$status" "$start" "$offset"
}

# judge NAME STATUS START OFFSET: the task's state and reason; its output starts at OFFSET in the log.
judge() {
  local name=$1 status=$2 took last state
  took=$(awk -v a="$3" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }')
  # As with to_log, stdout decides nothing.
  [ "$verbose" = no ] || tail -c "+$(($4 + 1))" "$log" || true
  last=$(tail -c "+$(($4 + 1))" "$log" | telling_line)
  case "$status" in
    0)
      state=ok last=
      remember "$name"
      ;;
    75) state=skipped last="because ${last#*: skipped: }" ;;
    124 | 137) state=FAILED last="error: no end within $limit s" ;;
    *) state=FAILED last="error: exit $status: ${last#*: error: }" ;;
  esac
  if [ "$state" = FAILED ]; then
    if [ "$verbose" = no ]; then tail -c "+$(($4 + 1))" "$log" | tail -n 20 | sed "s/^/$name| /" || true; fi
    [ "$status" -eq 1 ] || worst=2
    [ "$worst" -eq 2 ] || worst=1
  fi
  record "$name" "$state" "$status" "$took" "$last"
}

# telling_line: of a task's output its last complaint, else its verdict, else its last line.
telling_line() {
  awk '/: error: |: skipped: / { complaint = $0 } /FAILED/ && !verdict { verdict = $0 } NF { last = $0 }
    END { print complaint ? complaint : verdict ? verdict : last }' | tr -d '\000-\037\177'
}

# record NAME STATE STATUS SECONDS REASON: into the run's log, maintenance.jsonl and the summary.
record() {
  local json mode=real
  [ "$dry_run" = no ] || mode=dry-run
  json_text "$5"
  printf '{"type":"task","time":"%s","run":"%s","task":"%s","period":"%s","mode":"%s","status":"%s","exit":%d,"seconds":%s,"reason":%s}\n' \
    "$(date -Iseconds)" "${log##*/}" "$1" "${period_of[$1]}" "$mode" "${2,,}" "$3" "$4" "$json" 2>/dev/null \
    >>"$LOG_DIR/maintenance.jsonl" || warn "could not write $LOG_DIR/maintenance.jsonl"
  echo "$(date -Iseconds) == $1 $2 ${4} s${5:+ $5}" >>"$log"
  done_names+=("$1") done_states+=("$2") done_seconds+=("$4") done_reasons+=("$5")
}

failed_tasks() {
  local i names=
  for ((i = 0; i < ${#done_names[@]}; i++)); do
    [ "${done_states[$i]}" != FAILED ] || names+="${names:+, }${done_names[$i]}"
  done
  printf '%s' "$names"
}

# ended_by STATUS SIGNAL: ends the running task, says so, and dies of the same signal.
ended_by() {
  trap - INT TERM
  if [ -n "$child" ]; then
    kill -TERM "$child" 2>/dev/null || true
    wait "$child" || true
    record "$running" FAILED "$1" 0 "error: ended by SIG$2"
  fi
  summary | to_log
  kill "-$2" "$$"
}
