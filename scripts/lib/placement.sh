# shellcheck shell=bash
# shellcheck disable=SC2154 # dry_run, scratch, run_as and the names of this machine are the caller's
# Puts a file where cron or systemd looks, shows the difference first, and can undo it.

# What every file of ours says in its first line; a file without it is of another origin.
our_mark='pai-tools'
block_begin='# BEGIN PAI maintenance (pai-tools)'
block_end='# END PAI maintenance'

is_ours() { head -n 1 -- "$1" 2>/dev/null | grep -q -- "$our_mark"; }

# show OLD NEW LABEL: the difference, or that there is none (status 1).
show() {
  local status=0
  diff -u --label "$3" --label "$3 (new)" -- "$1" "$2" || status=$?
  [ "$status" -le 1 ] || die "could not compare $3"
  [ "$status" -ne 0 ] || printf '%s: nothing to change\n' "$3"
  [ "$status" -eq 1 ]
}

# place FILE TARGET MODE: FILE becomes TARGET, in one step; a TARGET of another origin is kept beside it.
place() {
  local old=/dev/null
  [ ! -e "$2" ] || old=$2
  # shellcheck disable=SC2310 # its only result is its status
  show "$old" "$1" "$2" || return 0
  [ "$dry_run" = no ] || return 0
  mkdir -p -- "${2%/*}"
  if [ -e "$2" ] && [ ! -e "$2.before-pai" ]; then
    # shellcheck disable=SC2310 # its only result is its status
    is_ours "$2" || cp -a -- "$2" "$2.before-pai"
  fi
  # A name with a dot: cron and systemd look past it until it is complete.
  install -m "$3" -- "$1" "$2.new-pai"
  mv -f -- "$2.new-pai" "$2"
}

# take_away TARGET: TARGET goes if it is ours; what it had replaced comes back.
take_away() {
  local before=/dev/null
  # shellcheck disable=SC2310 # its only result is its status
  if [ ! -e "$1" ] || ! is_ours "$1"; then
    printf '%s: nothing to remove\n' "$1"
    return 0
  fi
  [ ! -e "$1.before-pai" ] || before=$1.before-pai
  # shellcheck disable=SC2310 # it differs, or both are the same and either may go
  show "$1" "$before" "$1" || true
  [ "$dry_run" = no ] || return 0
  if [ "$before" = /dev/null ]; then
    rm -f -- "$1"
  else
    mv -f -- "$before" "$1"
  fi
}

# place_in_crontab BLOCK: BLOCK (empty: nothing) takes the place of ours at the end of the user's crontab.
place_in_crontab() {
  local old=$scratch/crontab new=$scratch/crontab.new origin=''
  if ! crontab -l >"$old" 2>"$scratch/trouble"; then
    grep -qi 'no crontab for' "$scratch/trouble" || die "could not read the crontab: $(<"$scratch/trouble")"
    # An empty crontab and none are told apart when ours goes again.
    origin=' new'
  elif grep -qxF -- "$block_begin new" "$old"; then
    origin=' new'
  fi
  # Without its end, everything below the block would be taken for ours.
  [ "$(grep -c -- "^$block_begin" "$old")" -eq "$(grep -cxF -- "$block_end" "$old")" ] ||
    die "the crontab has '$block_begin' without '$block_end': mend it with crontab -e"
  sed "/^$block_begin/,/^$block_end\$/d" "$old" >"$new"
  if [ -s "$1" ]; then
    { printf '%s\n' "$block_begin$origin" && cat -- "$1" && printf '%s\n' "$block_end"; } >>"$new"
  fi
  # shellcheck disable=SC2310 # its only result is its status
  show "$old" "$new" crontab || return 0
  [ "$dry_run" = no ] || return 0
  if [ -n "$origin" ] && [ ! -s "$new" ]; then
    crontab -r
  else
    crontab "$new"
  fi
}

# make_folder FOLDER: for its user only; one that is there must let its user in.
make_folder() {
  if [ ! -d "$1" ]; then
    printf 'mkdir %s (0700, %s)\n' "$1" "$run_as"
    [ "$dry_run" = yes ] || install -d -m 0700 -o "$run_as" -- "$1"
    return 0
  fi
  if [ "$(id -u)" -eq 0 ] && ! runuser -u "$run_as" -- test -w "$1"; then
    die "$run_as cannot write $1: chown $run_as: $1"
  fi
  [ $((8#$(stat -c %a -- "$1") & 8#007)) -eq 0 ] || warn "anybody can look into $1: chmod 700 $1"
}

# control COMMAND...: systemctl where systemd runs; elsewhere (an image being built) what is left to do is said.
control() {
  if [ "$dry_run" = no ] && [ -d /run/systemd/system ]; then
    "$@"
  else
    printf 'to do where systemd runs: %s\n' "$*"
  fi
}

# render TEMPLATE: the template on stdout with the names of this machine.
render() {
  local line documented=/home/user/projects/codex-assistant/pai
  while IFS= read -r line; do
    # A user's own units run as that user.
    [ "$user" = no ] || [[ $line != User=* ]] || continue
    # Names that are put in are not looked at again: the widest first.
    line=${line//%h\/.local/"$prefix"}
    line=${line//\/usr\/local/"$prefix"}
    line=${line//\/opt\/Super-Codex-AI/"$codex_home"}
    line=${line//\/srv\/vector-store/"$home"}
    line=${line/#BACKUP_DIR=*/"BACKUP_DIR=$backups"}
    line=${line/#User=user/"User=$run_as"}
    line=${line//"$documented"/"$home"}
    line=${line//%h\/projects\/codex-assistant\/pai/"$home"}
    if [[ $line =~ ^((\#\ )?([^[:blank:]]+\ ){5})(user|codex)\ (run-job.sh\ .*)$ ]]; then
      line="${BASH_REMATCH[1]}$run_as ${BASH_REMATCH[5]}"
    fi
    printf '%s\n' "$line"
  done <"$1"
}

# need_tools FILE: whatever the jobs of FILE call is installed; otherwise tonight's run is tomorrow's surprise.
need_tools() {
  local tool
  for tool in run-job.sh notify.sh backup-database.sh replay-capsule.sh checksum-replays.sh \
    maintenance.sh tasks/metrics.sh pai-backup pai-optimize pai-checksum pai-rotate; do
    grep -q -- "$tool" "$1" || continue
    [ -x "$prefix/bin/$tool" ] || [ -x "$prefix/libexec/pai-tools/$tool" ] ||
      die "$tool is not installed under $prefix: run install.sh first, or give --prefix"
  done
}
