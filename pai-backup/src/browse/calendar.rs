//! The nights, month by month.

use std::collections::BTreeMap;

use pai_common::clock::{Civil, Timestamp, Zone};
use pai_common::units::counted;

use super::html::Html;
use super::link::Link;
use super::server::Answer;
use super::{Site, compare};
use crate::past::catalogue::{Catalogue, Change, Night};

/// The page.
pub(super) fn page(site: &Site<'_>) -> Answer {
    let catalogue = site.renewed();
    let mut html = Html::page(&site.token, "Nights");
    html.raw("<h1>Nights</h1><p class=quiet>+ new, \u{2212} gone, ~ changed since the night before</p>");
    if let Some(last) = catalogue.nights().last() {
        compare::chooser(&mut html, &catalogue, &last.named.name, compare::NOW);
    }
    let mut months: BTreeMap<(i32, u32), Vec<usize>> = BTreeMap::new();
    for (number, night) in catalogue.nights().iter().enumerate() {
        let civil = night.named.time.civil(Zone::Local);
        months.entry((civil.year, civil.month)).or_default().push(number);
    }
    for (&(year, month), nights) in months.iter().rev() {
        html.raw("<section><h2>").text(format!("{year:04}-{month:02}")).raw("</h2><div class=month>");
        grid(&mut html, &catalogue, (year, month), nights);
        table(&mut html, &catalogue, nights);
        html.raw("</div></section>");
    }
    Answer::page(html)
}

fn civil(catalogue: &Catalogue, night: usize) -> Civil {
    catalogue.nights()[night].named.time.civil(Zone::Local)
}

/// Seven columns, Monday first; a day with archives leads to its last one.
fn grid(html: &mut Html, catalogue: &Catalogue, (year, month): (i32, u32), nights: &[usize]) {
    html.raw("<table class=calendar><thead><tr>");
    for day in ["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"] {
        html.raw("<th scope=col>").raw(day).raw("</th>");
    }
    html.raw("</tr></thead><tbody><tr>");
    let first = weekday(year, month);
    for _ in 0..first {
        html.raw("<td></td>");
    }
    for day in 1..=days_in(year, month) {
        if day > 1 && (first + day - 1).is_multiple_of(7) {
            html.raw("</tr><tr>");
        }
        let last = nights.iter().rev().find(|&&night| civil(catalogue, night).day == day);
        match last.map(|&night| &catalogue.nights()[night]) {
            Some(night) if is_partial(night) => {
                html.raw("<td class=\"has partial\" title=\"partial\">");
                html.link(&Link::Tree(&night.named.name, "".as_ref()), format!("{day}!"));
            }
            Some(night) => {
                html.raw("<td class=has>").link(&Link::Tree(&night.named.name, "".as_ref()), day);
            }
            None => {
                html.raw("<td>").text(day);
            }
        }
        html.raw("</td>");
    }
    html.raw("</tr></tbody></table>");
}

/// One line a night: what it is, and what changed.
fn table(html: &mut Html, catalogue: &Catalogue, nights: &[usize]) {
    html.raw("<ul class=nights>");
    for &number in nights.iter().rev() {
        let night = &catalogue.nights()[number];
        let name = &night.named.name;
        let civil = civil(catalogue, number);
        html.raw("<li>")
            .link(&Link::Tree(name, "".as_ref()), format!("{} {}", civil.date(), &civil.time()[..5]));
        html.raw(" ")
            .size(night.size)
            .raw("<span class=quiet>, ")
            .text(counted(night.totals.files, "file", "files"))
            .raw("</span> ");
        // What a damaged archive does not tell was not deleted.
        let before = (0..number).rev().find(|&before| !catalogue.nights()[before].damaged);
        if let Some(before) = before.filter(|_| !night.damaged) {
            let older = &catalogue.nights()[before].named.name;
            html.link(&Link::Compare(older, name), counts(&catalogue.differences(before, number)));
        }
        if is_partial(night) {
            html.raw(if night.damaged {
                " <strong class=warn>damaged"
            } else {
                " <strong class=warn>partial"
            });
            if night.incomplete > 0 {
                html.text(format!(": {} left out or cut", night.incomplete));
            }
            html.raw("</strong>");
        }
        html.raw("</li>");
    }
    html.raw("</ul>");
}

/// Whether it does not hold all that was there.
pub(super) fn is_partial(night: &Night) -> bool {
    night.incomplete > 0 || night.damaged
}

/// `+1 -2 ~3`: new, gone, changed; what is none is left out.
pub(super) fn counts(changes: &[Change]) -> String {
    let count = |is: fn(&Change) -> bool| changes.iter().filter(|change| is(change)).count();
    let new = count(|change| change.old.is_none());
    let gone = count(|change| change.new.is_none());
    match (new, gone, changes.len() - new - gone) {
        (0, 0, 0) => "unchanged".to_owned(),
        counts => {
            let parts = [('+', counts.0), ('\u{2212}', counts.1), ('~', counts.2)];
            let parts = parts.iter().filter(|(_, count)| *count > 0);
            parts.map(|(sign, count)| format!("{sign}{count}")).collect::<Vec<_>>().join(" ")
        }
    }
}

fn days_in(year: i32, month: u32) -> u32 {
    (28..=31).rev().find(|&day| noon(year, month, day).is_some()).unwrap_or(28)
}

fn noon(year: i32, month: u32, day: u32) -> Option<Timestamp> {
    Timestamp::from_civil(Zone::Utc, (year, month, day), (12, 0, 0))
}

/// The weekday of a month's first day, 0 for Monday. The first day of 1970 was a Thursday.
fn weekday(year: i32, month: u32) -> u32 {
    let days = noon(year, month, 1).map_or(0, |noon| noon.secs().div_euclid(86_400));
    (days + 3).rem_euclid(7) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_and_end_where_they_do() {
        for (year, month, first, days) in
            [(2026, 11, 6, 30), (2024, 2, 3, 29), (2025, 2, 5, 28), (1969, 12, 0, 31)]
        {
            assert_eq!((weekday(year, month), days_in(year, month)), (first, days), "{year}-{month}");
        }
    }
}
