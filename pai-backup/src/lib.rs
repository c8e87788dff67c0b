//! Backs up a workspace to timestamped tar.gz archives that any stock tar opens, and brings it back.
//!
//! | to learn | open |
//! | --- | --- |
//! | how a backup is made | `create`, then `members`, `source`, `chunk`, `pack`, `reuse` |
//! | what an archive is | `archive` |
//! | where archives are | `shelf` |
//! | how a command's output or a zip is made | `capture`, `zip` |
//! | how one is read | `list`, `verify`, `restore`, `diff`, `cat`, all on `contents` |

pub mod archive;
mod capture;
mod cat;
mod chunk;
pub mod cli;
pub mod content;
pub mod contents;
mod create;
mod diff;
pub mod entry;
mod list;
mod members;
mod pack;
mod pipeline;
pub mod restore;
mod reuse;
mod shelf;
mod shell;
mod source;
pub mod verify;
mod zip;

use std::path::Path;

use anyhow::bail;
use pai_common::clock::Clock;
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::home::Home;
use pai_common::signal;

use crate::archive::open::Archive;
use crate::cli::{Args, Command, Create, Place};
use crate::shelf::Shelf;

/// What every command is given.
#[derive(Debug)]
pub struct Context<'a> {
    /// Where the workspace and its archives are.
    pub place: &'a Place,
    /// Now.
    pub clock: Clock,
    /// stderr.
    pub console: &'a Console,
}

/// Runs the tool.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<Exit> {
    let context = Context { place: &args.place, clock: args.now.clock(), console };
    // What only reads has nothing to clean up, and may be waiting for a pipe or be at a hole of exabytes.
    signal::end_at_once(matches!(
        args.command,
        Some(Command::List(_) | Command::Verify(_) | Command::Diff(_) | Command::Cat(_))
    ));
    match &args.command {
        None => create::run(&args.create, &context),
        Some(_) if args.create != Create::default() => {
            bail!(
                "options and paths of create stand before another command: name one command, then its options"
            )
        }
        Some(Command::Create(args)) => create::run(args, &context),
        Some(Command::Capture(args)) => capture::run(args, &context),
        Some(Command::List(args)) => list::run(args, &context),
        Some(Command::Verify(args)) => verify::run(args, &context),
        Some(Command::Restore(args)) => restore::run(args, &context),
        Some(Command::Diff(args)) => diff::run(args, &context),
        Some(Command::Cat(args)) => cat::run(args, &context),
    }
}

impl Context<'_> {
    /// The archives this run works on. `home` saves resolving the workspace twice.
    pub(crate) fn shelf(&self, home: Option<&Home>) -> anyhow::Result<Shelf> {
        let folder = match (&self.place.archive_dir, home) {
            (Some(folder), _) => folder.clone(),
            (None, Some(home)) => home.archive(),
            (None, None) => self.place.workspace.resolve()?.archive(),
        };
        Ok(Shelf::new(folder, &self.place.prefix))
    }

    /// Opens the archive that `named` means: a path, a name in the archive folder, or `latest`.
    pub(crate) fn open(&self, named: &Path) -> anyhow::Result<Archive> {
        // A path needs no workspace.
        if named.as_os_str() != "latest" && (named.exists() || !shelf::is_name(named)) {
            return Archive::open(named);
        }
        let shelf = self.shelf(None)?;
        let path = shelf.resolve(named, self.console)?;
        if shelf.is_future(&path, self.clock.now()) {
            self.console.warn(format_args!(
                "{} is from the future: was the clock wrong when it was made, or is it now?",
                path.display()
            ));
        }
        Archive::open(&path)
    }

    /// Worker threads.
    pub(crate) fn threads(&self) -> usize {
        self.place.jobs.map_or_else(pipeline::default_threads, usize::from)
    }
}
