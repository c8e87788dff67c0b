#!/usr/bin/env bash
# A backup straight into a store, and retention there: what a schedule runs every night.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/lib/say.sh"
# shellcheck source=scripts/lib/credentials.sh
. "$here/lib/credentials.sh"

usage() {
  cat <<'TEXT'
Usage: store-backup.sh [OPTION...] STORE

Makes an archive of the workspace in STORE: a folder, s3://BUCKET/PREFIX or rclone:REMOTE:PATH. No file is left here.

  --home DIR          the folder to back up [$PAI_HOME]; a folder of dumps will do
  --name SERIES       the first part of the archives' names [pai]: each machine and folder has its own
  --credentials FILE  lines AWS_ACCESS_KEY_ID=..., AWS_SECRET_ACCESS_KEY=... and so on; mode 0600, yours or root's
                      [what systemd passes on as store.env]
  --recipients-file FILE, --recipient RECIPIENT
                      encrypt for these: age1..., or an ssh public key; each may be repeated. The job needs no identity
  --keep POLICY       then forget what this policy of pai-rotate does not keep, and prune, for example
                      "--keep-daily 7 --keep-weekly 5 --keep-monthly 12". Not with a key that may only write
  -h, --help          this text

Nothing of the credentials is shown, logged or put into a command line.

Exit status: 0 done; 1 done in part, or the archive is suspiciously small; 2 not done; 75 another run writes there.

Examples:
  store-backup.sh --home ~/pai --credentials ~/.config/pai/store.env s3://bucket/laptop
  store-backup.sh --home /backups --name dumps --keep '--keep-daily 14' /mnt/disk/store
  store-backup.sh --home ~/pai --recipients-file ~/.config/pai/recipients.txt /mnt/disk/closed
TEXT
}

# retain: what the policy does not keep is forgotten. Its trouble is told, and the archive is there all the same.
retain() {
  local names gone status=0
  read -ra policy <<<"$keep"
  names=$("${tool[@]}" list --names) || return "$?"
  gone=$(pai-rotate --stdin "${policy[@]}" <<<"$names") || return "$?"
  "${tool[@]}" forget --stdin >/dev/null <<<"$gone" || status=$?
  "${tool[@]}" -q prune >/dev/null || status=$?
  return "$status"
}

main() {
  local home=${PAI_HOME-} name=pai credentials='' keep='' store='' status=0 recipients=() policy tool
  while [ $# -gt 0 ]; do
    case "$1" in
      -h | --help)
        usage
        return 0
        ;;
      --home | --name | --credentials | --keep)
        [ -n "${2-}" ] || bad_usage "$1 needs a value"
        printf -v "${1#--}" '%s' "$2"
        shift
        ;;
      --recipient | --recipients-file)
        [ -n "${2-}" ] || bad_usage "$1 needs a value"
        recipients+=("$1" "$2")
        shift
        ;;
      -*) bad_usage "unknown option: $1" ;;
      *)
        [ -z "$store" ] || bad_usage 'more than one store'
        store=$1
        ;;
    esac
    shift
  done
  [ -n "$store" ] || bad_usage 'no store'
  [ -n "$home" ] || die 'no folder to back up: give --home or set PAI_HOME'
  use_credentials "$credentials"
  # cron's PATH is /usr/bin:/bin: what is installed beside this script is found all the same.
  PATH=$here:${here%/libexec/pai-tools}/bin:$PATH
  tool=(pai-backup --home "$home" --store "$store" --name "$name")
  "${tool[@]}" create -q --wait 1h "${recipients[@]}" >/dev/null || status=$?
  # Without a new archive no old one goes.
  if [ "$status" -le 1 ] && [ -n "$keep" ]; then
    # shellcheck disable=SC2310 # each of its steps says how it ended
    retain || status=$?
  fi
  return "$status"
}

main "$@"
