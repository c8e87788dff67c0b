//! The tools at work, each on a workspace whose old and new state are known.

mod capture;
mod checksum;
mod create;
mod logs;
mod optimize;
mod repair;
mod restore;
mod rotate;
mod store;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::run;

/// One run of a tool that a fault may hit. The checks say what is wrong.
pub(crate) trait Scene {
    /// Brings the workspace into its old state.
    fn reset(&self);
    /// The run; run again, undisturbed, it ends well.
    fn command(&self) -> Command;
    /// After a fault: everything that has its final name is whole, old or new; nothing is lost.
    fn check(&self) -> Result<(), String>;
    /// After the next, undisturbed run: the new state, and nothing left behind.
    fn check_new(&self) -> Result<(), String>;
}

/// Tests of every scene: for each of [`ALL`] a module with the named tests, each of which calls its check with the
/// scene's name.
macro_rules! for_each_scene {
    (@scene $scene:ident $name:literal $($test:ident => $check:ident,)*) => {
        mod $scene {
            $(#[test]
            fn $test() {
                super::$check($name);
            })*
        }
    };
    ($($test:ident => $check:ident,)*) => {
        crate::scenes::for_each_scene! { @scene create "create" $($test => $check,)* }
        crate::scenes::for_each_scene! { @scene capture "capture" $($test => $check,)* }
        crate::scenes::for_each_scene! { @scene restore_into_a_new_folder "restore into a new folder" $($test => $check,)* }
        crate::scenes::for_each_scene! { @scene restore_over_a_workspace "restore over a workspace" $($test => $check,)* }
        crate::scenes::for_each_scene! { @scene rotate "rotate" $($test => $check,)* }
        crate::scenes::for_each_scene! { @scene logs "rotate logs" $($test => $check,)* }
        crate::scenes::for_each_scene! { @scene logs_copied "rotate logs --copytruncate" $($test => $check,)* }
        crate::scenes::for_each_scene! { @scene optimize "optimize" $($test => $check,)* }
        crate::scenes::for_each_scene! { @scene optimize_all_forms "optimize, all forms and notes" $($test => $check,)* }
        crate::scenes::for_each_scene! { @scene checksum_output "checksum -o" $($test => $check,)* }
        crate::scenes::for_each_scene! { @scene store "create --store" $($test => $check,)* }
        crate::scenes::for_each_scene! { @scene checksum_update "checksum --update" $($test => $check,)* }
    };
}
pub(crate) use for_each_scene;

/// A scene's name and how to set it up in a folder; the number says how much work there is.
pub(crate) type Setup = (&'static str, fn(&Path, usize) -> Box<dyn Scene>);

/// One for each way a tool writes or deletes.
pub(crate) const ALL: [Setup; 14] = [
    ("create", |folder, size| Box::new(create::Create::new(folder, size))),
    ("capture", |folder, size| Box::new(capture::Capture::new(folder, size))),
    ("restore into a new folder", |folder, size| Box::new(restore::Restore::into_new(folder, size))),
    ("restore over a workspace", |folder, size| Box::new(restore::Restore::into_home(folder, size))),
    ("repair", |folder, size| Box::new(repair::Repair::new(folder, size))),
    ("rotate", |folder, size| Box::new(rotate::Rotate::new(folder, size))),
    ("rotate logs", |folder, size| Box::new(logs::Logs::new(folder, size, false))),
    ("rotate logs --copytruncate", |folder, size| Box::new(logs::Logs::new(folder, size, true))),
    ("optimize", |folder, size| Box::new(optimize::Optimize::plain(folder, size))),
    ("optimize, all forms and notes", |folder, size| Box::new(optimize::Optimize::all_forms(folder, size))),
    ("checksum -o", |folder, size| Box::new(checksum::Checksum::new(folder, size, "-o"))),
    ("create --store", |folder, size| Box::new(store::Night::new(folder, size))),
    ("prune", |folder, size| Box::new(store::Prune::new(folder, size))),
    ("checksum --update", |folder, size| Box::new(checksum::Checksum::new(folder, size, "--update"))),
];

impl dyn Scene + '_ {
    /// What must hold once a fault is over: first as it is, then after the next run.
    pub(crate) fn recovers(&self) -> Result<(), String> {
        self.check()?;
        let mut next = run(&mut self.command());
        // A program that a killed run was about to start holds that run's locks for a moment longer.
        for _ in 0..600 {
            if next.status != Some(75) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
            next = run(&mut self.command());
        }
        if next.status != Some(0) {
            return Err(format!("the next run ended with {:?}: {}", next.status, next.stderr));
        }
        self.check_new().map_err(|why| format!("after the next run: {why}"))
    }
}

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thing {
    /// Kind and permissions.
    pub(crate) mode: u32,
    /// Last modification, in nanoseconds; none of links, which are made anew.
    pub(crate) mtime: i128,
    /// A file's content, a link's target.
    pub(crate) bytes: Vec<u8>,
}

/// Everything below a folder by its path in it, but for what `skip` names.
pub(crate) fn snapshot(root: &Path, skip: &[&str]) -> BTreeMap<PathBuf, Thing> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(root).unwrap().to_owned();
            if skip.iter().any(|skip| relative == Path::new(skip)) {
                continue;
            }
            let metadata = path.symlink_metadata().unwrap();
            let bytes = if metadata.is_symlink() {
                std::fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes()
            } else if metadata.is_file() {
                std::fs::read(&path).unwrap()
            } else {
                folders.push(path);
                Vec::new()
            };
            let mtime = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
            let mtime = if metadata.is_symlink() { 0 } else { mtime };
            found.insert(relative, Thing { mode: metadata.mode(), mtime, bytes });
        }
    }
    found
}

/// Whether two snapshots differ, and where first.
pub(crate) fn same(
    found: &BTreeMap<PathBuf, Thing>,
    wanted: &BTreeMap<PathBuf, Thing>,
) -> Result<(), String> {
    for path in found.keys().chain(wanted.keys()) {
        match (found.get(path), wanted.get(path)) {
            (Some(found), Some(wanted)) if found == wanted => {}
            (Some(found), Some(wanted)) => {
                let (is, was) = ((found.mode, found.mtime), (wanted.mode, wanted.mtime));
                let bytes = found.bytes == wanted.bytes;
                return Err(format!("{} is {is:?}, not {was:?}; same bytes: {bytes}", path.display()));
            }
            (Some(_), None) => return Err(format!("{} is left over", path.display())),
            (None, _) => return Err(format!("{} is missing", path.display())),
        }
    }
    Ok(())
}

/// The names in a folder, sorted; none if there is no folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Empties a folder, making it if need be.
pub(crate) fn empty(folder: &Path) {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
}

/// An error unless `holds`.
pub(crate) fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}

/// Text that compresses about as well as notes do, and is another for each `seed`.
pub(crate) fn prose(seed: usize, bytes: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let mut text = Vec::with_capacity(bytes + 32);
    while text.len() < bytes {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.extend_from_slice(format!("note {:x} of {seed}\n", state >> 40).as_bytes());
    }
    text.truncate(bytes);
    text
}

/// Sets a file's times to so many seconds before a moment of long ago: it looks settled, and the same each time.
pub(crate) fn age(path: &Path, seconds: u64) {
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000 - seconds);
    std::fs::File::open(path).unwrap().set_modified(then).unwrap();
}
