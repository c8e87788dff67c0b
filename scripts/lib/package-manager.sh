# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # results are read by the tasks
# The system's packages. Everything is listed before anything is installed.

# Debian asks nothing then; a changed configuration file of yours stays.
apt_options=(-y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold)
export DEBIAN_FRONTEND=noninteractive

update_help='  -y, --yes         install what is listed
  --without-backup  no verified backup is needed'

# update_options: those of an update; $backup is empty if no verified one is needed.
update_options() {
  setting UPDATE_BACKUP_AGE 36h
  backup=needed
  if [ "${words[*]}" = --without-backup ]; then
    backup='' words=()
  fi
  no_words
}

# may_install: whether what was listed is to be installed, in $install: only with --yes, and with the backup that it needs.
may_install() {
  install=$yes
  if [ "$yes" = no ]; then
    echo 'nothing was installed: that needs --yes'
  elif [ -n "$backup" ]; then
    need_backup "$UPDATE_BACKUP_AGE"
  fi
}

# find_manager: apt-get, dnf or brew in $manager; without one the task does not apply.
find_manager() {
  local name
  for name in apt-get dnf brew; do
    manager=$name
    ! command -v "$name" >/dev/null || break
    manager=
  done
  [ -n "$manager" ] || not_here 'no apt-get, dnf or brew here'
  if [ "$manager" = brew ] && [ "$(id -u)" -eq 0 ]; then
    die 'brew refuses to run as root'
  fi
  as_root=()
  if [ "$manager" != brew ] && [ "$(id -u)" -ne 0 ]; then
    as_root=(sudo -n)
  fi
}

# pending WHICH: the packages with an update, one a line; WHICH is all or security. No sudo: nothing changes.
pending() {
  local status=0 output
  case "$manager/$1" in
    # apt's own output for programs is -s; "apt audit" does not exist.
    apt-get/*) output=$(apt-get -s upgrade) || status=$? ;;
    # dnf says 100 for "there are updates".
    dnf/all) output=$(dnf --quiet check-update) || status=$? ;;
    dnf/security) output=$(dnf --quiet updateinfo list --security) || status=$? ;;
    brew/*) output=$(brew outdated) || status=$? ;;
  esac
  [ "$status" -eq 0 ] || [ "$manager/$status" = dnf/100 ] || die "could not list the updates: exit $status"
  case "$manager/$1" in
    apt-get/all) awk '$1 == "Inst" { print $2 }' <<<"$output" ;;
    # Inst NAME [OLD] (NEW ORIGIN:RELEASE [ARCH]): the origin or the archive says security.
    apt-get/security) awk '$1 == "Inst" && /\([^)]*([Ss]ecurity)[^)]*\)/ { print $2 }' <<<"$output" ;;
    dnf/all) awk 'NF == 3 { print $1 }' <<<"$output" ;;
    dnf/security) awk 'NF == 3 { print $3 }' <<<"$output" ;;
    *) awk '{ print $1 }' <<<"$output" ;;
  esac
}

# after_update: what still waits for a restart.
after_update() {
  [ ! -e /run/reboot-required ] || echo 'the system wants a reboot (/run/reboot-required)'
  if command -v needrestart >/dev/null; then
    look "${as_root[@]}" needrestart -b -r l
  fi
}
