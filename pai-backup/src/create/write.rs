//! Writes the archive that a run of `create` has planned: into a file, to stdout, or as a zip.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use pai_common::atomic::AtomicFile;
use pai_common::clock::{Clock, Timestamp, Zone};
use pai_common::console::Console;
use pai_common::joblog::{JobLog, Level};
use pai_common::units::{counted, human_size};
use pai_common::walk;

use super::{DEFAULT_LEVEL, Plan};
use crate::Context as Run;
use crate::archive;
use crate::archive::index::{About, Selection, Totals};
use crate::archive::open::Archive;
use crate::archive::writer::{ArchiveWriter, Written};
use crate::cli::{Create, Format};
use crate::pack::{self, Tally};
use crate::par2;
use crate::reuse::{Known, Parent};
use crate::shelf;
use crate::zip::ZipArchive;

/// Members are some KiB each: so much of them is written at once.
const WRITTEN: usize = 64 << 10;

impl Plan<'_> {
    /// Makes the archive. What an archive with an index says of itself, and what it holds.
    pub(super) fn archive_to(
        &self,
        target: &Path,
        log: &mut JobLog,
        run: &Run<'_>,
    ) -> anyhow::Result<Option<(About, Totals)>> {
        let file = AtomicFile::create(target, 0o600)?;
        let own = file.temp().canonicalize().ok();
        let made = match self.args.format {
            Format::Zip => {
                let file = self.write_zip(file, own.as_deref(), run)?;
                shelf::remove_sidecar(target)?;
                file.commit()?;
                None
            }
            Format::TarGz => {
                let made = self
                    .write_file(file, own.as_deref(), run)
                    .with_context(|| format!("could not make {}", target.display()))?;
                // A sidecar that is there is of what had this name before.
                shelf::remove_sidecars(target)?;
                made.file.commit()?;
                if let Some(digest) = made.digest {
                    self.keep_digest(target, &digest)?;
                }
                if let Some(share) = self.args.par2 {
                    par2::create(target, share)?;
                }
                Some((made.about, made.totals))
            }
        };
        // stderr may be nobody's: what is not in the archive must be in the log.
        for complaint in run.console.told() {
            log.log(Level::Warning, complaint)?;
        }
        log.info(format_args!("Created archive {}", target.display()))?;
        Ok(made)
    }

    /// An archive on stdout. A reader that goes away is a failed backup, not a reader that had enough.
    pub(super) fn stream(&self, run: &Run<'_>) -> anyhow::Result<()> {
        self.write_stream(std::io::stdout().lock(), run)
    }

    /// Writes the archive to `out`. `reader` reads it back, so that what it holds already can be copied.
    pub(super) fn write<W: Write>(
        &self,
        out: W,
        reader: Option<File>,
        own: Option<&Path>,
        run: &Run<'_>,
    ) -> anyhow::Result<Written<W>> {
        let about = self.about(run.clock);
        // The walk begins while the parent's index is read.
        let sources = self.sources(own, run.console);
        let parent = if self.args.full { None } else { self.parent(&about, run.console) };
        let job = self.job(Known::new(parent.as_ref(), reader));
        let out = BufWriter::with_capacity(WRITTEN, out);
        let mut writer = ArchiveWriter::new(out, &about, self.wants_digest());
        let before = run.console.shortfalls();
        let tally = pack::pack(&job, sources, &mut writer, run.console)?;
        writer.about_mut().incomplete = (run.console.shortfalls() - before) as u64;
        let written = writer.finish().context("could not write the archive")?;
        report(run.console, &written.totals, written.size, tally);
        written.unwrapped().context("could not write the archive")
    }

    pub(super) fn job<'b>(&'b self, known: Known<'b>) -> pack::Job<'b> {
        pack::Job {
            root: &self.root,
            xattrs: !self.args.no_xattrs,
            level: self.level,
            threads: self.threads,
            known,
            reread: self.args.reread.unwrap_or(0.0),
        }
    }

    pub(super) fn write_zip(
        &self,
        file: AtomicFile,
        own: Option<&Path>,
        run: &Run<'_>,
    ) -> anyhow::Result<AtomicFile> {
        let mut zip = ZipArchive::new(file, &self.root, self.level, run.console);
        self.sources(own, run.console).visit(|source| zip.add(&source))?;
        let (file, totals) = zip.finish()?;
        if totals.files == 0 {
            bail!("no file to archive: no empty zip is made");
        }
        Ok(file)
    }

    pub(super) fn free_name(&self, run: &Run<'_>) -> anyhow::Result<PathBuf> {
        match self.args.format {
            Format::TarGz => self.shelf.free_name(run.clock.now()),
            Format::Zip => self.shelf.free_name_with(run.clock.now(), shelf::ZIP),
        }
    }

    pub(super) fn about(&self, clock: Clock) -> About {
        let now = clock.now();
        // A fixed clock must not make files look settled that were written after the walk began.
        let walk = now.min(Timestamp::now());
        About {
            format: archive::member::VERSION,
            by: concat!("pai-backup ", env!("CARGO_PKG_VERSION")).to_owned(),
            made: now.rfc3339(Zone::Local),
            root: self.root.to_string_lossy().into_owned(),
            selection: self.selection.clone(),
            level: self.level,
            encoder: "libdeflate".to_owned(),
            xattrs: !self.args.no_xattrs,
            walk: (walk.secs(), walk.nanos()),
            shrink_allowed: self.args.allow_shrink,
            ..About::default()
        }
    }

    /// The newest good archive, if chunks can be taken from it.
    pub(super) fn parent(&self, about: &About, console: &Console) -> Option<Parent> {
        self.parent_of(self.shelf.newest_good(console).ok()?, about)
    }

    pub(super) fn parent_of(&self, archive: Archive, about: &About) -> Option<Parent> {
        // A root that is not UTF-8 is recorded inexactly, so it proves nothing.
        self.root.to_str()?;
        Parent::new(archive, about).ok().flatten()
    }
}

/// Archives `names` below `root` into `file`, whole and without a parent: the copy a restore keeps. What cannot all be
/// kept must not be replaced.
pub(crate) fn archive_paths(
    root: &Path,
    names: Vec<PathBuf>,
    file: AtomicFile,
    run: &Run<'_>,
) -> anyhow::Result<()> {
    let args = Create { full: true, ..Create::default() };
    let plan = Plan {
        selection: Selection {
            paths: names.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            ..Selection::default()
        },
        args: &args,
        root: root.to_owned(),
        shelf: run.shelf(None)?,
        names,
        options: walk::Options::default(),
        retention_days: None,
        recipients: None,
        level: DEFAULT_LEVEL,
        threads: run.threads(),
    };
    let complaints = run.console.complaints();
    let written = plan.write(file, None, None, run)?;
    if run.console.complaints() > complaints {
        bail!("not all of it can be read; nothing was restored");
    }
    written.out.commit()
}

pub(super) fn report(console: &Console, totals: &Totals, size: u64, tally: Tally) {
    let share = tally.reused as f64 * 100.0 / (tally.reused + tally.fresh).max(1) as f64;
    console.summary(format_args!(
        "{}, {}, {} in {} ({share:.1} % reused)",
        counted(totals.entries, "entry", "entries"),
        counted(totals.files, "file", "files"),
        human_size(totals.bytes),
        human_size(size)
    ));
}
