# shellcheck shell=bash
# What a task did, for the record: LOG_DIR/actions.jsonl, a JSON object a line.

# record_action TASK TARGET ACTION RESULT [KEY=NUMBER...]: one line with time, task, target, action, result and the
# figures (before_bytes, after_bytes, seconds, ...). A dry run did nothing and leaves no line; a full disk must not
# stop what makes room on it.
record_action() {
  local line key word json
  [ "${dry_run-no}" = no ] || return 0
  line="{\"time\":\"$(date -Iseconds)\""
  for key in task target action result; do
    json_text "$1"
    line+=",\"$key\":$json"
    shift
  done
  for word in "$@"; do
    [[ $word =~ ^[a-z_0-9]+=-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?$ ]] || die "not KEY=NUMBER: $word"
    line+=",\"${word%%=*}\":${word#*=}"
  done
  printf '%s}\n' "$line" 2>/dev/null >>"$LOG_DIR/actions.jsonl" || warn "could not write $LOG_DIR/actions.jsonl"
}
