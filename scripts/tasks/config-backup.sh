#!/usr/bin/env bash
# Keeps a copy of each configuration file that changed, and a line about the change.
# Needs:  pai-rotate, python3 with the module yaml
# Reads:  CONFIG_DIR, CONFIG_BACKUP_DIR, CONFIG_REQUIRED, CONFIG_BACKUP_DAYS, CONFIG_BACKUP_KEEP, PROTECTED_PATHS
# Writes: CONFIG_BACKUP_DIR/NAME_STAMP.yaml and changes.log, LOG_DIR/actions.jsonl; removes old copies
# Exit:   0 done, 1 in part: a file is not valid, or copies are protected, 2 not done, 75 no CONFIG_DIR, or nothing reads YAML
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/configs.sh
. "$scripts_folder/lib/configs.sh"
# shellcheck source=scripts/lib/action.sh
. "$scripts_folder/lib/action.sh"
# shellcheck source=scripts/lib/protected.sh
. "$scripts_folder/lib/protected.sh"

usage() {
  cat <<TEXT
Usage: tasks/config-backup.sh [NAME...] [--note TEXT] [OPTION...]

Copies CONFIG_DIR/NAME.yaml (config/NAME.yaml; without NAME all of them) to CONFIG_BACKUP_DIR/NAME_YYYYMMDD_HHMMSS.yaml
(config/backups) if it differs from its newest copy, and appends a line to changes.log there: when, who, file, SHA-256, lines
added and removed, the note. A file that config-validation.sh refuses is not copied: exit 1. Then copies older than
CONFIG_BACKUP_DAYS (90) go, but the newest CONFIG_BACKUP_KEEP (10) of each name stay.

      --note TEXT  why it was changed, a ticket's number
$task_help
TEXT
}

take_words() {
  change_note='' names=()
  while [ "${#words[@]}" -gt 0 ]; do
    case "${words[0]}" in
      --note)
        [ "${#words[@]}" -gt 1 ] || bad_usage '--note needs a value'
        change_note=${words[1]}
        words=("${words[@]:1}")
        ;;
      -*) bad_usage "unknown option: ${words[0]}" ;;
      *)
        need_name "${words[0]%.yaml}"
        names+=("${words[0]%.yaml}")
        ;;
    esac
    words=("${words[@]:1}")
  done
}

back_up() {
  local file=$CONFIG_DIR/$1.yaml copies before=/dev/null size
  judge_config "$1" "$file"
  if [ -n "$trouble" ]; then
    complain "$file is not backed up: $trouble"
    return 0
  fi
  list_copies "$1"
  [ "${#copies[@]}" -eq 0 ] || before=${copies[0]}
  if cmp -s -- "$file" "$before"; then
    echo "$1: unchanged since ${before##*/}"
    return 0
  elif [ "$dry_run" = yes ]; then
    count_changes "$before" "$file"
    echo "would copy $file to $CONFIG_BACKUP_DIR ($changed lines)"
    return 0
  fi
  keep_copy "$1" "$file"
  log_change backup "$1" "$kept" "$before"
  size=$(stat -c %s -- "$kept")
  record_action config-backup "$file" backup ok "after_bytes=$size"
  echo "$kept ($changed lines)"
}

prune() {
  local copies keep=() allowed
  list_copies "$1"
  leave_protected "${copies[@]}"
  [ "${#allowed[@]}" -gt 0 ] || return 0
  [ "$dry_run" = no ] || keep=(--dry-run)
  look pai-rotate "${keep[@]}" --days "$CONFIG_BACKUP_DAYS" --min-keep "$CONFIG_BACKUP_KEEP" "${allowed[@]}"
}

main() {
  task_begin "$@"
  take_words
  config_settings
  setting CONFIG_BACKUP_DAYS 90
  setting CONFIG_BACKUP_KEEP 10
  need pai-rotate
  local name
  umask 077
  [ "${#names[@]}" -gt 0 ] || all_configs
  for name in "${names[@]}"; do
    back_up "$name"
    prune "$name"
  done
  task_end
}

main "$@"
