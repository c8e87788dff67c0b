# shellcheck shell=bash
# shellcheck disable=SC2034 # results are read by the callers
# What scripts ask of an SQLite file. It must exist: sqlite3 makes what it is told to open, empty and sound.

# sqlite_ask FILE SQL...: what a connection that can change nothing gets; it waits SQLITE_TIMEOUT (30) seconds for
# a busy database. -init: nobody's ~/.sqliterc may add headers to an answer.
sqlite_ask() {
  sqlite3 -init /dev/null -readonly -bail -batch -cmd ".timeout $((${SQLITE_TIMEOUT:-30} * 1000))" "$@"
}

# sqlite_tables FILE: its tables, sorted.
sqlite_tables() { sqlite_ask "$1" "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name"; }

# sqlite_count FILE: `TABLES tables, ROWS rows`. A virtual table (its rootpage is 0) needs its extension to be read; its
# content is in tables of its own, and counted there.
sqlite_count() {
  local sum
  sum=$(sqlite_ask "$1" "SELECT coalesce(group_concat(printf('(SELECT count(*) FROM \"%w\")', name), '+'), '0')
    FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite\_%' ESCAPE '\'")
  printf '%s tables, %s rows\n' "$(sqlite_tables "$1" | wc -l)" "$(sqlite_ask "$1" "SELECT $sum")"
}

# sqlite_judge FILE: $verdict is sound, damaged or unknown (it could not be looked at); $trouble says why it is
# not sound.
sqlite_judge() {
  local answer status=0
  verdict=unknown
  if [ ! -f "$1" ]; then
    trouble='no such database'
    return 0
  fi
  answer=$(sqlite_ask "$1" 'PRAGMA integrity_check' 2>&1) || status=$?
  trouble=$(head -n 3 <<<"$answer" | paste -sd';' - | tr -d '\000-\037')
  case "$status" in
    0 | 11 | 26) verdict=damaged ;; # 11 SQLITE_CORRUPT, 26 SQLITE_NOTADB
    *) return 0 ;;
  esac
  [ "$status:$answer" = 0:ok ] || return 0
  # An empty database passes every integrity check.
  if [ -n "$(sqlite_tables "$1")" ]; then
    verdict=sound trouble=
  else
    trouble='it has no tables'
  fi
}
