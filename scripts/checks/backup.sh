#!/usr/bin/env bash
# The age of the newest backup that was verified. That a backup exists proves nothing.
# Usage: backup.sh NAME [warn_age=30h] [fail_age=50h]
# Needs:  nothing
# Reads:  STATE_DIR/backup-verified
# Writes: nothing
# Exit:   0 ok, 3 warning, 1 error, 2 bad usage
set -euo pipefail
# shellcheck source=scripts/lib/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/check.sh"

main() {
  shift || true
  check_options warn_age=30h fail_age=50h -- "$@"
  local record=${STATE_DIR:?run by health-check.sh}/backup-verified made path age
  if [ ! -r "$record" ]; then
    finding error 'no backup was ever verified'
    verdict
  fi
  read -r made _ path <"$record"
  age=$(($(date +%s) - made))
  seconds_of "${option[fail_age]}"
  local fail=$seconds
  seconds_of "${option[warn_age]}"
  if [ ! -e "$path" ]; then
    finding error "${path##*/} is gone"
  elif [ "$age" -ge "$fail" ]; then
    finding error "older than ${option[fail_age]}"
  elif [ "$age" -ge "$seconds" ]; then
    finding warning "older than ${option[warn_age]}"
  fi
  finding ok "${path##*/}, $((age / 3600)) h old"
  verdict
}

main "$@"
