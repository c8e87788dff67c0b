//! Reads requests: whether a request is answered at all, and which page it asks for. No I/O, so that it can be tried with any bytes.

use std::path::{Component, Path, PathBuf};

use super::link::{Link, Token, decoded, path_of};

/// A page, as its address names it. Paths are those of an archive, and never lead out of it; names are one component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The calendar of all nights.
    Nights,
    /// The style sheet.
    Style,
    /// A folder of an archive.
    Tree(String, PathBuf),
    /// The differences between two archives.
    Compare(String, String),
    /// The versions of a file; the one of this archive is chosen.
    Versions(PathBuf, Option<String>),
    /// The content of a file as text.
    Text(String, PathBuf),
    /// A file or folder as a download.
    Get(String, PathBuf),
    /// The summary lines of memory.md in an archive.
    Memory(String),
    /// The files whose names match a pattern.
    Find(String),
}

/// HTTP status and text of a refusal.
pub(super) type Refusal = (u16, &'static str);

/// The address behind the token, and the query, if the request is answered: it must have the token, one of the server's two names
/// as its host, and a method that only reads.
pub(super) fn admitted<'a>(
    token: &Token,
    port: u16,
    method: &str,
    hosts: &[&str],
    url: &'a str,
) -> Result<(&'a str, &'a str), Refusal> {
    // A page of another site can send requests here under a name of its own that leads to 127.0.0.1 (DNS rebinding).
    let own = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    if hosts.len() != 1 || !own.iter().any(|own| own == hosts[0]) {
        return Err((403, "this is not a name of mine"));
    }
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let mut parts = address.strip_prefix('/').unwrap_or_default().splitn(2, '/');
    if !token.is(parts.next().unwrap_or_default()) {
        return Err((403, "the address is not the one that was told"));
    }
    if !matches!(method, "GET" | "HEAD") {
        return Err((405, "there is nothing to change here"));
    }
    Ok((parts.next().unwrap_or_default(), query))
}

impl Asked {
    /// The page that an address and a query ask for; `None` if there can be no such page.
    pub(crate) fn of(address: &str, query: &str) -> Option<Self> {
        let (page, rest) = address.split_once('/').unwrap_or((address, ""));
        let (first, second) = rest.split_once('/').unwrap_or((rest, ""));
        let night = || name(decoded(first, false)?);
        let field = |field| value(query, field);
        Some(match page {
            "" => Self::Nights,
            "style.css" => Self::Style,
            "find" => Self::Find(field("q").unwrap_or_default()),
            "tree" => Self::Tree(night()?, inside(second)?),
            // The form for two nights sends them as a query.
            "compare" if rest.is_empty() => Self::Compare(named(field("from")?)?, named(field("to")?)?),
            "compare" => Self::Compare(night()?, name(decoded(second, false)?)?),
            "versions" => Self::Versions(inside(rest)?, field("at").and_then(named)),
            "text" => Self::Text(night()?, inside(second)?),
            "get" => Self::Get(night()?, inside(second)?),
            "memory" => Self::Memory(night()?),
            _ => return None,
        })
    }

    /// The link to the page. The style sheet and the results of a search have none.
    pub(crate) fn link(&self) -> Option<Link<'_>> {
        Some(match self {
            Self::Nights => Link::Home,
            Self::Style | Self::Find(_) => return None,
            Self::Tree(night, path) => Link::Tree(night, path),
            Self::Compare(old, new) => Link::Compare(old, new),
            Self::Versions(path, at) => Link::Versions(path, at.as_deref()),
            Self::Text(night, path) => Link::Text(night, path),
            Self::Get(night, path) => Link::Get(night, path),
            Self::Memory(night) => Link::Memory(night),
        })
    }
}

/// The name of an archive. Text that could be a path is no name.
fn name(bytes: Vec<u8>) -> Option<String> {
    named(String::from_utf8(bytes).ok()?)
}

fn named(name: String) -> Option<String> {
    let is_path = matches!(name.as_str(), "" | "." | "..") || name.contains(['/', '\0']);
    (!is_path).then_some(name)
}

/// A path below an archive's top.
fn inside(text: &str) -> Option<PathBuf> {
    path_of(text).filter(|path| is_inside(path))
}

fn is_inside(path: &Path) -> bool {
    let is_below = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    path.components().all(is_below) && !path.as_os_str().as_encoded_bytes().contains(&0)
}

/// The value of a query's field.
fn value(query: &str, field: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.into_iter().find(|(name, _)| *name == field)?.1;
    decoded(value, true).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_leads_out_of_an_archive() {
        for address in [
            "tree/a/..",
            "tree/a/b/../../c",
            "tree/a//etc/passwd",
            "tree/a/%2Fetc/passwd",
            "get/a/%2e%2e/x",
            "get/a/x%00",
            "get/..%2Fa/x",
            "get/../x",
            "get/%ff/x",
            "get//x",
            "text/a/%2",
            "text/a/%+f",
            "versions/../x",
            "memory/",
            "compare",
            "compare/a/",
            "compare/a/b%2Fc",
            "nothing",
        ] {
            assert_eq!(Asked::of(address, ""), None, "{address}");
        }
    }

    #[test]
    fn what_is_encoded_twice_is_decoded_once() {
        let path = PathBuf::from("%2e%2e/x");
        assert_eq!(Asked::of("get/a/%252e%252e/x", ""), Some(Asked::Get("a".to_owned(), path)));
        let name = "..%2Fa".to_owned();
        assert_eq!(Asked::of("memory/..%252Fa", ""), Some(Asked::Memory(name)));
    }

    #[test]
    fn a_query_names_its_fields() {
        let asked = |query| Asked::of("compare", query);
        let both = Some(Asked::Compare("a b".to_owned(), "now".to_owned()));
        assert_eq!(asked("to=now&from=a+b"), both);
        assert_eq!(asked("from=%61%20b&to=now&from=c"), both);
        assert_eq!(asked("from=a"), None);
        assert_eq!(asked("from=a&to=..%2Fb"), None);
        assert_eq!(Asked::of("find", "q=%zz"), Some(Asked::Find(String::new())));
    }
}
