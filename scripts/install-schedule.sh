#!/usr/bin/env bash
# Puts the jobs of this project into cron or systemd, and takes them out again.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/lib/say.sh"
# shellcheck source=scripts/lib/placement.sh
. "$here/lib/placement.sh"
# shellcheck source=scripts/lib/render.sh
. "$here/lib/render.sh"
# shellcheck source=scripts/lib/reach.sh
. "$here/lib/reach.sh"
# shellcheck source=scripts/lib/schedule-settings.sh
. "$here/lib/schedule-settings.sh"
# shellcheck source=scripts/lib/schedule-store.sh
. "$here/lib/schedule-store.sh"

usage() {
  cat <<'TEXT'
Usage: pai-schedule cron|cron.d|systemd [OPTION...] [NAME]        (in a checkout: scripts/install-schedule.sh)

  cron      the jobs of cron/cron_maintenance into the crontab of the workspace's owner (yours, unless you are
            root); all its other lines stay as they are
  cron.d    /etc/cron.d/NAME: pai-maintenance (unless NAME says codex-backup or vector-store)
  systemd   the four services with timers (with NAME vector-store: its own) and the two that tell the operator
            into /etc/systemd/system, or with --user into ~/.config/systemd/user

Shows the difference first, and changes nothing when run again. Refuses what cannot run tonight: what lint-cron.sh
or systemd-analyze verify refuses, tools that are not installed or that the jobs' user cannot run, a workspace that
user cannot write; and, as root, programs that somebody else could change.

Run again, it keeps what you changed in the file: times, clean-ups, lines of your own; places that you do not give
are those of the last run. Where you and the new version changed the same line your file stays, and the new one is
put beside it (NAME.pai-new~). A file of another origin is kept as NAME.before-pai.

  --home DIR         the workspace [$PAI_HOME], or the vector store's folder [$STACK_HOME]; its owner runs the jobs
  --run-as USER      somebody else runs them [codex for codex-backup]
  --backups DIR      codex-backup: where dumps go [/backups]; made if missing, 0700
  --codex-home DIR   codex-backup: [/opt/Super-Codex-AI]; its storage/replays is made if missing, 0700
  --store STORE      also send the workspace into a store at 02:15: a folder, s3://BUCKET/PREFIX, rclone:REMOTE:PATH
  --credentials FILE of the store: mode 0600, of the jobs' user or root [their ~/.config/pai/store.env]
  --recipients-file FILE, --recipient RECIPIENT
                     encrypt what goes into the store for these; each may be repeated
  --prefix DIR       where install.sh put the tools [/usr/local as root, else ~/.local]
  --user             systemd: your own units
  --remove           take the jobs out; what was there before comes back byte for byte
  -n, --dry-run      show the difference, change nothing
  -h, --help         this text

Exit status: 0 done, or nothing to do; 1 done, but an edited file was left as it is; 2 refused or not done.

Examples:
  pai-schedule cron --home ~/projects/codex-assistant/pai
  sudo pai-schedule cron.d codex-backup --backups /srv/backups
  pai-schedule systemd --user --dry-run
TEXT
}

schedule_cron_d() {
  local file=$scratch/$name template=$here/cron/$name as=()
  if [ "$remove" = yes ]; then
    take_away "/etc/cron.d/$name"
    return 0
  fi
  getent passwd "$run_as" >/dev/null || die "no user $run_as on this machine (--run-as)"
  rendered "$template" >"$file"
  chmod 644 "$file"
  [ "$(id -u)" -eq 0 ] || as=(--template)
  "$here/lint-cron.sh" "${as[@]}" "$file" >&2 || die "the lint refuses $name"
  need_what_jobs_need "$file"
  if [ "$name" = codex-backup ]; then
    look_at_folder "$backups"
    look_at_folder "$codex_home/storage/replays"
    make_folder "$backups"
    make_folder "$codex_home/storage/replays"
    tell_of_docker "$file"
  fi
  place "$template" "$file" "/etc/cron.d/$name"
  tell_of_cron
}

schedule_cron() {
  local block=$scratch/block template=$here/cron/cron_maintenance conflict=no
  : >"$block"
  if [ "$remove" = no ]; then
    rendered "$template" >"$block"
    "$here/lint-cron.sh" --crontab "$block" >&2 || die 'the lint refuses the jobs'
    need_what_jobs_need "$block"
    [ ! -s "$installed" ] || keep_edits "$template" "$block" "$installed"
    if [ "$conflict" = yes ]; then
      beside "$block" "$installed" "$(mktemp --suffix "$new_mark" "${TMPDIR:-/tmp}/crontab-of-$run_as.XXXXXX")" crontab
      return 0
    fi
    tell_of_cron
  fi
  place_in_crontab "$block" crontab
  [ "$remove" = yes ] || leave_root
}

# leave_root: version 0.1.0, run by root, put the owner's jobs into root's crontab. There they would run a second time.
leave_root() {
  [ "${#crontab[@]}" -gt 1 ] || return 0
  local crontab=(crontab) origin
  read_crontab
  grep -qF -- " PAI_HOME=\"$home\" " "$scratch/installed" || return 0
  : >"$scratch/nothing"
  place_in_crontab "$scratch/nothing" "root's crontab"
}

# units_of NAME: the templates and timers of NAME, in the arrays templates and timers.
units_of() {
  local unit
  templates=("$here/systemd/$scope"/*.service "$here"/systemd/*.timer)
  timers=(pai-backup.timer pai-optimize.timer pai-checksum.timer pai-rotate.timer)
  if [ "$1" = vector-store ]; then
    templates=("$here"/systemd/vector-store/*.service "$here"/systemd/vector-store/*.timer)
    timers=(pai-vector-store.timer pai-vector-cache.timer pai-vector-metrics.timer pai-vector-report.timer)
    # They tell of the others, too, and stay when these go.
    [ "$remove" = yes ] || for unit in pai-notify@.service pai-notify-success@.service; do
      templates+=("$here/systemd/$scope/$unit")
    done
  elif [ "$remove" = yes ] || [ -n "$store" ]; then
    templates+=("$here/systemd/store/$scope/pai-store.service" "$here/systemd/store/pai-store.timer")
    timers+=(pai-store.timer)
  fi
}

schedule_systemd() {
  local scope=system control=(systemctl) template templates timers unit
  [ "$user" = no ] || scope=user control=(systemctl --user)
  units_of "$name"
  if [ "$remove" = yes ]; then
    control "${control[@]}" disable --now "${timers[@]}"
    for template in "${templates[@]}"; do
      take_away "$folder_of_units/${template##*/}"
    done
    control "${control[@]}" daemon-reload
    return 0
  fi
  for template in "${templates[@]}"; do
    rendered "$template" >"$scratch/${template##*/}"
  done
  need_what_jobs_need "$scratch"/*.service
  if command -v systemd-analyze >/dev/null; then
    (cd "$scratch" && XDG_RUNTIME_DIR=$scratch systemd-analyze verify "--$scope" --man=no ./*.service ./*.timer) ||
      die 'systemd-analyze verify refuses the units'
  fi
  for template in "${templates[@]}"; do
    place "$template" "$scratch/${template##*/}" "$folder_of_units/${template##*/}"
  done
  control "${control[@]}" daemon-reload
  control "${control[@]}" enable --now "${timers[@]}"
  tell_of_old_systemd
}

# tell_of_old_systemd: OnSuccess= came with systemd 249; an older one passes over it.
tell_of_old_systemd() {
  local version
  version=$({ systemctl --version 2>/dev/null || true; } | sed -n '1s/^systemd \([0-9]*\).*/\1/p')
  [ "${version:-249}" -ge 249 ] || warn "systemd $version does not know OnSuccess=: only failures will be told; cron tells of both"
}

main() {
  local kind='' name='' home='' run_as='' prefix='' user=no remove=no backups='' codex_home='' store='' credentials=''
  local recipients='' installed crontab folder_of_units=/etc/systemd/system
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
      --recipient | --recipients-file)
        [ -n "${2-}" ] || bad_usage "$1 needs a value"
        recipients+=" $1 \"$2\""
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
  [ "$user" = no ] || folder_of_units=${XDG_CONFIG_HOME:-$HOME/.config}/systemd/user
  # Folders that lead to what others use are everybody's to enter.
  umask 022
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  [ -z "$store" ] || [ -z "$name" ] || [ "$name" = pai-maintenance ] || bad_usage "--store is for a workspace, not for $name"
  settle
  settle_store
  "schedule_${kind//./_}"
  exit "$complaints"
}

main "$@"
