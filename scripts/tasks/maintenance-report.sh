#!/usr/bin/env bash
# Writes the maintenance report: what ran, what grows, how old the backups are, what needs a look.
# Needs:  jq; gnuplot for the plots of --html
# Reads:  REPORT_*, LLM_*, METRICS_FILE, METRICS_RESTARTS, TREND_*, CAPACITY_DAYS, LOG_ARCHIVE; LOG_DIR/*.jsonl and their rotated copies
# Writes: REPORT_FILE, REPORT_HTML, LOG_DIR/actions.jsonl
# Exit:   0 written, whatever it says, 2 not done
set -euo pipefail
# shellcheck source=scripts/lib/task.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/task.sh"
# shellcheck source=scripts/lib/action.sh
. "$scripts_folder/lib/action.sh"
# shellcheck source=scripts/lib/trend.sh
. "$scripts_folder/lib/trend.sh"
# shellcheck source=scripts/lib/growth.sh
. "$scripts_folder/lib/growth.sh"
# shellcheck source=scripts/lib/plot.sh
. "$scripts_folder/lib/plot.sh"
# shellcheck source=scripts/lib/report-gather.sh
. "$scripts_folder/lib/report-gather.sh"
# shellcheck source=scripts/lib/report-stores.sh
. "$scripts_folder/lib/report-stores.sh"
# shellcheck source=scripts/lib/report-render.sh
. "$scripts_folder/lib/report-render.sh"

usage() {
  cat <<TEXT
Usage: tasks/maintenance-report.sh [--html FILE] [OPTION...]

Writes REPORT_FILE (LOG_DIR/maintenance_report.txt): what needs a look (a cause of several failures once), the actions of the last REPORT_DAYS (7), the last
run of each task, the vector stores with their sizes over time, least, most and mean of each figure of METRICS_FILE, the verdicts of trend-analysis, ages and sizes
of the backups, the load tests' results, times and failures of calls of language models, and which of these inputs
were missing.

  --html FILE    also one page that needs nothing beside it, with plots (or REPORT_HTML=FILE)
$task_help

Settings: REPORT_BACKUPS (BACKUP_DIR) folders whose newest entry must not be older than REPORT_BACKUP_AGE (36h);
REPORT_RESULTS files of the load tests; REPORT_LOGS (LOG_DIR/*.log) patterns of logs in which LLM_TIME_PATTERN is what
stands before a time and LLM_ERROR_PATTERN a failed call; LLM_ERROR_LIMIT (5) percent. Lists have ; between two.
TEXT
}

options() {
  while [ "${#words[@]}" -gt 0 ]; do
    [ "${words[0]}" = --html ] || bad_usage "unknown option: ${words[0]}"
    [ "${#words[@]}" -gt 1 ] || bad_usage '--html needs a value'
    REPORT_HTML=${words[1]}
    words=("${words[@]:2}")
  done
}

report_settings() {
  growth_settings
  setting LOG_ARCHIVE ''
  setting REPORT_FILE "$LOG_DIR/maintenance_report.txt"
  setting REPORT_HTML ''
  setting REPORT_DAYS 7
  setting REPORT_BACKUP_AGE 36h
  setting LLM_TIME_PATTERN '(processing|response|inference)[ _]time(_ms)?"?[ :=]+'
  setting LLM_ERROR_PATTERN 'llm.*(error|fail|time[d]? ?out)|(error|fail|time[d]? ?out).*llm'
  setting LLM_ERROR_LIMIT 5
  [[ $REPORT_DAYS =~ ^[1-9][0-9]{0,3}$ ]] || die "REPORT_DAYS: not a number of days: $REPORT_DAYS"
  [[ $LLM_ERROR_LIMIT =~ ^[0-9]+(\.[0-9]+)?$ ]] || die "LLM_ERROR_LIMIT: not a number: $LLM_ERROR_LIMIT"
  html=$REPORT_HTML
}

# publish RENDERER FILE: a reader of FILE sees the last report or this one, never half of one.
publish() {
  if [ "$dry_run" = yes ]; then
    echo "would write $2"
    return 0
  fi
  "$1" >"$2.part"
  mv -f -- "$2.part" "$2"
  echo "wrote $2"
}

main() {
  task_begin "$@"
  options
  report_settings
  need jq
  local generated now since part
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  generated=$(date -Iseconds) now=$(date +%s)
  since=$(date -Iseconds -d "$REPORT_DAYS days ago")
  for part in runs actions stores metrics backups results calls; do
    "gather_$part"
  done
  [ "$verbose" = no ] || render_text
  publish render_text "$REPORT_FILE"
  [ -z "$html" ] || publish render_html "$html"
  record_action maintenance-report "$REPORT_FILE" write ok "attention=${#attention[@]}" "missing=${#missing[@]}"
  echo "${#attention[@]} to look at, ${#missing[@]} inputs missing"
  task_end
}

main "$@"
