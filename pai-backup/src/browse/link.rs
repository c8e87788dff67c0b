//! Addresses: the token that guards them, and the path of each page.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// What only somebody who was told the address knows.
pub(super) struct Token(String);

impl Token {
    /// A token with this text. `browse` itself makes a random one.
    pub(super) fn of(token: &str) -> Self {
        Self(token.to_owned())
    }

    /// 128 random bits.
    pub(super) fn random() -> anyhow::Result<Self> {
        let mut bits = [0; 16];
        let mut source = std::fs::File::open("/dev/urandom").context("could not open /dev/urandom")?;
        source.read_exact(&mut bits).context("could not read /dev/urandom")?;
        Ok(Self(hex::encode(bits)))
    }

    /// What every address begins with.
    pub(super) fn base(&self) -> String {
        format!("/{}", self.0)
    }

    /// Whether this is the token; how long that takes tells nothing of where they differ.
    pub(super) fn is(&self, claimed: &str) -> bool {
        let (own, claimed) = (self.0.as_bytes(), claimed.as_bytes());
        own.len() == claimed.len() && own.iter().zip(claimed).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

/// A page.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Link<'a> {
    /// All nights.
    Home,
    /// A folder at a night.
    Tree(&'a str, &'a Path),
    /// What differs between two nights; `now` is the workspace.
    Compare(&'a str, &'a str),
    /// A file's versions; of the one that an archive has the difference.
    Versions(&'a Path, Option<&'a str>),
    /// The whole text.
    Text(&'a str, &'a Path),
    /// The bytes.
    Get(&'a str, &'a Path),
    /// Summaries and their days.
    Memory(&'a str),
}

impl Link<'_> {
    /// Its address; all but plain letters are percent-encoded.
    pub(crate) fn address(&self, base: &str) -> String {
        let mut address = base.to_owned();
        let (page, night, path, at) = match *self {
            Self::Home => return format!("{base}/"),
            Self::Tree(night, path) => ("tree", Some(night), path, None),
            Self::Compare(old, new) => ("compare", Some(old), Path::new(new), None),
            Self::Versions(path, at) => ("versions", None, path, at),
            Self::Text(night, path) => ("text", Some(night), path, None),
            Self::Get(night, path) => ("get", Some(night), path, None),
            Self::Memory(night) => ("memory", Some(night), Path::new(""), None),
        };
        // Writing to a String cannot fail.
        let _ = write!(address, "/{page}");
        if let Some(night) = night {
            let _ = write!(address, "/{}", encoded(night.as_bytes()));
        }
        let _ = write!(address, "/{}", encoded(path.as_os_str().as_bytes()));
        if let Some(at) = at {
            let _ = write!(address, "?at={}", encoded(at.as_bytes()));
        }
        address
    }
}

/// Bytes as a part of an address.
pub(super) fn encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// The bytes that a part of an address stands for; in a query a plus sign is a space.
pub(super) fn decoded(text: &str, in_query: bool) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                (digit()? << 4 | digit()?) as u8
            }
            b'+' if in_query => b' ',
            byte => byte,
        });
    }
    Some(bytes)
}

/// A path in an address.
pub(super) fn path_of(text: &str) -> Option<PathBuf> {
    decoded(text, false).map(|bytes| PathBuf::from(OsString::from_vec(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_comes_back_from_its_address() {
        let path = Path::new(std::ffi::OsStr::from_bytes(b"a b/<\xff>?#%+&/\n"));
        let address = Link::Tree("pai-1.tar.gz", path).address("/t");
        assert_eq!(address, "/t/tree/pai-1.tar.gz/a%20b/%3C%FF%3E%3F%23%25%2B%26/%0A");
        assert_eq!(path_of(address.strip_prefix("/t/tree/pai-1.tar.gz/").unwrap()).unwrap(), path);
        assert_eq!(decoded("a+b%2B", true).unwrap(), b"a b+");
        for broken in ["%", "%4", "%zz", "%+f", "%-1", "% f", "%\u{e4}"] {
            assert_eq!(decoded(broken, false), None, "{broken}");
        }
    }

    #[test]
    fn a_token_is_only_itself() {
        let token = Token::random().unwrap();
        assert!(token.is(&token.0) && token.0.len() == 32);
        for other in ["", "0", &token.0[1..], &Token::random().unwrap().0] {
            assert!(!token.is(other));
        }
    }
}
