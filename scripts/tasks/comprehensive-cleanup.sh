#!/usr/bin/env bash
# Deep clean: old logs and old backups; unused images and build cache only if told to.
# run: monthly 30
# Needs:  pai-rotate; docker for --deep
# Reads:  LOG_DAYS, BACKUP_DAYS, BACKUP_KEEP, DOCKER_CLEANUP_AGE, UPDATE_BACKUP_AGE, PROTECTED_PATHS, STATE_DIR/backup-verified
# Writes: removes LOG_DIR/*.log-*.gz and folders of BACKUP_DIR; with --deep --yes images, containers, networks and build cache of docker
# Exit:   0 done, 1 in part, 2 no fresh verified backup (the logs are done then), or not done
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/protected.sh
. "$scripts_folder/lib/protected.sh"

usage() {
  cat <<TEXT
Usage: tasks/comprehensive-cleanup.sh [--deep --yes] [--without-backup] [OPTION...]

Rotated logs older than LOG_DAYS (30) and backups older than BACKUP_DAYS (90) go; the newest BACKUP_KEEP (3)
backups stay whatever their age, and so does the last verified one. --deep --yes also runs "docker system
prune --all" for what is older than DOCKER_CLEANUP_AGE (720h); never volumes. Backups are only removed, and docker is
only pruned, if a backup was verified within UPDATE_BACKUP_AGE (36h) or --without-backup says it is not needed.
Protected paths (PROTECTED_PATHS) are left alone.

      --deep            unused images, stopped containers, networks and build cache too (with --yes)
      --without-backup  no verified backup is needed
  -y, --yes             really do what --deep says
$task_help
TEXT
}

old_logs() {
  local file old=()
  while IFS= read -r -d '' file; do old+=("$file"); done < <(find -H "$LOG_DIR" -maxdepth 1 -type f -name '*.log-*.gz' -print0)
  leave_protected "${old[@]}"
  [ "${#allowed[@]}" -eq 0 ] || look pai-rotate "${dry[@]}" --days "$LOG_DAYS" "${allowed[@]}"
}

# The real names are NAME-backup-STAMP; the documented glob backup-* matches none of them.
old_backups() {
  local folder last='' old=()
  [ ! -r "$STATE_DIR/backup-verified" ] || read -r _ _ last <"$STATE_DIR/backup-verified"
  while IFS= read -r -d '' folder; do
    # By what it is: it may have been verified under another name.
    [ "$folder" -ef "$last" ] || old+=("$folder")
  done < <(find -H "$BACKUP_DIR" -maxdepth 1 -type d -name '*-backup-[0-9]*_[0-9]*' -print0 2>/dev/null)
  leave_protected "${old[@]}"
  if [ "${#allowed[@]}" -gt 0 ]; then
    look pai-rotate "${dry[@]}" --dirs --days "$BACKUP_DAYS" --min-keep "$BACKUP_KEEP" "${allowed[@]}"
  fi
}

deep_clean() {
  find_engine
  if [ "$engine" != up ]; then
    complain "$engine_trouble"
    return 0
  fi
  local prune=(docker system prune --all --force --filter "until=$DOCKER_CLEANUP_AGE")
  look docker system df
  if [ "$yes" = yes ]; then
    change "${prune[@]}"
  else
    echo "docker is left alone: --yes would run: ${prune[*]}"
  fi
}

options() {
  local word
  for word in "${words[@]}"; do
    case "$word" in
      --deep) deep=yes ;;
      --without-backup) backup=no ;;
      *) bad_usage "unknown option: $word" ;;
    esac
  done
}

main() {
  task_begin "$@"
  deep=no backup=needed dry=()
  options
  setting LOG_DAYS 30
  setting BACKUP_DAYS 90
  setting BACKUP_KEEP 3
  setting DOCKER_CLEANUP_AGE 720h
  setting UPDATE_BACKUP_AGE 36h
  need pai-rotate
  [ "$dry_run" = no ] || dry=(--dry-run)
  old_logs
  [ "$backup" = no ] || need_backup "$UPDATE_BACKUP_AGE"
  old_backups
  [ "$deep" = no ] || deep_clean
  task_end
}

main "$@"
