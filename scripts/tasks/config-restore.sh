#!/usr/bin/env bash
# Brings a copy of a configuration file back, after it validates; the present file is copied first.
# Needs:  python3 with the module yaml; what CONFIG_RELOAD runs
# Reads:  CONFIG_DIR, CONFIG_BACKUP_DIR, CONFIG_REQUIRED, CONFIG_RELOAD, PROTECTED_PATHS
# Writes: CONFIG_DIR/NAME.yaml; CONFIG_BACKUP_DIR/NAME_STAMP.yaml (what was there) and changes.log, LOG_DIR/actions.jsonl
# Exit:   0 restored, 1 restored, but CONFIG_RELOAD failed, 2 not done, 75 no CONFIG_DIR, or nothing reads YAML
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/configs.sh
. "$scripts_folder/lib/configs.sh"
# shellcheck source=scripts/lib/hooks.sh
. "$scripts_folder/lib/hooks.sh"
# shellcheck source=scripts/lib/action.sh
. "$scripts_folder/lib/action.sh"
# shellcheck source=scripts/lib/protected.sh
. "$scripts_folder/lib/protected.sh"

usage() {
  cat <<TEXT
Usage: tasks/config-restore.sh NAME latest|COPY [--yes] [--note TEXT] [OPTION...]

Puts COPY, a file or a name in CONFIG_BACKUP_DIR (config/backups), in the place of CONFIG_DIR/NAME.yaml in one step. latest is
the newest copy that validates and differs from the present file. The present file is copied first, as
NAME_YYYYMMDD_HHMMSS.yaml, or .invalid.yaml if it does not validate. Then a line of changes.log (see config-backup), and
CONFIG_RELOAD, a command line for what must read the file anew (none).

  -y, --yes, --force  needed for anything but --dry-run
      --note TEXT     why
$task_help
TEXT
}

take_words() {
  change_note='' name='' which=''
  while [ "${#words[@]}" -gt 0 ]; do
    case "${words[0]}" in
      -f | --force) yes=yes ;;
      --note)
        [ "${#words[@]}" -gt 1 ] || bad_usage '--note needs a value'
        change_note=${words[1]}
        words=("${words[@]:1}")
        ;;
      -*) bad_usage "unknown option: ${words[0]}" ;;
      *)
        [ -z "$which" ] || bad_usage "one word too many: ${words[0]}"
        if [ -z "$name" ]; then name=${words[0]%.yaml}; else which=${words[0]}; fi
        ;;
    esac
    words=("${words[@]:1}")
  done
  [ -n "$which" ] || bad_usage 'which configuration, and which copy of it? NAME latest|COPY'
  need_name "$name"
}

# choose_copy: the copy in $chosen; what it says is in $incoming, in the file's own folder, and was judged there.
choose_copy() {
  local copies=("$which") copy
  [ "$which" != latest ] || list_copies "$name"
  [[ $which == */* || $which == latest ]] || copies=("$CONFIG_BACKUP_DIR/$which")
  incoming=$(mktemp "${file%/*}/.$name.XXXXXX")
  trap 'rm -f "$incoming"' EXIT
  chosen=
  for copy in "${copies[@]}"; do
    trouble='no such file'
    [ ! -f "$copy" ] || cat -- "$copy" >"$incoming"
    [ ! -f "$copy" ] || judge_config "$name" "$incoming"
    if [ -n "$trouble" ]; then
      warn "not used: $copy: $trouble"
    elif [ "$which" != latest ] || ! cmp -s -- "$incoming" "$file"; then
      chosen=$copy
      return 0
    fi
  done
  die "no good copy of $name to restore: nothing was changed"
}

# replace: one rename within the folder; mode and owner stay.
replace() {
  if [ -e "$file" ]; then
    chmod --reference="$file" "$incoming"
    chown --reference="$file" "$incoming" || die "could not keep the owner of $file: nothing was changed"
  else
    chmod 0640 "$incoming"
    chown --reference="${file%/*}" "$incoming" || die "could not set the owner of $file: nothing was changed"
  fi
  sync "$incoming"
  mv -T -- "$incoming" "$file" || die "could not replace $file: nothing was changed"
  sync "${file%/*}"
}

main() {
  task_begin "$@"
  take_words
  config_settings
  setting CONFIG_RELOAD ''
  local before=/dev/null size
  # The file itself, not a link to it, is what gets replaced.
  file=$(realpath -m -- "$CONFIG_DIR/$name.yaml")
  find_protected "$file"
  [ -z "$protected" ] || die "left alone: $file is protected ($protected)"
  choose_copy
  if [ -e "$file" ]; then before=$file; fi
  count_changes "$before" "$incoming"
  if [ "$dry_run" = yes ]; then
    echo "would restore $file from $chosen ($changed lines)"
    exit 0
  fi
  [ "$yes" = yes ] || die "this would replace $file by $chosen ($changed lines): that needs --yes"
  umask 077
  if [ -e "$file" ]; then
    keep_copy "$name" "$file"
    before=$kept
    echo "what was there is kept: $kept"
  fi
  replace
  log_change restore "$name" "$file" "$before"
  size=$(stat -c %s -- "$file")
  record_action config-restore "$file" restore ok "after_bytes=$size"
  echo "$file: restored from ${chosen##*/} ($changed lines)"
  run_hook CONFIG_RELOAD
  task_end
}

main "$@"
