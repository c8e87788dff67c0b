//! stderr in sha256sum's words: `NAME: Permission denied`.

use std::cell::Cell;
use std::fmt::{Display, Write};
use std::io;

use pai_common::console::Console;

use crate::quote::{locale_is_utf8, quote};

/// The console, and whether anything failed that ends the run with exit 1.
#[derive(Debug)]
pub(crate) struct Talk<'a> {
    console: &'a Console,
    utf8: Cell<Option<bool>>,
}

impl<'a> Talk<'a> {
    /// Speaks through `console`.
    pub(crate) fn new(console: &'a Console) -> Self {
        Self { console, utf8: Cell::new(None) }
    }

    /// The console itself.
    pub(crate) fn console(&self) -> &'a Console {
        self.console
    }

    /// A line that decides nothing.
    pub(crate) fn say(&self, message: impl Display) {
        self.console.warn(message);
    }

    /// A failure; the run goes on and ends with exit 1.
    pub(crate) fn complain(&self, message: impl Display) {
        self.console.complain(message);
    }

    /// A file that could not be read.
    pub(crate) fn trouble(&self, name: &[u8], error: &io::Error) {
        self.complain(format_args!("{}: {}", self.name(name), cause(error)));
    }

    /// A name as messages show it.
    pub(crate) fn name(&self, name: &[u8]) -> String {
        let utf8 = self.utf8.get().unwrap_or_else(locale_is_utf8);
        self.utf8.set(Some(utf8));
        quote(name, utf8).into_owned()
    }
}

/// The system's text for the error, without Rust's `(os error N)`.
pub(crate) fn cause(error: &io::Error) -> String {
    let mut text = error.to_string();
    if let Some(code) = error.raw_os_error() {
        let mut suffix = String::new();
        let _ = write!(suffix, " (os error {code})");
        text.truncate(text.strip_suffix(&suffix).map_or(text.len(), str::len));
    }
    text
}

#[cfg(test)]
mod tests {
    #[test]
    fn causes_are_the_systems_words() {
        let text = |error: std::io::Error| super::cause(&error);
        assert_eq!(text(std::io::Error::from_raw_os_error(2)), "No such file or directory");
        assert_eq!(text(std::io::Error::other("strange")), "strange");
    }
}
