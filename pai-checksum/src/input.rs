//! What is to be hashed: names from the command line, from a list, or from below folders.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use pai_common::atomic;
use pai_common::walk::{self, walk};

use crate::cli::Args;
use crate::talk::Talk;

/// One thing to hash, under the name it is printed with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Input {
    /// The name, as bytes.
    pub name: Vec<u8>,
    /// Where the bytes are; `None` for standard input.
    pub path: Option<PathBuf>,
}

impl Input {
    /// `name` as it was given: `-` is standard input, everything else a path below `base`.
    pub(crate) fn named(name: Vec<u8>, base: &Path) -> Self {
        let path = (name != b"-").then(|| below(base, &name));
        Self { name, path }
    }

    /// A file, even if it is called `-`.
    pub(crate) fn file(name: Vec<u8>, base: &Path) -> Self {
        let path = Some(below(base, &name));
        Self { name, path }
    }
}

/// The inputs of a run without `--check`, `--audit` or `--update`.
pub(crate) fn gather(args: &Args, talk: &Talk<'_>) -> anyhow::Result<Vec<Input>> {
    let base = args.directory.as_deref().unwrap_or(Path::new(""));
    let own = args.output.as_deref().map(Own::of).transpose()?.unwrap_or_default();
    let names = names(args, talk)?;
    if !args.recursive {
        let inputs = names.into_iter().map(|name| Input::named(name, base));
        return Ok(inputs.filter(|input| !own.is_input(input)).collect());
    }
    let options = walk_options(args)?;
    let mut inputs = Vec::new();
    for name in names {
        let input = Input::named(name, base);
        match &input.path {
            Some(root) if root.is_dir() => {
                let prefix = if input.name == b"." {
                    Path::new("")
                } else {
                    Path::new(OsStr::from_bytes(&input.name))
                };
                inputs.extend(files_below(root, &options, &own, talk).into_iter().map(|path| {
                    let name = listed_name(prefix.join(&path));
                    Input { name, path: Some(root.join(path)) }
                }));
            }
            _ if own.is_input(&input) => {}
            _ => inputs.push(input),
        }
    }
    Ok(inputs)
}

/// The regular files below `root`, in the order of a walk, relative to it; what is `own` is left out.
pub(crate) fn files_below(root: &Path, options: &walk::Options, own: &Own, talk: &Talk<'_>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for item in walk(root, Path::new(""), options) {
        match item {
            Ok(found)
                if found.metadata.is_file()
                    && !own.is(&root.join(&found.path), Some(Id::from(&found.metadata))) =>
            {
                files.push(found.path);
            }
            Ok(_) => {}
            // Another run's unfinished list was there when the folder was read, and is in its place now.
            Err(failure) if own.is(&root.join(&failure.path), None) => {}
            Err(failure) => talk.trouble(root.join(failure.path).as_os_str().as_bytes(), &failure.error),
        }
    }
    files
}

/// The name of a file in a checksum line. A file called `-` is listed as `./-`, since readers take `-` for standard input.
pub(crate) fn listed_name(path: PathBuf) -> Vec<u8> {
    let name = path.into_os_string().into_vec();
    if name == b"-" { b"./-".to_vec() } else { name }
}

/// The excludes of the command line.
pub(crate) fn walk_options(args: &Args) -> anyhow::Result<walk::Options> {
    let mut options = walk::Options::default();
    for pattern in &args.exclude {
        options.excludes.add(pattern)?;
    }
    Ok(options)
}

/// A file whatever its name: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id {
    device: u64,
    inode: u64,
}

impl Id {
    /// The file at `path`, if there is one.
    fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().as_ref().map(Self::from)
    }
}

impl From<&Metadata> for Id {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

/// Files that a run never lists: the list it writes, and the unfinished list of a run that was interrupted.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// As they were when the run began.
    ids: Vec<Id>,
    /// Another run may exchange them meanwhile: then their folder and names still tell.
    folder: Option<Id>,
    names: Vec<OsString>,
}

impl Own {
    /// The files that belong to the list at `path`.
    pub(crate) fn of(path: &Path) -> anyhow::Result<Self> {
        let path = atomic::behind_links(path);
        let mut own = Self { folder: folder_of(&path), ..Self::default() };
        for path in [path.clone(), atomic::temp_path(&path)?] {
            match std::fs::metadata(&path) {
                Ok(metadata) => own.ids.push(Id::from(&metadata)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("could not read {}", path.display()));
                }
            }
            own.names.extend(path.file_name().map(OsStr::to_owned));
        }
        Ok(own)
    }

    fn is(&self, path: &Path, id: Option<Id>) -> bool {
        id.is_some_and(|id| self.ids.contains(&id))
            || (path.file_name().is_some_and(|name| self.names.iter().any(|own| own == name))
                && self.folder.is_some()
                && self.folder == folder_of(path))
    }

    fn is_input(&self, input: &Input) -> bool {
        let path = input.path.as_deref().filter(|_| !self.names.is_empty());
        path.is_some_and(|path| self.is(path, Id::of(path)))
    }
}

fn folder_of(path: &Path) -> Option<Id> {
    match path.parent()? {
        here if here.as_os_str().is_empty() => Id::of(Path::new(".")),
        folder => Id::of(folder),
    }
}

fn below(base: &Path, name: &[u8]) -> PathBuf {
    base.join(OsStr::from_bytes(name))
}

fn names(args: &Args, talk: &Talk<'_>) -> anyhow::Result<Vec<Vec<u8>>> {
    if let Some(list) = &args.files0_from {
        return names_of(list, talk);
    }
    if args.files.is_empty() {
        return Ok(vec![if args.recursive { b".".to_vec() } else { b"-".to_vec() }]);
    }
    Ok(args.files.iter().map(|file| file.as_os_str().as_bytes().to_vec()).collect())
}

fn names_of(list: &Path, talk: &Talk<'_>) -> anyhow::Result<Vec<Vec<u8>>> {
    let bytes = read(list).with_context(|| format!("could not read {}", list.display()))?;
    let mut names = Vec::new();
    let listed = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    if bytes.is_empty() {
        return Ok(names);
    }
    for (n, name) in listed.split(|&byte| byte == 0).enumerate() {
        if name.is_empty() {
            talk.complain(format_args!("{}:{}: invalid zero-length file name", list.display(), n + 1));
        } else {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

/// A file, or standard input for `-`.
pub(crate) fn open(path: &Path) -> io::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(io::stdin().lock()));
    }
    Ok(Box::new(BufReader::new(File::open(path)?)))
}

/// The bytes of a file, or of standard input for `-`.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path != Path::new("-") {
        return std::fs::read(path);
    }
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(bytes)
}
