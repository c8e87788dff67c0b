# shellcheck shell=bash
# shellcheck disable=SC2034 # results are read by the callers
# The paths that no task deletes, empties or rewrites. PROTECTED_PATHS lists them, with ; between two, and so does
# the file deployment/protected-paths, one a line. An entry that starts with ! is an exception inside one of them.
#
# A path is protected if it is one of them, lies in one, or holds one; as it is written and as its links and ..
# resolve; and also where the same folder is reached by a bind mount or, where the file system takes them for the
# same, in other letters. D:/DATA, d:\data, /mnt/d/DATA and a Linux folder that somebody named D: are one place.

# read_protected: the lists, once.
read_protected() {
  local entry path form
  setting_list PROTECTED_PATHS 'D:/DATA'
  local entries=("${list[@]}") file=$STACK_HOME/deployment/protected-paths
  if [ -e "$file" ]; then
    # A list that cannot be read must not pass for an empty one.
    [ -r "$file" ] || die "could not read $file"
    while IFS= read -r entry || [ -n "$entry" ]; do
      entry=${entry%$'\r'}
      case "$entry" in '' | \#*) ;; *) entries+=("$entry") ;; esac
    done <"$file"
  fi
  guarded_names=() guarded_forms=()
  for entry in "${entries[@]}"; do
    path=${entry#!}
    [[ $path == /* || $path =~ ^[A-Za-z]: ]] || path=$STACK_HOME/$path
    forms_of "$path"
    for form in "${forms[@]}"; do
      guarded_names+=("$entry") guarded_forms+=("$form")
    done
  done
}

# forms_of PATH: the ways to write PATH as an absolute one, in the array forms.
forms_of() {
  local path form how slashed=${1//\\//} paths=("$1")
  forms=()
  if [[ $slashed =~ ^([A-Za-z]):(/.*)?$ ]]; then paths+=("/mnt/${BASH_REMATCH[1],,}${BASH_REMATCH[2]}"); fi
  for path in "${paths[@]}"; do
    for how in --no-symlinks --physical; do
      # The dot keeps line ends that a name ends with.
      form=$(realpath --canonicalize-missing "$how" -- "$path" && echo .) || die "could not resolve $path"
      form=${form%$'\n.'}
      add_form "$form"
      # Below a drive, in small letters: Windows takes them for the same.
      form=${form,,}
      if [[ $form =~ ^.*/([a-z]):(/.*)?$ || $form =~ ^/(mnt/|cygdrive/)?([a-z])(/.*)?$ ]]; then
        add_form "/mnt/${BASH_REMATCH[-2]}${BASH_REMATCH[-1]}"
      fi
    done
  done
}

add_form() {
  [[ " ${forms[*]@Q} " == *" ${1@Q} "* ]] || forms+=("$1")
}

# find_protected PATH: the entry that protects PATH in $protected; empty if none does.
find_protected() {
  local form
  protected=
  [ -n "${guarded_forms+read}" ] || read_protected
  forms_of "$1"
  for form in "${forms[@]}"; do
    find_protected_form "$form"
    [ -z "$protected" ] || return 0
  done
}

# find_protected_form FORM: the nearest entry above decides, be it an exception or not.
find_protected_form() {
  local at=$1 i
  while true; do
    for ((i = 0; i < ${#guarded_forms[@]}; i++)); do
      [ "$at" = "${guarded_forms[$i]}" ] || [ "$at" -ef "${guarded_forms[$i]}" ] || continue
      [[ ${guarded_names[$i]} != !* ]] || break 2
      protected=${guarded_names[$i]}
      return 0
    done
    [ "$at" != / ] || break
    at=${at%/*}
    at=${at:-/}
  done
  for ((i = 0; i < ${#guarded_forms[@]}; i++)); do
    if [[ ${guarded_forms[$i]} == "${1%/}"/* && ${guarded_names[$i]} != !* ]]; then
      protected=${guarded_names[$i]}
    fi
  done
}

# leave_protected PATH...: the paths that may be changed, in the array allowed; each other one is complained of.
leave_protected() {
  local path
  allowed=()
  for path in "$@"; do
    find_protected "$path"
    if [ -n "$protected" ]; then
      complain "left alone: $path is protected ($protected)"
    else
      allowed+=("$path")
    fi
  done
}
