//! What the runbook documents of `backup.sh`, row by row.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use pai_tests::{command, run, sh, tool};

use crate::fixtures::{
    DOCUMENTED, Workspace, archived_tree, assert_same_tree, chmod, names_in, set_time, tree,
};

const DAY: i64 = 86_400;
/// 2026-03-01T00:00:00Z.
const NOW: i64 = 1_772_323_200;

#[test]
fn row_0_1_pai_home_chooses_the_workspace() {
    let workspace = Workspace::named("a home with spaces");
    workspace.write("context.md", b"here");
    let made = workspace.back_up(["-q"]);
    assert!(made.starts_with(workspace.home().join("archive")), "{}", made.display());
    // Relative to where the command runs.
    let relative = run(workspace.pai(["-q"]).env("PAI_HOME", "a home with spaces")).expect(0);
    assert!(relative.stdout.contains("/a home with spaces/archive/pai-"), "{}", relative.stdout);
    let other = Workspace::demo();
    let flag = run(other.pai(["--home"]).arg(workspace.home())).expect(0);
    assert!(flag.stdout.contains("/a home with spaces/"), "--home wins over PAI_HOME: {}", flag.stdout);
}

#[test]
fn row_0_1_without_a_workspace_nothing_is_done_and_pai_home_is_named() {
    let workspace = Workspace::empty();
    fs::write(workspace.beside("file"), "").unwrap();
    for named in [None, Some(""), Some("missing"), Some("file")] {
        let mut command = workspace.pai(["create"]);
        command.env_remove("PAI_HOME");
        named.map(|named| command.env("PAI_HOME", named));
        let refused = run(&mut command).expect(2);
        assert!(refused.stderr.contains("PAI_HOME"), "{named:?}: {}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    assert_eq!(tree(workspace.home()).len(), 0);
}

#[test]
fn row_0_2_archive_and_logs_are_made_for_the_owner_alone() {
    let workspace = Workspace::demo();
    workspace.back_up(["-q"]);
    for name in ["archive", "logs"] {
        let mode = workspace.home().join(name).metadata().unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o700, "{name}: {mode:o}");
    }
}

#[test]
fn row_0_3_a_file_that_changes_while_it_is_read_is_reported() {
    let workspace = Workspace::demo();
    workspace.write("growing.log", &vec![b'x'; 24 << 20]);
    let path = workspace.home().join("growing.log");
    let done = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            while !done.load(Ordering::Relaxed) {
                file.write_all(b"one more line\n").unwrap();
            }
        });
        let outcome = run(&mut workspace.pai(["-q"]));
        done.store(true, Ordering::Relaxed);
        outcome
    });
    let outcome = outcome.expect(1);
    assert!(outcome.stderr.contains("growing.log grew while it was read"), "{}", outcome.stderr);
    // The archive is whole all the same.
    run(&mut workspace.pai(["verify"])).expect(0);
}

#[test]
fn row_0_4_a_dry_run_changes_nothing_but_the_log() {
    let workspace = Workspace::demo();
    workspace.write("archive/pai-20200101-000000.tar.gz", b"old");
    let before = tree(workspace.home());
    for times in 1..=2 {
        let shown = run(&mut workspace.pai(["--dry-run"])).expect(0);
        assert_eq!(shown.stdout, "");
        assert!(shown.stderr.contains("would archive 17 entries (13 files"), "{}", shown.stderr);
        assert!(shown.stderr.contains("would remove"), "{}", shown.stderr);
        assert_eq!(workspace.log().len(), 3 * times, "the log grows");
    }
    let mut after = tree(workspace.home());
    after.retain(|path, _| !path.starts_with("logs"));
    assert_same_tree(&after, &before);
}

/// The zone of the runbook's example: by its name, or by its rules where there is no table of zones.
fn helsinki() -> &'static str {
    let is_known = Path::new("/usr/share/zoneinfo/Europe/Helsinki").exists();
    if is_known { "Europe/Helsinki" } else { "EET-2EEST,M3.5.0/3,M10.5.0/4" }
}

#[test]
fn row_0_5_the_log_has_the_documented_lines_with_the_local_offset() {
    let workspace = Workspace::demo();
    for (now, begins, offset) in [
        ("2025-09-16T06:00:03Z", "[2025-09-16T09:00:03+03:00] ", "summer"),
        ("2025-12-16T07:00:03Z", "[2025-12-16T09:00:03+02:00] ", "winter"),
    ] {
        let before = workspace.log();
        let mut command = workspace.pai(["--dry-run", "--quiet"]);
        run(command.env("TZ", helsinki()).env("PAI_NOW", now)).expect(0);
        let log = workspace.log();
        assert_eq!(log[..before.len()], before, "{offset}: the log is only appended to");
        let new = &log[before.len()..];
        assert_eq!(new.first(), Some(&format!("{begins}Starting backup (dry_run=true)")), "{offset}");
        assert_eq!(new.last(), Some(&format!("{begins}Backup finished")), "{offset}");
    }
    let made = run(workspace
        .pai(["--quiet", "--no-rotate"])
        .env("TZ", helsinki())
        .env("PAI_NOW", "2025-09-16T06:00:03Z"))
    .expect(0);
    assert!(made.stdout.ends_with("/pai-20250916-090003.tar.gz\n"), "{}", made.stdout);
    assert!(
        workspace.log().contains(&"[2025-09-16T09:00:03+03:00] Starting backup (dry_run=false)".to_owned())
    );
}

#[test]
fn row_0_6_dry_run_line_can_be_pasted() {
    let workspace = Workspace::named("it's a $HOME; home");
    for name in
        ["context.md", "-n", "two  blanks", "quote'd", "new\nline", "*", "ünï", "sub/$(id)/x.tmp", "a.tmp"]
    {
        workspace.write(name, b"content");
    }
    for exclude in [None, Some("--exclude=*.tmp")] {
        let mut args = vec!["--quiet"];
        args.extend(exclude);
        let ours = workspace.back_up(&args);
        run(workspace.pai(["create", "--dry-run"]).args(&args)).expect(0);
        let log = fs::read(workspace.home().join("logs/backup.log")).unwrap();
        let log = String::from_utf8(log).unwrap();
        let start = log.rfind("tar -czf ").unwrap();
        let line = &log[start..log.rfind("\n[").unwrap()];
        // A line feed in a name is the one thing that a quoted line cannot carry on one line.
        assert_eq!(line.matches('\n').count(), 1, "{line}");
        sh(line, workspace.home()).expect(0);
        let theirs = line.strip_prefix("tar -czf ").and_then(|rest| rest.split(".tar.gz").next()).unwrap();
        let theirs = format!("{theirs}.tar.gz'");
        let listed = sh(&format!("tar -tzf {theirs}; rm {theirs}"), workspace.home()).expect(0);
        let expected = run(command("tar").arg("-tzf").arg(&ours)).expect(0);
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(&listed.stdout), sorted(&expected.stdout));
        assert_eq!(expected.stdout.contains(".tmp"), exclude.is_none());
    }
}

#[test]
fn row_0_7_members_come_in_the_documented_order() {
    let workspace = Workspace::demo();
    workspace.write("zebra.txt", b"");
    workspace.write("Aardvark.txt", b"");
    let made = workspace.back_up(["-q"]);
    let listed = run(command("tar").arg("-tzf").arg(&made)).expect(0);
    let mut top_level: Vec<&str> =
        listed.stdout.lines().map(|line| line.split('/').next().unwrap()).collect();
    top_level.dedup();
    let expected: Vec<&str> = DOCUMENTED.into_iter().chain(["Aardvark.txt", "zebra.txt"]).collect();
    assert_eq!(top_level, expected);
    let projects: Vec<&str> = listed.stdout.lines().filter(|line| line.starts_with("projects")).collect();
    let inside = ["projects/", "projects/alpha.md", "projects/deep/", "projects/deep/beta.md"];
    assert_eq!(projects[..4], inside, "folders are archived with what is in them");
    let ours = run(&mut workspace.pai(["list", "latest"])).expect(0);
    assert_eq!(ours.stdout, listed.stdout);
}

#[test]
fn row_0_8_a_real_run_makes_an_archive_that_gzip_and_tar_read() {
    let workspace = Workspace::demo();
    let made = workspace.back_up(["-q"]);
    let name = made.file_name().unwrap().to_str().unwrap();
    let shape: String = name.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    assert_eq!(shape, "pai-99999999-999999.tar.gz");
    assert_eq!(made.metadata().unwrap().mode() & 0o7777, 0o600);
    assert_eq!(workspace.archives(), [name], "and nothing else");
    run(command("gzip").arg("-t").arg(&made)).expect(0);
    let back = workspace.beside("back");
    fs::create_dir(&back).unwrap();
    run(command("tar").arg("-xpzf").arg(&made).arg("-C").arg(&back)).expect(0);
    assert_same_tree(&tree(&back), &archived_tree(workspace.home()));
}

#[test]
fn row_0_9_created_archive_then_find_then_each_deleted_path() {
    let workspace = Workspace::demo();
    let archive = workspace.home().join("archive");
    let old = ["pai-20200101-000000.tar.gz", "pai-20200102-000000.tar.gz"];
    let others = ["keep.tar.gz", "pai-notes.txt"];
    let plant = || {
        for name in old.iter().chain(&others) {
            workspace.write(&format!("archive/{name}"), b"old");
            set_time(&archive.join(name), 1_577_836_800, 0);
        }
    };
    plant();
    let made = workspace.back_up(["-q"]);
    let log = workspace.log();
    let tail = &log[log.len() - 5..];
    assert!(tail[0].ends_with(&format!("] Created archive {}", made.display())), "{tail:?}");
    let find = format!(
        "find {} -maxdepth 1 -name 'pai-*.tar.gz' -mmin +43200 -delete",
        workspace.home().canonicalize().unwrap().join("archive").display()
    );
    assert_eq!(tail[1], find);
    // Newest first.
    assert_eq!(tail[2], archive.join(old[1]).display().to_string());
    assert_eq!(tail[3], archive.join(old[0]).display().to_string());
    assert!(tail[4].ends_with("] Backup finished"), "{tail:?}");
    let left = workspace.archives();
    assert_eq!(left, ["keep.tar.gz", made.file_name().unwrap().to_str().unwrap(), "pai-notes.txt"]);
    // The find line, pasted, deletes the same.
    plant();
    sh(&tail[1], workspace.home()).expect(0);
    assert_eq!(workspace.archives(), left);
}

/// A workspace with an archive for each age in seconds before [`NOW`], and the names of those archives.
fn aged(ages: &[i64]) -> (Workspace, Vec<String>) {
    let workspace = Workspace::demo();
    let names: Vec<String> = ages
        .iter()
        .map(|age| {
            let stamp = run(command("date").args(["-u", "+%Y%m%d-%H%M%S", "-d", &format!("@{}", NOW - age)]));
            format!("pai-{}.tar.gz", stamp.expect(0).stdout.trim_end())
        })
        .collect();
    for name in &names {
        workspace.write(&format!("archive/{name}"), b"an archive of old");
    }
    (workspace, names)
}

#[test]
fn row_0_10_exactly_thirty_days_are_kept_and_a_second_more_is_not() {
    // (RETENTION_DAYS, --retention-days, days that count)
    for (variable, flag, days) in
        [(None, None, 30), (Some("7"), None, 7), (Some("7"), Some("90"), 90), (Some(" 3 "), None, 3)]
    {
        let ages = [days * DAY - 1, days * DAY, days * DAY + 1, days * DAY + DAY];
        let (workspace, names) = aged(&ages);
        for name in &names {
            workspace.write(&format!("archive/{name}.sha256"), b"");
        }
        for other in
            ["pai-20000101-000000.zip", "other-20000101-000000.tar.gz", "pai-x-20000101-000000.tar.gz"]
        {
            workspace.write(&format!("archive/{other}"), b"");
        }
        let mut command = workspace.pai(["create", "-q", "--now", "2026-03-01T00:00:00Z"]);
        variable.map(|days| command.env("RETENTION_DAYS", days));
        flag.map(|days| command.args(["--retention-days", days]));
        run(&mut command).expect(0);
        let left = workspace.archives();
        let kept: Vec<bool> = names.iter().map(|name| left.contains(name)).collect();
        assert_eq!(kept, [true, true, false, false], "{days} days");
        let sidecars: Vec<bool> = names.iter().map(|name| left.contains(&format!("{name}.sha256"))).collect();
        assert_eq!(sidecars, kept, "a sidecar goes with its archive");
        assert_eq!(left.len(), 1 + 4 + 3, "{left:?}");
    }
}

#[test]
fn row_0_10_the_newest_good_archive_stays_whatever_its_age() {
    let (workspace, names) = aged(&[1, DAY]);
    workspace.write("archive/pai-20991231-000000.tar.gz", b"garbage from the future");
    let mut command = workspace.pai(["-q"]);
    let made =
        run(command.env("RETENTION_DAYS", "0").env("PAI_NOW", "2026-03-01T00:00:00.9Z")).expect(0).stdout;
    assert_eq!(workspace.archives(), ["pai-20260301-000000.tar.gz", "pai-20991231-000000.tar.gz"]);
    assert!(made.ends_with("pai-20260301-000000.tar.gz\n"), "{made}");
    drop(names);
}

#[test]
fn row_0_10_junk_retention_is_refused_before_any_work() {
    let (workspace, names) = aged(&[400 * DAY]);
    for junk in ["", "a month", "-1", "3.5", "30d", "99999999999999999999"] {
        for by_flag in [false, true] {
            let mut command = workspace.pai(["create"]);
            if by_flag {
                command.arg(format!("--retention-days={junk}"));
            } else {
                command.env("RETENTION_DAYS", junk);
            }
            let refused = run(&mut command).expect(2);
            let name = if by_flag { "--retention-days" } else { "RETENTION_DAYS" };
            assert!(refused.stderr.contains(name), "{junk:?}: {}", refused.stderr);
            assert_failed_clean(&workspace, &workspace.home().join("archive"), &names, name);
        }
    }
    // A junk value is no reason not to look at what is there.
    run(workspace.pai(["list"]).env("RETENTION_DAYS", "junk")).expect(0);
}

/// Asserts that a failed run made no archive, rotated nothing and said why in the log.
#[track_caller]
fn assert_failed_clean(workspace: &Workspace, archives: &Path, old: &[String], cause: &str) {
    assert_eq!(names_in(archives), old, "no archive, no partial one, nothing rotated");
    let log = workspace.log();
    let last = log.last().unwrap();
    assert!(last.contains("] Backup failed: ") && last.contains(cause), "{last}");
}

#[test]
fn row_0_11_a_missing_named_path_fails_the_run() {
    let (workspace, old) = aged(&[400 * DAY]);
    let refused = run(&mut workspace.pai(["context.md", "no-such-file"])).expect(2);
    assert!(refused.stderr.contains("no-such-file: No such file"), "{}", refused.stderr);
    assert_eq!(refused.stdout, "");
    let archives = workspace.home().join("archive");
    assert_failed_clean(&workspace, &archives, &old, "no-such-file");
}

#[test]
fn row_0_11_a_full_disk_fails_the_run() {
    let workspace = Workspace::demo();
    workspace.write("big", &crate::fixtures::noise(4 << 20, 1));
    let disk = workspace.beside("disk");
    fs::create_dir(&disk).unwrap();
    let line = format!(
        "mount -t tmpfs -o size=1m tmpfs '{disk}' || exit 99
         echo old > '{disk}/pai-20200101-000000.tar.gz'
         '{tool}' --archive-dir '{disk}' > /dev/null; status=$?
         ls -A '{disk}'
         exit $status",
        disk = disk.display(),
        tool = tool("pai-backup").display(),
    );
    let mut command = command("unshare");
    command.args(if rustix::process::geteuid().is_root() { ["-m", "--"] } else { ["-rm", "--"] });
    let full = run(command.args(["sh", "-c", &line]).env("PAI_HOME", workspace.home()));
    if full.status == Some(99) || full.stderr.contains("unshare") {
        return pai_tests::skip("no private mount namespace here");
    }
    let full = full.expect(2);
    assert!(full.stderr.contains("No space left on device"), "{}", full.stderr);
    assert_eq!(full.stdout, "pai-20200101-000000.tar.gz\n", "no archive, no partial one, nothing rotated");
    let log = workspace.log();
    assert!(log.last().unwrap().contains("] Backup failed: "), "{log:?}");
    assert!(log.last().unwrap().contains("No space left on device"), "{log:?}");
}

#[test]
fn row_0_11_an_unreadable_file_is_named_and_the_rest_is_archived() {
    let workspace = Workspace::demo();
    workspace.write("private/inside", b"");
    let tool = workspace.give_to_nobody();
    chmod(&workspace.home().join("memory.md"), 0);
    chmod(&workspace.home().join("private"), 0);
    let mut command = command(tool);
    command.arg("-q").env("PAI_HOME", workspace.home()).current_dir(workspace.beside(""));
    let Some(mut command) = pai_tests::as_nobody(&command) else { return };
    let part = run(&mut command).expect(1);
    assert!(part.stderr.contains("could not read memory.md: Permission denied"), "{}", part.stderr);
    assert!(part.stderr.contains("could not read private: Permission denied"), "{}", part.stderr);
    assert_eq!(part.stderr.lines().count(), 2, "{}", part.stderr);
    let listed = run(&mut workspace.pai(["list", part.stdout.trim_end()])).expect(0);
    assert!(!listed.stdout.contains("memory.md") && !listed.stdout.contains("private/inside"));
    assert_eq!(listed.stdout.lines().count(), 17, "{}", listed.stdout);
}

#[test]
fn row_0_23_the_documented_troubles_are_told_by_their_causes() {
    let workspace = Workspace::demo();
    // PAI_HOME unset.
    let unset = run(workspace.pai(["create"]).env_remove("PAI_HOME")).expect(2);
    assert!(unset.stderr.contains("PAI_HOME is not set"), "{}", unset.stderr);
    assert!(unset.stderr.contains("hint: export PAI_HOME="), "{}", unset.stderr);
    // RETENTION_DAYS too small: the log shows what was asked for and what went.
    workspace.write("archive/pai-20200101-000000.tar.gz", b"");
    run(workspace.pai(["-q"]).env("RETENTION_DAYS", "1")).expect(0);
    let log = workspace.log().join("\n");
    assert!(log.contains(" -mmin +1440 -delete\n") && log.contains("/pai-20200101-000000.tar.gz\n"), "{log}");
}

#[test]
fn row_0_23_root_on_somebodys_workspace_is_warned() {
    if !rustix::process::geteuid().is_root() {
        return pai_tests::skip("only root can be warned of being root");
    }
    let workspace = Workspace::demo();
    let own = run(&mut workspace.pai(["-q"])).expect(0);
    assert_eq!(own.stderr, "", "root's own workspace is no trouble");
    workspace.give_to_nobody();
    let warned = run(&mut workspace.pai(["-q"])).expect(0);
    assert!(warned.stderr.contains("running as root"), "{}", warned.stderr);
    assert!(warned.stderr.contains("user 65534"), "{}", warned.stderr);
}
