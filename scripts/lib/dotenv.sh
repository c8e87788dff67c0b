# shellcheck shell=bash
# shellcheck disable=SC2034 # results are read by the callers
# Reads .env files. This is the only place that does, and it never executes them.
#
# A line is `KEY=VALUE`, perhaps with `export ` in front; blank lines and lines that start with # are skipped.
#   KEY       [A-Za-z_][A-Za-z0-9_]*
#   'value'   as it stands
#   "value"   with \n \t \" \\ ; any other backslash stays
#   value     as it stands up to a # that follows a blank; blanks at the end are dropped
# $, `, ; and ! mean nothing. CRLF line ends and a byte order mark are taken.

# dotenv_value TEXT: the value behind the equals sign in $value, or what is wrong with it in $trouble.
dotenv_value() {
  local text=$1 rest bare=${1#"${1%%[![:blank:]]*}"}
  # In variables: bash reads quotes inside [[ =~ ]] as quoting.
  local single="^'([^']*)'(.*)$" double='^"(([^"\]|\\.)*)"(.*)$'
  trouble=
  if [[ $bare =~ $single ]]; then
    value=${BASH_REMATCH[1]}
    rest=${BASH_REMATCH[2]}
  elif [[ $bare =~ $double ]]; then
    rest=${BASH_REMATCH[3]}
    dotenv_unescape "${BASH_REMATCH[1]}"
  elif [[ $bare == [\'\"]* ]]; then
    trouble='a quote is not closed'
  else
    rest=
    text=${text%%[[:blank:]]#*}
    text=${text#"${text%%[![:blank:]]*}"}
    value=${text%"${text##*[![:blank:]]}"}
  fi
  if [ -z "$trouble" ] && ! [[ $rest =~ ^[[:blank:]]*(#.*)?$ ]]; then
    trouble='text after the closing quote'
  fi
}

# dotenv_unescape TEXT: the inside of a double-quoted value in $value.
dotenv_unescape() {
  local text=$1
  value=
  while [[ $text == *\\* ]]; do
    value+=${text%%\\*}
    text=${text#*\\}
    case "$text" in
      n*) value+=$'\n' ;;
      t*) value+=$'\t' ;;
      \"* | \\*) value+=${text:0:1} ;;
      *) value+="\\${text:0:1}" ;;
    esac
    text=${text:1}
  done
  value+=$text
}

# dotenv_guard FILE: why FILE must not be trusted, in $trouble: others could have written it.
dotenv_guard() {
  local owner mode
  trouble=
  if [ ! -f "$1" ]; then
    trouble='no such file'
  elif [ ! -r "$1" ]; then
    trouble='permission denied'
  else
    read -r owner mode < <(stat -L -c '%u %a' -- "$1")
    if [ "$owner" -ne "$(id -u)" ] && [ "$owner" -ne 0 ]; then
      trouble="it belongs to user $owner"
    elif (((8#$mode & 8#022) != 0)); then
      trouble="others can write it (mode $mode; chmod go-w)"
    fi
  fi
}

# dotenv_read FILE ARRAY: the values of FILE into the associative array ARRAY; the last of a repeated key wins.
# What is wrong goes into the array dotenv_errors, `FILE:LINE: reason` each, never with a value. Bad lines are
# left out, the rest is read; a file that must not be trusted gives no values at all.
dotenv_read() {
  local file=$1 line number=0 value trouble
  local -n into=$2
  dotenv_errors=()
  dotenv_guard "$file"
  if [ -n "$trouble" ]; then
    dotenv_errors=("$file: $trouble")
    return 0
  fi
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    [ "$number" -gt 1 ] || line=${line#$'\xef\xbb\xbf'}
    line=${line%$'\r'}
    line=${line#"${line%%[![:blank:]]*}"}
    case "$line" in '' | \#*) continue ;; esac
    if ! [[ $line =~ ^(export[[:blank:]]+)?([A-Za-z_][A-Za-z0-9_]*)[[:blank:]]*=(.*)$ ]]; then
      dotenv_errors+=("$file:$number: not KEY=VALUE")
      continue
    fi
    local key=${BASH_REMATCH[2]} text=${BASH_REMATCH[3]}
    dotenv_value "$text"
    if [ -n "$trouble" ]; then
      dotenv_errors+=("$file:$number: $key: $trouble")
      continue
    fi
    # shellcheck disable=SC2004,SC2034 # the caller's associative array
    into[$key]=$value
  done <"$file"
}

# dotenv_secret KEY ARRAY: the value of KEY, or of the file that KEY_FILE names, in $secret.
dotenv_secret() {
  local -n from=$2
  local file=${from[$1_FILE]-}
  secret=${from[$1]-}
  if [ -z "$secret" ] && [ -n "$file" ]; then
    [ -r "$file" ] || die "could not read the file that $1_FILE names"
    secret=$(<"$file")
  fi
}
