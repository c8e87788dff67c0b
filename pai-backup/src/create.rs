//! `create`: a new archive of the workspace; then, and only then, old ones go.

mod lines;
mod listed;
mod rotate;
mod sealed;
mod send;
mod settings;
mod show;
pub(crate) mod shrink;
mod write;

use std::path::{Path, PathBuf};

use anyhow::bail;
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::home::{Home, ensure_private_folder};
use pai_common::joblog::{JobLog, Level, Style};
use pai_common::lock::DirLock;
use pai_common::output::{Closed, Output};
use pai_common::walk;

use crate::Context as Run;
use crate::archive::index::Selection;
use crate::cli::{Create, Format};
use crate::crypt::Recipients;
use crate::par2;
use crate::shelf::Shelf;
use crate::shell;
use crate::source::{self, Sources};

pub(crate) use self::write::archive_paths;

/// Compression level unless told: `docs/archive-format.md` has the figures.
pub(crate) const DEFAULT_LEVEL: u8 = 6;

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

    fn sources<'b>(&'b self, own: Option<&'b Path>, console: &'b Console) -> Sources<'b> {
        Sources::new(&self.root, &self.names, &self.options, own, console, self.threads)
    }
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
