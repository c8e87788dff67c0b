//! One folder, or a part of a large one, looked at in one go.

use std::ffi::OsString;
use std::fs::{DirEntry, Metadata};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Failure, Found, Item, Options};

/// Names of one folder that are looked at in one go: a folder may hold millions.
pub(super) const LENGTH: usize = 1024;

/// A part of the walk that is still to be looked at.
#[derive(Debug)]
pub(super) struct Stretch {
    /// Below which of the walk's starts it is.
    pub(super) start: u32,
    /// The stretch holds entries of this folder.
    pub(super) folder: PathBuf,
    /// Only these of its names, in order.
    pub(super) names: Option<Vec<OsString>>,
}

/// Where a stretch is in the order of the walk.
pub(super) type Place = Vec<u8>;

/// The next step of a walk.
#[derive(Debug)]
pub(super) enum Step {
    /// Hand out this item.
    Item(Item),
    /// Go on with the stretch at this place.
    Into(Place),
}

/// The result of looking at a stretch.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// In the order of the walk.
    pub(super) steps: Vec<Step>,
    /// The stretches that they lead to.
    pub(super) further: Vec<(Place, Stretch)>,
}

impl Stretch {
    /// Bytes that compare as the walk goes: no name has a NUL, and it is less than all that names have.
    fn place(&self) -> Place {
        let mut place = self.start.to_be_bytes().to_vec();
        for name in &self.folder {
            place.extend_from_slice(name.as_bytes());
            place.push(0);
        }
        // A folder of the first name's would come right behind it.
        place.extend_from_slice(self.names.iter().flatten().next().map_or(b"", |name| name.as_bytes()));
        place
    }
}

impl Seen {
    fn item(&mut self, item: Item) {
        self.steps.push(Step::Item(item));
    }

    pub(super) fn go_into(&mut self, stretch: Stretch) {
        let place = stretch.place();
        self.steps.push(Step::Into(place.clone()));
        self.further.push((place, stretch));
    }
}

/// A name in a folder, with what keeps the folder open: then the kernel need not look up its path again.
#[derive(Debug)]
struct Name {
    name: OsString,
    entry: Option<DirEntry>,
}

/// Looks at stretches.
#[derive(Debug)]
pub(super) struct Looker {
    root: PathBuf,
    options: Options,
    /// The file system to stay on.
    device: Option<u64>,
}

impl Looker {
    pub(super) fn new(root: &Path, options: &Options) -> Self {
        let stays = options.one_file_system;
        let device = stays.then(|| std::fs::metadata(root).ok()).flatten().map(|root| root.dev());
        Self { root: root.to_owned(), options: options.clone(), device }
    }

    pub(super) fn look(&self, Stretch { start, folder, names }: Stretch) -> Seen {
        let mut seen = Seen::default();
        let names = match names {
            Some(names) => names.into_iter().map(|name| Name { name, entry: None }).collect(),
            None => match self.names(&folder) {
                Ok(names) => names,
                Err(error) => {
                    seen.item(Err(Failure { path: folder, error }));
                    return seen;
                }
            },
        };
        seen.steps.reserve(names.len().min(LENGTH));
        let mut names = names.into_iter();
        for name in names.by_ref().take(LENGTH) {
            self.look_at(start, &folder, name, &mut seen);
        }
        // Without their entries: a folder that stayed open until its turn came could be one of too many.
        let mut rest = names.map(|name| name.name).peekable();
        while rest.peek().is_some() {
            let names = Some(rest.by_ref().take(LENGTH).collect());
            seen.go_into(Stretch { start, folder: folder.clone(), names });
        }
        seen
    }

    fn look_at(&self, start: u32, folder: &Path, Name { name, entry }: Name, seen: &mut Seen) {
        let path = folder.join(name);
        let metadata = match entry {
            Some(entry) => entry.metadata(),
            None => std::fs::symlink_metadata(self.root.join(&path)),
        };
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(error) if self.may_go(&path, &error) => return,
            Err(error) => return seen.item(Err(Failure { path, error })),
        };
        if self.options.excludes.excludes(&path, metadata.is_dir()) {
            return;
        }
        let folder = (metadata.is_dir() && self.same_device(&metadata)).then(|| path.clone());
        seen.item(Ok(Found { path, metadata }));
        if let Some(folder) = folder {
            seen.go_into(Stretch { start, folder, names: None });
        }
    }

    /// Says whether the walk misses nothing where it could not look at `path`: excludes leave it out. Some leave out folders
    /// only, and whether a name that is gone was a folder's nobody can tell.
    fn may_go(&self, path: &Path, error: &io::Error) -> bool {
        let excludes = &self.options.excludes;
        excludes.excludes(path, false)
            || error.kind() == io::ErrorKind::NotFound && excludes.excludes(path, true)
    }

    fn same_device(&self, metadata: &Metadata) -> bool {
        self.device.is_none_or(|device| metadata.dev() == device)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<Name>> {
        let full = self.root.join(folder);
        if self.options.skip_caches && is_cache(&full) {
            return Ok(vec![Name { name: "CACHEDIR.TAG".into(), entry: None }]);
        }
        let mut names = std::fs::read_dir(full)?
            .map(|entry| entry.map(|entry| Name { name: entry.file_name(), entry: Some(entry) }))
            .collect::<io::Result<Vec<Name>>>()?;
        names.sort_unstable_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        Ok(names)
    }
}

fn is_cache(folder: &Path) -> bool {
    const SIGNATURE: &[u8] = b"Signature: 8a477f597d28d172789f06886806bc55";
    let mut start = [0; SIGNATURE.len()];
    // Without waiting: it may be a pipe.
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let tag = std::fs::File::options().read(true).custom_flags(flags).open(folder.join("CACHEDIR.TAG"));
    tag.and_then(|mut tag| tag.read_exact(&mut start)).is_ok_and(|()| start == SIGNATURE)
}
