#!/usr/bin/env bash
# pai-optimize against a straightforward fsyncing Python script of the documented job, and recall against grep -r.
# Usage: scripts/bench.sh optimize
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=scripts/dev/lib/timing.sh
. "$here/scripts/dev/lib/timing.sh"

today=2025-09-16
export PAI_NOW=${today}T12:00:00Z TZ=UTC

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh optimize

Makes memory files of 72 KB and 50 MB under $TMPDIR, and times the job on fresh copies of them: pai-optimize, and
scripts/dev/bench/optimize_baseline.py, which syncs every file it writes and does no more than the runbook
documents. `each` runs a command in every workspace, so that short jobs can be measured; BENCH_RUNS (5) of each.

Not within five minutes of deleting many files: ext4 steers clear of inodes that were just freed, one by one, and
that can take longer than the job.

Exit status: 0 done, 2 trouble.
TEXT
}

# workspaces SOURCE COUNT: the shell line for COUNT fresh workspaces, on disk before the clock starts. Used ones are
# put aside, not deleted: ext4 searches long for an inode that was not freed within the last seconds.
workspaces() {
  echo "cd '$work'; mkdir -p used home; mv home used/\$(date +%s%N); \
    for n in \$(seq $2); do mkdir -p home/\$n && cp '$1' home/\$n/memory.md; done; sync"
}

# job TITLE BAR SOURCE COUNT: a row for the whole job.
job() {
  prepare=$(workspaces "$3" "$4")
  versus "$1" wall "$2" "each pai-optimize --once -q --home" "each optimize_baseline.py --today $today"
}

main() {
  begin optimize "$@"
  cat >"$work/each" <<'SH'
#!/bin/sh
for home in "${0%/*}"/home/*; do "$@" "$home"; done
SH
  chmod +x "$work/each"
  PATH=$work:$here/scripts/dev/bench:$PATH
  optimize_input.py "$work/old.md" $((50 << 20)) 20000 19992 "$today"
  optimize_input.py "$work/one.md" $((50 << 20)) 20000 1 "$today"
  optimize_input.py "$work/small.md" $((72 << 10)) 60 52 "$today"

  table "pai-optimize"
  job "50 MB, 20,000 sections, all but 8 old" 10x "$work/old.md" 1
  job "50 MB, 20,000 sections, one old" 15x "$work/one.md" 1
  job "72 KB, 60 sections, all but 8 old, 20 times" 10x "$work/small.md" 20

  bash -c "$(workspaces "$work/old.md" 1)"
  each pai-optimize --once -q --home
  cd "$work/home/1"
  prepare=
  # Into a pipe: grep stops at the first match of each file where its output is /dev/null.
  local word
  for word in 'no such words' 'deploy doctor'; do
    versus "recall over 20,000 archived sections" wall 1x \
      "pai-optimize recall --home . -F -e '$word' | cat" "grep -rnF '$word' archive | cat"
  done
  for word in 'nowhere' 'deploy doctor'; do
    versus "recall of words, ranked, over the same" wall 1x \
      "pai-optimize recall --home . $word | cat" "grep -rniE '${word// /|}' archive | cat"
  done
}

main "$@"
