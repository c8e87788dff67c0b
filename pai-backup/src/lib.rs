//! Backs up a workspace to timestamped tar.gz archives that any stock tar opens, and brings it back.
//!
//! | to learn | open |
//! | --- | --- |
//! | how a backup is made | `create`, then `members`, `source`, `chunk`, `pack`, `reuse` |
//! | what an archive is | `archive` |
//! | where archives are | `shelf` |
//! | what lies beyond this disk | `store` |
//! | who can read it there | `crypt` |
//! | how a command's output or a zip is made | `capture`, `zip` |
//! | how all of them are read at once | `past`, `browse`, `mount` |
//! | how a damaged one is mended | `repair`, `par2` |
//! | how one is read | `list`, `verify`, `restore`, `diff`, `cat`, all on `contents` |

pub mod archive;
mod browse;
mod capture;
mod cat;
mod chunk;
pub mod cli;
pub mod content;
pub mod contents;
mod create;
pub mod crypt;
mod diff;
pub mod entry;
mod list;
mod members;
#[cfg(feature = "mount")]
mod mount;
mod pack;
mod par2;
mod past;
mod pipeline;
pub mod probe;
mod repair;
pub mod restore;
mod reuse;
mod shelf;
mod shell;
mod source;
mod store;
pub mod verify;
mod zip;

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::bail;
use pai_common::clock::{Clock, Timestamp};
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::hint::Hinted;
use pai_common::home::Home;
use pai_common::signal;

use crate::archive::open::{self, Archive};
use crate::cli::{Args, Command, Create, Place};
use crate::crypt::Keys;
use crate::shelf::Shelf;
use crate::store::{Series, Store};

/// What every command is given.
#[derive(Debug)]
pub struct Context<'a> {
    /// Where the workspace and its archives are.
    pub place: &'a Place,
    /// Now.
    pub clock: Clock,
    /// Whether that was said on the command line, or is what the clock says.
    pub now_given: bool,
    /// stderr.
    pub console: &'a Console,
    /// What opens what is encrypted.
    pub keys: Arc<Keys>,
}

/// Runs the tool.
pub fn run(args: &Args, console: &Console) -> anyhow::Result<Exit> {
    let context = Context {
        place: &args.place,
        clock: args.now.clock(),
        now_given: args.now.now.is_some(),
        console,
        keys: Arc::new(Keys::new(&args.place.identity)),
    };
    context.keys.warn_of_modes(console);
    // What only reads has nothing to clean up, and may be waiting for a pipe or be at a hole of exabytes.
    signal::end_at_once(matches!(
        args.command,
        Some(
            Command::List(_)
                | Command::Verify(_)
                | Command::Diff(_)
                | Command::Cat(_)
                | Command::History(_)
                | Command::Find(_)
                | Command::Browse(_)
        )
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
        Some(Command::History(args)) => past::history::run(args, &context),
        Some(Command::Find(args)) => past::find::run(args, &context),
        Some(Command::Browse(args)) => browse::run(args, &context),
        #[cfg(feature = "mount")]
        Some(Command::Mount(args)) => mount::run(args, &context),
        Some(Command::Repair(args)) => repair::run(args, &context),
        Some(Command::Push(args)) => store::push::run(args, &context),
        Some(Command::Pull(args)) => store::pull::run(args, &context),
        Some(Command::Forget(args)) => store::forget::run(args, &context),
        Some(Command::Prune(args)) => store::prune::run(args, &context),
        Some(Command::Key(args)) => crypt::key::run(args, &context),
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
        if let Some(store) = self.store_of(named)? {
            let series = Series::new(&self.place.prefix)?;
            let archive = if named.as_os_str() == "latest" {
                let there = store.archives(&series)?;
                if let Some(why) = store.set_back(&series, there.iter().map(|entry| &entry.name)) {
                    self.console.complain(why);
                }
                store.newest(&there, &series)?
            } else {
                store.resolve(named, &series)?
            };
            return store.open_archive(&archive);
        }
        // A path needs no workspace.
        if named.as_os_str() != "latest" && (named.exists() || !shelf::is_name(named)) {
            return self.open_file(named);
        }
        let shelf = self.shelf(None)?;
        let path = shelf.resolve(named, self.console)?;
        if shelf.is_future(&path, self.clock.now()) {
            self.console.warn(format_args!(
                "{} is from the future: was the clock wrong when it was made, or is it now?",
                path.display()
            ));
        }
        self.open_file(&path)
    }

    /// Opens an archive in a file, encrypted or not.
    pub(crate) fn open_file(&self, path: &Path) -> anyhow::Result<Archive> {
        let bytes = open::bytes_of(path)?;
        Archive::of_bytes(path, crypt::open_bytes(bytes, &path.display(), &self.keys)?)
    }

    /// What comes out of `input`, opened if it is encrypted; `name` is what messages call it.
    pub(crate) fn open_stream(
        &self,
        input: Box<dyn Read + Send>,
        name: &dyn Display,
    ) -> anyhow::Result<crypt::Stream> {
        crypt::open_stream(input, name, &self.keys)
    }

    /// The archive file that `named` means: a path, a name in the archive folder, or `latest`, be it good or not.
    pub(crate) fn shelf_path(&self, named: &Path) -> anyhow::Result<PathBuf> {
        if named.as_os_str() == "latest" {
            return verify::newest(self);
        }
        if named.exists() || !shelf::is_name(named) {
            return Ok(named.to_owned());
        }
        self.shelf(None)?.resolve(named, self.console)
    }

    /// The store that was named, if one was.
    pub(crate) fn store_named(&self) -> anyhow::Result<Option<Store>> {
        self.store_address().map(|address| Store::open(&address, &self.keys)).transpose()
    }

    /// When the archive of this file name was begun, if it is one of the series.
    pub(crate) fn time_of(&self, name: &OsStr) -> Option<Timestamp> {
        Shelf::new(PathBuf::new(), &self.place.prefix).time_of(name)
    }

    /// The store that was named, for a command that cannot do without one.
    pub(crate) fn store(&self) -> anyhow::Result<Store> {
        match self.store_address() {
            Some(address) => Store::open(&address, &self.keys),
            None => Err(Hinted::new(
                anyhow::anyhow!("no store is named"),
                "pass --store STORE, or export PAI_STORE: a folder, s3://BUCKET/PREFIX or rclone:REMOTE:PATH",
            )
            .into()),
        }
    }

    /// The store that a reader of `named` means, if it means one. A path to a file here is no archive of the store that
    /// the environment names.
    pub(crate) fn store_of(&self, named: &Path) -> anyhow::Result<Option<Store>> {
        let is_path = !shelf::is_name(named) || named.as_os_str() == "-";
        match self.store_address() {
            Some(_) if is_path && self.place.store.is_none() => Ok(None),
            Some(address) => Store::open(&address, &self.keys).map(Some),
            None => Ok(None),
        }
    }

    fn store_address(&self) -> Option<String> {
        let given = self.place.store.clone();
        given.or_else(|| std::env::var("PAI_STORE").ok().filter(|store| !store.is_empty()))
    }

    /// Worker threads.
    pub(crate) fn threads(&self) -> usize {
        self.place.jobs.map_or_else(pipeline::default_threads, usize::from)
    }
}
