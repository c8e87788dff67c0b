//! What of an archive may be restored at all, and where: every name in it is hostile until shown otherwise.

use std::borrow::Cow;
use std::path::{Component, Path};

use crate::entry::{Entry, Kind, without_dots};

/// An entry's path without `./`; an error for one that could lead out of the target. Empty is the root itself.
pub(crate) fn safe_path(path: &Path) -> Result<Cow<'_, Path>, &'static str> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.is_empty() {
        return Err("an empty name");
    }
    if bytes.contains(&0) {
        return Err("a NUL in its name");
    }
    let mut length = 0;
    for part in path.components() {
        match part {
            Component::Normal(name) => length += name.len() + 1,
            Component::CurDir => {}
            Component::ParentDir => return Err("a name with .. in it"),
            Component::RootDir | Component::Prefix(_) => return Err("an absolute name"),
        }
    }
    // Names with one slash between each two come to the length of the path where there is nothing else in it.
    let is_clean = length == bytes.len() + 1;
    Ok(if is_clean { Cow::Borrowed(path) } else { Cow::Owned(without_dots(path)) })
}

/// The path below the target that an entry goes to; `None` for the target folder itself.
pub(super) fn safe_place(entry: &Entry) -> Result<Option<Cow<'_, Path>>, &'static str> {
    let path = safe_path(&entry.path)?;
    match path.as_os_str().is_empty() {
        true if entry.kind == Kind::Folder => Ok(None),
        true => Err("the target's own name"),
        false => Ok(Some(path)),
    }
}

/// Whether this kind of entry may be made at all.
pub(super) fn may_exist(entry: &Entry, privileged: bool) -> Result<(), &'static str> {
    if entry.kind.is_device() && !privileged {
        return Err("a device node: only for root, with --privileged");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_lead_out_are_refused() {
        for (name, safe) in [
            ("a/b", Some("a/b")),
            ("./a/./b", Some("a/b")),
            ("a//b", Some("a/b")),
            ("a/b/", Some("a/b")),
            ("./", Some("")),
            ("a/../b", None),
            ("..", None),
            ("/etc/passwd", None),
            ("", None),
            ("a\0b", None),
        ] {
            let found = safe_path(Path::new(name)).ok();
            // Not as paths: those compare equal with and without a slash at the end.
            assert_eq!(found.as_ref().and_then(|path| path.to_str()), safe, "{name:?}");
        }
    }
}
