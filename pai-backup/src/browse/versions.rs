//! A file's versions as a line of dots, and how one differs from the one before, side by side.

use std::path::Path;

use pai_common::clock::Zone;
use pai_common::sha256;

use super::Site;
use super::html::Html;
use super::link::Link;
use super::server::Answer;
use crate::past::catalogue::{Catalogue, Thing};
use crate::past::chronicle::{self, Event};
use crate::past::texts::{NoText, Side, Texts, side_by_side};

/// One dot.
struct Dot<'a> {
    path: u32,
    first: usize,
    last: usize,
    thing: &'a Thing,
}

/// The page; `None` if no archive has the path. `at` is an archive: its version is shown, or the newest.
pub(super) fn page(site: &Site<'_>, path: &Path, at: Option<&str>) -> anyhow::Result<Option<Answer>> {
    let catalogue = site.catalogue();
    let Some(number) = catalogue.number_of(path) else { return Ok(None) };
    let events = chronicle::of(&catalogue, number);
    let dots: Vec<Dot<'_>> = events
        .iter()
        .filter_map(|event| match *event {
            Event::Version { path, first, last, thing, .. } => Some(Dot { path, first, last, thing }),
            _ => None,
        })
        .collect();
    let night = at.and_then(|at| catalogue.night_of(at));
    let chosen = night.and_then(|night| dots.iter().position(|dot| dot.first <= night && night <= dot.last));
    let chosen = chosen.unwrap_or(0);
    let mut html = Html::page(&site.token, path.display());
    html.raw("<h1>").name(path).raw("</h1><ol class=dots reversed>");
    let mut version = 0;
    for event in &events {
        match *event {
            Event::Version { .. } => {
                dot(&mut html, &catalogue, path, &dots[version], version == chosen);
                version += 1;
            }
            Event::Gone { by, to, .. } => {
                html.raw("<li class=note>");
                match to {
                    Some(to) => html
                        .raw("became ")
                        .link(&Link::Versions(catalogue.path(to), None), catalogue.path(to).display()),
                    None => html.raw("deleted"),
                };
                html.raw(" by ").text(date(&catalogue, by)).raw("</li>");
            }
            Event::Was { from, last, .. } => {
                html.raw("<li class=note>was ").name(catalogue.path(from));
                html.raw(" until ").text(date(&catalogue, last)).raw("</li>");
            }
        }
    }
    html.raw("</ol>");
    if let Some(dot) = dots.get(chosen) {
        let archive = &catalogue.nights()[dot.last].named.name;
        let path = catalogue.path(dot.path);
        html.raw("<p class=actions>").link(&Link::Text(archive, path), "Whole text");
        html.link(&Link::Get(archive, path), "Download");
        html.link(&Link::Tree(archive, path.parent().unwrap_or(Path::new(""))), "Its folder that night");
        html.raw("</p>");
        difference(&mut html, site, &catalogue, dots.get(chosen + 1), dot)?;
    }
    Ok(Some(Answer::page(html)))
}

fn date(catalogue: &Catalogue, night: usize) -> String {
    catalogue.nights()[night].named.time.civil(Zone::Local).date()
}

fn dot(html: &mut Html, catalogue: &Catalogue, page: &Path, dot: &Dot<'_>, chosen: bool) {
    let archive = &catalogue.nights()[dot.last].named.name;
    html.raw(if chosen { "<li class=chosen aria-current=true>" } else { "<li>" });
    let (first, last) = (date(catalogue, dot.first), date(catalogue, dot.last));
    let text = if first == last { first } else { format!("{first} to {last}") };
    html.link(&Link::Versions(page, Some(archive)), text).raw(" ").size(dot.thing.size);
    if let Some(digest) = &dot.thing.digest {
        html.raw(" <code class=quiet>").text(&sha256::to_hex(digest)[..12]).raw("</code>");
    }
    html.raw("</li>");
}

/// The difference from the version before; of the first the whole text.
fn difference(
    html: &mut Html,
    site: &Site<'_>,
    catalogue: &Catalogue,
    old: Option<&Dot<'_>>,
    new: &Dot<'_>,
) -> anyhow::Result<()> {
    let mut texts = Texts::new(&site.place, site.run);
    let mut read = |dot: &Dot<'_>| {
        texts.read(&catalogue.nights()[dot.last].named.name, catalogue.path(dot.path), dot.thing)
    };
    let before = old.map_or(Ok(Ok(Vec::new())), &mut read)?;
    let (before, after) = match (before, read(new)?) {
        (Ok(before), Ok(after)) => (before, after),
        (Err(why), _) | (_, Err(why)) => {
            html.raw("<p>").raw(why_not(why)).raw("</p>");
            return Ok(());
        }
    };
    html.raw("<div class=scroll><table class=sides><thead><tr><th scope=col>");
    match old {
        Some(old) => html.text(date(catalogue, old.last)),
        None => html.raw("not there"),
    };
    html.raw("</th><th scope=col>").text(date(catalogue, new.last)).raw("</th></tr></thead><tbody>");
    for row in side_by_side(&before, &after) {
        match row {
            Side::Skipped => {
                html.raw("<tr class=skipped><td colspan=2>\u{22ef}</td></tr>");
            }
            Side::Same(line) => {
                html.raw("<tr><td><pre>").text(shown(&line)).raw("</pre></td><td><pre>");
                html.text(shown(&line)).raw("</pre></td></tr>");
            }
            Side::Differs(old, new) => {
                html.raw("<tr>");
                for (line, class, sign) in
                    [(old, "<td class=gone>", "\u{2212}"), (new, "<td class=new>", "+")]
                {
                    match line {
                        Some(line) => {
                            html.raw(class).raw("<pre><b>").raw(sign).raw("</b>");
                            html.text(shown(&line)).raw("</pre></td>")
                        }
                        None => html.raw("<td class=none></td>"),
                    };
                }
                html.raw("</tr>");
            }
        }
    }
    html.raw("</tbody></table></div>");
    Ok(())
}

fn shown(line: &[u8]) -> String {
    String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line)).into_owned()
}

fn why_not(why: NoText) -> &'static str {
    match why {
        NoText::NoFile => "This is no file.",
        NoText::Binary => "This is no text: download it to see it.",
        NoText::Long => "This is too long to show: download it to see it.",
    }
}

/// The whole text that an archive has at a path.
pub(super) fn text(site: &Site<'_>, night: &str, path: &Path) -> anyhow::Result<Option<Answer>> {
    let catalogue = site.catalogue();
    let Some(number) = catalogue.night_of(night) else { return Ok(None) };
    let Some(thing) = catalogue.file_at(number, path) else { return Ok(None) };
    let mut html = Html::page(&site.token, path.display());
    html.raw("<h1>").name(path).raw(" <span class=quiet>").text(date(&catalogue, number)).raw("</span></h1>");
    html.raw("<p class=actions>").link(&Link::Versions(path, Some(night)), "Versions");
    html.link(&Link::Get(night, path), "Download").raw("</p>");
    match Texts::new(&site.place, site.run).read(night, path, thing)? {
        Ok(text) => html.raw("<pre class=text>\n").text(String::from_utf8_lossy(&text)).raw("</pre>"),
        Err(why) => html.raw("<p>").raw(why_not(why)).raw("</p>"),
    };
    Ok(Some(Answer::page(html)))
}
