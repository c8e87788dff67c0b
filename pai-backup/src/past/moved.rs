//! Under what other name a content was the night before, or is the night after: renames, told by what was renamed.

use std::collections::HashSet;
use std::path::Path;

use super::catalogue::{Catalogue, Thing};
use crate::entry::Kind;

/// The file that had this content in the archive `then` and is not in the archive `now`: of several the one with the same
/// last part as `path`, of those the first by name. An empty file is like any other: it tells nothing.
pub(crate) fn other_name(
    catalogue: &Catalogue,
    path: u32,
    content: &Thing,
    then: usize,
    now: usize,
) -> Option<u32> {
    if content.kind != Kind::File || content.size == 0 {
        return None;
    }
    let has_content = |thing: u32| {
        let thing = catalogue.thing(thing);
        thing.kind == Kind::File && thing.digest.is_some() && thing.digest == content.digest
    };
    let mut names: HashSet<u32> =
        catalogue.held(then).filter(|&(_, thing)| has_content(thing)).map(|(path, _)| path).collect();
    if names.is_empty() {
        return None;
    }
    // A hard link is a name like the one that it leads to.
    let files: HashSet<&Path> = names.iter().map(|&name| catalogue.path(name)).collect();
    let leads_to_one = |thing: u32| {
        let thing = catalogue.thing(thing);
        thing.kind == Kind::HardLink && files.contains(thing.link.as_path())
    };
    names.extend(catalogue.held(then).filter(|&(_, thing)| leads_to_one(thing)).map(|(path, _)| path));
    names.retain(|&name| catalogue.nights()[now].covers(catalogue.path(name)));
    for (path, _) in catalogue.held(now) {
        names.remove(&path);
    }
    let last_part = catalogue.path(path).file_name();
    names.into_iter().min_by_key(|&name| {
        let name = catalogue.path(name);
        (name.file_name() != last_part, name)
    })
}
