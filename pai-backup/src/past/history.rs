//! `history`: every version of a file.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use pai_common::clock::Timestamp;
use pai_common::exit::Exit;
use pai_common::hint::Hinted;
use pai_common::output::Output;
use pai_common::sha256;
use pai_common::units::{counted, human_size};
use serde::Serialize;

use super::catalogue::{Catalogue, Thing};
use super::chronicle::{self, Event};
use super::nights::Place;
use super::texts::{NoText, Texts, lines_with, unified};
use crate::Context;
use crate::cli::History;
use crate::entry::{Kind, without_dots};

/// Runs `history`.
pub(crate) fn run(args: &History, run: &Context<'_>) -> anyhow::Result<Exit> {
    let place = Place::of(run)?;
    let catalogue = Catalogue::load(&place, run)?;
    let path = in_workspace(&args.path, run);
    let Some(number) = catalogue.number_of(&path) else { return Err(not_found(&path, &catalogue)) };
    let events = chronicle::of(&catalogue, number);
    let mut teller = Teller { catalogue: &catalogue, texts: Texts::new(&place, run), args };
    let mut out = Output::stdout(args.json);
    let mut any = false;
    for (at, event) in events.iter().enumerate() {
        let Some(row) = teller.row(event, older(&events[at + 1..]))? else { continue };
        any = true;
        out.record(&row, |text| row.write(text))?;
    }
    out.finish()?;
    if is_folder(&events) {
        run.console
            .note(format_args!("it is a folder: pai-backup find '{}/**' shows its files", path.display()));
    }
    Ok(Exit::partial_if(!any || run.console.complaints() > 0))
}

/// The path as archives have it.
fn in_workspace(named: &Path, run: &Context<'_>) -> PathBuf {
    let inside = || {
        let home = run.place.workspace.resolve().ok()?;
        Some(named.strip_prefix(home.root()).ok()?.to_owned())
    };
    let inside = if named.is_absolute() { inside() } else { None };
    without_dots(inside.as_deref().unwrap_or(named))
}

fn not_found(path: &Path, catalogue: &Catalogue) -> anyhow::Error {
    let archives = counted(catalogue.nights().len() as u64, "archive", "archives");
    let error = anyhow!("could not find {} in any of {archives}", path.display());
    let name = path.file_name().unwrap_or_default().display();
    Hinted::new(error, format!("pai-backup find '*{name}*' looks for names")).into()
}

fn is_folder(events: &[Event<'_>]) -> bool {
    matches!(events.first(), Some(Event::Version { thing, .. }) if thing.kind == Kind::Folder)
}

/// The version before, under whatever name.
fn older<'a, 'b>(events: &'b [Event<'a>]) -> Option<&'b Event<'a>> {
    events.iter().find(|event| matches!(event, Event::Version { .. }))
}

/// One line, or a version with its difference.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Row {
    /// One content.
    Version {
        path: String,
        first: Timestamp,
        last: Timestamp,
        archives: usize,
        kind: &'static str,
        size: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        link: Option<String>,
        /// The last archive that has it.
        archive: String,
        /// How many lines hold the word.
        #[serde(skip_serializing_if = "Option::is_none")]
        lines: Option<usize>,
        /// How it differs from the version before.
        #[serde(skip_serializing_if = "Option::is_none")]
        diff: Option<String>,
        /// The same as bytes.
        #[serde(skip)]
        bytes: Vec<u8>,
    },
    /// It was not there any more.
    Deleted {
        path: String,
        last: Timestamp,
        by: Timestamp,
        #[serde(skip_serializing_if = "Option::is_none")]
        back: Option<Timestamp>,
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<String>,
        archive: String,
    },
    /// It had another name.
    Renamed { from: String, to: String, last: Timestamp, first: Timestamp },
}

struct Teller<'a> {
    catalogue: &'a Catalogue,
    texts: Texts<'a>,
    args: &'a History,
}

impl Teller<'_> {
    fn time(&self, night: usize) -> Timestamp {
        self.catalogue.nights()[night].named.time
    }

    fn archive(&self, night: usize) -> &str {
        &self.catalogue.nights()[night].named.name
    }

    fn path(&self, path: u32) -> String {
        self.catalogue.path(path).to_string_lossy().into_owned()
    }

    /// What is told of an event; `older` is the version before it.
    fn row(&mut self, event: &Event<'_>, older: Option<&Event<'_>>) -> anyhow::Result<Option<Row>> {
        let only_versions = self.args.grep.is_some();
        Ok(match *event {
            Event::Version { path, first, last, archives, thing } => {
                let lines = self.lines(path, last, thing)?;
                if lines == Some(0) {
                    return Ok(None);
                }
                let bytes = self.diff(event, older)?;
                Some(Row::Version {
                    path: self.path(path),
                    first: self.time(first),
                    last: self.time(last),
                    archives,
                    kind: thing.kind.word(),
                    size: thing.size,
                    sha256: thing.digest.as_ref().map(sha256::to_hex),
                    link: (!thing.link.as_os_str().is_empty())
                        .then(|| thing.link.to_string_lossy().into_owned()),
                    archive: self.archive(last).to_owned(),
                    lines,
                    diff: bytes.as_ref().map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
                    bytes: bytes.unwrap_or_default(),
                })
            }
            _ if only_versions => None,
            Event::Gone { path, last, by, back, to } => Some(Row::Deleted {
                path: self.path(path),
                last: self.time(last),
                by: self.time(by),
                back: back.map(|back| self.time(back)),
                to: to.map(|to| self.path(to)),
                archive: self.archive(last).to_owned(),
            }),
            Event::Was { path, from, last, first } => Some(Row::Renamed {
                from: self.path(from),
                to: self.path(path),
                last: self.time(last),
                first: self.time(first),
            }),
        })
    }

    /// How many lines hold the word, if one is asked for.
    fn lines(&mut self, path: u32, night: usize, thing: &Thing) -> anyhow::Result<Option<usize>> {
        let Some(word) = &self.args.grep else { return Ok(None) };
        let text = self.text(path, night, thing)?;
        Ok(Some(text.map_or(0, |text| lines_with(&text, word.as_bytes()))))
    }

    fn text(&mut self, path: u32, night: usize, thing: &Thing) -> anyhow::Result<Result<Vec<u8>, NoText>> {
        let archive = &self.catalogue.nights()[night].named.name;
        self.texts.read(archive, self.catalogue.path(path), thing)
    }

    /// How a version differs from the one before, if that is asked for; the oldest differs from none.
    fn diff(&mut self, new: &Event<'_>, old: Option<&Event<'_>>) -> anyhow::Result<Option<Vec<u8>>> {
        let (
            &Event::Version { path, last, thing, .. },
            Some(&Event::Version { path: old_path, last: old_last, thing: old_thing, .. }),
            true,
        ) = (new, old, self.args.diff)
        else {
            return Ok(None);
        };
        let texts = (self.text(old_path, old_last, old_thing)?, self.text(path, last, thing)?);
        let label = |path: u32, night: usize| format!("{}\t{}", self.path(path), self.time(night));
        Ok(Some(match texts {
            (Ok(old), Ok(new)) => unified((&label(old_path, old_last), &old), (&label(path, last), &new)),
            (Err(NoText::NoFile), _) | (_, Err(NoText::NoFile)) => Vec::new(),
            (Err(NoText::Binary), _) | (_, Err(NoText::Binary)) => b"Binary files differ\n".to_vec(),
            (Err(NoText::Long), _) | (_, Err(NoText::Long)) => b"Files are too long to compare\n".to_vec(),
        }))
    }
}

/// The digits of a digest that a person needs to tell versions apart.
const DIGITS: usize = 12;

impl Row {
    fn write(&self, text: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Version {
                first, last, archives, size, sha256, link, kind, archive, lines, bytes, ..
            } => {
                let what = match (sha256, link) {
                    (Some(digest), _) => digest[..DIGITS].to_owned(),
                    (None, Some(link)) => format!("-> {link}"),
                    (None, None) => (*kind).to_owned(),
                };
                let size = human_size(*size);
                let archives = counted(*archives as u64, "archive ", "archives");
                write!(text, "{first}  {last}  {archives:>13}  {size:>10}  {what}  {archive}")?;
                match lines {
                    Some(1) => writeln!(text, "  1 line")?,
                    Some(lines) => writeln!(text, "  {lines} lines")?,
                    None => writeln!(text)?,
                }
                text.write_all(bytes)
            }
            Self::Deleted { last, by, back, to, archive, .. } => {
                match to {
                    Some(to) => write!(text, "became {to} by {by}")?,
                    None => write!(text, "deleted by {by}")?,
                }
                write!(text, ", last in {archive} of {last}")?;
                match back {
                    Some(back) => writeln!(text, ", back in that of {back}"),
                    None => writeln!(text),
                }
            }
            Self::Renamed { from, last, .. } => writeln!(text, "was {from} until {last}"),
        }
    }
}
