//! The examples in pai-rotate/README.md, run as they stand there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pai_tests::{bin_folder, command, repository, run, scratch};

/// The `sh` blocks below the heading `title`, without their prompts and what they print.
fn example(title: &str) -> String {
    let readme = fs::read_to_string(repository().join("pai-rotate/README.md")).expect("there is a README");
    let section = readme.split(&format!("### {title}\n")).nth(1).expect("the heading is there");
    let block = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    block.expect("an example follows").to_owned()
}

/// Runs an example in `folder`, with `rclone` and `systemctl` that stand for the real ones.
fn run_example(title: &str, folder: &Path) -> String {
    let bin = scratch();
    for (name, script) in [
        ("rclone", "#!/bin/sh\ncase $1 in lsf) cat listing ;; *) echo \"$@\" >> calls ;; esac\n"),
        ("systemctl", "#!/bin/sh\necho \"$@\" >> calls\n"),
    ] {
        let program = bin.path().join(name);
        fs::write(&program, script).expect("a file can be written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("an owner may set modes");
    }
    let path = std::env::var("PATH").expect("there is a PATH");
    let path = format!("{}:{}:{path}", bin.path().display(), bin_folder().display());
    let mut command = command("bash");
    command.args(["-euo", "pipefail", "-c", &example(title)]).current_dir(folder);
    run(command.env("PATH", path).env("PAI_NOW", crate::NOW)).expect(0).stdout
}

#[test]
fn the_example_of_a_folder() {
    let home = scratch();
    fs::create_dir(home.path().join("backups")).unwrap();
    for day in 1..=16 {
        crate::write(&home.path().join("backups"), &format!("codexdb_202509{day:02}-030000.sql.gz"));
    }
    let stdout = run_example("A folder of dumps", home.path());
    let left = crate::names(&home.path().join("backups"));
    // The newest of the second week is one of the seven days.
    assert_eq!(left.len(), 7 + 1, "{left:?}");
    assert!(
        stdout.contains("delete  backups/codexdb_20250908-030000.sql.gz  (no rule keeps it)"),
        "{stdout}"
    );
}

#[test]
fn the_example_of_a_remote_listing() {
    let home = scratch();
    let mut listing: Vec<String> =
        (1..=16).map(|day| format!("pai-202509{day:02}-030000.tar.gz\n")).collect();
    listing.push("README.md\n".to_owned());
    fs::write(home.path().join("listing"), listing.concat()).unwrap();
    run_example("A remote that rclone knows", home.path());
    let calls = fs::read_to_string(home.path().join("calls")).unwrap();
    assert_eq!(calls.lines().count(), 16 - 8);
    assert!(calls.starts_with("deletefile remote:backups/pai-20250901-030000.tar.gz\n"), "{calls}");
}

#[test]
fn the_example_of_logs() {
    let home = scratch();
    fs::create_dir(home.path().join("logs")).unwrap();
    fs::write(home.path().join("logs/server.log"), "line\n".repeat(3 << 20)).unwrap();
    let stdout = run_example("Logs", home.path());
    assert_eq!(stdout.lines().last(), Some("./logs/server.log-20250916-120000.gz"), "{stdout}");
    assert_eq!(fs::read_to_string(home.path().join("calls")).unwrap(), "kill -s HUP my-server\n");
}
