# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the task
# Compacts one SQLite file without losing a row, a write of another program, or the numbers of the rows.
#
# VACUUM works while others read and write, but it may renumber the rows of a table that has no INTEGER PRIMARY KEY
# (sqlite.org/lang_vacuum.html). A vector index that points at such numbers would then return other documents'
# vectors. Such a file is compacted as a checked copy that is written back by SQLite itself, under a lock nobody
# else can share. A renamed copy would lose what programs write that have the old file open.

# store_sql FILE: statements from stdin; loads the SQLITE_EXTENSIONS; waits SQLITE_TIMEOUT seconds for a lock.
store_sql() {
  local extension options=(-cmd ".timeout $((SQLITE_TIMEOUT * 1000))")
  for extension in "${extensions[@]}"; do options+=(-cmd ".load '$extension'"); done
  # sqlite3 would make a file that is not there.
  [ -f "$1" ] || die "no such file: $1"
  # Temporary files beside the store: there the free space was looked at.
  (cd "${1%/*}" && SQLITE_TMPDIR=. sqlite3 -init /dev/null -bail -batch "${options[@]}" "$1")
}

# plainly FILE: why it cannot be done, in $trouble, from what sqlite3 said on stdin and its status.
plainly() {
  trouble=${2//$'\n'/; }
  case "$trouble" in
    *'is locked'*) trouble="$1 is in use: locked for $SQLITE_TIMEOUT s" ;;
    *'no such module'* | *'collation sequence'*) trouble="$1: $trouble (SQLITE_EXTENSIONS names what it needs)" ;;
    *) trouble="$1: $trouble" ;;
  esac
}

# ask_store FILE SQL: what it returns, in $answer; $trouble says why it could not be asked.
ask_store() {
  local status=0
  trouble=
  answer=$(store_sql "$1" <<<"$2" 2>&1) || status=$?
  [ "$status" -eq 0 ] || plainly "$1" "$answer"
}

# sound FILE: $trouble says what is wrong with it.
sound() {
  ask_store "$1" 'PRAGMA integrity_check;'
  if [ -z "$trouble" ] && [ "$answer" != ok ]; then
    trouble="$1 is damaged: $(head -n 3 <<<"$answer" | paste -sd ';' -)"
  fi
}

# find_numbered FILE: the tables whose rows VACUUM would renumber, quoted, in the array numbered: those without an
# INTEGER PRIMARY KEY whose numbers have gaps.
find_numbered() {
  local table candidates=()
  numbered=()
  ask_store "$1" "SELECT '\"' || replace(name, '\"', '\"\"') || '\"' FROM pragma_table_list AS t
    WHERE schema = 'main' AND type IN ('table', 'shadow') AND NOT wr AND name NOT LIKE 'sqlite\_%' ESCAPE '\'
      AND NOT EXISTS (SELECT 1 FROM pragma_table_info(t.name) WHERE pk AND upper(type) = 'INTEGER'
        AND (SELECT count(*) FROM pragma_table_info(t.name) WHERE pk) = 1)
    ORDER BY name;"
  [ -z "$answer" ] || mapfile -t candidates <<<"$answer"
  for table in "${candidates[@]}"; do
    [ -z "$trouble" ] || return 0
    ask_store "$1" "SELECT count(*) <> coalesce(max(_rowid_), 0) OR min(_rowid_) < 1 FROM $table;"
    [ "$answer" != 1 ] || numbered+=("$table")
  done
}

# in_place: the statements for a file that stays in use.
in_place() {
  echo 'REINDEX;'
  echo 'VACUUM;'
  echo 'PRAGMA optimize;'
}

# by_copy COPY: the statements that write COPY, check it, and take it over. The lock taken first is kept to the end.
by_copy() {
  local table
  cat <<SQL
PRAGMA locking_mode = EXCLUSIVE;
BEGIN EXCLUSIVE;
COMMIT;
REINDEX;
VACUUM INTO '$1';
ATTACH '$1' AS compact;
CREATE TEMP TABLE finding (text CONSTRAINT "the compacted copy is not the same" CHECK (text = 'ok'));
INSERT INTO finding SELECT integrity_check FROM pragma_integrity_check(1, 'compact');
SQL
  for table in "${numbered[@]}"; do
    echo "INSERT INTO finding SELECT 'rows of ' || count(*) FROM (SELECT _rowid_, * FROM main.$table
      EXCEPT SELECT _rowid_, * FROM compact.$table) HAVING count(*) > 0;"
  done
  cat <<SQL
DETACH compact;
.restore main '$1'
PRAGMA optimize;
SQL
}

# compact_sqlite FILE: $trouble says why not; $how is what was done.
compact_sqlite() {
  local status=0 said
  sound "$1"
  [ -n "$trouble" ] || find_numbered "$1"
  [ -z "$trouble" ] || return 0
  if [ "${#numbered[@]}" -eq 0 ]; then
    said=$(in_place | store_sql "$1" 2>&1) || status=$?
  else
    how='vacuum by copy'
    note "$1: a checked copy is written back, for the row numbers of ${numbered[*]}"
    scratch=$(mktemp -d "${1%/*}/.defragment.XXXXXX")
    # A name without quotes in it, whatever the folder is called: sqlite3 works in the store's folder.
    said=$(by_copy "${scratch##*/}/copy.db" | store_sql "$1" 2>&1) || status=$?
    rm -rf "$scratch"
  fi
  [ "$status" -eq 0 ] || plainly "$1" "$said"
  [ -n "$trouble" ] || sound "$1"
}

# empty_wal FILE: what was written reaches the file itself; a reader can hold that up, and no harm is done.
empty_wal() {
  ask_store "$1" 'PRAGMA wal_checkpoint(TRUNCATE);'
  [[ -z $trouble && $answer != 1* ]] || note "$1-wal could not be emptied: somebody reads"
  trouble=
}
