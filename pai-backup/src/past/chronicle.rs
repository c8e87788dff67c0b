//! The whole history of a file, across its names.

use std::collections::HashSet;

use super::catalogue::{Catalogue, Thing};
use super::line::{self, Seen};
use super::moved::other_name;
use super::stretch::{Stretch, stretches};

/// No file had more names one after another, or so we say.
const NAMES: usize = 1000;

/// One thing to tell of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// It had one content.
    Version {
        /// Number of its path then.
        path: u32,
        /// First archive that has it, last one, and how many have it.
        first: usize,
        last: usize,
        archives: usize,
        /// What it was.
        thing: &'a Thing,
    },
    /// It was deleted, or moved away.
    Gone {
        path: u32,
        /// Last archive that had it, first one that did not, first one that has it again.
        last: usize,
        by: usize,
        back: Option<usize>,
        /// Where its content is since.
        to: Option<u32>,
    },
    /// It came from another name.
    Was {
        path: u32,
        from: u32,
        /// Last archive with the old name, first one with the new.
        last: usize,
        first: usize,
    },
}

/// What is to tell of a path, newest first. Before the first night that has it, the file is followed to the name that its
/// content had the night before.
pub(crate) fn of(catalogue: &Catalogue, path: u32) -> Vec<Event<'_>> {
    let mut events = Vec::new();
    let mut told = HashSet::new();
    let (mut path, mut nights) = (path, catalogue.nights().len());
    while told.insert(path) && told.len() <= NAMES {
        let Some(seen) = line::seen(catalogue, &[path]).remove(&path) else { break };
        let seen = &seen[..nights];
        let history = stretches(seen);
        events.extend(history.iter().rev().map(|stretch| event(catalogue, path, stretch)));
        let Some(&Stretch::Version { first, thing, .. }) = history.first() else { break };
        let before = (0..first).rev().find(|&night| seen[night] != Seen::Untold);
        let from =
            before.and_then(|before| Some((before, other_name(catalogue, path, thing, before, first)?)));
        let Some((before, from)) = from else { break };
        events.push(Event::Was { path, from, last: before, first });
        (path, nights) = (from, before + 1);
    }
    events
}

fn event<'a>(catalogue: &'a Catalogue, path: u32, stretch: &Stretch<'a>) -> Event<'a> {
    match *stretch {
        Stretch::Version { first, last, archives, thing } => {
            Event::Version { path, first, last, archives, thing }
        }
        Stretch::Gone { last, by, back } => {
            let content = line::seen(catalogue, &[path]).remove(&path).map(|seen| seen[last]);
            let to = match content {
                Some(Seen::There(content)) => other_name(catalogue, path, content, by, last),
                _ => None,
            };
            Event::Gone { path, last, by, back, to }
        }
    }
}
