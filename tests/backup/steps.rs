//! Generated steps that make and change a tree, and how each is taken.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;

use crate::fixtures::{archived_tree, chmod, noise, set_time, set_xattr};

/// One step in making or changing a tree. Numbers choose among what is there, so that every step fits
/// every tree.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Write { folder: u8, name: String, size: usize, seed: u64 },
    Large { seed: u64, size: usize },
    Folder { folder: u8, name: String },
    Symlink { folder: u8, name: String, target: String },
    HardLink { file: u8, name: String },
    Fifo { name: String },
    Append { file: u8, seed: u64 },
    Insert { file: u8, seed: u64 },
    SameSize { file: u8, seed: u64 },
    Rename { entry: u8, name: String },
    Touch { entry: u8, secs: i64, nanos: i64 },
    Chmod { entry: u8, mode: u32 },
    Xattr { file: u8, value: Vec<u8> },
    Delete { entry: u8 },
    Swap { entry: u8 },
}

fn name() -> impl Strategy<Value = String> {
    // Few names, so that they meet again; some that need quoting, some too long for a ustar header.
    prop_oneof![
        "[a-e]",
        "[a-c][ '*\\\\\n.-][a-c]",
        Just("é".to_owned()),
        "[xyz]".prop_map(|letter| letter.repeat(130)),
    ]
}

pub(crate) fn making() -> impl Strategy<Value = Step> {
    let size = prop_oneof![Just(0), 1usize..600, 1usize..70_000];
    prop_oneof![
        5 => (any::<u8>(), name(), size, any::<u64>())
            .prop_map(|(folder, name, size, seed)| Step::Write { folder, name, size, seed }),
        1 => (any::<u64>(), (1usize << 20)..(3 << 20)).prop_map(|(seed, size)| Step::Large { seed, size }),
        2 => (any::<u8>(), name()).prop_map(|(folder, name)| Step::Folder { folder, name }),
        1 => (any::<u8>(), name(), name())
            .prop_map(|(folder, name, target)| Step::Symlink { folder, name, target }),
        1 => (any::<u8>(), name()).prop_map(|(file, name)| Step::HardLink { file, name }),
        1 => name().prop_map(|name| Step::Fifo { name }),
    ]
}

pub(crate) fn changing() -> impl Strategy<Value = Step> {
    let pick = any::<u8>;
    prop_oneof![
        (pick(), any::<u64>()).prop_map(|(file, seed)| Step::Append { file, seed }),
        (pick(), any::<u64>()).prop_map(|(file, seed)| Step::Insert { file, seed }),
        (pick(), any::<u64>()).prop_map(|(file, seed)| Step::SameSize { file, seed }),
        (pick(), name()).prop_map(|(entry, name)| Step::Rename { entry, name }),
        (pick(), -2_000_000_000i64..4_000_000_000, 0i64..1_000_000_000)
            .prop_map(|(entry, secs, nanos)| Step::Touch { entry, secs, nanos }),
        (pick(), 0u32..0o1000).prop_map(|(entry, mode)| Step::Chmod { entry, mode }),
        (pick(), vec(any::<u8>(), 0..300)).prop_map(|(file, value)| Step::Xattr { file, value }),
        pick().prop_map(|entry| Step::Delete { entry }),
        pick().prop_map(|entry| Step::Swap { entry }),
    ]
}

fn pick(paths: &[PathBuf], number: u8) -> Option<&PathBuf> {
    (!paths.is_empty()).then(|| &paths[usize::from(number) % paths.len()])
}

/// Applies a step to the tree below `root`. One that does not fit (its name is taken) changes nothing.
fn apply(step: &Step, root: &Path) {
    let of_kind = |kind: char| -> Vec<PathBuf> {
        let nodes = archived_tree(root).into_iter().filter(|(_, node)| kind == '*' || node.kind == kind);
        nodes.map(|(path, _)| root.join(path)).collect()
    };
    let place = |folder: u8, name: &str| {
        let mut folders = of_kind('d');
        folders.push(root.to_owned());
        let path = pick(&folders, folder).unwrap().join(name);
        (path.symlink_metadata().is_err()).then_some(path)
    };
    let at_root = |name: &str| Some(root.join(name)).filter(|path| path.symlink_metadata().is_err());
    let edit = |file: u8, change: &dyn Fn(&mut Vec<u8>)| {
        if let Some(path) = pick(&of_kind('-'), file) {
            let mut content = fs::read(path).unwrap();
            change(&mut content);
            fs::write(path, content).unwrap();
        }
    };
    match step {
        Step::Write { folder, name, size, seed } => {
            place(*folder, name).map(|path| fs::write(path, noise(*size, *seed)));
        }
        // Over the last one, unless a folder has taken its place.
        Step::Large { seed, size } => drop(fs::write(root.join("large"), noise(*size, *seed))),
        Step::Folder { folder, name } => {
            place(*folder, name).map(fs::create_dir);
        }
        Step::Symlink { folder, name, target } => {
            place(*folder, name).map(|path| symlink(target, path));
        }
        Step::HardLink { file, name } => {
            if let (Some(file), Some(path)) = (pick(&of_kind('-'), *file), at_root(name)) {
                fs::hard_link(file, path).unwrap();
            }
        }
        Step::Fifo { name } => {
            use rustix::fs::{CWD, FileType, Mode};
            at_root(name).map(|path| rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR, 0));
        }
        Step::Append { file, seed } => edit(*file, &|content| content.extend(noise(700, *seed))),
        Step::Insert { file, seed } => edit(*file, &|content| {
            let middle = content.len() / 2;
            content.splice(middle..middle, noise(100, *seed));
        }),
        Step::SameSize { file, seed } => {
            if let Some(path) = pick(&of_kind('-'), *file) {
                let was = path.metadata().unwrap();
                let mut content = fs::read(path).unwrap();
                if let Some(byte) = content.last_mut() {
                    *byte ^= *seed as u8 | 1;
                }
                fs::write(path, content).unwrap();
                set_time(path, was.mtime(), was.mtime_nsec());
            }
        }
        Step::Rename { entry, name } => {
            if let (Some(path), Some(new)) = (pick(&of_kind('*'), *entry), at_root(name)) {
                fs::rename(path, new).unwrap();
            }
        }
        Step::Touch { entry, secs, nanos } => {
            if let Some(path) = pick(&of_kind('*'), *entry) {
                set_time(path, *secs, *nanos);
            }
        }
        Step::Chmod { entry, mode } => {
            if let Some(path) = pick(&of_kind('*'), *entry).filter(|path| !path.is_symlink()) {
                // Whoever runs this must still be able to clean up.
                chmod(path, if path.is_dir() { mode | 0o700 } else { mode | 0o600 });
            }
        }
        Step::Xattr { file, value } => {
            if let Some(path) = pick(&of_kind('-'), *file) {
                set_xattr(path, "user.test", value);
            }
        }
        Step::Delete { entry } => {
            if let Some(path) = pick(&of_kind('*'), *entry) {
                remove(path);
            }
        }
        Step::Swap { entry } => {
            if let Some(path) = pick(&of_kind('*'), *entry) {
                let was_folder = path.is_dir() && !path.is_symlink();
                remove(path);
                if was_folder {
                    fs::write(path, "a file now").unwrap();
                } else {
                    fs::create_dir(path).unwrap();
                    fs::write(path.join("inside"), "a folder now").unwrap();
                }
            }
        }
    }
}

pub(crate) fn apply_all(steps: &[Step], root: &Path) {
    for step in steps {
        apply(step, root);
    }
}

fn remove(path: &Path) {
    if path.is_dir() && !path.is_symlink() {
        fs::remove_dir_all(path).unwrap();
    } else {
        fs::remove_file(path).unwrap();
    }
}
