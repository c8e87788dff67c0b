//! The line of a day, a month or a year: by the user's own command, or an extract.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;
use pai_common::signal;

use super::{Job, LINE};
use crate::archive::Listing;
use crate::date::Date;
use crate::dated;
use crate::journal::Journal;
use crate::memory::{Document, Kind};
use crate::notes::{self, Move};
use crate::plan::{ArchivedNote, Request};
use crate::summaries::{Span, percent_encode};
use crate::summarizer::AnswerCache;
use crate::summary;

impl Job {
    /// Returns the notes that are in the archive or go there in this run, and the path of each as it is now.
    pub(super) fn archived_notes(
        &self,
        listing: &Listing,
        moves: &[Move],
    ) -> (Vec<ArchivedNote>, Vec<PathBuf>) {
        let archived = self.archive.notes();
        let mut notes: BTreeMap<(Date, OsString), PathBuf> = listing
            .notes
            .iter()
            .map(|note| ((note.date, note.name.clone()), archived.join(&note.name)))
            .collect();
        for note in moves {
            let date = notes::date_of(note.name().as_encoded_bytes());
            notes.extend(date.map(|date| ((date, note.name().to_owned()), note.from().to_owned())));
        }
        let encoded = |name: &OsString| percent_encode(name.as_encoded_bytes());
        notes
            .into_iter()
            .map(|((date, name), path)| (ArchivedNote { date, name: encoded(&name) }, path))
            .unzip()
    }

    pub(super) fn summarise(
        &self,
        document: &Document<'_>,
        (listing, notes): (&Listing, &[PathBuf]),
        request: &Request,
        answers: &mut AnswerCache,
        journal: &mut Journal<'_>,
    ) -> anyhow::Result<String> {
        signal::check()?;
        let texts = self.originals(document, (listing, notes), request)?;
        let texts: Vec<&[u8]> = texts.iter().map(AsRef::as_ref).collect();
        let day = request.period.span() == Span::Day;
        let extract = || {
            if day { summary::line(&texts, LINE) } else { summary::period(request.dates.len(), &texts, LINE) }
        };
        let line = match &self.summarizer {
            None => extract(),
            Some(summarizer) => match answers.line(summarizer, &texts)? {
                Ok(line) => line,
                Err(failure) => {
                    journal.warn(format_args!(
                        "The summarizer gave no line for {}, an extract stands in: {failure}",
                        request.period
                    ))?;
                    extract()
                }
            },
        };
        if !day {
            return Ok(summary::cut(&line, LINE));
        }
        let note = request.notes.first().and_then(|_| summary::heading(texts.first()?));
        // A list item begins with the date that the line begins with.
        let line = dated::without_leading(&line, self.reading.order);
        let mut titles: Vec<String> =
            note.map(|heading| dated::title(&heading, self.reading.order)).into_iter().collect();
        // From the texts, not from what goes now: a run that was cut short and the next one come to the same line.
        for text in texts.iter().filter(|_| request.notes.is_empty()) {
            let inside = Document::parse(text, self.reading);
            let entries = inside.sections.iter().filter(|section| section.date().is_some());
            titles.extend(entries.filter_map(|section| inside.title(section)));
        }
        let mut told: Vec<&str> = Vec::new();
        for title in titles.iter().filter(|title| !title.is_empty()) {
            if !told.contains(&title.as_str()) {
                told.push(title);
            }
        }
        Ok(if told.is_empty() {
            summary::cut(line, LINE)
        } else {
            summary::cut(&format!("{}: {line}", told.join("; ")), LINE)
        })
    }

    /// Returns the texts that a period's line stands for, ordered by day: a run that was cut short and the next one
    /// come to the same line.
    fn originals<'a>(
        &self,
        document: &Document<'a>,
        (listing, notes): (&Listing, &[PathBuf]),
        request: &Request,
    ) -> anyhow::Result<Vec<Cow<'a, [u8]>>> {
        let mut texts = Vec::with_capacity(request.dates.len());
        for &note in &request.notes {
            let path = &notes[note];
            let date = path.file_name().and_then(|name| notes::date_of(name.as_encoded_bytes()));
            let bytes = std::fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
            texts.push((date, Cow::Owned(bytes)));
        }
        let is_note = request.period.span() == Span::Day && !request.notes.is_empty();
        let days = request.dates.iter().filter(|date| !is_note && listing.dates.contains(date));
        for &date in days {
            texts.push((Some(date), Cow::Owned(self.archive.read(date)?)));
        }
        for section in request.sections.iter().map(|&section| &document.sections[section]) {
            let date = match section.kind {
                Kind::Dated(date) => Some(date),
                _ => None,
            };
            texts.push((date, Cow::Borrowed(document.text(section))));
        }
        texts.sort_by_key(|(date, _)| *date);
        Ok(texts.into_iter().map(|(_, text)| text).collect())
    }
}
