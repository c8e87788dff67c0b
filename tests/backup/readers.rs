//! Other programs read our archives, and we bring back all that was in them.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use pai_tests::{command, has, run, skip};
use rustix::fs::{CWD, FileType, Mode};

use crate::fixtures::{
    Workspace, archived_tree, assert_same_tree, chmod, fifo, set_time, set_xattr, sparse, tree,
};

/// Whatever a file system can hold and a tar can lose.
fn odd(home: &Path) {
    let at = |name: &str| home.join(name);
    let deep = format!("{}/{}/{}", "a".repeat(120), "b".repeat(120), "c".repeat(200));
    fs::create_dir_all(at(&deep)).unwrap();
    fs::write(at(&deep).join("n".repeat(255)), "long").unwrap();
    fs::write(at(&"e".repeat(100)), "a name of just 100 bytes").unwrap();
    fs::create_dir(at(&"f".repeat(100))).unwrap();
    fs::write(home.join(OsStr::from_bytes(b"bad\xff\xfename")), "not UTF-8").unwrap();
    for name in ["line\nfeed", "back\\slash", "-dash", " blank ", "ümlaut", "quote'\"", "*"] {
        fs::write(at(name), name).unwrap();
    }
    fs::create_dir(at("links")).unwrap();
    fs::write(at("links/first"), "one file, three names").unwrap();
    fs::hard_link(at("links/first"), at("links/second")).unwrap();
    fs::hard_link(at("links/first"), at("zz-third")).unwrap();
    symlink("first", at("links/symbolic")).unwrap();
    symlink("no/such/place", at("links/dangling")).unwrap();
    symlink("x".repeat(300), at("links/long")).unwrap();
    symlink(OsStr::from_bytes(b"\xfe\xff"), at("links/not-utf8")).unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::create_dir(at("empty-folder")).unwrap();
    fifo(&at("fifo"));
    sparse(&at("sparse"), 9 << 20, &[0, 3 << 20, (9 << 20) - 100]);
    sparse(&at("all-hole"), 1 << 20, &[]);
    sparse(&at("hole-at-the-end"), 2 << 20, &[0]);
    sparse(&at("many-islands"), 40 << 20, &(1..40).map(|n| n << 20).collect::<Vec<_>>());
    for (name, mode) in [("setuid", 0o4755), ("setgid", 0o2755), ("unreadable", 0), ("odd-mode", 0o1246)] {
        fs::write(at(name), name).unwrap();
        chmod(&at(name), mode);
    }
    chmod(&at("empty-folder"), 0o1777);
    for (name, secs, nanos) in [
        ("before-1970", -1_000_000_000, 250_000_000),
        ("just-before-1970", -1, 999_999_999),
        ("epoch", 0, 0),
        ("nanoseconds", 1_700_000_000, 1),
        ("far-future", 10_000_000_000, 5),
    ] {
        fs::write(at(name), name).unwrap();
        set_time(&at(name), secs, nanos);
    }
    set_time(&at("links/symbolic"), 1_000_000_000, 123_456_789);
    set_time(&at("empty-folder"), -5, 7);
}

/// What only root can make.
fn odd_for_root(home: &Path) {
    if !rustix::process::geteuid().is_root() {
        return skip("owners and device nodes need root");
    }
    fs::write(home.join("far-owner"), "").unwrap();
    std::os::unix::fs::chown(home.join("far-owner"), Some(3_000_000), Some(4_000_000)).unwrap();
    let device = rustix::fs::makedev(1, 3);
    rustix::fs::mknodat(CWD, home.join("null"), FileType::CharacterDevice, Mode::RUSR, device).unwrap();
}

fn odd_xattrs(home: &Path) {
    let long = vec![b'v'; 2000];
    for (name, xattr, value) in [
        ("epoch", "user.plain", &b"a value"[..]),
        ("epoch", "user.key=with%odd", b"x"),
        ("empty", "user.binary", b"line\nfeed\0\xff"),
        ("links", "user.of.a.folder", &long),
        ("links/first", "user.empty", b""),
    ] {
        if !set_xattr(&home.join(name), xattr, value) {
            return skip("no user xattrs on this file system");
        }
    }
}

fn odd_workspace() -> Workspace {
    let workspace = Workspace::empty();
    odd(workspace.home());
    odd_for_root(workspace.home());
    odd_xattrs(workspace.home());
    workspace
}

#[test]
fn gnu_tar_extracts_what_was_archived_with_all_its_metadata() {
    let workspace = odd_workspace();
    let made = run(&mut workspace.pai(["-q"]));
    if rustix::process::geteuid().is_root() {
        assert_eq!((made.status, made.stderr.as_str()), (Some(0), ""));
    }
    let made = made.stdout.trim_end().to_owned();
    let back = workspace.beside("back");
    fs::create_dir(&back).unwrap();
    let mut tar = command("tar");
    let out =
        run(tar.args(["--xattrs", "--xattrs-include=user.*", "-xpzf", &made, "-C"]).arg(&back)).expect(0);
    assert!(!out.stderr.contains("unknown extended header"), "{}", out.stderr);
    assert_same_tree(&tree(&back), &archived_tree(workspace.home()));
    for name in ["sparse", "all-hole", "many-islands"] {
        let (size, blocks) =
            (back.join(name).metadata().unwrap().len(), back.join(name).metadata().unwrap().blocks());
        assert!(blocks * 512 < size / 2, "{name}: holes come back as holes");
    }
}

#[test]
fn our_own_restore_brings_all_of_it_back() {
    let workspace = odd_workspace();
    workspace.pai(["-q"]).output().unwrap();
    let back = workspace.beside("back");
    let mut restore = workspace.pai(["restore", "latest", "--target"]);
    let is_root = rustix::process::geteuid().is_root();
    restore.arg(&back).args(is_root.then_some("--privileged"));
    let out = run(&mut restore);
    if is_root {
        assert_eq!((out.status, out.stderr.as_str()), (Some(0), ""));
        assert_same_tree(&tree(&back), &archived_tree(workspace.home()));
    }
    let again = run(workspace.pai(["restore", "latest", "-n", "--target"]).arg(&back));
    assert!(!again.stdout.contains("write"), "everything is there: {}", again.stdout);
}

/// The paths of a tree with a slash behind folders, as archivers list them.
fn listing(root: &Path) -> BTreeSet<Vec<u8>> {
    let lines = archived_tree(root).into_iter().map(|(path, node)| {
        let mut line = path.into_os_string().into_encoded_bytes();
        line.extend_from_slice(if node.kind == 'd' { b"/" } else { b"" });
        line
    });
    lines.collect()
}

/// Prints what Python's tarfile calls each member.
const PYTHON_LIST: &str = "
import os, sys, tarfile
for member in tarfile.open(sys.argv[1], 'r:gz'):
    sys.stdout.buffer.write(os.fsencode(member.name) + (b'/' if member.isdir() else b'') + b'\\0')
";

#[test]
fn other_readers_list_every_entry() {
    let workspace = odd_workspace();
    let made = PathBuf::from(run(&mut workspace.pai(["-q"])).stdout.trim_end());
    let expected = listing(workspace.home());
    // One name holds a line feed.
    let lines = expected.len() + 1;
    for (program, args) in [("bsdtar", &["-tzf"][..]), ("busybox", &["tar", "-tzf"])] {
        if !has(program) {
            skip(&format!("no {program}"));
            continue;
        }
        let listed = run(command(program).args(args).arg(&made)).expect(0);
        let escaped = usize::from(listed.stdout.contains("line\\nfeed"));
        assert_eq!(listed.stdout.lines().count() + escaped, lines, "{program}:\n{}", listed.stdout);
        for name in ["links/second", "links/dangling", "fifo", "before-1970", "empty-folder/"] {
            assert!(listed.stdout.lines().any(|line| line == name), "{program} lists {name}");
        }
    }
    if !has("python3") {
        return skip("no python3");
    }
    let listed = run(command("python3").args(["-X", "utf8", "-c", PYTHON_LIST]).arg(&made)).expect(0);
    let names: BTreeSet<Vec<u8>> =
        listed.bytes.split(|&byte| byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect();
    assert_eq!(names, expected);
}

#[test]
fn a_sparse_file_of_five_gibibytes_takes_little_and_comes_back() {
    const SIZE: u64 = 5 << 30;
    const ISLANDS: [u64; 3] = [0, 3 << 30, SIZE - 100];
    let workspace = Workspace::empty();
    sparse(&workspace.home().join("huge"), SIZE, &ISLANDS);
    let made = workspace.back_up(["-q"]);
    assert!(made.metadata().unwrap().len() < 10_000, "holes are not stored");
    let listed = run(&mut workspace.pai(["list", "-l", "latest"])).expect(0);
    assert!(listed.stdout.contains(" 5368709120 "), "{}", listed.stdout);
    let back = workspace.beside("back");
    fs::create_dir(&back).unwrap();
    let check = |by: &str| {
        let file = File::open(back.join("huge")).unwrap();
        let metadata = file.metadata().unwrap();
        assert_eq!(metadata.len(), SIZE, "{by}");
        assert!(metadata.blocks() < 1000, "{by}: holes come back as holes");
        for island in ISLANDS {
            let expected = format!("island at {island}");
            let mut found = vec![0; expected.len()];
            file.read_exact_at(&mut found, island).unwrap();
            assert_eq!(found, expected.as_bytes(), "{by}");
        }
        fs::remove_file(back.join("huge")).unwrap();
    };
    run(command("tar").arg("-xzf").arg(&made).arg("-C").arg(&back)).expect(0);
    check("GNU tar");
    run(workspace.pai(["restore", "latest", "--target"]).arg(&back)).expect(0);
    check("pai-backup");
}

#[test]
fn twenty_thousand_small_files_come_back() {
    let workspace = Workspace::empty();
    for folder in 0..40 {
        for file in 0..500 {
            workspace.write(&format!("d{folder}/f{file}"), format!("{folder}/{file}").as_bytes());
        }
    }
    let made = workspace.back_up(["-q"]);
    let back = workspace.beside("back");
    fs::create_dir(&back).unwrap();
    run(command("tar").arg("-xpzf").arg(&made).arg("-C").arg(&back)).expect(0);
    let source = archived_tree(workspace.home());
    assert_eq!(source.len(), 20_040);
    assert_same_tree(&tree(&back), &source);
}

#[test]
fn the_archive_itself_is_private_whatever_the_umask() {
    let workspace = Workspace::demo();
    let line = format!("umask 0; '{}' -q", pai_tests::tool("pai-backup").display());
    let made = run(command("sh").args(["-c", &line]).env("PAI_HOME", workspace.home())).expect(0);
    assert_eq!(fs::metadata(made.stdout.trim_end()).unwrap().permissions().mode() & 0o7777, 0o600);
}
