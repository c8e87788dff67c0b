#!/usr/bin/env bash
# Analyses and vacuums every PostgreSQL database, and warms up Neo4j.
# run: daily 40
# Needs:  docker; psql if DATABASE_SERVICE is local
# Reads:  DATABASE_SERVICE, DATABASE_USER, NEO4J_SERVICE; NEO4J_PASSWORD of .env
# Writes: the databases: ANALYZE and VACUUM lose no row
# Exit:   0 done, 1 in part, 2 not done: no server answers
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"

# shellcheck source=scripts/lib/postgres.sh
. "$scripts_folder/lib/postgres.sh"

usage() {
  cat <<TEXT
Usage: tasks/database-maintenance.sh [OPTION...]

ANALYZE and VACUUM in every database of the service DATABASE_SERVICE (supabase-db; "local" is a server that psql
reaches by PGHOST and PGUSER) as DATABASE_USER (postgres). Then apoc.warmup.run in NEO4J_SERVICE (neo4j; empty:
none), with NEO4J_PASSWORD from .env.

$task_help
TEXT
}

maintain() {
  local before after
  size_of "$1"
  before=$size
  # Each its own -c: VACUUM cannot run in a transaction block, and several statements of one -c are one.
  change "${pg_command[@]}" psql -X -q -v ON_ERROR_STOP=1 -d "$1" -c 'ANALYZE;'
  change "${pg_command[@]}" psql -X -q -v ON_ERROR_STOP=1 -d "$1" -c 'VACUUM;'
  size_of "$1"
  after=$size
  echo "database $1: $before bytes before, $after after"
}

warm_up_neo4j() {
  local -A env=()
  local status=0 output secret
  find_container "$NEO4J_SERVICE"
  if [ -z "$container" ]; then
    echo "$NEO4J_SERVICE: not running, left alone"
    return 0
  fi
  dotenv_read "$ENV_FILE" env
  dotenv_secret NEO4J_PASSWORD env
  # -e NAME without a value: the password is in no argument list.
  local command=(docker exec -e NEO4J_USERNAME=neo4j -e NEO4J_PASSWORD "$container" cypher-shell --format plain 'CALL apoc.warmup.run();')
  if [ "$dry_run" = yes ]; then
    change "${command[@]}"
    return 0
  fi
  output=$(NEO4J_PASSWORD=$secret timeout 300 "${command[@]}" 2>&1) || status=$?
  if [ "$status" -eq 0 ]; then
    echo "$NEO4J_SERVICE: warmed up"
  elif [[ $output == *'no procedure'*apoc* ]]; then
    warn "$NEO4J_SERVICE has no APOC: not warmed up"
  else
    complain "$NEO4J_SERVICE: exit $status: ${output##*$'\n'}"
  fi
}

main() {
  task_begin "$@"
  no_words
  setting NEO4J_SERVICE neo4j
  need_postgres
  local database
  for database in "${databases[@]}"; do
    maintain "$database"
  done
  if [ "$DATABASE_SERVICE" != local ] && [ -n "$NEO4J_SERVICE" ]; then
    warm_up_neo4j
  fi
  task_end
}

main "$@"
