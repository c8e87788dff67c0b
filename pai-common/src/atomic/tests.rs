//! Files that appear whole, or not at all.

use rustix::fs::{FileType, Mode, mknodat};

use super::*;

#[test]
fn a_committed_file_is_whole_and_an_abandoned_one_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.txt");
    let mut file = AtomicFile::create(&target, 0o640).unwrap();
    file.write_all(b"half").unwrap();
    drop(file);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let mut file = AtomicFile::create(&target, 0o640).unwrap();
    file.write_all(b"whole").unwrap();
    assert!(!target.exists());
    file.commit().unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"whole");
    assert_eq!(std::fs::metadata(&target).unwrap().mode() & 0o7777, 0o640);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_stale_partial_is_removed_and_a_live_one_is_busy() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.txt");
    std::fs::write(temp_path(&target).unwrap(), "left by a crash").unwrap();
    let live = AtomicFile::create(&target, 0o600).unwrap();
    let second = AtomicFile::create(&target, 0o600).unwrap_err();
    assert!(second.chain().any(<dyn std::error::Error>::is::<Busy>), "{second:#}");
    drop(live);
}

#[test]
fn a_pipe_with_the_temporary_name_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.txt");
    mkfifo(&temp_path(&target).unwrap());
    write(&target, 0o600, b"new").unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"new");
}

#[test]
fn what_is_no_regular_file_is_refused_and_a_link_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let [pipe, real, link, dangling] =
        ["pipe", "real", "link", "dangling"].map(|name| folder.path().join(name));
    mkfifo(&pipe);
    for target in [&pipe, folder.path()] {
        let error = write(target, 0o600, b"new").unwrap_err();
        assert_eq!(error.to_string(), format!("could not write {}: not a regular file", target.display()));
    }
    assert!(!pipe.symlink_metadata().unwrap().is_file());
    std::fs::write(&real, "old").unwrap();
    std::os::unix::fs::symlink("real", &link).unwrap();
    write(&link, 0o600, b"new").unwrap();
    assert_eq!(std::fs::read(&real).unwrap(), b"new");
    assert!(link.is_symlink());
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    write(&dangling, 0o600, b"new").unwrap();
    assert!(!dangling.is_symlink());
}

fn mkfifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn abandoned_files_go_and_live_and_foreign_ones_stay() {
    let folder = tempfile::tempdir().unwrap();
    for name in [".a-1.partial", ".b-1.partial", "a-2", ".a-3"] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let live = AtomicFile::create(&folder.path().join("a-4"), 0o600).unwrap();
    let removed = remove_abandoned(folder.path(), |name| name.starts_with(b"a-")).unwrap();
    assert_eq!(removed, [folder.path().join(".a-1.partial")]);
    drop(live);
}

#[test]
fn replacing_keeps_the_mode() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.txt");
    std::fs::write(&target, "old").unwrap();
    std::fs::set_permissions(&target, Permissions::from_mode(0o604)).unwrap();
    write(&target, 0o600, b"new").unwrap();
    assert_eq!(std::fs::metadata(&target).unwrap().mode() & 0o7777, 0o604);
}

#[test]
fn an_exchange_hands_back_what_had_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("a.txt");
    let mut first = AtomicFile::create(&target, 0o600).unwrap();
    first.write_all(b"old").unwrap();
    assert_eq!(first.exchange().unwrap(), None);
    let mut second = AtomicFile::create(&target, 0o600).unwrap();
    second.write_all(b"new").unwrap();
    let displaced = second.exchange().unwrap().unwrap();
    assert_eq!(std::fs::read(&target).unwrap(), b"new");
    assert_eq!(std::fs::read(displaced).unwrap(), b"old");
}
