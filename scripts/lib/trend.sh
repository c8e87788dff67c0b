# shellcheck shell=bash
# shellcheck disable=SC2034 # results are read by the callers
# A trend that one late spike cannot fake: Theil and Sen's slope, Mann and Kendall's test.

# theil_sen: `X Y` lines on stdin; the number of points, the median of all slopes and the test's z on stdout.
# |z| above 2.58 is a trend at the 1 % level. Quadratic: give it a few hundred points.
theil_sen() {
  awk '
    { x[NR] = $1; y[NR] = $2 }
    END {
      for (i = 1; i < NR; i++) for (j = i + 1; j <= NR; j++) {
        if (x[j] != x[i]) print (y[j] - y[i]) / (x[j] - x[i])
        s += (y[j] > y[i]) - (y[j] < y[i])
      }
      # Ties lower the variance.
      for (i = 1; i <= NR; i++) count[y[i]]++
      v = NR * (NR - 1) * (2 * NR + 5)
      for (k in count) v -= count[k] * (count[k] - 1) * (2 * count[k] + 5)
      v /= 18
      printf "end %d %.3f\n", NR, (v > 0 ? (s - (s > 0) + (s < 0)) / sqrt(v) : 0)
    }' | sort -g | awk '
    $1 == "end" { points = $2; z = $3; next }
    { slope[++n] = $1 }
    END {
      median = n == 0 ? 0 : n % 2 ? slope[(n + 1) / 2] : (slope[n / 2] + slope[n / 2 + 1]) / 2
      printf "%d %.12g %.3f\n", points, median, z
    }'
}

# column_by_day FILE COLUMN ROWS: `DAYS VALUE` of the last ROWS lines of performance.csv; days since 1970.
column_by_day() {
  tail -n +2 "$1" | tail -n "$3" | while IFS=, read -r -a cell; do
    printf '%s %s\n' "$(date -d "${cell[0]}" +%s)" "${cell[$2]}"
  done | awk '{ printf "%.6f %s\n", $1 / 86400, $2 }'
}
