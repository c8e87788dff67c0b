#!/usr/bin/env bash
# Installs the tools, the scripts, man pages and completions; and takes them away again.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/lib/say.sh"
# shellcheck source=scripts/lib/toolchain.sh
. "$here/lib/toolchain.sh"
# shellcheck source=scripts/lib/scheduled.sh
. "$here/lib/scheduled.sh"
# shellcheck source=scripts/lib/workspace.sh
. "$here/lib/workspace.sh"

usage() {
  cat <<'TEXT'
Usage: install.sh [--prefix DIR] [--from DIR] [-n]
       install.sh --workspace DIR [--force] [--uninstall]
       install.sh --uninstall [--force]

Builds the tools and installs below the prefix:
  bin/                   pai-backup pai-checksum pai-optimize pai-rotate, and the scripts one calls by hand:
                         pai-schedule (install-schedule.sh), pai-stack-backup, pai-stack-restore, pai-stack-verify
                         (backup.sh, restore.sh, verify-backup.sh of the stack), pai-install (this one), and
                         pai-NAME for NAME.sh: backup-database backup-sqlite checksum-replays diagnose health-check
                         lint-cron maintenance notify replay-capsule run-job store-backup
                         validate-config
  libexec/pai-tools/     the scripts of this folder, with cron/ and systemd/
  share/man/man1/        man pages
  share/doc/pai-tools/   docs/ and examples/
  share/bash-completion/completions/, share/zsh/site-functions/, share/fish/vendor_completions.d/

  --prefix DIR     [/usr/local as root, else ~/.local; installed, where it lies]
  --from DIR       take built programs from DIR (target/release) instead of building
  --workspace DIR  install nothing: put backup.sh and optimize_memory.py into a workspace, which call the installed
                   tools, so that the runbook's lines go on working; with --uninstall take them out again
  --uninstall      remove what was installed, by the list kept in libexec/pai-tools; data and schedules stay. Refused
                   while cron or systemd still call it
  --force          --workspace: over files that are not ours, too, which are kept as NAME.before-pai;
                   --uninstall: though schedules still call the tools
  -n, --dry-run    list the files, change nothing (with --from; without, nothing is built either)
  -h, --help       this text

Exit status: 0 done, 2 not done.

Examples:
  scripts/install.sh
  sudo scripts/install.sh --from target/release
  pai-install --workspace ~/projects/codex-assistant/pai
  pai-install --uninstall
TEXT
}

tools=(pai-backup pai-checksum pai-optimize pai-rotate)
# What people call by hand has a name on PATH, sudo's too, that says whose it is.
declare -A scripts=(
  ["pai-schedule"]=install-schedule.sh ["pai-install"]=install.sh
  ["pai-stack-backup"]=backup.sh ["pai-stack-restore"]=restore.sh ["pai-stack-verify"]=verify-backup.sh
)
for script in backup-database backup-sqlite checksum-replays diagnose health-check lint-cron maintenance notify \
  replay-capsule run-job store-backup validate-config; do
  scripts["pai-$script"]=$script.sh
done

# stage: everything as it will lie below the prefix, in $staging.
stage() {
  local tool
  mkdir -p "$staging/bin" "$staging/libexec/pai-tools"
  for tool in "${tools[@]}"; do
    if [ -x "$from/$tool" ]; then
      install -m 755 -- "$from/$tool" "$staging/bin/$tool"
    elif [ "$dry_run" = yes ]; then
      : >"$staging/bin/$tool"
    else
      die "no $tool in $from: build first (cargo build --release --workspace --bins)"
    fi
  done
  stage_scripts
  stage_docs
  if [ -x "$from/pai-docs" ]; then
    "$from/pai-docs" "$staging"
  else
    warn "no pai-docs in $from: man pages and completions are left out"
  fi
  : >"$staging/$list"
  (cd "$staging" && find . -type f -printf '%P\n' | LC_ALL=C sort) >"$staging.list"
  mv -- "$staging.list" "$staging/$list"
}

# What runs a machine is installed; building, testing and measuring stay with the source.
stage_scripts() {
  local name
  (cd "$here" && find . -type f ! -path './dev/*' ! -path ./bench.sh ! -path ./quickstart.sh ! -path ./release.sh ! -path ./test.sh \
    ! -path ./README.md -print0 | LC_ALL=C sort -z |
    tar -cf - --null --no-recursion --files-from=-) | tar -xf - --no-same-owner -C "$staging/libexec/pai-tools"
  for name in "${!scripts[@]}"; do
    # Sourced, so that it speaks under the name it was called by.
    cat >"$staging/bin/$name" <<TEXT
#!/usr/bin/env bash
# A command of pai-tools: libexec/pai-tools/${scripts[$name]}.
. "\$(dirname -- "\$(readlink -f -- "\${BASH_SOURCE[0]}")")/../libexec/pai-tools/${scripts[$name]}"
TEXT
    chmod 755 "$staging/bin/$name"
  done
}

stage_docs() {
  local doc=$staging/share/doc/pai-tools name
  mkdir -p "$doc"
  for name in README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT docs examples; do
    [ ! -e "$here/../$name" ] || cp -R -- "$here/../$name" "$doc/"
  done
}

install_staged() {
  local folder names
  find "$staging" -type f -perm /111 -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
  while IFS= read -r folder; do
    # Ours alone; an installation under a umask of 077 had closed it to the users of the jobs.
    [[ $prefix/$folder/ != "$prefix"/libexec/pai-tools/* ]] || install -d -m 755 -- "$prefix/$folder"
    # An installation that was interrupted may have left some.
    rm -rf -- "$prefix/$folder/.new-pai"
    mkdir -p -- "$prefix/$folder/.new-pai"
    mapfile -d '' names < <(find "$staging/$folder" -maxdepth 1 -type f -printf '%f\0')
    # A running program is replaced, not written into: that would fail with "text file busy".
    (cd "$staging/$folder" && cp --preserve=mode -- "${names[@]}" "$prefix/$folder/.new-pai")
    (cd "$prefix/$folder/.new-pai" && mv -f -- "${names[@]}" ..)
    rmdir -- "$prefix/$folder/.new-pai"
  done < <(folders_of_list "$staging/$list")
  printf 'installed %s files below %s\n' "$(wc -l <"$staging/$list")" "$prefix"
}

# folders_of_list LIST: the folders that files of a list lie in, the deepest first.
folders_of_list() {
  sed 's,/[^/]*$,,' <"$1" | LC_ALL=C sort -ru
}

# read_list: the files of the last installation, in the array listed. The list is ours, but it lies where others may write.
read_list() {
  local file
  mapfile -t listed <"$prefix/$list"
  for file in "${listed[@]}"; do
    [[ /$file/ != */../* ]] || die "a name in $prefix/$list leads out of it: $file"
  done
}

# forget_old: files of the last installation that this one no longer has.
forget_old() {
  local file listed
  [ -r "$prefix/$list" ] || return 0
  read_list
  for file in "${listed[@]}"; do
    [ -e "$staging/$file" ] || rm -f -- "$prefix/$file"
  done
}

uninstall() {
  local file folder folders listed schedules
  [ -r "$prefix/$list" ] || die "nothing of ours is installed below $prefix"
  schedules_of "$prefix"
  if [ "${#schedules[@]}" -gt 0 ] && [ "$force" = no ]; then
    for file in "${schedules[@]}"; do
      complain "still called by $file"
    done
    refuse 'nothing was removed: these jobs would fail every night' 'take them out first, or say --force'
  fi
  if [ "$dry_run" = yes ]; then
    sed 's/^/would remove /' "$prefix/$list"
    return 0
  fi
  read_list
  mapfile -t folders < <(folders_of_list "$prefix/$list")
  (cd "$prefix" && printf '%s\0' "${listed[@]}" | xargs -0 rm -f --)
  for folder in "${folders[@]}"; do
    (cd "$prefix" && rmdir -p --ignore-fail-on-non-empty -- "$folder" 2>/dev/null) || true
  done
  printf 'removed %s files below %s\n' "${#listed[@]}" "$prefix"
}

# advise: what the user's shells still need.
advise() {
  # shellcheck disable=SC2016 # the shell that reads the advice expands it
  local path='export PATH="%s/bin:$PATH"' fpath='fpath=(%s/share/zsh/site-functions $fpath)'
  if [[ :$PATH: != *":$prefix/bin:"* ]]; then
    # shellcheck disable=SC2059 # the format stands above
    printf "put the tools on PATH, in ~/.profile or ~/.bashrc:\n  $path\n" "$prefix"
  fi
  if [ "$prefix" != /usr/local ]; then
    # shellcheck disable=SC2059 # as above
    printf "zsh completions, in ~/.zshrc before compinit:\n  $fpath\n" "$prefix"
  fi
  printf 'schedule the jobs:\n  %s/bin/pai-schedule --help\n' "$prefix"
}

# settle: the prefix, and where built programs come from.
settle() {
  if [ -z "$prefix" ]; then
    prefix=$HOME/.local
    [ "$(id -u)" -ne 0 ] || prefix=/usr/local
    [[ $here != */libexec/pai-tools ]] || prefix=${here%/libexec/pai-tools}
  fi
  prefix=$(realpath -m -- "$prefix")
  if [ "$action:$workspace" = install: ] && [ -z "$from" ]; then
    [ -e "$here/../Cargo.toml" ] || die 'nothing to build here: install from a checkout, or give --from DIR'
    from=$here/../target/release
    if [ "$dry_run" = no ]; then
      need_build_tools "$here/.."
      (cd "$here/.." && cargo build --quiet --release --locked --workspace --bins) || die 'could not build the tools'
    fi
  fi
}

main() {
  local prefix='' from='' workspace='' action=install
  # shellcheck disable=SC2034 # to be said again as the workspace's owner
  local words=("$@")
  dry_run=no force=no
  while [ $# -gt 0 ]; do
    case "$1" in
      -h | --help)
        usage
        return 0
        ;;
      -n | --dry-run) dry_run=yes ;;
      --force) force=yes ;;
      --uninstall) action=uninstall ;;
      --prefix | --from | --workspace)
        [ -n "${2-}" ] || bad_usage "$1 needs a folder"
        printf -v "${1#--}" '%s' "$2"
        shift
        ;;
      *) bad_usage "unknown word: $1" ;;
    esac
    shift
  done
  # Others run what is installed: its folders are everybody's to enter, whatever the umask.
  umask 022
  list=libexec/pai-tools/installed-files
  settle
  staging=$(mktemp -d)
  trap 'rm -rf "$staging"' EXIT
  case "$action:$workspace" in
    uninstall:) uninstall ;;
    install:) install_all ;;
    uninstall:*) take_wrappers "$(realpath -s -- "$workspace")" ;;
    *) put_wrappers "$(realpath -s -- "$workspace")" ;;
  esac
}

install_all() {
  local file
  stage
  if [ "$dry_run" = yes ]; then
    while IFS= read -r file; do
      printf 'would install %s\n' "$prefix/$file"
    done <"$staging/$list"
    return 0
  fi
  forget_old
  install_staged
  advise
}

main "$@"
