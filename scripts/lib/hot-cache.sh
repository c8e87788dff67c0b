# shellcheck shell=bash
# shellcheck disable=SC2154 # settings and answers are the task's and ask_store's
# The statements that build a cache of the most accessed documents, for one sqlite3 that writes a new file.

# sql_text TEXT, sql_name NAME: quoted for SQL, in $quoted_sql.
sql_text() { quoted_sql="'${1//\'/\'\'}'"; }
sql_name() { quoted_sql="\"${1//\"/\"\"}\""; }

# count_log LOG: adds a log's accesses to the table access; says how many lines name no document.
count_log() {
  local log value bad
  sql_text "$1"
  log=$quoted_sql
  [[ $1 != *[\"$'\n']* ]] || die "sqlite3 cannot import a file with such a name: $1"
  case "$1" in
    *.json | *.jsonl | *.ndjson)
      # A line is one column: no separator of the ASCII mode is in it.
      printf 'CREATE TEMP TABLE line (text);\n.mode ascii\n.separator "\\037" "\\n"\n.import "%s" line\n' "$1"
      sql_text "\$.\"$CACHE_FIELD\""
      value="iif(json_valid(text), json_extract(iif(json_valid(text), text, '{}'), $quoted_sql), NULL)"
      ;;
    *)
      printf '.mode csv\n.import --schema temp "%s" line\n' "$1"
      sql_name "$CACHE_FIELD"
      # Qualified: a bare "name" that is no column would be taken for a text.
      value=line.$quoted_sql
      ;;
  esac
  bad="coalesce($value, '') = ''"
  echo '.mode list'
  echo "INSERT INTO access SELECT CAST($value AS TEXT), count(*) FROM line WHERE NOT $bad GROUP BY 1;"
  echo "SELECT printf('%d of %d lines of %s name no document', total($bad), count(*), $log) FROM line HAVING total($bad) > 0;"
  echo 'DROP TABLE line;'
}

# rank CONDITION: the $ranked most accessed documents for which it holds.
rank() {
  echo "INSERT INTO cache_ranking (document, accesses) SELECT document, sum(accesses) FROM access WHERE $1
    GROUP BY document ORDER BY 2 DESC, 1 LIMIT $ranked;"
}

# copy_table TABLE KEY: its definition, its hot rows, its indexes.
copy_table() {
  local table columns text
  sql_name "$1"
  table=$quoted_sql
  sql_text "$1"
  text=$quoted_sql
  ask_store "$CACHE_SOURCE" "SELECT group_concat('\"' || replace(name, '\"', '\"\"') || '\"') FROM pragma_table_info($text);"
  [ -z "$trouble" ] || die "$trouble"
  [ -n "$answer" ] || die "$CACHE_SOURCE has no table $1"
  columns=$answer
  # A table that is known by its row numbers keeps them.
  [ "$2" != rowid ] || columns="rowid,$columns"
  ask_store "$CACHE_SOURCE" "SELECT sql || ';' FROM sqlite_schema WHERE type = 'table' AND name = $text;"
  printf '%s\n' "$answer"
  sql_name "$2"
  echo "INSERT INTO $table ($columns) SELECT $columns FROM source.$table AS s
    WHERE s.$quoted_sql IN (SELECT document FROM cache_ranking);"
  ask_store "$CACHE_SOURCE" "SELECT sql || ';' FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL AND tbl_name = $text;"
  printf '%s\n' "$answer"
}

# cache_statements: all of it.
cache_statements() {
  local log word
  echo 'CREATE TEMP TABLE access (document TEXT, accesses INTEGER);'
  for log in "${logs[@]}"; do count_log "$log"; done
  # TEXT would make an index of its own type useless where the key is a number.
  echo 'CREATE TABLE cache_ranking (place INTEGER PRIMARY KEY, document UNIQUE, accesses INTEGER NOT NULL);'
  if [ "${#tables[@]}" -eq 0 ]; then
    rank true
    return 0
  fi
  sql_text "file:$CACHE_SOURCE?mode=ro"
  echo "ATTACH $quoted_sql AS source;"
  sql_name "${tables[0]%:*}"
  word=source.$quoted_sql
  sql_name "${tables[0]##*:}"
  word="document IN (SELECT s.$quoted_sql FROM $word AS s)"
  echo "SELECT printf('%d documents of the logs are not in the store', count(DISTINCT document)) FROM access WHERE NOT $word
    HAVING count(*) > 0;"
  rank "$word"
  for word in "${tables[@]}"; do copy_table "${word%:*}" "${word##*:}"; done
  echo 'DETACH source;'
}
