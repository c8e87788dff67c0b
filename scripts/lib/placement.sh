# shellcheck shell=bash
# shellcheck disable=SC2154 # dry_run, scratch, run_as and the names of this machine are the caller's
# Puts a file where cron or systemd looks, shows the difference first, keeps what others changed, and can undo it.

# What every file of ours says in its first line; a file without it is of another origin.
our_mark='pai-tools'
block_begin='# BEGIN PAI maintenance (pai-tools)'
block_end='# END PAI maintenance'
# A new file beside an edited one. Neither cron (Debian's or cronie) nor systemd reads a name that ends so.
new_mark='.pai-new~'

is_ours() { head -n 1 -- "$1" 2>/dev/null | grep -q -- "$our_mark"; }

# show OLD NEW LABEL: the difference, or that there is none (status 1).
show() {
  local status=0
  diff -u --label "$3" --label "$3 (new)" -- "$1" "$2" || status=$?
  [ "$status" -le 1 ] || die "could not compare $3"
  [ "$status" -ne 0 ] || printf '%s: nothing to change\n' "$3"
  [ "$status" -eq 1 ]
}

# place TEMPLATE FILE TARGET: FILE, rendered from TEMPLATE, becomes TARGET in one step. What somebody changed in TARGET
# stays; where that cannot be, TARGET stays and FILE lies beside it. A TARGET of another origin is kept beside ours.
place() {
  local old=/dev/null mine=no conflict=no
  if [ -e "$3" ]; then
    old=$3
    # shellcheck disable=SC2310 # its only result is its status
    if is_ours "$3"; then
      mine=yes
      keep_edits "$1" "$2" "$3"
    fi
  fi
  if [ "$conflict" = yes ]; then
    beside "$2" "$3" "$3$new_mark" "$3"
    return 0
  fi
  # shellcheck disable=SC2310 # its only result is its status
  if ! show "$old" "$2" "$3"; then
    [ "$dry_run" = yes ] || rm -f -- "$3$new_mark"
    return 0
  fi
  [ "$dry_run" = no ] || return 0
  mkdir -p -- "${3%/*}"
  if [ -e "$3" ] && [ "$mine" = no ] && [ ! -e "$3.before-pai" ]; then
    cp -a -- "$3" "$3.before-pai"
  fi
  # A name with a dot: cron and systemd look past it until it is complete.
  install -m 644 -- "$2" "$3.new-pai"
  mv -f -- "$3.new-pai" "$3"
  rm -f -- "$3$new_mark"
}

# beside NEW EDITED PLACE LABEL: EDITED stays as somebody made it; NEW is left in PLACE for a person to look at.
beside() {
  # shellcheck disable=SC2310 # it differs; that is why it is shown
  show "$2" "$1" "$4" || true
  [ "$dry_run" = yes ] || install -m 644 -- "$1" "$3"
  complain "$4 was edited where the new one differs: it stays as it is; the new one is $3"
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
  rm -f -- "$1$new_mark"
}

# read_crontab: the user's crontab in $scratch/crontab, the lines of our block in $scratch/installed; $origin is
# ' new' where there was no crontab before ours: an empty one and none are told apart when ours goes again.
read_crontab() {
  local old=$scratch/crontab
  origin=
  command -v crontab >/dev/null || refuse 'no crontab(1) here' 'install cron (apt-get install cron), or use systemd'
  if ! "${crontab[@]}" -l >"$old" 2>"$scratch/trouble"; then
    grep -qi 'no crontab for' "$scratch/trouble" || die "could not read the crontab: $(<"$scratch/trouble")"
    origin=' new'
  elif grep -qxF -- "$block_begin new" "$old"; then
    origin=' new'
  fi
  # Without its end, everything below the block would be taken for ours.
  [ "$(grep -c -- "^$block_begin" "$old")" -eq "$(grep -cxF -- "$block_end" "$old")" ] ||
    die "the crontab has '$block_begin' without '$block_end': mend it with crontab -e"
  sed -n "/^$block_begin/,/^$block_end\$/{/^$block_begin/d;/^$block_end\$/q;p}" "$old" >"$scratch/installed"
}

# place_in_crontab BLOCK LABEL: BLOCK (empty: nothing) takes the place of ours, where ours is or at the end.
place_in_crontab() {
  local old=$scratch/crontab new=$scratch/crontab.new origin
  read_crontab
  { sed "/^$block_begin/,\$d" "$old" && if [ -s "$1" ]; then
    printf '%s\n' "$block_begin$origin" && cat -- "$1" && printf '%s\n' "$block_end"
  fi; } >"$new"
  # A second block, whoever made it, is one too many.
  sed -n "/^$block_begin/,\$p" "$old" | sed "/^$block_begin/,/^$block_end\$/d" >>"$new"
  # shellcheck disable=SC2310 # its only result is its status
  show "$old" "$new" "$2" || return 0
  [ "$dry_run" = no ] || return 0
  if [ -n "$origin" ] && [ ! -s "$new" ]; then
    "${crontab[@]}" -r
  else
    "${crontab[@]}" "$new"
  fi
}

# look_at_folder FOLDER: one that is there must let its user in; one that is not, will.
look_at_folder() {
  if [ -d "$1" ]; then
    need_folder "$1"
    [ $((8#$(stat -c %a -- "$1") & 8#007)) -eq 0 ] || warn "anybody can look into $1: chmod 700 $1"
    return 0
  fi
  closed_above "$1"
  [ -z "$closed" ] || refuse "$run_as could not enter $1: $closed is closed to that user" "chmod o+x $closed"
}

# make_folder FOLDER: for its user only.
make_folder() {
  [ ! -d "$1" ] || return 0
  printf 'mkdir %s (0700, %s)\n' "$1" "$run_as"
  [ "$dry_run" = yes ] || install -d -m 0700 -o "$run_as" -g "$(id -gn -- "$run_as")" -- "$1"
}

# control COMMAND...: systemctl where systemd runs; elsewhere (an image being built) what is left to do is said.
control() {
  if [ "$dry_run" = no ] && [ -d /run/systemd/system ]; then
    "$@"
  else
    printf 'to do where systemd runs: %s\n' "$*"
  fi
}
