# shellcheck shell=bash
# shellcheck disable=SC2034 # results are read by the callers
# Whether a column of figures grows: a trend that one late spike cannot fake, nor figures that resemble their
# neighbours. figures/trend.awk has the statistics.

figures_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")/../figures" && pwd)

# series FILE COLUMN ROWS [MARKS]: `DAYS VALUE` of the last ROWS lines in order of time, none from before the last
# time in the CSV file MARKS.
series() {
  { head -n 1 -- "$1" && tail -n +2 -- "$1" | tail -n "$3"; } |
    awk -v column="$2" -v marks="${4-}" -f "$figures_folder/series.awk" | sort -n -s -k 1,1
}

# judge_series LEAST: the verdict on `DAYS VALUE` lines on stdin: grows, shrinks, no trend (1 % level), too few, or none
# for no points at all, in $verdict. Its reasons: $points since the last restart (on day $first), $slope a day, $z,
# $level at the last point, $autocorrelation of neighbours.
judge_series() {
  read -r points slope z level autocorrelation first verdict < <(awk -f "$figures_folder/trend.awk" && echo '0 0 0 0 0 0 none')
  if [ "$points" -eq 0 ] || [ "$points" -ge "$1" ]; then
    verdict=${verdict/stays/no trend}
  else
    verdict='too few'
  fi
}

# days_until LIMIT: days from the last point until the line reaches LIMIT, in $days; empty if it does not grow.
days_until() {
  days=
  [ "$verdict" = grows ] || return 0
  days=$(awk -v limit="$1" -v level="$level" -v slope="$slope" \
    'BEGIN { left = limit - level; if (slope > 0) printf "%.0f", (left > 0 ? left / slope : 0) }')
}

# span_of DAYS: for people, in $span: 35 days, 28 years.
span_of() {
  span="$1 days"
  [ "$1" -lt 730 ] || span="$(($1 / 365)) years"
}
