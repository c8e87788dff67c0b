//! Trouble: told by path and cause, with the right exit status, nothing half done left behind.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pai_tests::{PATIENCE, as_nobody, command, run, skip, through};

use crate::craft::{pax_header, raw_header};
use crate::fixtures::{Workspace, archived_tree, assert_same_tree, chmod, fifo, names_in, noise, tree};

/// Does something over and over while `body` runs.
fn meanwhile<T>(mut disturb: impl FnMut() + Send, body: impl FnOnce() -> T) -> T {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                disturb();
            }
        });
        let outcome = body();
        done.store(true, Ordering::Relaxed);
        outcome
    })
}

#[test]
fn an_archive_folder_that_cannot_be_written_is_named() {
    let workspace = Workspace::demo();
    workspace.write("archive/pai-20200101-000000.tar.gz", b"old");
    let tool = workspace.give_to_nobody();
    chmod(&workspace.home().join("archive"), 0o500);
    let mut command = command(tool);
    command.arg("-q").env("PAI_HOME", workspace.home()).current_dir(workspace.beside(""));
    let Some(mut command) = as_nobody(&command) else { return };
    let refused = run(&mut command).expect(2);
    let path = workspace.home().join("archive/pai-");
    assert!(refused.stderr.contains(&format!("could not create {}", path.display())), "{}", refused.stderr);
    assert!(refused.stderr.contains("Permission denied"), "{}", refused.stderr);
    assert_eq!(workspace.archives(), ["pai-20200101-000000.tar.gz"], "nothing rotated");
    assert!(workspace.log().last().unwrap().contains("Backup failed: could not create"));
    // A log that cannot be written stops the run before it begins.
    chmod(&workspace.home().join("logs"), 0o500);
    chmod(&workspace.home().join("logs/backup.log"), 0o400);
    let refused = run(&mut command).expect(2);
    assert!(refused.stderr.contains("could not open log"), "{}", refused.stderr);
    chmod(&workspace.home().join("archive"), 0o700);
    chmod(&workspace.home().join("logs"), 0o700);
}

#[test]
fn a_file_in_the_place_of_a_folder_is_named() {
    for name in ["archive", "logs"] {
        let workspace = Workspace::demo();
        workspace.write(name, b"a file");
        let refused = run(&mut workspace.pai(["-q"])).expect(2);
        let path = workspace.home().join(name);
        assert!(refused.stderr.contains(&path.display().to_string()), "{}", refused.stderr);
        assert_eq!(fs::read(path).unwrap(), b"a file");
    }
}

#[test]
fn a_full_disk_under_a_restore_is_named_and_leaves_no_half_file() {
    let workspace = Workspace::empty();
    workspace.write("small", b"fits");
    workspace.write("big", &noise(3 << 20, 1));
    let made = workspace.back_up(["-q"]);
    let disk = workspace.beside("disk");
    fs::create_dir(&disk).unwrap();
    let line = format!(
        "mount -t tmpfs -o size=1m tmpfs '{disk}' || exit 99
         '{tool}' restore '{made}' --target '{disk}'; status=$?
         ls -A '{disk}'
         exit $status",
        disk = disk.display(),
        tool = pai_tests::tool("pai-backup").display(),
        made = made.display(),
    );
    let mut command = command("unshare");
    command.args(if rustix::process::geteuid().is_root() { ["-m", "--"] } else { ["-rm", "--"] });
    let full = run(command.args(["sh", "-c", &line]));
    if full.status == Some(99) || full.stderr.contains("unshare") {
        return skip("no private mount namespace here");
    }
    let full = full.expect(1);
    assert!(full.stderr.contains("could not restore big: No space left on device"), "{}", full.stderr);
    assert_eq!(full.stdout, "small\n");
}

#[test]
fn a_full_disk_under_stdout_is_no_success() {
    let workspace = Workspace::demo();
    workspace.write("big", &noise(1 << 20, 1));
    workspace.back_up(["-q"]);
    for args in [&["list", "latest"][..], &["cat", "latest", "big"], &["create", "-q", "-o", "-"]] {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut child = workspace.pai(args).stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(2), "{args:?}");
    }
    // Nor is a reader of an archive that goes away.
    let mut child = workspace
        .pai(["create", "-q", "-o", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_ne!(child.wait().unwrap().code(), Some(0));
    // A reader of a list may have seen enough.
    let mut child = workspace.pai(["cat", "latest", "big"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Backs up while `disturb` works on the file `victim`, until a run has met it half done. Each run must end
/// well or name the file, and its archive must be whole.
fn disturbed(start: &[u8], mut disturb: impl FnMut(&Path, u64) + Send, says: &[&str]) {
    let workspace = Workspace::demo();
    workspace.write("victim", start);
    let path = workspace.home().join("victim");
    let mut round = 0;
    let mut met = 0;
    for _ in 0..200 {
        let outcome = meanwhile(
            || {
                disturb(&path, round);
                round += 1;
            },
            || run(&mut workspace.pai(["-q", "--no-rotate"])),
        );
        match outcome.status {
            Some(0) => assert_eq!(outcome.stderr, ""),
            Some(1) => {
                let named = outcome.stderr.lines().all(|line| says.iter().any(|what| line.contains(what)));
                assert!(named && outcome.stderr.contains("victim"), "{}", outcome.stderr);
                met += 1;
            }
            _ => panic!("{outcome:?}"),
        }
        let made = outcome.stdout.trim_end();
        run(&mut workspace.pai(["verify", made])).expect(0);
        let listed = run(&mut workspace.pai(["list", made])).expect(0);
        assert!(
            listed.stdout.lines().any(|line| line == "backup.sh"),
            "the rest is there: {}",
            listed.stdout
        );
        fs::remove_file(made).unwrap();
        if met == 2 {
            return;
        }
    }
    skip("no run met the file while it changed");
}

#[test]
fn a_file_that_shrinks_is_padded_and_named() {
    let big = noise(6 << 20, 3);
    disturbed(
        &big.clone(),
        move |path, round| {
            let file = OpenOptions::new().write(true).open(path).unwrap();
            if round % 2 == 0 {
                file.set_len(1000).unwrap();
            } else {
                fs::write(path, &big).unwrap();
            }
        },
        &["shrank while it was read", "grew while it was read", "changed while it was read"],
    );
}

#[test]
fn a_small_file_that_never_rests_is_named() {
    // Just small enough to be read as one of many, so that reading it takes a while.
    disturbed(
        &vec![b'x'; 900_000],
        |path, round| {
            let mut file = OpenOptions::new().append(true).open(path).unwrap();
            if round % 5000 == 0 {
                file.set_len(900_000).unwrap();
            }
            file.write_all(b"one more line\n").unwrap();
        },
        &["shrank while it was read", "grew while it was read", "changed while it was read"],
    );
}

#[test]
fn a_file_that_vanishes_is_named_and_no_more() {
    disturbed(
        b"here and gone",
        |path, _| {
            let _ = fs::remove_file(path);
            let _ = fs::create_dir(path);
            let _ = fs::remove_dir(path);
            let _ = fs::write(path, "here again");
        },
        &["No such file", "no longer a regular file", "while it was read", "could not read victim"],
    );
}

#[test]
fn sockets_are_skipped_with_a_notice() {
    let workspace = Workspace::demo();
    let _listener = std::os::unix::net::UnixListener::bind(workspace.home().join("socket")).unwrap();
    let made = run(&mut workspace.pai(["create"])).expect(0);
    assert!(made.stderr.contains("skipping socket socket"), "{}", made.stderr);
    let listed = run(&mut workspace.pai(["list", "latest"])).expect(0);
    assert!(!listed.stdout.lines().any(|line| line == "socket"));
}

#[test]
fn a_damaged_member_costs_its_own_entries_and_no_others() {
    let workspace = Workspace::demo();
    workspace.write("large", &noise(2 << 20, 21));
    let made = workspace.back_up(["-q"]);
    let mut bytes = fs::read(&made).unwrap();
    let last = bytes.len();
    // In the large file, which comes last before the index.
    bytes[last - 5000] ^= 1;
    fs::write(&made, &bytes).unwrap();
    let back = workspace.beside("back");
    let restored = run(workspace.pai(["restore", "--target"]).arg(&back).arg(&made)).expect(1);
    assert!(restored.stderr.contains("could not restore large"), "{}", restored.stderr);
    let mut expected = archived_tree(workspace.home());
    expected.remove(Path::new("large"));
    assert_same_tree(&tree(&back), &expected);
    let shown = run(workspace.pai(["cat"]).arg(&made).arg("large")).expect(2);
    assert!(shown.stderr.contains("could not read large"), "{}", shown.stderr);
}

#[test]
fn a_plain_archive_cut_in_a_file_gives_what_comes_before_and_names_it() {
    use crate::craft::{Item, write_plain};
    let folder = pai_tests::scratch();
    let path = folder.path().join("plain.tar.gz");
    let long = noise(600_000, 2);
    write_plain(
        &path,
        &[Item::file("first", b"whole"), Item::file("second", &long), Item::file("third", b"")],
    );
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    for from_pipe in [false, true] {
        let back = folder.path().join(format!("back-{from_pipe}"));
        let mut restore = command(pai_tests::tool("pai-backup"));
        restore.args(["restore", "--target"]).arg(&back);
        let part = if from_pipe {
            pai_tests::run_with_input(restore.arg("-"), &fs::read(&path).unwrap())
        } else {
            run(restore.arg(&path))
        };
        let part = part.expect(1);
        let named = ["could not read second: ", "could not restore second: "];
        assert!(named.iter().any(|what| part.stderr.contains(what)), "{}", part.stderr);
        assert_eq!(names_in(&back), ["first"], "no half file");
    }
}

#[test]
fn a_path_that_the_archive_lacks_is_named() {
    let workspace = Workspace::demo();
    let made = workspace.back_up(["-q"]);
    let back = workspace.beside("back");
    let restore = |archive: &str| {
        let mut command = workspace.pai(["restore", archive, "--target"]);
        command.arg(&back).args(["memory.md", "no-such-file"]);
        command
    };
    let bytes = fs::read(&made).unwrap();
    for outcome in
        [run(&mut restore("latest")), pai_tests::run_with_input(restore("-").arg("--force"), &bytes)]
    {
        let outcome = outcome.expect(1);
        assert!(outcome.stderr.contains("could not find no-such-file in "), "{}", outcome.stderr);
        assert_eq!(names_in(&back), ["memory.md"]);
    }
    run(workspace.pai(["cat", "latest", "no-such-file"]).arg("-q")).expect(2);
}

#[test]
fn latest_passes_over_an_archive_that_is_cut() {
    let workspace = Workspace::demo();
    let good = workspace.back_up(["-q", "--now", "2026-01-01T00:00:00Z"]);
    let cut = workspace.back_up(["-q", "--now", "2026-01-02T00:00:00Z"]);
    let file = File::options().write(true).open(&cut).unwrap();
    file.set_len(cut.metadata().unwrap().len() - 1).unwrap();
    let back = workspace.beside("back");
    let restored = run(workspace.pai(["restore", "latest", "--target"]).arg(&back)).expect(0);
    assert!(restored.stderr.contains(&format!("passing over {}", cut.display())), "{}", restored.stderr);
    assert_same_tree(&tree(&back), &archived_tree(workspace.home()));
    let listed = run(&mut workspace.pai(["list"])).expect(0);
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert!(
        lines[0].contains("no footer") && lines[1].ends_with(&format!("{}  good", good.display())),
        "{lines:?}"
    );
}

#[test]
fn a_file_that_cannot_be_kept_is_not_replaced() {
    let workspace = Workspace::demo();
    workspace.back_up(["-q"]);
    workspace.write("memory.md", b"written since");
    workspace.write("context.md", b"this too");
    let tool = workspace.give_to_nobody();
    chmod(&workspace.home().join("memory.md"), 0);
    let mut command = command(tool);
    command.args(["restore", "--force", "latest"]).env("PAI_HOME", workspace.home());
    let Some(mut command) = as_nobody(command.current_dir(workspace.beside(""))) else { return };
    let before = archived_tree(workspace.home());
    let refused = run(&mut command).expect(2);
    assert!(refused.stderr.contains("could not read memory.md: Permission denied"), "{}", refused.stderr);
    assert!(refused.stderr.contains("nothing was restored"), "{}", refused.stderr);
    assert_same_tree(&archived_tree(workspace.home()), &before);
}

#[test]
fn a_backup_whose_stdout_is_closed_is_finished_all_the_same() {
    let workspace = Workspace::demo();
    workspace.write("archive/pai-20200101-000000.tar.gz", b"old");
    let status = |args: &[&str]| {
        let mut child = workspace.pai(args).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        drop(child.stdout.take());
        child.wait().unwrap().code()
    };
    assert_eq!(status(&["-q"]), Some(0));
    let log = workspace.log();
    assert!(log.iter().all(|line| !line.contains("failed")), "{log:?}");
    assert_eq!(log.iter().filter(|line| line.ends_with("] Backup finished")).count(), 1, "{log:?}");
    assert!(!workspace.archives().contains(&"pai-20200101-000000.tar.gz".to_owned()), "it was rotated");
    // One that is done in part says so even then.
    fifo(&workspace.home().join("pipe"));
    assert_eq!(status(&["-q", "--format", "zip"]), Some(1));
}

#[test]
fn what_is_no_file_among_the_archives_keeps_nobody_waiting() {
    let workspace = Workspace::demo();
    workspace.back_up(["-q", "--now", "2026-01-01T00:00:00Z"]);
    fifo(&workspace.home().join("archive/pai-20260102-000000.tar.gz"));
    let within = |command: &Command| through(&["timeout", "-s", "KILL", "60"].map(OsStr::new), command);
    let listed = run(&mut within(&workspace.pai(["list"]))).expect(0);
    assert!(listed.stdout.contains("not a regular file"), "{}", listed.stdout);
    run(&mut within(&workspace.pai(["-q", "--no-rotate"]))).expect(0);
    let failed = run(&mut within(&workspace.pai(["verify", "--all"]))).expect(1);
    assert!(failed.stdout.contains("FAILED (not a regular file)"), "{}", failed.stdout);
}

/// A tar of one file that is a hole of exabytes.
fn endless_hole() -> Vec<u8> {
    let records = b"22 GNU.sparse.map=0,0\n39 GNU.sparse.size=4611686018427387904\n";
    [pax_header(records), raw_header("hole", b'0', 0), vec![0; 1024]].concat()
}

#[test]
fn a_signal_ends_a_reader_whatever_it_is_at() {
    let workspace = Workspace::demo();
    let hole = workspace.beside("hole.tar");
    fs::write(&hole, endless_hole()).unwrap();
    let hole = hole.to_str().unwrap();
    for args in [&["list", "--sha256", hole][..], &["diff", hole], &["cat", hole, "hole"], &["verify", "-"]] {
        let mut child = workspace
            .pai(args)
            .stdin(Stdio::piped())
            .stdout(File::options().write(true).open("/dev/null").unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(200));
        run(command("kill").arg(child.id().to_string())).expect(0);
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > PATIENCE {
                child.kill().unwrap();
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(status.signal(), Some(15), "{args:?}");
    }
}
