//! Requests to `pai-backup browse`, on any bytes.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use pai_backup::probe;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const PORT: u16 = 8090;

/// Nothing that is asked for lies outside an archive, a link to it asks for the same again, and only who knows the token
/// and one of the server's two names is answered.
pub(crate) fn holds(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    asks_inside(&text);
    for page in
        ["tree/a/", "get/", "compare/a/", "versions/", "text/a/", "memory/", "find?q=", "compare?from=a&to="]
    {
        asks_inside(&format!("{page}{text}"));
    }
    comes_back(bytes);
    is_admitted("GET", &[&text], &format!("/{TOKEN}/"));
    is_admitted(&text, &["localhost:8090"], &format!("/{TOKEN}/"));
    for url in [text.to_string(), format!("/{text}"), format!("/{TOKEN}{text}"), format!("{text}/{TOKEN}/")] {
        is_admitted("GET", &["127.0.0.1:8090"], &url);
        is_admitted("HEAD", &["127.0.0.1:8090", &text], &url);
    }
}

fn asks_inside(address: &str) {
    let Some(asked) = probe::asked(address) else { return };
    for name in &asked.names {
        assert!(!name.is_empty() && !name.contains(['/', '\0']) && name != "." && name != "..", "{name:?}");
    }
    if let Some(path) = &asked.path {
        assert!(is_inside(path), "{}", path.display());
    }
    if let Some(link) = &asked.link {
        assert!(link.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"'), "{link:?}");
        assert_eq!(probe::asked(link).as_ref(), Some(&asked));
    }
}

/// The address of a path asks for that path, byte for byte, or for nothing if it would lead out.
fn comes_back(bytes: &[u8]) {
    let path = Path::new(OsStr::from_bytes(bytes));
    let asked = probe::asked(&probe::address("pai-1.tar.gz", path));
    if is_inside(path) {
        let asked = asked.expect("a path inside has a page");
        assert_eq!(asked.path.as_deref().map(|path| path.as_os_str().as_bytes()), Some(bytes));
        assert_eq!(asked.names, ["pai-1.tar.gz"]);
    } else {
        assert_eq!(asked, None);
    }
}

fn is_inside(path: &Path) -> bool {
    !path.as_os_str().as_bytes().contains(&0)
        && !path.components().any(|part| matches!(part, Component::ParentDir | Component::RootDir))
}

fn is_admitted(method: &str, hosts: &[&str], url: &str) {
    let known = matches!(hosts, ["127.0.0.1:8090" | "localhost:8090"]);
    let behind = url.strip_prefix('/').and_then(|url| url.strip_prefix(TOKEN));
    let told = behind.is_some_and(|behind| behind.is_empty() || behind.starts_with(['/', '?']));
    let expected = match (known && told, method) {
        (false, _) => Err(403),
        (true, "GET" | "HEAD") => Ok(()),
        (true, _) => Err(405),
    };
    assert_eq!(probe::admitted(TOKEN, PORT, method, hosts, url), expected, "{method} {hosts:?} {url:?}");
}
