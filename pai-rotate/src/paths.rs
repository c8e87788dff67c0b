//! The PATH arguments: files, folders, quoted patterns.

use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use glob::MatchOptions;
use pai_common::console::Console;

/// A path that is there.
#[derive(Debug)]
pub(crate) struct Named {
    /// As it was written, or as a pattern made it.
    pub path: PathBuf,
    /// Metadata of the path itself: a symbolic link is not followed.
    pub metadata: Metadata,
    /// If it is a folder: whether it stands for the files in it.
    pub may_scan: bool,
}

/// Looks up each argument and expands patterns; what is not there is complained about unless `missing_ok`.
pub(crate) fn resolve(arguments: &[PathBuf], missing_ok: bool, console: &Console) -> Vec<Named> {
    let mut named: Vec<Named> = Vec::new();
    for path in arguments {
        match path.symlink_metadata() {
            Ok(metadata) => {
                complain_of_linked_folder(path, &metadata, console);
                named.push(Named { path: path.clone(), metadata, may_scan: true });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let found = expand(path, console);
                if found.is_empty() && !missing_ok {
                    let what = if is_pattern(path) { "nothing matches" } else { "no such file or folder" };
                    console.complain(format_args!("could not rotate {}: {what}", path.display()));
                }
                named.extend(found);
            }
            Err(error) => console.complain(format_args!("could not look up {}: {error}", path.display())),
        }
    }
    distrust_expanded_folders(&mut named, console);
    named
}

/// `path` without its last component; empty for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// A folder as the kernel wants it: the empty one is the current one.
pub(crate) fn open_name(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// `backups/` means what is in the folder, even through a link; `backups` the folder itself.
pub(crate) fn ends_with_slash(path: &Path) -> bool {
    path.as_os_str().as_bytes().ends_with(b"/")
}

fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_bytes().iter().any(|b| b"*?[".contains(b))
}

fn expand(pattern: &Path, console: &Console) -> Vec<Named> {
    const AS_IN_A_SHELL: MatchOptions = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let Some(text) = pattern.to_str().filter(|_| is_pattern(pattern)) else { return Vec::new() };
    let matches = match glob::glob_with(text, AS_IN_A_SHELL) {
        Ok(matches) => matches,
        Err(error) => {
            console.complain(format_args!("could not read pattern {text:?}: {error}"));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for path in matches {
        let looked_up = path
            .map_err(|error| (error.path().to_owned(), io::Error::from(error)))
            .and_then(|path| path.symlink_metadata().map(|m| (path.clone(), m)).map_err(|e| (path, e)));
        match looked_up {
            Ok((path, metadata)) => found.push(Named { path, metadata, may_scan: false }),
            Err((path, error)) => {
                console.complain(format_args!("could not look up {}: {error}", path.display()));
            }
        }
    }
    found
}

fn complain_of_linked_folder(path: &Path, metadata: &Metadata, console: &Console) {
    if metadata.is_symlink() && path.is_dir() {
        let path = path.display();
        console.complain(format_args!("could not look into {path}: a symbolic link (to follow it: {path}/)"));
    }
}

/// `backups/*`, expanded by a shell, names folders beside the files: looking into those would delete what
/// nobody asked about. A folder counts if only folders are named, or if it is written with a slash.
fn distrust_expanded_folders(named: &mut [Named], console: &Console) {
    if !named.iter().any(|named| named.metadata.is_file()) {
        return;
    }
    for folder in named.iter_mut().filter(|named| named.metadata.is_dir() && named.may_scan) {
        if !ends_with_slash(&folder.path) {
            folder.may_scan = false;
            let path = folder.path.display();
            console.detail(format_args!("not looking into {path}, named among files (to do so: {path}/)"));
        }
    }
}
