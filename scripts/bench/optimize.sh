#!/usr/bin/env bash
# pai-optimize against a straightforward fsyncing Python script of the documented job, and recall against grep -r.
# Usage: scripts/bench.sh optimize
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lib/timing.sh
. "$here/scripts/lib/timing.sh"

today=2025-09-16
export PAI_NOW=${today}T12:00:00Z TZ=UTC

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh optimize

Makes memory files of 72 KB and 50 MB under $TMPDIR, and times the job on fresh copies of them: pai-optimize, and
scripts/bench/optimize_baseline.py, which syncs every file it writes and does no more than the runbook
documents. BENCH_RUNS (5) runs of each, in turn.

Exit status: 0 done, 2 trouble.
TEXT
}

# workspaces SOURCE COUNT: COUNT fresh workspaces $work/home/1..COUNT, on disk before the clock starts.
workspaces() {
  local number
  rm -rf "${work:?}/home"
  for ((number = 1; number <= $2; number++)); do
    mkdir -p "$work/home/$number"
    cp "$1" "$work/home/$number/memory.md"
  done
  sync
}

# against JOB BAR SOURCE COUNT: a row. Each timing is COUNT workspaces, so that short jobs can be measured.
against() {
  local job=$1 bar=$2 source=$3 count=$4 round ours theirs
  # shellcheck disable=SC2016 # the inner bash expands these
  ours='for home in "$1"/*; do pai-optimize --once -q --home "$home"; done'
  # shellcheck disable=SC2016
  theirs='for home in "$1"/*; do python3 "$2" --today "$3" "$home"; done'
  : >"$work/ours"
  : >"$work/theirs"
  for ((round = 0; round < runs; round++)); do
    workspaces "$source" "$count"
    seconds bash -c "$ours" bench "$work/home" >>"$work/ours"
    workspaces "$source" "$count"
    seconds bash -c "$theirs" bench "$work/home" "$here/scripts/bench/optimize_baseline.py" "$today" >>"$work/theirs"
  done
  local a b peak
  a=$(cut -d' ' -f1 "$work/ours" | median)
  b=$(cut -d' ' -f1 "$work/theirs" | median)
  peak=$(cut -d' ' -f3 "$work/ours" | sort -n | tail -n 1)
  awk -v job="$job" -v bar="$bar" -v a="$a" -v b="$b" -v n="$count" -v peak="$peak" 'BEGIN {
    printf "| %s | `optimize_baseline.py` | wall %.3f s | %.3f s | **%.1fx** | %s | %.0f MiB |\n",
      job, b / n, a / n, b / a, bar, peak / 1024
  }'
}

main() {
  case "${1-}" in
    -h | --help)
      usage
      return 0
      ;;
  esac
  work=$(mktemp -d "${TMPDIR:-/tmp}/pai-bench-optimize.XXXXXX")
  # shellcheck disable=SC2064 # the name is meant as it is now
  trap "rm -rf '$work'" EXIT
  local make="$here/scripts/bench/optimize_input.py"
  python3 "$make" "$work/old.md" $((50 << 20)) 20000 19992 "$today"
  python3 "$make" "$work/one.md" $((50 << 20)) 20000 1 "$today"
  python3 "$make" "$work/small.md" $((72 << 10)) 60 52 "$today"

  table "pai-optimize"
  against "50 MB, 20,000 sections, all but 8 old" 10x "$work/old.md" 1
  against "50 MB, 20,000 sections, one old" 15x "$work/one.md" 1
  against "72 KB, 60 sections, all but 8 old" 10x "$work/small.md" 20

  workspaces "$work/old.md" 1
  pai-optimize --once -q --home "$work/home/1"
  local archive="$work/home/1/archive/memory"
  versus "recall over 20,000 archived sections, no match" wall 1x \
    "pai-optimize recall --home $work/home/1 'no such word'; true" "grep -rnE 'no such word' $archive; true"
  versus "recall of a word in 5% of the lines" wall 1x \
    "pai-optimize recall --home $work/home/1 -F 'deploy doctor'; true" "grep -rnF 'deploy doctor' $archive; true"
}

main "$@"
