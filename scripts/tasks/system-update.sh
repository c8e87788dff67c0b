#!/usr/bin/env bash
# Lists the updates of the system packages, and installs them if told to.
# run: weekly 50
# Needs:  apt-get, dnf or brew; sudo unless root or brew; needrestart if it is there
# Reads:  UPDATE_BACKUP_AGE, STATE_DIR/backup-verified
# Writes: the lists of packages; with --yes the packages
# Exit:   0 done, 1 in part, 2 not done: no fresh verified backup, or no list of updates, 75 no apt-get, dnf or brew
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

# shellcheck source=scripts/lib/package-manager.sh
. "$scripts_folder/lib/package-manager.sh"

usage() {
  cat <<TEXT
Usage: tasks/system-update.sh [--yes] [--without-backup] [OPTION...]

Lists what apt-get, dnf or brew would update. Installs it only with --yes, and only if a backup was verified within
UPDATE_BACKUP_AGE (36h), unless --without-backup says it is not needed.

$update_help
$task_help
TEXT
}

install_all() {
  case "$manager" in
    apt-get)
      change "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${apt_options[@]}" upgrade
      change "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y autoremove
      ;;
    dnf)
      change "${as_root[@]}" dnf update -y
      change "${as_root[@]}" dnf autoremove -y
      ;;
    brew)
      change brew upgrade
      change brew cleanup
      ;;
  esac
}

refresh() {
  case "$manager" in
    apt-get) change "${as_root[@]}" apt-get -qq update ;;
    brew) change brew update ;;
  esac
}

main() {
  task_begin "$@"
  local backup install list
  update_options
  find_manager
  refresh
  list=$(pending all)
  echo "$(grep -c . <<<"$list" || true) packages have an update ($manager)"
  if [ -n "$list" ]; then
    echo "$list"
    may_install
    [ "$install" = no ] || install_all
  fi
  after_update
  task_end
}

main "$@"
