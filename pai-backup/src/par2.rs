//! PAR2 files, made and used by the stock `par2` program: what mends an archive that nobody else has.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow, bail};
use pai_common::atomic;
use pai_common::hint::Hinted;

use crate::shelf;

const PROGRAM: &str = "par2";
/// Bytes of a block, the least that damage costs; each block also costs about a hundred bytes. At most so many there are.
const BLOCK: u64 = 4096;
const FEWEST: u64 = 20;
const MOST: u64 = 2000;
/// A folder beside the archive in which the program works. The names in it are the archive's: PAR2 files hold them.
const WORK: &str = ".par2.partial";

/// Fails unless the program is there: before an archive is made, not after.
pub(crate) fn ensure_there() -> anyhow::Result<()> {
    let started = Command::new(PROGRAM).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match started {
        Ok(_) => Ok(()),
        Err(error) => Err(Hinted::new(
            anyhow!("could not run {PROGRAM}: {error}"),
            "install par2 (package par2), or leave --par2 out",
        )
        .into()),
    }
}

/// Makes the PAR2 file of an archive, which can mend `share` of it.
pub(crate) fn create(archive: &Path, share: f64) -> anyhow::Result<()> {
    let target = shelf::par2(archive);
    let context = || format!("could not make {}", target.display());
    let work = Work::beside(archive).with_context(context)?;
    let name = archive.file_name().unwrap_or_default();
    let inside = work.folder.join(name);
    fs::hard_link(archive, &inside)
        .or_else(|_| fs::copy(archive, &inside).map(drop))
        .with_context(context)?;
    let percent = (share * 100.0).ceil().clamp(1.0, 100.0) as u32;
    let mut command = work.par2("create");
    let size = archive.metadata().with_context(context)?.len();
    let blocks = (size / BLOCK).clamp(FEWEST, MOST);
    command.arg("-n1").arg(format!("-r{percent}")).arg(format!("-b{blocks}")).arg("made.par2").arg(name);
    run(&mut command).with_context(context)?;
    // The volume holds all that the file beside it does, and the recovery data.
    let entries = fs::read_dir(&work.folder).with_context(context)?.flatten().map(|entry| entry.path());
    let is_volume = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("made.vol") && name.ends_with(".par2")
    };
    let Some(volume) = entries.into_iter().find(is_volume) else { bail!("{}: it made none", context()) };
    File::open(&volume).and_then(|file| file.sync_all()).with_context(context)?;
    let mode = archive.metadata().with_context(context)?.permissions();
    fs::set_permissions(&volume, mode).with_context(context)?;
    fs::rename(&volume, &target).with_context(context)?;
    atomic::sync_folder(&target)
}

/// Lets the program mend a copy of an archive, and gives it the name if `holds` says that it is whole. Whether it is.
pub(crate) fn mend(
    archive: &Path,
    holds: impl FnOnce(&Path) -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let context = || format!("could not mend {} by its PAR2 file", archive.display());
    let work = Work::beside(archive).with_context(context)?;
    let inside = work.folder.join(archive.file_name().unwrap_or_default());
    fs::copy(archive, &inside).with_context(context)?;
    fs::copy(shelf::par2(archive), work.folder.join("made.par2")).with_context(context)?;
    if run(work.par2("repair").arg("made.par2")).is_err() || !holds(&inside)? {
        return Ok(false);
    }
    let mode = archive.metadata().with_context(context)?.permissions();
    fs::set_permissions(&inside, mode).with_context(context)?;
    File::open(&inside).and_then(|file| file.sync_all()).with_context(context)?;
    fs::rename(&inside, archive).with_context(context)?;
    atomic::sync_folder(archive)?;
    Ok(true)
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("could not run {PROGRAM}"))?;
    if !output.status.success() {
        let said = [output.stderr, output.stdout].concat();
        let said = String::from_utf8_lossy(&said);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        bail!("{PROGRAM} ended with {}: {last}", output.status);
    }
    Ok(())
}

/// The folder, removed when dropped; one that a killed run left is removed first.
struct Work {
    folder: PathBuf,
}

impl Work {
    fn beside(archive: &Path) -> io::Result<Self> {
        let folder = archive.with_file_name(WORK);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::create_dir(&folder)?;
        Ok(Self { folder })
    }

    fn par2(&self, what: &str) -> Command {
        let mut command = Command::new(OsStr::new(PROGRAM));
        command.arg(what).args(["-q", "-q"]).current_dir(&self.folder).stdin(Stdio::null());
        command
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
