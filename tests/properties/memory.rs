//! A memory file and the plan made of it, on any bytes.

use std::collections::{BTreeMap, BTreeSet};

use pai_optimize::date::Date;
use pai_optimize::memory::{Document, Kind, without_separator};
use pai_optimize::plan::{self, Plan, Policy, Surroundings};
use pai_optimize::restore::weave::{Fate, Woven, weave};
use pai_optimize::summaries::Links;
use pai_optimize::{archive, conserve, summary};

/// Every byte belongs to one section; after a plan each section is found exactly once, in the new file or in the
/// archive; and the next plan finds nothing to do.
pub(crate) fn holds(bytes: &[u8]) {
    let Some((&how, bytes)) = bytes.split_first() else { return };
    let document = Document::parse(bytes, how & 1 == 1);
    let mut end = 0;
    for section in &document.sections {
        assert_eq!(section.range.start, end);
        assert!(section.range.contains(&section.heading.start) || section.heading.is_empty());
        end = section.range.end;
    }
    assert_eq!(end, bytes.len());

    let max_size = (how & 2 == 2).then_some(u64::from(how >> 2) * 16);
    let policy = Policy { today: Date::new(2025, 9, 16).expect("a day"), window: 7, roll_up: 60, max_size };
    let plan = made(&document, &BTreeSet::new(), policy);
    if !plan.changes {
        return;
    }
    let text = plan.text(&document);
    let after = Document::parse(&text, document.titles);
    conserve::memory(&document, &plan, &after).expect("every word is accounted for");
    let days = plan::departures(&document, &plan.gone);
    let mut found = counted(&after);
    for (date, sections) in &days {
        let added = archive::append(b"", sections);
        conserve::archive(b"", &added, sections).expect("every section is in its day's file");
        let file = added.concat();
        for &section in sections {
            assert!(file.windows(section.len()).any(|window| window == section), "{date}");
            *found.entry(section.to_vec()).or_default() += 1;
        }
    }
    assert_eq!(found, counted(&document), "{}", String::from_utf8_lossy(bytes));

    let archived: BTreeSet<Date> = days.keys().copied().collect();
    let again = made(&after, &archived, policy);
    assert!(!again.changes, "{}", String::from_utf8_lossy(&again.text(&after)));
    comes_back(&after, &days);
}

/// Put back, every section of the archive is in the file once more, beside everything that was there.
fn comes_back(after: &Document<'_>, days: &BTreeMap<Date, Vec<&[u8]>>) {
    let files: Vec<(Date, Vec<u8>)> =
        days.iter().map(|(&date, sections)| (date, archive::append(b"", sections).concat())).collect();
    let Woven { text, fates } = weave(after, &files);
    let mut expected = counted(after);
    for (sections, _) in days.values().zip(fates).filter(|(_, fate)| *fate == Fate::Restored) {
        for section in sections {
            *expected.entry(section.to_vec()).or_default() += 1;
        }
    }
    let woven = counted(&Document::parse(&text, after.titles));
    assert_eq!(ended(woven), ended(expected), "{}", String::from_utf8_lossy(&text));
}

/// A section's last line gets its ending when something comes to stand below it.
fn ended(counts: BTreeMap<Vec<u8>, usize>) -> BTreeMap<Vec<u8>, usize> {
    let mut ended = BTreeMap::new();
    for (section, count) in counts {
        let bare = section.strip_suffix(b"\n").unwrap_or(&section);
        *ended.entry(bare.strip_suffix(b"\r").unwrap_or(bare).to_vec()).or_default() += count;
    }
    ended
}

fn made(document: &Document<'_>, archived: &BTreeSet<Date>, policy: Policy) -> Plan {
    let links = Links { folder: "archive/memory/".to_owned(), stem: "memory".to_owned() };
    let around = Surroundings { archived, known: &BTreeSet::new(), links: &links, stamp: "now" };
    let summarised = plan::make(document, around, policy, |request| {
        let texts = request.sections.iter().map(|&section| document.text(&document.sections[section]));
        Ok(summary::line(&texts.collect::<Vec<_>>(), 120))
    });
    summarised.expect("a summary that cannot fail")
}

/// The sections that somebody wrote, and how often each stands there.
fn counted(document: &Document<'_>) -> BTreeMap<Vec<u8>, usize> {
    let mut counts = BTreeMap::new();
    for section in &document.sections {
        if !matches!(section.kind, Kind::Summaries | Kind::Recent) {
            *counts.entry(without_separator(document.text(section)).to_vec()).or_default() += 1;
        }
    }
    counts
}
