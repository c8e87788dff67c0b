//! Sending archives: what the store has already is taken over, the rest is put into new packs.
//!
//! Packs go first, then `.packs`, then the list: an archive is there when its list is. A run that dies before leaves packs
//! that nobody needs, which prune removes.

mod packer;
mod parent;
mod sink;
mod upload;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use pai_common::clock::{Timestamp, Zone};
use pai_common::console::Console;
use pai_common::sha256::Digest;
use pai_common::stamp;

pub(super) use self::packer::Packer;
use self::parent::Parent;
pub(crate) use self::sink::StoreSink;
pub(super) use self::upload::Rules;
use super::backend::Kind;
use super::layout::{self, Form};
use super::list::List;
use super::measure::Sizes;
use super::needs::Needs;
use super::tail::NewTail;
use super::{Series, Store, readme, seal as sealing};
use crate::archive::index::{About, Totals};
use crate::archive::open::Archive;
use crate::create::shrink::Shrunk;
use crate::crypt::{Recipients, seal};
use crate::reuse::InStore;

/// A pack is deleted no sooner than a day after it was marked as not needed. A run that took longer than half of that
/// cannot know any more that what it took over is still there.
pub(super) const LONGEST: Duration = Duration::from_secs(12 * 3600);

/// What is known of a store when archives of one series are sent to it.
#[derive(Debug)]
pub(crate) struct Sender<'a> {
    store: &'a Store,
    series: &'a Series,
    /// The archives that are there; `None` if the credentials allow no listing.
    there: Option<BTreeSet<String>>,
    /// Packs that are marked, and so as good as gone.
    doomed: HashSet<Digest>,
    /// Packs that no archive needs, left by an interrupted run.
    present: HashSet<Digest>,
    /// Archives whose list was written anew, and the start of its SHA-256.
    rewritten: HashSet<(String, String)>,
    /// Whom what is sent is sealed for, if the store is encrypted.
    recipients: Option<Recipients>,
    parent: Option<Parent>,
    /// Whether to take nothing over.
    full: bool,
    began: Instant,
}

impl<'a> Sender<'a> {
    /// Lists what is in the store. With `full` nothing of it is taken over; `named` are the recipients of the command line.
    pub(crate) fn begin(
        store: &'a Store,
        series: &'a Series,
        full: bool,
        named: Option<&Recipients>,
        console: &Console,
    ) -> anyhow::Result<Self> {
        let began = Instant::now();
        let mut this = Self {
            store,
            series,
            there: None,
            doomed: HashSet::new(),
            present: HashSet::new(),
            rewritten: HashSet::new(),
            recipients: None,
            parent: None,
            full,
            began,
        };
        match store.backend().list(layout::ARCHIVES) {
            Ok(objects) => {
                // Before the packs of the last archive are trusted: what is marked from now on stays for a day.
                let marks = store.backend().list(layout::DOOMED)?;
                this.doomed = marks.iter().filter_map(|mark| layout::doomed_of(&mark.name)).collect();
                this.rewritten = objects
                    .iter()
                    .filter_map(|object| layout::rewritten_of(&object.name).map(owned))
                    .collect();
                let found = objects.iter().filter_map(|object| {
                    let (archive, form) = layout::archive_of_list(&object.name)?;
                    Some((archive.to_owned(), form, object.size))
                });
                let mut lists: Vec<(String, Form, u64)> = found.collect();
                let forms: Vec<Form> = lists.iter().map(|(_, form, _)| *form).collect();
                this.recipients = sealing::settle(store, named, Some(&forms), console)?;
                // Of the other form is nothing that we would write, or rely on.
                lists.retain(|(_, form, _)| *form == this.form());
                if lists.is_empty() {
                    store.backend().put(layout::README, readme::text(this.form()).as_bytes())?;
                }
                let lists: Vec<(String, u64)> =
                    lists.into_iter().map(|(archive, _, size)| (archive, size)).collect();
                this.tell_if_set_back(&lists, console);
                this.parent = this.find_parent(&lists, console)?;
                this.there = Some(lists.into_iter().map(|(archive, _)| archive).collect());
            }
            Err(error) if error.kind == Kind::Denied => {
                this.recipients = sealing::settle(store, named, None, console)?;
                this.begin_blind(console)?;
            }
            Err(error) => return Err(error.into()),
        }
        // No two encrypted packs are the same.
        if (full || this.parent.is_none()) && this.there.is_some() && this.form() == Form::Plain {
            let packs = store.backend().list(layout::PACKS)?;
            let plain = |(pack, form)| (form == Form::Plain).then_some(pack);
            this.present =
                packs.iter().filter_map(|pack| layout::pack_of(&pack.name).and_then(plain)).collect();
        }
        Ok(this)
    }

    /// Whether the archives that are sent are encrypted.
    fn form(&self) -> Form {
        if self.recipients.is_some() { Form::Sealed } else { Form::Plain }
    }

    /// The series that is sent.
    pub(crate) fn series(&self) -> &Series {
        self.series
    }

    /// Whether the store has an archive of this name.
    pub(crate) fn has(&self, archive: &str) -> bool {
        self.there.as_ref().is_some_and(|there| there.contains(archive))
    }

    /// The newest archive of the series that the store has.
    pub(crate) fn newest(&self) -> Option<String> {
        match &self.there {
            Some(there) => self.series.newest(there.iter().map(String::as_str)),
            // Who may only write goes by what was sent last.
            None => self.parent.as_ref().map(|parent| parent.known.list.archive.clone()),
        }
    }

    /// Warns once a month as long as no identity has ever opened an archive of an encrypted store.
    pub(crate) fn remind(&self, run: &crate::Context<'_>) -> anyhow::Result<()> {
        let (state, now) = (self.store.state(), run.clock.now());
        if self.recipients.is_none() || !state.is_due(now)? {
            return Ok(());
        }
        // It is tried where the identity is, which leaves a mark in the store.
        if self.store.backend().get(layout::TESTED, 0, 100).is_ok() {
            return state.note_tested(now);
        }
        run.console.warn(format_args!(
            "nobody has tried yet whether {} can be read: run pai-backup verify --store {} --identity FILE where the identity is",
            self.store.shown(),
            self.store.shown()
        ));
        state.note_warned(now)
    }

    /// The name of an archive that is begun at `now`, or in the next second whose name is free.
    pub(crate) fn free_name(&self, now: Timestamp) -> String {
        let mut time = Timestamp::new(now.secs(), 0);
        loop {
            let name = format!("{}-{}", self.series.prefix(), stamp::compact(time, Zone::Local));
            let remembered = || self.store.cache().archives().contains(&name);
            let taken = if self.there.is_some() { self.has(&name) } else { remembered() };
            if !taken {
                return name;
            }
            time = Timestamp::new(time.secs() + 1, 0);
        }
    }

    /// The archive to take members from.
    pub(crate) fn parent(&self) -> Option<anyhow::Result<Archive>> {
        let parent = self.parent.as_ref().filter(|_| !self.full);
        parent.map(|parent| self.store.open_known(&parent.known))
    }

    /// Compares the size of an archive with those before it: is it suspiciously small?
    fn judge(&self, archive: &str, about: &About, totals: Totals) -> (Sizes, Option<Shrunk>) {
        let before = self.parent.as_ref().map(|parent| &parent.known.list.sizes);
        let is_there = |archive: &str| self.there.as_ref().is_none_or(|there| there.contains(archive));
        Sizes::judge(archive, about, totals, before, is_there)
    }

    /// Makes an archive of what the sink wrote: sends `.packs` and the list.
    fn conclude(
        &mut self,
        mut list: List,
        new: &HashMap<Digest, Digest>,
        tail: NewTail,
    ) -> anyhow::Result<()> {
        list.runs = list.runs.rename(new);
        if self.began.elapsed() > LONGEST {
            bail!("it took longer than 12 hours, and what the store had may be gone: run it again");
        }
        list.form = self.form();
        list.recipients = self.recipients.iter().flat_map(Recipients::texts).map(str::to_owned).collect();
        self.complete_heads(&mut list);
        let bytes = object_of(&list, self.recipients.as_ref())?;
        let needs = Needs::of(&list, &bytes);
        let archive = list.archive.clone();
        self.store.backend().put(&layout::needs_name(&archive), &needs.text())?;
        self.store.backend().put(&layout::list_name(&archive, list.form), &bytes)?;
        if let Some(there) = &mut self.there {
            there.insert(archive);
        }
        if list.sizes.shrunk {
            return Ok(());
        }
        let others: Vec<String> = self
            .store
            .cache()
            .archives()
            .into_iter()
            .filter(|other| self.series.time_of(other).is_some())
            .collect();
        let known = self
            .store
            .cache()
            .remember(list, &bytes, tail, &others)
            .context("the archive is in the store, but could not be remembered")?;
        self.parent = Some(Parent::new(known));
        Ok(())
    }

    /// The heads of the packs: of those taken over they stand in the parent's list.
    fn complete_heads(&self, list: &mut List) {
        let packs = list.runs.packs();
        let before = self.parent.iter().flat_map(|parent| &parent.known.list.heads);
        list.heads.extend(before.map(|(pack, head)| (*pack, *head)));
        list.heads.retain(|pack, _| packs.contains(pack));
    }
}

/// The object that a list becomes in the store.
pub(super) fn object_of(list: &List, recipients: Option<&Recipients>) -> anyhow::Result<Vec<u8>> {
    match recipients {
        None => list.pack(),
        Some(to) => Ok(seal(&list.pack()?, to).context("could not encrypt the list")?.bytes),
    }
}

fn owned((archive, start): (&str, &str)) -> (String, String) {
    (archive.to_owned(), start.to_owned())
}

impl InStore for Sender<'_> {
    fn keeps(&self, offset: u64, length: u64) -> bool {
        !self.full
            && self.parent.as_ref().is_some_and(|parent| {
                let runs = &parent.known.list.runs;
                offset + length <= runs.size()
                    && runs.slices(offset..offset + length).all(|(pack, ..)| !self.doomed.contains(&pack))
            })
    }
}
