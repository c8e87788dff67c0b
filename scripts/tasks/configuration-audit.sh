#!/usr/bin/env bash
# Validates .env and the compose file, and says what changed since the last audit.
# run: weekly 30
# run: yearly 30
# Needs:  pai-checksum; docker compose or docker-compose, or the compose file is not checked
# Reads:  REQUIRED_KEYS, .env, the compose file, deployment/*.conf
# Writes: STATE_DIR/configuration.sha256
# Exit:   0 nothing found, 1 findings, 2 not done
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

usage() {
  cat <<TEXT
Usage: tasks/configuration-audit.sh [OPTION...]

Runs validate-config.sh, then compares the configuration's files with the sums of the last audit
(STATE_DIR/configuration.sha256). A change is shown, it is not a fault.

$task_help
TEXT
}

# The sums, not the contents: .env holds secrets.
changes() {
  local record=$STATE_DIR/configuration.sha256 now file files=()
  for file in "$COMPOSE_FILE" "$ENV_FILE" "$STACK_HOME"/deployment/*.conf; do
    [ ! -r "$file" ] || files+=("$file")
  done
  [ "${#files[@]}" -gt 0 ] || return 0
  need pai-checksum
  now=$(pai-checksum "${files[@]}")
  if [ ! -e "$record" ]; then
    echo 'first audit: nothing to compare with'
  elif [ "$now" = "$(<"$record")" ]; then
    echo 'no configuration file changed since the last audit'
  else
    echo 'new or changed since the last audit:'
    comm -13 <(sort "$record") <(sort <<<"$now") | sed 's/^.\{66\}/  /'
  fi
  [ "$dry_run" = yes ] || printf '%s\n' "$now" >"$record"
}

main() {
  task_begin "$@"
  no_words
  local status=0
  "$scripts_folder/validate-config.sh" || status=$?
  changes
  exit "$status"
}

main "$@"
