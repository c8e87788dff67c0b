//! A memory file and the plan made of it, on any bytes.

use std::collections::{BTreeMap, BTreeSet};

use pai_optimize::date::Date;
use pai_optimize::dated::Order;
use pai_optimize::ledger::{self, Ledger};
use pai_optimize::memory::{Document, Headings, Kind, Reading, without_separator};
use pai_optimize::plan::{self, Budget, Plan, PlanInput, Policy};
use pai_optimize::restore::merge::{Day, Merged, Outcome, merge};
use pai_optimize::summaries::Links;
use pai_optimize::{archive, conserve, summary};

/// Every byte belongs to one section; after a plan each section is found exactly once, in the new file or in the
/// archive; and the next plan finds nothing to do.
pub(crate) fn holds(bytes: &[u8]) {
    let Some((&how, bytes)) = bytes.split_first() else { return };
    let headings = match (how & 64, how & 1) {
        (0, 0) => Headings::Exact,
        (0, _) => Headings::Titles,
        _ => Headings::Dated,
    };
    let order = Some(Order::Dmy).filter(|_| how & 1 == 1);
    let reading = Reading { headings, order, bullets: how & 128 == 128 };
    let document = Document::parse(bytes, reading);
    let mut end = 0;
    for section in &document.sections {
        assert_eq!(section.range.start, end);
        assert!(section.range.contains(&section.heading.start) || section.heading.is_empty());
        end = section.range.end;
    }
    assert_eq!(end, bytes.len());

    let max_size = (how & 2 == 2).then_some(u64::from(how >> 2) * 16);
    let policy = Policy {
        today: Date::new(2025, 9, 16).expect("a day"),
        window: 7,
        roll_up: 60,
        budget: Budget { bytes: max_size, lines: None },
    };
    let plan = made(&document, &BTreeSet::new(), policy);
    if !plan.changes {
        return;
    }
    let text = plan.text(&document);
    let after = Document::parse(&text, document.reading);
    // Refused before anything is written: what such a file is without its list items is not what it was.
    if reading.bullets && conserve::memory(&document, &plan, &after).is_err() {
        return;
    }
    conserve::memory(&document, &plan, &after).expect("every word is accounted for");
    let days = plan::texts_by_day(&document, &plan.to_archive);
    let mut found = counted(&after);
    let mut ledger = Ledger::default();
    let sections_by_day = plan::sections_by_day(&document, &plan.to_archive);
    for (date, sections) in &days {
        let added = archive::append(b"", sections);
        conserve::archive(b"", &added, sections).expect("every section is in its day's file");
        conserve::entries(b"", &added, sections).expect("every entry has bytes of its own");
        let positions = sections_by_day[date].iter().map(|&number| ledger::position(&document, number));
        ledger.add(ledger::recorded(*date, 0, &added, sections, positions));
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
    comes_back(&after, &days, &ledger);
}

/// Put back, every section of the archive is in the file once more, beside everything that was there.
fn comes_back(after: &Document<'_>, days: &BTreeMap<Date, Vec<&[u8]>>, ledger: &Ledger) {
    let plain = after.reading.headings != Headings::Dated && !after.reading.bullets;
    // An entry that ends in an open fence goes last, whatever its level: it may come to be a part of the one above.
    let open = |section: &&[u8]| Document::parse(section, Reading::TITLES).unclosed;
    if !plain && days.values().flatten().any(open) {
        return;
    }
    let files: Vec<Day> = days
        .iter()
        .map(|(&date, sections)| {
            let bytes = archive::append(b"", sections).concat();
            assert!(ledger.holds(date, &bytes, sections).iter().all(|held| *held), "{date} is known again");
            if plain { Day::whole(date, bytes) } else { Day::split(date, bytes, ledger) }
        })
        .collect();
    let Merged { text, outcomes } = merge(after, &files);
    if !plain {
        let merged = Document::parse(&text, after.reading);
        conserve::merged(after, &files, &outcomes, &merged).expect("what comes back makes nothing else go");
        return;
    }
    let mut expected = counted(after);
    for (sections, _) in days.values().zip(outcomes).filter(|(_, outcome)| *outcome == Outcome::Restored) {
        for section in sections {
            *expected.entry(section.to_vec()).or_default() += 1;
        }
    }
    let merged = counted(&Document::parse(&text, after.reading));
    assert_eq!(ended(merged), ended(expected), "{}", String::from_utf8_lossy(&text));
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
    let input = PlanInput { archived, notes: &[], known: &BTreeSet::new(), links: &links, stamp: "now" };
    let summarised = plan::make(document, input, policy, |request| {
        let texts = request.sections.iter().map(|&section| document.text(&document.sections[section]));
        Ok(summary::line(&texts.collect::<Vec<_>>(), 120))
    });
    summarised.expect("a summary that cannot fail")
}

/// The sections that somebody wrote, and how often each stands there.
fn counted(document: &Document<'_>) -> BTreeMap<Vec<u8>, usize> {
    let mut counts = BTreeMap::new();
    for section in &document.sections {
        // The text around list items that go comes to be one piece: the check of the plan has put it together.
        let counts_here = !document.reading.bullets || section.date().is_some();
        if counts_here && !matches!(section.kind, Kind::Summaries | Kind::Recent) {
            *counts.entry(without_separator(document.text(section)).to_vec()).or_default() += 1;
        }
    }
    counts
}
