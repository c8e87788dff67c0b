//! The mended archive, beside the damaged one, until it has been verified to the last byte.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context as _;
use pai_common::atomic::AtomicFile;
use pai_common::checksum_line::{self, Style};
use pai_common::progress::Progress;
use pai_common::sha256::{self, Digest, Sha256};
use std::os::unix::ffi::OsStrExt;

use super::donors::{self, Donors};
use super::own::{damage, places};
use super::plan::{From, Plan};
use super::{passing, sidecar_digest};
use crate::Context;
use crate::archive::index::Group;
use crate::archive::member::{MemberInfo, Opener, Sealer};
use crate::archive::open::{Archive, open_to_read};
use crate::archive::writer::ArchiveWriter;
use crate::pack::remake;
use crate::{shelf, verify};

pub(super) const NOT_PROVED: &str = "what was put together does not verify, and nothing was replaced";

/// Writes the mended archive and lets it take the name. `unread` says whether the disk could not read something. Whether it is, byte for byte, what the archive was.
pub(super) fn write(
    path: &Path,
    archive: &Archive,
    plan: &Plan,
    donors: &Donors,
    unread: bool,
    run: &Context<'_>,
) -> anyhow::Result<bool> {
    let context = || format!("could not repair {}", path.display());
    let known = sidecar_digest(path)?;
    let file = AtomicFile::replace(path, 0o600)?;
    let whole = known.map(|_| Sha256::new());
    let mut out = Hashed { out: BufWriter::with_capacity(1 << 20, file), whole };
    let mut source = Source::new(archive, plan, donors);
    let copied = match &plan.tail {
        Some(tail) if plan.is_whole() => Some(tail),
        _ => None,
    };
    match copied {
        Some(tail) => passing::copy(&mut source, tail, &mut out, run),
        None => rebuild(&mut source, &mut out),
    }
    .with_context(context)?;
    let Hashed { out, whole } = out;
    let file = out.into_inner().map_err(std::io::IntoInnerError::into_error).with_context(context)?;
    let digest = whole.map(Sha256::finish);
    match copied {
        Some(tail) => read_back(file.temp(), tail, run),
        None => prove(file.temp(), run),
    }
    .context(NOT_PROVED)
    .with_context(context)?;
    let as_it_was = plan.is_exact() || (known.is_some() && known == digest);
    // What could not be read today may be read tomorrow.
    if !plan.is_whole() || (unread && !as_it_was) {
        keep(path).with_context(context)?;
    }
    // A sidecar goes before its file: one of another archive would call this one bad.
    let renewed = digest.filter(|_| known != digest);
    if renewed.is_some() {
        shelf::remove_sidecar(path)?;
    }
    file.commit()?;
    if let Some(digest) = renewed {
        let name = path.file_name().unwrap_or_default().as_bytes();
        let mut line = checksum_line::format(&digest, name, Style::Text);
        line.push(b'\n');
        pai_common::atomic::write(&shelf::sidecar(path), 0o600, &line)?;
    }
    Ok(as_it_was)
}

/// The damaged archive keeps its bytes under another name: somebody may know more about them one day.
fn keep(path: &Path) -> anyhow::Result<()> {
    let broken = shelf::broken(path);
    match std::fs::hard_link(path, &broken) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) => copy_whole(path, &broken)
            .with_context(|| format!("could not keep the damaged archive as {}", broken.display())),
        Ok(()) => Ok(()),
    }
}

fn copy_whole(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut copy = AtomicFile::replace(to, 0o600)?;
    std::io::copy(&mut open_to_read(from)?, &mut copy)?;
    copy.commit()?;
    Ok(())
}

/// What was written must verify, or nothing is replaced.
fn prove(temp: &Path, run: &Context<'_>) -> anyhow::Result<()> {
    let progress = Progress::bytes(run.console, "verifying", temp.metadata().ok().map(|found| found.len()));
    let input: File = open_to_read(temp)?;
    verify::verify_stream(input, run.threads(), None, &progress, run.console)
}

/// What was verified on its way must have arrived: index and footer byte for byte, and each member by the CRC-32 that this
/// index has of it.
fn read_back(temp: &Path, tail: &[u8], run: &Context<'_>) -> anyhow::Result<()> {
    let archive = Archive::open(temp)?;
    let index = archive.index().map_err(Clone::clone)?;
    anyhow::ensure!(archive.file().tail(index.data_size())? == tail, "another index was written");
    let damage = damage(archive.file(), &places(index)?, run)?.into_iter().flatten().next();
    damage.map_or(Ok(()), Err)
}

/// All members as they are, then a new end, index and footer.
fn rebuild(source: &mut Source<'_>, out: &mut impl Write) -> anyhow::Result<()> {
    let mut about = source.plan.about.clone();
    about.level = about.level.clamp(1, 9);
    let mut writer = ArchiveWriter::new(out, &about, false);
    for (group, from) in source.plan.groups.iter().filter(|(group, _)| !group.records.is_empty()) {
        for (number, from) in from.iter().enumerate() {
            writer.member(&source.member(group, number, *from, Vec::new())?)?;
        }
        writer.group(group);
    }
    writer.finish()?;
    Ok(())
}

/// Gets the bytes of members.
pub(super) struct Source<'a> {
    archive: &'a Archive,
    pub(super) plan: &'a Plan,
    donors: &'a Donors,
    open: HashMap<usize, Archive>,
    opener: Opener,
    sealer: Sealer,
}

/// So many other archives are held open; each has its index in memory.
const HELD_OPEN: usize = 4;

impl<'a> Source<'a> {
    fn new(archive: &'a Archive, plan: &'a Plan, donors: &'a Donors) -> Self {
        let sealer = Sealer::new(plan.about.level.clamp(1, 9));
        Self { archive, plan, donors, open: HashMap::new(), opener: Opener::default(), sealer }
    }

    /// The bytes of a member of a group, as their index has them. They may come in `room`, which may have been used before.
    pub(super) fn member(
        &mut self,
        group: &Group,
        number: usize,
        from: From,
        room: Vec<u8>,
    ) -> anyhow::Result<Vec<u8>> {
        pai_common::signal::check()?;
        let info = &group.members[number];
        match from {
            From::Own(at) => self.archive.file().members(at, std::iter::once(info), room),
            From::Donor(taken) => {
                if !self.open.contains_key(&taken.donor) {
                    if self.open.len() == HELD_OPEN {
                        self.open.clear();
                    }
                    let name = || format!("could not open {} again", self.donors.name(taken.donor));
                    let archive = self.donors.try_open(taken.donor).with_context(name)?;
                    self.open.insert(taken.donor, archive);
                }
                let (bytes, payload) = donors::read(&self.open[&taken.donor], &taken, &mut self.opener)?;
                if taken.info == *info { Ok(bytes) } else { self.seal(&payload, info) }
            }
            From::Files => {
                let payload = remake::payload(&self.plan.root, group, number, self.plan.about.xattrs)?;
                anyhow::ensure!(
                    sha256::digest(&payload) == info.digest,
                    "files changed while they were read"
                );
                self.seal(&payload, info)
            }
        }
    }

    fn seal(&mut self, payload: &[u8], info: &MemberInfo) -> anyhow::Result<Vec<u8>> {
        let digest: Digest = info.digest;
        let (bytes, made) = self.sealer.seal(payload, digest);
        anyhow::ensure!(made == *info, "a member made anew is not the same");
        Ok(bytes)
    }
}

/// Hashes what passes, if somebody wants to know.
struct Hashed<W> {
    out: W,
    whole: Option<Sha256>,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        let count = self.out.write(buf)?;
        if let Some(whole) = &mut self.whole {
            whole.update(&buf[..count]);
        }
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
