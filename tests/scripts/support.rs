//! What the tests of these scripts share: a script's path, and a PATH with the built tools and the scripts.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use pai_tests::{bin_folder, command, repository};

/// The built tools, then the scripts, then `first..` in front of what is there.
pub(crate) fn path_with(first: &[&Path]) -> OsString {
    let scripts = repository().join("scripts");
    let mut folders: Vec<_> = first.iter().map(|folder| folder.to_path_buf()).collect();
    folders.extend([bin_folder().to_owned(), scripts]);
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    std::env::join_paths(folders).expect("no colon in a folder's name")
}

/// A script of ours, with no configuration from outside.
pub(crate) fn script(name: &str) -> Command {
    let mut script = command(repository().join("scripts").join(name));
    script.env("PATH", path_with(&[])).env("HOME", "/nonexistent");
    for variable in
        ["BACKUP_DIR", "STATE_DIR", "REPLAYS_PATH", "CODEX_HOME", "DOCKER_HOST", "PGPASSFILE", "PGPASSWORD"]
    {
        script.env_remove(variable);
    }
    script
}

/// The permission bits of a path.
pub(crate) fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).permissions().mode()
        & 0o7777
}

/// The names in a folder, sorted; none if it is not there.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
