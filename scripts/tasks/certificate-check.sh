#!/usr/bin/env bash
# Looks at TLS certificates, as they are served and as Traefik keeps them: days left, names.
# Needs:  openssl; jq for acme.json
# Reads:  CERTIFICATES, CERTIFICATE_WARN, CERTIFICATE_FAIL; DOMAIN of .env; letsencrypt/acme.json
# Writes: nothing
# Exit:   0 all are good, 1 a warning or an error, 2 one could not be read, 75 none to look at
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

usage() {
  cat <<TEXT
Usage: tasks/certificate-check.sh [HOST:PORT|NAME@HOST:PORT|FILE...] [OPTION...]

One line for each of CERTIFICATES (default: letsencrypt/acme.json, if it is there, and port 443 of .env's DOMAIN). A FILE
is PEM or Traefik's acme.json; NAME@ asks the server at HOST for the certificate of NAME. Warns CERTIFICATE_WARN (30d: when Traefik renews) before the end, an error from
CERTIFICATE_FAIL (7d) on, if it expired, is for another name (Traefik's default certificate is valid for a year), or
cannot be read; a warning if Traefik serves another certificate than acme.json has. The same check is a line of
deployment/health.conf: certificate HOST:PORT.

$task_help
TEXT
}

# find_targets: what to look at, in the array targets; the acme.json among them in $acme.
find_targets() {
  local -A env=()
  local target
  [ ! -e "$ENV_FILE" ] || dotenv_read "$ENV_FILE" env
  targets=("${words[@]}") acme=''
  if [ "${#targets[@]}" -eq 0 ]; then
    local default=
    [ ! -e "$STACK_HOME/letsencrypt/acme.json" ] || default=letsencrypt/acme.json
    setting_list CERTIFICATES "$default${env[DOMAIN]:+;${env[DOMAIN]}:443}"
    targets=("${list[@]}")
  fi
  for target in "${!targets[@]}"; do
    [[ ${targets[target]} != -* ]] || bad_usage "unknown option: ${targets[target]}"
    [[ ${targets[target]} != */* || ${targets[target]} == /* ]] || targets[target]=$STACK_HOME/${targets[target]}
    [[ ${targets[target]} != *.json ]] || acme=${targets[target]}
  done
}

# check TARGET: its line. Something found is exit 1, something unreadable 2.
check() {
  local status=0 text word where=$1 options=("warn=$CERTIFICATE_WARN" "fail=$CERTIFICATE_FAIL")
  if [[ $1 != */* ]]; then
    [ -z "$acme" ] || options+=("acme=$acme")
    [[ $1 != *@* ]] || options+=("name=${1%%@*}")
    where=${1#*@}
  fi
  text=$("$scripts_folder/checks/certificate.sh" "$where" "${options[@]}" 2>&1) || status=$?
  case "$status" in
    0) word=ok ;;
    3) word=warning worst=$((worst > 1 ? worst : 1)) ;;
    1) word=error worst=$((worst > 1 ? worst : 1)) ;;
    *) word=error worst=2 ;;
  esac
  printf '%s: %s: %s: %s\n' "$program" "$word" "$1" "${text##*$'\n'}"
}

main() {
  task_begin "$@"
  local target worst=0
  find_targets
  setting CERTIFICATE_WARN 30d
  setting CERTIFICATE_FAIL 7d
  [ "${#targets[@]}" -gt 0 ] || not_here 'no certificates to look at (CERTIFICATES)'
  need openssl
  for target in "${targets[@]}"; do
    check "$target"
  done
  exit "$worst"
}

main "$@"
