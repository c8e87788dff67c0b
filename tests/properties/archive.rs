//! A whole archive, on any bytes: what is listed, verified and restored.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use pai_backup::archive::index::{Group, Record};
use pai_backup::archive::member::{MemberInfo, Sealer};
use pai_backup::archive::open::Archive;
use pai_backup::archive::reader::TarReader;
use pai_backup::archive::stream::tar_bytes;
use pai_backup::archive::writer::ArchiveWriter;
use pai_backup::cli::{Place, Restore};
use pai_backup::content::ContentHash;
use pai_backup::contents::{self, Listed};
use pai_backup::entry::{Identity, Kind};
use pai_backup::verify::verify_stream;
use pai_backup::{Context, restore};
use pai_common::cli::Workspace;
use pai_common::clock::Clock;
use pai_common::console::Console;
use pai_common::progress::Progress;
use pai_common::sha256;

/// A hole may be exabytes; hashing its zeros would tell nothing.
const LARGE: u64 = 1 << 24;

/// The first two bytes say what is made of the rest: a file as it stands, a tar, the tar in gzip, or the tar sealed
/// as an archive of ours whose index may lie.
pub(crate) fn holds(bytes: &[u8]) {
    let Some((&[how, lie], bytes)) = bytes.split_first_chunk() else { return };
    let mut tar = bytes.to_vec();
    super::tar::mend(&mut tar);
    let file = match how % 4 {
        0 => bytes.to_vec(),
        1 => tar,
        2 => Sealer::new(1).gzip(&tar),
        _ => match sealed(&tar, (usize::from(how / 4) + 1) * 512, lie) {
            Some((file, honest)) => {
                assert!(honest || verify(&file).is_err(), "an index that lies was not noticed");
                file
            }
            None => return,
        },
    };
    let Some(scanned) = scan(&file) else { return };
    let stage = Stage::new(&file);
    let listed = stage.listed();
    let verified = verify(&file).is_ok();
    let complaints = stage.restore(how >= 128);
    stage.holds_back();
    if verified {
        assert_eq!(listed.as_ref(), Some(&scanned), "what verifies is listed as it stands");
        if complaints == 0 {
            stage.has(&scanned);
        }
    }
}

/// Path, kind and content.
type Line = (PathBuf, Kind, Option<sha256::Digest>);

fn verify(file: &[u8]) -> anyhow::Result<()> {
    let console = Console::silent("fuzz");
    let progress = Progress::bytes(&console, "", None);
    verify_stream(io::Cursor::new(file.to_vec()), 1, None, &progress, &console)
}

/// The entries front to back as far as they can be read; `None` if one is too large to look at.
fn scan(file: &[u8]) -> Option<Vec<Line>> {
    let mut lines = Vec::new();
    let mut reader = TarReader::new(tar_bytes(io::Cursor::new(file.to_vec()), 1).ok()?);
    while let Ok(Some(found)) = reader.next_entry() {
        if found.entry.size > LARGE {
            return None;
        }
        let mut hash = ContentHash::new(found.sparse.as_ref(), found.entry.size);
        let mut data = Vec::new();
        if reader.data().read_to_end(&mut data).is_err() {
            break;
        }
        hash.update(&data);
        let digest = (found.entry.kind == Kind::File).then(|| hash.finish());
        lines.push((found.entry.path, found.entry.kind, digest));
    }
    Some(lines)
}

/// The tar as an archive of ours in members of `cut` bytes, and whether its index is honest: `lie` says how it is not.
fn sealed(tar: &[u8], cut: usize, lie: u8) -> Option<(Vec<u8>, bool)> {
    let mut reader = TarReader::new(tar);
    let mut records = Vec::new();
    let mut end = 0;
    while let Ok(Some(found)) = reader.next_entry() {
        let mut data = Vec::new();
        if found.entry.size > LARGE || reader.data().read_to_end(&mut data).is_err() {
            break;
        }
        end = (found.data_offset + found.stored).next_multiple_of(512) as usize;
        let mut hash = ContentHash::new(found.sparse.as_ref(), found.entry.size);
        hash.update(&data);
        let digest = (found.entry.kind == Kind::File).then(|| hash.finish());
        let (member, offset) = (found.offset / cut as u64, found.offset % cut as u64);
        records.push(Record { entry: found.entry, identity: Identity::default(), digest, member, offset });
    }
    let payload = tar.get(..end)?;
    let mut sealer = Sealer::new(1);
    let members = payload.chunks(cut).map(|piece| sealer.seal(piece, sha256::digest(piece)));
    let (bytes, infos): (Vec<Vec<u8>>, Vec<MemberInfo>) = members.unzip();
    let mut group = Group { members: infos, records };
    let honest = !tell(lie, &mut group);
    let mut writer = ArchiveWriter::new(Vec::new(), &super::index::about(), false);
    bytes.iter().try_for_each(|member| writer.member(member)).ok()?;
    writer.group(&group);
    Some((writer.finish().ok()?.out, honest))
}

/// Makes the index say something else than the members; `false` if there is nothing to lie about.
fn tell(lie: u8, group: &mut Group) -> bool {
    let count = group.records.len().max(1);
    let Some(record) = group.records.get_mut(usize::from(lie / 8) % count) else { return false };
    match lie % 8 {
        1 => record.entry.path.push("more"),
        2 => record.entry.size ^= 1,
        3 => record.offset += 512,
        4 => record.member += 1,
        5 => record.entry.mode ^= 1,
        6 if record.digest.is_some() => record.digest = Some([0; 32]),
        7 => group.members[0].digest = [0; 32],
        _ => return false,
    }
    true
}

/// A target folder with a way out of it, and beside it what must not be touched.
struct Stage {
    folder: tempfile::TempDir,
    archive: PathBuf,
    target: PathBuf,
}

impl Stage {
    fn new(file: &[u8]) -> Self {
        // In memory where there is such a place: every input makes a folder.
        let folder =
            tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a scratch folder");
        let (archive, target) = (folder.path().join("archive"), folder.path().join("target"));
        fs::create_dir(&target).expect("a scratch folder");
        fs::create_dir(folder.path().join("outside")).expect("a scratch folder");
        fs::write(folder.path().join("outside/secret"), "secret").expect("a scratch file");
        symlink("../outside", target.join("out")).expect("a scratch link");
        fs::write(target.join("old"), "old").expect("a scratch file");
        fs::write(&archive, file).expect("a scratch file");
        Self { folder, archive, target }
    }

    /// What `list` shows, if it comes to an end.
    fn listed(&self) -> Option<Vec<Line>> {
        let console = Console::silent("fuzz");
        let archive = Archive::open(&self.archive).expect("a file can be opened, whatever it holds");
        let mut lines = Vec::new();
        contents::visit(
            &archive,
            |_| true,
            1,
            &console,
            |listed| {
                let Listed { entry, digest, .. } = listed;
                lines.push((entry.path, entry.kind, digest));
                Ok(())
            },
        )
        .ok()?;
        (console.complaints() == 0).then_some(lines)
    }

    /// Restores everything; how many complaints there were, an error being one.
    fn restore(&self, force: bool) -> usize {
        let console = Console::silent("fuzz");
        let place = Place {
            store: None,
            workspace: Workspace::default(),
            archive_dir: None,
            prefix: "pai".to_owned(),
            identity: Vec::new(),
            jobs: Some(1),
        };
        let keys = std::sync::Arc::default();
        let context =
            Context { place: &place, clock: Clock::default(), now_given: false, console: &console, keys };
        let args = Restore {
            archive: self.archive.clone(),
            paths: Vec::new(),
            target: Some(self.target.clone()),
            dry_run: false,
            force,
            privileged: false,
            json: false,
        };
        let failed = restore::run(&args, &context).is_err();
        console.complaints() + usize::from(failed)
    }

    /// Nothing beside the target was made, changed or removed, and nothing in it has powers.
    fn holds_back(&self) {
        assert_eq!(names(self.folder.path()), ["archive", "outside", "target"]);
        assert_eq!(names(&self.folder.path().join("outside")), ["secret"]);
        let secret = self.folder.path().join("outside/secret");
        assert_eq!(fs::read(&secret).expect("it is still there"), b"secret");
        assert_eq!(fs::metadata(&secret).expect("it is still there").nlink(), 1);
        powerless(&self.target);
    }

    /// Everything listed is there, with the content listed.
    fn has(&self, listed: &[Line]) {
        for (path, kind, digest) in listed {
            let path = self.target.join(path.components().collect::<PathBuf>());
            let found = path.symlink_metadata().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert_eq!(found.is_dir(), *kind == Kind::Folder, "{}", path.display());
            if let Some(digest) = digest {
                assert_eq!(sha256::digest(&fs::read(&path).expect("a restored file")), *digest);
            }
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Folders that their owner may not enter could not be removed.
        open_up(&self.target);
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder of ours").map(|entry| entry.expect("an entry"));
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn powerless(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.metadata().expect("what is listed is there");
        assert!(found.is_dir() || found.mode() & 0o6000 == 0, "{}", entry.path().display());
        assert!(found.rdev() == 0, "{}", entry.path().display());
        if found.is_dir() {
            powerless(&entry.path());
        }
    }
}

fn open_up(folder: &Path) {
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open_up(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "secret")]
    fn a_file_beside_the_target_is_noticed() {
        let stage = Stage::new(b"");
        fs::write(stage.target.join("out/more"), "").unwrap();
        stage.holds_back();
    }

    #[test]
    #[should_panic(expected = "run-as-root")]
    fn a_program_with_powers_is_noticed() {
        let stage = Stage::new(b"");
        let program = stage.target.join("run-as-root");
        fs::write(&program, "").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o4755)).unwrap();
        stage.holds_back();
    }

    #[test]
    #[should_panic(expected = "left == right")]
    fn a_file_with_another_content_than_the_listed_is_noticed() {
        let stage = Stage::new(b"");
        stage.has(&[(PathBuf::from("old"), Kind::File, Some([0; 32]))]);
    }

    #[test]
    fn an_index_that_lies_about_anything_does_not_verify() {
        let mut tar = vec![0; 1536];
        tar[..4].copy_from_slice(b"name");
        crate::tar::mend(&mut tar);
        for lie in 1..8 {
            let (file, honest) = sealed(&tar, 512, lie).unwrap();
            assert!(!honest && verify(&file).is_err(), "{lie}");
        }
        let (file, honest) = sealed(&tar, 512, 0).unwrap();
        assert!(honest && verify(&file).is_ok());
    }
}
