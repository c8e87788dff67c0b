# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # settings and results are shared with the tasks
# The stack's YAML files and their copies: CONFIG_DIR/NAME.yaml, CONFIG_BACKUP_DIR/NAME_YYYYMMDD_HHMMSS.yaml (a copy
# of what does not validate ends in .invalid.yaml), CONFIG_BACKUP_DIR/changes.log.

# config_settings: the settings of the tasks; not_here without the folder or without a YAML parser.
config_settings() {
  setting CONFIG_DIR "$STACK_HOME/config"
  setting CONFIG_BACKUP_DIR "$CONFIG_DIR/backups"
  setting CONFIG_REQUIRED ''
  [ -d "$CONFIG_DIR" ] || not_here "no folder $CONFIG_DIR (CONFIG_DIR)"
  python3 -c 'import yaml' 2>/dev/null || not_here 'nothing here reads YAML: python3 with its module yaml (package python3-yaml)'
}

# need_name NAME: dies unless it is the plain name of a configuration.
need_name() {
  [[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9_-]*$ ]] || bad_usage "not the name of a configuration: $1"
}

# all_configs: the names of the files there are and of those that must be, in the array names.
all_configs() {
  local found word
  mapfile -t names < <(
    for found in "$CONFIG_DIR"/*.yaml; do
      [ ! -f "$found" ] || basename -- "$found" .yaml
    done
    for word in $CONFIG_REQUIRED; do echo "${word%%:*}"; done
  )
  mapfile -t names < <(printf '%s\n' "${names[@]}" | sort -u)
}

# judge_config NAME FILE: why FILE cannot be the configuration NAME, in $trouble; empty if it can.
judge_config() {
  local word keys=() status=0
  for word in $CONFIG_REQUIRED; do
    [[ $word != "$1":* ]] || IFS=, read -ra keys <<<"${word#*:}"
  done
  trouble='no such file'
  [ -f "$2" ] || return 0
  trouble=$(python3 "$scripts_folder/configs/validate_yaml.py" "$2" "${keys[@]}" 2>&1) || status=$?
  trouble=$(paste -sd';' - <<<"$trouble" | tr -d '\000-\037')
  [ "$status" -eq 0 ] || [ -n "$trouble" ] || trouble="exit $status"
}

# list_copies NAME: its copies, newest first by their names, in the array copies.
list_copies() {
  local found
  mapfile -t copies < <(
    for found in "$CONFIG_BACKUP_DIR/$1"_*.yaml; do
      [ -f "$found" ] && [[ ${found##*/"$1"_} =~ ^[0-9]{8}_[0-9]{6}\.yaml$ ]] && printf '%s\n' "$found"
    done | sort -r
  )
}

# keep_copy NAME FILE: FILE's content under the time's name, in $kept; never over another copy: a second one in the
# same second gets the next second's name. It is as private as FILE, and its owner's: the application reads it too.
keep_copy() {
  local incoming end=yaml try
  [ -d "$CONFIG_BACKUP_DIR" ] || install -d -m 0700 -- "$CONFIG_BACKUP_DIR"
  incoming=$(mktemp "$CONFIG_BACKUP_DIR/.incoming.XXXXXX")
  if ! cp --preserve=mode,ownership -- "$2" "$incoming"; then
    rm -f -- "$incoming"
    die "could not copy $2 to $CONFIG_BACKUP_DIR"
  fi
  judge_config "$1" "$incoming"
  [ -z "$trouble" ] || end=invalid.yaml
  sync "$incoming"
  for try in {1..100}; do
    kept=$CONFIG_BACKUP_DIR/$1_$(date +%Y%m%d_%H%M%S).$end
    # ln, not mv: it never replaces.
    ! ln -- "$incoming" "$kept" 2>/dev/null || break
    if [ ! -e "$kept" ] || [ "$try" -eq 100 ]; then
      rm -f -- "$incoming"
      die "could not make $kept"
    fi
    sleep 0.1
  done
  rm -f -- "$incoming"
  sync "$CONFIG_BACKUP_DIR"
}

# count_changes OLD NEW: `+ADDED -REMOVED` lines, in $changed.
count_changes() {
  changed=$(diff -U0 -- "$1" "$2" | awk 'NR > 2 && /^\+/ { a++ } NR > 2 && /^-/ { r++ } END { printf "+%d -%d", a, r }') || true
}

# log_change WHAT NAME FILE BEFORE: a line of changes.log: when, who, what, which file, its sum, the lines against
# BEFORE, the note. Never a value: configurations hold secrets.
log_change() {
  local sum json
  sum=$(sha256sum <"$3")
  count_changes "$4" "$3"
  json_text "$change_note"
  printf '%s %s %s %s file=%s sha256=%s lines=%s before=%s note=%s\n' "$(date -Iseconds)" "${SUDO_USER:-$(id -un)}" \
    "$1" "$2" "${3##*/}" "${sum%% *}" "${changed/ /}" "${4##*/}" "$json" >>"$CONFIG_BACKUP_DIR/changes.log"
}
