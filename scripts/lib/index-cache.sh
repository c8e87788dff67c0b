# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the tasks; settings are stack.sh's
# The cache as an index file with its JSON file (CACHE_KIND annoy, hnswlib, usearch). stores/cache.py does the work.

cache_settings() {
  setting CACHE_KIND sqlite
  setting CACHE_FIELD document_id
  setting CACHE_TIME_FIELD time
  setting CACHE_SIZE 1000
  setting CACHE_METRIC cosine
  setting CACHE_SOURCE ''
  setting CACHE_FILE ''
  setting STORES_PYTHON python3
  export STORES_PYTHON
  setting_list CACHE_LOGS ''
  logs=("${list[@]}")
  case "$CACHE_KIND" in
    sqlite | annoy | hnswlib | usearch) ;;
    *) die "CACHE_KIND is sqlite, annoy, hnswlib or usearch: $CACHE_KIND" ;;
  esac
  case "$CACHE_METRIC" in
    cosine | l2 | ip) ;;
    *) die "CACHE_METRIC is cosine, l2 or ip: $CACHE_METRIC" ;;
  esac
}

# cache_tool VERB WORD...: stores/cache.py with the application's Python, the cache and its logs.
cache_tool() {
  local log words=()
  for log in "${logs[@]}"; do words+=(--log "$log"); done
  command -v "$STORES_PYTHON" >/dev/null || die "$STORES_PYTHON is not installed (STORES_PYTHON)"
  "$STORES_PYTHON" -B "$scripts_folder/stores/cache.py" "$1" "$CACHE_FILE" --field "$CACHE_FIELD" \
    --time-field "$CACHE_TIME_FIELD" "${words[@]}" "${@:2}"
}

# build_index FILE: of the documents that the SQLite file FILE ranks, most accessed first.
build_index() {
  local status=0 options=() figures=()
  ask_store "$1" 'SELECT json_array(document, accesses) FROM cache_ranking ORDER BY place;'
  [ "$dry_run" = no ] || options+=(--dry-run)
  cache_tool build --kind "$CACHE_KIND" --metric "$CACHE_METRIC" --source "$CACHE_SOURCE" --size "$CACHE_SIZE" \
    --scratch "$scratch" --figures "$scratch/figures" "${options[@]}" <<<"$answer" 2>"$scratch/said" || status=$?
  if [ "$status" -ne 0 ]; then
    printf '%s: error: %s\n' "$program" "$(tail -n 1 -- "$scratch/said")" >&2
    exit "$status"
  fi
  [ "$dry_run" = no ] || return 0
  read -ra figures <"$scratch/figures"
  record_action cache-rebuild "$CACHE_FILE" swap ok "${figures[@]}" "seconds=$((SECONDS - start))"
}
