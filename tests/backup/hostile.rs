//! Restoring archives made to do harm: each is refused by name with exit 1, and nothing outside the target
//! is touched, in whatever form it comes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use pai_backup::entry::Kind;
use pai_tests::{Outcome, command, run, run_with_input, tool};

use crate::craft::{Item, pax_header, raw_header, write_ours, write_plain};
use crate::fixtures::{Node, chmod, names_in, tree};

/// A target folder, and beside it a tree that no restore into the target may change.
struct Stage {
    folder: tempfile::TempDir,
    before: BTreeMap<PathBuf, Node>,
}

impl Stage {
    fn new(prepare: fn(&Path)) -> Self {
        let folder = pai_tests::scratch();
        let (outside, target) = (folder.path().join("outside"), folder.path().join("target"));
        fs::create_dir_all(outside.join("inner")).unwrap();
        fs::create_dir(&target).unwrap();
        fs::write(outside.join("secret"), "a secret").unwrap();
        chmod(&outside.join("secret"), 0o600);
        chmod(&outside.join("inner"), 0o700);
        prepare(&target);
        let mut stage = Self { folder, before: BTreeMap::new() };
        stage.before = stage.canary();
        stage
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("target")
    }

    /// All that lies beside the target, the folder that holds both included.
    fn canary(&self) -> BTreeMap<PathBuf, Node> {
        let mut nodes = tree(self.folder.path());
        nodes.retain(|path, _| !path.starts_with("target") && !path.starts_with("archive.tar.gz"));
        nodes
    }

    fn restore(&self, form: Form, items: &[Item], args: &[&str]) -> Outcome {
        let archive = self.folder.path().join("archive.tar.gz");
        match form {
            Form::Plain | Form::PlainFromPipe => write_plain(&archive, items),
            Form::Ours | Form::OursFromPipe => write_ours(&archive, items, |_, _| ()),
        }
        let mut command = command(tool("pai-backup"));
        command.args(["restore", "--target"]).arg(self.target()).args(args);
        match form {
            Form::Plain | Form::Ours => run(command.arg(&archive)),
            _ => run_with_input(command.arg("-"), &fs::read(&archive).unwrap()),
        }
    }

    #[track_caller]
    fn assert_canary_unharmed(&self, what: &str) {
        assert_eq!(self.canary(), self.before, "{what}");
    }
}

/// How an archive reaches us.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Plain,
    PlainFromPipe,
    Ours,
    OursFromPipe,
}

const FORMS: [Form; 4] = [Form::Plain, Form::PlainFromPipe, Form::Ours, Form::OursFromPipe];

/// What an archive holds, what the target held, and what must become of it.
struct Case {
    what: &'static str,
    prepare: fn(&Path),
    hostile: Vec<Item>,
    /// What stderr must say.
    says: &'static str,
    /// The names in the target afterwards, besides `good`.
    left: &'static [&'static str],
}

/// Runs a case in every form: refused by name, exit 1, the innocent entry restored, the canary alive.
fn check(case: &Case, args: &[&str], forms: &[Form]) {
    for &form in forms {
        let what = format!("{} ({form:?}, {args:?})", case.what);
        let stage = Stage::new(case.prepare);
        let mut items = vec![Item::file("good", b"an innocent file")];
        items.extend(case.hostile.clone());
        let outcome = stage.restore(form, &items, args);
        stage.assert_canary_unharmed(&what);
        assert_eq!(outcome.status, Some(1), "{what}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(case.says), "{what}: {}", outcome.stderr);
        assert_eq!(fs::read(stage.target().join("good")).unwrap(), b"an innocent file", "{what}");
        let mut expected = vec!["good"];
        expected.extend(case.left);
        expected.sort_unstable();
        assert_eq!(names_in(&stage.target()), expected, "{what}: {}", outcome.stderr);
    }
}

fn nothing(_: &Path) {}

fn case(what: &'static str, hostile: Vec<Item>, says: &'static str, left: &'static [&'static str]) -> Case {
    Case { what, prepare: nothing, hostile, says, left }
}

#[test]
fn the_innocent_are_restored_in_every_form() {
    for form in FORMS {
        let stage = Stage::new(nothing);
        let outcome = stage.restore(form, &[Item::file("good", b"an innocent file")], &[]).expect(0);
        assert_eq!(outcome.stderr, "", "{form:?}");
        stage.assert_canary_unharmed("an innocent archive");
    }
}

#[test]
fn names_that_lead_out_of_the_target_are_refused() {
    let absolute = pai_tests::scratch();
    let absolute_name = absolute.path().join("pwned").display().to_string();
    let nul = [vec![b'n'; 120], b"\0.txt".to_vec()].concat();
    for case in [
        case(
            "..",
            vec![Item::file("../outside/pwned", b"!")],
            "refused ../outside/pwned: a name with ..",
            &[],
        ),
        case(
            "a/../..",
            vec![Item::file("a/../../outside/pwned", b"!")],
            "refused a/../../outside/pwned",
            &[],
        ),
        case(
            "a folder ..",
            vec![Item::new("../outside/inner", Kind::Folder)],
            "refused ../outside/inner",
            &[],
        ),
        case("absolute", vec![Item::file(absolute_name, b"!")], "/pwned: an absolute name", &[]),
        case("a link ..", vec![Item::link("../outside/l", Kind::Symlink, "x")], "refused ../outside/l", &[]),
        case("NUL", vec![Item::file(nul, b"!")], "a NUL in its name", &[]),
        case("empty", vec![Item::file("", b"!")], "refused : an empty name", &[]),
    ] {
        check(&case, &[], &FORMS);
        check(&case, &["--force"], &FORMS);
    }
    assert_eq!(names_in(absolute.path()), [""; 0]);
}

#[test]
fn a_symbolic_link_of_the_archive_leads_nowhere() {
    for (target, says) in [("../outside", "d: "), ("/etc", "d: "), (".", "d: ")] {
        let hostile = vec![Item::link("d", Kind::Symlink, target), Item::file("d/pwned", b"!")];
        // The file gets a real folder; the link that wanted its place is named.
        let case = Case { what: "through a link", prepare: nothing, hostile, says, left: &["d"] };
        check(&case, &[], &FORMS);
        check(&case, &["--force"], &FORMS);
    }
    // Links are made, even where they point outside: only nothing is written through them.
    for form in FORMS {
        let stage = Stage::new(nothing);
        stage.restore(form, &[Item::link("l", Kind::Symlink, "../outside/secret")], &[]).expect(0);
        assert_eq!(fs::read_link(stage.target().join("l")).unwrap(), Path::new("../outside/secret"));
        stage.assert_canary_unharmed("a link to the outside");
    }
}

#[test]
fn a_symbolic_link_in_the_target_leads_nowhere() {
    let prepare = |target: &Path| symlink("../outside", target.join("d")).unwrap();
    let mut open_folder = Item::new("d", Kind::Folder);
    open_folder.entry.mode = 0o777;
    for (what, hostile, says) in [
        ("a file", vec![Item::file("d/pwned", b"!")], "d/pwned: its folder d is a symbolic link"),
        ("over a file", vec![Item::file("d/secret", b"!")], "d/secret: its folder d is a symbolic link"),
        ("a folder", vec![Item::new("d/inner", Kind::Folder)], "d/inner: its folder d is a symbolic link"),
        (
            "a hard link",
            vec![Item::link("d/h", Kind::HardLink, "good")],
            "d/h: its folder d is a symbolic link",
        ),
        ("a link", vec![Item::link("d/l", Kind::Symlink, "x")], "d/l: its folder d is a symbolic link"),
        ("a FIFO", vec![Item::new("d/p", Kind::Fifo)], "d/p: its folder d is a symbolic link"),
    ] {
        let case = Case { what, prepare, hostile, says, left: &["d"] };
        check(&case, &[], &FORMS);
        check(&case, &["--force"], &FORMS);
    }
    // A folder's mode and times are not set through a link either (CVE-2026-33056).
    for form in FORMS {
        let stage = Stage::new(prepare);
        let outcome = stage.restore(form, &[open_folder.clone()], &["--force"]);
        assert_ne!(outcome.status, Some(0), "{form:?}");
        assert!(outcome.stderr.contains('d'), "{form:?}: {}", outcome.stderr);
        stage.assert_canary_unharmed("a folder over a link");
    }
}

#[test]
fn a_file_replaces_a_link_and_never_what_it_points_to() {
    for form in FORMS {
        let stage = Stage::new(|target| symlink("../outside/secret", target.join("f")).unwrap());
        let items = [Item::file("f", b"restored")];
        let refused = stage.restore(form, &items, &[]);
        assert!(
            matches!(refused.status, Some(1 | 2)) && refused.stderr.contains('f'),
            "{form:?}: {refused:?}"
        );
        assert!(stage.target().join("f").is_symlink(), "{form:?}: without --force it stays");
        stage.restore(form, &items, &["--force"]).expect(0);
        assert_eq!(fs::read(stage.target().join("f")).unwrap(), b"restored", "{form:?}");
        assert!(!stage.target().join("f").is_symlink());
        stage.assert_canary_unharmed("a file over a link");
    }
}

#[test]
fn hard_links_name_only_files_of_this_run() {
    let hard = |target: &str| vec![Item::link("h", Kind::HardLink, target)];
    let through =
        vec![Item::link("s", Kind::Symlink, "../outside/secret"), Item::link("h", Kind::HardLink, "s")];
    for case in [
        case("..", hard("../outside/secret"), "h: ", &[]),
        case("absolute", hard("/etc/hostname"), "h: ", &[]),
        case("missing", hard("nothing"), "h: ", &[]),
        case("itself", hard("h"), "h: ", &[]),
        // borg's CVE-2026-62268: link(2) that follows.
        case("through a link", through, "h: it links to s, which was not restored", &["s"]),
        Case {
            what: "a file that was there",
            prepare: |target| fs::write(target.join("mine"), "mine").unwrap(),
            hostile: hard("mine"),
            says: "h: ",
            left: &["mine"],
        },
    ] {
        check(&case, &[], &FORMS);
    }
}

#[test]
fn device_nodes_and_set_id_bits_are_for_root_who_asks() {
    let mut disk = Item::new("disk", Kind::BlockDevice);
    disk.entry.device = (8, 0);
    let mut null = Item::new("null", Kind::CharDevice);
    null.entry.device = (1, 3);
    let set_id = |mode| {
        let mut item = Item::file("su", b"#!/bin/sh\n");
        item.entry.mode = mode;
        vec![item]
    };
    for case in [
        case("a disk", vec![disk], "refused disk: a device node", &[]),
        case("a device", vec![null.clone()], "refused null: a device node", &[]),
        case("setuid", set_id(0o4755), "refused su: its set-user-ID", &["su"]),
        case("setgid", set_id(0o2755), "refused su: its set-user-ID", &["su"]),
    ] {
        check(&case, &[], &FORMS);
        check(&case, &["--force"], &FORMS);
    }
    for form in FORMS {
        let stage = Stage::new(nothing);
        stage.restore(form, &set_id(0o6755), &[]).expect(1);
        let mode = stage.target().join("su").metadata().unwrap().mode() & 0o7777;
        assert_eq!(mode, 0o755, "{form:?}: the file comes without the bits");
        if !rustix::process::geteuid().is_root() {
            continue;
        }
        let stage = Stage::new(nothing);
        stage.restore(form, &set_id(0o6755), &["--privileged"]).expect(0);
        assert_eq!(stage.target().join("su").metadata().unwrap().mode() & 0o7777, 0o6755);
    }
}

#[test]
fn headers_that_two_readers_would_read_differently_are_refused() {
    let raw = |header: Vec<u8>, path: &str| Item { header: Some(header), ..Item::file(path, b"") };
    // TarmaGeddon: the pax size and the header's size point at different next headers.
    let disagreeing = [pax_header(b"13 size=1024\n"), raw_header("victim", b'0', 512), vec![0; 512]].concat();
    let mut oversized = raw_header("PaxHeaders/victim", b'x', 1 << 32);
    oversized.extend_from_slice(&[0; 512]);
    let malformed = [pax_header(b"99 path=x\n"), raw_header("victim", b'0', 0)].concat();
    let unknown = raw_header("victim", b'Z', 0);
    let mut bad_sum = raw_header("victim", b'0', 0);
    bad_sum[0] ^= 1;
    for (what, header, says) in [
        ("a pax size that disagrees", disagreeing, "victim: its pax size 1024 disagrees"),
        ("an oversized pax header", oversized, "victim: an extension header of 4294967296 bytes"),
        ("a malformed pax header", malformed, "a malformed pax header"),
        ("an unknown kind of entry", unknown, "victim: unknown entry type"),
        ("a wrong header checksum", bad_sum, "not a tar header"),
    ] {
        let hostile = vec![raw(header, "victim"), Item::file("after", b"whatever")];
        let case = Case { what, prepare: nothing, hostile, says, left: &[] };
        // In a stream nothing behind it can be trusted; an index knows where the next entry begins.
        check(&case, &[], &[Form::Plain, Form::PlainFromPipe, Form::OursFromPipe]);
        check(&Case { left: &["after"], ..case }, &[], &[Form::Ours]);
    }
}

#[test]
fn an_extension_with_nothing_behind_it_is_refused() {
    let hostile = vec![Item { header: Some(pax_header(b"10 path=x\n")), ..Item::file("x", b"") }];
    let case = case("a dangling pax header", hostile, "an extension header with no entry behind it", &[]);
    check(&case, &[], &[Form::Plain, Form::PlainFromPipe, Form::OursFromPipe]);
}

#[test]
fn duplicate_names_are_refused() {
    let twice = |a: Item, b: Item| vec![a, b];
    for (what, hostile) in [
        ("two files", twice(Item::file("a", b"one"), Item::file("a", b"two"))),
        ("two spellings", twice(Item::file("a", b"one"), Item::file("./a", b"two"))),
        (
            "a file, then a link",
            twice(Item::file("a", b"one"), Item::link("a", Kind::Symlink, "../outside/secret")),
        ),
        (
            "a link, then a file",
            twice(Item::link("a", Kind::Symlink, "../outside/secret"), Item::file("a", b"two")),
        ),
    ] {
        for form in FORMS {
            let what = format!("{what} ({form:?})");
            let stage = Stage::new(nothing);
            let outcome = stage.restore(form, &hostile, &["--force"]);
            stage.assert_canary_unharmed(&what);
            assert_eq!(outcome.status, Some(1), "{what}: {}", outcome.stderr);
            assert!(
                outcome.stderr.contains("refused a: the archive has this name twice"),
                "{what}: {outcome:?}"
            );
        }
    }
    // A folder that comes again is how some archivers work.
    let folders = vec![Item::new("d", Kind::Folder), Item::file("d/a", b"a"), Item::new("d", Kind::Folder)];
    for form in [Form::Plain, Form::Ours] {
        Stage::new(nothing).restore(form, &folders, &[]).expect(0);
    }
}

#[test]
fn a_file_and_a_folder_of_one_name_do_no_harm() {
    for hostile in [
        vec![Item::file("a", b"a file"), Item::file("a/b", b"below a file")],
        vec![Item::file("a/b", b"below a folder"), Item::file("a", b"a file")],
    ] {
        for form in FORMS {
            let stage = Stage::new(nothing);
            let outcome = stage.restore(form, &hostile, &[]).expect(1);
            assert!(outcome.stderr.contains('a'), "{form:?}: {}", outcome.stderr);
            stage.assert_canary_unharmed("a file as a folder");
            assert_eq!(names_in(&stage.target()), ["a"]);
        }
    }
}

#[test]
fn an_index_that_hides_what_the_tar_holds_is_refused() {
    let stage = Stage::new(nothing);
    let archive = stage.folder.path().join("archive.tar.gz");
    let items = [Item::file("good", b"an innocent file"), Item::file("../outside/pwned", b"!")];
    write_ours(&archive, &items, |_, records| records[1].entry.path = "harmless".into());
    let mut command = command(tool("pai-backup"));
    let outcome = run(command.arg("restore").arg(&archive).arg("--target").arg(stage.target())).expect(1);
    assert!(
        outcome.stderr.contains("refused harmless: the index disagrees with the tar header"),
        "{}",
        outcome.stderr
    );
    assert_eq!(names_in(&stage.target()), ["good"]);
    stage.assert_canary_unharmed("an index that lies");
}

#[test]
fn the_dry_run_names_what_would_be_refused() {
    let stage = Stage::new(nothing);
    let items = [Item::file("good", b"fine"), Item::file("../outside/pwned", b"!")];
    for form in [Form::Plain, Form::Ours] {
        let shown = stage.restore(form, &items, &["-n"]).expect(1);
        assert!(shown.stdout.contains("refuse  ../outside/pwned (a name with .. in it)"), "{}", shown.stdout);
        assert!(shown.stdout.contains("write   good"), "{}", shown.stdout);
        assert_eq!(names_in(&stage.target()), [""; 0]);
    }
}

#[test]
fn what_is_called_like_a_temporary_file_comes_back_too() {
    let stage = Stage::new(nothing);
    let items = [Item::file(".link.restoring", b"mine"), Item::link("link", Kind::Symlink, "elsewhere")];
    stage.restore(Form::Ours, &items, &[]).expect(0);
    assert_eq!(names_in(&stage.target()), [".link.restoring", "link"]);
    stage.restore(Form::Ours, &items, &["--force"]).expect(0);
    assert_eq!(fs::read(stage.target().join(".link.restoring")).unwrap(), b"mine");
}

#[test]
fn a_file_that_is_called_like_the_target_is_refused() {
    for form in [Form::Plain, Form::PlainFromPipe, Form::Ours, Form::OursFromPipe] {
        let stage = Stage::new(nothing);
        let refused = stage.restore(form, &[Item::file(".", b"x"), Item::file("good", b"y")], &[]).expect(1);
        assert!(refused.stderr.contains("refused .: the target's own name"), "{}", refused.stderr);
        assert_eq!(names_in(&stage.target()), ["good"]);
    }
}

#[test]
fn hard_links_in_a_circle_end() {
    let folder = pai_tests::scratch();
    let archive = folder.path().join("archive.tar.gz");
    let items = [Item::link("a", Kind::HardLink, "b"), Item::link("b", Kind::HardLink, "a")];
    write_plain(&archive, &items);
    let cat = || run(command(tool("pai-backup")).arg("cat").arg(&archive).arg("a")).expect(2).stderr;
    assert!(cat().contains("its hard links lead to no file"));
    write_ours(&archive, &items, |_, _| ());
    assert!(cat().contains("its hard links lead to no file"));
}

#[test]
fn a_hole_of_exabytes_is_neither_hashed_nor_compared() {
    let stage = Stage::new(|target| fs::write(target.join("hole"), "here").unwrap());
    let mut hole = Item::file("hole", b"");
    hole.header = Some(
        [
            pax_header(b"22 GNU.sparse.map=0,0\n39 GNU.sparse.size=4611686018427387904\n"),
            raw_header("hole", b'0', 0),
        ]
        .concat(),
    );
    let kept = stage.restore(Form::Plain, &[hole], &[]).expect(2);
    assert!(kept.stderr.contains("1 file in"), "{}", kept.stderr);
    assert_eq!(fs::read(stage.target().join("hole")).unwrap(), b"here");
}
