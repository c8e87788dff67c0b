# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # settings and results are shared with the tasks
# The SQLite databases of the stack and their copies: SQLITE_BACKUP_DIR/NAME_YYYYMMDD-HHMMSS.db, .gz if compressed.

# shellcheck source=scripts/lib/sqlite.sh
. "$scripts_folder/lib/sqlite.sh"

# database_settings: the settings of both tasks; the databases, absolute, in the array databases.
database_settings() {
  local name
  local -A seen=()
  setting_list SQLITE_DATABASES data/memoai.db
  setting SQLITE_BACKUP_DIR "$BACKUP_DIR/sqlite"
  setting SQLITE_TIMEOUT 30
  [[ $SQLITE_TIMEOUT =~ ^[0-9]{1,4}$ ]] || die "SQLITE_TIMEOUT is not a number of seconds: $SQLITE_TIMEOUT"
  databases=()
  for name in "${list[@]}"; do
    [[ $name == /* ]] || name=$STACK_HOME/$name
    series_of "$name"
    # Of two databases of one name the copies could not be told apart.
    [ -z "${seen[$series]-}" ] || die "SQLITE_DATABASES has two databases named $series"
    seen[$series]=yes
    databases+=("$name")
  done
}

# need_databases: a stack without an SQLite database has nothing to do; one that was named and is gone is trouble.
need_databases() {
  command -v sqlite3 >/dev/null || not_here 'sqlite3 is not installed'
  if [ "$SQLITE_DATABASES" = data/memoai.db ] && [ ! -e "${databases[0]}" ]; then
    not_here 'no SQLite database (SQLITE_DATABASES)'
  fi
}

# series_of DATABASE: what its copies' names start with, in $series.
series_of() {
  series=${1##*/}
  series=${series%.*}
}

# list_copies SERIES: its copies, newest first by their names, in the array copies.
list_copies() {
  local file name
  mapfile -t copies < <(
    for file in "$SQLITE_BACKUP_DIR/$1"_*.db "$SQLITE_BACKUP_DIR/$1"_*.db.gz; do
      name=${file##*/}
      name=${name#"$1"_}
      [ -f "$file" ] && [[ $name =~ ^[0-9]{8}-[0-9]{6}(-[0-9]+)?\.db(\.gz)?$ ]] && printf '%s %s\n' "$name" "$file"
    done | sort -r | cut -d' ' -f2-
  )
}

# bytes_in FILE: its size in $bytes, 0 if it is not there.
bytes_in() { bytes=$(stat -c %s -- "$1" 2>/dev/null || echo 0); }
