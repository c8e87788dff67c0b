//! From names and times to verdicts. Pure: what is read here comes from the caller, and so does now.

use std::collections::{BTreeMap, HashMap};

use pai_common::clock::{Timestamp, Zone};
use pai_common::retention::{self, Decision, Item, Policy, Reason};

use crate::series::{Key, Series};

/// Endings of files that prove, sign or mend another file, or are what it was, and live and die with it.
pub const SIDECARS: [&str; 8] = [".sha256", ".sha512", ".sha1", ".md5", ".asc", ".sig", ".par2", ".broken"];

/// Endings of files that someone is still writing.
const UNFINISHED: [&str; 5] = [".partial", ".part", ".tmp", ".temp", ".filepart"];

/// One name to decide on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The folder it is in, as a number; names of different folders never share a series.
    pub folder: u32,
    /// The name inside the folder, or a whole line of a listing.
    pub name: &'a [u8],
    /// Which series it belongs to; without one it is never deleted.
    pub series: Option<Series>,
    /// When it was made; without a time it is never deleted.
    pub time: Option<Timestamp>,
    /// Whether it is fit to be the last good copy, which is never deleted.
    pub good: bool,
}

/// The decision on one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The policy decided.
    Decided(Decision),
    /// A sidecar of the entry with this index: it shares its fate.
    With(usize),
    /// No time is known: it stays.
    Undated,
    /// The entry belongs to no series, so it stays.
    Apart,
    /// Someone is still writing it: it stays.
    Unfinished,
    /// The same name came before: the decision is with the earlier entry.
    Duplicate,
}

/// A verdict for each entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// In the order of the entries.
    pub verdicts: Vec<Verdict>,
    /// The items of each series as indices, newest first; the series in the order of their names.
    pub series: Vec<Vec<usize>>,
}

/// A series of one folder.
type SeriesKey<'a> = (u32, Key<'a>);

impl Entry<'_> {
    /// A pattern that all names of this entry's series match: `pai-*.tar.gz`, or `*` for all of a folder.
    pub fn series_name(&self) -> Option<Vec<u8>> {
        Some(self.series.as_ref()?.key(self.name).shown())
    }

    fn item(&self) -> Item {
        Item { time: self.time.unwrap_or_default(), good: self.good }
    }
}

/// Decides on every entry.
pub fn plan(entries: &[Entry<'_>], policy: &Policy, now: Timestamp) -> Plan {
    let mut verdicts = vec![Verdict::Undated; entries.len()];
    mark_unfinished(entries, &mut verdicts);
    mark_sidecars(entries, &mut verdicts);
    mark_apart(entries, &mut verdicts);
    let mut series = group(entries, &verdicts);
    for members in &mut series {
        sort_newest_first(members, entries);
        members.dedup_by(|later, first| {
            let is_again = entries[*later].name == entries[*first].name;
            if is_again {
                verdicts[*later] = Verdict::Duplicate;
            }
            is_again
        });
        let items: Vec<Item> = members.iter().map(|&i| entries[i].item()).collect();
        for (&i, decision) in members.iter().zip(retention::decide(&items, policy, now)) {
            verdicts[i] = Verdict::Decided(decision);
        }
    }
    Plan { verdicts, series }
}

/// The one of two equal times whose name sorts later counts as the newer.
fn sort_newest_first(members: &mut [usize], entries: &[Entry<'_>]) {
    // The times beside the indices: looking each up while sorting would miss the cache a million times.
    let mut timed: Vec<(Option<Timestamp>, usize)> = members.iter().map(|&i| (entries[i].time, i)).collect();
    // Of equal names the first one leads, for it is the one that owns their sidecars.
    timed.sort_unstable_by(|(a, i), (b, j)| {
        b.cmp(a).then_with(|| entries[*j].name.cmp(entries[*i].name)).then(i.cmp(j))
    });
    for (member, (_, i)) in members.iter_mut().zip(timed) {
        *member = i;
    }
}

fn mark_unfinished(entries: &[Entry<'_>], verdicts: &mut [Verdict]) {
    for (entry, verdict) in entries.iter().zip(verdicts) {
        if is_unfinished(entry.name) {
            *verdict = Verdict::Unfinished;
        }
    }
}

fn mark_apart(entries: &[Entry<'_>], verdicts: &mut [Verdict]) {
    for (entry, verdict) in entries.iter().zip(verdicts) {
        if entry.series.is_none() && entry.time.is_some() && *verdict == Verdict::Undated {
            *verdict = Verdict::Apart;
        }
    }
}

fn is_unfinished(name: &[u8]) -> bool {
    UNFINISHED.iter().any(|ending| name.ends_with(ending.as_bytes()))
}

/// The name that `name` proves or signs.
pub fn sidecar_of(name: &[u8]) -> Option<&[u8]> {
    SIDECARS
        .iter()
        .find_map(|ending| name.strip_suffix(ending.as_bytes()))
        .filter(|owner| !owner.is_empty() && !owner.ends_with(b"/"))
}

fn mark_sidecars<'a>(entries: &[Entry<'a>], verdicts: &mut [Verdict]) {
    let mut sidecars: HashMap<(u32, &'a [u8]), Vec<usize>> = HashMap::new();
    for (i, entry) in entries.iter().enumerate() {
        if let Some(owner) = sidecar_of(entry.name) {
            sidecars.entry((entry.folder, owner)).or_default().push(i);
        }
    }
    if sidecars.is_empty() {
        return;
    }
    for (owner, entry) in entries.iter().enumerate() {
        // The first entry of that name owns them; one without them falls to the policy like any other.
        let mut seen: Vec<&[u8]> = Vec::new();
        for i in sidecars.remove(&(entry.folder, entry.name)).unwrap_or_default() {
            let is_again = seen.contains(&entries[i].name);
            verdicts[i] = if is_again { Verdict::Duplicate } else { Verdict::With(owner) };
            seen.push(entries[i].name);
        }
    }
}

fn group<'a>(entries: &'a [Entry<'a>], verdicts: &[Verdict]) -> Vec<Vec<usize>> {
    let mut ids: HashMap<SeriesKey<'a>, usize> = HashMap::new();
    let mut series: Vec<Vec<usize>> = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        let Some(key) = entry.series.as_ref().map(|series| series.key(entry.name)) else { continue };
        if entry.time.is_none() || verdicts[i] != Verdict::Undated {
            continue;
        }
        let id = *ids.entry((entry.folder, key)).or_insert_with(|| {
            series.push(Vec::new());
            series.len() - 1
        });
        series[id].push(i);
    }
    let by_name: BTreeMap<SeriesKey<'a>, usize> = ids.into_iter().collect();
    by_name.into_values().map(|id| std::mem::take(&mut series[id])).collect()
}

impl Plan {
    /// Whether the entry stays.
    pub fn keeps(&self, entry: usize) -> bool {
        match &self.verdicts[entry] {
            Verdict::Decided(decision) => decision.keep,
            Verdict::With(owner) => self.keeps(*owner),
            // A duplicate stays so that its name is printed once: the next tool would fail on a second.
            Verdict::Undated | Verdict::Apart | Verdict::Unfinished | Verdict::Duplicate => true,
        }
    }

    /// The file that this entry is a sidecar of.
    pub fn owner(&self, entry: usize) -> Option<usize> {
        match self.verdicts[entry] {
            Verdict::With(owner) => Some(owner),
            _ => None,
        }
    }

    /// The file whose fate this entry shares in the end; itself, unless it is a sidecar.
    pub fn root(&self, entry: usize) -> usize {
        self.owner(entry).map_or(entry, |owner| self.root(owner))
    }

    /// Whether the entry is kept because its stamp is later than now.
    pub fn is_future(&self, entry: usize) -> bool {
        matches!(&self.verdicts[entry], Verdict::Decided(decision) if decision.reasons == [Reason::Future])
    }

    /// Whether every one of several items is a series of its own, so that no rule can delete anything.
    pub fn is_scattered(&self) -> bool {
        self.series.len() > 1 && self.series.iter().all(|members| members.len() == 1)
    }

    /// How many items the policy decided on, and how many of them go; sidecars do not count.
    pub fn tally(&self) -> (usize, usize) {
        let items = self.series.iter().flatten();
        (items.clone().count(), items.filter(|&&i| !self.keeps(i)).count())
    }

    /// Every entry for a listing: by series, newest first, each followed by its sidecars; then the rest.
    pub fn listing(&self) -> Vec<usize> {
        let mut sidecars: HashMap<usize, Vec<usize>> = HashMap::new();
        for (i, verdict) in self.verdicts.iter().enumerate() {
            if let Verdict::With(owner) = verdict {
                sidecars.entry(*owner).or_default().push(i);
            }
        }
        let is_undecided =
            |i: &usize| matches!(self.verdicts[*i], Verdict::Undated | Verdict::Apart | Verdict::Unfinished);
        let undecided = (0..self.verdicts.len()).filter(is_undecided);
        let mut listing = Vec::with_capacity(self.verdicts.len());
        let mut pending: Vec<usize> = Vec::new();
        for first in self.series.iter().flatten().copied().chain(undecided) {
            pending.push(first);
            while let Some(next) = pending.pop() {
                listing.push(next);
                pending.extend(sidecars.remove(&next).unwrap_or_default());
            }
        }
        listing
    }

    /// Why the entry stays or goes, one phrase a reason.
    pub fn reasons(&self, entry: usize, zone: Zone) -> Vec<String> {
        match &self.verdicts[entry] {
            Verdict::Decided(decision) => {
                decision.reasons.iter().map(|reason| reason.explain(zone)).collect()
            }
            Verdict::With(_) => vec!["with the file it belongs to".to_owned()],
            Verdict::Undated => vec!["no time in its name".to_owned()],
            Verdict::Apart => vec!["its name does not match --series".to_owned()],
            Verdict::Unfinished => vec!["named like an unfinished upload".to_owned()],
            Verdict::Duplicate => vec!["named twice".to_owned()],
        }
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
