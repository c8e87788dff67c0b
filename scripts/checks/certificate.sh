#!/usr/bin/env bash
# The certificate that an address serves (HOST:PORT) or that a PEM file holds: days until it ends.
# Usage: certificate.sh HOST:PORT|FILE [name=SERVERNAME] [warn=30d] [fail=7d]
set -euo pipefail
# shellcheck source=scripts/lib/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/check.sh"

# What cannot be read is said to be unreadable, never to be expiring: openssl's -checkend mixes the two.
end_of() {
  local host=${1%:*} name=${option[name]}
  if [ -e "$1" ]; then
    openssl x509 -noout -enddate -in "$1" 2>/dev/null
  else
    timeout "${CHECK_TIMEOUT:-10}" openssl s_client -connect "$1" -servername "${name:-$host}" </dev/null 2>/dev/null |
      openssl x509 -noout -enddate 2>/dev/null
  fi
}

main() {
  local target=${1-} end='' line left fail
  [ -n "$target" ] || bad_usage 'certificate HOST:PORT|FILE [OPTION=VALUE...]'
  shift
  check_options name= warn=30d fail=7d -- "$@"
  need openssl
  # A process substitution: what fails in it leaves end empty, and that is said below.
  while read -r line; do end=$line; done < <(end_of "$target")
  if [[ $end != notAfter=* ]]; then
    finding error 'no certificate could be read'
    verdict
  fi
  left=$(($(date -d "${end#notAfter=}" +%s) - $(date +%s)))
  seconds_of "${option[fail]}"
  fail=$seconds
  seconds_of "${option[warn]}"
  if [ "$left" -le 0 ]; then
    finding error "expired on ${end#notAfter=}"
  elif [ "$left" -le "$fail" ]; then
    finding error "ends within ${option[fail]}"
  elif [ "$left" -le "$seconds" ]; then
    finding warning "ends within ${option[warn]}"
  fi
  finding ok "$((left / 86400)) days left"
  verdict
}

main "$@"
