//! Checksum files: each listed file is hashed again. Lines, warnings, their order and the status are sha256sum's.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use pai_common::output::Output;
use pai_common::progress::Progress;
use pai_common::sha256::Digest;

use crate::cli::Args;
use crate::hash::{self, Hashed, Sink};
use crate::input::{self, Input};
use crate::record::{Name, Record};
use crate::talk::{Talk, cause};
use pai_common::checksum_line::{self, Parsed, Parser};

/// The marks of UTF-16's byte order: a Windows shell writes one at the start of what it redirects.
const UTF16: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];

/// A list of what failed is repeated at the end once the lines above it may have left the screen.
const SCREEN: usize = 24;

/// Checks every file of checksums the command line names; false if sha256sum would exit with 1.
pub(crate) fn run(args: &Args, talk: &Talk<'_>) -> anyhow::Result<bool> {
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() { &stdin[..] } else { &args.files };
    let progress = Progress::bytes(talk.console(), "checking", None);
    let mut out = Output::stdout(args.json);
    // One parser for all of them: sha256sum, too, decides only once whether lines are reversed.
    let mut parser = Parser::default();
    let mut fine = true;
    for file in files {
        fine &= check_file(file, args, talk, &progress, &mut parser, &mut out)?;
    }
    out.finish()?;
    Ok(fine)
}

fn check_file(
    file: &Path,
    args: &Args,
    talk: &Talk<'_>,
    progress: &Progress<'_>,
    parser: &mut Parser,
    out: &mut Output,
) -> anyhow::Result<bool> {
    let shown =
        talk.name(if is_stdin(file) { b"standard input" } else { file.as_os_str().as_encoded_bytes() });
    let list = match List::of(file, args, parser) {
        Ok(list) => list,
        Err(why) => {
            out.flush()?;
            talk.say(format_args!("{shown}: {why}"));
            return Ok(false);
        }
    };
    let mut verdicts =
        Verdicts { list: &list, shown: &shown, args, talk, out, tally: Tally::default(), warned: 0 };
    hash::in_order(&list.inputs, args.jobs, progress, &mut verdicts)?;
    verdicts.conclude()
}

fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// Counts over one file of checksums. It is read line by line, since a file that is no list may be of any size.
#[derive(Default)]
struct List {
    inputs: Vec<Input>,
    /// For each input its digest and its line number, from 1.
    expected: Vec<(Digest, usize)>,
    /// How many lines are neither proper nor a comment...
    malformed: usize,
    /// ... and, if they are to be warned about, where they stand.
    malformed_lines: Vec<usize>,
    /// Whether the file begins with the byte order mark of UTF-16.
    is_utf16: bool,
}

impl List {
    /// Reads `file`; why it cannot be read comes in sha256sum's words.
    fn of(file: &Path, args: &Args, parser: &mut Parser) -> Result<Self, String> {
        let mut source = input::open(file).map_err(|error| cause(&error))?;
        let mut list = Self::default();
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            match source.read_until(b'\n', &mut line) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => return Err("read error".to_owned()),
            }
            list.is_utf16 |= number == 1 && UTF16.iter().any(|mark| line.starts_with(mark));
            let line = line.strip_suffix(b"\n").unwrap_or(&line);
            match parser.parse(line) {
                Parsed::Nothing => {}
                // Standard input cannot be the list and a listed file at once.
                Parsed::Entry(entry) if !(is_stdin(file) && entry.name == b"-") => {
                    let base = args.directory.as_deref().unwrap_or(Path::new(""));
                    list.inputs.push(Input::named(entry.name, base));
                    list.expected.push((entry.digest, number));
                }
                Parsed::Entry(_) | Parsed::Malformed => {
                    list.malformed += 1;
                    list.malformed_lines.extend(args.warn.then_some(number));
                }
            }
        }
        Ok(list)
    }
}

#[derive(Debug, Default)]
struct Tally {
    matched: usize,
    unreadable: usize,
    mismatched: usize,
    failed: Vec<String>,
}

struct Verdicts<'a> {
    list: &'a List,
    shown: &'a str,
    args: &'a Args,
    talk: &'a Talk<'a>,
    out: &'a mut Output,
    tally: Tally,
    /// How many malformed lines were warned about.
    warned: usize,
}

impl Sink for Verdicts<'_> {
    fn take(&mut self, n: usize, outcome: io::Result<Hashed>) -> anyhow::Result<()> {
        let (expected, line) = self.list.expected[n];
        self.warn_up_to(line)?;
        let name = &self.list.inputs[n].name;
        let hashed = match outcome {
            Err(error) if self.args.ignore_missing && error.kind() == io::ErrorKind::NotFound => {
                return Ok(());
            }
            Err(error) => {
                self.tally.unreadable += 1;
                self.out.flush()?;
                // Even --status lets this through.
                self.talk.say(format_args!("{}: {}", self.talk.name(name), cause(&error)));
                return self.verdict(name, "unreadable", "FAILED open or read");
            }
            Ok(hashed) => hashed,
        };
        if hashed.digest == expected {
            self.tally.matched += 1;
            return if self.args.quiet { Ok(()) } else { self.verdict(name, "ok", "OK") };
        }
        self.tally.mismatched += 1;
        if hashed.changed {
            self.out.flush()?;
            self.talk.say(format_args!("{}: changed while it was hashed", self.talk.name(name)));
        }
        self.verdict(name, "failed", "FAILED")
    }

    fn wait(&mut self) -> anyhow::Result<()> {
        self.out.flush()
    }
}

impl Verdicts<'_> {
    fn verdict(&mut self, name: &[u8], status: &'static str, word: &str) -> anyhow::Result<()> {
        if status != "ok" {
            self.tally.failed.push(format!("{}: {word}", self.talk.name(name)));
        }
        if self.args.status {
            return Ok(());
        }
        self.out.record(&Record::Check { name: Name::of(name), status }, |out| {
            let (mark, name) = checksum_line::escape(name);
            out.write_all(mark.as_bytes())?;
            out.write_all(&name)?;
            writeln!(out, ": {word}")
        })
    }

    /// Warnings about lines stand where the lines stood.
    fn warn_up_to(&mut self, line: usize) -> anyhow::Result<()> {
        while let Some(&number) = self.list.malformed_lines.get(self.warned).filter(|&&number| number < line)
        {
            self.out.flush()?;
            let shown = self.shown;
            self.talk.say(format_args!("{shown}: {number}: improperly formatted SHA256 checksum line"));
            self.warned += 1;
        }
        Ok(())
    }

    fn conclude(mut self) -> anyhow::Result<bool> {
        self.warn_up_to(usize::MAX)?;
        self.out.flush()?;
        let Self { list, shown, args, talk, tally, .. } = self;
        if list.inputs.is_empty() {
            // Even --status lets this through.
            talk.say(format_args!("{shown}: no properly formatted checksum lines found"));
            if list.is_utf16 {
                talk.say(
                    "hint: the list is UTF-16: iconv -f UTF-16 -t UTF-8 LIST | tr -d '\\r' | pai-checksum -c",
                );
            }
            return Ok(false);
        }
        if !args.status {
            for (count, one, many) in [
                (list.malformed, "line is improperly formatted", "lines are improperly formatted"),
                (tally.unreadable, "listed file could not be read", "listed files could not be read"),
                (tally.mismatched, "computed checksum did NOT match", "computed checksums did NOT match"),
            ] {
                match count {
                    0 => {}
                    1 => talk.say(format_args!("WARNING: 1 {one}")),
                    _ => talk.say(format_args!("WARNING: {count} {many}")),
                }
            }
            if args.ignore_missing && tally.matched == 0 {
                talk.say(format_args!("{shown}: no file was verified"));
            }
            if list.inputs.len() > SCREEN && !args.quiet && io::IsTerminal::is_terminal(&io::stderr()) {
                tally.failed.iter().for_each(|failed| talk.say(failed));
            }
        }
        let proper = list.malformed == 0 || !args.strict;
        Ok(proper && tally.matched > 0 && tally.unreadable + tally.mismatched == 0)
    }
}
