#!/usr/bin/env bash
# Makes tonight's replay capsule: audit log, ledger and annals in one zip.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/lib/say.sh"

usage() {
  cat <<'TEXT'
Usage: replay-capsule.sh [-n]

Writes REPLAYS_PATH/codex_replay_YYYYMMDDHHMMSS.zip (UTC), mode 0600, holding audit.log, ledger/ and annals/ with
the folders below them. The name appears when the zip is complete. stdout: its path.

  CODEX_HOME      [/opt/Super-Codex-AI]
  AUDIT_LOG_PATH  [CODEX_HOME/data/audit.log]
  LEDGER_PATH     [CODEX_HOME/storage/ledger]
  ANNALS_PATH     [CODEX_HOME/storage/annals]
  REPLAYS_PATH    [CODEX_HOME/storage/replays]; made if missing, 0700

  -n, --dry-run   say what would go in
  -h, --help      this text

What is missing is named and left out (exit 1); if all three are missing there is no zip (exit 2). A capsule that
equals the newest one is made all the same, and that is said.

Exit status: 0 done, 1 done without what is missing, 2 not done.

Examples:
  replay-capsule.sh
  REPLAYS_PATH=/srv/replays replay-capsule.sh --dry-run
  15 2 * * * codex run-job.sh codex-capsules -- replay-capsule.sh      (in /etc/cron.d)
TEXT
}

# gather: copies of the three under the names they have in the capsule. Copied first, because the audit log
# grows while it is read, and because a zip tells names as they lie in one folder.
gather() {
  local pair name path
  for pair in "audit.log=$audit" "ledger=$ledger" "annals=$annals"; do
    name=${pair%%=*} path=${pair#*=}
    if [ ! -e "$path" ]; then
      complain "could not find $path: $name is left out"
      continue
    fi
    members+=("$name")
    [ "$dry_run" = yes ] || cp -a --reflink=auto -- "$(realpath -- "$path")" "$staging/$name" || die "could not copy $path"
  done
}

main() {
  local home=${CODEX_HOME:-/opt/Super-Codex-AI} dry_run=no
  local audit=${AUDIT_LOG_PATH:-$home/data/audit.log} ledger=${LEDGER_PATH:-$home/storage/ledger}
  local annals=${ANNALS_PATH:-$home/storage/annals} replays=${REPLAYS_PATH:-$home/storage/replays}
  case "${1-}" in
    -h | --help)
      usage
      return 0
      ;;
    -n | --dry-run) dry_run=yes ;;
    '') ;;
    *) bad_usage "unknown word: $1" ;;
  esac
  umask 077
  other_ends_are_trouble
  local members=() newest capsule variable
  # Whoever calls it from a folder that find(1) cannot come back to gets a capsule all the same.
  for variable in audit ledger annals replays; do
    printf -v "$variable" '%s' "$(realpath -ms -- "${!variable}")"
  done
  cd /
  staging=$(try 'make a temporary folder' mktemp -d)
  trap 'rm -rf "$staging"' EXIT
  gather
  [ "${#members[@]}" -gt 0 ] || die 'nothing to put into a capsule'
  capsule=$replays/codex_replay_$(date -u +%Y%m%d%H%M%S).zip
  if [ "$dry_run" = yes ]; then
    printf 'would write %s: %s\n' "$capsule" "${members[*]}"
    exit "$complaints"
  fi
  [ -d "$replays" ] || try "make $replays" mkdir -p -m 0700 -- "$replays"
  [ ! -e "$capsule" ] || die "$capsule is there already: one capsule a second"
  newest=$(try "look into $replays" find -H "$replays" -maxdepth 1 -name 'codex_replay_*.zip' | LC_ALL=C sort | tail -n 1)
  pai-backup create --quiet --home "$staging" --format zip --output "$capsule" "${members[@]}" >/dev/null ||
    die "could not make $capsule"
  if [ -n "$newest" ] && cmp -s -- "$newest" "$capsule"; then
    note "nothing has changed since ${newest##*/}"
  fi
  printf '%s\n' "$capsule"
  exit "$complaints"
}

main "$@"
