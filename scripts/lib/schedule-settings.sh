# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # the settings are the caller's
# What install-schedule.sh was not told: from the environment, from the last run, from the workspace; and whether it
# can all run.

# settle: fills in what was not given, from the environment, else from what an earlier run installed.
settle() {
  local variable=PAI_HOME given_home=$home given_run_as=$run_as given_backups=$backups given_codex_home=$codex_home
  local own_prefix folder
  settle_prefix
  own_prefix=$prefix
  [ "$name" != vector-store ] || variable=STACK_HOME
  [ "$name" = codex-backup ] || given_home=${home:-${!variable-}}
  settle_crontab "$given_home"
  # The places of the last run hold until other ones are given; the prefix is where this script is.
  if [ -s "$installed" ]; then
    local given_store=$store given_credentials=$credentials given_recipients=$recipients
    read_values "$installed"
    [ ! -r "$folder_of_units/pai-store.service" ] || [ "$kind:$name" != systemd: ] ||
      read_values "$folder_of_units/pai-store.service"
    # Another store has other credentials.
    [ -z "$given_store" ] || [ "$given_store" = "$store" ] || recipients=
    recipients=${given_recipients:-$recipients}
    [ -z "$given_store$given_credentials" ] || store=${given_store:-$store} credentials=$given_credentials
    prefix=$own_prefix
    # The jobs of another workspace are its owner's.
    [ -z "$given_home" ] || [ "$given_home" = "$home" ] || run_as=
  fi
  home=${given_home:-$home} run_as=${given_run_as:-$run_as}
  backups=${given_backups:-${backups:-/backups}} codex_home=${given_codex_home:-${codex_home:-/opt/Super-Codex-AI}}
  if [ "$name" = codex-backup ]; then
    run_as=${run_as:-codex}
  elif [ "$remove" = no ]; then
    [ -n "$home" ] || die "no workspace: give --home or set $variable"
    [ -d "$home" ] || die "the workspace is not there: $home ($variable)"
    home=$(realpath -s -- "$home")
    run_as=${run_as:-$(stat -c %U -- "$home")}
    # A crontab and units of one's own run as oneself.
    if [ "$user" = yes ] || [[ $kind:$(id -u) == cron:[1-9]* ]]; then run_as=$(id -un); fi
  fi
  for folder in "$home" "$prefix" "$backups" "$codex_home"; do
    [[ $folder == /* || -z $folder ]] || die "a job has no working folder of yours: $folder does not start with /"
    # shellcheck disable=SC1003 # a backslash
    [[ ! $folder =~ [[:cntrl:]\"\'\`\$%\\] ]] || die "cron or systemd would misread this name: $folder"
  done
}

# settle_prefix: installed, this script knows its prefix; from a checkout it is install.sh's default.
settle_prefix() {
  if [ -z "$prefix" ]; then
    if [[ $here == */libexec/pai-tools ]]; then
      prefix=${here%/libexec/pai-tools}
    elif [ "$(id -u)" -eq 0 ]; then
      prefix=/usr/local
    else
      prefix=$HOME/.local
    fi
  fi
}

# settle_crontab HOME: whose crontab it is, in the array crontab, and what of ours is installed already, in $installed.
settle_crontab() {
  crontab=(crontab)
  case "$kind" in
    cron)
      if [ "$(id -u)" -eq 0 ]; then
        local owner=$run_as
        [ -n "$owner" ] || [ ! -d "$1" ] || owner=$(stat -c %U -- "$1")
        owner=${owner:-root}
        getent passwd "$owner" >/dev/null || die "no user $owner on this machine (--run-as)"
        [ "$owner" = root ] || crontab=(crontab -u "$owner")
      fi
      local origin
      read_crontab
      installed=$scratch/installed
      ;;
    cron.d) installed=/etc/cron.d/$name ;;
    systemd)
      installed=$folder_of_units/pai-backup.service
      [ "$name" != vector-store ] || installed=$folder_of_units/pai-vector-store.service
      ;;
  esac
  # shellcheck disable=SC2310 # its only result is its status
  [ "$kind" = cron ] || { [ -r "$installed" ] && is_ours "$installed"; } || installed=/dev/null
}

# need_what_jobs_need FILE...: refuses what cannot run tonight, and what somebody else could make run.
need_what_jobs_need() {
  local file
  getent passwd "$run_as" >/dev/null || die "no user $run_as on this machine (--run-as)"
  if [ "$(id -u)" -ne 0 ] && [ "$run_as" != "$(id -un)" ]; then
    note "whether $run_as can run the jobs only root can ask: not checked"
    return 0
  fi
  become_user
  local -A needed=()
  for file in "$@"; do
    need_tools "$file"
  done
  if [ "$(id -u)" -eq 0 ] && [ "$user" = no ]; then
    if [ "$kind" = systemd ]; then
      need_seen
      need_trust root
    else
      need_trust "$run_as"
    fi
  fi
  [ "$name" = codex-backup ] || need_workspace
  need_store
}
