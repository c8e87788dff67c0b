//! A path through all nights.

use std::collections::HashMap;
use std::path::Path;

use super::catalogue::{Catalogue, Thing};
use crate::entry::Kind;

/// A hard link names a file; what takes more steps than this goes round in a circle.
const LINKS: usize = 8;

/// What a night tells of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    /// Nothing: the archive is of other paths, or not whole.
    Untold,
    /// It was not there.
    Absent,
    /// This stood there. Of a hard link it is the file that it names.
    There(&'a Thing),
}

/// What each night tells of each of these paths.
pub(crate) fn seen<'a>(catalogue: &'a Catalogue, wanted: &[u32]) -> HashMap<u32, Vec<Seen<'a>>> {
    let mut lines = catalogue.lines(wanted);
    let targets = follow_links(catalogue, &mut lines);
    let path_of = |number: u32| catalogue.path(number);
    wanted
        .iter()
        .map(|&path| {
            let nights = catalogue.nights().iter().enumerate();
            let told = nights.map(|(night, about)| match file_of(catalogue, &lines, &targets, path, night) {
                Some(thing) => Seen::There(thing),
                None if about.covers(path_of(path)) => Seen::Absent,
                None => Seen::Untold,
            });
            (path, told.collect())
        })
        .collect()
}

type Lines = HashMap<u32, Vec<Option<u32>>>;

/// Adds the lines of all files that hard links on the lines name. The numbers of those files by their paths.
fn follow_links<'a>(catalogue: &'a Catalogue, lines: &mut Lines) -> HashMap<&'a Path, u32> {
    let mut targets: HashMap<&Path, u32> = HashMap::new();
    for _ in 0..LINKS {
        let links: Vec<&Path> = lines
            .values()
            .flatten()
            .filter_map(|&thing| Some(catalogue.thing(thing?)))
            .filter(|thing| thing.kind == Kind::HardLink && !targets.contains_key(thing.link.as_path()))
            .map(|thing| thing.link.as_path())
            .collect();
        if links.is_empty() {
            break;
        }
        let links: std::collections::HashSet<&Path> = links.into_iter().collect();
        let found = catalogue.paths().filter(|(_, path)| links.contains(path));
        let found: Vec<(u32, &Path)> = found.collect();
        targets.extend(found.iter().map(|&(number, path)| (path, number)));
        let numbers: Vec<u32> =
            found.iter().map(|&(number, _)| number).filter(|number| !lines.contains_key(number)).collect();
        if numbers.is_empty() {
            break;
        }
        lines.extend(catalogue.lines(&numbers));
    }
    targets
}

fn file_of<'a>(
    catalogue: &'a Catalogue,
    lines: &Lines,
    targets: &HashMap<&Path, u32>,
    path: u32,
    night: usize,
) -> Option<&'a Thing> {
    let mut thing = catalogue.thing(lines.get(&path)?[night]?);
    for _ in 0..LINKS {
        if thing.kind != Kind::HardLink {
            break;
        }
        let target = targets.get(thing.link.as_path()).and_then(|target| lines.get(target)?[night]);
        let Some(target) = target else { break };
        thing = catalogue.thing(target);
    }
    Some(thing)
}
