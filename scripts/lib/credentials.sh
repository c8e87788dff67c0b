# shellcheck shell=bash
# Credentials of a store: a file of NAME=VALUE lines that nobody else can read. Nothing in it is run as a program.

# check_credentials FILE OWNER...: refuses a file that somebody else could have read or written.
check_credentials() {
  local file=$1 mode owner
  shift
  [ -f "$file" ] || die "could not read the credentials: no file $file"
  mode=$(stat -Lc %a -- "$file")
  owner=$(stat -Lc %U -- "$file")
  [ $((8#$mode & 8#077)) -eq 0 ] || die "others can read or write $file (mode $mode): chmod 600 $file, and change the keys"
  [[ " $* " == *" $owner "* ]] || die "$file belongs to $owner, not to $*: chown $1 $file"
}

# load_credentials FILE: its variables, for the programs that are run from here.
load_credentials() {
  local line number=0 value
  while IFS= read -r line || [ -n "$line" ]; do
    number=$((number + 1))
    line=${line#"${line%%[![:space:]]*}"}
    line=${line#export }
    if [ -z "$line" ] || [[ $line == \#* ]]; then continue; fi
    # The line itself is a secret, perhaps: only its number is said.
    [[ $line =~ ^((AWS|RCLONE|PAI)_[A-Z0-9_]+)=(.*)$ ]] ||
      die "$1: line $number is not NAME=VALUE with a name that begins with AWS_, RCLONE_ or PAI_"
    value=${BASH_REMATCH[3]%"${BASH_REMATCH[3]##*[![:space:]]}"}
    if [[ $value =~ ^\"(.*)\"$ ]] || [[ $value =~ ^\'(.*)\'$ ]]; then value=${BASH_REMATCH[1]}; fi
    line=${line%%=*}
    export "$line=$value"
  done <"$1"
}

# use_credentials FILE: checks and loads FILE; without one, what systemd passes on (LoadCredential=), if it does.
use_credentials() {
  local passed=${CREDENTIALS_DIRECTORY:+$CREDENTIALS_DIRECTORY/store.env}
  if [ -n "$1" ]; then
    check_credentials "$1" "$(id -un)" root
    load_credentials "$1"
  elif [ -n "$passed" ] && [ -f "$passed" ]; then
    load_credentials "$passed"
  fi
}
