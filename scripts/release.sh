#!/usr/bin/env bash
# Makes the files of a release from what is committed: the same bytes wherever and by whom it is made.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/lib/say.sh
. "$here/scripts/lib/say.sh"
# shellcheck source=scripts/dev/lib/deb.sh
. "$here/scripts/dev/lib/deb.sh"

usage() {
  cat <<'TEXT'
Usage: scripts/release.sh [--output DIR] [--check] [-n]

Builds the last commit in a clean clone and packs what scripts/install.sh would install, with the licences, as
pai-tools-VERSION-HOST.tar.gz and, where dpkg-deb is there, pai-tools_VERSION_ARCHITECTURE.deb, each with its .sha256:

  tar -xzf pai-tools-*.tar.gz -C ~/.local --strip-components=1    below a prefix, or
  sudo apt-get install ./pai-tools_*.deb                          as a package of Debian or Ubuntu

  --output DIR  where the files go [target/release-files]
  --check       build twice, in folders with other names, and compare; nothing is kept
  -n, --dry-run say what would be made
  -h, --help    this text

The same commit, Rust and C compiler make the same files. Times in them are those of the commit.

Exit status: 0 made, or the two builds are the same; 1 they differ (each file that does is named); 2 trouble.
TEXT
}

# build CLONE: the tools and pages of $commit, built in a fresh clone.
build() {
  git clone --quiet --no-checkout --local --no-hardlinks -- "$here" "$1"
  # The commit of the beginning, whatever was committed since.
  git -C "$1" checkout --quiet --detach "$commit"
  local sources=${CARGO_HOME:-$HOME/.cargo}
  # Panics name their source file: crates from the registry should not say whose machine this is. The linker gives
  # each build an ID by its content, and C sources know no time of day but the commit's.
  (cd "$1" && env -u CARGO_TARGET_DIR SOURCE_DATE_EPOCH="$epoch" RUSTFLAGS="--remap-path-prefix=$sources=/cargo" \
    CFLAGS="-ffile-prefix-map=$sources=/cargo -ffile-prefix-map=$1=/pai-tools" \
    cargo build --quiet --release --locked --workspace --bins)
}

# pack CLONE STAGE DIR: what was built, as it lies below a prefix, as the files of $files in DIR.
pack() {
  mkdir -p -- "$3"
  "$1/scripts/install.sh" --prefix "$2/$name" --from "$1/target/release" >/dev/null
  tar --create --directory="$2" --format=ustar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner \
    --mode=u+rw,go+r,go-w,a+X "$name" | gzip --no-name --best >"$3/$name.tar.gz"
  [ -z "$package" ] || make_deb "$2/$name" "$1" "$2" "$3/$package" "$version" "$epoch"
}

release() {
  local work=$1 output=$2 file
  build "$work/pai-tools"
  pack "$work/pai-tools" "$work/stage" "$work/made"
  mkdir -p -- "$output"
  for file in "${files[@]}"; do
    install -m 644 -- "$work/made/$file" "$output/$file"
    (cd "$output" && sha256sum "$file" >"$file.sha256")
    printf '%s\n' "$output/$file"
  done
}

# check WORK: 0 if two builds in two folders are the same.
check() {
  local work=$1 one=$1/one/pai-tools other=$1/another/and/longer/folder file
  mkdir -p "${one%/*}" "${other%/*}"
  build "$one"
  pack "$one" "$work/stage-one" "$work/made-one"
  build "$other"
  pack "$other" "$work/stage-other" "$work/made-other"
  if ! diff --recursive --brief "$work/made-one" "$work/made-other" >/dev/null; then
    warn "two builds of one commit differ:"
    diff --recursive --brief "$work/stage-one" "$work/stage-other" >&2 || true
    return 1
  fi
  for file in "${files[@]}"; do
    echo "the same: $(sha256sum <"$work/made-one/$file" | cut -d ' ' -f 1)  $file ($(stat -c %s "$work/made-one/$file") bytes)"
  done
}

main() {
  local output=$here/target/release-files action=release
  while [ $# -gt 0 ]; do
    case "$1" in
      -h | --help)
        usage
        return 0
        ;;
      --check) action=check ;;
      -n | --dry-run) action=show ;;
      --output)
        [ -n "${2-}" ] || bad_usage "$1 needs a folder"
        output=$2
        shift
        ;;
      *) bad_usage "unknown word: $1" ;;
    esac
    shift
  done
  commit=$(git -C "$here" rev-parse HEAD)
  epoch=$(git -C "$here" log -1 --format=%ct "$commit")
  version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$here/Cargo.toml")
  name=pai-tools-$version-$(rustc -vV | sed -n 's/^host: //p')
  files=("$name.tar.gz") package=
  if command -v dpkg-deb >/dev/null 2>&1; then
    package=pai-tools_${version}_$(dpkg --print-architecture).deb
    files+=("$package")
  fi
  if [ -n "$(git -C "$here" status --porcelain --untracked-files=no)" ]; then
    warn "what is not committed is left out"
  fi
  if [ "$action" = show ]; then
    printf 'would make %s\n' "${files[@]/#/$output/}"
    return 0
  fi
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  "$action" "$scratch" "$output"
}

main "$@"
