//! `create`: a new archive of the workspace; then, and only then, old ones go.

mod lines;
mod listed;
mod sealed;
mod send;
mod settings;
pub(crate) mod shrink;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use pai_common::atomic::AtomicFile;
use pai_common::clock::{Clock, Timestamp, Zone};
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::home::{Home, ensure_private_folder};
use pai_common::joblog::{JobLog, Level, Style};
use pai_common::lock::DirLock;
use pai_common::output::{Closed, Output};
use pai_common::units::{counted, human_size};
use pai_common::walk;

use crate::Context as Run;
use crate::archive;
use crate::archive::index::{About, Selection, Totals};
use crate::archive::open::Archive;
use crate::archive::writer::{ArchiveWriter, Written};
use crate::cli::{Create, Format};
use crate::create::shrink::Shrunk;
use crate::crypt::Recipients;
use crate::pack::{self, Tally};
use crate::par2;
use crate::reuse::{Known, Parent};
use crate::shelf::{self, Shelf, Stored};
use crate::shell;
use crate::source::{self, Sources};
use crate::zip::ZipArchive;

/// Compression level unless told: `docs/archive-format.md` has the figures.
pub(crate) const DEFAULT_LEVEL: u8 = 6;

/// Members are some KiB each: so much of them is written at once.
const WRITTEN: usize = 64 << 10;

/// Runs `create`.
pub(crate) fn run(args: &Create, run: &Run<'_>) -> anyhow::Result<Exit> {
    let home = run.place.workspace.resolve()?;
    ensure_private_folder(&home.logs())?;
    let mut log = JobLog::open(&home.logs().join("backup.log"), Style::Bracketed, run.clock)?;
    log.info(format_args!("Starting backup (dry_run={})", args.dry_run))?;
    match back_up(args, &home, &mut log, run) {
        Ok(made) => {
            if let Some(path) =
                made.as_deref().filter(|_| args.format == Format::TarGz && run.place.store.is_none())
            {
                let path = shell::line([path]);
                run.console.summary(format_args!(
                    "see what is in it: pai-backup list {}",
                    String::from_utf8_lossy(&path)
                ));
            }
            match run.console.shortfalls() {
                0 => log.info("Backup finished")?,
                1 => log.info("Backup finished (1 file left out or cut)")?,
                count => log.info(format_args!("Backup finished ({count} files left out or cut)"))?,
            }
            // Only now: a reader that has gone away must not make the backup a failed one, nor one done in part a good
            // one.
            match made.map_or(Ok(()), |path| print(&path)) {
                Err(error) if !error.is::<Closed>() => Err(error),
                _ => Ok(Exit::partial_if(run.console.complaints() > 0)),
            }
        }
        Err(error) => {
            // The disk may be full: then the log cannot tell either, and the error itself is what counts.
            let _ = log.log(Level::Error, format_args!("Backup failed: {error:#}"));
            Err(error)
        }
    }
}

fn print(path: &Path) -> anyhow::Result<()> {
    let mut out = Output::stdout(false);
    out.line(path.as_os_str().as_encoded_bytes())?;
    out.finish()
}

/// Plans, then shows or does it. Whatever fails, the log has to tell: cron's mail may go nowhere. The path of the
/// archive, if one was made that has a path.
fn back_up(args: &Create, home: &Home, log: &mut JobLog, run: &Run<'_>) -> anyhow::Result<Option<PathBuf>> {
    let plan = Plan::new(args, home, run)?;
    if args.dry_run { plan.show(log, run).map(|()| None) } else { plan.carry_out(log, run) }
}

/// Everything a run has decided before it touches anything.
struct Plan<'a> {
    args: &'a Create,
    root: PathBuf,
    shelf: Shelf,
    names: Vec<PathBuf>,
    options: walk::Options,
    selection: Selection,
    retention_days: Option<u32>,
    /// Whom the archive is encrypted for.
    recipients: Option<Recipients>,
    level: u8,
    threads: usize,
}

impl<'a> Plan<'a> {
    fn new(args: &'a Create, home: &Home, run: &Run<'_>) -> anyhow::Result<Self> {
        let retention_days = settings::retention_days(args)?;
        let unnamed = args.format == Format::Zip || args.output.as_deref() == Some(Path::new("-"));
        if (args.sha256 || args.checksums.is_some()) && unnamed {
            bail!(
                "--sha256 and --checksums are for a tar.gz that gets a name: neither for a zip nor for stdout"
            );
        }
        if args.par2.is_some() {
            if unnamed {
                bail!("--par2 is for a tar.gz that gets a name: neither for a zip nor for stdout");
            }
            par2::ensure_there()?;
        }
        let beyond = run.place.store.is_some();
        if beyond
            && (args.output.is_some()
                || args.format == Format::Zip
                || args.sha256
                || args.checksums.is_some()
                || args.par2.is_some())
        {
            bail!(
                "--store keeps archives with an index: none of --output, --format zip, --sha256, --checksums and --par2 goes with it"
            );
        }
        let recipients = sealed::recipients(args, beyond)?;
        warn_of_foreign_owner(home.root(), run.console);
        let root = home.root().to_owned();
        let shelf = run.shelf(Some(home))?;
        let mut names = source::top_level(&root, &args.paths)?;
        let named = if args.paths.is_empty() { &[] } else { &names[..] };
        let paths = named.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let mut patterns = settings::patterns(args, &root)?;
        let own = settings::own_patterns(args, &shelf, &root, &names)?;
        let excludes = settings::excludes(&own)?;
        names.retain(|name| !excludes.excludes(name, false));
        patterns.extend(own);
        let excludes = settings::excludes(&patterns)?;
        let selection = Selection {
            paths,
            excludes: patterns,
            no_caches: args.exclude_caches,
            one_file_system: args.one_file_system,
        };
        let rotates = !args.no_rotate && args.output.is_none() && args.format == Format::TarGz && !beyond;
        let options = walk::Options {
            excludes,
            skip_caches: args.exclude_caches,
            one_file_system: args.one_file_system,
        };
        Ok(Self {
            names,
            shelf,
            root,
            options,
            selection,
            retention_days: rotates.then_some(retention_days),
            recipients,
            level: args.level.unwrap_or(DEFAULT_LEVEL),
            threads: run.threads(),
            args,
        })
    }

    /// What would be done, from the same walk that a real run makes.
    fn show(&self, log: &mut JobLog, run: &Run<'_>) -> anyhow::Result<()> {
        let target = match (&self.args.output, &run.place.store) {
            (Some(output), _) => output.clone(),
            (None, Some(store)) => PathBuf::from(store),
            (None, None) => self.free_name(run)?,
        };
        if self.args.output.is_none() && run.place.store.is_none() && run.place.archive_dir.is_none() {
            // The tar line is there to be pasted.
            ensure_private_folder(self.shelf.folder())?;
        }
        let names = (&*self.root, &self.selection.excludes[..], &self.names[..]);
        log.raw(&lines::tar(&target, names, self.recipients.as_ref()))?;
        let mut totals = Totals::default();
        self.sources(None, run.console).visit(|source| {
            totals.count(&source.entry);
            Ok(())
        })?;
        run.console.note(format_args!(
            "would archive {} ({}, {}) to {}",
            counted(totals.entries, "entry", "entries"),
            counted(totals.files, "file", "files"),
            human_size(totals.bytes),
            target.display()
        ));
        let judged = run.place.store.is_none().then(|| self.shrunk(&self.about(run.clock), totals, &target));
        let shrunk = judged.transpose()?.flatten();
        if let (Some(shrunk), Format::TarGz, None) = (&shrunk, self.args.format, &self.args.output) {
            run.console.warn(shrunk);
        } else if let Some(days) = self.retention_days {
            let replaced = self.shelf.of_replaced().map(|shelf| shelf.past(days, run.clock.now()));
            let expired = self.shelf.expired(days, run.clock.now(), Some(&target))?;
            for stored in expired.into_iter().chain(replaced.transpose()?.unwrap_or_default()) {
                run.console.note(format_args!("would remove {}", stored.path.display()));
            }
        }
        Ok(())
    }

    fn carry_out(&self, log: &mut JobLog, run: &Run<'_>) -> anyhow::Result<Option<PathBuf>> {
        if run.place.store.is_some() {
            return self.send(log, run).map(Some);
        }
        ensure_private_folder(self.shelf.folder())?;
        let _lock = DirLock::acquire(self.shelf.folder(), self.args.wait)?;
        self.shelf.remove_abandoned(run.console)?;
        match &self.args.output {
            Some(output) if output.as_os_str() == "-" => match self.args.format {
                Format::TarGz => self.stream(run).map(|()| None),
                Format::Zip => bail!("a zip cannot be streamed: its sizes are written after its data"),
            },
            Some(output) => self.archive_to(output, log, run).map(|_| Some(output.clone())),
            None => {
                let target = self.free_name(run)?;
                let made = self.archive_to(&target, log, run)?;
                match made.map(|(about, totals)| self.shrunk(&about, totals, &target)).transpose()?.flatten()
                {
                    None => self.rotate(log, run)?,
                    Some(shrunk) => Self::alarm(&shrunk, log, run)?,
                }
                Ok(Some(target))
            }
        }
    }

    /// Makes the archive. What an archive with an index says of itself, and what it holds.
    fn archive_to(
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

    /// Whether the archive is suspiciously small.
    fn shrunk(&self, about: &About, totals: Totals, target: &Path) -> anyhow::Result<Option<Shrunk>> {
        Ok(shrink::judge(about, totals, shrink::earlier(&self.shelf, target)?))
    }

    /// Tells whoever looks that the archive is suspiciously small.
    fn alarm(shrunk: &Shrunk, log: &mut JobLog, run: &Run<'_>) -> anyhow::Result<()> {
        log.log(Level::Warning, shrunk)?;
        run.console.alarm(shrunk);
        run.console.warn(format_args!("hint: {}", shrink::HINT));
        Ok(())
    }

    /// An archive on stdout. A reader that goes away is a failed backup, not a reader that had enough.
    fn stream(&self, run: &Run<'_>) -> anyhow::Result<()> {
        self.write_stream(std::io::stdout().lock(), run)
    }

    /// Writes the archive to `out`. `reader` reads it back, so that what it holds already can be copied.
    fn write<W: Write>(
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

    fn job<'b>(&'b self, known: Known<'b>) -> pack::Job<'b> {
        pack::Job {
            root: &self.root,
            xattrs: !self.args.no_xattrs,
            level: self.level,
            threads: self.threads,
            known,
            reread: self.args.reread.unwrap_or(0.0),
        }
    }

    fn write_zip(&self, file: AtomicFile, own: Option<&Path>, run: &Run<'_>) -> anyhow::Result<AtomicFile> {
        let mut zip = ZipArchive::new(file, &self.root, self.level, run.console);
        self.sources(own, run.console).visit(|source| zip.add(&source))?;
        let (file, totals) = zip.finish()?;
        if totals.files == 0 {
            bail!("no file to archive: no empty zip is made");
        }
        Ok(file)
    }

    fn free_name(&self, run: &Run<'_>) -> anyhow::Result<PathBuf> {
        match self.args.format {
            Format::TarGz => self.shelf.free_name(run.clock.now()),
            Format::Zip => self.shelf.free_name_with(run.clock.now(), shelf::ZIP),
        }
    }

    fn about(&self, clock: Clock) -> About {
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
    fn parent(&self, about: &About, console: &Console) -> Option<Parent> {
        self.parent_of(self.shelf.newest_good(console).ok()?, about)
    }

    fn parent_of(&self, archive: Archive, about: &About) -> Option<Parent> {
        // A root that is not UTF-8 is recorded inexactly, so it proves nothing.
        self.root.to_str()?;
        Parent::new(archive, about).ok().flatten()
    }

    fn rotate(&self, log: &mut JobLog, run: &Run<'_>) -> anyhow::Result<()> {
        let Some(days) = self.retention_days else { return Ok(()) };
        log.raw(&lines::find(&self.shelf, days))?;
        self.remove(self.shelf.expired(days, run.clock.now(), None)?, log, run)?;
        let Some(replaced) = self.shelf.of_replaced() else { return Ok(()) };
        let past = replaced.past(days, run.clock.now())?;
        if !past.is_empty() {
            log.raw(&lines::find(&replaced, days))?;
        }
        self.remove(past, log, run)
    }

    fn remove(&self, expired: Vec<Stored>, log: &mut JobLog, run: &Run<'_>) -> anyhow::Result<()> {
        self.forget_digests(&expired, run.console);
        for stored in expired {
            match shelf::remove(&stored.path) {
                Ok(()) => log.raw(stored.path.as_os_str().as_encoded_bytes())?,
                Err(error) => run.console.complain(format_args!("{error:#}")),
            }
        }
        Ok(())
    }

    fn sources<'b>(&'b self, own: Option<&'b Path>, console: &'b Console) -> Sources<'b> {
        Sources::new(&self.root, &self.names, &self.options, own, console, self.threads)
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

/// root on somebody's tree (WSL's usual slip) leaves archives that its owner cannot read.
fn warn_of_foreign_owner(root: &Path, console: &Console) {
    use std::os::unix::fs::MetadataExt;
    let owner = root.metadata().map_or(0, |metadata| metadata.uid());
    if rustix::process::geteuid().is_root() && owner != 0 {
        console.warn(format_args!(
            "running as root, but {} belongs to user {owner}: run as that user, or archives and logs will be root's",
            root.display()
        ));
    }
}

fn report(console: &Console, totals: &Totals, size: u64, tally: Tally) {
    let share = tally.reused as f64 * 100.0 / (tally.reused + tally.fresh).max(1) as f64;
    console.summary(format_args!(
        "{}, {}, {} in {} ({share:.1} % reused)",
        counted(totals.entries, "entry", "entries"),
        counted(totals.files, "file", "files"),
        human_size(totals.bytes),
        human_size(size)
    ));
}
