#!/usr/bin/env bash
# Starts a container engine where none answers: for the gate, never for anyone's own machine.
# Usage: scripts/dev/engine.sh
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/scripts/lib/say.sh"
# shellcheck source=scripts/dev/lib/packages.sh
. "$here/scripts/dev/lib/packages.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/dev/engine.sh

As root, where `docker info` fails: installs the distribution's engine and starts it by hand, without
touching the service manager. Exit status: 0 an engine answers, 1 none does.
TEXT
}

main() {
  help_first "$@"
  if timeout 10 docker info >/dev/null 2>&1; then
    return 0
  fi
  [ "$(id -u)" -eq 0 ] || return 1
  install_missing dockerd=docker.io docker-compose=docker-compose
  command -v dockerd >/dev/null || return 1
  local log
  log=$(mktemp)
  nohup dockerd >"$log" 2>&1 </dev/null &
  local try
  for try in $(seq 30); do
    if timeout 10 docker info >/dev/null 2>&1; then
      echo "the engine answers after $try s"
      return 0
    fi
    sleep 1
  done
  tail -n 5 "$log" >&2
  return 1
}

main "$@"
