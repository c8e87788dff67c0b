# shellcheck shell=bash
# shellcheck disable=SC2154 # prefix, dry_run, force and staging are the caller's
# The two programs that the runbook calls by their place in the workspace, as wrappers of the installed tools.

wrappers=(backup.sh optimize_memory.py)

# wrapper NAME: its text.
wrapper() {
  case "$1" in
    backup.sh)
      cat <<TEXT
#!/bin/sh
# A wrapper of pai-tools under the runbook's name: pai-backup of the workspace it lies in.
PAI_HOME=\${PAI_HOME:-\$(dirname -- "\$(readlink -f -- "\$0")")}
export PAI_HOME
exec '$prefix/bin/pai-backup' "\$@"
TEXT
      ;;
    *)
      cat <<TEXT
#!/usr/bin/env python3
# A wrapper of pai-tools under the runbook's name: pai-optimize of the workspace it lies in.
import os
import sys

tool = '$prefix/bin/pai-optimize'
os.environ["PAI_HOME"] = os.environ.get("PAI_HOME") or os.path.dirname(os.path.realpath(__file__))
try:
    os.execv(tool, [tool, *sys.argv[1:]])
except OSError as error:
    print(f"could not run {tool}: {error.strerror}", file=sys.stderr)
    sys.exit(2)
TEXT
      ;;
  esac
}

is_wrapper() { head -n 2 -- "$1" 2>/dev/null | grep -q 'wrapper of pai-tools'; }

# need_workspace_of_ours FOLDER: a folder, and as its owner: root's files in it would stop that user's next run.
need_workspace_of_ours() {
  local owner
  [ -d "$1" ] || die "the workspace is not there: $1"
  owner=$(stat -c %U -- "$1")
  if [ "$(id -u)" -eq 0 ] && [ "$owner" != root ]; then
    exec runuser -u "$owner" -- "$here/install.sh" "${words[@]}"
  fi
}

# put_wrappers FOLDER: both, or, where one would take the place of a file that is not ours, none.
put_wrappers() {
  local name file
  need_workspace_of_ours "$1"
  [[ ! $prefix =~ [\'\\[:cntrl:]] ]] || die "a wrapper would misread this name: $prefix"
  for name in pai-backup pai-optimize; do
    [ -x "$prefix/bin/$name" ] || die "$name is not installed under $prefix: run install.sh first, or give --prefix"
  done
  for name in "${wrappers[@]}"; do
    file=$1/$name
    # shellcheck disable=SC2310 # its only result is its status
    if [ -e "$file" ] && [ "$force" = no ] && ! is_wrapper "$file"; then
      refuse "$file is there and not ours: nothing was changed" '--force puts ours in its place and keeps it as NAME.before-pai'
    fi
  done
  for name in "${wrappers[@]}"; do
    put_wrapper "$1/$name"
  done
  [ "$dry_run" = yes ] || mkdir -p -- "$1/archive" "$1/logs"
}

put_wrapper() {
  if [ "$dry_run" = yes ]; then
    printf 'would write %s\n' "$1"
    return 0
  fi
  # shellcheck disable=SC2310 # its only result is its status
  if [ -e "$1" ] && ! is_wrapper "$1"; then
    # An earlier kept copy stays, under a number.
    cp -a --backup=numbered -- "$1" "$1.before-pai"
    printf 'kept %s\n' "$1.before-pai"
  fi
  wrapper "${1##*/}" >"$staging/wrapper"
  install -m 755 -- "$staging/wrapper" "$1.new-pai"
  mv -f -- "$1.new-pai" "$1"
  printf 'wrote %s\n' "$1"
}

# take_wrappers FOLDER: ours go; what they had replaced comes back.
take_wrappers() {
  local name file
  need_workspace_of_ours "$1"
  for name in "${wrappers[@]}"; do
    file=$1/$name
    # shellcheck disable=SC2310 # its only result is its status
    is_wrapper "$file" || continue
    if [ "$dry_run" = yes ]; then
      printf 'would remove %s\n' "$file"
    elif [ -e "$file.before-pai" ]; then
      mv -f -- "$file.before-pai" "$file"
      printf 'brought back %s\n' "$file"
    else
      rm -f -- "$file"
      printf 'removed %s\n' "$file"
    fi
  done
}
