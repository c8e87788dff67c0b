# shellcheck shell=bash
# shellcheck disable=SC2034 # results are read by the caller
# One field of a crontab line: what Debian's cron takes (entry.c), seen by running it.

names_of_month='jan feb mar apr may jun jul aug sep oct nov dec'
names_of_weekday='sun mon tue wed thu fri sat'

# number_of WORD LOW NAMES: its number in $value; names count up from LOW.
number_of() {
  local name
  value=$2
  if [[ $1 =~ ^[0-9]{1,3}$ ]]; then
    value=$((10#$1))
    return 0
  fi
  for name in $3; do
    [ "$name" != "${1,,}" ] || return 0
    value=$((value + 1))
  done
  return 1
}

# field_is_good TEXT LOW HIGH NAMES: whether cron takes TEXT for a field.
field_is_good() {
  local part value from to parts
  [[ $1 != ,* && $1 != *, && $1 != *,,* ]] || return 1
  IFS=, read -ra parts <<<"$1"
  for part in "${parts[@]}"; do
    if [[ $part =~ ^(.*)/([0-9]{1,3})$ ]]; then
      # A step needs a range, and a step of 0 is none.
      part=${BASH_REMATCH[1]}
      ((10#${BASH_REMATCH[2]} > 0)) || return 1
      [[ $part == \* || $part == *-* ]] || return 1
    fi
    [ "$part" != '*' ] || continue
    # shellcheck disable=SC2310 # its only result is its status
    number_of "${part%%-*}" "$2" "$4" || return 1
    from=$value
    # shellcheck disable=SC2310 # as above
    number_of "${part#*-}" "$2" "$4" || return 1
    to=$value
    # A range that runs backwards is taken by Debian's cron, and its job never runs.
    ((from >= $2 && to <= $3 && from <= to)) || return 1
  done
}
