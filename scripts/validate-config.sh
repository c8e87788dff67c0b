#!/usr/bin/env bash
# Whether .env and the compose file can be used. Reads .env as text and never prints a value.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/stack.sh
. "$here/lib/stack.sh"

usage() {
  cat <<TEXT
Usage: validate-config.sh [OPTION...]

Finds in .env: lines that are not KEY=VALUE, repeated keys, placeholders (CHANGE_ME_..., your-..., <...>), required keys
that are missing or empty, values of the wrong form, a file that others can read. Then lets docker compose
read the compose file. Prints one line for each finding, with the key and never the value.

      --env FILE       another .env
      --require KEY    a further required key (may be repeated; REQUIRED_KEYS in the settings replaces the list)
      --no-compose     leave the compose file alone
  -q, --quiet          findings only
  -h, --help           this text

Exit status: 0 nothing found, 1 findings, 2 trouble or bad usage.

Environment:
$stack_help
  REQUIRED_KEYS  $default_keys

Examples:
  validate-config.sh
  validate-config.sh --env .env.production --require NEO4J_PASSWORD
  validate-config.sh --quiet || mail -s 'configuration' ops@example.com </dev/null
TEXT
}

default_keys='POSTGRES_PASSWORD SUPABASE_ANON_KEY SUPABASE_SERVICE_KEY N8N_ENCRYPTION_KEY OPENAI_API_KEY'

find_repeats() {
  local line key
  declare -A seen=()
  while IFS= read -r line || [ -n "$line" ]; do
    [[ $line =~ ^[[:blank:]]*(export[[:blank:]]+)?([A-Za-z_][A-Za-z0-9_]*)= ]] || continue
    key=${BASH_REMATCH[2]}
    [ -z "${seen[$key]-}" ] || complain "$key: given more than once; the last one counts"
    seen[$key]=yes
  done <"$env_file"
}

# find_placeholders: what a template left behind. Names with digits (N8N_...) are names too.
find_placeholders() {
  local key value
  for key in "${keys[@]}"; do
    value=${env[$key]}
    case "${value,,}" in
      *change_me* | *changeme* | *change-me* | your_* | your-* | *_here | '<'*'>' | xxx* | replace_* | replace-*)
        complain "$key: still a placeholder"
        ;;
    esac
  done
}

# check_forms: only what is known of a key's value; an empty value is the required keys' matter.
check_forms() {
  local key value
  for key in "${keys[@]}"; do
    value=${env[$key]}
    [ -n "$value" ] || continue
    case "$key" in
      OPENAI_API_KEY) [[ $value == sk-* ]] || complain "$key: does not start with sk-" ;;
      ANTHROPIC_API_KEY) [[ $value == sk-ant-* ]] || complain "$key: does not start with sk-ant-" ;;
      GEMINI_API_KEY | GOOGLE_API_KEY) [[ $value == AIzaSy* ]] || complain "$key: does not start with AIzaSy" ;;
      *_URL) [[ $value =~ ^[a-z][a-z0-9+]*:// ]] || complain "$key: not a URL" ;;
      *_PORT)
        if ! [[ $value =~ ^[0-9]{1,5}$ ]] || ((10#$value < 1 || 10#$value > 65535)); then
          complain "$key: not a port"
        fi
        ;;
      N8N_ENCRYPTION_KEY | JWT_SECRET) [ "${#value}" -ge 32 ] || complain "$key: shorter than 32 characters" ;;
      *_PASSWORD) [ "${#value}" -ge 12 ] || complain "$key: shorter than 12 characters" ;;
    esac
  done
}

check_required() {
  local key secret
  for key in $REQUIRED_KEYS "${further[@]}"; do
    dotenv_secret "$key" env
    [ -n "$secret" ] || complain "$key: required, but missing or empty"
  done
}

check_env() {
  local trouble mode
  declare -gA env=()
  if [ ! -e "$env_file" ]; then
    complain "no such file: $env_file"
    return 0
  fi
  dotenv_read "$env_file" env
  for trouble in "${dotenv_errors[@]}"; do complain "$trouble"; done
  mapfile -t keys < <(printf '%s\n' "${!env[@]}" | sort)
  [ "${#env[@]}" -gt 0 ] || keys=()
  [ ! -r "$env_file" ] || find_repeats
  find_placeholders
  check_required
  check_forms
  mode=$(stat -L -c %a -- "$env_file")
  (((8#$mode & 8#044) == 0)) || complain "$env_file: others can read it (mode $mode; chmod go=)"
}

# check_compose: compose itself says whether it can read the file. Its output holds the values: not shown.
check_compose() {
  local status=0 output
  if [ ! -e "$COMPOSE_FILE" ]; then
    complain "no such file: $COMPOSE_FILE"
    return 0
  fi
  find_compose
  if [ "${#compose[@]}" -eq 0 ]; then
    warn 'the compose file was not checked: neither docker compose nor docker-compose is installed'
    return 0
  fi
  output=$(timeout 60 "${compose[@]}" config --quiet 2>&1) || status=$?
  [ "$status" -eq 0 ] || complain "$COMPOSE_FILE: $(head -n 3 <<<"$output" | paste -sd' ' -)"
}

main() {
  local with_compose=yes quiet=no
  env_file='' further=() keys=()
  while [ $# -gt 0 ]; do
    case "$1" in
      --env | --require) [ $# -gt 1 ] || bad_usage "$1 needs a value" ;;
    esac
    case "$1" in
      -h | --help)
        usage
        exit 0
        ;;
      --env) env_file=$2 && shift ;;
      --require) further+=("$2") && shift ;;
      --no-compose) with_compose=no ;;
      -q | --quiet) quiet=yes ;;
      *) bad_usage "unknown option: $1" ;;
    esac
    shift
  done
  # Findings are what it is asked for.
  exec 2>&1
  stack_open "$here"
  setting REQUIRED_KEYS "$default_keys"
  [ -n "$env_file" ] || env_file=$ENV_FILE
  check_env
  [ "$with_compose" = no ] || check_compose
  [ "$complaints" -ne 0 ] || [ "$quiet" = yes ] || echo "$env_file: ${#keys[@]} keys, nothing found"
  exit "$complaints"
}

main "$@"
