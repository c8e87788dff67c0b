# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the callers; settings are stack.sh's
# Which columns of the metrics are watched for growth, against which limits, and what the verdict means.

growth_columns=(memory_mb disk_percent gpu_mem)
declare -A unit_of=([memory_mb]=MB [disk_percent]=% [gpu_mem]=MB [cpu_percent]=% [gpu_load]=% [bytes_sent]=bytes [bytes_recv]=bytes)

growth_settings() {
  setting METRICS_FILE "$LOG_DIR/usage_metrics_log.csv"
  setting METRICS_RESTARTS "$LOG_DIR/usage_metrics_restarts.csv"
  setting TREND_WINDOW 168
  setting TREND_LEAST 20
  setting TREND_SLOPE ''
  setting TREND_GROWN 10
  setting TREND_MEMORY_LIMIT "$(awk '$1 == "MemTotal:" { printf "%d", $2 / 1024 }' /proc/meminfo)"
  setting TREND_DISK_LIMIT 100
  setting TREND_GPU_LIMIT ''
  setting CAPACITY_DAYS 60
  local name
  for name in TREND_WINDOW TREND_LEAST TREND_SLOPE TREND_GROWN TREND_MEMORY_LIMIT TREND_DISK_LIMIT TREND_GPU_LIMIT CAPACITY_DAYS; do
    [[ ${!name} =~ ^([0-9]+(\.[0-9]+)?)?$ ]] || die "$name: not a number: ${!name}"
  done
}

# all_columns: the names of METRICS_FILE's columns but the first, one a line.
all_columns() { head -n 1 -- "$METRICS_FILE" | tr -d '\r' | tr , '\n' | tail -n +2; }

# limit_of COLUMN: its limit in $limit; empty if it has none.
limit_of() {
  case "$1" in
    memory_mb) limit=$TREND_MEMORY_LIMIT ;;
    disk_percent) limit=$TREND_DISK_LIMIT ;;
    gpu_mem) limit=$TREND_GPU_LIMIT ;;
    *) limit= ;;
  esac
}

# growth COLUMN FILE: judges the column, whose points go to FILE: the verdict in a sentence in $summary; in $alarm trend,
# undecided or none; and all of judge_series and limit_of.
growth() {
  local unit=${unit_of[$1]-} marks=$METRICS_RESTARTS sample since
  # A disk does not forget when a service restarts.
  [ "$1" != disk_percent ] || marks=
  series "$METRICS_FILE" "$1" "$TREND_WINDOW" >"$2"
  judge_series "$TREND_LEAST" < <(series "$METRICS_FILE" "$1" "$TREND_WINDOW" "$marks")
  limit_of "$1"
  alarm=none days=
  since=$(date -d "@$(awk -v day="$first" 'BEGIN { printf "%.0f", day * 86400 }')" '+%Y-%m-%d %H:%M')
  case "$verdict" in
    none)
      summary='no figures'
      return 0
      ;;
    'too few')
      alarm=undecided
      summary="too few points: $points of at least $TREND_LEAST since $since"
      return 0
      ;;
  esac
  sample=$(awk -v slope="$slope" -v n="$points" -v from="$first" -v to="$(tail -n 1 "$2")" \
    'BEGIN { split(to, last, " "); printf "%.4g", slope * (last[1] - from) / (n - 1) }')
  [ -z "$limit" ] || days_until "$limit"
  [ -z "$days" ] || span_of "$days"
  summary=$(printf '%s: %+.4g %s a sample, %+.4g %s a day%s (%d points since %s%s)' "$verdict" "$sample" "$unit" "$slope" "$unit" \
    "${days:+; $limit $unit in about $span}" "$points" "$since" "$(reasons)")
  [ "$verdict" = grows ] || return 0
  case "$1" in
    memory_mb | gpu_mem)
      # shellcheck disable=SC2310 # its only result is its status
      if matters "$2"; then alarm=trend; fi
      ;;
    disk_percent) [ "$days" -gt "$CAPACITY_DAYS" ] || alarm=trend ;;
    *) alarm=trend ;;
  esac
}

# reasons: of the verdict, for those who want to know (--verbose).
reasons() { [ "$verbose" = no ] || printf ', z %.1f, autocorrelation %s' "$z" "$autocorrelation"; }

# matters FILE: whether growing memory is worth an alarm: its limit is near, it has grown by a share of it since the last
# restart, or it grows by more a sample than TREND_SLOPE, if that is set.
matters() {
  awk -v days="${days:--1}" -v near="$CAPACITY_DAYS" -v slope="$slope" -v from="$first" -v to="$(tail -n 1 "$1")" \
    -v limit="${limit:-0}" -v share="$TREND_GROWN" -v sample="$sample" -v least="$TREND_SLOPE" 'BEGIN {
      split(to, last, " ")
      grown = slope * (last[1] - from)
      exit !((days >= 0 && days <= near) || (share != "" && limit > 0 && grown > limit * share / 100) || (least != "" && sample >= least))
    }'
}
