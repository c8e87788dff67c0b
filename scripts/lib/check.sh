# shellcheck shell=bash
# shellcheck disable=SC2034 # results are read by the checks
# What every file in scripts/checks starts from. A check is a program: it prints one line and exits
# 0 ok, 3 warning, anything else error. health-check.sh runs it as `TYPE.sh NAME OPTION=VALUE...`
# and ends it when its time is up.

checks_folder=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
# shellcheck source=scripts/lib/stack.sh
. "$checks_folder/../lib/stack.sh"

verdict_status=0
verdict_text=

# finding LEVEL TEXT: LEVEL is ok, warning or error; the worst one decides, all texts are shown.
finding() {
  case "$1" in
    error) verdict_status=1 ;;
    warning) [ "$verdict_status" -eq 1 ] || verdict_status=3 ;;
  esac
  verdict_text+="${verdict_text:+; }$2"
}

# verdict: prints the findings and ends the check.
verdict() {
  printf '%s\n' "$verdict_text"
  exit "$verdict_status"
}

# check_options DEFAULT... -- WORD...: KEY=VALUE defaults, then what the line says, in the array option.
# An unknown key is an error: a mistyped limit must not be silently no limit.
declare -A option=()
check_options() {
  local word
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    option[${1%%=*}]=${1#*=}
    shift
  done
  shift
  for word in "$@"; do
    if [[ $word != *=* ]] || [ -z "${option[${word%%=*}]+known}" ]; then
      echo "unknown option: $word (known: ${!option[*]})"
      exit 2
    fi
    option[${word%%=*}]=${word#*=}
  done
}

# limit KEY VALUE TEXT: a finding if the number VALUE has reached the option fail_KEY, or else warn_KEY. A
# trailing % is dropped; an empty limit is none.
limit() {
  local level key
  for level in error warning; do
    key=${level/error/fail}
    key=${key/warning/warn}_$1
    [ -n "${option[$key]}" ] || continue
    if ! [[ ${option[$key]%\%} =~ ^[0-9]+$ ]]; then
      echo "$key: not a number: ${option[$key]}"
      exit 2
    fi
    if [ "$2" -ge "${option[$key]%\%}" ]; then
      finding "$level" "$3 at least ${option[$key]}"
      return 0
    fi
  done
}
