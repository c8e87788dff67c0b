#!/usr/bin/env bash
# Dumps a PostgreSQL database: a file appears when the dump is known to be whole, and not before.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/lib/say.sh"
# shellcheck source=scripts/lib/dump.sh
. "$here/lib/dump.sh"

usage() {
  cat <<'TEXT'
Usage: backup-database.sh [OPTION...] [DATABASE]

Runs pg_dump in a container (docker exec) and keeps its output as BACKUP_DIR/DATABASE_YYYY-MM-DD.sql, mode 0600.
The name appears only when pg_dump ended well and its footer is there; until then yesterday's dump, and an
earlier one of today, stay as they are. DATABASE is codexdb unless given. stdout: the file's path.

  --container NAME  the container [codex_postgres]
  --direct          run pg_dump and psql here; PGHOST, PGPORT, PGPASSFILE, ~/.pgpass count
  --user NAME       the role [codex]
  --dir DIR         [$BACKUP_DIR, else /backups]; made if missing, 0700
  --gzip            keep DATABASE_YYYY-MM-DD.sql.gz
  --min-free N      refuse to start unless N times the newest dump's size is free [2]
  --max-drop P      complain (exit 1) if the dump is P % smaller than the median of the last seven [50]
  --restore-test    then restore it into a scratch database on the same server, compare objects and row counts
                    with what was dumped, drop the scratch database
  --file DUMP       make no dump: check this one (with --restore-test: restore it, too)
  --check           make no dump: is the newest one younger than --max-age [30h], and of its usual size?
  -n, --dry-run     say what would run
  -h, --help        this text

Passwords never go on a command line: in the container the server decides (local connections are usually
trusted); with --direct use ~/.pgpass or PGPASSFILE, mode 0600. With STATE_DIR set, the age of the dump is noted
for health-check.sh.

Exit status: 0 done; 1 done, but something is odd, or --check found the newest dump odd; 2 no dump was kept, or
there is none to check.

Examples:
  backup-database.sh codexdb
  backup-database.sh --direct --gzip --restore-test --dir ~/dumps ledger
  backup-database.sh --check --max-age 26h codexdb
TEXT
}

# client COMMAND...: a PostgreSQL client where the server is; stdin goes along.
client() {
  if [ "$direct" = yes ]; then
    PGUSER=$user "$@"
  else
    docker exec -i "$container" "$1" -U "$user" "${@:2}"
  fi
}

# dumps: this database's dumps, newest first.
dumps() {
  try "look into $dir" find -H "$dir" -maxdepth 1 -type f \( -name "${database}_????-??-??.sql" -o -name "${database}_????-??-??.sql.gz" \) -printf '%T@ %s %p\n' |
    sort -rn
}

check_space() {
  local size free
  size=$(dumps | awk 'NR == 1 { print $2 }')
  free=$(try "measure $dir" df --output=avail -B1 -- "$dir" | tail -n 1)
  [ "$free" -ge $((${size:-0} * min_free)) ] ||
    die "only $(numfmt --to=iec "$free") free in $dir, and the newest dump takes $(numfmt --to=iec "$size") (--min-free $min_free)"
}

# check_size: is the newest dump about as big as the ones before it?
check_size() {
  local size median
  read -r _ size _ < <(dumps)
  median=$(dumps | awk 'NR > 1 && NR <= 8 { print $2 }' | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] + 0 }')
  [ $((size * 100)) -ge $((median * (100 - max_drop))) ] ||
    complain "the newest dump has $size bytes; the ones before had about $median"
}

check_newest() {
  local made size path age
  dumps >"$scratch/dumps"
  [ -s "$scratch/dumps" ] || die "no dump of $database in $dir"
  read -r made size path <"$scratch/dumps"
  age=$(($(date +%s) - ${made%.*}))
  seconds_of "$max_age"
  printf '%s: %s h old, %s bytes\n' "$path" "$((age / 3600))" "$size"
  [ "$age" -le "$seconds" ] || complain "the newest dump is older than $max_age"
  check_size
  [ "$complaints" -ne 0 ] || printf '%s: the newest dump is good\n' "$database"
}

why_not() {
  [ "$direct" = no ] || return 0
  [ "$(docker inspect --format '{{.State.Running}}' "$container" 2>/dev/null)" != false ] ||
    note "hint: the container is stopped: docker start $container"
}

# dump: into a folder of its own first, so that nothing unchecked ever has a dump's name.
dump() {
  local extension=.sql source=(docker exec "$container" pg_dump -U "$user" "$database") status=0
  [ "$direct" = no ] || source=(env "PGUSER=$user" pg_dump -- "$database")
  [ "$gzip" = no ] || extension=.sql.gz
  if [ "$dry_run" = yes ]; then
    quoted pai-backup capture --name "${database}_" --stamp date --ext "$extension" --expect-tail "$dump_footer" \
      --archive-dir "$dir" -- "${source[@]}"
    printf 'would run: %s\n' "$quoted"
    return 0
  fi
  [ -d "$dir" ] || try "make $dir" mkdir -p -m 0700 -- "$dir"
  check_space
  # What a killed run left behind.
  find -H "$dir" -maxdepth 1 -name '.incoming.*' -mmin +1440 -exec rm -rf {} +
  incoming=$(try "write into $dir" mktemp -d "$dir/.incoming.XXXXXX")
  dumped=$(pai-backup capture --name "${database}_" --stamp date --ext "$extension" --expect-tail "$dump_footer" \
    --archive-dir "$incoming" -- "${source[@]}") || status=$?
  if [ "$status" -ne 0 ]; then
    why_not
    die "no dump of $database was kept (exit $status)"
  fi
  [ "$restore_test" = no ] || restore_test "$dumped"
  try "put the dump into $dir" mv -f -- "$dumped" "$dir/"
  dumped=$dir/${dumped##*/}
  # From here on there is a dump.
  sync -- "$dir" || complain "could not make sure that $dumped is on the disk"
  # shellcheck disable=SC2310 # each of its commands is looked at
  [ -z "${STATE_DIR-}" ] || note_dump || complain "could not note the dump in $STATE_DIR"
  printf '%s\n' "$dumped"
  check_size
}

# note_dump: for health-check.sh.
note_dump() {
  mkdir -p -- "$STATE_DIR" &&
    printf '%s database %s\n' "$(date +%s)" "$dumped" >"$STATE_DIR/backup-verified.new" &&
    mv -f -- "$STATE_DIR/backup-verified.new" "$STATE_DIR/backup-verified"
}

main() {
  local database=codexdb container=codex_postgres user=codex dir=${BACKUP_DIR:-/backups} min_free=2 max_drop=50
  local max_age=30h file='' direct=no gzip=no restore_test=no check=no dry_run=no
  while [ $# -gt 0 ]; do
    case "$1" in
      -h | --help)
        usage
        return 0
        ;;
      --direct | --gzip | --restore-test | --check | --dry-run)
        local switch=${1#--}
        printf -v "${switch//-/_}" yes
        ;;
      -n) dry_run=yes ;;
      --container | --user | --dir | --min-free | --max-drop | --max-age | --file)
        [ -n "${2-}" ] || bad_usage "$1 needs a value"
        local option=${1#--}
        printf -v "${option//-/_}" '%s' "$2"
        shift
        ;;
      -*) bad_usage "unknown option: $1" ;;
      *) database=$1 ;;
    esac
    shift
  done
  [[ $database =~ ^[A-Za-z0-9_.-]+$ && $database != -* ]] || bad_usage "not a database's name: $database"
  [[ $min_free =~ ^[0-9]+$ && $max_drop =~ ^[0-9]{1,2}$ ]] || bad_usage '--min-free and --max-drop are whole numbers'
  umask 077
  other_ends_are_trouble
  # Whoever calls it from a folder that find(1) cannot come back to gets an answer all the same.
  dir=$(realpath -ms -- "$dir")
  [ -z "$file" ] || file=$(realpath -ms -- "$file")
  cd /
  incoming='' scratch=$(try 'make a temporary folder' mktemp -d)
  trap 'rm -rf "$scratch" ${incoming:+"$incoming"}' EXIT
  if [ "$check" = yes ]; then
    check_newest
  elif [ -n "$file" ]; then
    [ -r "$file" ] || die "could not read $file"
    check_footer "$file"
    [ "$restore_test" = no ] || restore_test "$file"
  else
    dump
  fi
  exit "$complaints"
}

main "$@"
