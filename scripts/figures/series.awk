# A column of a CSV file with a header whose first column is a time: `DAYS VALUE` lines, days since 1970. Cells
# without a number are left out. Variables: column, the name; marks, a CSV file of times: what lies before the last
# of them is left out.

# days(time): of 2026-11-21T02:00:05.25+01:00; without a zone it counts as UTC, which moves all points alike.
function days(time,   part, zone, y, m) {
  if (time !~ /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9][T ][0-9][0-9]:[0-9][0-9]:[0-9][0-9]/) return -1
  split(substr(time, 1, 10), part, "-")
  y = part[1]
  m = part[2] - 3
  if (m < 0) {
    y--
    m += 12
  }
  zone = substr(time, 20)
  sub(/^\.[0-9]+/, "", zone)
  sub(/:/, "", zone)
  zone = zone ~ /^[-+][0-9][0-9][0-9][0-9]$/ ? (substr(zone, 1, 1) "1") * (substr(zone, 2, 2) * 60 + substr(zone, 4, 2)) : 0
  return 365 * y + int(y / 4) - int(y / 100) + int(y / 400) + int((153 * m + 2) / 5) + part[3] - 719469 \
    + (substr(time, 12, 2) * 60 + substr(time, 15, 2) - zone) / 1440 + substr(time, 18, 2) / 86400
}

BEGIN {
  FS = ","
  since = -1
  while (marks != "" && (getline line < marks) > 0) if (days(line) > since) since = days(line)
}
{ sub(/\r$/, "") }
NR == 1 {
  for (i = 1; i <= NF; i++) if ($i == column) at = i
  next
}
at && $at ~ /^-?[0-9]+(\.[0-9]+)?$/ && days($1) >= 0 && days($1) >= since { printf "%.8f %s\n", days($1), $at }
