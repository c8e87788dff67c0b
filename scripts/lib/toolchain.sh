# shellcheck shell=bash
# What building takes; each missing piece is named, with the way to get it.

# need_build_tools CHECKOUT: cargo, a Rust that is new enough, and a C compiler.
need_build_tools() {
  local wanted have release=
  wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' "$1/Cargo.toml")
  [ ! -x "$1/target/release/pai-backup" ] || release=' What is built lies in target/release already.'
  { command -v cargo && command -v rustc; } >/dev/null || refuse 'could not build the tools: no cargo on PATH' \
    "Rust $wanted or later is installed by https://rustup.rs, for one user. For root, build as that user (cargo build --release --locked --workspace --bins), then: sudo scripts/install.sh --from target/release.$release"
  have=$(cd "$1" && rustc --version | sed -n 's/^rustc \([0-9.]*\).*/\1/p')
  [ "$(printf '%s\n' "$wanted" "${have:-0}" | sort -V | head -n 1)" = "$wanted" ] || refuse \
    "could not build the tools: Rust $wanted or later is needed, and $(command -v rustc) is ${have:-none that runs}" \
    'https://rustup.rs installs a current one; put ~/.cargo/bin first on PATH'
  command -v "${CC:-cc}" >/dev/null || refuse "could not build the tools: no C compiler (${CC:-cc}) on PATH" \
    'apt-get install gcc libc6-dev, or what your system calls them'
}
