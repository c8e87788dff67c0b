# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # settings and results are shared with the callers
# The stack's PostgreSQL: in a container of DATABASE_SERVICE, or, if that is "local", where psql finds it.

# find_postgres: dies if the service does not run; otherwise pg runs a client there.
find_postgres() {
  setting DATABASE_SERVICE supabase-db
  setting DATABASE_USER postgres
  pg_command=()
  if [ "$DATABASE_SERVICE" = local ]; then
    need psql
    [ -n "${PGUSER-}" ] || export PGUSER=$DATABASE_USER
    return 0
  fi
  find_engine
  [ "$engine" = up ] || die "$engine_trouble"
  find_container "$DATABASE_SERVICE"
  [ -n "$container" ] || die "no running container of $DATABASE_SERVICE (project $COMPOSE_PROJECT_NAME)"
  # -i without a terminal: what docker-compose exec -T is.
  pg_command=(docker exec -i -e "PGUSER=$DATABASE_USER" "$container")
}

# pg COMMAND...: psql, pg_dump, ... where the server is.
pg() { "${pg_command[@]}" "$@"; }

# list_databases: the names of the databases that take connections, without templates, in databases.
list_databases() {
  local names
  names=$(pg psql -X -A -t -d postgres -c \
    'SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate ORDER BY datname' </dev/null) ||
    die 'could not list the databases'
  mapfile -t databases <<<"$names"
  [ -n "$names" ] || die 'the server has no databases'
}

size_of() {
  size=$(pg psql -X -A -t -d "$1" -c 'SELECT pg_database_size(current_database())' </dev/null)
}
