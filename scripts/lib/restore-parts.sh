# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with restore.sh
# The parts of a restore. What cannot be restored is complained of; nothing is replaced before the new is whole.

# plan: what would be restored, one line each, in order; a missing file is complained of.
plan_restore() {
  local file name volume
  artefacts=()
  while read -r name; do
    case "$name" in
      configs/*.tar.gz) wanted configs ;;
      databases/*.sql | volumes/*.tar.gz) wanted data ;;
      stores/*)
        wanted data
        [ "$want" = no ] || echo "left to you: the vector store in $name (tar -xzf; docs/vector-store.md)"
        continue
        ;;
      *) continue ;;
    esac
    [ "$want" = yes ] || continue
    artefacts+=("$name")
    file=$backup/$name
    [ -f "$file" ] || complain "missing: $file"
    case "$name" in
      configs/*) list_config "$file" ;;
      databases/globals_"$stamp".sql) echo 'roles that are missing' ;;
      databases/*) echo "database $(artefact_of "$name") from $name" ;;
      volumes/*)
        volume_of "$name"
        echo "volume $volume from $name"
        ;;
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

# volume_of FOLDER/NAME_STAMP.EXT: what the engine calls it, in $volume.
volume_of() {
  volume=$(artefact_of "$1")
  grep -qxF -- "- Volume with a name of its own: $volume" "$backup/BACKUP_MANIFEST.md" ||
    volume=${COMPOSE_PROJECT_NAME}_$volume
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
  local database running
  database=$(docker ps --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
    --filter "label=com.docker.compose.service=$DATABASE_SERVICE")
  running=$(docker ps --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME")
  mapfile -t stopped < <(grep -v -x -F -e "${database:-none}" <<<"$running" | grep .)
  [ "${#stopped[@]}" -eq 0 ] || docker stop "${stopped[@]}" >/dev/null || die 'could not stop the services'
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
    volume_of "$name"
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
