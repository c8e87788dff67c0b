//! What a tool says on stderr: one line each, prefixed by its name, safe to show on a terminal.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use indicatif::ProgressBar;

/// The largest number of complaints that are kept for a log.
const MOST_TOLD: usize = 1000;

/// stderr, shared by every thread of a run. It counts complaints, so that the run can end with exit 1.
#[derive(Debug)]
pub struct Console {
    tool: &'static str,
    silent: bool,
    quiet: bool,
    verbose: bool,
    terminal: bool,
    complaints: AtomicUsize,
    alarms: AtomicUsize,
    told: Mutex<Vec<String>>,
    bar: Mutex<Option<ProgressBar>>,
}

impl Console {
    /// A console for `tool`; `quiet` silences [`Console::note`], never [`Console::complain`].
    pub fn new(tool: &'static str, quiet: bool, verbose: bool) -> Self {
        Self {
            tool,
            silent: false,
            quiet,
            verbose,
            terminal: std::io::stderr().is_terminal(),
            complaints: AtomicUsize::new(0),
            alarms: AtomicUsize::new(0),
            told: Mutex::default(),
            bar: Mutex::new(None),
        }
    }

    /// A console that counts complaints and says nothing, for those who call a tool's parts by the thousand.
    pub fn silent(tool: &'static str) -> Self {
        Self { silent: true, terminal: false, ..Self::new(tool, true, false) }
    }

    /// Something went wrong with one input; the run goes on and ends with exit 1.
    pub fn complain(&self, message: impl Display) {
        self.complaints.fetch_add(1, Ordering::Relaxed);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MOST_TOLD {
            told.push(message.to_string());
        }
        drop(told);
        self.say(&message);
    }

    /// Something is wrong, so the run ends with exit 1; but all that was to be done was done, whole.
    pub fn alarm(&self, message: impl Display) {
        self.alarms.fetch_add(1, Ordering::Relaxed);
        self.complain(message);
    }

    /// Something the person should know that is no failure.
    pub fn warn(&self, message: impl Display) {
        self.say(&message);
    }

    /// Talk that `-q` silences.
    pub fn note(&self, message: impl Display) {
        if !self.quiet {
            self.say(&message);
        }
    }

    /// Says what was done. Shown at a terminal and with `-v`.
    pub fn summary(&self, message: impl Display) {
        if self.verbose || (self.terminal && !self.quiet) {
            self.say(&message);
        }
    }

    /// Detail that only `-v` shows.
    pub fn detail(&self, message: impl Display) {
        if self.verbose {
            self.say(&message);
        }
    }

    /// How many times [`Console::complain`] or [`Console::alarm`] was called.
    pub fn complaints(&self) -> usize {
        self.complaints.load(Ordering::Relaxed)
    }

    /// How many inputs could not be dealt with: complaints without alarms.
    pub fn shortfalls(&self) -> usize {
        self.complaints() - self.alarms.load(Ordering::Relaxed)
    }

    /// The complaints so far, for a log; of very many the first thousand.
    pub fn told(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether `--quiet` was given.
    pub fn quiet(&self) -> bool {
        self.quiet
    }

    /// Lines are printed around `bar` from now on, so that neither tears the other.
    pub(crate) fn attach(&self, bar: Option<ProgressBar>) {
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }

    fn say(&self, message: &dyn Display) {
        if self.silent {
            return;
        }
        let text = format!("{}: {message}", self.tool);
        let line = if self.terminal { escape_control(&text) } else { Cow::Borrowed(text.as_str()) };
        let print = || {
            // Nowhere is left to report a stderr that cannot be written.
            let _ = writeln!(std::io::stderr().lock(), "{line}");
        };
        match &*self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

/// File names may hold terminal commands; a person's screen gets them as `\x1b`, `\n` stays.
pub fn escape_control(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c.is_control() && c != '\n') {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().fold(String::with_capacity(text.len() + 8), |mut out, c| {
        if c.is_control() && c != '\n' {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
        out
    });
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_line_feeds_kept() {
        assert_eq!(escape_control("plain ä"), "plain ä");
        assert_eq!(escape_control("a\u{1b}[31mb\n\u{7}"), "a\\u{1b}[31mb\n\\u{7}");
    }

    #[test]
    fn complaints_are_counted_and_notes_are_not() {
        let console = Console::new("pai-test", true, false);
        console.note("nothing");
        assert_eq!(console.complaints(), 0);
        console.complain("could not read a: denied");
        assert_eq!(console.complaints(), 1);
        let silent = Console::silent("pai-test");
        silent.complain("could not read b: denied");
        silent.alarm("c changed");
        assert_eq!((silent.complaints(), silent.shortfalls()), (2, 1));
        assert_eq!(silent.told(), ["could not read b: denied", "c changed"]);
    }
}
