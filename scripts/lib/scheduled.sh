# shellcheck shell=bash
# shellcheck disable=SC2034 # the array is the caller's
# Which schedules of this machine call what lies below a prefix: as far as its user may look.

# schedules_of PREFIX: their files, with how to take each out, in the array schedules.
schedules_of() {
  local file homes=("${HOME:-/nonexistent}") calls=(-e "$1/bin/pai-" -e "$1/libexec/pai-tools")
  schedules=()
  [ "$(id -u)" -ne 0 ] || mapfile -t -O 1 homes < <(getent passwd | cut -d: -f6 | sort -u)
  while IFS= read -r file; do
    case "$file" in
      *.pai-new~ | *.before-pai) ;;
      /etc/cron.d/*) schedules+=("$file (pai-schedule cron.d ${file##*/} --remove)") ;;
      /etc/systemd/system/*) schedules+=("$file (pai-schedule systemd --remove)") ;;
      */systemd/user/*) schedules+=("$file (pai-schedule systemd --user --remove)") ;;
      /var/spool/cron/*) schedules+=("the crontab of ${file##*/} (pai-schedule cron --run-as ${file##*/} --remove)") ;;
      *) schedules+=("$file") ;;
    esac
  done < <(
    grep -lsF "${calls[@]}" -- /etc/crontab /etc/cron.d/* /etc/cron.*ly/* /var/spool/cron/crontabs/* /var/spool/cron/* \
      /etc/systemd/system/*.service "${homes[@]/%//.config/systemd/user/pai-backup.service}" \
      "${homes[@]/%//.config/systemd/user/pai-vector-store.service}" | sort -u
  )
  if [ "$(id -u)" -ne 0 ] && { crontab -l 2>/dev/null || true; } | grep -qF "${calls[@]}"; then
    schedules+=('your crontab (pai-schedule cron --remove)')
  fi
}
