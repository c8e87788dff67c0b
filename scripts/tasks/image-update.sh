#!/usr/bin/env bash
# Pulls newer images and restarts the services whose image changed.
# run: yearly 40
# Needs:  docker, with docker compose or docker-compose
# Reads:  UPDATE_BACKUP_AGE, STATE_DIR/backup-verified, the compose file
# Writes: LOG_DIR/images.log, with --dry-run too; with --yes the images, and the services whose image changed
# Exit:   0 done, 1 compose up failed, 2 not done: no fresh verified backup, or a pull failed, 75 no docker
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

usage() {
  cat <<TEXT
Usage: tasks/image-update.sh [--yes] [--without-backup] [OPTION...]

Logs the ids of the images in use (what to go back to), then compose pull, then compose up -d. A failed pull stops
it before anything is restarted. Without --yes it only says what it would do.

  -y, --yes         pull and restart
  --without-backup  no verified backup is needed
$task_help
TEXT
}

main() {
  task_begin "$@"
  setting UPDATE_BACKUP_AGE 36h
  local backup=needed
  if [ "${words[*]}" = --without-backup ]; then
    backup='' words=()
  fi
  no_words
  need_engine
  find_compose
  [ "${#compose[@]}" -gt 0 ] || die 'neither docker compose nor docker-compose is installed'
  echo 'images in use:'
  docker ps --no-trunc --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --format '  {{.Names}} {{.Image}}' |
    while read -r name image; do
      echo "  $name $image $(docker inspect --format '{{.Image}}' "$name")"
    done | tee -a "$LOG_DIR/images.log"
  if [ "$yes" = no ]; then
    dry_run=yes
    echo 'nothing is changed: that needs --yes'
  elif [ -n "$backup" ]; then
    need_backup "$UPDATE_BACKUP_AGE"
  fi
  change "${compose[@]}" pull
  [ "$complaints" -eq 0 ] || die 'could not pull: the services stay as they are'
  change "${compose[@]}" up -d
  task_end
}

main "$@"
