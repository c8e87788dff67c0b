# shellcheck shell=bash
# Timing whole commands: medians of several runs, paired so that a drifting machine cannot favour a side.

runs=${BENCH_RUNS:-5}
# A shell line that runs, untimed, before each run: what puts back what a run used up.
prepare=

# begin NAME [--help]: the section's help, or a folder for its files, $work, removed at the end.
begin() {
  case "${2-}" in
    -h | --help)
      usage
      exit 0
      ;;
  esac
  work=$(mktemp -d "${TMPDIR:-/tmp}/pai-bench-$1.XXXXXX")
  trap 'rm -rf "$work"' EXIT
}

# seconds COMMAND...: runs $prepare, then prints wall, CPU (user + system) seconds and peak KiB of one run, on one line.
# What the command prints is thrown away; a failing command ends the section.
seconds() {
  local out
  bash -c "$prepare" >/dev/null || return 1
  out=$(mktemp)
  if ! command time --quiet --format '%e %U %S %M' --output "$out" "$@" >/dev/null 2>"$out.err"; then
    cat "$out.err" >&2
    echo "could not time: $*" >&2
    rm -f "$out" "$out.err"
    return 1
  fi
  awk '{ print $1, $2 + $3, $4 }' "$out"
  rm -f "$out" "$out.err"
}

# median: the middle one of the numbers on stdin.
median() {
  sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# versus JOB FIGURE BAR OURS OTHER...: runs the shell lines OURS and each OTHER in turn, `runs` times after
# one warm-up, and prints a Markdown row for each OTHER. FIGURE is wall or cpu; BAR is the ratio to beat.
versus() {
  local job=$1 figure=$2 bar=$3 ours=$4 field other round
  shift 4
  case "$figure" in
    wall) field=1 ;;
    cpu) field=2 ;;
  esac
  for other in "$@"; do
    local ours_log other_log
    ours_log=$(mktemp)
    other_log=$(mktemp)
    seconds bash -c "$ours" >/dev/null || return 1
    seconds bash -c "$other" >/dev/null || return 1
    for ((round = 0; round < runs; round++)); do
      seconds bash -c "$ours" >>"$ours_log" || return 1
      seconds bash -c "$other" >>"$other_log" || return 1
    done
    local a b peak
    a=$(cut -d' ' -f"$field" "$ours_log" | median)
    b=$(cut -d' ' -f"$field" "$other_log" | median)
    peak=$(cut -d' ' -f3 "$ours_log" | sort -n | tail -n 1)
    awk -v job="$job" -v figure="$figure" -v bar="$bar" -v a="$a" -v b="$b" -v peak="$peak" -v other="$other" 'BEGIN {
      if (a == 0) a = 0.005
      gsub(/[|]/, "\\\\|", other)
      printf "| %s | `%s` | %s %.2f s | %.2f s | **%.1fx** | %s | %.0f MiB |\n", job, other, figure, b, a, b / a, bar, peak / 1024
    }'
    rm -f "$ours_log" "$other_log"
  done
}

# alone JOB COMMAND: a row for one run that nothing is compared with.
alone() {
  local figures
  figures=$(seconds bash -c "$2") || return 1
  awk -v job="$1" '{ printf "| %s | | wall | %.2f s | | | %.0f MiB |\n", job, $1, $3 / 1024 }' <<<"$figures"
}

# table TITLE: the heading of a section's table.
table() {
  printf '\n### %s\n\n| job | against | it takes | ours | faster | bar | our peak memory |\n| --- | --- | --- | --- | --- | --- | --- |\n' "$1"
}
