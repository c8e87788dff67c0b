#!/usr/bin/env bash
# One service of the compose stack: its containers run, and are healthy where they have a health check.
# Usage: container.sh SERVICE
# Needs:  docker
# Reads:  the service's containers, by their labels
# Writes: nothing
# Exit:   0 ok, 3 warning, 1 error, 2 bad usage
set -euo pipefail
# shellcheck source=scripts/lib/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/check.sh"

state_of() {
  local state health code
  IFS=$'\t' read -r state code health <<<"$1"
  case "$state/$health" in
    running/ | running/healthy) finding ok "running${health:+, $health}" ;;
    running/starting) finding warning 'running, its health check has not answered yet' ;;
    running/*) finding error "running, but $health" ;;
    *) finding error "$state (exit $code)" ;;
  esac
}

main() {
  local service=${1-} ids state
  [ -n "$service" ] || bad_usage 'container SERVICE'
  shift
  check_options -- "$@"
  find_engine
  if [ "$engine" != up ]; then
    finding error "$engine_trouble"
    verdict
  fi
  mapfile -t ids < <(docker ps --all --quiet --no-trunc \
    --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
    --filter "label=com.docker.compose.service=$service")
  [ "${#ids[@]}" -gt 0 ] || finding error "no container (project $COMPOSE_PROJECT_NAME)"
  for id in "${ids[@]}"; do
    state=$(docker inspect --format $'{{.State.Status}}\t{{.State.ExitCode}}\t{{if .State.Health}}{{.State.Health.Status}}{{end}}' "$id")
    state_of "$state"
  done
  verdict
}

main "$@"
