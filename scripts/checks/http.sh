#!/usr/bin/env bash
# One HTTP address: status, body, latency. A redirect is not an answer (it is often the login page).
# Usage: http.sh NAME URL [status=200] [body=REGEX] [json=PATH:VALUE[,VALUE]] [within=2s]
# Needs:  curl; jq for json=
# Reads:  the address
# Writes: nothing
# Exit:   0 ok, 3 warning, 1 error, 2 bad usage, or no curl or jq
set -euo pipefail
# shellcheck source=scripts/lib/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/check.sh"

# Why curl got no answer, by its exit status.
no_answer() {
  case "$1" in
    6) finding error 'the host name is not known' ;;
    7) finding error 'connection refused' ;;
    28) finding error "no answer within ${CHECK_TIMEOUT:-10} s" ;;
    35 | 60) finding error "TLS: $2" ;;
    52) finding error 'the connection was closed without an answer' ;;
    *) finding error "curl exit $1: $2" ;;
  esac
}

# json=status:healthy,ok: the member of the JSON body must be one of the values.
check_json() {
  local path=${option[json]%%:*} values=${option[json]#*:} found
  need jq
  if ! found=$(jq -er --arg path "$path" 'getpath($path | split(".")) | values | tostring' "$1" 2>/dev/null); then
    finding error "the body has no JSON member $path"
  elif [[ ,$values, != *",$found,"* ]]; then
    finding error "$path is ${found:0:60}, not ${values//,/ or }"
  fi
}

check_answer() {
  local body=$1 code=$2 took=$3 redirect=$4 limit
  if [ "$code" != "${option[status]}" ]; then
    finding error "status $code, not ${option[status]}${redirect:+ (redirects to $redirect)}"
  fi
  if [ -n "${option[body]}" ] && ! grep -Eq -e "${option[body]}" "$body"; then
    finding error "the body does not match ${option[body]}"
  fi
  [ -z "${option[json]}" ] || check_json "$body"
  seconds_of "${option[within]}"
  limit=$seconds
  if awk -v took="$took" -v limit="$limit" 'BEGIN { exit !(took > limit) }'; then
    finding warning "slow: more than ${option[within]}"
  fi
  finding ok "status $code in $took s"
}

main() {
  local url=${2-} status=0 answer
  [ -n "$url" ] || bad_usage 'http NAME URL [OPTION=VALUE...]'
  shift 2
  check_options status=200 body= json= within=2s -- "$@"
  need curl
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  # -q: a ~/.curlrc must not change what is checked. The body is cut at 1 MiB.
  answer=$(curl -q --silent --show-error --max-time "${CHECK_TIMEOUT:-10}" --max-filesize 1048576 \
    --noproxy localhost,127.0.0.1,::1 --output "$scratch/body" \
    --write-out '%{http_code} %{time_total} %{redirect_url}' "$url" 2>"$scratch/trouble") || status=$?
  if [ "$status" -ne 0 ]; then
    no_answer "$status" "$(head -n 1 "$scratch/trouble")"
  else
    touch "$scratch/body"
    read -r code took redirect <<<"$answer"
    check_answer "$scratch/body" "$code" "$took" "$redirect"
  fi
  verdict
}

main "$@"
