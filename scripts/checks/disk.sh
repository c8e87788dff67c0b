#!/usr/bin/env bash
# The file system of a folder: free bytes, used percent, used inodes. A limit left empty is none.
# Usage: disk.sh FOLDER [warn_free=10G] [fail_free=5G] [warn_used=90%] [fail_used=95%] [warn_inodes=90%] [fail_inodes=95%]
# Needs:  nothing
# Reads:  the file system of the folder
# Writes: nothing
# Exit:   0 ok, 3 warning, 1 error, 2 bad usage
set -euo pipefail
# shellcheck source=scripts/lib/check.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/check.sh"

# scarce: a finding if less is free than fail_free, or else warn_free.
scarce() {
  local level key
  for key in fail_free warn_free; do
    [ -n "${option[$key]}" ] || continue
    bytes_of "${option[$key]}"
    if [ "$1" -lt "$bytes" ]; then
      level=${key/fail_free/error}
      finding "${level/warn_free/warning}" "less than ${option[$key]} free"
      return 0
    fi
  done
}

main() {
  local folder=${1-} free used inodes
  [ -n "$folder" ] || bad_usage 'disk FOLDER [OPTION=VALUE...]'
  shift
  check_options warn_free=10G fail_free=5G warn_used=90% fail_used=95% warn_inodes=90% fail_inodes=95% -- "$@"
  [[ $folder == /* ]] || folder=${STACK_HOME:-.}/$folder
  # Some file systems have no inodes to count: df then says -.
  if ! read -r free used inodes < <(df --block-size=1 --output=avail,pcent,ipcent -- "$folder" 2>/dev/null | tail -n 1 | tr -d %); then
    finding error "could not look at $folder"
    verdict
  fi
  [[ $inodes =~ ^[0-9]+$ ]] || inodes=0
  scarce "$free"
  limit used "$used" used
  limit inodes "$inodes" 'inodes used'
  finding ok "$((free / 1048576)) MiB free, $used% used, inodes $inodes%"
  verdict
}

main "$@"
