//! `scripts/release.sh`, as far as that goes without building; `scripts/release.sh --check` builds, twice.

use std::fs;

use pai_tests::{command, repository, run, scratch, sh};

/// A copy of the repository's scripts, committed, where `cargo` makes tools of what the line `build` prints.
fn project(folder: &std::path::Path, build: &str) {
    let copy = format!(
        "cp -r '{repository}/scripts' '{repository}/Cargo.toml' '{repository}/README.md' '{repository}/CHANGELOG.md' \
         '{repository}'/LICENSE-* . && printf 'target/\\n' >.gitignore && git init -q . && git add -A && \
         git -c user.name=a -c user.email=a@b commit -qm all",
        repository = repository().display()
    );
    sh(&copy, folder).expect(0);
    let cargo = format!(
        "#!/bin/sh\nmkdir -p target/release\nfor tool in backup checksum optimize rotate; do\n\
         {build} >target/release/pai-$tool; chmod 755 target/release/pai-$tool; done\n"
    );
    fs::create_dir_all(folder.join("target/bin")).unwrap();
    fs::write(folder.join("target/bin/cargo"), cargo).unwrap();
    sh("chmod 755 target/bin/cargo", folder).expect(0);
}

fn release(folder: &std::path::Path, args: &str) -> pai_tests::Outcome {
    sh(&format!("umask 077; PATH=\"$PWD/target/bin:$PATH\" scripts/release.sh {args}"), folder)
}

#[test]
fn what_is_packed_can_be_unpacked_below_a_prefix() {
    let folder = scratch();
    project(folder.path(), "echo built");
    let made = release(folder.path(), "--output out").expect(0);
    let name = made.stdout.trim().strip_prefix("out/").unwrap().to_owned();
    assert!(name.starts_with(concat!("pai-tools-", env!("CARGO_PKG_VERSION"), "-")), "{name}");
    sh("cd out && sha256sum -c --quiet *.sha256", folder.path()).expect(0);
    let listed =
        run(command("tar").args(["-tvzf", &format!("out/{name}")]).current_dir(folder.path())).expect(0);
    for line in listed.stdout.lines() {
        assert!(line.contains(" 0/0 "), "{line}");
        assert!(
            ["drwxr-xr-x ", "-rwxr-xr-x ", "-rw-r--r-- "].iter().any(|mode| line.starts_with(mode)),
            "{line}"
        );
    }
    for path in ["/bin/pai-backup", "/libexec/pai-tools/maintenance.sh", "/share/doc/pai-tools/LICENSE-MIT"] {
        assert!(listed.stdout.lines().any(|line| line.ends_with(path)), "{path}");
    }
    assert!(!listed.stdout.contains("release.sh"), "what makes a release is not in it");
    // A second one, later and by another way to say the same folder, is the same.
    let digest = fs::read_to_string(folder.path().join(format!("out/{name}.sha256"))).unwrap();
    release(folder.path(), "--output \"$PWD/again\"").expect(0);
    assert_eq!(fs::read_to_string(folder.path().join(format!("again/{name}.sha256"))).unwrap(), digest);
}

#[test]
fn the_check_tells_builds_that_know_where_they_were_made() {
    // Somebody commits meanwhile: both builds are still of the commit they began with.
    let busy = "(cd \"$(git remote get-url origin)\" && echo more >>README.md && git -c user.name=a -c user.email=a@b commit -qam more; \
                cat README.md)";
    for (build, status) in [("echo built", 0), ("pwd", 1), (busy, 1), ("cat README.md", 0)] {
        let folder = scratch();
        project(folder.path(), build);
        let checked = release(folder.path(), "--check").expect(status);
        assert_eq!(checked.stdout.starts_with("the same: "), status == 0, "{}", checked.stdout);
        assert_eq!(checked.stderr.contains("bin/pai-rotate differ"), status == 1, "{}", checked.stderr);
        assert!(!checked.stderr.contains("README.md differ"), "{}", checked.stderr);
    }
}

#[test]
fn a_dry_run_names_both_files_and_what_is_not_committed_is_told() {
    let folder = scratch();
    project(folder.path(), "echo built");
    let shown = release(folder.path(), "-n --output out").expect(0);
    assert_eq!(shown.stdout.lines().count(), 2);
    assert_eq!(shown.stderr, "");
    fs::write(folder.path().join("README.md"), "changed").unwrap();
    let told = release(folder.path(), "-n --output out").expect(0);
    assert!(told.stderr.contains("not committed"), "{}", told.stderr);
    assert!(!folder.path().join("out").exists());
}
