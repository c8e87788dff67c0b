//! A folder at a night.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use pai_common::clock::Zone;

use super::Site;
use super::calendar::is_partial;
use super::html::Html;
use super::link::Link;
use super::server::Answer;
use crate::entry::Kind;
use crate::past::catalogue::{Catalogue, Thing};

/// One line of a folder.
#[derive(Default)]
struct Line<'a> {
    thing: Option<&'a Thing>,
    /// Bytes of it and of all below it.
    size: u64,
    /// Files below it.
    files: u64,
}

/// The page; `None` if the archive has no such folder.
pub(super) fn page(site: &Site<'_>, night: &str, folder: &Path) -> Option<Answer> {
    let catalogue = site.catalogue();
    let number = catalogue.night_of(night)?;
    let lines = lines(&catalogue, number, folder);
    let is_top = folder.as_os_str().is_empty();
    if lines.is_empty() && !is_top && !is_folder(&catalogue, number, folder) {
        return None;
    }
    let about = &catalogue.nights()[number];
    let civil = about.named.time.civil(Zone::Local);
    let mut html = Html::page(&site.token, format!("{} {}", civil.date(), folder.display()));
    html.raw("<h1>").text(civil.date()).raw(" <span class=quiet>").text(civil.time()).raw("</span></h1>");
    if is_partial(about) {
        html.raw("<p class=warn>This archive is partial: not all that was there is in it.</p>");
    }
    crumbs(&mut html, night, folder);
    html.raw("<p class=actions>").link(&Link::Get(night, folder), "Download as tar.gz");
    if is_top {
        if let Some(before) = number.checked_sub(1) {
            html.link(
                &Link::Compare(&catalogue.nights()[before].named.name, night),
                "Since the night before",
            );
        }
        html.link(&Link::Compare(night, "now"), "Until now");
        if catalogue.thing_at(number, Path::new("memory.md")).is_some() {
            html.link(&Link::Memory(night), "Memory");
        }
    }
    html.raw("</p><table class=files><thead><tr><th scope=col>Name</th><th scope=col>Size</th><th scope=col>Changed</th></tr></thead><tbody>");
    for (name, line) in &lines {
        row(&mut html, night, &folder.join(name), name, line);
    }
    html.raw("</tbody></table>");
    Some(Answer::page(html))
}

fn is_folder(catalogue: &Catalogue, night: usize, folder: &Path) -> bool {
    catalogue.thing_at(night, folder).is_some_and(|thing| thing.kind == Kind::Folder)
}

/// What is directly in a folder, with the sums of what is below.
fn lines<'a>(catalogue: &'a Catalogue, night: usize, folder: &Path) -> BTreeMap<&'a OsStr, Line<'a>> {
    let mut lines: BTreeMap<&OsStr, Line<'_>> = BTreeMap::new();
    for (path, thing) in catalogue.held(night) {
        let (path, thing) = (catalogue.path(path), catalogue.thing(thing));
        let Ok(below) = path.strip_prefix(folder) else { continue };
        let mut parts = below.components();
        let Some(first) = parts.next() else { continue };
        let line = lines.entry(first.as_os_str()).or_default();
        if parts.next().is_none() {
            line.thing = Some(thing);
        }
        line.size += thing.size;
        line.files += u64::from(matches!(thing.kind, Kind::File | Kind::HardLink));
    }
    lines
}

fn row(html: &mut Html, night: &str, path: &Path, name: &OsStr, line: &Line<'_>) {
    html.raw("<tr><td>");
    let is_folder = line.thing.is_none_or(|thing| thing.kind == Kind::Folder);
    match line.thing {
        _ if is_folder => {
            html.link(&Link::Tree(night, path), format!("{}/", name.display()));
            html.raw(" <span class=quiet>").text(line.files).raw("</span>");
        }
        Some(thing) if thing.kind == Kind::Symlink => {
            html.name(Path::new(name)).raw(" \u{2192} ").name(&thing.link);
        }
        _ => {
            html.link(&Link::Versions(path, Some(night)), name.display());
        }
    }
    html.raw("</td><td>").size(line.size).raw("</td><td class=quiet>");
    if let Some(thing) = line.thing {
        let civil = thing.mtime.civil(Zone::Local);
        html.text(format!("{} {}", civil.date(), &civil.time()[..5]));
    }
    html.raw("</td></tr>");
}

/// The way from the top to a folder.
pub(super) fn crumbs(html: &mut Html, night: &str, folder: &Path) {
    html.raw("<p class=crumbs>").link(&Link::Tree(night, Path::new("")), "top");
    let mut path = PathBuf::new();
    for part in folder.components() {
        path.push(part);
        html.raw(" / ").link(&Link::Tree(night, &path), part.as_os_str().display());
    }
    html.raw("</p>");
}
