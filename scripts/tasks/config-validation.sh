#!/usr/bin/env bash
# Validates the YAML files of the configuration.
# Needs:  python3 with the module yaml
# Reads:  CONFIG_DIR, CONFIG_BACKUP_DIR, CONFIG_REQUIRED; CONFIG_DIR/*.yaml
# Writes: nothing
# Exit:   0 all are valid, 1 one is not, 2 not done, 75 no CONFIG_DIR, or nothing reads YAML
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/configs.sh
. "$scripts_folder/lib/configs.sh"

usage() {
  cat <<TEXT
Usage: tasks/config-validation.sh [NAME|FILE...] [OPTION...]

One line for each configuration, "PATH: OK" or "PATH: FAILED (why)": whether it is YAML, names no key twice, is not
empty and has the keys it needs. NAME is CONFIG_DIR/NAME.yaml (config/NAME.yaml); a FILE (with a slash) needs the keys
of its name. Without either: all of CONFIG_DIR and those that CONFIG_REQUIRED names, words NAME:KEY,KEY.SUBKEY...

$task_help
TEXT
}

main() {
  task_begin "$@"
  local name file names=() trouble
  for name in "${words[@]}"; do
    [[ $name != -* ]] || bad_usage "unknown option: $name"
  done
  config_settings
  names=("${words[@]}")
  [ "${#names[@]}" -gt 0 ] || all_configs
  for name in "${names[@]}"; do
    file=$name
    if [[ $name != */* ]]; then
      need_name "${name%.yaml}"
      file=$CONFIG_DIR/${name%.yaml}.yaml
    fi
    judge_config "$(basename -- "$file" .yaml)" "$file"
    if [ -z "$trouble" ]; then
      printf '%s: OK\n' "$file"
    else
      printf '%s: FAILED (%s)\n' "$file" "$trouble"
      complaints=1
    fi
  done
  task_end
}

main "$@"
