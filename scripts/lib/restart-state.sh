# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with auto-restart
# What auto-restart remembers from one run to the next, and what follows from it. Times are seconds since 1970.
#
#   failures      bad samples in a row, since the last restart
#   attempts      restarts since the service was last well for RESTART_STABLE
#   last_restart  when it was; 0: never
#   restarts      the times of those of the last hour
#   latched       when restarting was given up; 0: it was not
#   well_since    since when every sample was good; 0: the last one was not
#   ill_since     since when every sample was bad; 0: the last one was not

state_numbers=(failures attempts last_restart latched well_since ill_since)

# read_state: the state in $failures, ...; none is all zeros. A damaged one must not pass for "never restarted".
read_state() {
  local -A state=()
  local key
  if [ -e "$state_file" ]; then
    dotenv_read "$state_file" state
    for key in "${state_numbers[@]}"; do
      [[ ${state[$key]-} =~ ^[0-9]{1,12}$ ]] || dotenv_errors+=("$key")
    done
    [[ ${state[restarts]-none} =~ ^[0-9\ ]*$ ]] || dotenv_errors+=(restarts)
    [ "${#dotenv_errors[@]}" -eq 0 ] || die "the state is damaged: $state_file (${dotenv_errors[0]}; --reset begins anew)"
  fi
  for key in "${state_numbers[@]}"; do printf -v "$key" %d "$((10#${state[$key]-0}))"; done
  restarts=()
  [ -z "${state[restarts]-}" ] || read -ra restarts <<<"${state[restarts]}"
}

# write_state: whole or not at all. A restart that is not written down would be one that never counts.
write_state() {
  [ "$dry_run" = no ] || return 0
  local key
  {
    for key in "${state_numbers[@]}"; do printf '%s=%d\n' "$key" "${!key}"; done
    printf 'restarts=%s\n' "${restarts[*]}"
  } >"$state_file.new"
  sync -- "$state_file.new"
  mv -f -- "$state_file.new" "$state_file"
}

# forget_old NOW: restarts of more than an hour ago no longer count; none can have been later than now.
forget_old() {
  local time young=()
  [ "$last_restart" -le "$1" ] || last_restart=$1
  for time in "${restarts[@]}"; do
    [ $(($1 - time)) -ge 3600 ] || young+=("$time")
  done
  restarts=("${young[@]}")
}

# backoff_end: until when the next restart has to wait, in $until: RESTART_BACKOFF after the first, then twice as long
# after each.
backoff_end() {
  local wait=$backoff n
  until=0
  [ "$attempts" -gt 0 ] || return 0
  for ((n = 1; n < attempts && wait < backoff_max; n++)); do wait=$((wait * 2)); done
  [ "$wait" -le "$backoff_max" ] || wait=$backoff_max
  until=$((last_restart + wait))
}

# good_sample NOW: a service that stays well for RESTART_STABLE begins anew.
good_sample() {
  failures=0 ill_since=0
  [ "$well_since" -gt 0 ] || well_since=$1
  [ $(($1 - well_since)) -lt "$stable" ] || attempts=0 latched=0
}

# note_restart NOW: before it is tried: one that breaks off half-way counts, too.
note_restart() {
  failures=0 attempts=$((attempts + 1)) last_restart=$1
  restarts+=("$1")
}

# bad_sample NOW STARTED: what to do about it, in $decision: grace, count, held, latched, back-off, give-up or restart.
# STARTED is when the service's process was started, 0 if that is not known.
bad_sample() {
  well_since=0
  [ "$ill_since" -gt 0 ] || ill_since=$1
  # One that somebody else starts again and again is always young: that excuses it for a while only.
  if [ $(($1 - last_restart)) -lt "$grace" ] ||
    { [ $(($1 - $2)) -lt "$grace" ] && [ $(($1 - ill_since)) -lt $((grace * 3)) ]; }; then
    decision=grace
    return 0
  fi
  failures=$((failures + 1))
  backoff_end
  if [ "$latched" -gt 0 ]; then
    decision=latched
  elif [ "$failures" -lt "$RESTART_AFTER" ]; then
    decision=count
  elif [ -e "$state_file.hold" ]; then
    decision=held
  elif [ "${#restarts[@]}" -ge "$RESTART_PER_HOUR" ]; then
    decision=give-up latched=$1
  elif [ "$1" -lt "$until" ]; then
    decision=back-off
  else
    decision=restart
  fi
}
