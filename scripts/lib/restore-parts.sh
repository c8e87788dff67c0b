# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with restore.sh
# The parts of a restore. What cannot be restored is complained of; nothing is replaced before the new is whole.

# plan: what would be restored, one line each, in order; a missing file is complained of.
plan_restore() {
  local file name
  artefacts=()
  while read -r name; do
    case "$name" in
      configs/*.tar.gz) wanted configs ;;
      databases/*.sql | volumes/*.tar.gz) wanted data ;;
      *) continue ;;
    esac
    [ "$want" = yes ] || continue
    artefacts+=("$name")
    file=$backup/$name
    [ -f "$file" ] || complain "missing: $file"
    case "$name" in
      configs/*) list_config "$file" ;;
      databases/globals_*) echo 'roles that are missing' ;;
      databases/*) echo "database $(artefact_of "$name") from $name" ;;
      volumes/*) echo "volume ${COMPOSE_PROJECT_NAME}_$(artefact_of "$name") from $name" ;;
    esac
  done < <(sed -n 's/^- \(.*\) [0-9]* bytes$/\1/p' "$backup/BACKUP_MANIFEST.md")
}

wanted() {
  want=no
  [[ " $parts " != *" $1 "* ]] || want=yes
}

# artefact_of FOLDER/NAME_STAMP.EXT: NAME.
artefact_of() {
  local name=${1##*/}
  printf '%s' "${name%_"$stamp".*}"
}

# list_config ARCHIVE: its files, each new, the same or different from the one on disk.
list_config() {
  local status=0
  pai-backup restore "$1" --target "$STACK_HOME" --force --dry-run || status=$?
  [ "$status" -eq 0 ] || complain "could not read $1"
}

restore_configs() {
  local name status
  for name in "${artefacts[@]}"; do
    [[ $name == configs/* ]] || continue
    status=0
    pai-backup restore "$backup/$name" --target "$STACK_HOME" --force || status=$?
    [ "$status" -eq 0 ] || complain "could not restore $name (exit $status)"
  done
}

# stop_services: every container of the stack but the database's.
stop_services() {
  local database
  stopped=()
  database=$(docker ps --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
    --filter "label=com.docker.compose.service=$DATABASE_SERVICE")
  mapfile -t stopped < <(docker ps --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" |
    grep -v -x -F -e "${database:-none}")
  [ "${#stopped[@]}" -eq 0 ] || docker stop "${stopped[@]}" >/dev/null
}

# prepare_services: networks, volumes and containers exist, the database answers, the rest is down.
prepare_services() {
  find_compose
  if [ "${#compose[@]}" -gt 0 ] && [ -e "$COMPOSE_FILE" ]; then
    "${compose[@]}" up --no-start >&2
  fi
  stop_services
  [[ " ${artefacts[*]}" == *' databases/'* ]] || return 0
  [ "$DATABASE_SERVICE" = local ] || start_database
}

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
      databases/globals_*) restore_roles "$backup/$name" ;;
      databases/*) restore_database "$(artefact_of "$name")" "$backup/$name" ;;
    esac
  done
}

# restore_roles FILE: only roles that do not exist; the others keep their passwords.
restore_roles() {
  local there status=0
  there=$(pg_sql postgres 'SELECT quote_ident(rolname) FROM pg_roles')
  awk 'NR == FNR { there[$0]; next }
    /^(CREATE|ALTER) ROLE / { role = $3; sub(/;$/, "", role); if (!(role in there)) print }' \
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

# The new content is extracted beside the old one, in the volume; only then the old one goes.
# shellcheck disable=SC2016 # for the shell in the container
volume_script='set -e
cd /volume
rm -rf .restoring
mkdir .restoring
trap "rm -rf /volume/.restoring" EXIT
tar -xpf - -C .restoring
find . -mindepth 1 -maxdepth 1 ! -name .restoring -exec rm -rf {} +
chown "$(stat -c %u:%g .restoring)" .
chmod "$(stat -c %a .restoring)" .
find .restoring -mindepth 1 -maxdepth 1 -exec mv {} . \;'

restore_volumes() {
  local name volume status
  for name in "${artefacts[@]}"; do
    [[ $name == volumes/* ]] || continue
    volume=${COMPOSE_PROJECT_NAME}_$(artefact_of "$name")
    helper rw "$volume" sh -c "$volume_script"
    status=0
    # pipefail: a broken archive must not pass for an empty one.
    gzip -dc "$backup/$name" | "${helper_command[@]}" || status=$?
    if [ "$status" -ne 0 ]; then
      complain "volume $volume: exit $status"
    else
      note "volume $volume: restored"
    fi
  done
}

start_services() {
  if [ "${#compose[@]}" -gt 0 ] && [ -e "$COMPOSE_FILE" ]; then
    "${compose[@]}" up -d >&2 || complain 'the services did not start'
  elif [ "${#stopped[@]}" -gt 0 ]; then
    docker start "${stopped[@]}" >/dev/null || complain 'the services did not start'
  fi
}
