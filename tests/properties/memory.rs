//! A memory file and the plan made of it, on any bytes.

use std::collections::{BTreeMap, BTreeSet};

use pai_optimize::date::Date;
use pai_optimize::memory::{Document, Kind, without_separator};
use pai_optimize::plan::{self, Plan, Policy, Surroundings};
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

    let archived: BTreeSet<Date> = days.into_keys().collect();
    let again = made(&after, &archived, policy);
    assert!(!again.changes, "{}", String::from_utf8_lossy(&again.text(&after)));
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
