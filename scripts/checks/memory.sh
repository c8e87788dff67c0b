#!/usr/bin/env bash
# Main memory: what is not available to new programs, in percent.
# Usage: memory.sh NAME [warn_used=90%] [fail_used=95%]
# Needs:  nothing
# Reads:  /proc/meminfo
# Writes: nothing
# Exit:   0 ok, 3 warning, 1 error, 2 bad usage
set -euo pipefail
# shellcheck source=scripts/lib/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/check.sh"

main() {
  local used free
  shift || true
  check_options warn_used=90% fail_used=95% -- "$@"
  read -r used free < <(awk '/^MemTotal:/ { total = $2 } /^MemAvailable:/ { free = $2 }
    END { if (total) printf "%d %d\n", (total - free) * 100 / total, free / 1024 }' /proc/meminfo)
  limit used "$used" used
  finding ok "$used% used, $free MiB available"
  verdict
}

main "$@"
