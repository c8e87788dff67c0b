#!/usr/bin/env bash
# Reviews who can read secrets, write scripts, reach ports, and who failed to log in.
# run: weekly 60
# Needs:  ss and journalctl if they are there
# Reads:  the modes of .env, deployment/maintenance.conf, BACKUP_DIR and the scripts; open ports, the journal
# Writes: nothing
# Exit:   0 nothing found, 1 others can read or write a file, 2 not done
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

usage() {
  cat <<TEXT
Usage: tasks/security-review.sh [OPTION...]

Finds: .env or backups that others can read, scripts that others can write. Shows: ports open to other machines,
failed logins of the last week where the log may be read.

$task_help
TEXT
}

# private PATH: only its owner may read it.
private() {
  local mode
  [ -e "$1" ] || return 0
  mode=$(stat -L -c %a -- "$1")
  if (((8#$mode & 8#077) != 0)); then
    complain "others can read $1 (mode $mode; chmod go=)"
  fi
}

writable_scripts() {
  local file
  while IFS= read -r -d '' file; do
    complain "others can write $file (chmod go-w)"
  done < <(find -L "$scripts_folder" \( -perm -020 -o -perm -002 \) \( -type f -o -type d \) -print0)
}

readable_backups() {
  local file
  [ -d "$BACKUP_DIR" ] || return 0
  while IFS= read -r -d '' file; do
    complain "others can read $file (chmod go=)"
  done < <(find -H "$BACKUP_DIR" -type f -perm /044 -print0)
}

open_ports() {
  command -v ss >/dev/null || return 0
  echo 'ports open to other machines:'
  ss -Htln | awk '$4 !~ /^(127\.|\[::1\]|\[::ffff:127\.)/ { print "  " $4 }' | sort -u
}

failed_logins() {
  local lines status=0
  if ! command -v journalctl >/dev/null; then
    echo 'failed logins: no journal here'
    return 0
  fi
  lines=$(timeout 30 journalctl --quiet --since '7 days ago' --lines 10000 --facility auth,authpriv 2>/dev/null) || status=$?
  if [ "$status" -ne 0 ]; then
    echo 'failed logins: the journal may not be read'
    return 0
  fi
  echo "failed logins in 7 days: $(grep -c -i -E 'failed password|authentication failure' <<<"$lines" || true)"
}

main() {
  task_begin "$@"
  no_words
  private "$ENV_FILE"
  private "$STACK_HOME/deployment/maintenance.conf"
  readable_backups
  writable_scripts
  open_ports
  failed_logins
  task_end
}

main "$@"
