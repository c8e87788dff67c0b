# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with maintenance.sh
# Which tasks there are, when they belong to be run, and what is due.
#
# A task is a file NAME.sh; lines in it `# run: PERIOD POSITION` put it into a period. One without such a
# line runs only when it is named. The state of a task in a period is the file STATE_DIR/NAME.PERIOD with the
# time of its last success; `seen TIME` in it means it was never done since TIME.

periods=(daily weekly monthly yearly)
# A little more than the period: a run that starts a bit late must not count as missed.
declare -A missed_after=([weekly]=$((8 * 86400)) [monthly]=$((32 * 86400)) [yearly]=$((367 * 86400)))
# The calendar unit of each period, as date(1) prints it.
declare -A calendar=([daily]=%Y-%m-%d [weekly]=%G-W%V [monthly]=%Y-%m [yearly]=%Y)
declare -A calendar_word=([daily]=day [weekly]=week [monthly]=month [yearly]=year)

# read_tasks: the names in task_names, in order, and `PERIOD POSITION` lines of each in runs_of.
read_tasks() {
  local file name
  declare -gA runs_of=() about_of=()
  task_names=()
  for file in "$tasks_folder"/*.sh; do
    [ -x "$file" ] || continue
    name=${file##*/}
    name=${name%.sh}
    task_names+=("$name")
    runs_of[$name]=$(sed -n 's/^# run: *//p' "$file")
    about_of[$name]=$(sed -n '2s/^# *//p' "$file")
  done
  [ "${#task_names[@]}" -gt 0 ] || die "no tasks in $tasks_folder"
}

# in_period PERIOD: the tasks of exactly that period, in its order.
in_period() {
  local name at order
  for name in "${task_names[@]}"; do
    while read -r at order; do
      [ "$at" != "$1" ] || printf '%05d %s\n' "$order" "$name"
    done <<<"${runs_of[$name]}"
  done | sort | cut -d' ' -f2
}

list_tasks() {
  local name
  for name in "${task_names[@]}"; do
    printf '%-26s %-16s %s\n' "$name" "$(cut -d' ' -f1 <<<"${runs_of[$name]:-by-name}" | paste -sd, -)" "${about_of[$name]}"
  done
}

# last_success NAME PERIOD: when, in $success (0: never), and since when it is known, in $since.
last_success() {
  local word time=0
  success=0 since=0
  [ -r "$STATE_DIR/$1.$2" ] || return 0
  read -r word time <"$STATE_DIR/$1.$2" || true
  [[ ${time-} =~ ^[0-9]+$ ]] || return 0
  since=$time
  [ "$word" != ok ] || success=$time
}

# done_already NAME PERIOD: whether it was done today, this week, ..., in $already.
done_already() {
  last_success "$1" "$2"
  already=no
  [ "$success" -gt 0 ] || return 0
  [ "$(date -d "@$success" "+${calendar[$2]}")" != "$(date "+${calendar[$2]}")" ] || already=yes
}

# missed NAME PERIOD: whether it is overdue, in $overdue. What is met for the first time is only noted.
missed() {
  local now
  overdue=no
  now=$(date +%s)
  last_success "$1" "$2"
  if [ "$since" -eq 0 ]; then
    [ "$dry_run" = yes ] || echo "seen $now" >"$STATE_DIR/$1.$2"
  elif [ $((now - since)) -gt "${missed_after[$2]}" ]; then
    overdue=yes
  fi
}

# remember NAME: after a success as a task of ${period_of[NAME]}, which counts for the smaller periods too.
# A task that was only named leaves no trace: the schedule stays what it is.
remember() {
  local at
  [ "$dry_run" = no ] && [ -n "${period_of[$1]}" ] || return 0
  for at in "${periods[@]}"; do
    if [[ $'\n'${runs_of[$1]} == *$'\n'"$at "* ]]; then
      echo "ok $(date +%s)" >"$STATE_DIR/$1.$at"
    fi
    [ "$at" != "${period_of[$1]}" ] || return 0
  done
}

# plan: the tasks of this run in planned, for each its period in period_of; one that is not to run has the
# reason in left_out.
plan() {
  local at name relation=smaller
  declare -gA period_of=() left_out=()
  planned=()
  for name in "${asked[@]}"; do
    planned+=("$name")
    period_of[$name]=
  done
  [ -n "$period" ] || return 0
  for at in "${periods[@]}"; do
    [ "$at" != "$period" ] || relation=same
    while read -r name; do
      [ -z "$name" ] || plan_one "$name" "$at" "$relation"
    done < <(in_period "$at")
    [ "$at" != "$period" ] || relation=bigger
  done
}

# plan_one NAME PERIOD RELATION: RELATION is PERIOD's to the wanted period. A task of two periods is planned
# once, for the biggest that wants it, at its first place.
plan_one() {
  local reason=
  if [ "${#only[@]}" -gt 0 ] && [[ " ${only[*]} " != *" $1 "* ]]; then
    return 0
  fi
  case "$3" in
    smaller)
      done_already "$1" "$2"
      [ "$already" = no ] || reason="it is done for this ${calendar_word[$2]}"
      ;;
    bigger)
      missed "$1" "$2"
      [ "$overdue" = yes ] || return 0
      ;;
  esac
  [[ " ${skip[*]} " != *" $1 "* ]] || reason='of --skip'
  if [ -z "${period_of[$1]-}" ]; then
    planned+=("$1")
  elif [ -n "$reason" ]; then
    return 0
  fi
  period_of[$1]=$2
  left_out[$1]=$reason
}
