//! Archives of other makers: what they list and extract is what we list, verify, restore and search.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use pai_tests::{has, sh, skip};

use crate::craft::{gzip, raw_header};
use crate::fixtures::{
    Node, assert_same_tree, chmod, fifo, names_in, noise, set_time, set_xattr, sparse, tree,
};

/// A tree that every tar format can hold.
fn plain(root: &Path) {
    let at = |name: &str| root.join(name);
    fs::create_dir_all(at("folder/deep")).unwrap();
    fs::create_dir(at("folder/empty")).unwrap();
    fs::write(at("folder/deep/text.txt"), "some text\n").unwrap();
    fs::write(at("empty.txt"), "").unwrap();
    fs::write(at("script.sh"), "#!/bin/sh\n").unwrap();
    chmod(&at("script.sh"), 0o750);
    fs::write(at("block"), vec![b'x'; 512]).unwrap();
    fs::write(at("large"), noise(300_000, 5)).unwrap();
    fs::hard_link(at("block"), at("same-block")).unwrap();
    symlink("folder/deep", at("to-deep")).unwrap();
    sparse(&at("sparse"), 5 << 20, &(0..10).map(|n| n << 19).collect::<Vec<_>>());
    settle(root);
}

/// Gives everything a time in whole seconds, for old formats know no others.
fn settle(root: &Path) {
    for (number, path) in tree(root).into_keys().rev().enumerate() {
        set_time(&root.join(path), 1_600_000_000 + number as i64, 0);
    }
}

/// What is too much for the oldest formats, and what else newer ones hold.
fn demanding(root: &Path) {
    plain(root);
    let folder = "d".repeat(150);
    let long = format!("{folder}/{}", "f".repeat(255));
    fs::create_dir(root.join(&folder)).unwrap();
    fs::write(root.join(&long), "long").unwrap();
    symlink(&long, root.join(&folder).join("l".repeat(255))).unwrap();
    fs::hard_link(root.join(&long), root.join(&folder).join("h".repeat(255))).unwrap();
    fifo(&root.join("fifo"));
    fs::write(root.join("ümlaut"), "text").unwrap();
    settle(root);
}

/// And times with fractions, which are pax's alone.
fn fractional(root: &Path) {
    demanding(root);
    set_time(&root.join("block"), 1_650_000_000, 123_456_789);
}

/// And attributes, where the file system has them.
fn attributed(root: &Path) {
    fractional(root);
    set_xattr(&root.join("block"), "user.plain", b"a value");
    set_xattr(&root.join("folder"), "user.binary", b"line\nfeed\0\xff");
}

/// How an archive `a.tgz` of `src` is made and unpacked by one program; both lines run in the folder that holds them.
struct Maker {
    program: &'static str,
    source: fn(&Path),
    make: &'static str,
    /// Into `theirs`; what is in `src` is what counts where the maker itself cannot bring it back.
    extract: Option<&'static str>,
}

const TAR: Option<&str> = Some("tar -xpf a.tgz -C theirs");
const BSDTAR: Option<&str> = Some("bsdtar -xpf a.tgz -C theirs");
const PYTHON: Option<&str> = Some(
    "python3 -c \"import tarfile as t; a=t.open('a.tgz'); a.extraction_filter=lambda m,p: m; a.extractall('theirs')\"",
);

const fn by(
    program: &'static str,
    source: fn(&Path),
    make: &'static str,
    extract: Option<&'static str>,
) -> Maker {
    Maker { program, source, make, extract }
}

const MAKERS: [Maker; 27] = [
    by("tar", plain, "tar --format=v7 -czf a.tgz -C src $(ls src)", TAR),
    by("tar", plain, "tar --format=ustar -czf a.tgz -C src .", TAR),
    by("tar", plain, "tar --format=oldgnu -czf a.tgz -C src .", TAR),
    by("tar", demanding, "tar --format=oldgnu -S -czf a.tgz -C src .", TAR),
    by("tar", demanding, "tar --format=gnu -czf a.tgz -C src .", TAR),
    by("tar", demanding, "tar --format=gnu -S -czf a.tgz -C src $(ls src)", TAR),
    by("tar", demanding, "tar --format=gnu --label='of Monday' -czf a.tgz -C src .", TAR),
    by("tar", demanding, "tar --format=gnu -g state -czf a.tgz -C src .", TAR),
    by("tar", demanding, "tar --format=gnu -cf a.tgz -C src .", TAR),
    by(
        "tar",
        demanding,
        "tar --format=gnu -b1 -cf - -C src . | split -b 100k --filter='gzip -c' - > a.tgz",
        TAR,
    ),
    by("tar", fractional, "tar --format=posix -czf a.tgz -C src .", TAR),
    by("tar", fractional, "tar --format=posix -S --sparse-version=0.0 -czf a.tgz -C src .", TAR),
    by("tar", fractional, "tar --format=posix -S --sparse-version=0.1 -czf a.tgz -C src .", TAR),
    by("tar", fractional, "tar --format=posix -S --sparse-version=1.0 -czf a.tgz -C src .", TAR),
    by("tar", fractional, "tar --format=posix --label='of Monday' -czf a.tgz -C src .", TAR),
    by("tar", fractional, "tar --format=posix -g state -czf a.tgz -C src .", TAR),
    by(
        "tar",
        fractional,
        "tar --format=posix --pax-option=globexthdr.name=g,comment=hello -czf a.tgz -C src .",
        TAR,
    ),
    by(
        "tar",
        attributed,
        "tar --format=posix --xattrs -czf a.tgz -C src .",
        Some("tar --xattrs --xattrs-include='user.*' -xpf a.tgz -C theirs"),
    ),
    by("bsdtar", plain, "bsdtar --format=ustar -czf a.tgz -C src .", BSDTAR),
    by("bsdtar", attributed, "bsdtar --format=pax -czf a.tgz -C src .", BSDTAR),
    by("bsdtar", demanding, "bsdtar --format=gnutar -czf a.tgz -C src .", BSDTAR),
    by("busybox", plain, "busybox tar -czf a.tgz -C src .", Some("busybox tar -xzpf a.tgz -C theirs")),
    by("busybox", demanding, "busybox tar -czf a.tgz -C src .", Some("busybox tar -xzpf a.tgz -C theirs")),
    by(
        "python3",
        plain,
        "python3 -c \"import tarfile as t; a=t.open('a.tgz','w:gz',format=t.USTAR_FORMAT);a.add('src','.');a.close()\"",
        PYTHON,
    ),
    by(
        "python3",
        demanding,
        "python3 -c \"import tarfile as t; a=t.open('a.tgz','w:gz',format=t.GNU_FORMAT);a.add('src','.');a.close()\"",
        PYTHON,
    ),
    by(
        "python3",
        demanding,
        "python3 -c \"import tarfile as t; a=t.open('a.tgz','w:gz',format=t.PAX_FORMAT);a.add('src','.');a.close()\"",
        PYTHON,
    ),
    by("7z", plain, "cd src && 7z a -ttar -snl -snh -bd -bso0 ../a.tgz .", None),
];

#[test]
fn archives_of_other_makers_are_listed_verified_restored_and_searched() {
    for Maker { program, source, make, extract } in MAKERS {
        if !has(program) {
            skip(&format!("no {program}"));
            continue;
        }
        let folder = pai_tests::scratch();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("src")).unwrap();
        source(&at("src"));
        sh(make, folder.path()).expect(0);
        agrees_with_tar(folder.path(), make);

        let ours = tree(&at("ours"));
        assert!(ours.len() >= 11, "{make}");
        assert_same_tree(&ours, &tree(&at("src")));
        if let Some(extract) = extract {
            fs::create_dir(at("theirs")).unwrap();
            sh(extract, folder.path()).expect(0);
            let mut theirs = tree(&at("theirs"));
            forget_times(program, &mut theirs, &ours);
            assert_same_tree(&ours, &theirs);
        }
        if make.contains("-S") {
            let found = at("ours/sparse").metadata().unwrap();
            assert!(found.blocks() * 512 < found.size() / 2, "{make}: holes come back as holes");
        }
        for name in ["folder/deep/text.txt", "large", "sparse", "empty.txt", "same-block"] {
            let shown = sh(&format!("pai-backup cat ./a.tgz {name}"), folder.path()).expect(0);
            assert!(shown.bytes == fs::read(at("src").join(name)).unwrap(), "{make}: {name}");
        }
        let one = sh("pai-backup restore ./a.tgz --target one folder/deep/text.txt", folder.path()).expect(0);
        assert_eq!(one.stderr, "", "{make}");
        assert_eq!(fs::read_to_string(at("one/folder/deep/text.txt")).unwrap(), "some text\n", "{make}");
        assert_eq!(names_in(&at("one")), ["folder"], "{make}: nothing else");
        // Compared with what the maker archived, nothing differs.
        let diff = sh("pai-backup --home src diff ./a.tgz", folder.path());
        let content_differs = diff.stdout.lines().any(|line| !line.starts_with("U "));
        assert!(!content_differs, "{make}:\n{}{}", diff.stdout, diff.stderr);
    }
}

/// Some set a folder's time before they write into it, and none for symbolic links.
fn forget_times(program: &str, theirs: &mut BTreeMap<PathBuf, Node>, ours: &BTreeMap<PathBuf, Node>) {
    let forgotten = match program {
        "busybox" => "dl",
        "python3" => "l",
        _ => "",
    };
    for (path, node) in theirs.iter_mut().filter(|(_, node)| forgotten.contains(node.kind)) {
        node.mtime = ours[path].mtime;
    }
}

/// Lists, verifies and restores `a.tgz` of `folder` into `ours`: the names are those that GNU tar sees.
fn agrees_with_tar(folder: &Path, what: &str) {
    let theirs = sh("tar --quoting-style=literal -tf a.tgz", folder).expect(0);
    let listed = sh("pai-backup list ./a.tgz", folder).expect(0);
    let names = |text: &str| {
        let names = text.lines().map(|line| line.trim_start_matches("./").to_owned());
        names.filter(|name| !["", ".", "of Monday"].contains(&name.as_str())).collect::<Vec<_>>()
    };
    assert_eq!(names(&listed.stdout), names(&theirs.stdout), "{what}");
    sh("pai-backup verify ./a.tgz", folder).expect(0);
    let restored = sh("pai-backup restore ./a.tgz --target ours", folder).expect(0);
    assert_eq!(restored.stderr, "", "{what}");
    sh("pai-backup list --sha256 ./a.tgz | (cd ours && sha256sum -c --strict --quiet)", folder).expect(0);
}

/// A header as Go's `archive/tar` writes it: ustar, and for an extension mode, owner and time 0.
fn go_header(name: &str, flag: u8, size: u64, mode: u32) -> Vec<u8> {
    let mut header = tar::Header::from_byte_slice(&raw_header(name, flag, size)).clone();
    header.set_mode(mode);
    header.set_mtime(if flag == b'x' { 0 } else { 1_600_000_000 });
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// A pax header as Go's `archive/tar` writes it: records sorted by key, the name `FOLDER/PaxHeaders.0/FILE`.
fn go_pax(path: &str, records: &[(&str, &[u8])]) -> Vec<u8> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let name = format!("{folder}/PaxHeaders.0/{file}");
    let mut body = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let length = (rest..rest + 9).find(|length| rest + length.to_string().len() == *length).unwrap();
        body.extend([format!("{length} {key}=").as_bytes(), value, b"\n"].concat());
    }
    let name: String = name.trim_start_matches('/').chars().take(100).collect();
    let mut bytes = go_header(&name, b'x', body.len() as u64, 0);
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

/// What container tools written in Go make of a folder, by hand, since no Go is asked for: `FormatPAX` puts times with
/// fractions, long names and links, attributes, and a size that octal cannot hold into records; such a size leaves
/// zero in the header field.
#[test]
fn an_archive_as_go_writes_it_is_read_as_tar_reads_it() {
    let folder = pai_tests::scratch();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(120));
    let mut stream = Vec::new();
    let mut put = |pax: &[(&str, &[u8])], path: &str, header: Vec<u8>, data: &[u8]| {
        if !pax.is_empty() {
            stream.extend(go_pax(path, pax));
        }
        stream.extend(header);
        stream.extend(data);
        stream.resize(stream.len().next_multiple_of(512), 0);
    };
    put(&[], "folder/", go_header("folder/", b'5', 0, 0o755), b"");
    put(
        &[("SCHILY.xattr.user.plain", b"a value"), ("mtime", b"1600000000.25")],
        "folder/file",
        go_header("folder/file", b'0', 5, 0o640),
        b"hello",
    );
    // Zero in the header, and what counts in the record.
    put(&[("size", b"3")], "folder/size", go_header("folder/size", b'0', 0, 0o644), b"big");
    let folder_name = format!("{}/", "d".repeat(120));
    put(&[("path", folder_name.as_bytes())], &folder_name, go_header(&"d".repeat(100), b'5', 0, 0o755), b"");
    put(&[("path", long.as_bytes())], &long, go_header(&long[..100], b'0', 4, 0o600), b"long");
    let mut link = tar::Header::from_byte_slice(&go_header("link", b'2', 0, 0o777)).clone();
    link.as_mut_bytes()[157..257].copy_from_slice(&long.as_bytes()[..100]);
    link.set_cksum();
    put(&[("linkpath", long.as_bytes())], "link", link.as_bytes().to_vec(), b"");
    put(&[], "tail", go_header("tail", b'0', 1, 0o644), b"t");
    stream.resize(stream.len() + 1024, 0);
    fs::write(folder.path().join("a.tgz"), gzip(&stream)).unwrap();

    agrees_with_tar(folder.path(), "Go");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("theirs")).unwrap();
    sh("tar --xattrs --xattrs-include='user.*' -xpf a.tgz -C theirs", folder.path()).expect(0);
    let ours = tree(&at("ours"));
    assert_same_tree(&ours, &tree(&at("theirs")));
    assert_eq!(ours.len(), 7);
    assert_eq!(fs::read_to_string(at("ours/folder/size")).unwrap(), "big");
}
