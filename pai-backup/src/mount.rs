//! `mount`: the archives as a file system that can only be read (FUSE).
//!
//! | file | what it knows |
//! | --- | --- |
//! | `tree` | an archive as folders and names: pure |
//! | `nights` | which archives there are; the trees of the last ones that were entered |
//! | `members` | inflated members, the last ones kept |
//! | `content` | the bytes of a file at any offset |
//! | `by_file` | every version of a file under its path |
//! | `place` | inode numbers |
//! | `filesystem` | what the kernel asks |

mod by_file;
mod content;
mod filesystem;
mod members;
mod nights;
mod place;
mod tree;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use fuser::{BackgroundSession, Config, MountOption, Session};
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::hint::Hinted;
use pai_common::signal::{self, Interrupted};

use self::filesystem::Archives;
use crate::cli::Mount;
use crate::past::nights::Place;
use crate::{Context, shell};

/// Time between two looks for a signal or an unmount by somebody else.
const LOOK: Duration = Duration::from_millis(50);

/// A run that owns what it is given: the file system outlives every borrow.
#[derive(Debug)]
struct Run {
    place: crate::cli::Place,
    clock: pai_common::clock::Clock,
    now_given: bool,
    console: Console,
    keys: Arc<crate::crypt::Keys>,
}

impl Run {
    fn of(run: &Context<'_>) -> Self {
        Self {
            place: run.place.clone(),
            clock: run.clock,
            now_given: run.now_given,
            console: Console::new("pai-backup", run.console.quiet(), false),
            keys: Arc::clone(&run.keys),
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            place: &self.place,
            clock: self.clock,
            now_given: self.now_given,
            console: &self.console,
            keys: Arc::clone(&self.keys),
        }
    }
}

/// Runs `mount`, until a signal or somebody else unmounts it.
pub(crate) fn run(args: &Mount, run: &Context<'_>) -> anyhow::Result<Exit> {
    let target = folder(&args.target, run)?;
    let place = Place::of(run)?;
    // That there are none is better said now than shown as an empty folder.
    place.archives()?;
    let own = Arc::new(Run::of(run));
    let session = start(Archives::new(place, Arc::clone(&own)), &target, run.threads())?;
    let end = shell::line([OsStr::new("fusermount3"), OsStr::new("-u"), target.as_os_str()]);
    let end = String::from_utf8_lossy(&end);
    run.console.note(format_args!("mounted on {}; Ctrl-C or {end} ends it", target.display()));
    match wait(session, &target) {
        Some(signal) => Err(signal.into()),
        None => Ok(Exit::partial_if(own.console.complaints() > 0)),
    }
}

/// The folder to mount on. In the workspace the next backup would take all archives for files.
fn folder(target: &Path, run: &Context<'_>) -> anyhow::Result<PathBuf> {
    let context = || format!("could not mount on {}", target.display());
    let folder = target.canonicalize().with_context(context)?;
    if !folder.is_dir() {
        bail!("{}: not a folder", context());
    }
    let home = run.place.workspace.resolve().ok();
    if home.and_then(|home| home.root().canonicalize().ok()).is_some_and(|home| folder.starts_with(home)) {
        let error = anyhow!("{}: it is in the workspace, whose next backup would archive it", context());
        return Err(Hinted::new(error, "name an empty folder elsewhere, such as /tmp/past").into());
    }
    Ok(folder)
}

fn start(archives: Archives, target: &Path, threads: usize) -> anyhow::Result<BackgroundSession> {
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::RO,
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::NoAtime,
        MountOption::FSName("pai-backup".to_owned()),
        MountOption::Subtype("pai-backup".to_owned()),
    ];
    config.n_threads = Some(threads.max(2));
    config.clone_fd = true;
    let mounted = Session::new(archives, target, &config).and_then(Session::spawn);
    mounted.map_err(|error| {
        let error = anyhow!("could not mount on {}: {}", target.display(), error.to_string().trim());
        let hint = "FUSE is needed: the device /dev/fuse, and for all but root the program fusermount3 (Debian's package fuse3)";
        Hinted::new(error, hint).into()
    })
}

/// Waits until it is unmounted, or unmounts it once a signal came.
fn wait(session: BackgroundSession, target: &Path) -> Option<Interrupted> {
    while !session.guard.is_finished() {
        if let Err(signal) = signal::check() {
            unmount(session, target);
            return Some(signal);
        }
        std::thread::sleep(LOOK);
    }
    None
}

/// Takes it away at once; who still has a file open there gets errors from now on.
fn unmount(session: BackgroundSession, target: &Path) {
    match rustix::mount::unmount(target, rustix::mount::UnmountFlags::DETACH) {
        // It is gone: another that somebody mounts there must not be unmounted, too.
        Ok(()) => std::mem::forget(session),
        // Only root may do so by itself; fuser asks fusermount3.
        Err(_) => drop(session),
    }
}
