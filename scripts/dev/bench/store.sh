#!/usr/bin/env bash
# pai-backup and a store, plain and encrypted, against restic and borg. Run through scripts/bench.sh store.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
# shellcheck source=scripts/dev/lib/timing.sh
. "$here/scripts/dev/lib/timing.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh store

Times backups of some 300 MB of source code into a store in a folder, and into a cluster of three Garage nodes if
scripts/dev/garage.sh has installed it, beside restic (both) and borg (the folder). "sealed" is pai-backup with a
recipient. Figures are the least of several runs, in turn: on a machine that others use, too, what is more is theirs.
In brackets: how many times as long as pai-backup. Bytes and requests to the cluster are counted on the line between,
for all tools alike, headers included.

Environment:
  BENCH_RUNS     runs of each job [default: 3]
  BENCH_MB       size of the tree [default: 300]
  BENCH_NIGHTS   nights of 1 % in one place [default: 30]
  BENCH_PLACES   [default: folder cluster]
  BENCH_MILLION  1: also 1,000,000 files, and the memory of the second night; "alone": nothing else

Exit status: 0 done, otherwise that of the step that failed.
TEXT
}

runs=${BENCH_RUNS:-3} nights=${BENCH_NIGHTS:-30}
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
    'sealed init') echo true ;;
    'sealed night') echo "pai-backup --home home --store $3 create -q --recipients-file recipients" ;;
    sealed\ *) echo "export PAI_IDENTITY=key; $(tool pai-backup "$2" "$3")" ;;
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
    echo "s3:http://127.0.0.1:$port/pai/restic-$2"
  else
    echo "s3://pai/$1-$2"
  fi
}

# times TITLE PREPARE ACTION FIRST: a line of the table, one column a tool. Their runs take turns, PREPARE goes before each
# turn; FIRST is yes if each run needs a store of its own.
times() {
  local number name store took text="| $1 |" ours='' store_number=main
  local -A least=()
  for ((number = 1; number <= runs; number++)); do
    [ "$4" = no ] || [ "$number" -eq 1 ] || store_number=$number
    eval "$2"
    for name in "${tools[@]}"; do
      store=$(store_of "$name" "$store_number")
      [ "$4" = no ] || bash -c "$(tool "$name" init "$store")" >/dev/null
      took=$(seconds bash -c "$(tool "$name" "$3" "$store")" | cut -d' ' -f1)
      least[$name]=$(printf '%s\n' "$took" "${least[$name]:-$took}" | sort -g | head -n 1)
    done
  done
  for name in "${tools[@]}"; do
    ours=${ours:-${least[$name]}}
    text+=$(awk -v took="${least[$name]}" -v ours="$ours" 'BEGIN { printf " %.2f s (%.2fx) |", took, took / (ours > 0 ? ours : 0.005) }')
  done
  printf '%s\n' "$text"
}

# row JOB ACTION [PREPARE]: the same into the store that is there.
row() { times "$1" "${3-true}" "$2" no; }

counted() {
  local before after
  sleep 0.2
  read -ra before <counts
  bash -c "$1" >/dev/null 2>&1
  sleep 0.2
  read -ra after <counts
  printf ' %s requests, %s KB sent |' "$((after[0] - before[0]))" "$(((after[1] - before[1] + 999) / 1000))"
}

# line TITLE [PREPARE]: what a night of each tool puts on the line.
line() {
  local name text="| $1: the line |"
  eval "${2-true}"
  for name in "${tools[@]}"; do
    text+=$(counted "$(tool "$name" night "$(store_of "$name" main)")")
  done
  printf '%s\n' "$text"
}

space() {
  local name night text="| $nights nights of 1 % in one place: space more |" before=()
  for name in "${tools[@]}"; do before+=("$(du -sb "$(store_of "$name" main)" | cut -f1)"); done
  for ((night = 0; night < nights; night++)); do
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
  times 'first night' true night yes
  row 'nothing changed' night
  [ "$place" = folder ] || line 'nothing changed'
  row '1 % changed, at random' night 'change random'
  [ "$place" = folder ] || line '1 % changed, at random' 'change random'
  [ "$place" = cluster ] || space
  row 'restore everything' restore
  row 'restore one file' one
  row 'verify every byte' verify
}

# cluster: three nodes as the tests have them, and the line with the counter.
cluster() {
  local garage=$here/target/tools/bin/garage number id secret ids=()
  [ -x "$garage" ] || garage=$(command -v garage) || {
    echo 'SKIP the cluster: no garage (scripts/dev/garage.sh installs it)'
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
  python3 "$here/scripts/dev/bench/count_requests.py" "$port" 127.0.0.1 "$base" counts &
  processes+=($!)
  export AWS_ENDPOINT_URL=http://127.0.0.1:$port
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
  export XDG_CACHE_HOME=$work/cache XDG_STATE_HOME=$work/state BORG_BASE_DIR=$work/borg RESTIC_CACHE_DIR=$work/restic-cache
  local place=folder base port
  base=$((20000 + $$ % 10000))
  port=$((base + 90))
  processes=()
  if [ "${BENCH_MILLION-}" = alone ]; then
    million
    return
  fi
  make_tree
  find home/tree -type f | sort >files
  one=$(sed -n "$(($(wc -l <files) / 2))p" files)
  one=${one#home/}
  mkdir stores
  pai-backup key new -q key >recipients
  if [[ " ${BENCH_PLACES:-folder} " == *' folder '* ]]; then
    tools=(pai-backup sealed restic borg)
    jobs 'A store in a folder'
  fi
  tools=(pai-backup sealed restic) place=cluster
  # shellcheck disable=SC2310 # without a cluster there is nothing to time
  if [[ " ${BENCH_PLACES:-cluster} " == *' cluster '* ]] && cluster; then jobs 'A store in a cluster of three nodes'; fi
  [ -z "${BENCH_MILLION-}" ] || million
}

main "$@"
