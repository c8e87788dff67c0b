# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the tasks; settings are stack.sh's
# Stores that are asked through a Python library of their own: KIND:PLACE[?OPTION=VALUE&...]. stores/store.py does the work.

store_kinds='^(chroma|lancedb|qdrant|faiss|annoy|hnswlib):'

store_settings() {
  setting STORES_PYTHON python3
  setting DEFRAGMENT_MAX_DELETED 50
  setting DEFRAGMENT_KEEP_VERSIONS 7
  setting DEFRAGMENT_OPTIMIZER_LIMIT 1800
  setting DEFRAGMENT_QUERIES 200
  [[ $DEFRAGMENT_QUERIES =~ ^[1-9][0-9]{0,5}$ ]] || die "DEFRAGMENT_QUERIES: not a number: $DEFRAGMENT_QUERIES"
  setting QDRANT_API_KEY ''
  setting_list VECTOR_SOURCES ''
  sources=("${list[@]}")
  local name
  for name in DEFRAGMENT_MAX_DELETED DEFRAGMENT_KEEP_VERSIONS DEFRAGMENT_OPTIMIZER_LIMIT; do
    [[ ${!name} =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "$name: not a number: ${!name}"
  done
  export STORES_PYTHON QDRANT_API_KEY DEFRAGMENT_QUERIES
}

# place_of STORE: its kind, its absolute path or its address, and its options (?...), in $kind, $place and $wishes.
place_of() {
  kind=${1%%:*} place=${1#*:} wishes=
  [[ $place != *\?* ]] || wishes="?${place#*\?}"
  place=${place%%\?*}
  [[ $place == http* ]] || place=$(realpath --canonicalize-missing --no-symlinks -- "$place")
}

# source_of PLACE: what VECTOR_SOURCES (PLACE=SOURCE, paths from STACK_HOME) names for it, in $source; empty if nothing.
source_of() {
  local entry named
  source=
  for entry in "${sources[@]}"; do
    named=${entry%%=*}
    [[ $named == /* ]] || named=$STACK_HOME/$named
    [ ! "$1" -ef "$named" ] || source=${entry#*=}
  done
}

# store_tool WORD...: stores/store.py, with the application's Python, where the settings' paths begin.
store_tool() { (cd "$STACK_HOME" && exec "$STORES_PYTHON" -B "$scripts_folder/stores/store.py" "$@"); }

# do_store STORE: defragments it; what came of it is said and recorded.
do_store() {
  local start=$EPOCHREALTIME status=0 took said kind place wishes source figures=() options=()
  place_of "$1"
  if [[ $place != http* ]]; then
    leave_protected "$place"
    [ "${#allowed[@]}" -gt 0 ] || return 0
  fi
  command -v "$STORES_PYTHON" >/dev/null || die "$STORES_PYTHON is not installed (STORES_PYTHON)"
  source_of "$place"
  [ -z "$source" ] || options+=(--source "$source")
  [ "$dry_run" = no ] || options+=(--dry-run)
  scratch=$(mktemp -d)
  mkdir -p "$STATE_DIR/stores"
  # `defragment` is the verb. What the library warns of goes to the log as well; the last line tells.
  store_tool defragment "$kind:$place$wishes" --state "$STATE_DIR/stores" --figures "$scratch/figures" --most-deleted "$DEFRAGMENT_MAX_DELETED" \
    --keep "$DEFRAGMENT_KEEP_VERSIONS" --limit "$DEFRAGMENT_OPTIMIZER_LIMIT" "${options[@]}" 2>"$scratch/said" || status=$?
  [ ! -s "$scratch/figures" ] || read -ra figures <"$scratch/figures"
  said=$(tail -n 1 -- "$scratch/said")
  rm -rf "$scratch"
  took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }')
  if [ "$status" -eq 0 ]; then
    record_action defragment "$kind:$place" rebuild ok "seconds=$took" "${figures[@]}"
  else
    complain "$kind:$place: ${said:-exit $status}"
    record_action defragment "$kind:$place" rebuild failed "seconds=$took" "${figures[@]}"
  fi
}
