//! verify finds whatever is wrong with an archive, and calls nothing wrong that is not.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Cursor;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use pai_backup::archive::index::Record;
use pai_backup::archive::member::{Announced, Footer, MemberInfo, footer_member};
use pai_backup::entry::Kind;
use pai_backup::verify::verify_stream;
use pai_common::clock::Timestamp;
use pai_common::console::Console;
use pai_common::progress::Progress;
use pai_tests::{Outcome, command, run, run_with_input};

use crate::craft::{Item, gunzip, gzip, members, tar_stream, write_ours, write_plain};
use crate::fixtures::{Workspace, noise};

/// A workspace with small files, a large one of several pieces, and a sparse one.
fn workspace() -> Workspace {
    let workspace = Workspace::demo();
    workspace.write("large", &noise(5 << 20, 7));
    let sparse = File::create(workspace.home().join("sparse")).unwrap();
    sparse.write_all_at(b"an island", 3 << 20).unwrap();
    sparse.set_len(6 << 20).unwrap();
    workspace
}

/// verify of a file, by its path.
fn verify(path: &Path) -> Outcome {
    run(pai_tests::command(pai_tests::tool("pai-backup")).arg("verify").arg(path))
}

#[track_caller]
fn assert_good(path: &Path) {
    let outcome = verify(path).expect(0);
    assert_eq!(outcome.stdout, format!("{}: OK\n", path.display()));
}

/// Asserts that the archive is found bad, and gives the reason.
#[track_caller]
fn assert_bad(path: &Path, what: &str) -> String {
    let outcome = verify(path);
    let why = outcome
        .stdout
        .strip_prefix(&format!("{}: FAILED (", path.display()))
        .and_then(|rest| rest.strip_suffix(")\n"));
    assert!(outcome.status == Some(1) && why.is_some(), "{what}: {outcome:?}");
    why.unwrap_or_default().to_owned()
}

/// verify in this process: thousands of times a second.
fn holds(bytes: Vec<u8>) -> bool {
    let console = Console::new("pai-test", true, false);
    let progress = Progress::bytes(&console, "", None);
    verify_stream(Cursor::new(bytes), 1, None, &progress, &console).is_ok()
}

#[test]
fn every_flipped_bit_of_a_small_archive_is_found() {
    let workspace = Workspace::empty();
    workspace.write("a.txt", b"some text");
    std::os::unix::fs::symlink("a.txt", workspace.home().join("link")).unwrap();
    let archive = fs::read(workspace.back_up(["-q"])).unwrap();
    assert!(holds(archive.clone()));
    for at in 0..archive.len() {
        for bit in 0..8 {
            let mut damaged = archive.clone();
            damaged[at] ^= 1 << bit;
            assert!(!holds(damaged), "bit {bit} of byte {at} of {}", archive.len());
        }
    }
}

#[test]
fn every_cut_of_a_small_archive_is_found() {
    let workspace = Workspace::empty();
    workspace.write("a.txt", b"some text");
    let archive = fs::read(workspace.back_up(["-q"])).unwrap();
    for length in 0..archive.len() {
        assert!(!holds(archive[..length].to_vec()), "the first {length} of {} bytes", archive.len());
    }
}

#[test]
fn a_flipped_bit_is_found_in_every_region() {
    let workspace = workspace();
    let made = workspace.back_up(["-q"]);
    assert_good(&made);
    let archive = fs::read(&made).unwrap();
    let damaged_path = workspace.beside("damaged.tar.gz");
    fs::write(&damaged_path, &archive).unwrap();
    let damaged = File::options().write(true).open(&damaged_path).unwrap();
    let (mut offset, mut regions) = (0, [0; 3]);
    for (announced, bytes) in members(&archive) {
        let region = match announced {
            Announced::Data { .. } => 0,
            Announced::Index(_) => 1,
            Announced::Footer(_) => 2,
        };
        regions[region] += 1;
        // In the fixed header, the extra field, the deflate stream, the CRC, the length.
        let length = bytes.len();
        for at in [0, 3, 5, 12, 20, 57, length / 2, length - 7, length - 1] {
            let (place, good) = ((offset + at) as u64, archive[offset + at]);
            damaged.write_all_at(&[good ^ 0x04], place).unwrap();
            assert_bad(&damaged_path, &format!("byte {at} of a member of {length} bytes in region {region}"));
            damaged.write_all_at(&[good], place).unwrap();
        }
        offset += length;
    }
    assert_good(&damaged_path);
    assert!(regions[0] >= 6 && regions[1] >= 1 && regions[2] == 1, "{regions:?}");
}

#[test]
fn a_cut_at_any_member_border_is_found_though_gzip_finds_none() {
    let workspace = workspace();
    let archive = fs::read(workspace.back_up(["-q"])).unwrap();
    let cut_path = workspace.beside("cut.tar.gz");
    let mut offset = 0;
    for (_, bytes) in members(&archive) {
        fs::write(&cut_path, &archive[..offset]).unwrap();
        if offset > 0 {
            run(command("gzip").arg("-t").arg(&cut_path)).expect(0);
        }
        let why = assert_bad(&cut_path, &format!("cut at {offset}"));
        assert!(offset == 0 || why.contains("no footer"), "{why}");
        offset += bytes.len();
    }
}

#[test]
fn a_cut_at_an_entry_border_is_found_though_tar_finds_none() {
    let items = [Item::file("a", b"first"), Item::file("b", b"second")];
    let stream = tar_stream(&items);
    let folder = pai_tests::scratch();
    let path = folder.path().join("plain.tar.gz");
    for length in [1024, 2048, 1536, 1500, 512] {
        fs::write(&path, gzip(&stream[..length])).unwrap();
        if length.is_multiple_of(1024) {
            run(command("tar").arg("-tzf").arg(&path)).expect(0);
        }
        let why = assert_bad(&path, &format!("{length} bytes"));
        assert!(why.contains("the tar stream stops before its end"), "{why}");
    }
    fs::write(&path, gzip(&stream)).unwrap();
    assert_good(&path);
}

#[test]
fn missing_swapped_and_doubled_members_are_found() {
    let workspace = workspace();
    let archive = fs::read(workspace.back_up(["-q"])).unwrap();
    let members: Vec<Vec<u8>> = members(&archive).into_iter().map(|(_, bytes)| bytes).collect();
    let path = workspace.beside("shuffled.tar.gz");
    let check = |shuffled: Vec<Vec<u8>>, what: &str| {
        fs::write(&path, shuffled.concat()).unwrap();
        assert_bad(&path, what);
    };
    for at in 0..members.len() {
        let mut without = members.clone();
        without.remove(at);
        check(without, &format!("without member {at}"));
        let mut doubled = members.clone();
        doubled.insert(at, members[at].clone());
        check(doubled, &format!("member {at} twice"));
        if at > 0 {
            let mut swapped = members.clone();
            swapped.swap(at - 1, at);
            check(swapped, &format!("members {} and {at} swapped", at - 1));
        }
    }
}

#[test]
fn bytes_after_the_end_are_found() {
    let workspace = workspace();
    let ours = fs::read(workspace.back_up(["-q"])).unwrap();
    let plain = gzip(&tar_stream(&[Item::file("a", b"text")]));
    let path = workspace.beside("longer.tar.gz");
    let additions: [&[u8]; 5] = [b"\0", b"junk", &[0; 512], &gzip(b"more"), &plain];
    for (archive, whose) in [(&ours, "ours"), (&plain, "plain")] {
        for (number, addition) in additions.into_iter().enumerate() {
            fs::write(&path, [archive, addition].concat()).unwrap();
            assert_bad(&path, &format!("{whose} with addition {number}"));
        }
        fs::write(&path, archive).unwrap();
        assert_good(&path);
    }
    // Zeros inside the stream are how tar fills its last record.
    fs::write(&path, gzip(&[tar_stream(&[Item::file("a", b"text")]), vec![0; 8192]].concat())).unwrap();
    assert_good(&path);
}

/// How an index may be made to lie: of its only member, of its records.
type IndexLie = (&'static str, fn(&mut MemberInfo, &mut Vec<Record>));

#[test]
fn an_index_that_disagrees_with_the_tar_is_found() {
    const LIES: [IndexLie; 17] = [
        ("path", |_, records| records[0].entry.path = "other".into()),
        ("mode", |_, records| records[0].entry.mode = 0o600),
        ("uid", |_, records| records[0].entry.uid = 1),
        ("gid", |_, records| records[0].entry.gid = 1),
        ("size", |_, records| records[0].entry.size += 1),
        ("mtime", |_, records| records[0].entry.mtime = Timestamp::new(1_700_000_000, 1)),
        ("kind", |_, records| records[0].entry.kind = Kind::Fifo),
        ("content digest", |_, records| records[0].digest = Some([7; 32])),
        ("no content digest", |_, records| records[0].digest = None),
        ("link target", |_, records| records[1].entry.link = "/etc/passwd".into()),
        ("offset", |_, records| records[1].offset += 512),
        ("member", |_, records| records[1].member = 1),
        ("entry left out", |_, records| drop(records.remove(1))),
        ("entry twice", |_, records| records.push(records[1].clone())),
        ("another order", |_, records| records.swap(0, 1)),
        ("member digest", |member, _| member.digest[0] ^= 1),
        ("member CRC", |member, _| member.crc ^= 1),
    ];
    let items = [Item::file("a", b"first"), Item::link("b", Kind::Symlink, "a"), Item::file("c", b"third")];
    let folder = pai_tests::scratch();
    let path = folder.path().join("crafted.tar.gz");
    write_ours(&path, &items, |_, _| ());
    assert_good(&path);
    for (what, lie) in LIES {
        write_ours(&path, &items, lie);
        assert_bad(&path, what);
    }
}

/// How a footer may be made to lie.
type FooterLie = (&'static str, fn(&mut Footer));

#[test]
fn a_footer_that_disagrees_with_the_archive_is_found() {
    let folder = pai_tests::scratch();
    let path = folder.path().join("crafted.tar.gz");
    write_ours(&path, &[Item::file("a", b"first")], |_, _| ());
    let archive = fs::read(&path).unwrap();
    let Some((Announced::Footer(footer), bytes)) = members(&archive).pop() else { panic!("no footer") };
    let body = &archive[..archive.len() - bytes.len()];
    let with = |change: fn(&mut Footer)| {
        let mut footer = footer;
        change(&mut footer);
        fs::write(&path, [body, &footer_member(&footer)].concat()).unwrap();
    };
    with(|_| ());
    assert_good(&path);
    let lies: [FooterLie; 6] = [
        ("version", |footer| footer.version = 1),
        ("index offset", |footer| footer.index_offset += 1),
        ("number of members", |footer| footer.members += 1),
        ("deflated size", |footer| footer.index_deflated -= 1),
        ("inflated size", |footer| footer.index_inflated += 1),
        ("digest of the index", |footer| footer.index_digest[31] ^= 1),
    ];
    for (what, lie) in lies {
        with(lie);
        assert_bad(&path, what);
    }
}

#[test]
fn a_deleted_sidecar_is_no_error_and_a_wrong_one_is() {
    let workspace = Workspace::demo();
    let made = workspace.back_up(["-q", "--sha256"]);
    let sidecar = made.with_extension("gz.sha256");
    let right = fs::read_to_string(&sidecar).unwrap();
    run(command("sha256sum").arg("-c").arg(&sidecar).current_dir(made.parent().unwrap())).expect(0);
    assert_good(&made);
    let wrong = format!("{}{}", if right.starts_with('0') { '1' } else { '0' }, &right[1..]);
    for (text, what) in [(wrong.as_str(), "wrong"), ("", "empty"), ("not a digest\n", "junk")] {
        fs::write(&sidecar, text).unwrap();
        let why = assert_bad(&made, what);
        assert!(why.contains("sidecar"), "{what}: {why}");
    }
    fs::remove_file(&sidecar).unwrap();
    assert_good(&made);
    // A plain archive's sidecar counts as well.
    let plain = workspace.beside("plain.tar.gz");
    write_plain(&plain, &[Item::file("a", b"text")]);
    fs::write(workspace.beside("plain.tar.gz.sha256"), format!("{}  plain.tar.gz\n", "0".repeat(64)))
        .unwrap();
    assert_bad(&plain, "a plain archive with a wrong sidecar");
}

#[test]
fn a_sidecar_never_outlives_what_it_is_about() {
    let workspace = Workspace::demo();
    let output = workspace.beside("mine.tar.gz");
    run(workspace.pai(["-q", "--sha256", "-o"]).arg(&output)).expect(0);
    workspace.write("memory.md", b"another day");
    run(workspace.pai(["-q", "-o"]).arg(&output)).expect(0);
    assert_good(&output);
    // It is never promised and then not made.
    for args in [&["--format", "zip"][..], &["-o", "-"]] {
        let refused = run(workspace.pai(["-q", "--sha256"]).args(args)).expect(2);
        assert!(refused.stderr.contains("--sha256"), "{}", refused.stderr);
        assert_eq!(refused.stdout, "");
    }
    assert_eq!(workspace.archives(), [""; 0]);
}

#[test]
fn names_that_are_not_utf_8_are_names_like_others() {
    let workspace = Workspace::demo();
    let folder = workspace.beside("").join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&folder).unwrap();
    for name in [&b"caf\xe9.tar.gz"[..], b"back\\slash.tar.gz", b"line\nfeed.tar.gz"] {
        let output = folder.join(OsStr::from_bytes(name));
        run(workspace.pai(["-q", "--sha256", "-o"]).arg(&output)).expect(0);
        assert_good(&output);
        let mut sidecar = output.clone().into_os_string();
        sidecar.push(".sha256");
        run(command("sha256sum").arg("-c").arg(&sidecar).current_dir(&folder)).expect(0);
    }
    run(workspace.pai(["-q", "--archive-dir"]).arg(&folder)).expect(0);
    for args in [["list", "--json"], ["verify", "--json"]] {
        let shown = run(workspace.pai(args).arg("--archive-dir").arg(&folder)).expect(0);
        assert!(shown.stdout.contains(r#""good":true"#), "{}", shown.stdout);
    }
}

#[test]
fn no_archive_found_is_trouble_and_never_a_pass() {
    let workspace = Workspace::demo();
    for args in [&["verify"][..], &["verify", "--latest"], &["verify", "--all"], &["verify", "latest"]] {
        for with_folder in [false, true] {
            if with_folder {
                workspace.write("archive/notes.txt", b"no archive");
            }
            let none = run(&mut workspace.pai(args)).expect(2);
            assert!(none.stderr.contains("no archive pai-*.tar.gz in "), "{args:?}: {}", none.stderr);
        }
        fs::remove_dir_all(workspace.home().join("archive")).unwrap();
    }
    assert_bad(&workspace.beside("missing.tar.gz"), "a file that is not there");
}

#[test]
fn all_and_latest_name_each_archive_good_or_bad() {
    let workspace = Workspace::demo();
    let good = workspace.back_up(["-q", "--now", "2026-01-01T00:00:00Z"]);
    let cut = workspace.back_up(["-q", "--now", "2026-01-02T00:00:00Z"]);
    let bytes = fs::read(&cut).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let all = run(&mut workspace.pai(["verify", "--all"])).expect(1);
    let lines: Vec<&str> = all.stdout.lines().collect();
    assert!(lines[0].starts_with(&format!("{}: FAILED (", cut.display())), "{lines:?}");
    assert_eq!(lines[1..], [format!("{}: OK", good.display())]);
    // The newest, by name, even though another one is good.
    for args in [&["verify"][..], &["verify", "--latest"]] {
        let latest = run(&mut workspace.pai(args)).expect(1);
        assert_eq!(latest.stdout.lines().collect::<Vec<_>>(), [lines[0]]);
    }
    let json = run(&mut workspace.pai(["verify", "--all", "--json"])).expect(1);
    let rows: Vec<serde_json::Value> =
        json.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row["good"].as_bool().unwrap()).collect::<Vec<_>>(), [false, true]);
    assert!(json.stdout.lines().all(|line| line.starts_with("{\"type\":\"verified\"")), "{}", json.stdout);
}

#[test]
fn an_archive_from_a_pipe_is_verified_too() {
    let workspace = workspace();
    let ours = fs::read(workspace.back_up(["-q"])).unwrap();
    let plain = gzip(&tar_stream(&[Item::file("a", &noise(100_000, 3))]));
    for archive in [ours, plain] {
        run_with_input(&mut workspace.pai(["verify", "-"]), &archive).expect(0);
        for length in [0, 1, 20, archive.len() / 2, archive.len() - 1] {
            run_with_input(&mut workspace.pai(["verify", "-"]), &archive[..length]).expect(1);
        }
    }
}

#[test]
fn a_plain_archive_is_verified_as_far_as_it_goes() {
    let workspace = workspace();
    let path = workspace.beside("plain.tar.gz");
    for format in ["--format=gnu", "--format=pax"] {
        let mut tar = command("tar");
        run(tar.args([format, "-czf"]).arg(&path).arg("-C").arg(workspace.home()).arg(".")).expect(0);
        assert_good(&path);
        let archive = fs::read(&path).unwrap();
        let length = archive.len();
        for cut in [0, 5, 10, 100, length / 3, length - 8, length - 1] {
            fs::write(&path, &archive[..cut]).unwrap();
            assert_bad(&path, &format!("{format} cut to {cut} of {length} bytes"));
        }
        // gzip's own header has no checksum; everything behind it has.
        for at in [0, 1, 2, 30, length / 4, length / 2, length - 12, length - 8, length - 4, length - 1] {
            let mut damaged = archive.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, damaged).unwrap();
            assert_bad(&path, &format!("{format} with byte {at} of {length} flipped"));
        }
        // A bare tar has checksums in its headers alone.
        let bare = gunzip(&archive);
        fs::write(&path, &bare).unwrap();
        assert_good(&path);
        fs::write(&path, &bare[..bare.len() / 2 / 512 * 512]).unwrap();
        assert_bad(&path, "a bare tar cut in its middle");
    }
}

#[test]
fn the_disk_is_compared_file_by_file() {
    let workspace = Workspace::demo();
    let made = workspace.back_up(["-q"]);
    let against = |status| run(workspace.pai(["verify", "--against-disk"]).arg(&made)).expect(status);
    against(0);
    let path = workspace.home().join("memory.md");
    let times = fs::metadata(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap().replace("content", "CONTENT");
    fs::write(&path, text).unwrap();
    let mtime =
        (std::os::unix::fs::MetadataExt::mtime(&times), std::os::unix::fs::MetadataExt::mtime_nsec(&times));
    crate::fixtures::set_time(&path, mtime.0, mtime.1);
    fs::remove_file(workspace.home().join("voice.py")).unwrap();
    workspace.write("new.txt", b"new");
    let differing = against(1);
    assert!(differing.stdout.contains("FAILED (3 differences from the disk)"), "{}", differing.stdout);
    for line in ["? memory.md", "- voice.py", "+ new.txt"] {
        assert!(differing.stderr.contains(line), "{line}: {}", differing.stderr);
    }
}
