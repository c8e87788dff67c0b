# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the task
# Rebuilds the indexes of a PostgreSQL database while it is in use, and mends what broken-off rebuilds left behind.

# of_indexes CONDITION: the SQL that lists indexes as schema.name. One that another session builds at the moment is
# invalid, too, and is nobody's leftover.
of_indexes() {
  echo "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'i' AND c.relpersistence <> 't' AND $1 AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index p
      WHERE p.datname = current_database() AND p.relid = i.indrelid) ORDER BY 1"
}

# REINDEX CONCURRENTLY leaves NAME_ccnew (the new one, unfinished) or NAME_ccold (the old one, done with).
leftover="NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*\$'"
own_schema="n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\_toast%'"

# list_indexes DATABASE CONDITION: in the array indexes.
list_indexes() {
  local names condition
  condition=$(of_indexes "$2")
  indexes=()
  names=$(pg_sql "$1" "$condition")
  [ -z "$names" ] || mapfile -t indexes <<<"$names"
}

# in_session DATABASE STATEMENT: with a limit on waiting for locks: an old transaction must not hold it up for ever.
in_session() {
  change "${pg_command[@]}" psql -X -q -v ON_ERROR_STOP=1 -d "$1" -c "SET lock_timeout = '${DEFRAGMENT_LOCK_TIMEOUT}s'" -c "$2"
}

# drop_leftovers DATABASE: adds to $mended.
drop_leftovers() {
  local index indexes
  list_indexes "$1" "$leftover"
  for index in "${indexes[@]}"; do
    echo "database $1: $index was left by a REINDEX that broke off"
    in_session "$1" "DROP INDEX CONCURRENTLY $index"
    mended=$((mended + 1))
  done
}

# defragment_postgres DATABASE: every index anew, then VACUUM ANALYZE. Complains of what does not work; the counts are
# in $mended and $rebuilt.
defragment_postgres() {
  local index indexes
  mended=0 rebuilt=0
  drop_leftovers "$1"
  list_indexes "$1" "NOT i.indisvalid AND $own_schema"
  for index in "${indexes[@]}"; do echo "database $1: $index is not valid"; done
  list_indexes "$1" "i.indisexclusion AND $own_schema"
  for index in "${indexes[@]}"; do note "database $1: $index stays as it is: REINDEX CONCURRENTLY takes no exclusion constraint"; done
  list_indexes "$1" "NOT i.indisexclusion AND NOT ($leftover) AND $own_schema"
  for index in "${indexes[@]}"; do
    in_session "$1" "REINDEX INDEX CONCURRENTLY $index"
    rebuilt=$((rebuilt + 1))
  done
  # Those of this run's own that broke off.
  drop_leftovers "$1"
  # After the indexes: a vector index is slow to vacuum.
  in_session "$1" 'VACUUM (ANALYZE)'
  list_indexes "$1" 'NOT i.indisvalid'
  [ "$dry_run" = yes ] || [ "${#indexes[@]}" -eq 0 ] || complain "database $1: not valid: ${indexes[*]}"
}

# postgres_folders: the server's folders on this machine, for find_protected; none if it runs in a container.
postgres_folders() {
  [ "$DATABASE_SERVICE" != local ] || pg_sql postgres "SELECT setting FROM pg_settings WHERE name = 'data_directory'
    UNION ALL SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE pg_tablespace_location(oid) <> ''"
}
