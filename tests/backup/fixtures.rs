//! Workspaces to back up, and what a tree is, exactly, so that two can be compared.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_common::sha256;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps};

/// What the runbook says a workspace holds, in the order an archive has it.
pub(crate) const DOCUMENTED: [&str; 11] = [
    "context.md",
    "memory.md",
    "projects",
    "tools",
    "config.json",
    "pai.sh",
    "server.py",
    "scheduler.py",
    "voice.py",
    "optimize_memory.py",
    "backup.sh",
];

/// A workspace `home` in a scratch folder of its own.
pub(crate) struct Workspace {
    folder: tempfile::TempDir,
    home: PathBuf,
}

impl Workspace {
    /// One with nothing in it.
    pub(crate) fn empty() -> Self {
        Self::named("home")
    }

    /// An empty one whose folder has this name.
    pub(crate) fn named(name: &str) -> Self {
        let folder = pai_tests::scratch();
        let home = folder.path().join(name);
        fs::create_dir(&home).unwrap();
        Self { folder, home }
    }

    /// One like the runbook's, settled long ago.
    pub(crate) fn demo() -> Self {
        let workspace = Self::empty();
        for name in DOCUMENTED {
            match name {
                "projects" => workspace.write("projects/deep/beta.md", b"# Beta\n"),
                "tools" => workspace.write("tools/run.sh", b"#!/bin/sh\necho run\n"),
                name => workspace.write(name, format!("the content of {name}\n").as_bytes()),
            }
        }
        workspace.write("projects/alpha.md", b"# Alpha\n");
        workspace.write("projects/empty", b"");
        chmod(&workspace.home.join("tools/run.sh"), 0o755);
        chmod(&workspace.home.join("config.json"), 0o600);
        std::os::unix::fs::symlink("../context.md", workspace.home.join("projects/link")).unwrap();
        for (number, name) in DOCUMENTED.iter().enumerate() {
            set_time(&workspace.home.join(name), 1_700_000_000 + number as i64, 123_456_789);
        }
        workspace
    }

    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    /// A path beside the workspace.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file of the workspace, making its folders.
    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.home.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    /// `pai-backup` on this workspace.
    pub(crate) fn pai<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Command {
        let mut command = pai_tests::command(pai_tests::tool("pai-backup"));
        command.args(args).env("PAI_HOME", &self.home).current_dir(self.folder.path());
        command
    }

    /// Makes an archive and says where it is.
    #[track_caller]
    pub(crate) fn back_up<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> PathBuf {
        let made = pai_tests::run(self.pai(["create"]).args(args)).expect(0);
        PathBuf::from(OsString::from_vec(made.bytes.strip_suffix(b"\n").unwrap().to_vec()))
    }

    /// The names in `archive/`, hidden ones too, sorted.
    pub(crate) fn archives(&self) -> Vec<String> {
        names_in(&self.home.join("archive"))
    }

    /// The lines of `logs/backup.log`.
    pub(crate) fn log(&self) -> Vec<String> {
        let log = fs::read_to_string(self.home.join("logs/backup.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// Lets user 65534 have all of it, and gives him a tool that he can reach.
    pub(crate) fn give_to_nobody(&self) -> PathBuf {
        let tool = self.beside("pai-backup");
        // By a process of its own: what another thread starts meanwhile would inherit a handle for writing, and
        // a program that is open for writing cannot be run.
        let copied = Command::new("cp").arg(pai_tests::tool("pai-backup")).arg(&tool).status().unwrap();
        assert!(copied.success());
        if rustix::process::geteuid().is_root() {
            let owner = "65534:65534";
            let given = Command::new("chown").args(["-hR", owner]).arg(self.folder.path()).status().unwrap();
            assert!(given.success());
        }
        tool
    }
}

/// The names in a folder, sorted; none if there is no such folder.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

pub(crate) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Sets the modification time of a name, not through a link.
pub(crate) fn set_time(path: &Path, secs: i64, nanos: i64) {
    let time = Timespec { tv_sec: secs, tv_nsec: nanos };
    let times = Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// Sets an extended attribute; false where the file system has none.
pub(crate) fn set_xattr(path: &Path, name: &str, value: &[u8]) -> bool {
    rustix::fs::lsetxattr(path, name, value, rustix::fs::XattrFlags::empty()).is_ok()
}

pub(crate) fn fifo(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

/// A file of `size` bytes that is a hole but for some islands.
pub(crate) fn sparse(path: &Path, size: u64, islands: &[u64]) {
    let file = File::create(path).unwrap();
    for island in islands {
        file.write_all_at(format!("island at {island}").as_bytes(), *island).unwrap();
    }
    file.set_len(size).unwrap();
}

/// Bytes that do not compress, the same for the same seed.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// One thing in a tree: all that a backup promises to bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) kind: char,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) mtime: (i64, i64),
    /// A file's size and digest, a link's target, a device's number.
    pub(crate) content: String,
    /// The first name, in order, of a file that has several.
    pub(crate) same_as: Option<PathBuf>,
    pub(crate) xattrs: Vec<(String, Vec<u8>)>,
}

/// Everything below `root` by its path; the root itself is left out.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Node> {
    let mut nodes = BTreeMap::new();
    let mut names: HashMap<(u64, u64), PathBuf> = HashMap::new();
    let mut folders = vec![PathBuf::new()];
    let mut paths = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path.clone());
            }
            paths.push(path);
        }
    }
    paths.sort();
    for path in paths {
        let node = node(root, &path, &mut names);
        nodes.insert(path, node);
    }
    nodes
}

/// The tree of a workspace as an archive of it has it: without `archive/` and `logs/`.
pub(crate) fn archived_tree(home: &Path) -> BTreeMap<PathBuf, Node> {
    let mut nodes = tree(home);
    nodes.retain(|path, _| !path.starts_with("archive") && !path.starts_with("logs"));
    nodes
}

fn node(root: &Path, path: &Path, names: &mut HashMap<(u64, u64), PathBuf>) -> Node {
    let full = root.join(path);
    let metadata = full.symlink_metadata().unwrap();
    let kind = metadata.file_type();
    let (letter, content) = match () {
        () if kind.is_dir() => ('d', String::new()),
        () if kind.is_symlink() => {
            ('l', fs::read_link(&full).unwrap().as_os_str().as_bytes().escape_ascii().to_string())
        }
        () if kind.is_fifo() => ('p', String::new()),
        () if kind.is_file() => ('-', format!("{} bytes {}", metadata.len(), digest(&full))),
        () => ('?', format!("{}", metadata.rdev())),
    };
    let mut same_as = None;
    if kind.is_file() && metadata.nlink() > 1 {
        same_as = Some(names.entry((metadata.dev(), metadata.ino())).or_insert(path.to_owned()).clone());
    }
    Node {
        kind: letter,
        mode: metadata.mode() & 0o7777,
        owner: (metadata.uid(), metadata.gid()),
        mtime: (metadata.mtime(), metadata.mtime_nsec()),
        content,
        same_as,
        xattrs: xattrs(&full),
    }
}

fn digest(path: &Path) -> String {
    let mut hasher = sha256::Sha256::new();
    let mut file = File::open(path).unwrap();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).unwrap() {
            0 => return sha256::to_hex(&hasher.finish()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

fn xattrs(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut names = vec![0; 4096];
    let Ok(length) = rustix::fs::llistxattr(path, &mut names[..]) else { return Vec::new() };
    let mut found: Vec<(String, Vec<u8>)> = names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| name.starts_with(b"user."))
        .map(|name| {
            let name = String::from_utf8_lossy(name).into_owned();
            let mut value = vec![0; 70_000];
            let length = rustix::fs::lgetxattr(path, name.as_str(), &mut value[..]).unwrap();
            value.truncate(length);
            (name, value)
        })
        .collect();
    found.sort();
    found
}

/// Asserts that two trees are the same, and names what is not.
#[track_caller]
pub(crate) fn assert_same_tree(found: &BTreeMap<PathBuf, Node>, expected: &BTreeMap<PathBuf, Node>) {
    let mut differences = Vec::new();
    for (path, node) in expected {
        match found.get(path) {
            None => differences.push(format!("missing: {}", path.display())),
            Some(other) if other != node => {
                differences.push(format!("{}:\n  found    {other:?}\n  expected {node:?}", path.display()));
            }
            Some(_) => {}
        }
    }
    let extra = found.keys().filter(|path| !expected.contains_key(*path));
    differences.extend(extra.map(|path| format!("extra: {}", path.display())));
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
