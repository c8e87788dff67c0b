# Times and failures of calls, out of logs of any shape. From the environment, as extended regular expressions of
# which the case does not matter: TIME_PATTERN, the text before a number of seconds (or, if it says ms or is followed by
# it, of milliseconds); ERROR_PATTERN, a line that tells of a failed call; SINCE, a date: older lines do not count.
# One line: CALLS FAILED PERCENT P50 P95 P99 LONGEST, in seconds; `-` where there is nothing to say.

BEGIN {
  time = tolower(ENVIRON["TIME_PATTERN"])
  trouble = tolower(ENVIRON["ERROR_PATTERN"])
  since = ENVIRON["SINCE"]
}

# percentile(p): the smallest time that p percent of all do not exceed.
function percentile(p,   at) {
  at = int(timed * p / 100)
  if (at < timed * p / 100) at++
  return sprintf("%.3f", took[at < 1 ? 1 : at])
}

# sort(): took[1..timed] by Shell's method: no other awk than this is needed.
function sort(   gap, i, j, t) {
  for (gap = int(timed / 2); gap > 0; gap = gap == 2 ? 1 : int(gap / 2.2)) {
    for (i = gap + 1; i <= timed; i++) {
      t = took[i]
      for (j = i; j > gap && took[j - gap] > t; j -= gap) took[j] = took[j - gap]
      took[j] = t
    }
  }
}

{
  if (match($0, /[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/) && substr($0, RSTART, 10) < since) next
  line = tolower($0)
  called = 0
  if (time != "" && match(line, time)) {
    before = substr(line, RSTART, RLENGTH)
    rest = substr(line, RSTART + RLENGTH)
    if (match(rest, /^[0-9]+(\.[0-9]+)?/)) {
      took[++timed] = substr(rest, 1, RLENGTH) / (before ~ /ms/ || substr(rest, RLENGTH + 1) ~ /^ ?(ms|millis)/ ? 1000 : 1)
      called = 1
    }
  }
  if (trouble != "" && line ~ trouble) {
    failed++
    called = 1
  }
  calls += called
}

END {
  sort()
  printf "%d %d %s", calls, failed, (calls ? sprintf("%.1f", 100 * failed / calls) : "-")
  if (timed) print "", percentile(50), percentile(95), percentile(99), percentile(100)
  else print " - - - -"
}
