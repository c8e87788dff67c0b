//! What differs between two nights, or a night and now, as a tree.

use std::fs::Metadata;
use std::path::Path;

use pai_common::clock::Zone;
use pai_common::units::human_size;

use super::Site;
use super::html::Html;
use super::link::Link;
use super::server::Answer;
use super::sums::{Difference, Node, Sum};
use crate::diff::{self, State};
use crate::entry::Kind;
use crate::past::catalogue::Catalogue;

/// More lines are not shown.
const MOST: usize = 5000;
/// The name of the present workspace among the nights.
pub(super) const NOW: &str = "now";

/// The page; `None` if there are no such archives.
pub(super) fn page(site: &Site<'_>, old: &str, new: &str) -> anyhow::Result<Option<Answer>> {
    let catalogue = site.catalogue();
    let Some(older) = catalogue.night_of(old) else { return Ok(None) };
    let newer = catalogue.night_of(new);
    let differences = match newer {
        Some(newer) => between(&catalogue, older, newer),
        None if new == NOW => until_now(site, &catalogue, old, older)?,
        None => return Ok(None),
    };
    let time = |night: usize| {
        let civil = catalogue.nights()[night].named.time.civil(Zone::Local);
        format!("{} {}", civil.date(), civil.time())
    };
    let until = newer.map_or_else(|| NOW.to_owned(), time);
    let mut html = Html::page(&site.token, format!("{} to {until}", time(older)));
    html.raw("<h1>Differences</h1><p>").link(&Link::Tree(old, Path::new("")), time(older)).raw(" to ");
    match newer {
        Some(_) => html.link(&Link::Tree(new, Path::new("")), until),
        None => html.text(until),
    };
    let top = Node::of(differences);
    html.raw(", ").text(top.sum.count).raw(" in all");
    if top.sum.count > 0 {
        html.raw(", <span class=size>").text(signed(top.sum)).raw("</span>");
    }
    html.raw("</p>");
    chooser(&mut html, &catalogue, old, new);
    if top.sum.count == 0 {
        html.raw("<p>Nothing differs.</p>");
    }
    if top.sum.count > MOST {
        html.raw("<p class=quiet>The first ").text(MOST).raw(" are shown; the sums are of all.</p>");
    }
    let mut left = MOST;
    show(&mut html, &top, Between { older: old, newer: newer.map(|_| new) }, &mut left);
    Ok(Some(Answer::page(html)))
}

/// A form that asks for the differences of any two nights, or of a night and now. These two are chosen at first.
pub(super) fn chooser(html: &mut Html, catalogue: &Catalogue, old: &str, new: &str) {
    html.comparison().raw("<label>Differences from <select name=from>");
    choices(html, catalogue, old);
    html.raw("</select></label> <label>to <select name=to>");
    choice(html, NOW, NOW, new);
    choices(html, catalogue, new);
    html.raw("</select></label> <button>Show</button></form>");
}

fn choices(html: &mut Html, catalogue: &Catalogue, chosen: &str) {
    for night in catalogue.nights().iter().rev() {
        let civil = night.named.time.civil(Zone::Local);
        choice(html, &night.named.name, &format!("{} {}", civil.date(), civil.time()), chosen);
    }
}

fn choice(html: &mut Html, value: &str, shown: &str, chosen: &str) {
    html.raw("<option value=\"").text(value);
    html.raw(if value == chosen { "\" selected>" } else { "\">" }).text(shown).raw("</option>");
}

fn between(catalogue: &Catalogue, older: usize, newer: usize) -> Vec<Difference> {
    let thing = |number: Option<u32>| number.map(|number| catalogue.thing(number));
    let changes = catalogue.differences(older, newer).into_iter();
    changes
        .map(|change| {
            let (old, new) = (thing(change.old), thing(change.new));
            Difference {
                path: catalogue.path(change.path).to_owned(),
                old: old.map(|old| old.size),
                new: new.map(|new| new.size),
                is_folder: new.or(old).is_some_and(|thing| thing.kind == Kind::Folder),
                outside: false,
            }
        })
        .collect()
}

/// Sizes and times of the files as they are now are trusted; what differs in them is read.
fn until_now(
    site: &Site<'_>,
    catalogue: &Catalogue,
    name: &str,
    night: usize,
) -> anyhow::Result<Vec<Difference>> {
    let archive = site.place.open(name)?;
    let root = diff::root_of(&archive, site.run)?;
    let changes = diff::with_disk(&archive, true, site.run)?;
    let things = catalogue.things_at(night, changes.iter().map(|change| change.path.as_path()));
    let difference = |change: diff::Change| {
        let old = things.get(&change.path);
        let new = root.join(&change.path).symlink_metadata().ok();
        Difference {
            old: old.map(|old| old.size),
            is_folder: new.as_ref().map_or(old.is_some_and(|old| old.kind == Kind::Folder), Metadata::is_dir),
            // Only a file has content: what a file system says of the size of a folder is another thing.
            new: new.map(|new| if new.is_file() { new.len() } else { 0 }),
            outside: change.state == State::U,
            path: change.path,
        }
    };
    Ok(changes.into_iter().map(difference).collect())
}

/// Which nights are compared; `None` is now.
#[derive(Clone, Copy)]
struct Between<'a> {
    older: &'a str,
    newer: Option<&'a str>,
}

/// The lines of a folder, as far as `left` of them may be shown.
fn show(html: &mut Html, node: &Node, nights: Between<'_>, left: &mut usize) {
    html.raw("<ul class=differences>");
    for (name, node) in &node.below {
        if *left == 0 {
            html.raw("<li class=quiet>\u{22ef}</li>");
            break;
        }
        html.raw("<li>");
        *left -= usize::from(node.difference.is_some());
        if node.below.is_empty() {
            line(html, node, Path::new(name), nights);
        } else {
            html.raw("<details open><summary>");
            line(html, node, Path::new(name), nights);
            html.raw("</summary>");
            show(html, node, nights, left);
            html.raw("</details>");
        }
        html.raw("</li>");
    }
    html.raw("</ul>");
}

/// What differs at a name, and the sums of what differs below it.
fn line(html: &mut Html, node: &Node, name: &Path, nights: Between<'_>) {
    match &node.difference {
        Some(difference) => named(html, difference, name, nights),
        None => drop(html.name(name).raw("/")),
    }
    if !node.below.is_empty() {
        html.raw(" <span class=quiet>").text(node.sum.count).raw(" in all,</span>");
        html.raw(" <span class=size>").text(signed(node.sum)).raw("</span>");
    } else if node.difference.as_ref().is_some_and(|difference| !difference.is_folder) {
        html.raw(" <span class=size>").text(sizes(node.sum)).raw("</span>");
    }
    if node.difference.as_ref().is_some_and(|difference| difference.outside) {
        html.raw(" <span class=quiet>mode, owner or time</span>");
    }
}

/// A name with what became of it, as a link to its versions.
fn named(html: &mut Html, difference: &Difference, name: &Path, nights: Between<'_>) {
    let Difference { path, old, new, is_folder, .. } = difference;
    html.raw(match (old, new) {
        (None, Some(_)) => "<span class=new>",
        (Some(_), None) => "<span class=gone>",
        _ => "<span class=changed>",
    });
    html.text(sign(*old, *new)).raw(" ");
    let at = if new.is_some() { nights.newer } else { None };
    html.link(&Link::Versions(path, at.or(Some(nights.older))), name.display());
    html.raw(if *is_folder { "/</span>" } else { "</span>" });
}

fn sign(old: Option<u64>, new: Option<u64>) -> char {
    match (old, new) {
        (None, Some(_)) => '+',
        (Some(_), None) => '\u{2212}',
        _ => '~',
    }
}

/// Sizes before and after, as far as there was and is something.
fn sizes(sum: Sum) -> String {
    match (sum.old, sum.new) {
        (Some(old), Some(new)) if old != new => format!("{} \u{2192} {}", human_size(old), human_size(new)),
        (old, new) => new.or(old).map(human_size).unwrap_or_default(),
    }
}

/// The same behind a sign that tells whether all of it is new, or gone.
fn signed(sum: Sum) -> String {
    format!("{} {}", sign(sum.old, sum.new), sizes(sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_tell_what_was_and_what_is() {
        for (old, new, shown) in [
            (None, Some(1536), "+ 1.5 KiB"),
            (Some(3), None, "\u{2212} 3 B"),
            (Some(3), Some(1536), "~ 3 B \u{2192} 1.5 KiB"),
            (Some(3), Some(3), "~ 3 B"),
            (None, None, "~ "),
        ] {
            assert_eq!(signed(Sum { count: 1, old, new }), shown);
        }
    }
}
