#!/usr/bin/env bash
# Asks the cache of the most accessed documents: its hit rate on the last day's log, or its nearest documents.
# Needs:  python3 (STORES_PYTHON); for --id and --vector with the library of CACHE_KIND
# Reads:  CACHE_*, STORES_PYTHON; the files that CACHE_FILE and CACHE_LOGS name
# Writes: nothing
# Exit:   0 answered, 2 not, 75 no CACHE_FILE
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/index-cache.sh
. "$scripts_folder/lib/index-cache.sh"

usage() {
  cat <<TEXT
Usage: tasks/cache-query.sh [--id DOCUMENT | --vector] [--count N] [OPTION...]

Without a word: what share of the last day's accesses (of CACHE_LOGS, by CACHE_TIME_FIELD) the cache answers, and what share
the one before it would have. Settings are those of cache-rebuild, CACHE_KIND annoy, hnswlib or usearch.

  --id DOCUMENT  the documents of the cache that are nearest to this one of it
  --vector       those nearest to a vector on stdin, a JSON array
  --count N      so many (10)
$task_help
TEXT
}

main() {
  task_begin "$@"
  local query=() verb=hits
  while [ "${#words[@]}" -gt 0 ]; do
    case "${words[0]}" in
      --vector) verb=query ;;
      --id | --count)
        [ "${#words[@]}" -gt 1 ] || bad_usage "${words[0]} needs a value"
        query+=("${words[0]}" "${words[1]}")
        [ "${words[0]}" = --count ] || verb=query
        words=("${words[@]:1}")
        ;;
      *) bad_usage "unknown option: ${words[0]}" ;;
    esac
    words=("${words[@]:1}")
  done
  cache_settings
  [ "$CACHE_KIND" != sqlite ] || die 'an SQLite cache is asked with sqlite3 (CACHE_KIND is annoy, hnswlib or usearch)'
  [ -n "$CACHE_FILE" ] || not_here 'no cache is set up (CACHE_FILE)'
  cd "$STACK_HOME"
  local status=0 said
  said=$(mktemp)
  # shellcheck disable=SC2064 # the name is known now
  trap "rm -f '$said'" EXIT
  # shellcheck disable=SC2310 # its result is its status
  cache_tool "$verb" "${query[@]}" 2>"$said" || status=$?
  [ "$status" -eq 0 ] || die "$(tail -n 1 -- "$said")"
}

main "$@"
