#!/usr/bin/env bash
# The certificate that an address serves (HOST:PORT), those of a PEM file or of Traefik's acme.json: days left.
# Usage: certificate.sh HOST:PORT|FILE [name=SERVERNAME] [acme=FILE] [warn=30d] [fail=7d]
#   name=NAME  the name to ask for, and the certificate must be for it (default: HOST; of acme.json only NAME's)
#   acme=FILE  the served certificate should be the one that acme.json has for the name
# Needs:  openssl; jq for acme.json
# Reads:  the address or the file, acme.json
# Writes: nothing
# Exit:   0 good, 3 warning, 1 expired, expiring or for another name, 2 nothing could be read, or bad usage
set -euo pipefail
# shellcheck source=scripts/lib/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/check.sh"

# unreadable TEXT: what cannot be read is said to be unreadable, never to be expiring (openssl's -checkend mixes the two).
unreadable() {
  finding error "$1"
  could_not_read=yes
}

# fetch HOST:PORT NAME: what the server shows, in $pem; an IP address is no server name (RFC 6066).
fetch() {
  local name=(-servername "$2")
  [[ ! $2 =~ ^[0-9.]+$|: ]] || name=(-noservername)
  pem=$(timeout "${CHECK_TIMEOUT:-10}" openssl s_client -connect "$1" "${name[@]}" </dev/null 2>/dev/null) || true
}

# matches PEM NAME: whether the certificate is for the name, in $matches.
matches() {
  local how=-checkhost
  [[ ! $2 =~ ^[0-9.]+$|: ]] || how=-checkip
  matches=no
  # openssl ends with 0 either way.
  [[ $(openssl x509 -noout "$how" "$2" 2>/dev/null <<<"$1") != *'does match'* ]] || matches=yes
}

# judge LABEL PEM NAME: the findings about one certificate; LABEL and NAME may be empty.
judge() {
  local dates='' start end left now label=${1:+$1: } matches
  dates=$(openssl x509 -noout -startdate -enddate 2>/dev/null <<<"$2") || true
  if [[ $dates != notBefore=*notAfter=* ]]; then
    unreadable "${label}no certificate could be read"
    return 0
  fi
  start=${dates#notBefore=} end=${dates##*notAfter=} now=$(date +%s)
  start=${start%notAfter=*}
  left=$(($(date -d "$end" +%s) - now))
  if [ "$left" -le 0 ]; then
    finding error "${label}expired on $end"
  elif [ "$left" -le "$fail_seconds" ]; then
    finding error "${label}ends within ${option[fail]}"
  elif [ "$left" -le "$warn_seconds" ]; then
    finding warning "${label}ends within ${option[warn]}"
  fi
  [ "$(date -d "$start" +%s)" -le "$now" ] || finding error "${label}not valid before $start"
  if [ -n "$3" ]; then
    matches "$2" "$3"
    [ "$matches" = yes ] || finding error "${label}not for $3 ($(openssl x509 -noout -subject <<<"$2"))"
  fi
  finding ok "${label}$((left / 86400)) days left"
}

# read_acme FILE NAME: `RESOLVER DOMAIN BASE64` of each certificate (of those for NAME, if it is given) in $acme.
read_acme() {
  need jq
  acme=$(jq -er --arg name "$2" 'to_entries[] | .key as $resolver | .value.Certificates // [] | .[]
    | select($name == "" or ([.domain.main] + (.domain.sans // []) | any(. == $name)))
    | "\($resolver) \(.domain.main) \(.certificate)"' "$1" 2>/dev/null) || true
}

judge_acme() {
  local acme resolver domain encoded pem
  read_acme "$1" "${option[name]}"
  if [ -z "$acme" ]; then
    unreadable "no certificate${option[name]:+ for ${option[name]}} in $1"
    return 0
  fi
  while read -r resolver domain encoded; do
    pem=$(base64 -d <<<"$encoded" 2>/dev/null) || true
    judge "$domain ($resolver)" "$pem" "$domain"
  done <<<"$acme"
}

# compare_with_acme PEM NAME: Traefik may have renewed and still show the old one.
compare_with_acme() {
  local acme encoded served kept
  read_acme "${option[acme]}" "$2"
  if [ -z "$acme" ]; then
    finding warning "no certificate for $2 in ${option[acme]}"
    return 0
  fi
  served=$(openssl x509 -noout -fingerprint -sha256 <<<"$1")
  while read -r _ _ encoded; do
    kept=$(base64 -d <<<"$encoded" 2>/dev/null | openssl x509 -noout -fingerprint -sha256 2>/dev/null) || true
    [ "$kept" != "$served" ] || return 0
  done <<<"$acme"
  finding warning "served is not what ${option[acme]} has for $2"
}

main() {
  local target=${1-} pem host could_not_read=no
  [ -n "$target" ] || bad_usage 'certificate HOST:PORT|FILE [OPTION=VALUE...]'
  shift
  check_options name= acme= warn=30d fail=7d -- "$@"
  need openssl
  seconds_of "${option[fail]}"
  fail_seconds=$seconds
  seconds_of "${option[warn]}"
  warn_seconds=$seconds
  if [[ $target == */* || -e $target ]]; then
    if ! pem=$(cat -- "$target" 2>/dev/null); then
      unreadable "could not read $target"
    elif [[ $pem == [[:space:]]*'{'* || $pem == '{'* ]]; then
      judge_acme "$target"
    else
      judge '' "$pem" "${option[name]}"
    fi
  else
    host=${target%:*}
    host=${option[name]:-${host//[][]/}}
    fetch "$target" "$host"
    judge '' "$pem" "$host"
    if [ -n "${option[acme]}" ] && [ "$could_not_read" = no ]; then compare_with_acme "$pem" "$host"; fi
  fi
  [ "$could_not_read" = no ] || verdict_status=2
  verdict
}

main "$@"
