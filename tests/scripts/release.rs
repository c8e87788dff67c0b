//! `scripts/release.sh`, as far as that goes without building; `scripts/release.sh --check` builds, twice.

use std::fs;

use pai_tests::rigs::machine::Machine;
use pai_tests::{command, has, repository, run, scratch, sh, skip};

/// A copy of the repository's scripts, committed, where `cargo` makes tools of what the line `build` prints.
fn project(folder: &std::path::Path, build: &str) {
    let copy = format!(
        "cp -r '{repository}/scripts' '{repository}/Cargo.toml' '{repository}/README.md' '{repository}/CHANGELOG.md' \
         '{repository}'/LICENSE-* '{repository}/docs' '{repository}/examples' . && printf 'target/\\n' >.gitignore && git init -q . && git add -A && \
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
    let name = made.stdout.lines().next().unwrap().strip_prefix("out/").unwrap().to_owned();
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
fn a_dry_run_names_the_files_and_what_is_not_committed_is_told() {
    let folder = scratch();
    project(folder.path(), "echo built");
    let shown = release(folder.path(), "-n --output out").expect(0);
    assert!(shown.stdout.lines().next().unwrap().ends_with(".tar.gz"), "{}", shown.stdout);
    assert_eq!(shown.stdout.contains("/pai-tools_"), has("dpkg-deb"), "{}", shown.stdout);
    assert_eq!(shown.stderr, "");
    fs::write(folder.path().join("README.md"), "changed").unwrap();
    let told = release(folder.path(), "-n --output out").expect(0);
    assert!(told.stderr.contains("not committed"), "{}", told.stderr);
    assert!(!folder.path().join("out").exists());
}

/// What the private machine's programs and dpkg's own notes are laid over with, so that a package can come and go.
const OVERLAY: &str = "mount -t tmpfs none /opt && cd /opt && for name in usr var; do mkdir -p up/$name work/$name && \
     mount -t overlay overlay -o lowerdir=/$name,upperdir=up/$name,workdir=work/$name /$name || exit 77; done";

#[test]
fn the_package_is_installed_used_removed_and_purged_by_dpkg() {
    if !has("dpkg-deb") {
        return skip("no dpkg-deb");
    }
    let Some(machine) = Machine::new() else { return };
    let folder = scratch();
    project(folder.path(), "cp /bin/true target/release/pai-$tool; :");
    release(folder.path(), "--output out").expect(0);
    sh("cd out && sha256sum -c --quiet *.sha256", folder.path()).expect(0);
    sh(&format!("cp out/*.deb '{}/pai.deb'", machine.path("/home").display()), folder.path()).expect(0);
    let story = format!(
        "{OVERLAY}; set -e; export DEBIAN_FRONTEND=noninteractive
        mkdir -p /usr/local/libexec/pai-tools && touch /usr/local/libexec/pai-tools/installed-files
        dpkg --force-depends --install /home/pai.deb
        pai-backup && /usr/libexec/pai-tools/maintenance.sh --help | head -1
        dpkg --verify pai-tools; stat -c '%U %a' /usr/bin/pai-backup
        echo '0 2 * * * root /usr/libexec/pai-tools/run-job.sh x -- true' >/etc/cron.d/pai-maintenance
        useradd --create-home ada && mkdir -p /home/ada/.config/systemd/user
        echo 'ExecStart=/usr/bin/pai-backup --wait 1h' >/home/ada/.config/systemd/user/pai-backup.service
        dpkg --remove pai-tools; test ! -e /usr/bin/pai-backup; dpkg --purge pai-tools
        ls -d /usr/libexec/pai-tools /usr/share/doc/pai-tools 2>&1 || true; cat /etc/cron.d/pai-maintenance"
    );
    let outcome = machine.sh(&story);
    if outcome.status == Some(77) {
        return skip("no overlay file systems here");
    }
    let outcome = outcome.expect(0);
    assert!(outcome.stdout.contains("Usage: maintenance.sh"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("\nroot 755\n"), "{}", outcome.stdout);
    assert!(outcome.stderr.contains("an installation from source below /usr/local"), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains(
            "still run what is removed now:\n  /etc/cron.d/pai-maintenance\n  /home/ada/.config/systemd/user/pai-backup.service\n"
        ),
        "{}",
        outcome.stderr
    );
    assert_eq!(outcome.stdout.matches("No such file").count(), 2, "{}", outcome.stdout);
    assert!(
        outcome.stdout.ends_with("run-job.sh x -- true\n"),
        "what the user scheduled stays: {}",
        outcome.stdout
    );
}
