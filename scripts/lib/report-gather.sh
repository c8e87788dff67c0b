# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the report; settings are stack.sh's
# What the maintenance report is made of: each part a table in $scratch, columns parted by tabs, its header first.
# What needs a look goes to attention, what is not there to missing: a report must not look better than what it saw.

attention=() missing=()

# age_of SECONDS: as 12 min, 3 h, 5 d, in $age.
age_of() {
  if [ "$1" -lt 5400 ]; then
    age="$(($1 / 60)) min"
  elif [ "$1" -lt 172800 ]; then
    age="$(($1 / 3600)) h"
  else
    age="$(($1 / 86400)) d"
  fi
}

size_of() { numfmt --to=iec --suffix=B --format=%.1f -- "$1"; }

# records FILE WRITER FILTER: the JSON lines of FILE, and of its copies that log-rotation made, through jq's FILTER, which
# gets them as one array; false if there are none.
records() {
  local file=$scratch/$1 copy broken
  for copy in "$LOG_DIR/$1"-[0-9]* "$LOG_DIR/${LOG_ARCHIVE:-archive}/$1"-[0-9]* "$LOG_DIR/$1"; do
    [ ! -f "$copy" ] || zcat -f -- "$copy"
  done >"$file"
  if [ ! -s "$file" ]; then
    missing+=("$1: not there yet ($2 writes it)")
    return 1
  fi
  broken=$(jq -Rn '[inputs | select(([fromjson?] | .[0] | type) != "object")] | length' "$file")
  [ "$broken" -eq 0 ] || missing+=("$1: $broken lines are not JSON")
  jq -Rrn --arg since "$since" "[inputs | fromjson? | objects] | $3" "$file" || missing+=("$1: not the records it should have")
}

gather_runs() {
  printf 'Task\tState\tLast run\tTook\tLast success\tWhy\n' >"$scratch/runs"
  # shellcheck disable=SC2016 # jq's own variables
  records maintenance.jsonl maintenance.sh 'map(select(.type == "task" and .mode != "dry-run" and (.time | type) == "string")) | group_by(.task)
    | map(.[-1] + {success: ([.[] | select(.status == "ok") | .time] | last)}) | sort_by(.time) | reverse[]
    | [.task, .status, (.time[0:16] | sub("T"; " ")), "\(.seconds) s", ((.success // "never")[0:16] | sub("T"; " ")), .reason // ""] | @tsv' >>"$scratch/runs" || return 0
  gather_causes
}

# cause_of REASON: what is behind a task's failure, in $cause; many tasks say the same in their own words.
cause_of() {
  cause=${1#error: }
  [[ ! $cause =~ ^exit\ [0-9]+:\ (.*)$ ]] || cause=${BASH_REMATCH[1]}
  case "$cause" in
    *'docker daemon'* | *docker.sock*) cause='the docker daemon does not answer' ;;
    *'No space left on device'* | *'disk full'*) cause='no space is left on a disk' ;;
  esac
}

# gather_causes: a cause of several failures is one thing to look at.
gather_causes() {
  local task state when took success why cause several causes=()
  local -A tasks=() first=()
  while IFS=$'\t' read -r task state when took success why; do
    [ "$state" = failed ] || continue
    cause_of "$why"
    [ -n "${tasks[$cause]-}" ] || causes+=("$cause")
    first[$cause]=${first[$cause]-$task failed ($when): ${why#error: }}
    tasks[$cause]+=${tasks[$cause]:+, }$task
  done <"$scratch/runs"
  for cause in "${causes[@]}"; do
    if [[ ${tasks[$cause]} == *,* ]]; then
      several=${tasks[$cause]//[^,]/}
      attention+=("$cause; for this reason $((${#several} + 1)) tasks failed: ${tasks[$cause]}")
    else
      attention+=("${first[$cause]}")
    fi
  done
}

gather_actions() {
  printf 'Time\tTask\tResult\tAction\tFigures\n' >"$scratch/actions"
  # shellcheck disable=SC2016 # jq's own variables
  records actions.jsonl 'what maintains' 'map(select(.time >= $since)) | reverse[]
    | [(.time[0:16] | sub("T"; " ")), .task, .result, "\(.action) \(.target)",
       (to_entries | map(select((.value | type) == "number" and (.key | test("^p[0-9]|^recall") | not)) | "\(.key | gsub("_"; " ")) \(.value)") | join(", "))] | @tsv' >>"$scratch/actions" || return 0
}

gather_metrics() {
  printf 'Figure\tMin\tMax\tMean\tLast\tSamples\n' >"$scratch/metrics"
  printf 'Figure\tTrend\n' >"$scratch/trends"
  if [ ! -s "$METRICS_FILE" ]; then
    missing+=("${METRICS_FILE##*/}: not there yet (tasks/metrics.sh writes it)")
    return 0
  fi
  local column last
  while read -r column; do
    series "$METRICS_FILE" "$column" "$TREND_WINDOW" |
      awk -v name="$column" -v OFS='\t' '
        { last = $2; sum += $2; if (NR == 1 || $2 < low) low = $2; if (NR == 1 || $2 > high) high = $2 }
        function short(v) { return v == int(v) ? sprintf("%.0f", v) : sprintf("%.2f", v) }
        END { if (NR) print name, short(low), short(high), short(sum / NR), short(last), NR }'
  done < <(all_columns) >>"$scratch/metrics"
  for column in "${growth_columns[@]}"; do
    growth "$column" "$scratch/points-$column"
    printf '%s\t%s\n' "$column" "$summary" >>"$scratch/trends"
    case "$alarm" in
      trend) attention+=("$column $summary") ;;
      undecided) missing+=("trend of $column: $summary") ;;
    esac
    [ "$points" -eq 0 ] || draw "$column"
  done
  last=$((now - $(stat -c %Y -- "$METRICS_FILE")))
  age_of "$last"
  [ "$last" -le 93600 ] || missing+=("${METRICS_FILE##*/}: nothing was measured for $age")
}

# draw COLUMN: its plot, if there is somewhere to show it.
draw() {
  [ -n "$html" ] || return 0
  if ! command -v gnuplot >/dev/null; then
    [[ ${missing[*]-} == *gnuplot* ]] || missing+=('plots: gnuplot is not installed')
    return 0
  fi
  plot_growth "$1" "$scratch/points-$1" "$scratch/$1.svg"
}

# gather_backups: of each folder of REPORT_BACKUPS the newest entry, and all of them.
gather_backups() {
  printf 'Folder\tNewest\tAge\tSize\tCopies\tIn all\n' >"$scratch/backups"
  local folder newest time count sum name
  setting_list REPORT_BACKUPS "$BACKUP_DIR"
  for folder in "${list[@]}"; do
    [[ $folder == /* ]] || folder=$STACK_HOME/$folder
    newest='' count=0
    while read -r time name; do
      newest=$name count=$((count + 1))
    done < <(find -H "$folder" -mindepth 1 -maxdepth 1 ! -name '.*' ! -name '*.partial' ! -name '*.incomplete' ! -name '*.tmp' \
      ! -type l -printf '%T@ %f\n' 2>/dev/null | sort -n)
    if [ -z "$newest" ]; then
      missing+=("backups: none in $folder")
      continue
    fi
    sum=$(du -sb -- "$folder" | cut -f1)
    time=$((now - $(stat -c %Y -- "$folder/$newest")))
    age_of "$time"
    printf '%s\t%s\t%s\t%s\t%d\t%s\n' "$folder" "$newest" "$age" "$(size_of "$(du -sb -- "$folder/$newest" | cut -f1)")" \
      "$count" "$(size_of "$sum")" >>"$scratch/backups"
    seconds_of "$REPORT_BACKUP_AGE"
    [ "$time" -le "$seconds" ] || attention+=("the newest backup in $folder is $age old: $newest")
  done
}

# gather_results: the figures of the load tests.
gather_results() {
  printf 'Test\tMeasured\tRequests\tFailed\tMean\tp95\tA second\n' >"$scratch/results"
  local file
  setting_list REPORT_RESULTS "$LOG_DIR/stress_test_results.json;$LOG_DIR/performance_results.json"
  for file in "${list[@]}"; do
    if [ ! -s "$file" ]; then
      missing+=("${file##*/}: not there yet")
    elif ! jq -r --arg name "${file##*/}" --arg when "$(date -r "$file" '+%F %H:%M')" \
      'def short: if type == "number" then . * 1000 | round / 1000 else "-" end;
      def seconds: short | if . == "-" then . else "\(.) s" end;
      (.summary // .) | [$name, $when, (.total_queries // .total_requests // "-"), (.fail_count // .failed_requests // "-"),
        (.avg_latency | seconds), ((.p95_latency // .p95) | seconds), (.throughput_qps | short)] | @tsv' "$file" 2>/dev/null >>"$scratch/results"; then
      missing+=("${file##*/}: not the JSON it should be")
    fi
  done
}

# gather_calls: what the logs say of calls to language models.
gather_calls() {
  printf 'Calls\tFailed\tRate\tp50\tp95\tp99\tLongest\n' >"$scratch/calls"
  local pattern files=() calls failed percent p50 p95 p99 longest
  setting_list REPORT_LOGS "$LOG_DIR/*.log"
  for pattern in "${list[@]}"; do
    [[ $pattern == /* ]] || pattern=$STACK_HOME/$pattern
    while read -r file; do
      [[ ${file##*/} =~ ^maintenance-[0-9_]+\.log$ ]] || files+=("$file")
    done < <(compgen -G "$pattern" || true)
  done
  if [ "${#files[@]}" -eq 0 ]; then
    missing+=("calls of language models: no logs like ${list[*]-}")
    return 0
  fi
  # Of each log its end: a report should not read for an hour.
  read -r calls failed percent p50 p95 p99 longest < <(tail -q -c 50M -- "${files[@]}" |
    SINCE=${since%%T*} TIME_PATTERN=$LLM_TIME_PATTERN ERROR_PATTERN=$LLM_ERROR_PATTERN awk -f "$figures_folder/log-figures.awk")
  if [ "$calls" -eq 0 ]; then
    missing+=("calls of language models: none in ${#files[@]} logs (LLM_TIME_PATTERN, LLM_ERROR_PATTERN)")
    return 0
  fi
  printf '%d\t%d\t%s %%\t%s s\t%s s\t%s s\t%s s\n' "$calls" "$failed" "$percent" "$p50" "$p95" "$p99" "$longest" >>"$scratch/calls"
  if awk -v a="$percent" -v b="$LLM_ERROR_LIMIT" 'BEGIN { exit !(a > b) }'; then
    attention+=("$percent % of $calls calls of language models failed")
  fi
}
