//! Has the tools carry the C compiler's unwinder, so that no start has to look for `libgcc_s.so` and map it: a tenth of
//! the time that a small call takes.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=RUSTC_LINKER");
    let target = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    let shared = target("OS") == "linux"
        && target("ENV") == "gnu"
        && !target("FEATURE").split(',').any(|feature| feature == "crt-static");
    let linker = env::var("RUSTC_LINKER").unwrap_or_else(|_| "cc".to_owned());
    if shared && ["libgcc_eh.a", "libgcc.a"].iter().all(|archive| has(&linker, archive)) {
        link_archives_for_libgcc_s();
    }
}

/// Says whether the compiler brings a static library with it. One that does not is left to link as it always does.
fn has(linker: &str, archive: &str) -> bool {
    let answer = Command::new(linker).arg(format!("-print-file-name={archive}")).output();
    // A compiler that has no such file prints the bare name.
    answer.is_ok_and(|answer| {
        let path = String::from_utf8_lossy(&answer.stdout);
        Path::new(path.trim()).is_absolute() && Path::new(path.trim()).is_file()
    })
}

/// Rust's standard library asks the linker for `-lgcc_s`. The linker looks in our folder first, and finds a script there
/// that names the archives.
fn link_archives_for_libgcc_s() {
    let folder = env::var("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&folder).join("libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n")
        .expect("could not write to OUT_DIR");
    println!("cargo::rustc-link-search=native={folder}");
}
