//! One line of output about a log or a copy.

use std::path::Path;

use pai_common::output::Output;
use serde::Serialize;

use crate::report::shown;

#[derive(Debug, Serialize)]
pub(super) struct Record {
    r#type: &'static str,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compressed_bytes: Option<u64>,
}

impl Record {
    /// `action` is `rotate`, `compress`, `copy`, `delete` or `keep`.
    pub(super) fn new(action: &'static str, path: &Path) -> Self {
        let path = path.to_string_lossy().into_owned();
        Self { r#type: action, path, to: None, reason: None, bytes: None, compressed_bytes: None }
    }

    pub(super) fn to(self, target: &Path) -> Self {
        Self { to: Some(target.to_string_lossy().into_owned()), ..self }
    }

    pub(super) fn because(self, reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..self }
    }

    /// Before and after compression.
    pub(super) fn sizes(self, sizes: Option<(u64, u64)>) -> Self {
        let (bytes, compressed_bytes) = sizes.unzip();
        Self { bytes, compressed_bytes, ..self }
    }

    pub(super) fn print(&self, out: &mut Output) -> anyhow::Result<()> {
        out.record(self, |out| {
            write!(out, "{:<8}  {}", self.r#type, shown(self.path.as_bytes()))?;
            if let Some(to) = &self.to {
                write!(out, " -> {}", shown(to.as_bytes()))?;
            }
            match &self.reason {
                Some(reason) => writeln!(out, "  ({reason})"),
                None => writeln!(out),
            }
        })
    }
}
