#!/usr/bin/env bash
# Lists the pending security updates, and installs only those if told to.
# run: monthly 10
# Needs:  apt-get or dnf; sudo unless root; docker scout and needrestart if they are there
# Reads:  UPDATE_BACKUP_AGE, STATE_DIR/backup-verified
# Writes: the lists of packages; with --yes the packages with a security update
# Exit:   0 done, 1 in part, 2 not done: no fresh verified backup, or no list of updates, 75 neither apt-get nor dnf
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

# shellcheck source=scripts/lib/package-manager.sh
. "$scripts_folder/lib/package-manager.sh"

usage() {
  cat <<TEXT
Usage: tasks/security-update.sh [--yes] [--without-backup] [OPTION...]

Lists the updates that come from the distribution's security archive, and nothing else. Installs them only with
--yes, and only if a backup was verified within UPDATE_BACKUP_AGE (36h). brew does not tell which are for security.
Then docker scout cves for the images in use, where that plugin is installed.

$update_help
$task_help
TEXT
}

install_these() {
  case "$manager" in
    apt-get) change "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "${apt_options[@]}" --only-upgrade install "$@" ;;
    dnf) change "${as_root[@]}" dnf update -y --security ;;
  esac
}

scout() {
  local image
  if ! timeout 20 docker scout version >/dev/null 2>&1; then
    echo 'images: docker scout is not installed, nothing looked for'
    return 0
  fi
  while read -r image; do
    look docker scout cves --only-severity critical,high "$image"
  done < <(docker ps --format '{{.Image}}' | sort -u)
}

main() {
  task_begin "$@"
  local backup install list packages=()
  update_options
  find_manager
  [ "$manager" != brew ] || not_here 'brew does not tell which updates are for security (system-update lists all)'
  [ "$manager" != apt-get ] || change "${as_root[@]}" apt-get -qq update
  # Not mapfile < <(pending ...): its failure would pass for "nothing pending".
  list=$(pending security)
  [ -z "$list" ] || mapfile -t packages <<<"$list"
  echo "${#packages[@]} packages have a security update ($manager)"
  if [ "${#packages[@]}" -gt 0 ]; then
    printf '%s\n' "${packages[@]}"
    may_install
    [ "$install" = no ] || install_these "${packages[@]}"
  fi
  scout
  after_update
  task_end
}

main "$@"
