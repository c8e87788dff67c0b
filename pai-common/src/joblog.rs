//! The two documented job logs. Lines are appended, each in one write, so that runs never tear each other's.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::clock::{Clock, Zone};

/// How a line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `[2025-09-16T09:00:03+03:00] message`, the format of `logs/backup.log`.
    Bracketed,
    /// `2025-09-16 09:00:17,570 INFO __main__ message`, the format of `logs/optimize_memory.log`.
    Python,
}

/// How serious a line is; the bracketed style does not show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// An ordinary step.
    Info,
    /// Something to look at.
    Warning,
    /// A failure.
    Error,
}

impl Level {
    fn word(self) -> &'static str {
        match self {
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
        }
    }
}

/// An open log file.
#[derive(Debug)]
pub struct JobLog {
    file: File,
    path: PathBuf,
    style: Style,
    clock: Clock,
}

impl JobLog {
    /// Opens `path` for appending, creating it with mode 0600.
    pub fn open(path: &Path, style: Style, clock: Clock) -> anyhow::Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .with_context(|| format!("could not open log {}", path.display()))?;
        Ok(Self { file, path: path.to_owned(), style, clock })
    }

    /// A line with time and, in the Python style, its level.
    pub fn log(&mut self, level: Level, message: impl Display) -> anyhow::Result<()> {
        let line = render(self.style, self.clock, level, &message);
        self.raw(line.as_bytes())
    }

    /// [`JobLog::log`] at [`Level::Info`].
    pub fn info(&mut self, message: impl Display) -> anyhow::Result<()> {
        self.log(Level::Info, message)
    }

    /// A line as it is: a command that can be pasted, a path that was deleted.
    pub fn raw(&mut self, line: &[u8]) -> anyhow::Result<()> {
        let mut bytes = line.to_vec();
        bytes.push(b'\n');
        self.file.write_all(&bytes).with_context(|| format!("could not write log {}", self.path.display()))
    }
}

/// One line without its line feed.
pub fn render(style: Style, clock: Clock, level: Level, message: &dyn Display) -> String {
    let now = clock.now();
    match style {
        Style::Bracketed => format!("[{}] {message}", now.rfc3339(Zone::Local)),
        Style::Python => {
            let civil = now.civil(Zone::Local);
            format!(
                "{} {},{:03} {} __main__ {message}",
                civil.date(),
                civil.time(),
                now.nanos() / 1_000_000,
                level.word()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    #[test]
    fn both_documented_formats() {
        let clock = Clock::new(Some(Timestamp::new(1_758_002_417, 570_000_000)));
        let python = render(Style::Python, clock, Level::Info, &"Starting");
        assert!(python.ends_with(",570 INFO __main__ Starting"), "{python}");
        let bracketed = render(Style::Bracketed, clock, Level::Info, &"Starting");
        assert!(bracketed.starts_with("[2025-09-1") && bracketed.ends_with("] Starting"), "{bracketed}");
    }
}
