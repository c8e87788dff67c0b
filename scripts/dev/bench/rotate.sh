#!/usr/bin/env bash
# pai-rotate: a million names through the filter, and folders against find, rotate-backups and logrotate.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=scripts/dev/lib/timing.sh
. "$here/scripts/dev/lib/timing.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh rotate

Times pai-rotate (from PATH) on generated names and empty files under $TMPDIR. rotate-backups comes from PyPI
into a virtual environment there; without it, its row is left out.

  -h, --help  this text

Exit status: 0 done, 2 trouble.
TEXT
}

gfs='--keep-daily 7 --keep-weekly 4 --keep-monthly 12 --keep-yearly 10'

# names COUNT: so many stamped names, five minutes apart, in no order.
names() {
  python3 - "$1" <<'PYTHON'
import datetime, random, sys

random.seed(1)
newest = datetime.datetime(2025, 9, 16, 9)
times = [newest - datetime.timedelta(minutes=5 * i) for i in range(int(sys.argv[1]))]
random.shuffle(times)
for time in times:
    print(time.strftime("pai-%Y%m%d-%H%M%S.tar.gz"))
PYTHON
}

# aged FOLDER COUNT: so many empty files, last written within the last sixty days.
aged() {
  python3 - "$1" "$2" <<'PYTHON'
import os, random, sys, time

random.seed(2)
for i in range(int(sys.argv[2])):
    path = os.path.join(sys.argv[1], f"{i:06}.log")
    open(path, "w").close()
    then = time.time() - random.random() * 60 * 86400
    os.utime(path, (then, then))
PYTHON
}

# logs JOB: fresh logs for each run, rotated and compressed by both.
logs() {
  local log=$work/one.log
  seq -f "2025-09-16T09:00:%06g INFO request served in 12 ms by worker 7" 260000 >"$log"
  printf '"%s/logs/*.log" {\n  size 1\n  rotate 9\n  compress\n  create\n}\n' "$work" >"$work/logrotate.conf"
  prepare="rm -rf '$work/logs' '$work/state'; mkdir -m 700 '$work/logs'
    for i in \$(seq 20); do cp '$log' '$work/logs/'\$i.log; done; sync"
  versus "$1" wall 1x "pai-rotate logs -q --size 1 --keep 9 '$work/logs'" \
    "logrotate --force --state '$work/state' '$work/logrotate.conf'"
  prepare=
}

main() {
  begin rotate "$@"
  names 1000000 >"$work/names"
  mkdir "$work/aged" "$work/few"
  aged "$work/aged" 200000
  (cd "$work/few" && head -n 20000 ../names | xargs touch)

  table 'pai-rotate'
  # Nothing else decides on a listing: sorting it is the yardstick, the bar is 1.5 s and 300 MiB.
  versus '1,000,000 names on stdin, GFS policy' wall '1.5 s' \
    "pai-rotate --stdin $gfs <'$work/names'" "LC_ALL=C sort '$work/names'"
  versus '200,000 files by mtime' wall 1x \
    "pai-rotate -n -q --by mtime --older-than 31d '$work/aged'" "find '$work/aged' -mtime +30"
  logs 'rotate and compress 20 logs of 16 MiB'
  if python3 -m venv "$work/venv" && "$work/venv/bin/pip" install --quiet rotate-backups 'setuptools<81'; then
    versus '20,000 names in a folder, GFS policy' wall 50x "pai-rotate -n -q $gfs '$work/few'" \
      "'$work/venv/bin/rotate-backups' --dry-run --daily=7 --weekly=4 --monthly=12 --yearly=10 '$work/few'"
  else
    echo "no rotate-backups here: its row is left out" >&2
  fi
}

main "$@"
