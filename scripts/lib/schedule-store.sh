# shellcheck shell=bash
# shellcheck disable=SC2154 # store, credentials, prefix, remove, run_as and scratch are the caller's
# The nightly job that sends an archive into a store: what install-schedule.sh --store adds to its jobs.

# shellcheck source=scripts/lib/credentials.sh
. "$here/lib/credentials.sh"

# The line of a user's crontab, with the names that the other templates have.
store_job='15 2 * * * PAI_HOME="/home/user/projects/codex-assistant/pai" /usr/local/libexec/pai-tools/run-job.sh --log "/home/user/projects/codex-assistant/pai/logs/store-cron.log" pai-store -- store-backup.sh --credentials "/home/user/.config/pai/store.env" "s3://bucket/laptop"'

# settle_store: refuses a store that no job could use tonight, and finds the credentials.
settle_store() {
  if [ -z "$store" ] || [ "$remove" = yes ]; then return 0; fi
  [ -x "$prefix/libexec/pai-tools/store-backup.sh" ] ||
    die "store-backup.sh is not installed under $prefix: run install.sh first, or give --prefix"
  # A % ends a command of cron's; systemd would take it for a specifier.
  # shellcheck disable=SC1003 # a backslash
  [[ ! $store$credentials =~ [[:cntrl:]\"\'\`\$%\\] ]] || die "cron or systemd would misread this name: $store $credentials"
  case "$store" in
    s3://?*/?* | s3://?* | rclone:?*:*) ;;
    /*) [ -d "$store" ] || die "the store is not there: $store (mount it, or mkdir -m 700 $store)" ;;
    *) die "no store of a job: $store (an absolute folder, s3://BUCKET/PREFIX or rclone:REMOTE:PATH)" ;;
  esac
  local owner_home
  owner_home=$(getent passwd "$run_as" | cut -d: -f6)
  if [ -z "$credentials" ] && [ -f "$owner_home/.config/pai/store.env" ]; then
    credentials=$owner_home/.config/pai/store.env
  fi
  if [ -n "$credentials" ]; then
    [[ $credentials == /* ]] || die "a job has no working folder of yours: $credentials does not start with /"
    check_credentials "$credentials" "$run_as" root
    (load_credentials "$credentials")
  elif [[ $store == s3://* ]]; then
    die "no credentials for $store: put AWS_ACCESS_KEY_ID=... and the others into $owner_home/.config/pai/store.env, mode 600"
  fi
}

# with_store: stdin to stdout, the store and its credentials put in for those of the template.
with_store() {
  local line
  while IFS= read -r line; do
    if [ -z "$credentials" ]; then
      [[ $line != LoadCredential=* ]] || continue
      line=${line/ --credentials \"\/home\/user\/.config\/pai\/store.env\"/}
    fi
    line=${line//\/home\/user\/.config\/pai\/store.env/"$credentials"}
    line=${line//s3:\/\/bucket\/laptop/"$store"}
    # A store in a folder must be writable where the unit protects the rest.
    if [[ $store == /* && $line == ReadWritePaths=* ]]; then line+=" \"$store\""; fi
    printf '%s\n' "$line"
  done
}

# store_cron FILE [USER]: adds the job to FILE; in /etc/cron.d it has a column for the user.
store_cron() {
  [ -n "$store" ] || return 0
  local line
  printf '%s\n' "$store_job" >"$scratch/store-job"
  line=$(render "$scratch/store-job" | with_store)
  [ -z "${2-}" ] || line=${line/ PAI_HOME/ "$2" PAI_HOME}
  printf '%s\n' "$line" >>"$1"
}

# store_units SCOPE: the units, rendered, into $scratch.
store_units() {
  [ -n "$store" ] || return 0
  render "$here/systemd/store/$1/pai-store.service" | with_store >"$scratch/pai-store.service"
  cp -- "$here/systemd/store/pai-store.timer" "$scratch/pai-store.timer"
}
