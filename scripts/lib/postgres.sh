# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # settings and results are shared with the callers
# shellcheck disable=SC2310 # pg is one command; where its failure is caught, it is said
# The stack's PostgreSQL: in a container of DATABASE_SERVICE, or, if that is "local", where psql finds it.

# A failure inside $( ) must end what stands there.
shopt -s inherit_errexit
# shellcheck source=scripts/lib/dump.sh
. "$lib_folder/dump.sh"

# find_postgres: pg then runs a client where the server is; $postgres_trouble says why that will not do.
find_postgres() {
  setting DATABASE_SERVICE supabase-db
  setting DATABASE_USER postgres
  pg_command=() postgres_trouble=
  if [ "$DATABASE_SERVICE" = local ]; then
    command -v psql >/dev/null || postgres_trouble='psql is not installed'
    [ -n "${PGUSER-}" ] || export PGUSER=$DATABASE_USER
    return 0
  fi
  find_engine
  postgres_trouble=$engine_trouble
  [ "$engine" = up ] || return 0
  find_container "$DATABASE_SERVICE"
  [ -n "$container" ] || postgres_trouble="no running container of $DATABASE_SERVICE (project $COMPOSE_PROJECT_NAME)"
  # -i without a terminal: what docker-compose exec -T is.
  pg_command=(docker exec -i -e "PGUSER=$DATABASE_USER" "$container")
}

need_postgres() {
  find_postgres
  [ -z "$postgres_trouble" ] || die "$postgres_trouble"
  list_databases
  [ -z "$postgres_trouble" ] || die "$postgres_trouble"
}

# pg COMMAND...: psql, pg_dump, ... where the server is.
pg() { "${pg_command[@]}" "$@"; }

# pg_sql DATABASE STATEMENT: what it returns, bare.
pg_sql() { pg psql -X -q -A -t -v ON_ERROR_STOP=1 -d "$1" -c "$2" </dev/null; }

# list_databases: the databases that take connections, without templates and scratch ones, in databases.
list_databases() {
  local names
  databases=()
  names=$(pg_sql postgres "SELECT datname FROM pg_database
    WHERE datallowconn AND NOT datistemplate AND datname NOT LIKE 'pa\_scratch\_%' ORDER BY datname") ||
    postgres_trouble='could not list the databases'
  [ -z "$names" ] || mapfile -t databases <<<"$names"
}

size_of() { size=$(pg_sql "$1" 'SELECT pg_database_size(current_database())'); }

# load_scratch DUMP: restores a dump into a database of its own, $scratch_database, and counts every table's
# rows there; $load_trouble says what went wrong. psql alone cannot tell: a dump cut off within a table
# loads with exit 0 even under ON_ERROR_STOP.
load_scratch() {
  local table rows there expected status=0
  load_trouble='' loaded_rows=0
  scratch_database=pa_scratch_$(date +%s)_$RANDOM
  expected=$(rows_of "$1")
  [[ $'\n'$expected != *$'\n''cut '* ]] || load_trouble='the dump ends within a table'
  tail -c 4096 "$1" | grep -q "^-- $dump_footer" || load_trouble='the end of the dump is missing'
  [ -z "$load_trouble" ] || return 0
  pg createdb --template template0 "$scratch_database" </dev/null || load_trouble='could not make a scratch database'
  [ -z "$load_trouble" ] || return 0
  pg psql -X -q -v ON_ERROR_STOP=1 --single-transaction -d "$scratch_database" <"$1" >/dev/null || status=$?
  if [ "$status" -ne 0 ]; then
    load_trouble="psql ended with $status"
    return 0
  fi
  while read -r rows table; do
    [ -n "$table" ] || continue
    there=$(pg_sql "$scratch_database" "SELECT count(*) FROM ONLY $table") || there=none
    [ "$there" = "$rows" ] || load_trouble="$table has $there rows instead of $rows"
    loaded_rows=$((loaded_rows + rows))
  done <<<"$expected"
}

# drop_scratch: only ever a database that load_scratch made.
drop_scratch() {
  [[ ${scratch_database-} == pa_scratch_* ]] || return 0
  pg dropdb --if-exists --force "$scratch_database" </dev/null || complain "could not drop $scratch_database"
  scratch_database=
}
