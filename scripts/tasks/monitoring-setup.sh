#!/usr/bin/env bash
# Installs the cron lines of the schedule, or takes them out again.
# run: yearly 50
# Needs:  crontab, diff
# Reads:  the user's crontab
# Writes: the user's crontab, between two marks
# Exit:   0 done, 1 crontab did not take it, 2 not done
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

usage() {
  cat <<TEXT
Usage: tasks/monitoring-setup.sh [--remove] [OPTION...]

Puts the schedule into the user's crontab between two marks: backup 01:00, daily 02:00, weekly Sunday 03:00, monthly
the 1st 04:00, health every 5 minutes. Other lines stay as they are; a second run changes nothing. Shows the difference first.

      --remove   take the marked lines out
$task_help
TEXT
}

begin='# BEGIN pa-ecosystem maintenance (maintenance.sh monitoring-setup)'
end='# END pa-ecosystem maintenance'

# One line a job, no %: cron knows no continuation and turns % into a line end.
schedule() {
  local maintenance health backup
  quoted "$scripts_folder/maintenance.sh"
  maintenance=$quoted
  quoted "$scripts_folder/health-check.sh"
  health=$quoted
  quoted "$scripts_folder/backup.sh"
  backup=$quoted
  cat <<TEXT
$begin
0 1 * * * STACK_HOME=$home $backup --quiet >> $logs/backup.log 2>&1
0 2 * * * STACK_HOME=$home $maintenance --daily >> $logs/maintenance.log 2>&1
0 3 * * 0 STACK_HOME=$home $maintenance --weekly --wait 50m >> $logs/maintenance.log 2>&1
0 4 1 * * STACK_HOME=$home $maintenance --monthly --wait 50m >> $logs/maintenance.log 2>&1
*/5 * * * * STACK_HOME=$home $health --notify >> $logs/health-check.log 2>&1
$end
TEXT
}

# crontab says "no crontab for USER" and 1 when there is none; any other failure must not look like none.
read_crontab() {
  local status=0
  before=$(crontab -l 2>"$scratch/trouble") || status=$?
  if [ "$status" -ne 0 ] && ! grep -q '^no crontab' "$scratch/trouble"; then
    die "could not read the crontab: $(head -n 1 "$scratch/trouble")"
  fi
}

main() {
  task_begin "$@"
  local remove=no after home logs before
  case "${words[*]}" in
    --remove) remove=yes ;;
    '') ;;
    *) bad_usage "unknown option: ${words[0]}" ;;
  esac
  need crontab
  quoted "$STACK_HOME"
  home=$quoted
  quoted "$LOG_DIR"
  logs=$quoted
  [[ $home$logs$scripts_folder != *[%$'\n']* ]] || die 'cron cannot take a path with % in it'
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  read_crontab
  # Without its end, everything below the block would be taken for ours.
  [ "$(grep -c '^# BEGIN pa-ecosystem maintenance' <<<"$before")" -eq "$(grep -cxF -- "$end" <<<"$before")" ] ||
    die "the crontab has a block of ours without '$end': mend it with crontab -e"
  after=$(sed "/^# BEGIN pa-ecosystem maintenance/,/^$end\$/d" <<<"$before")
  [ "$remove" = yes ] || after+=${after:+$'\n'}$(schedule)
  printf '%s\n' "$after" >"$scratch/crontab"
  if [ "$after" = "$before" ]; then
    echo 'the crontab is already so'
  else
    diff -u --label before --label after <(printf '%s\n' "$before") "$scratch/crontab" || true
    change crontab "$scratch/crontab"
  fi
  task_end
}

main "$@"
