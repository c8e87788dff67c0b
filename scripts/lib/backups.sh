# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # settings and results are shared with the callers
# The layout of a backup, the same for writing, verifying and restoring:
#   BACKUP_DIR/NAME-backup-YYYYMMDD_HHMMSS/   made under the same name with .partial, renamed when whole
#     databases/DATABASE_STAMP.sql            volumes/VOLUME_STAMP.tar.gz
#     configs/{env,docker-compose,deployment,docs}_STAMP.tar.gz and EXPORT.json      logs/backup.log
#     BACKUP_MANIFEST.md  SHA256SUMS (of everything else in the folder)
#   BACKUP_DIR/latest -> the newest that was made

# list_backups: the whole backups, oldest first by their stamps, in the array backups.
list_backups() {
  local folder
  mapfile -t backups < <(
    for folder in "$BACKUP_DIR"/*-backup-[0-9]*_[0-9]*; do
      [[ $folder =~ -backup-([0-9]{8}_[0-9]{6})$ ]] && [ -d "$folder" ] && [ ! -L "$folder" ] &&
        printf '%s %s\n' "${BASH_REMATCH[1]}" "$folder"
    done | sort | cut -d' ' -f2-
  )
}

# find_backup latest|PATH: the folder in $backup. latest is the newest one by its name: a link can be stale.
find_backup() {
  local name
  if [ "$1" = latest ]; then
    list_backups
    # Safety copies of restore.sh are backups of what was replaced.
    for name in "${backups[@]}"; do
      [[ ${name##*/} == pre-restore-* ]] || backup=$name
    done
    [ -n "${backup-}" ] || die "no backups in $BACKUP_DIR"
  else
    [ -d "$1" ] || die "no such backup: $1"
    backup=$(cd "$1" && pwd -P)
  fi
}

# stamp_of BACKUP: the stamp in its name in $stamp, and its second in $made.
stamp_of() {
  [[ $1 =~ -backup-([0-9]{4})([0-9]{2})([0-9]{2})_([0-9]{2})([0-9]{2})([0-9]{2})$ ]] ||
    die "not the name of a backup (NAME-backup-YYYYMMDD_HHMMSS): ${1##*/}"
  local part=("${BASH_REMATCH[@]:1}")
  stamp=${part[0]}${part[1]}${part[2]}_${part[3]}${part[4]}${part[5]}
  made=$(date -d "${part[0]}-${part[1]}-${part[2]} ${part[3]}:${part[4]}:${part[5]}" +%s)
}

# list_artefacts BACKUP: every file but the two lists, relative, one a line.
list_artefacts() {
  (cd "$1" && find . -type f ! -path ./SHA256SUMS ! -path ./BACKUP_MANIFEST.md -printf '%P\n' | LC_ALL=C sort)
}

# helper MODE VOLUME COMMAND...: a command in a container that has the volume at /volume and no network.
# HELPER_IMAGE needs sh, tar and find; HELPER_OPTIONS are further words for docker run.
helper() {
  local mode=$1 volume=$2 options
  shift 2
  setting HELPER_IMAGE alpine
  setting HELPER_OPTIONS ''
  read -ra options <<<"$HELPER_OPTIONS"
  helper_command=(docker run --rm -i --network none --volume "$volume:/volume:$mode" "${options[@]}" "$HELPER_IMAGE" "$@")
}
