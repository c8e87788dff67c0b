# shellcheck shell=bash
# shellcheck disable=SC2154 # client, database and scratch are the caller's
# Whether a plain SQL dump is whole. psql is no judge of that: a dump cut in the middle of a COPY restores with
# status 0 even under ON_ERROR_STOP.

# What pg_dump writes when it is done; newer ones write a \unrestrict line below it.
dump_footer='PostgreSQL database dump complete'

# plain FILE: the SQL, decompressed.
plain() {
  case "$1" in
    *.gz) gzip -dc -- "$1" ;;
    *) cat -- "$1" ;;
  esac
}

check_footer() {
  local end
  end=$(
    set -e
    plain "$1" | tail -c 4096
  )
  [[ $end == *"$dump_footer"* ]] || die "$1 is cut off: the footer of pg_dump is missing"
}

# rows_of FILE: `ROWS TABLE` for each COPY of the dump, sorted; a COPY without its end has `cut` for a number. A table's
# name is as SQL has it: in quotes there may be blanks in it, and doubled quotes.
rows_of() {
  plain "$1" | awk '
    table == "" && /^COPY .* FROM stdin;$/ {
      match($0, /^COPY (("([^"]|"")*"|[^ ".]+)\.)?("([^"]|"")*"|[^ ".]+) /)
      table = substr($0, 6, RLENGTH - 6)
      rows = 0
      next
    }
    table != "" && /^\\\.$/ { print rows, table; table = ""; next }
    table != "" { rows++ }
    END { if (table != "") print "cut", table }' | LC_ALL=C sort
}

# objects DATABASE: its relations and constraints, one a line, sorted.
objects() {
  client psql -XqAt -v ON_ERROR_STOP=1 -d "$1" <<'SQL' | LC_ALL=C sort
SELECT format('%s %s', relkind, c.oid::regclass) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
  WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema'
UNION ALL
SELECT format('%s %s %s', contype, conname, conrelid::regclass) FROM pg_constraint c JOIN pg_namespace n ON n.oid = connamespace
  WHERE nspname NOT LIKE 'pg\_%' AND nspname <> 'information_schema';
SQL
}

# same WHAT LEFT RIGHT: dies with the first difference.
same() {
  local difference
  if ! difference=$(diff -- "$2" "$3"); then
    die "the restored copy differs in its $1: $(grep '^[<>]' <<<"$difference" | head -n 3 | paste -sd ';')"
  fi
}

# restore_test DUMP: restores into a scratch database, compares, drops it. Proof that the dump is a backup.
restore_test() {
  local copy status table
  copy=pai_restore_test_$$_$RANDOM
  [ "$copy" != "$database" ] || die 'the scratch database must not be the live one'
  client createdb --template=template0 "$copy" || die 'could not make a scratch database'
  # In a subshell: whatever goes wrong in it, the scratch database is dropped. Not `|| status=$?`: that would
  # switch `set -e` off inside.
  set +e
  (
    set -e
    plain "$1" | client psql -Xq -v ON_ERROR_STOP=1 --single-transaction -d "$copy" >/dev/null
    objects "$database" >"$scratch/objects"
    objects "$copy" >"$scratch/restored-objects"
    same objects "$scratch/objects" "$scratch/restored-objects"
    rows_of "$1" >"$scratch/rows"
    # ONLY: the rows of a table's heirs are in their own COPY.
    while read -r _ table; do
      printf '%s %s\n' "$(client psql -XqAt -d "$copy" -c "SELECT count(*) FROM ONLY $table" </dev/null)" "$table"
    done <"$scratch/rows" >"$scratch/restored-rows"
    same 'row counts' "$scratch/rows" "$scratch/restored-rows"
  )
  status=$?
  set -e
  client dropdb --if-exists "$copy" </dev/null || warn "could not drop the scratch database $copy"
  [ "$status" -eq 0 ] || die "the restore test of ${1##*/} failed (exit $status)"
  note "restored into a scratch database: $(wc -l <"$scratch/objects") objects, $(awk '{ n += $1 } END { print n + 0 }' "$scratch/rows") rows, all there"
}
