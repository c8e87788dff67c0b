//! Archives that an earlier release made: every command reads them, and the next archive takes what fits from them.
//!
//! `released/v1-first.tar.gz` was made by pai-backup 0.1.0; `v1-second.tar.gz` the night after, without extended
//! attributes, when memory.md had changed, new.md was new and notes/day-7.txt was gone.

use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use pai_backup::archive::member::{Announced, Footer, footer_member};
use pai_common::sha256;
use pai_tests::{command, repository, run};

use crate::craft::members;
use crate::fixtures::{Workspace, assert_same_tree, noise, tree};

fn released(name: &str) -> PathBuf {
    repository().join("tests/backup/released").join(name)
}

#[test]
fn archives_of_version_1_are_listed_verified_compared_shown_and_restored() {
    let workspace = Workspace::empty();
    let (first, second) = (released("v1-first.tar.gz"), released("v1-second.tar.gz"));
    for archive in [&first, &second] {
        let listed = run(workspace.pai(["list"]).arg(archive)).expect(0);
        let theirs = run(command("tar").args(["--quoting-style=literal", "-tzf"]).arg(archive)).expect(0);
        assert!(listed.bytes == theirs.bytes, "{}", listed.stdout);
        let verified = run(workspace.pai(["verify"]).arg(archive)).expect(0);
        assert_eq!(verified.stdout, format!("{}: OK\n", archive.display()));
        let (ours, stock) = (workspace.beside("ours"), workspace.beside("stock"));
        fs::create_dir_all(&stock).unwrap();
        run(workspace.pai(["restore"]).arg(archive).arg("--target").arg(&ours)).expect(0);
        run(command("tar").arg("-xpzf").arg(archive).arg("-C").arg(&stock)).expect(0);
        assert_same_tree(&tree(&ours), &tree(&stock));
        fs::remove_dir_all(ours).unwrap();
        fs::remove_dir_all(stock).unwrap();
    }
    let shown = run(workspace.pai(["cat"]).arg(&second).arg("memory.md")).expect(0);
    assert!(shown.stdout.contains("the first day, changed"), "{}", shown.stdout);
    let changes = run(workspace.pai(["diff"]).arg(&first).arg(&second)).expect(1);
    assert_eq!(changes.stdout, "M memory.md\n+ new.md\n- notes/day-7.txt\n");
}

/// Gives an archive the index and the footer of version 1: one deflate stream, in members of any length.
fn as_version_1(archive: &[u8]) -> Vec<u8> {
    let (mut data, mut inflated) = (Vec::new(), Vec::new());
    let mut footer = None;
    for (announced, bytes) in members(archive) {
        match announced {
            Announced::Data { .. } => data.extend(bytes),
            Announced::Index(part) => {
                assert!(part.ends_piece, "small pieces take one member each");
                DeflateDecoder::new(&part.bytes[..]).read_to_end(&mut inflated).unwrap();
            }
            Announced::Footer(found) => footer = Some(found),
        }
    }
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::default());
    deflate.write_all(&inflated).unwrap();
    let deflated = deflate.finish().unwrap();
    for part in deflated.chunks(15_900) {
        let length = part.len() as u16;
        data.extend(b"\x1f\x8b\x08\x04\0\0\0\0\0\xff");
        data.extend((length + 4).to_le_bytes());
        data.extend(b"PX");
        data.extend(length.to_le_bytes());
        data.extend(part);
        data.extend(b"\x03\0\0\0\0\0\0\0\0\0");
    }
    let footer = Footer {
        version: 1,
        index_deflated: deflated.len() as u64,
        index_digest: sha256::digest(&deflated),
        ..footer.unwrap()
    };
    [data, footer_member(&footer)].concat()
}

#[test]
fn an_archive_of_version_1_is_a_parent_and_its_members_are_copied() {
    let workspace = Workspace::demo();
    workspace.write("large", &noise(1 << 20, 5));
    std::thread::sleep(std::time::Duration::from_secs(4)); // younger files are read anyway
    let first = workspace.back_up(["-q"]);
    let converted = as_version_1(&fs::read(&first).unwrap());
    fs::write(&first, &converted).unwrap();
    run(workspace.pai(["verify"]).arg(&first)).expect(0);
    assert_eq!(
        members(&converted)
            .pop()
            .map(|(footer, _)| matches!(footer, Announced::Footer(footer) if footer.version == 1)),
        Some(true)
    );
    let again = run(&mut workspace.pai(["create", "-v"])).expect(0);
    assert!(again.stderr.contains("(100.0 % reused)"), "{}", again.stderr);
    let rows = run(&mut workspace.pai(["list", "--json"])).expect(0);
    assert_eq!(rows.stdout.matches("\"good\":true").count(), 2, "{}", rows.stdout);
    run(&mut workspace.pai(["verify", "--all"])).expect(0);
}
