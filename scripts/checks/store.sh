#!/usr/bin/env bash
# The age of the newest archive in a store.
# Usage: store.sh NAME store=STORE [series=pai] [credentials=FILE] [warn_age=30h] [fail_age=50h]
# Needs:  pai-backup
# Reads:  the store's list of archives, the file of credentials=
# Writes: nothing
# Exit:   0 ok, 3 warning, 1 error, 2 bad usage, or credentials that others can read
set -euo pipefail
# shellcheck source=scripts/lib/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/check.sh"
# shellcheck source=scripts/lib/credentials.sh
. "$checks_folder/../lib/credentials.sh"

# younger AGE: whether the newest archive is. What the tool says otherwise is in $trouble.
younger() {
  trouble=$(pai-backup --store "${option[store]}" --name "${option[series]}" list --names --max-age "$1" 2>&1 >/dev/null)
}

main() {
  local why
  shift || true
  check_options store= series=pai credentials= warn_age=30h fail_age=50h -- "$@"
  [ -n "${option[store]}" ] || finding error 'no store= is given'
  [ "$verdict_status" -eq 0 ] || verdict
  use_credentials "${option[credentials]}"
  PATH=$checks_folder/..:${checks_folder%/libexec/pai-tools/checks}/bin:$PATH
  # shellcheck disable=SC2310 # its only result is its status
  if younger "${option[warn_age]}"; then
    finding ok "the newest archive is younger than ${option[warn_age]}"
  else
    why=${trouble##*pai-backup: }
    # shellcheck disable=SC2310 # its only result is its status
    if younger "${option[fail_age]}"; then finding warning "$why"; else finding error "$why"; fi
  fi
  verdict
}

main "$@"
