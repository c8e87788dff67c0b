//! What `crate::probe` needs of `browse`: its reader of requests, without a server around it.

use std::path::Path;

use super::link::{Link, Token};
use super::request::{self, Asked};
use crate::probe;

/// Reads an address behind the token.
pub(crate) fn asked(address: &str) -> Option<probe::Asked> {
    let (path_part, query) = address.split_once('?').unwrap_or((address, ""));
    let asked = Asked::of(path_part, query)?;
    let link = asked.link().map(|link| link.address("").trim_start_matches('/').to_owned());
    let (names, path) = match asked {
        Asked::Nights | Asked::Style | Asked::Find(_) => (Vec::new(), None),
        Asked::Tree(night, path) | Asked::Text(night, path) | Asked::Get(night, path) => {
            (vec![night], Some(path))
        }
        Asked::Compare(old, new) => (vec![old, new], None),
        Asked::Versions(path, at) => (at.into_iter().collect(), Some(path)),
        Asked::Memory(night) => (vec![night], None),
    };
    Some(probe::Asked { names, path, link })
}

/// The address, behind the token, of the page that downloads a path of an archive.
pub(crate) fn address(archive: &str, path: &Path) -> String {
    Link::Get(archive, path).address("").trim_start_matches('/').to_owned()
}

/// Whether a request is answered, or the status of its refusal.
pub(crate) fn admitted(token: &str, port: u16, method: &str, hosts: &[&str], url: &str) -> Result<(), u16> {
    request::admitted(&Token::of(token), port, method, hosts, url).map(drop).map_err(|(status, _)| status)
}
