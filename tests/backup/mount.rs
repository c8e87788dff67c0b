//! `mount`: what is seen through it is what stock tar takes out of the archives.

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use pai_tests::{PATIENCE, command, run, scratch, skip};
use rustix::process::{Pid, Signal, kill_process};

use crate::fixtures::{Workspace, chmod, fifo, noise, set_time, sparse, tree};
use crate::past::Nights;

/// A running `pai-backup mount`.
struct Mounted {
    child: Child,
    folder: PathBuf,
    /// Goes after the mount.
    _scratch: tempfile::TempDir,
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.child.try_wait().unwrap().is_none() {
            kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
            let _ = self.child.wait();
        }
    }
}

/// Whether file systems can be mounted here; says so if not.
fn can_mount() -> bool {
    let device = fs::OpenOptions::new().read(true).write(true).open("/dev/fuse");
    if let Err(why) = device {
        skip(&format!("no /dev/fuse: {why}"));
        return false;
    }
    if !pai_tests::has("fusermount3") {
        skip("no fusermount3 (Debian's package fuse3)");
        return false;
    }
    true
}

impl Mounted {
    fn new(nights: &Nights) -> Self {
        let scratch = scratch();
        let folder = scratch.path().canonicalize().unwrap().join("past");
        fs::create_dir(&folder).unwrap();
        let mut command = nights.pai(&["mount"]);
        let mut child = command.arg(&folder).stderr(Stdio::piped()).spawn().unwrap();
        // It says so once it is there; what it says later is read at the end.
        let mut line = String::new();
        let mut stderr = child.stderr.take().unwrap();
        let mut byte = [0];
        while !line.ends_with('\n') && stderr.read(&mut byte).unwrap() > 0 {
            line.push(char::from(byte[0]));
        }
        child.stderr = Some(stderr);
        let at = folder.display();
        let said = format!("pai-backup: mounted on {at}; Ctrl-C or fusermount3 -u {at} ends it\n");
        assert_eq!(line, said);
        Self { child, folder, _scratch: scratch }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.join(path)
    }

    fn is_there(&self) -> bool {
        self.folder.join("by-file").exists()
    }

    /// Unmounts it; how it ended, and what it had said until then.
    fn end(&mut self, signal: Signal) -> (ExitStatus, Vec<String>) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.ended()
    }

    fn ended(&mut self) -> (ExitStatus, Vec<String>) {
        let said = BufReader::new(self.child.stderr.take().unwrap()).lines();
        let said = said.map(Result::unwrap).collect();
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return (status, said);
            }
            assert!(start.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A workspace with one of everything.
fn fill(workspace: &Workspace) {
    for number in 0..200 {
        workspace.write(
            &format!("projects/p{}/note {number}.md", number % 7),
            format!("{number}\n").repeat(number).as_bytes(),
        );
    }
    workspace.write("memory.md", b"# Memory\n");
    workspace.write("big", &noise(3_000_000, 7));
    workspace.write("text", &b"the same line again\n".repeat(100_000));
    workspace.write("empty", b"");
    let home = workspace.home();
    fs::hard_link(home.join("memory.md"), home.join("projects/p1/linked")).unwrap();
    std::os::unix::fs::symlink("p1/linked", home.join("projects/to")).unwrap();
    std::os::unix::fs::symlink("nowhere", home.join("projects/dangling")).unwrap();
    fs::create_dir(home.join("hollow")).unwrap();
    fifo(&home.join("pipe"));
    sparse(&home.join("islands"), 2 << 20, &[0, 1_000_000, (2 << 20) - 20]);
    let odd = std::ffi::OsString::from_vec(b"odd \xff\n\x1b[31m\"".to_vec());
    fs::write(home.join(odd), "odd\n").unwrap();
    chmod(&home.join("text"), 0o640);
    chmod(&home.join("empty"), 0o4755);
    chmod(&home.join("hollow"), 0o700);
    set_time(&home.join("text"), 1_600_000_000, 123_456_789);
    set_time(&home.join("empty"), -86_400, 0);
    set_time(&home.join("projects/to"), 1_500_000_000, 5);
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::lchown(home.join("text"), Some(1234), Some(4321)).unwrap();
    }
}

/// What stock tar makes of an archive.
fn extracted(nights: &Nights, archive: &str) -> tempfile::TempDir {
    let out = scratch();
    let mut tar = command("tar");
    tar.arg("-xpzf").arg(nights.workspace.home().join("archive").join(archive)).arg("-C").arg(out.path());
    run(&mut tar).expect(0);
    out
}

/// `diff -r` of two folders. Two FIFOs always differ to it.
fn diff(a: &Path, b: &Path) -> Command {
    let mut command = command("diff");
    command.args(["-r", "--no-dereference", "-x", "pipe"]).arg(a).arg(b);
    command
}

#[test]
fn every_archive_is_a_folder_that_is_what_tar_takes_out_of_it() {
    if !can_mount() {
        return;
    }
    let mut nights = Nights::new();
    fill(&nights.workspace);
    let first = nights.night(&[]);
    nights.workspace.write("projects/p1/note 8.md", b"changed\n");
    fs::remove_file(nights.workspace.home().join("big")).unwrap();
    let second = nights.night(&[]);
    let mounted = Mounted::new(&nights);

    let names = crate::fixtures::names_in(&mounted.folder);
    assert_eq!(names, ["by-file", "latest", "pai-20261101-020000", "pai-20261102-020000"]);
    assert_eq!(fs::read_link(mounted.at("latest")).unwrap(), Path::new("pai-20261102-020000"));
    let taken: Vec<tempfile::TempDir> = [&first, &second].map(|name| extracted(&nights, name)).into();
    // While eight others read the same.
    std::thread::scope(|scope| {
        for reader in 0..8 {
            let (folder, taken) = (mounted.at("pai-20261101-020000"), taken[0].path());
            scope.spawn(move || {
                let mut files: Vec<PathBuf> = tree(taken).into_keys().collect();
                files.retain(|path| taken.join(path).symlink_metadata().unwrap().is_file());
                let first = reader * files.len() / 8;
                files.rotate_left(first);
                for path in files {
                    assert_eq!(fs::read(folder.join(&path)).unwrap(), fs::read(taken.join(&path)).unwrap());
                }
            });
        }
        for (name, taken) in ["pai-20261101-020000", "latest/"].iter().zip(&taken) {
            assert_eq!(run(&mut diff(&mounted.at(name), taken.path())).expect(0).stdout, "");
        }
    });
    for (name, taken) in ["pai-20261101-020000", "pai-20261102-020000"].iter().zip(&taken) {
        assert_eq!(tree(&mounted.at(name)), tree(taken.path()), "modes, owners, times, links of {name}");
    }
    let linked = mounted.at("latest/projects/p1/linked").metadata().unwrap();
    assert_eq!((linked.nlink(), linked.ino()), (2, mounted.at("latest/memory.md").metadata().unwrap().ino()));

    // What people do with it.
    let copy = scratch();
    let copied = copy.path().join("copy");
    run(command("cp").arg("-a").arg(mounted.at("pai-20261101-020000")).arg(&copied)).expect(0);
    assert_eq!(tree(&copied), tree(taken[0].path()));
    if pai_tests::has("rg") {
        let mut search = command("rg");
        let found = run(search.args(["-l", "changed"]).arg(mounted.at("latest/"))).expect(0).stdout;
        assert_eq!(found, format!("{}\n", mounted.at("latest/projects/p1/note 8.md").display()));
    } else {
        skip("no rg");
    }
    // Nothing can be changed.
    let error = fs::write(mounted.at("latest/new"), "x").unwrap_err();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::ROFS.raw_os_error()));
    assert!(fs::remove_file(mounted.at("latest/memory.md")).is_err());
}

#[test]
fn any_part_of_a_file_is_read_from_anywhere() {
    if !can_mount() {
        return;
    }
    let mut nights = Nights::new();
    let (big, text) = (noise(5_000_000, 3), b"0123456789".repeat(200_000));
    nights.workspace.write("big", &big);
    nights.workspace.write("text", &text);
    sparse(&nights.workspace.home().join("islands"), 4 << 20, &[70_000, 2_000_000]);
    nights.night(&[]);
    let mounted = Mounted::new(&nights);
    let islands = fs::read(nights.workspace.home().join("islands")).unwrap();
    let mut seed = 1_u64;
    for (name, content) in [("big", &big), ("text", &text), ("islands", &islands)] {
        let file = fs::File::open(mounted.at("latest").join(name)).unwrap();
        for _ in 0..100 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let from = (seed >> 20) as usize % content.len();
            let to = content.len().min(from + (seed >> 50) as usize);
            let mut part = vec![0; to - from];
            file.read_exact_at(&mut part, from as u64).unwrap();
            assert!(part == content[from..to], "{name} from {from} to {to}");
        }
        let mut file = file;
        assert_eq!(file.seek(SeekFrom::End(0)).unwrap(), content.len() as u64);
        assert_eq!(file.read(&mut [0; 9]).unwrap(), 0);
    }
}

#[test]
fn a_damaged_member_is_an_error_that_is_named_and_costs_its_files_alone() {
    if !can_mount() {
        return;
    }
    let mut nights = Nights::new();
    nights.workspace.write("a", &noise(2_000_000, 5));
    nights.workspace.write("b", b"whole\n");
    let name = nights.night(&[]);
    let archive = nights.workspace.home().join("archive").join(&name);
    let file = fs::OpenOptions::new().write(true).open(&archive).unwrap();
    file.write_all_at(b"ROT", 1_000_000).unwrap();
    let mut mounted = Mounted::new(&nights);
    let read = fs::read(mounted.at("latest/a")).unwrap_err();
    assert_eq!(read.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
    assert!(fs::read(mounted.at("latest/a")).is_err(), "it is still damaged");
    assert_eq!(fs::read(mounted.at("latest/b")).unwrap(), b"whole\n");
    run(command("fusermount3").arg("-u").arg(&mounted.folder)).expect(0);
    let (status, said) = mounted.ended();
    assert_eq!(status.code(), Some(1), "{said:?}");
    let [damage, hint] = &said[..] else { panic!("told once: {said:?}") };
    assert!(damage.starts_with(&format!("pai-backup: could not read a of {name}: ")), "{damage}");
    assert_eq!(
        hint,
        &format!("pai-backup: hint: pai-backup repair -n {name} shows what other archives can mend")
    );
}

#[test]
fn an_archive_that_cannot_be_entered_hides_no_other() {
    if !can_mount() {
        return;
    }
    let mut nights = Nights::new();
    nights.workspace.write("a", b"one\n");
    nights.night(&[]);
    nights.workspace.write("a", b"two\n");
    let second = nights.night(&[]);
    let archive = nights.workspace.home().join("archive").join(&second);
    let length = archive.metadata().unwrap().len();
    fs::OpenOptions::new().write(true).open(&archive).unwrap().set_len(length - 100).unwrap();
    let mut mounted = Mounted::new(&nights);
    assert_eq!(fs::read(mounted.at("latest/a")).unwrap(), b"one\n", "the newest that can be read");
    let error = fs::read_dir(mounted.at("pai-20261102-020000")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::IO.raw_os_error()));
    // A night that comes later is seen, one that goes is gone.
    nights.night(&[]);
    assert_eq!(fs::read(mounted.at("pai-20261103-020000/a")).unwrap(), b"two\n");
    let (_, said) = mounted.end(Signal::TERM);
    assert!(said[0].starts_with(&format!("pai-backup: could not enter {second}")), "{said:?}");
    assert!(said[0].contains("cut short"), "{said:?}");
}

#[test]
fn by_file_has_every_version_of_a_file_across_its_names() {
    if !can_mount() {
        return;
    }
    let mut nights = Nights::new();
    let home = nights.workspace.home().to_owned();
    nights.workspace.write("projects/a.md", b"one\n");
    nights.workspace.write("projects-x", b"x\n");
    nights.night(&[]);
    nights.workspace.write("projects/a.md", b"two\n");
    nights.workspace.write("projects/deep/er/c.md", b"c\n");
    nights.night(&[]);
    nights.night(&[]);
    fs::rename(home.join("projects/a.md"), home.join("projects/b.md")).unwrap();
    fs::hard_link(home.join("projects-x"), home.join("twin")).unwrap();
    nights.night(&[]);
    let mounted = Mounted::new(&nights);
    let names = |path: &str| crate::fixtures::names_in(&mounted.at("by-file").join(path));
    assert_eq!(names(""), ["projects", "projects-x", "twin"]);
    assert_eq!(names("projects"), ["a.md", "b.md", "deep"]);
    assert_eq!(names("projects/deep"), ["er"]);
    assert_eq!(names("projects/a.md"), ["20261101-020000", "20261102-020000"]);
    assert_eq!(names("projects/b.md"), ["20261101-020000", "20261102-020000", "20261104-020000"]);
    assert_eq!(names("twin"), ["20261104-020000"]);
    for (path, content) in [
        ("projects/a.md/20261101-020000", "one\n"),
        ("projects/a.md/20261102-020000", "two\n"),
        ("projects/b.md/20261101-020000", "one\n"),
        ("projects/b.md/20261104-020000", "two\n"),
        ("projects/deep/er/c.md/20261102-020000", "c\n"),
        ("twin/20261104-020000", "x\n"),
    ] {
        let path = mounted.at("by-file").join(path);
        assert_eq!(fs::read_to_string(&path).unwrap(), content, "{}", path.display());
        assert_eq!(path.metadata().unwrap().len(), content.len() as u64);
    }
    assert!(!mounted.at("by-file/nothing").exists());
    assert!(!mounted.at("by-file/projects/a.md/20261103-020000").exists());
}

#[test]
fn a_store_is_mounted_too() {
    if !can_mount() {
        return;
    }
    let mut nights = Nights::in_a_store();
    fill(&nights.workspace);
    nights.night(&[]);
    let mounted = Mounted::new(&nights);
    let wanted = crate::fixtures::archived_tree(nights.workspace.home());
    let seen = tree(&mounted.at("latest/"));
    let bare = |mut nodes: std::collections::BTreeMap<PathBuf, crate::fixtures::Node>| {
        for node in nodes.values_mut() {
            node.xattrs.clear();
        }
        nodes
    };
    assert_eq!(bare(seen), bare(wanted));
}

#[test]
fn signals_unmount_it_even_while_it_is_in_use() {
    if !can_mount() {
        return;
    }
    let mut nights = Nights::new();
    nights.workspace.write("a", b"one\n");
    nights.night(&[]);
    for (signal, code) in [(Signal::INT, 2), (Signal::TERM, 15)] {
        let mut mounted = Mounted::new(&nights);
        let _open = fs::File::open(mounted.at("latest/a")).unwrap();
        assert!(mounted.is_there());
        let (status, said) = mounted.end(signal);
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(code), "{said:?}");
        assert_eq!(
            crate::fixtures::names_in(&mounted.folder),
            <[&str; 0]>::default(),
            "the empty folder is back"
        );
        fs::remove_dir(&mounted.folder).unwrap();
    }
}

#[test]
fn nothing_is_mounted_where_it_would_do_harm_or_shows_nothing() {
    let mut nights = Nights::new();
    nights.workspace.write("a", b"one\n");
    let folder = nights.workspace.beside("past");
    let refused = |nights: &Nights, target: &Path| {
        let refused = run(nights.pai(&["mount"]).arg(target)).expect(2);
        refused.stderr
    };
    fs::create_dir(&folder).unwrap();
    assert!(refused(&nights, &folder).contains("no archive pai-*.tar.gz in "));
    nights.night(&[]);
    let inside = nights.workspace.home().join("projects");
    fs::create_dir(&inside).unwrap();
    assert_eq!(
        refused(&nights, &inside),
        format!(
            "pai-backup: could not mount on {}: it is in the workspace, whose next backup would archive it\n\
             pai-backup: hint: name an empty folder elsewhere, such as /tmp/past\n",
            inside.display()
        )
    );
    let file = nights.workspace.home().join("a");
    assert!(refused(&nights, &file).ends_with("a: not a folder\n"));
    assert!(refused(&nights, &folder.join("missing")).contains("No such file or directory"));
}
