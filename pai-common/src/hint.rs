//! Errors that say what to do about them.

use std::fmt;

/// An error with a second line that says what to do about it.
#[derive(Debug)]
pub struct Hinted {
    cause: anyhow::Error,
    hint: String,
}

impl Hinted {
    /// `cause`, and below it `hint: ...`.
    pub fn new(cause: impl Into<anyhow::Error>, hint: impl Into<String>) -> Self {
        Self { cause: cause.into(), hint: hint.into() }
    }

    /// What the user can do about the error.
    pub fn hint(&self) -> &str {
        &self.hint
    }
}

impl fmt::Display for Hinted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.cause)
    }
}

impl std::error::Error for Hinted {}
