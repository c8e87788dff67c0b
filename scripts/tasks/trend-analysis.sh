#!/usr/bin/env bash
# Says whether memory or disk use has been growing, and when the limit is reached, from the figures of metrics.
# Needs:  gnuplot for --plot
# Reads:  METRICS_FILE, METRICS_RESTARTS, TREND_*, CAPACITY_DAYS
# Writes: the file of --plot
# Exit:   0 no trend that matters, 1 one, or nothing to draw, 2 not done, 75 too few figures
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/trend.sh
. "$scripts_folder/lib/trend.sh"
# shellcheck source=scripts/lib/growth.sh
. "$scripts_folder/lib/growth.sh"
# shellcheck source=scripts/lib/plot.sh
. "$scripts_folder/lib/plot.sh"

usage() {
  cat <<TEXT
Usage: tasks/trend-analysis.sh [--column NAME]... [--plot FILE.svg] [OPTION...]

A verdict for memory_mb, disk_percent and gpu_mem of METRICS_FILE (LOG_DIR/usage_metrics_log.csv) over its last
TREND_WINDOW (168) lines: Theil-Sen slope, and whether Mann and Kendall's test, widened for figures that resemble
their neighbours, calls it a trend (1 % level). What was before the last restart does not count. With
fewer than TREND_LEAST (20) points it says so and decides nothing.

  --column NAME    this column of the file instead (may be repeated)
  --plot FILE.svg  draw the first column: its points, the slope, the limit (needs gnuplot)
$task_help

It is a trend that matters (exit 1) if a column reaches its limit within CAPACITY_DAYS (60); if memory_mb or gpu_mem has
grown by more than TREND_GROWN (10) percent of its limit since the last restart, or by TREND_SLOPE MB a sample or more (not
set; the documented rule is 0.05); and if any column without a limit grows at all. --verbose says the test's figures. The limits are
TREND_MEMORY_LIMIT (the machine's memory, in MB), TREND_DISK_LIMIT (100) and TREND_GPU_LIMIT (none).
Exit 75 if there were too few points for a column, and no trend in the others.
TEXT
}

options() {
  columns=() plot=
  while [ "${#words[@]}" -gt 0 ]; do
    case "${words[0]}" in
      --column | --plot) [ "${#words[@]}" -gt 1 ] || bad_usage "${words[0]} needs a value" ;;
    esac
    case "${words[0]}" in
      --column) columns+=("${words[1]}") ;;
      --plot) plot=${words[1]} ;;
      *) bad_usage "unknown option: ${words[0]}" ;;
    esac
    words=("${words[@]:2}")
  done
}

main() {
  task_begin "$@"
  options
  growth_settings
  [ -z "$plot" ] || need gnuplot
  [ -r "$METRICS_FILE" ] || not_here "no figures yet: $METRICS_FILE is written by metrics"
  local column undecided='' known
  known=$(all_columns)
  for column in "${columns[@]}"; do
    [[ $column =~ ^[A-Za-z0-9_]+$ && $'\n'$known$'\n' == *$'\n'"$column"$'\n'* ]] || bad_usage "no column $column in $METRICS_FILE"
  done
  [ "${#columns[@]}" -gt 0 ] || columns=("${growth_columns[@]}")
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  for column in "${columns[@]}"; do
    growth "$column" "$scratch/$column"
    printf '%-13s %s\n' "$column" "$summary"
    case "$alarm" in
      trend) complain "$column $summary" ;;
      undecided) undecided+="${undecided:+; }$column: $summary" ;;
    esac
    if [ -n "$plot" ] && [ "$column" = "${columns[0]}" ]; then
      if [ "$points" -eq 0 ]; then
        complain "nothing to draw: $column has no figures"
      elif [ "$dry_run" = yes ]; then
        echo "would draw $plot"
      else
        plot_growth "$column" "$scratch/$column" "$plot"
      fi
    fi
  done
  [ "$complaints" -eq 0 ] || task_end
  [ -z "$undecided" ] || not_here "$undecided"
}

main "$@"
