#!/usr/bin/env bash
# Puts the jobs of this project into cron or systemd, and takes them out again.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/lib/say.sh"
# shellcheck source=scripts/lib/placement.sh
. "$here/lib/placement.sh"
# shellcheck source=scripts/lib/schedule-store.sh
. "$here/lib/schedule-store.sh"

usage() {
  cat <<'TEXT'
Usage: install-schedule.sh cron|cron.d|systemd [OPTION...] [NAME]

  cron      the jobs of cron/cron_maintenance into your crontab; all its other lines stay as they are
  cron.d    /etc/cron.d/NAME: pai-maintenance (unless NAME says codex-backup or vector-store)
  systemd   the four services with timers (with NAME vector-store: its own) and pai-notify@.service into
            /etc/systemd/system, or with --user into ~/.config/systemd/user

Shows the difference first, refuses what lint-cron.sh or systemd-analyze verify refuses and what is not
installed, and changes nothing when run again. A file of another origin is kept as NAME.before-pai.

  --home DIR         the workspace [$PAI_HOME], or the vector store's folder [$STACK_HOME]; its owner runs the jobs
  --run-as USER      somebody else runs them [codex for codex-backup]
  --backups DIR      codex-backup: where dumps go [/backups]; made if missing, 0700
  --codex-home DIR   codex-backup: [/opt/Super-Codex-AI]; its storage/replays is made if missing, 0700
  --store STORE      also send the workspace into a store at 02:15: a folder, s3://BUCKET/PREFIX, rclone:REMOTE:PATH
  --credentials FILE of the store: mode 0600, of the jobs' user or root [their ~/.config/pai/store.env]
  --prefix DIR       where install.sh put the tools [/usr/local as root, else ~/.local]
  --user             systemd: your own units
  --remove           take the jobs out; what was there before comes back byte for byte
  -n, --dry-run      show the difference, change nothing
  -h, --help         this text

Exit status: 0 done, or nothing to do; 2 refused or not done.

Examples:
  install-schedule.sh cron --home ~/projects/codex-assistant/pai
  sudo install-schedule.sh cron.d codex-backup --backups /srv/backups
  install-schedule.sh systemd --user --dry-run
TEXT
}

# settle: fills in what was not given.
settle() {
  if [ "$name" = codex-backup ]; then
    run_as=${run_as:-codex}
  elif [ "$remove" = no ]; then
    local variable=PAI_HOME
    [ "$name" != vector-store ] || variable=STACK_HOME
    home=${home:-${!variable-}}
    [ -n "$home" ] || die "no workspace: give --home or set $variable"
    [ -d "$home" ] || die "the workspace is not there: $home ($variable)"
    home=$(cd "$home" && pwd)
    run_as=${run_as:-$(stat -c %U -- "$home")}
  fi
  if [ -z "$prefix" ]; then
    # Installed, this script knows; from a checkout it is install.sh's default.
    if [[ $here == */libexec/pai-tools ]]; then
      prefix=${here%/libexec/pai-tools}
    elif [ "$(id -u)" -eq 0 ]; then
      prefix=/usr/local
    else
      prefix=$HOME/.local
    fi
  fi
  local folder
  for folder in "$home" "$prefix" "$backups" "$codex_home"; do
    [[ $folder == /* || -z $folder ]] || die "a job has no working folder of yours: $folder does not start with /"
    # shellcheck disable=SC1003 # a backslash
    [[ ! $folder =~ [[:cntrl:]\"\'\`\$%\\] ]] || die "cron or systemd would misread this name: $folder"
  done
}

schedule_cron_d() {
  local file=$scratch/$name
  if [ "$remove" = yes ]; then
    take_away "/etc/cron.d/$name"
    return 0
  fi
  getent passwd "$run_as" >/dev/null || die "no user $run_as on this machine (--run-as)"
  render "$here/cron/$name" >"$file"
  store_cron "$file" "$run_as"
  chmod 644 "$file"
  local as=()
  [ "$(id -u)" -eq 0 ] || as=(--template)
  "$here/lint-cron.sh" ${as:+"${as[@]}"} "$file" >&2 || die "the lint refuses $name"
  need_tools "$file"
  if [ "$name" = codex-backup ]; then
    make_folder "$backups"
    make_folder "$codex_home/storage/replays"
  fi
  place "$file" "/etc/cron.d/$name" 644
}

schedule_cron() {
  local block=$scratch/block
  : >"$block"
  if [ "$remove" = no ]; then
    render "$here/cron/cron_maintenance" >"$block"
    store_cron "$block"
    "$here/lint-cron.sh" --crontab "$block" >&2 || die 'the lint refuses the jobs'
    need_tools "$block"
  fi
  place_in_crontab "$block"
}

schedule_systemd() {
  local folder=/etc/systemd/system scope=system control=(systemctl) template unit
  if [ "$user" = yes ]; then
    folder=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user scope=user control=(systemctl --user)
  fi
  local templates=("$here/systemd/$scope"/*.service "$here"/systemd/*.timer)
  local timers=(pai-backup.timer pai-optimize.timer pai-checksum.timer pai-rotate.timer)
  if [ "$name" = vector-store ]; then
    templates=("$here"/systemd/vector-store/*.service "$here"/systemd/vector-store/*.timer)
    # It tells of failures for the others, too, and stays when these go.
    [ "$remove" = yes ] || templates+=("$here/systemd/$scope/pai-notify@.service")
    timers=(pai-vector-store.timer pai-vector-cache.timer pai-vector-metrics.timer pai-vector-report.timer)
  fi
  if [ -n "$store" ] || [ "$remove$name" = yes ]; then timers+=(pai-store.timer); fi
  if [ "$remove" = yes ]; then
    [ -n "$name" ] || templates+=("$here/systemd/store/$scope/pai-store.service" "$here/systemd/store/pai-store.timer")
    control "${control[@]}" disable --now "${timers[@]}"
  fi
  for template in "${templates[@]}"; do
    unit=${template##*/}
    if [ "$remove" = yes ]; then
      take_away "$folder/$unit"
    else
      render "$template" >"$scratch/$unit"
      need_tools "$scratch/$unit"
    fi
  done
  if [ "$remove" = no ]; then
    store_units "$scope"
    if command -v systemd-analyze >/dev/null; then
      (cd "$scratch" && XDG_RUNTIME_DIR=$scratch systemd-analyze verify "--$scope" --man=no ./*.service ./*.timer) ||
        die 'systemd-analyze verify refuses the units'
    fi
    for unit in "$scratch"/*.service "$scratch"/*.timer; do
      place "$unit" "$folder/${unit##*/}" 644
    done
  fi
  control "${control[@]}" daemon-reload
  [ "$remove" = yes ] || control "${control[@]}" enable --now "${timers[@]}"
}

main() {
  local kind='' name='' home='' run_as='' prefix='' user=no remove=no
  local backups=/backups codex_home=/opt/Super-Codex-AI store='' credentials=''
  dry_run=no
  while [ $# -gt 0 ]; do
    case "$1" in
      -h | --help)
        usage
        return 0
        ;;
      -n | --dry-run) dry_run=yes ;;
      --user | --remove) printf -v "${1#--}" yes ;;
      --home | --run-as | --backups | --codex-home | --prefix | --store | --credentials)
        [ -n "${2-}" ] || bad_usage "$1 needs a value"
        local variable=${1#--}
        printf -v "${variable//-/_}" '%s' "$2"
        shift
        ;;
      -*) bad_usage "unknown option: $1" ;;
      *) if [ -z "$kind" ]; then kind=$1; else name=$1; fi ;;
    esac
    shift
  done
  [ "$kind" != cron.d ] || name=${name:-pai-maintenance}
  case "$kind:$name" in
    cron: | systemd: | systemd:vector-store | cron.d:pai-maintenance | cron.d:codex-backup | cron.d:vector-store) ;;
    *) bad_usage 'say cron, cron.d [pai-maintenance|codex-backup|vector-store] or systemd [vector-store]' ;;
  esac
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  [ -z "$store" ] || [ -z "$name" ] || [ "$name" = pai-maintenance ] || bad_usage "--store is for a workspace, not for $name"
  settle
  settle_store
  "schedule_${kind//./_}"
}

main "$@"
