//! The nights, month by month.

use std::collections::BTreeMap;

use pai_common::clock::{Civil, Timestamp, Zone};
use pai_common::units::{counted, human_size};

use super::html::Html;
use super::link::Link;
use super::server::Answer;
use super::{Site, compare, short};
use crate::past::catalogue::{Catalogue, Change, Night};

/// The page.
pub(super) fn page(site: &Site<'_>) -> Answer {
    let catalogue = site.renewed();
    let mut html = Html::page(&site.token, "Nights");
    html.raw(
        "<h1>Nights</h1><p class=quiet>A day shows its last archive: the size, and what is + new, \u{2212} gone, ~ changed \
         since the last day before that has one.</p>",
    );
    if let Some(last) = catalogue.nights().last() {
        compare::chooser(&mut html, &catalogue, &last.named.name, compare::NOW);
    }
    let changed: Vec<Option<(usize, Counts)>> =
        (0..catalogue.nights().len()).map(|night| Counts::since(&catalogue, night, night)).collect();
    let mut months: BTreeMap<(i32, u32), Vec<usize>> = BTreeMap::new();
    for (number, night) in catalogue.nights().iter().enumerate() {
        let civil = night.named.time.civil(Zone::Local);
        months.entry((civil.year, civil.month)).or_default().push(number);
    }
    for (&(year, month), nights) in months.iter().rev() {
        html.raw("<section><h2>").text(format!("{year:04}-{month:02}")).raw("</h2><div class=month>");
        grid(&mut html, &catalogue, (year, month), nights, &changed);
        table(&mut html, &catalogue, nights, &changed);
        html.raw("</div></section>");
    }
    Answer::page(html)
}

fn civil(catalogue: &Catalogue, night: usize) -> Civil {
    catalogue.nights()[night].named.time.civil(Zone::Local)
}

/// Seven columns, Monday first; a day with archives leads to its last one.
fn grid(
    html: &mut Html,
    catalogue: &Catalogue,
    (year, month): (i32, u32),
    nights: &[usize],
    changed: &[Option<(usize, Counts)>],
) {
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
        match nights.iter().rev().find(|&&night| civil(catalogue, night).day == day) {
            Some(&night) => {
                let first = nights.iter().copied().find(|&night| civil(catalogue, night).day == day);
                let counts = match first.filter(|&first| first != night) {
                    Some(first) => Counts::since(catalogue, first, night),
                    None => changed[night],
                };
                cell(html, day, &catalogue.nights()[night], counts);
            }
            None => {
                html.raw("<td>").text(day).raw("</td>");
            }
        }
    }
    html.raw("</tr></tbody></table>");
}

/// A day with an archive.
fn cell(html: &mut Html, day: u32, night: &Night, counts: Option<(usize, Counts)>) {
    let counts = counts.map(|(_, counts)| counts);
    let partial = is_partial(night);
    html.raw(if partial { "<td class=\"has partial\" title=\"" } else { "<td class=has title=\"" });
    html.text(state(night).map_or_else(String::new, |state| format!("{state}, ")))
        .text(human_size(night.size));
    if let Some(counts) = counts {
        html.text(format!(": {} new, {} gone, {} changed", counts.new, counts.gone, counts.changed));
    }
    html.raw("\">").open(&Link::Tree(&night.named.name, "".as_ref())).raw("<b>").text(day);
    html.raw(if partial { "!</b>" } else { "</b>" });
    html.raw("<span class=bytes>").text(short::size(night.size)).raw("</span>");
    if let Some(counts) = counts {
        html.raw("<span class=counts>").text(counts.shown(short::count, "same")).raw("</span>");
    }
    html.raw("</a></td>");
}

/// One line a night: what it is, and what changed.
fn table(html: &mut Html, catalogue: &Catalogue, nights: &[usize], changed: &[Option<(usize, Counts)>]) {
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
        if let Some((before, counts)) = changed[number] {
            let older = &catalogue.nights()[before].named.name;
            html.link(&Link::Compare(older, name), counts.shown(|count| count.to_string(), "unchanged"));
        }
        if let Some(state) = state(night) {
            html.raw(" <strong class=warn>").text(state);
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
    state(night).is_some()
}

/// What is wrong with it.
fn state(night: &Night) -> Option<&'static str> {
    match night {
        Night { damaged: true, .. } => Some("damaged"),
        Night { incomplete: 1.., .. } => Some("partial"),
        _ => None,
    }
}

/// How many entries differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    new: usize,
    gone: usize,
    changed: usize,
}

impl Counts {
    fn of(changes: &[Change]) -> Self {
        let count = |is: fn(&Change) -> bool| changes.iter().filter(|change| is(change)).count();
        let (new, gone) = (count(|change| change.old.is_none()), count(|change| change.new.is_none()));
        Self { new, gone, changed: changes.len() - new - gone }
    }

    /// What a night differs in from the last one before `earliest` that is not damaged, and which one that is. What a
    /// damaged archive does not tell was not deleted.
    fn since(catalogue: &Catalogue, earliest: usize, night: usize) -> Option<(usize, Self)> {
        let nights = catalogue.nights();
        let before = (0..earliest).rev().find(|&before| !nights[before].damaged)?;
        (!nights[night].damaged).then(|| (before, Self::of(&catalogue.differences(before, night))))
    }

    /// `+1 -2 ~3`: new, gone, changed; what is none is left out.
    fn shown(self, figure: fn(usize) -> String, none: &str) -> String {
        let parts = [('+', self.new), ('\u{2212}', self.gone), ('~', self.changed)];
        let parts = parts.into_iter().filter(|(_, count)| *count > 0);
        let parts: Vec<String> = parts.map(|(sign, count)| format!("{sign}{}", figure(count))).collect();
        if parts.is_empty() { none.to_owned() } else { parts.join(" ") }
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

    #[test]
    fn what_differs_is_counted_by_kind_and_what_is_none_is_left_out() {
        let change = |old, new| Change { path: 0, old, new };
        let changes = [change(None, Some(1)), change(Some(1), None), change(Some(1), Some(2))];
        let all = Counts::of(&[&changes[..], &changes[2..]].concat());
        assert_eq!(all, Counts { new: 1, gone: 1, changed: 2 });
        assert_eq!(all.shown(|count| count.to_string(), ""), "+1 \u{2212}1 ~2");
        assert_eq!(Counts { gone: 0, changed: 1500, ..all }.shown(short::count, "same"), "+1 ~1.5k");
        assert_eq!(Counts::of(&[]).shown(short::count, "same"), "same");
    }
}
