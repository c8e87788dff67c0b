# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with backup.sh
# The parts of a backup. Each artefact is what a command printed, kept only if the command ended well
# (pai-backup capture); a part that fails is complained of, and the next one is made.

artefacts=0
paused=()
left_out_parts=()
# The volumes whose name is not the project's name and their own.
own_names=()

say_part() { [ "$quiet" = yes ] || note "$1"; }

# keep FOLDER NAME EXT [--expect-tail TEXT] -- COMMAND...: one artefact, FOLDER/NAME_STAMP.EXT.
keep() {
  local into=$1 title=$2 ext=$3 made status=0
  shift 3
  local command=(pai-backup capture --archive-dir "$work/$into" --name "${title}_" --ext "$ext" "$@")
  if [ "$dry_run" = yes ]; then
    quoted "${command[@]}"
    echo "would run: $quoted"
    return 0
  fi
  if [ -e "$work/$into/${title}_$stamp$ext" ]; then
    complain "not backed up: a second part named $into/$title"
    return 0
  fi
  made=$("${command[@]}") || status=$?
  if [ "$status" -ne 0 ] || [ ! -s "$made" ]; then
    complain "could not back up $into/$title (exit $status)"
    return 0
  fi
  mv -- "$made" "$work/$into/${title}_$stamp$ext"
  artefacts=$((artefacts + 1))
  say_part "$into/${title}_$stamp$ext"
}

backup_databases() {
  local database wanted
  setting DATABASE_SERVICE supabase-db
  setting BACKUP_DATABASES ''
  if [ "$DATABASE_SERVICE" = none ]; then
    left_out_parts+=('databases (DATABASE_SERVICE=none)')
    return 0
  fi
  find_postgres
  read -ra wanted <<<"$BACKUP_DATABASES"
  if [ -z "$postgres_trouble" ] && [ "${#wanted[@]}" -eq 0 ]; then
    list_databases
    wanted=("${databases[@]}")
  fi
  if [ -n "$postgres_trouble" ]; then
    complain "could not back up the databases: $postgres_trouble"
    return 0
  fi
  # Roles are in no database's dump.
  keep databases globals .sql --expect-tail 'PostgreSQL database cluster dump complete' -- "${pg_command[@]}" pg_dumpall --globals-only
  for database in "${wanted[@]}"; do
    [[ $database =~ ^[A-Za-z0-9_.-]+$ ]] || {
      complain "not backed up: a database name that makes no file name: ${database@Q}"
      continue
    }
    keep databases "$database" .sql --expect-tail 'PostgreSQL database dump complete' -- "${pg_command[@]}" pg_dump --dbname "$database"
  done
}

# stack_volumes: the engine's names of the volumes to back up, in the array volumes; $volumes_trouble says why they are
# not known. An engine that does not answer must not pass for one without volumes.
stack_volumes() {
  local volume word found users
  setting BACKUP_VOLUMES ''
  volumes=() volumes_trouble=
  for word in $BACKUP_VOLUMES; do
    [ "$word" = none ] || volumes+=("${COMPOSE_PROJECT_NAME}_${word}")
  done
  [ -z "$BACKUP_VOLUMES" ] || return 0
  found=$(docker volume ls --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME") ||
    volumes_trouble='the engine does not tell its volumes'
  for volume in $found; do
    users=$(docker ps -aq --filter "volume=$volume" --filter "label=com.docker.compose.service=${DATABASE_SERVICE:-supabase-db}") ||
      volumes_trouble='the engine does not tell who uses them'
    # The files of a running server make no backup; its dumps do.
    if [ -n "$users" ]; then
      left_out_parts+=("volume $volume (the database's own: its dumps are in databases/)")
    else
      volumes+=("$volume")
    fi
  done
}

backup_volumes() {
  local volume title
  setting DATABASE_SERVICE supabase-db
  setting BACKUP_PAUSE yes
  if [ "${BACKUP_VOLUMES-}" = none ] || [ "${settings[BACKUP_VOLUMES]-}" = none ]; then
    left_out_parts+=('volumes (BACKUP_VOLUMES=none)')
    return 0
  fi
  find_engine
  if [ "$engine" != up ]; then
    complain "could not back up the volumes: $engine_trouble"
    return 0
  fi
  stack_volumes
  if [ -n "$volumes_trouble" ]; then
    complain "could not back up the volumes: $volumes_trouble"
    return 0
  fi
  for volume in "${volumes[@]}"; do
    title=${volume#"${COMPOSE_PROJECT_NAME}_"}
    [ "$title" != "$volume" ] || own_names+=("$volume")
    helper ro "$volume" tar -cf - -C /volume .
    pause "$volume"
    if [ -z "$pause_trouble" ]; then
      keep volumes "$title" .tar.gz -- "${helper_command[@]}"
    else
      complain "could not back up volume $volume: $pause_trouble"
    fi
    unpause
  done
}

# pause VOLUME: stops the containers that write there for as long as it is read; $pause_trouble says why that failed.
# One that its owner paused writes nothing, and stays paused.
pause() {
  local id running
  pause_trouble=
  [ "$BACKUP_PAUSE" = yes ] && [ "$dry_run" = no ] || return 0
  running=$(docker ps --quiet --filter "volume=$1" --filter status=running) || pause_trouble='could not list its containers'
  for id in $running; do
    if docker pause "$id" >/dev/null; then
      paused+=("$id")
    else
      pause_trouble="could not pause container $id"
    fi
  done
}

unpause() {
  [ "${#paused[@]}" -eq 0 ] || docker unpause "${paused[@]}" >/dev/null || complain 'could not unpause a container'
  paused=()
}

backup_configs() {
  local item
  setting BACKUP_CONFIGS 'deployment docs'
  [ ! -e "$ENV_FILE" ] || keep_files env "$ENV_FILE"
  [ ! -e "$COMPOSE_FILE" ] || keep_files docker-compose "$COMPOSE_FILE"
  for item in $BACKUP_CONFIGS; do
    [ ! -e "$STACK_HOME/$item" ] || keep_files "${item//\//-}" "$STACK_HOME/$item"
  done
}

# keep_files NAME PATH: relative to the stack's folder where it is below that.
keep_files() {
  local base=$STACK_HOME path=${2#"$STACK_HOME"/}
  if [[ $path == /* ]]; then
    base=${2%/*} path=${2##*/}
  fi
  # As they stand: a folder of that name elsewhere is not meant.
  keep configs "$1" .tar.gz -- tar -C "$base" --anchored --no-wildcards --exclude="${LOG_DIR#"$base"/}" --exclude="${BACKUP_DIR#"$base"/}" -cf - -- "$path"
}

backup_exports() {
  local word
  setting BACKUP_EXPORTS ''
  for word in $BACKUP_EXPORTS; do
    keep configs "${word%%=*}" .json -- curl -q --fail --silent --show-error --max-time 60 "${word#*=}"
  done
}

# write_manifest: for a reader who has only this folder.
write_manifest() {
  local file
  cat <<TEXT
# Backup $stamp

- Made: $(date -Iseconds) on $(uname -n)
- Stack: $COMPOSE_PROJECT_NAME ($STACK_HOME)
- Parts: $parts
TEXT
  for file in "${left_out_parts[@]}"; do echo "- Left out: $file"; done
  for file in "${own_names[@]}"; do echo "- Volume with a name of its own: $file"; done
  printf '\n## Backup Contents\n\n'
  list_artefacts "$work" | while read -r file; do
    printf -- '- %s %s bytes\n' "$file" "$(stat -c %s "$work/$file")"
  done
  printf '\nVerify: verify-backup.sh THIS_FOLDER, or sha256sum -c SHA256SUMS. Restore: restore.sh --dry-run THIS_FOLDER.\n'
}
