//! What a run answers: to a person who watches, who mistyped, or who looks for archives where there are none.

use std::fs;
use std::process::Command;

use pai_tests::{Outcome, command, has, run, run_with_input, scratch, sh, skip, tool};

use crate::fixtures::{Workspace, noise};

#[test]
fn a_list_of_no_archives_is_trouble_and_says_what_to_do() {
    let workspace = Workspace::demo();
    workspace.write("elsewhere/notes.txt", b"no archive");
    let elsewhere = workspace.home().join("elsewhere");
    for folder in ["archive", "elsewhere", "no/such"].map(|name| workspace.home().join(name)) {
        for args in [&["list"][..], &["list", "--names"], &["list", "--json"]] {
            let none = run(workspace.pai(args).arg("--archive-dir").arg(&folder)).expect(2);
            let expected =
                format!("pai-backup: no archive pai-*.tar.gz in {}\npai-backup: hint: ", folder.display());
            assert!(none.stderr.starts_with(&expected), "{args:?}: {}", none.stderr);
            assert_eq!(none.stdout, "");
        }
    }
    let store = run(workspace.pai(["list", "--store"]).arg(&elsewhere)).expect(2);
    assert!(store.stderr.contains("no archive of the series pai in "), "{}", store.stderr);
    workspace.back_up(["-q"]);
    run(&mut workspace.pai(["list"])).expect(0);
    run(&mut workspace.pai(["list", "--name", "other"])).expect(2);
}

#[test]
fn a_mistyped_command_is_told_by_every_tool() {
    let workspace = Workspace::demo();
    for (name, args, hint) in [
        ("pai-backup", &["lst"][..], "hint: did you mean pai-backup list?"),
        ("pai-backup", &["lsit", "--json"], "hint: did you mean pai-backup list?"),
        ("pai-backup", &["restor", "latest"], "hint: did you mean pai-backup restore?"),
        ("pai-rotate", &["lgos", "--size", "10M", "."], "hint: did you mean pai-rotate logs?"),
        ("pai-rotate", &["lgos", "--days", "30"], "hint: did you mean pai-rotate logs?"),
        ("pai-optimize", &["recal", "x"], "recall"),
    ] {
        let mut command = command(tool(name));
        let told = run(command.args(args).env("PAI_HOME", workspace.home()).current_dir(workspace.home()));
        assert_ne!(told.status, Some(0), "{name} {args:?}");
        assert!(told.stderr.contains(hint), "{name} {args:?}: {}", told.stderr);
    }
    let other = run(&mut workspace.pai(["no-such-thing"])).expect(2);
    assert!(!other.stderr.contains("did you mean"), "{}", other.stderr);
    // What is there is meant.
    workspace.write("lst", b"a file");
    assert_eq!(run(workspace.pai(["lst"]).current_dir(workspace.home())).expect(0).stderr, "");
}

#[test]
fn the_line_of_a_dry_run_can_be_pasted_into_a_fresh_workspace() {
    let workspace = Workspace::demo();
    run(&mut workspace.pai(["-n", "-q"])).expect(0);
    assert_eq!(workspace.archives(), [""; 0]);
    let log = workspace.log();
    let line = log.iter().find(|line| line.starts_with("tar -czf ")).unwrap();
    sh(line, workspace.home()).expect(0);
    run(&mut workspace.pai(["verify", "--latest"])).expect(0);
    // A folder of somebody's own may be mistyped, or not mounted: it is not made to try things out.
    let elsewhere = workspace.beside("elsewhere");
    run(workspace.pai(["-n", "-q", "--archive-dir"]).arg(&elsewhere)).expect(0);
    assert!(!elsewhere.exists());
}

/// Runs a command whose stderr is a terminal; what both streams said.
fn at_terminal(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
    let mut script = pai_tests::command("script");
    script.args(["-q", "-e", "-c", &line.join(" "), "/dev/null"]);
    for (key, value) in command.get_envs() {
        value.map(|value| script.env(key, value));
    }
    run(script.current_dir(command.get_current_dir().unwrap())).expect(0).stdout.replace('\r', "")
}

#[test]
fn a_person_who_watches_is_told_what_was_done() {
    if !has("script") {
        return skip("no script(1)");
    }
    let workspace = Workspace::demo();
    let told = at_terminal(&workspace.pai(["create"]));
    assert!(told.contains("pai-backup: 17 entries, 13 files, "), "{told}");
    let archive = told.lines().last().unwrap();
    assert!(told.contains(&format!("pai-backup: see what is in it: pai-backup list {archive}\n")), "{told}");
    let back = workspace.beside("back");
    let restore = |more: &[&str]| {
        let mut restore = workspace.pai(["restore", archive, "projects/alpha.md", "--target"]);
        restore.arg(&back).args(more);
        restore
    };
    let told = at_terminal(&restore(&[]));
    let expected = format!("pai-backup: restored 1 file (8 B) into {}\n", back.display());
    assert_eq!(told, expected);
    for quiet in [&["-q"][..], &[]] {
        fs::remove_dir_all(&back).unwrap();
        let said = if quiet.is_empty() {
            let Outcome { stdout, stderr, .. } = run(&mut restore(quiet)).expect(0);
            stdout + &stderr
        } else {
            at_terminal(&restore(quiet))
        };
        assert_eq!(said, "", "{quiet:?}");
    }
}

#[test]
fn one_file_that_differs_is_one() {
    let workspace = Workspace::demo();
    let made = workspace.back_up(["-q"]);
    workspace.write("memory.md", b"written since");
    let refused = run(workspace.pai(["restore"]).arg(&made)).expect(2);
    assert!(refused.stderr.starts_with("pai-backup: 1 file in "), "{}", refused.stderr);
    assert!(refused.stderr.contains(" differs from the archive (memory.md)\n"), "{}", refused.stderr);
}

#[test]
fn a_full_disk_under_a_zip_is_told_once_and_in_the_system_s_words() {
    let workspace = Workspace::empty();
    workspace.write("big", &noise(3 << 20, 1));
    let disk = workspace.beside("disk");
    fs::create_dir(&disk).unwrap();
    let line = format!(
        "mount -t tmpfs -o size=1m tmpfs '{disk}' || exit 99; '{tool}' --format zip -o '{disk}/a.zip'; status=$?
         ls -A '{disk}'; exit $status",
        disk = disk.display(),
        tool = tool("pai-backup").display(),
    );
    let mut unshare = command("unshare");
    unshare.args(if rustix::process::geteuid().is_root() { ["-m", "--"] } else { ["-rm", "--"] });
    let full = run(unshare.args(["sh", "-c", &line]).env("PAI_HOME", workspace.home()));
    if full.status == Some(99) || full.stderr.contains("unshare") {
        return skip("no private mount namespace here");
    }
    let full = full.expect(2);
    assert_eq!(full.stderr, "pai-backup: could not archive big: No space left on device (os error 28)\n");
    assert_eq!(full.stdout, "", "nothing is left of it");
}

/// A tar, compressed by the program of this name.
fn packed(workspace: &Workspace, program: &str) -> Option<std::path::PathBuf> {
    let path = workspace.beside(&format!("a file.tar.{program}"));
    let line =
        format!("tar -cf - -C '{}' . | {program} -c >'{}'", workspace.home().display(), path.display());
    if !has(program) {
        skip(&format!("no {program}"));
        return None;
    }
    sh(&format!("set -o pipefail; {line}"), workspace.home()).expect(0);
    Some(path)
}

#[test]
fn what_another_program_compressed_is_named_with_the_command_that_leads_on() {
    let workspace = Workspace::demo();
    for program in ["xz", "zstd", "bzip2", "lz4"] {
        let Some(path) = packed(&workspace, program) else { continue };
        let what = format!("it is {program}: decompress it first, with {program} -dc");
        let listed = run(workspace.pai(["list"]).arg(&path)).expect(2);
        let (error, hint) = listed.stderr.split_once('\n').unwrap();
        assert_eq!(error, format!("pai-backup: could not read {}: {what}", path.display()));
        let line = hint.trim_end().strip_prefix("pai-backup: hint: ").expect(hint);
        assert!(sh(line, workspace.home()).expect(0).stdout.contains("projects/alpha.md\n"), "{line}");
        let verified = run(workspace.pai(["verify"]).arg(&path)).expect(1).stdout;
        assert_eq!(verified, format!("{}: FAILED ({what})\n", path.display()));
        let back = workspace.beside("back");
        let restored = run(workspace.pai(["restore"]).arg(&path).arg("--target").arg(&back)).expect(2);
        assert!(restored.stderr.contains(&what), "{}", restored.stderr);
    }
}

#[test]
fn what_holds_no_tar_at_all_says_so() {
    let workspace = Workspace::demo();
    let gzipped =
        |content: &str| sh(&format!("printf '{content}' | gzip -c"), workspace.home()).expect(0).bytes;
    for (content, what) in [
        (Vec::new(), "it is an empty file"),
        (gzipped(""), "it is gzip with nothing in it"),
        (gzipped("SELECT 1;\\n"), "it is gzip that holds no tar"),
        (b"PK\x03\x04 and more than sixteen bytes".to_vec(), "it is a zip"),
    ] {
        let path = workspace.beside("file");
        fs::write(&path, &content).unwrap();
        for args in [&["list"][..], &["verify"]] {
            let told = run(workspace.pai(args).arg(&path));
            assert_ne!(told.status, Some(0));
            assert!((told.stdout + &told.stderr).contains(what), "{args:?}: {what}");
        }
        let piped = run_with_input(&mut workspace.pai(["list", "-"]), &content).expect(2);
        assert!(piped.stderr.contains(what), "{}", piped.stderr);
    }
}

#[test]
fn an_archive_from_stdin_is_listed_as_one_from_a_file() {
    let workspace = Workspace::demo();
    fs::hard_link(workspace.home().join("memory.md"), workspace.home().join("projects/again.md")).unwrap();
    let made = workspace.back_up(["-q"]);
    let foreign = workspace.beside("foreign.tar");
    run(command("tar")
        .arg("-cf")
        .arg(&foreign)
        .arg("-C")
        .arg(workspace.home())
        .args(["memory.md", "projects"]))
    .expect(0);
    for archive in [&made, &foreign] {
        let bytes = fs::read(archive).unwrap();
        for args in [&["list"][..], &["list", "-l"], &["list", "--sha256"]] {
            let named = run(workspace.pai(args).arg(archive)).expect(0);
            assert!(named.stdout.lines().count() >= 4, "{}", named.stdout);
            let piped = run_with_input(workspace.pai(args).arg("-"), &bytes).expect(0);
            assert_eq!(piped.stdout, named.stdout, "{args:?} of {}", archive.display());
        }
    }
    let cut = run_with_input(
        workspace.pai(["list", "-"]).env("PAI_HOME", "/nowhere"),
        &fs::read(&foreign).unwrap()[..1024],
    );
    assert!(cut.expect(2).stderr.contains("could not read stdin to its end"));
}

#[test]
fn a_file_makes_way_for_a_folder_when_it_is_forced_and_is_kept() {
    let workspace = Workspace::demo();
    let made = workspace.back_up(["-q"]);
    let then = crate::fixtures::archived_tree(workspace.home());
    fs::remove_dir_all(workspace.home().join("projects")).unwrap();
    workspace.write("projects", b"now a file");
    let refused = run(workspace.pai(["restore"]).arg(&made)).expect(2);
    assert!(refused.stderr.contains("1 file in "), "{}", refused.stderr);
    let planned = run(workspace.pai(["restore", "-n"]).arg(&made).arg("projects")).expect(0).stdout;
    assert!(
        planned.contains("replace projects\n") && planned.contains("write   projects/alpha.md\n"),
        "{planned}"
    );
    run(workspace.pai(["restore", "--force"]).arg(&made)).expect(0);
    crate::fixtures::assert_same_tree(&crate::fixtures::archived_tree(workspace.home()), &then);
    let kept = workspace.archives().into_iter().find(|name| name.starts_with("pre-restore-")).unwrap();
    let kept = run(&mut workspace.pai(["cat", &kept, "projects"])).expect(0);
    assert_eq!(kept.stdout, "now a file");
    // The same from a pipe, into a folder beside; a link is left alone.
    let back = scratch();
    fs::write(back.path().join("projects"), "a file").unwrap();
    std::os::unix::fs::symlink(workspace.home(), back.path().join("tools")).unwrap();
    let mut piped = workspace.pai(["restore", "-", "--force", "--target"]);
    let piped = run_with_input(piped.arg(back.path()), &fs::read(&made).unwrap()).expect(1);
    assert!(piped.stderr.contains("tools is a symbolic link"), "{}", piped.stderr);
    assert_eq!(fs::read(back.path().join("projects/alpha.md")).unwrap(), b"# Alpha\n");
}

#[test]
fn a_file_that_only_a_path_leads_through_stays() {
    let workspace = Workspace::demo();
    let made = workspace.back_up(["-q"]);
    fs::remove_dir_all(workspace.home().join("projects")).unwrap();
    workspace.write("projects", b"now a file");
    let refused = run(workspace.pai(["restore", "--force"]).arg(&made).arg("projects/alpha.md")).expect(1);
    assert!(
        refused.stderr.contains("refused projects/alpha.md: what is in its folder's place is no folder"),
        "{}",
        refused.stderr
    );
    assert_eq!(fs::read(workspace.home().join("projects")).unwrap(), b"now a file");
}
