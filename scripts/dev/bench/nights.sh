#!/usr/bin/env bash
# What two nights share: the new bytes of each kind of change, beside what restic and borg store for it.
# Run through scripts/bench.sh nights.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=scripts/dev/lib/timing.sh
. "$here/scripts/dev/lib/timing.sh"
# shellcheck source=scripts/dev/lib/bench_tree.sh
. "$here/scripts/dev/lib/bench_tree.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh nights

Changes a tree of source files and a SQLite file of 200 MB in one way after another, backs them up after each with
pai-backup, restic and borg, and prints how many bytes each of them stores anew: the members that the last
archive does not have, and by how much the repositories grew. Takes about three minutes and 2 GB under $TMPDIR,
which is removed afterwards.

Environment:
  BENCH_MB  size of the tree of source files [default: 300]

Exit status: 0 done, otherwise that of the step that failed.
TEXT
}

# size FOLDER: bytes of all files below it.
size() {
  find "$1" -type f -printf '%s\n' | awk '{ s += $1 } END { printf "%d\n", s }'
}

# archive_all NUMBER: archive, restic snapshot and borg archive of the tree as it is.
archive_all() {
  # A file younger than a clock step of the file system is read again the next time.
  sleep 3
  pai-backup -q --home home --archive-dir archives --no-rotate -o "archives/pai-20250916-0900$(printf %02d "$1").tar.gz" >/dev/null
  restic backup --quiet home/tree
  borg create --compression zlib,6 "::night-$1" home/tree
}

night=0
# night CHANGE COMMAND...: a row.
night() {
  local change=$1 before=$night new index restic borg
  shift
  "$@"
  restic=$(size restic)
  borg=$(size borg)
  night=$((night + 1))
  archive_all "$night"
  read -r new index < <(python3 "$here/scripts/dev/bench/new_members.py" \
    "archives/pai-20250916-0900$(printf %02d "$before").tar.gz" \
    "archives/pai-20250916-0900$(printf %02d "$night").tar.gz")
  restic=$(($(size restic) - restic))
  borg=$(($(size borg) - borg))
  awk -v change="$change" -v new="$new" -v share="$index" -v restic="$restic" -v borg="$borg" 'BEGIN {
    printf "| %s | %.1f | %.1f | %.1f | %.1f | %.2fx |\n", change, new / 1e3, share / 1e3, restic / 1e3, borg / 1e3, new / restic
  }'
}

append_to() {
  local file
  while IFS= read -r file; do
    echo '// changed' >>"$file"
  done
}

in_one_place() {
  awk -v count="$hundredth" 'NR > 1000 && NR <= 1000 + count' files | append_to
}

at_random() {
  append_to < <(some_of 1 "$hundredth" files)
}

# sql TEXT: on the database; what it writes is in the file itself afterwards.
sql() {
  python3 - "$1" <<'PYTHON'
import sqlite3, sys

with sqlite3.connect("home/tree/notes.db") as base:
    base.executescript(sys.argv[1])
PYTHON
}

# database: a table of 200 MB, rows of text.
database() {
  python3 - <<'PYTHON'
import os, random, sqlite3

random.seed(1)
text = "".join(open(os.path.join(os.path.dirname(os.__file__), name)).read() for name in ("os.py", "typing.py", "argparse.py"))
base = sqlite3.connect("home/tree/notes.db")
base.execute("create table notes (id integer primary key, body text)")
total = 0
while total < 190_000_000:
    start, length = random.randrange(len(text) - 2000), random.randrange(200, 2000)
    base.execute("insert into notes (body) values (?)", (random.randbytes(40).hex() + text[start:start + length],))
    total += length + 80
base.commit()
PYTHON
}

delete_some() {
  some_of 2 "$hundredth" files | xargs -d '\n' rm
}

rename_one() {
  local folder
  folder=$(find home/tree/copy-1 -mindepth 2 -maxdepth 2 -type d | sort | awk 'NR == 5')
  printf 'the renamed folder: %s files, %s bytes\n' "$(find "$folder" -type f | wc -l)" "$(size "$folder")" >renamed
  mv "$folder" "$folder-renamed"
}

main() {
  begin nights "$@"
  cd "$work"
  export RESTIC_REPOSITORY=$work/restic RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=$work/caches/restic
  export BORG_REPO=$work/borg BORG_BASE_DIR=$work/caches/borg
  make_tree "${BENCH_MB:-300}"
  mkdir archives
  restic init --quiet
  borg init --encryption none
  archive_all 0
  printf '\nFirst archive: ours %s, restic %s, borg %s bytes\n' "$(size archives)" "$(size restic)" "$(size borg)"
  find home/tree -type f -name '*.rs' | sort >files
  hundredth=$(($(find home/tree -type f | wc -l) / 100))

  printf '\n### What two nights share\n\nNew bytes in kB (1000 bytes).\n\n'
  printf '| change | ours | of them index | restic | borg | ours / restic |\n| --- | --- | --- | --- | --- | --- |\n'
  night "none" true
  night "one line appended to one file" append_to <<<"$(sed -n 2000p files)"
  night "a line appended to 1 % of the files, in one place" in_one_place
  night "a line appended to 1 % of the files, at random" at_random
  night "a SQLite file of 200 MB comes" database
  night "1,000 rows appended to it" sql \
    "insert into notes (body) select hex(randomblob(40)) || body from notes where id <= 1000"
  night "100 rows in its middle updated" sql \
    "update notes set body = upper(body) where id between (select max(id) / 2 from notes) and (select max(id) / 2 + 99 from notes)"
  night "100 rows updated, spread over it" sql \
    "update notes set body = upper(body) where id % (select max(id) / 100 from notes) = 7"
  night "1 % of the files deleted, at random" delete_some
  night "a folder renamed" rename_one
  cat renamed
}

main "$@"
