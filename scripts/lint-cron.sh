#!/usr/bin/env bash
# Says why cron would ignore a crontab, or run something else than was meant.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/lib/say.sh"
# shellcheck source=scripts/lib/cron-field.sh
. "$here/lib/cron-field.sh"

usage() {
  cat <<'TEXT'
Usage: lint-cron.sh [--template | --crontab] FILE...

Checks files meant for /etc/cron.d against what Debian's cron (and cronie) takes. Cron drops a whole file
for one bad line, often without a word in the log. Each finding is one line, FILE:LINE: rule: why.

  --template   a file that is not installed yet: owner, mode and whether its users exist are not looked at
  --crontab    a user's crontab (`crontab FILE`): no user column; name, owner and mode are not looked at
  -h, --help   this text

The rules:
  name          A-Z a-z 0-9 _ - only: a file with a dot is skipped silently
  owner         root, and a regular file
  mode          writable by its owner only, not executable (cronie refuses that)
  fields        five fields (or @daily ...) within their ranges, then a command
  user          the sixth word is a user of this machine
  newline       the last line ends with a newline
  percent       a % that is not \% ends the command: the rest goes to its stdin
  length        a command of at most 998 bytes
  continuation  a line that ends in a backslash: cron knows no continuation lines
  cr            a carriage return, which becomes part of the last word
  environment   quotes are closed; no $PATH on the right (it is literal); no CRON_TZ or RANDOM_DELAY (cronie's)

Exit status: 0 nothing found, 1 findings, 2 trouble or bad usage.

Examples:
  lint-cron.sh /etc/cron.d/*
  lint-cron.sh --template scripts/cron/codex-backup
  crontab -l | lint-cron.sh --crontab /dev/stdin
TEXT
}

found=0
# finding LINE RULE WHY; LINE 0 means the file as a whole.
finding() {
  local place=$file
  [ "$1" -eq 0 ] || place+=":$1"
  printf '%s: %s: %s\n' "$place" "$2" "$3"
  found=1
}

lint_file_itself() {
  local name=${file##*/} owner mode
  [[ $name =~ ^[A-Za-z0-9_-]+$ ]] || finding 0 name "cron skips a file of this name without a word (letters, digits, _ and - only)"
  [ "$kind" = installed ] || return 0
  read -r owner mode < <(stat -L -c '%U %a' -- "$file")
  [ "$owner" = root ] || finding 0 owner "it belongs to $owner, and cron takes root's files only"
  [ -f "$file" ] || finding 0 owner "it is not a regular file"
  # cronie: (mode & 07533) must be 0400.
  if (((8#$mode & 07533) != 0400)); then
    finding 0 mode "mode $mode; it should be 644 (cron refuses what others can write, cronie what is executable)"
  fi
}

# lint_text: the rules that need no understanding of a line.
lint_text() {
  [[ $line != *$'\r'* ]] || finding "$number" cr 'a carriage return (a file from Windows?)'
  if [[ ${line%$'\r'} =~ \\[[:blank:]]*$ ]]; then
    finding "$number" continuation 'a backslash at the end: the next line is an entry of its own, and the whole file is ignored'
  fi
}

# split_fields: reads the five fields off $rest, or complains.
split_fields() {
  local ranges=('minute 0 59' 'hour 0 23' 'day-of-month 1 31' 'month 1 12' 'day-of-week 0 7') range
  if [[ $rest =~ ^@(reboot|yearly|annually|monthly|weekly|daily|midnight|hourly)[[:blank:]]+(.*)$ ]]; then
    rest=${BASH_REMATCH[2]}
    return 0
  fi
  for range in "${ranges[@]}"; do
    local name low high names=''
    read -r name low high <<<"$range"
    case "$name" in
      month) names=$names_of_month ;;
      day-of-week) names=$names_of_weekday ;;
    esac
    local field=${rest%%[[:blank:]]*}
    rest=${rest#"$field"}
    rest=${rest#"${rest%%[![:blank:]]*}"}
    # shellcheck disable=SC2310 # its only result is its status
    if ! field_is_good "$field" "$low" "$high" "$names"; then
      finding "$number" fields "bad $name: '$field': the whole file is ignored, or the job never runs"
      return 1
    fi
  done
}

# lint_user: reads the user column off $rest.
lint_user() {
  local user=${rest%%[[:blank:]]*}
  rest=${rest#"$user"}
  rest=${rest#"${rest%%[![:blank:]]*}"}
  if ! [[ $user =~ ^[A-Za-z_][A-Za-z0-9_.-]*\$?$ ]]; then
    finding "$number" user "'$user' is no user name: the user column is missing, and the whole file is ignored"
  elif [ "$kind" = template ]; then
    # A name that is a program here is a command whose user is missing, unless it is a user as well.
    if command -v "$user" >/dev/null && ! getent passwd "$user" >/dev/null; then
      finding "$number" user "'$user' is a program: is the user column missing?"
    fi
  elif ! getent passwd "$user" >/dev/null; then
    finding "$number" user "no user '$user' on this machine (or the user column is missing): the whole file is ignored"
  fi
}

lint_setting() {
  local name=$1 value=${2#"${2%%[![:blank:]]*}"}
  if [[ $value == [\"\']* && ! ${value:1} =~ ^[^${value:0:1}]*${value:0:1}[[:blank:]]*$ ]]; then
    finding "$number" environment "a quote in the value of $name is not closed, or text follows it: the whole file is ignored"
  fi
  case "$name" in
    CRON_TZ | RANDOM_DELAY) finding "$number" environment "Debian's cron ignores $name" ;;
    PATH)
      # shellcheck disable=SC2016 # the text itself
      [[ $value != *'$'* ]] || finding "$number" environment 'PATH is taken literally: $ is not expanded'
      ;;
  esac
  [ "${#line}" -le 998 ] || finding "$number" length "a setting of ${#line} bytes (at most 998)"
}

lint_entry() {
  local rest=${line#"${line%%[![:blank:]]*}"}
  local setting='^([A-Za-z_][A-Za-z0-9_]*|"[^"]*"|'\''[^'\'']*'\'')[[:blank:]]*=(.*)$'
  case "$rest" in '' | \#*) return 0 ;; esac
  if [[ $rest =~ $setting ]]; then
    lint_setting "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"
    return 0
  fi
  # shellcheck disable=SC2310 # its findings are already told
  split_fields || return 0
  [ "$kind" = crontab ] || lint_user
  [ -n "$rest" ] || finding "$number" fields 'no command'
  [ "${#rest}" -le 998 ] || finding "$number" length "a command of ${#rest} bytes (at most 998); the whole file is ignored"
  [[ ! ${rest//\\%/} == *%* ]] || finding "$number" percent 'a % ends the command; write \%, or better: call a script'
}

lint() {
  local file=$1 line number=0 ended=yes
  if [ ! -r "$file" ] || [ -d "$file" ]; then
    complain "could not read $file"
    return 0
  fi
  [ "$kind" = crontab ] || lint_file_itself
  while IFS= read -r line || { [ -n "$line" ] && ended=no; }; do
    number=$((number + 1))
    lint_text
    lint_entry
  done <"$file"
  [ "$ended" = yes ] || finding "$number" newline 'no newline at the end of the last line: the whole file is ignored'
}

main() {
  kind=installed
  while [[ ${1-} == -* ]]; do
    case "$1" in
      -h | --help)
        usage
        return 0
        ;;
      --template | --crontab) kind=${1#--} ;;
      *) bad_usage "unknown option: $1" ;;
    esac
    shift
  done
  [ $# -gt 0 ] || bad_usage 'no file named'
  # Lengths are counted in bytes, as cron does.
  export LC_ALL=C
  local file
  for file in "$@"; do
    lint "$file"
  done
  [ "$complaints" -eq 0 ] || return 2
  return "$found"
}

main "$@"
