//! What `--json` prints, one object a line.

use std::borrow::Cow;

use serde::Serialize;

/// A file's name. JSON has no bytes: a name that is not UTF-8 is shown with replacement characters, and in full
/// as hex digits.
#[derive(Debug, Serialize)]
pub(crate) struct Name<'a> {
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
}

impl<'a> Name<'a> {
    /// The name as JSON shows it.
    pub(crate) fn of(name: &'a [u8]) -> Self {
        let path = String::from_utf8_lossy(name);
        let path_hex = matches!(path, Cow::Owned(_)).then(|| hex(name));
        Self { path, path_hex }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        out.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
        out
    })
}

/// One object.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Record<'a> {
    /// A file and its digest.
    Digest {
        /// The file.
        #[serde(flatten)]
        name: Name<'a>,
        /// 64 hex digits.
        sha256: String,
        /// How many bytes were hashed.
        bytes: u64,
    },
    /// A line of a checksum file, checked.
    Check {
        /// The file.
        #[serde(flatten)]
        name: Name<'a>,
        /// `ok`, `failed` or `unreadable`.
        status: &'static str,
    },
    /// One finding of an audit or an update.
    Finding {
        /// `changed`, `rotted`, `new`, `missing` or `moved`.
        kind: String,
        /// The file.
        #[serde(flatten)]
        name: Name<'a>,
        /// Where a moved file is now.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<Name<'a>>,
    },
    /// How many of each an audit or an update found.
    Summary {
        /// Files that are as listed.
        same: usize,
        /// Written to since.
        changed: usize,
        /// Different though nobody wrote to them.
        rotted: usize,
        /// Not listed.
        new: usize,
        /// Listed, but not there.
        missing: usize,
        /// There under another name.
        moved: usize,
        /// Listed, but could not be read.
        unreadable: usize,
    },
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_name_that_is_not_text_is_there_in_full() {
        let json = |name| serde_json::to_string(&super::Name::of(name)).unwrap();
        assert_eq!(json(b"a/b"), r#"{"path":"a/b"}"#);
        assert_eq!(json(b"a\xff"), "{\"path\":\"a\u{fffd}\",\"path_hex\":\"61ff\"}");
    }
}
