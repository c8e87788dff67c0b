# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with restore.sh
# The databases of a restore: roles that are missing, then each database beside the live one, then in its place.

start_database() {
  local until=$((SECONDS + 120)) good=0
  find_container "$DATABASE_SERVICE"
  if [ -z "$container" ] && [ "${#compose[@]}" -gt 0 ]; then
    "${compose[@]}" up -d "$DATABASE_SERVICE" >&2
  fi
  # Twice: a new data folder is first initialised by a server that goes away again.
  while [ "$good" -lt 2 ]; do
    [ "$SECONDS" -lt "$until" ] || die "$DATABASE_SERVICE did not answer within 120 s"
    find_postgres
    if [ -z "$postgres_trouble" ] && "${pg_command[@]}" psql -X -q -d postgres -c 'SELECT 1' </dev/null >/dev/null 2>&1; then
      good=$((good + 1))
    else
      good=0
    fi
    sleep 1
  done
}

restore_databases() {
  local name
  [[ " ${artefacts[*]}" == *' databases/'* ]] || return 0
  need_postgres
  for name in "${artefacts[@]}"; do
    case "$name" in
      databases/globals_"$stamp".sql) restore_roles "$backup/$name" ;;
      databases/*) restore_database "$(artefact_of "$name")" "$backup/$name" ;;
    esac
  done
}

# restore_roles FILE: only roles that do not exist, and what they are members of; the others keep their passwords.
restore_roles() {
  local there status=0
  there=$(pg_sql postgres 'SELECT quote_ident(rolname) FROM pg_roles')
  awk 'function name(text) { match(text, /^("([^"]|"")*"|[^ ;]+)/); return substr(text, 1, RLENGTH) }
    NR == FNR { there[$0]; next }
    /^(CREATE|ALTER) ROLE / { if (!(name(substr($0, index($0, "ROLE ") + 5)) in there)) print }
    /^GRANT / {
      granted = name(substr($0, 7))
      rest = substr($0, 7 + length(granted))
      if (rest ~ /^ TO / && !(granted in there && name(substr(rest, 5)) in there)) print
    }' \
    <(printf '%s\n' "$there") "$1" | pg psql -X -q -v ON_ERROR_STOP=1 -d postgres || status=$?
  [ "$status" -eq 0 ] || complain "could not restore the roles (exit $status)"
}

# restore_database NAME DUMP: loaded and counted beside the live one, then renamed into its place.
restore_database() {
  local name=$1 owner before
  load_scratch "$2"
  if [ -n "$load_trouble" ]; then
    complain "database $name: $load_trouble; the live one is untouched"
    drop_scratch
    return 0
  fi
  pg_sql "$scratch_database" ANALYZE
  owner=$(pg_sql template1 "SELECT quote_ident(pg_get_userbyid(datdba)) FROM pg_database WHERE datname = '$name'")
  before=${name:0:40}_before_$(date +%Y%m%d%H%M%S)
  pg_sql template1 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IN ('$name', '$scratch_database') AND pid <> pg_backend_pid()" >/dev/null
  # One transaction: either both names change or none.
  local swap="ALTER DATABASE \"$scratch_database\" RENAME TO \"$name\";"
  if [ -n "$owner" ]; then
    swap="ALTER DATABASE \"$name\" RENAME TO \"$before\"; $swap ALTER DATABASE \"$name\" OWNER TO $owner;"
  fi
  if ! pg_sql template1 "BEGIN; $swap COMMIT;"; then
    complain "database $name: could not be renamed into place; the live one is untouched"
    drop_scratch
    return 0
  fi
  scratch_database=
  note "database $name: $loaded_rows rows restored"
  [ -n "$owner" ] || return 0
  if [ -n "$safety_copy" ]; then
    pg dropdb "$before" </dev/null || complain "could not drop $before"
  else
    note "the database that was there is kept as $before"
  fi
}
