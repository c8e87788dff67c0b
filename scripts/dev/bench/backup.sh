#!/usr/bin/env bash
# pai-backup against tar, pigz, gzip, restic and borg. Run through scripts/bench.sh backup.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
export BENCH_RUNS=${BENCH_RUNS:-3}
# shellcheck source=scripts/dev/lib/timing.sh
. "$here/scripts/dev/lib/timing.sh"
# shellcheck source=scripts/dev/lib/bench_tree.sh
. "$here/scripts/dev/lib/bench_tree.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh backup

Times pai-backup on a tree of 500 MB (the local cargo registry's sources, as often as it takes, no copy the
same), on 100,000 small files and on a growing file of 200 MB, against the tools people use for it. Takes
about ten minutes and 3 GB under $TMPDIR, which is removed afterwards.

Environment:
  BENCH_RUNS     runs of each command after a warm-up [default: 3]
  BENCH_MILLION  1: also back up 1,000,000 files, twice

Exit status: 0 done, otherwise that of the step that failed.
TEXT
}

# make_small FOLDER COUNT BYTES: COUNT files of up to BYTES bytes, 500 to a folder.
make_small() {
  python3 - "$@" <<'PYTHON'
import os, random, sys

folder, count, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
text = open(os.__file__).read()
random.seed(1)
for number in range(count):
    if number % 500 == 0:
        below = f"{folder}/{number // 50000}/{number // 500}"
        os.makedirs(below)
    start = random.randrange(len(text) - limit)
    with open(f"{below}/note-{number}.md", "w") as file:
        file.write(text[start:start + random.randrange(limit)])
PYTHON
}

# archive HOME: the archive that the next runs compare with. Files must be older than it by more than a clock
# step of the file system, or they are read again.
archive() {
  sleep 4
  pai-backup --quiet --home "$1" --archive-dir "$1.archives" --no-rotate >/dev/null
}

# next HOME: the shell line that archives HOME as it is now, beside the archives it may reuse.
next() {
  echo "pai-backup -q --home $1 --archive-dir $1.archives -o ours.tar.gz"
}

# in_repositories HOME: HOME/tree in a fresh restic and a fresh borg repository.
in_repositories() {
  rm -rf restic borg caches
  restic init --quiet
  borg init --encryption none
  restic backup --quiet "$1/tree"
  borg create "::first" "$1/tree"
}

# touch_some LIST: the shell line that appends to each file named in LIST.
touch_some() {
  echo "while read -r file; do echo '// changed' >>\"\$file\"; done <$1"
}

first_archive() {
  local -x one
  tar -czf tar.tar.gz -C home tree
  tar -cf - -C home tree | pigz -6 >pigz.tar.gz
  pai-backup --quiet --home home --full -o ours.tar.gz >/dev/null
  # The commands below read it: its long name would blow up the table.
  one=$(pai-backup list ours.tar.gz | grep '\.rs$' | awk '{ a[NR] = $0 } END { print a[int(NR / 2)] }')
  table "pai-backup: one archive"
  versus "create" wall 6x "pai-backup -q --home home --full -o ours.tar.gz" "tar -czf tar.tar.gz -C home tree"
  versus "create" wall 3x "pai-backup -q --home home --full -o ours.tar.gz" \
    "tar -cf - -C home tree | pigz -6 >pigz.tar.gz"
  # Whoever comes next would wait for what the one before left unwritten.
  local fresh='rm -rf restic borg caches && restic init --quiet && borg init --encryption none && sync'
  prepare=$fresh
  versus "create" wall 1.3x "pai-backup -q --home home --full -o ours.tar.gz" "restic backup -q home/tree"
  versus "create" wall 3x "pai-backup -q --home home --full -o ours.tar.gz" \
    "borg create --compression zlib,6 ::{now:%s-%f} home/tree"
  prepare=
  bash -c "$fresh" && restic backup -q home/tree && borg create --compression zlib,6 ::first home/tree
  versus "list" wall 100x "pai-backup list ours.tar.gz" "tar -tzf ours.tar.gz"
  versus "verify" wall 2x "pai-backup verify ours.tar.gz" "gzip -t ours.tar.gz"
  # Used folders are put aside, not deleted: ext4 searches long for an inode that was not freed within the last seconds.
  mkdir back used
  # shellcheck disable=SC2016 # expanded when it runs
  prepare='mv back "used/$(date +%s%N)" && mkdir back'
  versus "one file" wall 50x "pai-backup restore ours.tar.gz --target back \"\$one\"" \
    "tar -xzf ours.tar.gz -C back \"\$one\""
  versus "restore all" wall 1.5x "pai-backup restore ours.tar.gz --target back" "tar -xzf ours.tar.gz -C back"
  prepare=
  rm -rf back used
  printf '\nSizes: ours %s, tar -czf %s, pigz -6 %s, restic %s, borg %s bytes\n' "$(stat -c %s ours.tar.gz)" \
    "$(stat -c %s tar.tar.gz)" "$(stat -c %s pigz.tar.gz)" "$(du -sb restic | cut -f1)" "$(du -sb borg | cut -f1)"
  printf 'The compressor alone, on the same chunks: '
  (cd "$here" && cargo run --quiet --release --locked -p pai-backup --example deflate_alone -- "$work/ours.tar.gz")
}

later_archives() {
  local ours tar='tar -czf tar.tar.gz -C home tree' total
  local restic='restic backup -q home/tree' borg='borg create ::{now:%s-%f} home/tree'
  ours=$(next home)
  table "pai-backup: the next archive"
  archive home
  in_repositories home
  BENCH_RUNS=2 again "nothing changed" 50x "$ours" "$tar"
  versus "nothing changed" wall 1x "$ours" "$restic" "$borg"

  find home/tree -type f -name '*.rs' | sort >files
  total=$(find home/tree -type f | wc -l)
  # Neighbours in the order of the walk: the project that someone works on.
  head -n "$((total / 100))" files >in-one-place
  some_of 1 "$((total / 100))" files >at-random
  for spread in in-one-place at-random; do
    archive home
    prepare=$(touch_some "$spread")
    BENCH_RUNS=2 again "1 % changed, ${spread//-/ }" 25x "$ours" "$tar"
    versus "1 % changed, ${spread//-/ }" wall 4x "$ours" "$restic" "$borg"
    prepare=
  done

  make_small small/tree 100000 2000
  archive small
  in_repositories small
  versus "100,000 small files, nothing changed" wall 1x "$(next small)" "${restic/home/small}" "${borg/home/small}"

  mkdir big
  tar -cf tree.tar -C home tree
  head -c 200M tree.tar >big/log
  archive big
  prepare='truncate -s 200M big/log && tail -c 1M tree.tar >>big/log'
  versus "200 MB file appended by 1 MB" wall 10x "$(next big)" "tar -czf tar.tar.gz -C big log"
  prepare=
}

# again ARGUMENT...: versus on wall time with BENCH_RUNS as it is now: tar takes long, and its ratio is far from close.
again() {
  local runs=$BENCH_RUNS job=$1 bar=$2
  shift 2
  versus "$job" wall "$bar" "$@"
}

a_million() {
  table "pai-backup: 1,000,000 files"
  make_small million/tree 1000000 200
  sleep 4
  alone "first archive" "pai-backup -q --home million --no-rotate"
  alone "nothing changed" "pai-backup -q --home million --no-rotate"
}

main() {
  begin backup "$@"
  cd "$work"
  export RESTIC_REPOSITORY=$work/restic RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=$work/caches/restic
  export BORG_REPO=$work/borg BORG_BASE_DIR=$work/caches/borg
  make_tree 500
  first_archive
  later_archives
  [ "${BENCH_MILLION-}" != 1 ] || a_million
}

main "$@"
