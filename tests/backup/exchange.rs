//! Archives on their way elsewhere: pipes, sidecars, zips, and the disk they came from.

use std::fs;
use std::path::Path;

use pai_backup::archive::member::{Opener, Sealer};
use pai_backup::archive::open::Archive;
use pai_backup::archive::writer::ArchiveWriter;
use pai_common::sha256::digest;
use pai_tests::{command, run, run_with_input, scratch, sh};

use crate::fixtures::Workspace;

#[test]
fn an_archive_streams_to_stdout_and_is_verified_and_restored_from_a_pipe() {
    let workspace = Workspace::demo();
    let streamed = run(&mut workspace.pai(["create", "-o", "-"])).expect(0);
    let verified = run_with_input(&mut workspace.pai(["verify", "-"]), &streamed.bytes).expect(0);
    assert_eq!(verified.stdout, "-: OK\n");
    let cut = &streamed.bytes[..streamed.bytes.len() - 200];
    let failed = run_with_input(&mut workspace.pai(["verify", "-"]), cut).expect(1);
    assert!(failed.stdout.starts_with("-: FAILED ("), "{}", failed.stdout);

    let target = scratch();
    let restore = ["restore", "-", "--target", target.path().to_str().unwrap()];
    run_with_input(&mut workspace.pai(restore), &streamed.bytes).expect(0);
    let alpha = fs::read_to_string(target.path().join("projects/alpha.md")).unwrap();
    assert_eq!(alpha, "# Alpha\n");
    // A second time everything is there already, and is not touched unforced.
    let again = run_with_input(&mut workspace.pai(restore), &streamed.bytes).expect(1);
    assert!(again.stderr.contains("it exists (--force replaces it)"), "{}", again.stderr);
    run_with_input(workspace.pai(restore).arg("--force"), &streamed.bytes).expect(0);
    let nowhere = run_with_input(&mut workspace.pai(["restore", "-"]), &streamed.bytes).expect(2);
    assert!(nowhere.stderr.contains("--target"), "{}", nowhere.stderr);
}

#[test]
fn a_stream_whose_reader_goes_away_is_a_failed_backup() {
    let workspace = Workspace::demo();
    // More than a pipe holds, or the writer would never notice.
    let noise: Vec<u8> =
        (0..3_000_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    workspace.write("projects/noise", &noise);
    let line = format!(
        "PAI_HOME='{}' pai-backup create -o - | head -c 10 >/dev/null; exit ${{PIPESTATUS[0]}}",
        workspace.home().display()
    );
    let ended = sh(&line, workspace.home()).expect(2);
    assert!(ended.stderr.contains("could not write the archive"), "{}", ended.stderr);
    assert!(workspace.log().iter().any(|line| line.contains("Backup failed: ")));
}

#[test]
fn a_sidecar_is_read_by_sha256sum_and_goes_with_its_archive() {
    let workspace = Workspace::demo();
    let archive = workspace.back_up(["--sha256", "--now", "2025-01-01T00:00:00Z"]);
    let name = archive.file_name().unwrap().to_str().unwrap();
    let checked = run(command("sha256sum")
        .args(["-c", &format!("{name}.sha256")])
        .current_dir(archive.parent().unwrap()))
    .expect(0);
    assert_eq!(checked.stdout, format!("{name}: OK\n"));
    workspace.back_up(["--now", "2025-09-16T09:00:03Z"]);
    assert_eq!(workspace.archives(), ["pai-20250916-090003.tar.gz"]);
}

#[test]
fn list_prints_lines_that_check_a_restored_tree() {
    let workspace = Workspace::demo();
    workspace.write("projects/odd\\name\nhere", b"x");
    fs::hard_link(workspace.home().join("context.md"), workspace.home().join("projects/linked")).unwrap();
    workspace.back_up::<&str>([]);
    let line = "pai-backup restore latest --target restored && \
                pai-backup list --sha256 latest | (cd restored && sha256sum -c --quiet --strict)";
    let folder = scratch();
    let line = format!("export PAI_HOME='{}'; {line}", workspace.home().display());
    sh(&line, folder.path()).expect(0);
    fs::write(folder.path().join("restored/memory.md"), "rotten").unwrap();
    let line = format!(
        "PAI_HOME='{}' pai-backup list --sha256 latest | (cd restored && sha256sum -c --quiet)",
        workspace.home().display()
    );
    sh(&line, folder.path()).expect(1);
}

#[test]
fn a_zip_keeps_paths_apart_and_others_read_it() {
    let workspace = Workspace::demo();
    workspace.write("projects/one/audit.log", b"first\n");
    workspace.write("projects/two/audit.log", b"second\n");
    let zip = workspace.beside("capsule.zip");
    run(&mut workspace.pai(["create", "--format", "zip", "-o", zip.to_str().unwrap()])).expect(0);
    run(command("unzip").arg("-tq").arg(&zip)).expect(0);
    let script = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; \
                  print(z.read('projects/one/audit.log') + z.read('projects/two/audit.log'))";
    let read = run(command("python3").args(["-c", script]).arg(&zip)).expect(0);
    assert_eq!(read.stdout, "b'first\\nsecond\\n'\n");
}

#[test]
fn a_zip_of_nothing_is_not_made_and_a_zip_is_not_streamed() {
    let workspace = Workspace::empty();
    let zip = workspace.beside("capsule.zip");
    let empty = run(&mut workspace.pai(["create", "--format", "zip", "-o", zip.to_str().unwrap()])).expect(2);
    assert!(empty.stderr.contains("no empty zip"), "{}", empty.stderr);
    assert!(!zip.exists());
    run(&mut workspace.pai(["create", "--format", "zip", "-o", "-"])).expect(2);
}

#[test]
fn diff_and_verify_against_disk_show_every_kind_of_difference() {
    let workspace = Workspace::demo();
    let archive = workspace.back_up::<&str>([]);
    let same = run(&mut workspace.pai(["diff", "latest"])).expect(0);
    assert_eq!(same.stdout, "");
    run(&mut workspace.pai(["verify", "--against-disk", archive.to_str().unwrap()])).expect(0);

    let home = workspace.home();
    workspace.write("projects/new.md", b"new");
    fs::remove_file(home.join("voice.py")).unwrap();
    workspace.write("memory.md", b"longer than it was before\n");
    fs::remove_file(home.join("server.py")).unwrap();
    fs::create_dir(home.join("server.py")).unwrap();
    crate::fixtures::chmod(&home.join("config.json"), 0o644);
    // Same size, same time, other bytes: what rot looks like.
    let rotten = home.join("scheduler.py");
    let time = fs::metadata(&rotten).unwrap().modified().unwrap();
    let mut bytes = fs::read(&rotten).unwrap();
    bytes[0] ^= 1;
    fs::write(&rotten, bytes).unwrap();
    fs::File::open(&rotten).unwrap().set_modified(time).unwrap();

    let differs = run(&mut workspace.pai(["diff", "latest"])).expect(1);
    assert_eq!(
        differs.stdout,
        "U config.json\nM memory.md\n+ projects/new.md\n? scheduler.py\nT server.py\n- voice.py\n"
    );
    let quick = run(&mut workspace.pai(["diff", "--quick", "latest"])).expect(1);
    assert!(!quick.stdout.contains("scheduler.py"), "{}", quick.stdout);
    let verified = run(&mut workspace.pai(["verify", "--against-disk"])).expect(1);
    assert!(verified.stdout.ends_with(": FAILED (6 differences from the disk)\n"), "{}", verified.stdout);
    assert!(verified.stderr.contains("? scheduler.py"), "{}", verified.stderr);
}

#[test]
fn two_archives_are_compared_without_the_disk() {
    let workspace = Workspace::demo();
    let before = workspace.back_up(["--now", "2025-09-16T09:00:03Z"]);
    workspace.write("memory.md", b"changed");
    workspace.write("projects/new.md", b"new");
    let after = workspace.back_up(["--now", "2025-09-17T09:00:03Z"]);
    let json = ["diff", "--json", before.to_str().unwrap(), after.to_str().unwrap()];
    let differs = run(&mut workspace.pai(json)).expect(1);
    assert_eq!(
        differs.stdout,
        "{\"type\":\"change\",\"state\":\"M\",\"path\":\"memory.md\"}\n\
         {\"type\":\"change\",\"state\":\"+\",\"path\":\"projects/new.md\"}\n"
    );
}

/// Makes the archive again with one byte of `content` changed: as if that is what the files had been.
fn as_if_it_had_been(archive: &Path, content: &[u8]) {
    let read = Archive::open(archive).unwrap();
    let index = read.index().unwrap();
    let mut writer = ArchiveWriter::new(Vec::new(), index.about(), false);
    for group in index.groups() {
        let (offset, mut group) = group.unwrap();
        if group.records.is_empty() {
            continue;
        }
        let member = read.file().member(offset, &group.members[0]).unwrap();
        let (mut payload, _) = Opener::default().open(&member).unwrap();
        if let Some(at) = payload.windows(content.len()).position(|window| window == content) {
            payload[at] ^= 1;
            let changed = digest(&payload[at..at + content.len()]);
            for record in group.records.iter_mut().filter(|record| record.digest == Some(digest(content))) {
                record.digest = Some(changed);
            }
        }
        let (bytes, info) = Sealer::new(index.about().level).seal(&payload, digest(&payload));
        writer.member(&bytes).unwrap();
        group.members = vec![info];
        writer.group(&group);
    }
    fs::write(archive, writer.finish().unwrap().out).unwrap();
}

#[test]
fn reread_reports_a_silent_change_that_metadata_hides() {
    let workspace = Workspace::demo();
    std::thread::sleep(std::time::Duration::from_secs(4)); // younger files are read anyway
    let archive = workspace.back_up::<&str>([]);
    as_if_it_had_been(&archive, b"the content of context.md\n");
    run(&mut workspace.pai(["verify", archive.to_str().unwrap()])).expect(0);

    let trusting = run(&mut workspace.pai(["create"])).expect(0);
    assert_eq!(trusting.stderr, "");
    let suspicious = run(&mut workspace.pai(["create", "--reread", "100%"])).expect(1);
    let expected = "pai-backup: context.md: its content changed though its size and times did not\n";
    assert_eq!(suspicious.stderr, expected);
}
