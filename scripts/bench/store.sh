#!/usr/bin/env bash
# pai-backup and a store, against restic and borg. Run through scripts/bench.sh store.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=scripts/lib/timing.sh
. "$here/scripts/lib/timing.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh store

Times backups of some 300 MB of source code into a store in a folder, and into a cluster of three Garage nodes if
scripts/lib/garage.sh has installed it, beside restic (both) and borg (the folder). Figures are the least of several
runs: on a machine that others use, too, what is more is theirs. Bytes and requests to the cluster are counted on the
line between, for both tools alike, headers included.

Environment:
  BENCH_RUNS     runs of each job [default: 3]
  BENCH_MB       size of the tree [default: 300]
  BENCH_MILLION  1: also 1,000,000 files, and the memory of the second night

Exit status: 0 done, otherwise that of the step that failed.
TEXT
}

runs=${BENCH_RUNS:-3}
export RESTIC_PASSWORD=x BORG_PASSPHRASE=x BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes

make_tree() {
  local sources=${CARGO_HOME:-$HOME/.cargo}/registry/src crate
  mkdir -p home/tree
  for crate in "$sources"/*/*; do
    [ "$(du -sm --apparent-size home/tree | cut -f1)" -lt "${BENCH_MB:-300}" ] || break
    cp -a "$crate" home/tree/
  done
  # What is younger than the last night is read again.
  find home -exec touch -h -d '2026-01-01' {} +
  printf '\n%s files, %s MB, %s cores\n' "$(find home/tree -type f | wc -l)" \
    "$(du -sm --apparent-size home/tree | cut -f1)" "$(nproc)"
}

# change random|place: a line more at the end of one file in a hundred, spread or side by side.
change() {
  local count
  count=$(($(wc -l <files) / 100))
  if [ "$1" = random ]; then shuf -n "$count" files; else head -n "$count" files; fi |
    while IFS= read -r file; do date +%N >>"$file"; done
}

# tool NAME ACTION STORE: the shell line of a job.
tool() {
  case "$1 $2" in
    'pai-backup init') echo true ;;
    'pai-backup night') echo "pai-backup --home home --store $3 create -q" ;;
    'pai-backup restore') echo "rm -rf back && pai-backup --home home --store $3 restore -q latest --target back" ;;
    'pai-backup one') echo "pai-backup --home home --store $3 cat latest '$one' >one" ;;
    'pai-backup verify') echo "pai-backup --home home --store $3 -q verify" ;;
    'restic init') echo "restic -q -r $3 init" ;;
    'restic night') echo "restic -q -r $3 backup home" ;;
    'restic restore') echo "rm -rf back && restic -q -r $3 restore latest --target back" ;;
    'restic one') echo "restic -q -r $3 dump latest '/home/$one' >one" ;;
    'restic verify') echo "restic -q -r $3 check --read-data" ;;
    'borg init') echo "borg init -e none $3" ;;
    'borg night') echo "borg create $3::{now:%s%f} home" ;;
    'borg restore') echo "rm -rf back && mkdir back && (cd back && borg extract $3::\$(borg list --last 1 --short $3))" ;;
    'borg one') echo "borg extract --stdout $3::\$(borg list --last 1 --short $3) home/$one >one" ;;
    'borg verify') echo "borg check --verify-data $3" ;;
  esac
}

# store_of NAME NUMBER: a place of that tool's own.
store_of() {
  if [ "$place" = folder ]; then
    echo "$work/stores/$1-$2"
  elif [ "$1" = restic ]; then
    echo "s3:http://127.0.0.1:$line/pai/restic-$2"
  else
    echo "s3://pai/ours-$2"
  fi
}

# least ROUNDS PREPARE LINE: the shortest of so many runs, in seconds.
least() {
  local round best='' took
  for ((round = 0; round < $1; round++)); do
    eval "$2"
    took=$(seconds bash -c "$3" | cut -d' ' -f1)
    best=$(printf '%s\n' "$took" "${best:-$took}" | sort -g | head -n 1)
  done
  echo "$best"
}

# row JOB ACTION [PREPARE]: a line of the table, one column a tool.
row() {
  local name text="| $1 |" line_of
  for name in "${tools[@]}"; do
    line_of=$(tool "$name" "$2" "$(store_of "$name" main)")
    text+=" $(least "$runs" "${3-true}" "$line_of") s |"
  done
  printf '%s\n' "$text"
}

counted() {
  local before after
  sleep 0.2
  read -ra before <counts
  bash -c "$1" >/dev/null 2>&1
  sleep 0.2
  read -ra after <counts
  printf ' %s requests, %s KB sent |' "$((after[0] - before[0]))" "$(((after[1] - before[1] + 999) / 1000))"
}

# first_nights: each run needs a store of its own.
first_nights() {
  local name number text='| first night |' best took store
  for name in "${tools[@]}"; do
    best=''
    for number in main $(seq 2 "$runs"); do
      store=$(store_of "$name" "$number")
      bash -c "$(tool "$name" init "$store")" >/dev/null
      [ "$name" != pai-backup ] || rm -rf cache
      took=$(seconds bash -c "$(tool "$name" night "$store")" | cut -d' ' -f1)
      best=$(printf '%s\n' "$took" "${best:-$took}" | sort -g | head -n 1)
    done
    text+=" $best s |"
  done
  printf '%s\n' "$text"
}

space() {
  local name night text='| thirty nights of 1 % in one place: space more |' before=()
  for name in "${tools[@]}"; do before+=("$(du -sb "$(store_of "$name" main)" | cut -f1)"); done
  for ((night = 0; night < 30; night++)); do
    change place
    for name in "${tools[@]}"; do bash -c "$(tool "$name" night "$(store_of "$name" main)")" >/dev/null; done
  done
  for name in "${tools[@]}"; do
    text+=" $((($(du -sb "$(store_of "$name" main)" | cut -f1) - before[0]) / 1000)) KB |"
    before=("${before[@]:1}")
  done
  printf '%s\n' "$text"
}

jobs() {
  printf '\n### %s\n\n| job |' "$1"
  printf ' %s |' "${tools[@]}"
  printf '\n| --- |'
  printf ' %.0s--- |' "${tools[@]}"
  printf '\n'
  first_nights
  row 'nothing changed' night
  if [ "$place" = cluster ]; then
    local name text='| nothing changed: the line |'
    for name in "${tools[@]}"; do text+=$(counted "$(tool "$name" night "$(store_of "$name" main)")"); done
    printf '%s\n' "$text"
  fi
  row '1 % changed, at random' night 'change random'
  [ "$place" = cluster ] || space
  row 'restore everything' restore
  row 'restore one file' one
  row 'verify every byte' verify
}

# cluster: three nodes as the tests have them, and the line with the counter.
cluster() {
  local garage=$here/target/tools/bin/garage number id secret ids=()
  [ -x "$garage" ] || garage=$(command -v garage) || {
    echo 'SKIP the cluster: no garage (scripts/lib/garage.sh installs it)'
    return 1
  }
  for number in 0 1 2; do
    mkdir -p "n$number"
    cat >"n$number/garage.toml" <<TOML
metadata_dir = "$work/n$number/meta"
data_dir = "$work/n$number/data"
db_engine = "sqlite"
replication_factor = 3
rpc_bind_addr = "127.0.0.1:$((base + 10 * number + 1))"
rpc_public_addr = "127.0.0.1:$((base + 10 * number + 1))"
rpc_secret = "$(printf '5a%.0s' {1..32})"
[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.1:$((base + 10 * number))"
[admin]
api_bind_addr = "127.0.0.1:$((base + 10 * number + 3))"
TOML
    RUST_LOG=error "$garage" -c "n$number/garage.toml" server >"n$number/log" 2>&1 &
    processes+=($!)
  done
  for number in 0 1 2; do
    until id=$("$garage" -c "n$number/garage.toml" node id -q 2>/dev/null); do sleep 0.2; done
    ids+=("$id")
  done
  run() { until "$garage" -c n0/garage.toml "$@" >answer 2>/dev/null; do sleep 0.2; done; }
  for id in "${ids[@]:1}"; do run node connect "$id"; done
  for number in 0 1 2; do run layout assign -z "z$number" -c 10G "${ids[number]%%@*}"; done
  run layout apply --version 1
  run bucket create pai
  run key create bench
  id=$(awk '/^Key ID/ { print $NF }' answer) secret=$(awk '/^Secret key/ { print $NF }' answer)
  run bucket allow --read --write --owner pai --key "$id"
  export AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$secret AWS_REGION=garage AWS_DEFAULT_REGION=garage
  python3 "$here/scripts/bench/count_requests.py" "$line" 127.0.0.1 "$base" counts &
  processes+=($!)
  export AWS_ENDPOINT_URL=http://127.0.0.1:$line
  until [ -s counts ]; do sleep 0.1; done
}

million() {
  mkdir -p many/home
  python3 - <<'PYTHON'
import os
for number in range(1_000_000):
    folder = f"many/home/{number // 1000:04d}"
    if number % 1000 == 0:
        os.mkdir(folder)
    with open(f"{folder}/{number}.txt", "w") as file:
        file.write(f"note {number}\n")
PYTHON
  find many -exec touch -h -d '2026-01-01' {} +
  local night='pai-backup --home many/home --store many/store create -q'
  bash -c "$night" && echo more >>many/home/0000/1.txt
  printf '\n1,000,000 files, second night: %s\n' "$(seconds bash -c "$night" | awk '{ printf "%.1f s, %.0f MiB", $1, $3 / 1024 }')"
}

main() {
  begin store "$@"
  # shellcheck disable=SC2064 # the folder as it is now
  trap "kill \"\${processes[@]}\" 2>/dev/null; rm -rf '$work'" EXIT
  cd "$work"
  export XDG_CACHE_HOME=$work/cache BORG_BASE_DIR=$work/borg RESTIC_CACHE_DIR=$work/restic-cache
  processes=() base=$((20000 + $$ % 10000)) place=folder line=0
  line=$((base + 90))
  make_tree
  find home/tree -type f | sort >files
  one=$(sed -n "$(($(wc -l <files) / 2))p" files)
  one=${one#home/}
  mkdir stores
  tools=(pai-backup restic borg)
  jobs 'A store in a folder'
  tools=(pai-backup restic) place=cluster
  # shellcheck disable=SC2310 # without a cluster there is nothing to time
  if cluster; then jobs 'A store in a cluster of three nodes'; fi
  [ -z "${BENCH_MILLION-}" ] || million
}

main "$@"
