//! What differs between two nights, or a night and now, as a tree.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use pai_common::clock::Zone;
use pai_common::units::human_size;

use super::Site;
use super::html::Html;
use super::link::Link;
use super::server::Answer;
use crate::diff::{self, State};
use crate::past::catalogue::Catalogue;

/// More lines are not shown.
const MOST: usize = 5000;
/// Deeper folders are shown by their whole path.
const DEEPEST: usize = 60;

/// The name of the present workspace among the nights.
pub(super) const NOW: &str = "now";

/// One difference: sizes before and after, as far as there was and is something.
struct Difference {
    path: PathBuf,
    old: Option<u64>,
    new: Option<u64>,
    /// Content is the same, and mode, owner or time is not.
    outside: bool,
}

#[derive(Default)]
struct Node {
    below: BTreeMap<OsString, Node>,
    difference: Option<Difference>,
}

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
    html.raw(", ").text(differences.len()).raw(" in all</p>");
    chooser(&mut html, &catalogue, old, new);
    if differences.is_empty() {
        html.raw("<p>Nothing differs.</p>");
    }
    let mut top = Node::default();
    for difference in differences.into_iter().take(MOST) {
        let mut node = &mut top;
        let parts: Vec<OsString> =
            difference.path.components().map(|part| part.as_os_str().to_owned()).collect();
        let (shallow, rest) = parts.split_at(parts.len().min(DEEPEST));
        for part in shallow {
            node = node.below.entry(part.clone()).or_default();
        }
        if !rest.is_empty() {
            node = node.below.entry(rest.iter().collect::<PathBuf>().into_os_string()).or_default();
        }
        node.difference = Some(difference);
    }
    show(&mut html, &top, newer.map(|_| new), old);
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
    let size = |thing: Option<u32>| thing.map(|thing| catalogue.thing(thing).size);
    let changes = catalogue.differences(older, newer).into_iter();
    changes
        .map(|change| Difference {
            path: catalogue.path(change.path).to_owned(),
            old: size(change.old),
            new: size(change.new),
            outside: false,
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
    let sizes = catalogue.sizes(night, changes.iter().map(|change| change.path.as_path()));
    Ok(changes
        .into_iter()
        .map(|change| Difference {
            old: sizes.get(&change.path).copied(),
            new: root.join(&change.path).symlink_metadata().ok().map(|now| now.len()),
            outside: change.state == State::U,
            path: change.path,
        })
        .collect())
}

fn show(html: &mut Html, node: &Node, newer: Option<&str>, older: &str) {
    html.raw("<ul class=differences>");
    for (name, node) in &node.below {
        html.raw("<li>");
        if let Some(difference) = &node.difference {
            line(html, difference, Path::new(name), newer, older);
        }
        if !node.below.is_empty() {
            html.raw("<details open><summary>").name(Path::new(name)).raw("/ <span class=quiet>");
            html.text(count(node)).raw("</span></summary>");
            show(html, node, newer, older);
            html.raw("</details>");
        }
        html.raw("</li>");
    }
    html.raw("</ul>");
}

fn count(node: &Node) -> usize {
    usize::from(node.difference.is_some()) + node.below.values().map(count).sum::<usize>()
}

fn line(html: &mut Html, difference: &Difference, name: &Path, newer: Option<&str>, older: &str) {
    let Difference { path, old, new, outside } = difference;
    let size = human_size;
    let (class, sign, sizes) = match (*old, *new) {
        (None, Some(new)) => ("<span class=new>", "+ ", size(new)),
        (Some(old), None) => ("<span class=gone>", "\u{2212} ", size(old)),
        (Some(old), Some(new)) if old == new => ("<span class=changed>", "~ ", size(new)),
        (Some(old), Some(new)) => {
            ("<span class=changed>", "~ ", format!("{} \u{2192} {}", size(old), size(new)))
        }
        (None, None) => ("<span class=changed>", "~ ", String::new()),
    };
    html.raw(class).raw(sign);
    let at = if new.is_some() { newer } else { None };
    html.link(&Link::Versions(path, at.or(Some(older))), name.display());
    html.raw("</span> <span class=size>").text(sizes).raw("</span>");
    if *outside {
        html.raw(" <span class=quiet>mode, owner or time</span>");
    }
}
