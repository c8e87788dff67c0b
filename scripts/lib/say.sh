# shellcheck shell=bash
# shellcheck disable=SC2034 # results are read by the callers
# What a script says: results on stdout, everything else on stderr, plain text, one line each.
# The words "error" and "warning" stand only in lines that mean it, so `grep -i error logs/*.log` tells something.

program=${0##*/}
program=${program%.sh}
# 1 once something was complained of: a script's exit status if nothing worse happened.
complaints=0

# Where it was called. A folder that its user cannot enter is no place to work in: find(1) fails there whatever it is
# asked to look at (`sudo -u codex SCRIPT` typed in one's own home).
called_in=${PWD:-/}
[ -x . ] || cd /

note() { printf '%s: %s\n' "$program" "$*" >&2; }
warn() { printf '%s: warning: %s\n' "$program" "$*" >&2; }
complain() {
  printf '%s: error: %s\n' "$program" "$*" >&2
  complaints=1
}

# die REASON: trouble; nothing more can be done.
die() {
  printf '%s: error: %s\n' "$program" "$*" >&2
  exit 2
}

# refuse REASON HINT: trouble, and the way out of it.
refuse() {
  printf '%s: error: %s\n%s: hint: %s\n' "$program" "$1" "$program" "$2" >&2
  exit 2
}

# try WHAT COMMAND...: COMMAND, whose stdout is kept; if it fails it is told that one could not WHAT, and why.
try() {
  local trouble
  if ! { trouble=$("${@:2}" 2>&1 >&3 3>&-); } 3>&1; then
    trouble=${trouble%%$'\n'*}
    die "could not $1: ${trouble##*: }"
  fi
}

# other_ends_are_trouble: a command that fails where nobody expected it ends the script with 2 and its name, not with
# that command's own status: 1 is "done, but". For scripts that end with `exit`, not with what main returns.
other_ends_are_trouble() {
  set -o errtrace
  trap 'unexpected "$?" "$BASH_COMMAND"' ERR
}

unexpected() {
  # Where `set +e` holds the status is looked at.
  [[ $- == *e* ]] || return 0
  # Once: what ran it in a subshell is told of it by its status.
  [ "$1" -eq 2 ] || printf '%s: error: stopped: exit %s of: %s\n' "$program" "$1" "${2%%$'\n'*}" >&2
  exit 2
}

# bad_usage REASON: a wrong word on the command line.
bad_usage() {
  printf '%s: error: %s (see %s --help)\n' "$program" "$*" "$program" >&2
  exit 2
}

# help_first [WORD...]: the usage, and the end, if the first word asks for it; for scripts that take no other option.
help_first() {
  case "${1-}" in
    -h | --help)
      usage
      exit 0
      ;;
  esac
}

# json_text TEXT: TEXT as a JSON string, quotes included, in $json.
json_text() {
  local text=${1//\\/\\\\} code
  text=${text//\"/\\\"}
  text=${text//$'\n'/\\n}
  text=${text//$'\t'/\\t}
  text=${text//$'\r'/\\r}
  if [[ $text == *[[:cntrl:]]* ]]; then
    local byte escape
    for code in {1..31} 127; do
      printf -v escape '\\x%02x' "$code"
      printf -v byte '%b' "$escape"
      printf -v escape '\\u%04x' "$code"
      text=${text//"$byte"/"$escape"}
    done
  fi
  json="\"$text\""
}

# quoted WORD...: the words as a shell would read them back, in $quoted; plain words stay plain.
quoted() {
  local word
  quoted=
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_@%+=:,./-]+$ ]]; then
      quoted+="$word "
    else
      quoted+="${word@Q} "
    fi
  done
  quoted=${quoted% }
}

# seconds_of DURATION: 90, 90s, 15m, 36h, 30d as seconds in $seconds.
seconds_of() {
  [[ $1 =~ ^([0-9]{1,9})(s|m|h|d|)$ ]] || die "not a duration: $1 (90s, 15m, 36h, 30d)"
  local -A unit=([s]=1 [m]=60 [h]=3600 [d]=86400)
  seconds=$((10#${BASH_REMATCH[1]} * ${unit[${BASH_REMATCH[2]:-s}]}))
}

# bytes_of SIZE: 500M, 10G, 1T (powers of 1024) as bytes in $bytes.
bytes_of() {
  [[ $1 =~ ^([0-9]{1,9})([KMGT]|)(iB|B|)$ ]] || die "not a size: $1 (500M, 10G)"
  local -A unit=([B]=1 [K]=1024 [M]=1048576 [G]=1073741824 [T]=1099511627776)
  bytes=$((10#${BASH_REMATCH[1]} * ${unit[${BASH_REMATCH[2]:-B}]}))
}
