#!/usr/bin/env bash
# Verifies the newest backup; in the yearly run all of them.
# run: weekly 20
# run: yearly 20
# Needs:  pai-backup, pai-checksum, gzip; jq if a backup has .json files
# Reads:  BACKUP_DIR, MAINTENANCE_PERIOD (yearly: all backups)
# Writes: STATE_DIR/backup-verified: the newest good backup, with --dry-run too
# Exit:   0 all are good, 1 one is not, 2 nothing to verify, or not done
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

usage() {
  cat <<TEXT
Usage: tasks/backup-verification.sh [--all] [OPTION...]

Runs verify-backup.sh --latest, or --all.

$task_help
TEXT
}

main() {
  task_begin "$@"
  if [ "${#words[@]}" -eq 0 ]; then
    words=(--latest)
    [ "${MAINTENANCE_PERIOD-}" != yearly ] || words=(--all)
  fi
  exec "$scripts_folder/verify-backup.sh" "${words[@]}"
}

main "$@"
