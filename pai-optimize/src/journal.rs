//! What a run tells: the log file gets every line, stderr too unless the run is one of many.

use std::fmt::Display;
use std::path::Path;

use pai_common::clock::Clock;
use pai_common::console::Console;
use pai_common::home::{Home, ensure_private_folder};
use pai_common::joblog::{self, JobLog, Level, Style};

/// Where the story of a run goes.
#[derive(Debug)]
pub(crate) struct Journal<'a> {
    log: Option<JobLog>,
    console: &'a Console,
    clock: Clock,
    /// Whether stderr gets every line too.
    pub echo: bool,
}

impl<'a> Journal<'a> {
    /// `logs/optimize_memory.log` of the workspace and stderr; stderr alone without a workspace.
    pub(crate) fn open(
        home: Option<&Home>,
        clock: Clock,
        console: &'a Console,
        echo: bool,
    ) -> anyhow::Result<Self> {
        let log = match home {
            Some(home) => Some(Self::log(&home.logs(), clock)?),
            None => None,
        };
        Ok(Self { log, console, clock, echo })
    }

    /// Stderr alone.
    pub(crate) fn console(console: &'a Console) -> Self {
        Self { log: None, console, clock: Clock::default(), echo: true }
    }

    fn log(folder: &Path, clock: Clock) -> anyhow::Result<JobLog> {
        ensure_private_folder(folder)?;
        JobLog::open(&folder.join("optimize_memory.log"), Style::Python, clock)
    }

    /// An ordinary step.
    pub(crate) fn info(&mut self, message: impl Display) -> anyhow::Result<()> {
        if self.echo {
            self.console.note(&message);
        }
        self.write(Level::Info, &message)
    }

    /// Many ordinary steps that were one: a single write.
    pub(crate) fn infos(&mut self, messages: impl Iterator<Item = String>) -> anyhow::Result<()> {
        let lines: Vec<String> = messages
            .map(|message| {
                if self.echo {
                    self.console.note(&message);
                }
                joblog::render(Style::Python, self.clock, Level::Info, &message)
            })
            .collect();
        match &mut self.log {
            Some(log) if !lines.is_empty() => log.raw(lines.join("\n").as_bytes()),
            _ => Ok(()),
        }
    }

    /// Something to look at.
    pub(crate) fn warn(&mut self, message: impl Display) -> anyhow::Result<()> {
        if self.echo {
            self.console.warn(&message);
        }
        self.write(Level::Warning, &message)
    }

    /// The same, but of no use in every week's mail: `-q` leaves it to the log.
    pub(crate) fn remark(&mut self, message: impl Display) -> anyhow::Result<()> {
        if self.echo {
            self.console.note(&message);
        }
        self.write(Level::Warning, &message)
    }

    /// A failure; the log alone, for whoever ends the run tells stderr.
    pub(crate) fn error(&mut self, message: impl Display) -> anyhow::Result<()> {
        self.write(Level::Error, &message)
    }

    fn write(&mut self, level: Level, message: &dyn Display) -> anyhow::Result<()> {
        match &mut self.log {
            Some(log) => log.log(level, message),
            None => Ok(()),
        }
    }
}
