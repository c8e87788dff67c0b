#!/usr/bin/env bash
# Checks every service, container, disk, memory, backup age and certificate.
# run: daily 10
# Needs:  what the checks of health.conf need: curl, jq, docker, openssl, pai-backup
# Reads:  deployment/health.conf, HEALTH_REALERT, and what the checks look at
# Writes: STATE_DIR/health, when the verdict changes; tells notify.sh then
# Exit:   0 no check failed, 1 one did, 2 not done
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

usage() {
  cat <<TEXT
Usage: tasks/health-check.sh [OPTION...]

Runs health-check.sh --notify; other options are passed on to it.

$task_help
TEXT
}

main() {
  task_begin "$@"
  if [ "$dry_run" = no ]; then
    words+=(--notify)
  fi
  # Looking changes nothing: --dry-run looks too, and tells nobody.
  exec "$scripts_folder/health-check.sh" "${words[@]}"
}

main "$@"
