# shellcheck shell=bash
# shellcheck disable=SC2154 # run_as, prefix, home and scratch are the caller's
# Whether a job's user can reach what the job needs tonight, and who else could change what it runs. Root sees
# everything: each question is asked as the user whose job it will be.

# become_user: the words that run a command as $run_as, in the array become.
become_user() {
  become=()
  [ "$(id -u)" -ne 0 ] || [ "$run_as" = root ] || become=(runuser -u "$run_as" --)
}

# closed_above PATH: the first folder above PATH that the job's user cannot enter, in $closed; empty if there is none.
closed_above() {
  local folder='' part parts
  IFS=/ read -ra parts <<<"${1#/}"
  closed=
  for part in "${parts[@]}"; do
    [ -d "$folder/" ] || return 0
    if ! "${become[@]}" test -x "$folder/"; then
      closed=${folder:-/}
      return 0
    fi
    folder+=/$part
  done
}

# need_run PATH: the job's user can run it. It is asked for its help: that needs all it reads and is made of, too.
need_run() {
  local status=0
  closed_above "$1"
  [ -z "$closed" ] || refuse "$run_as cannot run $1: $closed is closed to that user" \
    "install for everybody: sudo scripts/install.sh --prefix /usr/local, then sudo pai-schedule; or chmod o+x $closed"
  "${become[@]}" test -x "$1" || refuse "$run_as cannot run $1: $(stat -c '%A %U:%G' -- "$1")" "chmod a+rx $1"
  (cd / && "${become[@]}" "$1" --help) >/dev/null 2>"$scratch/trouble" </dev/null || status=$?
  [ "$status" -eq 0 ] || die "$run_as cannot run $1: $(tail -n 1 -- "$scratch/trouble") (exit $status)"
}

# need_tools FILE: whatever the jobs of FILE call is installed and runs as their user.
need_tools() {
  local tool path folder
  for tool in run-job.sh notify.sh backup-database.sh replay-capsule.sh checksum-replays.sh \
    maintenance.sh tasks/metrics.sh store-backup.sh pai-backup pai-optimize pai-checksum pai-rotate; do
    grep -q -- "[/ ]$tool" "$1" || continue
    [ -z "${needed[$tool]-}" ] || continue
    path=
    for folder in "$prefix/bin" "$prefix/libexec/pai-tools"; do
      [ ! -f "$folder/$tool" ] || path=$folder/$tool
    done
    [ -n "$path" ] || die "$tool is not installed under $prefix: run install.sh first, or give --prefix"
    need_run "$path"
    needed["$tool"]=yes
  done
}

# need_folder FOLDER: the job's user may enter, read and write it.
need_folder() {
  closed_above "$1"
  [ -z "$closed" ] || refuse "$run_as cannot enter $1: $closed is closed to that user" \
    "chmod o+x $closed, or run the jobs as $(stat -c %U -- "$1") (--run-as)"
  # shellcheck disable=SC2016 # sh expands it
  "${become[@]}" sh -c 'test -r "$1" && test -w "$1" && test -x "$1"' sh "$1" ||
    refuse "$run_as cannot read and write $1" "chown -R $run_as: $1"
}

# need_workspace: the workspace, and the folders in it that an earlier run may have made as somebody else.
need_workspace() {
  local folder
  need_folder "$home"
  for folder in archive logs deployment deployment/logs; do
    [ ! -d "$home/$folder" ] || need_folder "$home/$folder"
  done
}

# others_of_group GROUP USER: the users but root and USER that are in GROUP, in $others.
others_of_group() {
  local gid members
  gid=$(getent group "$1" | cut -d: -f3)
  members=$(getent group "$1" | cut -d: -f4 | tr , '\n')
  others=$(
    printf '%s\n' "$members"
    getent passwd | awk -F: -v gid="$gid" '$4 == gid { print $1 }'
  )
  others=$(grep -vxF -e root -e '' -e "$2" <<<"$others" | sort -u | paste -sd' ' -) || true
}

# who_may_change PATH USER: who but root and USER can change PATH or what leads to it, in $who; the place in $where.
who_may_change() {
  local path mode owner group others
  who='' where=
  for path in "$1" "$(realpath -- "$1")"; do
    while [ -z "$who" ]; do
      where=$path
      read -r mode owner group < <(stat -c '%a %U %G' -- "$path")
      [ "$owner" = root ] || [ "$owner" = "$2" ] || who=$owner
      # A link's own mode says nothing.
      if [ -z "$who" ] && [ ! -L "$path" ]; then
        (((8#$mode & 8#002) == 0)) || who=everybody
        if [ -z "$who" ] && (((8#$mode & 8#020) != 0)); then
          others_of_group "$group" "$2"
          who=$others
        fi
      fi
      [ "$path" != / ] || break
      path=${path%/*}
      path=${path:-/}
    done
  done
}

# need_trust USER: nobody but root and USER can change what is installed below the prefix, or put other files there.
need_trust() {
  local path paths who where
  mapfile -d '' -t paths < <(
    find -H "$prefix/libexec/pai-tools" "$prefix"/bin/pai-* \( ! -user root -o -perm /022 \) -print0
  )
  for path in "$prefix/bin" "$prefix/libexec/pai-tools" "${paths[@]}"; do
    who_may_change "$path" "$1"
    [ -z "$who" ] || refuse "$who could change $where, and $1 would run it" \
      'install where only root may write: sudo scripts/install.sh --prefix /usr/local, then sudo pai-schedule'
  done
}

# need_seen: the units see their programs and the workspace. ProtectHome= hides homes from those of root, PrivateTmp= hides /tmp.
need_seen() {
  local real
  real=$(realpath -- "$prefix")
  case "$real/" in
    /home/* | /root/* | /run/user/* | /tmp/* | /var/tmp/*)
      refuse "system units do not see $real (ProtectHome=, PrivateTmp=): no failure would ever be told" \
        'sudo scripts/install.sh --prefix /usr/local, then sudo pai-schedule; or your own units: pai-schedule systemd --user'
      ;;
  esac
  real=$(realpath -- "$home")
  case "$real/" in
    /tmp/* | /var/tmp/*) refuse "system units do not see $real (PrivateTmp=)" 'keep the workspace elsewhere' ;;
  esac
}

# tell_of_cron: cron has to run for its files to matter.
tell_of_cron() {
  grep -qsxE 'cron|crond|fcron' /proc/[0-9]*/comm && return 0
  warn 'cron does not run here: nothing of this will be started'
  note 'hint: systemctl enable --now cron; under WSL: service cron start'
}

# tell_of_docker FILE: can the jobs' user talk to the engine, and is the container there?
tell_of_docker() {
  local host path container=codex_postgres ask
  host=$(sed -n 's/^DOCKER_HOST=//p' "$1" | tail -n 1)
  path=$(sed -n 's/^PATH=//p' "$1" | tail -n 1)
  host=${host:-${DOCKER_HOST-}}
  ask=("${become[@]}" env "PATH=$path" ${host:+"DOCKER_HOST=$host"} timeout 20 docker)
  if ! command -v docker >/dev/null; then
    warn 'docker is not installed here: there will be no dump'
  elif ! PATH=$path command -v docker >/dev/null; then
    warn "docker is not on the jobs' PATH: there will be no dump"
    note "hint: add $(dirname -- "$(command -v docker)") to the line PATH= of the file"
  elif ! "${ask[@]}" version >/dev/null 2>&1; then
    warn "$run_as cannot talk to docker: there will be no dump"
    note "hint: systemctl status docker; may $run_as use it (usermod -aG docker $run_as)?"
  elif ! "${ask[@]}" inspect "$container" >/dev/null 2>&1; then
    warn "there is no container $container: there will be no dump"
    note "hint: docker ps -a; backup-database.sh --container NAME, in the file"
  fi
}
