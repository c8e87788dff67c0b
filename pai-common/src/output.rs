//! stdout: data for the next tool, as lines of text or as JSON lines.

use std::fmt;
use std::io::{self, BufWriter, StdoutLock, Write};

use anyhow::Context;
use serde::Serialize;

/// The reader of our stdout went away. [`crate::cli::run`] ends quietly with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stdout was closed")
    }
}

impl std::error::Error for Closed {}

/// Buffered stdout. Call [`Output::finish`] at the end: a full disk shows only when the buffer is written.
#[derive(Debug)]
pub struct Output {
    out: BufWriter<StdoutLock<'static>>,
    json: bool,
}

impl Output {
    /// Takes stdout; `json` is what [`Output::record`] goes by.
    pub fn stdout(json: bool) -> Self {
        Self { out: BufWriter::with_capacity(64 << 10, io::stdout().lock()), json }
    }

    /// One record: `value` as a JSON line, or the text that `text` writes.
    pub fn record(
        &mut self,
        value: &impl Serialize,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        if self.json {
            let line = serde_json::to_string(value).context("could not write a record as JSON")?;
            stdout_result(writeln!(self.out, "{line}"))
        } else {
            stdout_result(text(&mut self.out))
        }
    }

    /// Raw bytes, such as a path and its line feed.
    pub fn bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        stdout_result(self.out.write_all(bytes))
    }

    /// One line of bytes.
    pub fn line(&mut self, line: &[u8]) -> anyhow::Result<()> {
        self.bytes(line)?;
        self.bytes(b"\n")
    }

    /// Hands what is buffered to the reader now.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        stdout_result(self.out.flush())
    }

    /// Writes what is left. Dropping an `Output` without this loses errors.
    pub fn finish(mut self) -> anyhow::Result<()> {
        self.flush()
    }
}

/// Tells a closed pipe from real trouble.
pub fn stdout_result(result: io::Result<()>) -> anyhow::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Closed.into()),
        other => other.context("could not write to stdout"),
    }
}
