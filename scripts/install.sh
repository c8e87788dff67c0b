#!/usr/bin/env bash
# Installs the tools, the scripts, man pages and completions; and takes them away again.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/lib/say.sh"

usage() {
  cat <<'TEXT'
Usage: install.sh [--prefix DIR] [--from DIR] [--uninstall] [-n]

Builds the tools and installs below the prefix:
  bin/                   pai-backup pai-checksum pai-optimize pai-rotate
  libexec/pai-tools/     the scripts of this folder, with cron/ and systemd/
  share/man/man1/        man pages
  share/bash-completion/completions/, share/zsh/site-functions/, share/fish/vendor_completions.d/

  --prefix DIR   [/usr/local as root, else ~/.local]
  --from DIR     take built programs from DIR (target/release) instead of building
  --uninstall    remove what was installed, by the list kept in libexec/pai-tools; data and schedules stay
  -n, --dry-run  list the files, change nothing (with --from; without, nothing is built either)
  -h, --help     this text

Exit status: 0 done, 2 not done.

Examples:
  scripts/install.sh
  sudo scripts/install.sh --from target/release
  scripts/install.sh --prefix ~/.local --uninstall
TEXT
}

tools=(pai-backup pai-checksum pai-optimize pai-rotate)

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
  # What runs a machine is installed; building, testing and measuring stay with the source.
  (cd "$here" && find . -type f ! -path './bench/*' ! -path './deb/*' ! -path './quickstart.sh' ! -path './test.sh' ! -path './bench.sh' \
    ! -path './install.sh' ! -path './release.sh' ! -path './check-licences.sh' ! -path './lib/packages.sh' \
    ! -path './lib/deb.sh' ! -path './lib/timing.sh' -print0 | LC_ALL=C sort -z |
    tar -cf - --null --no-recursion --files-from=-) | tar -xf - --no-same-owner -C "$staging/libexec/pai-tools"
  if [ -x "$from/pai-docs" ]; then
    "$from/pai-docs" "$staging"
  else
    warn "no pai-docs in $from: man pages and completions are left out"
  fi
  : >"$staging/$list"
  (cd "$staging" && find . -type f -printf '%P\n' | LC_ALL=C sort) >"$staging.list"
  mv -- "$staging.list" "$staging/$list"
}

install_staged() {
  local file mode
  while IFS= read -r file; do
    mode=644
    [ ! -x "$staging/$file" ] || mode=755
    mkdir -p -- "$(dirname -- "$prefix/$file")"
    # A running program is replaced, not written into: install alone would fail with "text file busy".
    install -m "$mode" -- "$staging/$file" "$prefix/$file.new-pai"
    mv -f -- "$prefix/$file.new-pai" "$prefix/$file"
  done <"$staging/$list"
  printf 'installed %s files below %s\n' "$(wc -l <"$staging/$list")" "$prefix"
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
  local file folder listed
  [ -r "$prefix/$list" ] || die "nothing of ours is installed below $prefix"
  if [ "$dry_run" = yes ]; then
    sed 's/^/would remove /' "$prefix/$list"
    return 0
  fi
  read_list
  for file in "${listed[@]}"; do
    rm -f -- "$prefix/$file"
  done
  for file in "${listed[@]}"; do
    folder=${file%/*}
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
  printf 'schedule the jobs:\n  %s/libexec/pai-tools/install-schedule.sh --help\n' "$prefix"
}

main() {
  local prefix='' from='' action=install file
  dry_run=no
  while [ $# -gt 0 ]; do
    case "$1" in
      -h | --help)
        usage
        return 0
        ;;
      -n | --dry-run) dry_run=yes ;;
      --uninstall) action=uninstall ;;
      --prefix | --from)
        [ -n "${2-}" ] || bad_usage "$1 needs a folder"
        printf -v "${1#--}" '%s' "$2"
        shift
        ;;
      *) bad_usage "unknown word: $1" ;;
    esac
    shift
  done
  list=libexec/pai-tools/installed-files
  if [ -z "$prefix" ]; then
    prefix=$HOME/.local
    [ "$(id -u)" -ne 0 ] || prefix=/usr/local
  fi
  prefix=$(realpath -m -- "$prefix")
  if [ "$action" = uninstall ]; then
    uninstall
    return 0
  fi
  if [ -z "$from" ]; then
    from=$here/../target/release
    if [ "$dry_run" = no ]; then
      (cd "$here/.." && cargo build --quiet --release --locked --workspace --bins) || die 'could not build the tools'
    fi
  fi
  staging=$(mktemp -d)
  trap 'rm -rf "$staging"' EXIT
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
