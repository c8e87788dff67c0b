# shellcheck shell=bash
# shellcheck disable=SC2154 # kind, user, become, store, credentials, recipients, prefix, remove, run_as and scratch are the caller's
# The nightly job that sends an archive into a store: what install-schedule.sh --store adds to its jobs.

# shellcheck source=scripts/lib/credentials.sh
. "$here/lib/credentials.sh"

# The line of a user's crontab, with the names that the other templates have.
store_job='15 2 * * * PAI_HOME="/home/user/projects/codex-assistant/pai" /usr/local/libexec/pai-tools/run-job.sh --log "/home/user/projects/codex-assistant/pai/logs/store-cron.log" pai-store -- store-backup.sh --credentials "/home/user/.config/pai/store.env" "s3://bucket/laptop"'

# settle_store: refuses a store that no job could use tonight, and finds the credentials.
settle_store() {
  if [ "$remove" = yes ]; then return 0; fi
  if [ -z "$store" ]; then
    [ -z "$recipients" ] || die 'only what goes into a store is encrypted: give --store, too'
    return 0
  fi
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
  check_recipients
}

# check_recipients: whoever could change them could read the next archive; and no identity belongs on this machine.
check_recipients() {
  local rest=$recipients option value mode owner
  while [[ $rest =~ ^\ (--recipients?(-file)?)\ \"([^\"]*)\"(.*)$ ]]; do
    option=${BASH_REMATCH[1]} value=${BASH_REMATCH[3]} rest=${BASH_REMATCH[4]}
    # shellcheck disable=SC1003 # a backslash
    [[ ! $value =~ [[:cntrl:]\'\`\$%\\] ]] || die "cron or systemd would misread this name: $value"
    if [ "$option" = --recipient ]; then
      [[ $value == age1* || $value == ssh-* ]] || die "no recipient: it begins with neither age1 nor ssh-"
      continue
    fi
    [[ $value == /* ]] || die "a job has no working folder of yours: $value does not start with /"
    [ -f "$value" ] || die "could not read the recipients: no file $value"
    mode=$(stat -Lc %a -- "$value")
    owner=$(stat -Lc %U -- "$value")
    [ $((8#$mode & 8#022)) -eq 0 ] || die "others can write $value (mode $mode), and so read the next archive: chmod 644 $value"
    [[ " $run_as root " == *" $owner "* ]] || die "$value belongs to $owner, not to $run_as or root: chown $run_as $value"
    ! grep -q -e AGE-SECRET-KEY -e 'PRIVATE KEY' -- "$value" ||
      die "$value has an identity in it, which is to be elsewhere: pai-backup key public $value shows the recipients"
  done
  [ -z "$rest" ] || die "cron or systemd would misread these recipients:$recipients"
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
    line=${line/store-backup.sh /"store-backup.sh$recipients "}
    # A store in a folder must be writable where the unit protects the rest.
    if [[ $store == /* && $line == ReadWritePaths=* ]]; then line+=" \"$store\""; fi
    printf '%s\n' "$line"
  done
}

# store_line [USER]: the line of a crontab; in /etc/cron.d it has a column for the user.
store_line() {
  [ -n "$store" ] || return 0
  local line
  printf '%s\n' "$store_job" >"$scratch/store-job"
  line=$(render "$scratch/store-job" | with_store)
  [ -z "${1-}" ] || line=${line/ PAI_HOME/ "$1" PAI_HOME}
  printf '%s\n' "$line"
}

# rendered TEMPLATE: a template as it is installed, with the names of this machine and the job of the store.
rendered() {
  case "$1" in
    */systemd/store/*) render "$1" | with_store ;;
    */cron/pai-maintenance)
      render "$1"
      store_line "$run_as"
      ;;
    */cron/cron_maintenance)
      render "$1"
      store_line
      ;;
    *) render "$1" ;;
  esac
}

# read_store LINE: the store, the recipients and the credentials that an earlier run put into LINE.
read_store() {
  if [[ $1 =~ store-backup\.sh((\ --recipients?(-file)?\ \"[^\"]*\")*)(\ --credentials\ \"([^\"]*)\")?\ \"([^\"]*)\"$ ]]; then
    store=${BASH_REMATCH[6]} credentials=${BASH_REMATCH[5]:-$credentials} recipients=${BASH_REMATCH[1]}
  elif [[ $1 == LoadCredential=store.env:* ]]; then
    credentials=${1#*:}
  fi
}

# need_store: the jobs' user may use the folder and read the recipients, and the credentials where systemd does not pass them on.
need_store() {
  [ -n "$store" ] || return 0
  [[ $store != /* ]] || need_folder "$store"
  if [ -n "$credentials" ] && { [ "$kind" != systemd ] || [ "$user" = yes ]; }; then
    "${become[@]}" test -r "$credentials" || refuse "$run_as cannot read $credentials" "chown $run_as: $credentials"
  fi
  local rest=$recipients file
  while [[ $rest =~ \ --recipients-file\ \"([^\"]*)\"(.*)$ ]]; do
    file=${BASH_REMATCH[1]} rest=${BASH_REMATCH[2]}
    "${become[@]}" test -r "$file" || refuse "$run_as cannot read $file" "chmod 644 $file"
  done
}
