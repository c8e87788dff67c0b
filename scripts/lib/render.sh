# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # home, run_as, prefix, backups, codex_home, user, scratch, conflict: the caller's
# The templates of jobs with the names of this machine, and what somebody changed in them since.

# render TEMPLATE: the template on stdout with the names of this machine.
render() {
  local line documented=/home/user/projects/codex-assistant/pai
  while IFS= read -r line; do
    # A user's own units run as that user.
    [ "$user" = no ] || [[ $line != User=* ]] || continue
    [ "$user" = no ] || [[ $line != "# By the system's manager alone:"* ]] || break
    # Names that are put in are not looked at again: the widest first.
    line=${line//%h\/.local/"$prefix"}
    line=${line//\/usr\/local/"$prefix"}
    # What an administrator put there, docker for one, is still found.
    [[ $line != PATH=*:"$prefix"/bin:/usr/bin:/bin || $prefix == /usr/local ]] || line=${line/%:\/usr\/bin:\/bin/:\/usr\/local\/bin:\/usr\/bin:\/bin}
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

# read_values FILE: the names of this machine that an earlier run put into FILE, in the variables of render.
read_values() {
  local line seen=no
  while IFS= read -r line; do
    read_store "$line"
    case "$line" in
      PATH=*/libexec/pai-tools:*)
        prefix=${line#PATH=}
        prefix=${prefix%%/libexec/pai-tools:*}
        ;;
      PAI_HOME=* | STACK_HOME=*) home=${line#*=} ;;
      BACKUP_DIR=*) backups=${line#*=} ;;
      CODEX_HOME=*) codex_home=${line#*=} ;;
      'Environment="PAI_HOME='* | 'Environment="STACK_HOME='*)
        home=${line#*_HOME=}
        home=${home%\"}
        ;;
      User=*) run_as=${line#*=} ;;
      ExecStart=*)
        prefix=${line#*=}
        prefix=${prefix%%/libexec/pai-tools/*}
        prefix=${prefix%%/bin/pai-*}
        ;;
      *)
        if [[ $line =~ ^(\#\ )?([^[:blank:]]+\ ){5}([^[:blank:]]+)\ run-job\.sh\  ]] && [ "$seen" = no ]; then
          run_as=${BASH_REMATCH[3]} seen=yes
        elif [[ $line =~ \ PAI_HOME=\"([^\"]*)\"\ (.*)/libexec/pai-tools/run-job\.sh ]]; then
          home=${BASH_REMATCH[1]} prefix=${BASH_REMATCH[2]}
        fi
        ;;
    esac
  done <"$1"
}

# render_as TEMPLATE FILE: the template with the names that are in FILE: what FILE was when it was installed.
render_as() {
  # shellcheck disable=SC2034 # read by render
  local home=$home run_as=$run_as prefix=$prefix backups=$backups codex_home=$codex_home
  local store='' credentials='' recipients=''
  read_values "$2"
  rendered "$1"
}

# as_released: stdin as version 0.1.0 had it, which knew no OnSuccess= and did not fence the vector store's units in.
as_released() { sed -e '/^OnSuccess=/d' -e '/^SyslogIdentifier=/d' -e '/^# Fenced in:/,$d'; }

# apart: stdin with the time of each job on a line of its own and nothing beside it, since diff3 takes changes of
# neighbouring lines for one: a changed time and a changed user go together.
apart() { sed -E 's/^((# )?([^[:blank:]#]+ ){5})(.*run-job\.sh .*)$/\1\n\x02\n\x01\4\n\x03/'; }
together() { sed -z 's/\n\x02\n\x01//g; s/\n\x03//g'; }

# nearest MINE BASE...: the BASE that MINE has most in common with, in $nearest.
nearest() {
  local base count least=
  for base in "${@:2}"; do
    count=$(diff -- "$base" "$1" | grep -c '^[<>]') || true
    if [ -z "$least" ] || [ "$count" -lt "$least" ]; then
      nearest=$base least=$count
    fi
  done
}

# keep_edits TEMPLATE NEW OLD: NEW, the template of today, gets what somebody changed in OLD since that was installed.
# Where both changed the same lines, conflict is yes and NEW is as it was.
keep_edits() {
  local piece status=0 nearest
  conflict=no
  render_as "$1" "$3" >"$scratch/base"
  as_released <"$scratch/base" >"$scratch/base-released"
  nearest "$3" "$scratch/base" "$scratch/base-released"
  for piece in "$3=mine" "$nearest=base" "$2=theirs"; do
    apart <"${piece%=*}" >"$scratch/apart-${piece##*=}"
  done
  diff3 -E -m -- "$scratch/apart-mine" "$scratch/apart-base" "$scratch/apart-theirs" >"$scratch/merged" || status=$?
  case "$status" in
    0) together <"$scratch/merged" >"$2" ;;
    1) conflict=yes ;;
    *) die "could not compare $3 with what was installed" ;;
  esac
}
