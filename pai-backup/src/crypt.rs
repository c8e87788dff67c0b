//! Encryption: what is sealed for recipients, only their identities open. The format is age's, and stock `age` does either.
//!
//! Who writes needs recipients alone, which are public; the machine that backs up need not be able to read. The crate `age`
//! is used in this folder only.
//!
//! | file | what it knows |
//! | --- | --- |
//! | `recipients` | whom something is sealed for |
//! | `identities` | the keys that open it, and the files they are in |
//! | `passphrase` | asking for one |
//! | `seal` | sealing bytes, or a stream |
//! | `open` | opening a stream, or bytes at an offset |
//! | `key` | the command |

mod identities;
pub(crate) mod key;
pub mod open;
mod passphrase;
mod recipients;
mod seal;

use std::fmt;
use std::fs::Metadata;
use std::io::{Cursor, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use pai_common::console::Console;
use pai_common::hint::Hinted;

use self::open::{MAGIC, Opened};
use crate::archive::member::read_full;
use crate::archive::open::Bytes;

pub use self::identities::Identities;
pub use self::recipients::Recipients;
pub(crate) use self::seal::{SealWriter, seal};

/// What ends the name of everything that is sealed.
pub(crate) const END: &str = ".age";

/// The identities a run may use. Their files are read, and a passphrase is asked for, when something is to be opened.
#[derive(Default)]
pub struct Keys {
    files: Vec<PathBuf>,
    read: Mutex<Option<Arc<Identities>>>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("files", &self.files).finish_non_exhaustive()
    }
}

impl Keys {
    /// The identities in these files. An empty name, as of an empty variable, is left out.
    pub fn new(files: &[PathBuf]) -> Self {
        let files = files.iter().filter(|file| !file.as_os_str().is_empty()).cloned().collect();
        Self { files, read: Mutex::default() }
    }

    /// Identities that were read already.
    pub fn of(identities: Identities) -> Self {
        Self { files: Vec::new(), read: Mutex::new(Some(Arc::new(identities))) }
    }

    /// Warns of files that others can read.
    pub(crate) fn warn_of_modes(&self, console: &Console) {
        for file in &self.files {
            let open_to_others = |metadata: &Metadata| metadata.is_file() && metadata.mode() & 0o077 != 0;
            if file.metadata().is_ok_and(|metadata| open_to_others(&metadata)) {
                console.warn(format_args!("{} can be read by others: chmod 600 it", file.display()));
            }
        }
    }

    /// Whether any file was named.
    pub(crate) fn are_named(&self) -> bool {
        !self.files.is_empty()
    }

    /// All identities; `sealed` is what a message says they are needed for.
    pub(crate) fn get(&self, sealed: &dyn fmt::Display) -> anyhow::Result<Arc<Identities>> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(identities) = &*read {
            return Ok(Arc::clone(identities));
        }
        if self.files.is_empty() {
            return Err(Hinted::new(
                anyhow::anyhow!("could not open {sealed}: it is encrypted, and no identity is named"),
                "pass --identity FILE, or export PAI_IDENTITY: the file that pai-backup key new has made",
            )
            .into());
        }
        let identities = Arc::new(Identities::read(&self.files)?);
        *read = Some(Arc::clone(&identities));
        Ok(identities)
    }
}

/// The recipients that a file of this name is to be encrypted for. Fails if there are recipients but the name does not end in
/// `.age`, or the other way round: the name must tell whether the file is encrypted.
pub(crate) fn for_name(name: &Path, recipients: Option<Recipients>) -> anyhow::Result<Option<Recipients>> {
    let says = name.as_os_str().as_encoded_bytes().ends_with(END.as_bytes());
    match recipients {
        None if says => Err(Hinted::new(
            anyhow::anyhow!("could not encrypt {}: no recipient is named", name.display()),
            "pass --recipient age1... or --recipients-file FILE; pai-backup key new makes a pair",
        )
        .into()),
        Some(_) if !says => {
            bail!("could not encrypt {}: the name of what is encrypted must end in {END}", name.display())
        }
        recipients => Ok(recipients),
    }
}

/// The content of an archive's bytes, which may be encrypted. `name` is what messages call them.
pub(crate) fn open_bytes(
    bytes: Arc<dyn Bytes>,
    name: &dyn fmt::Display,
    keys: &Keys,
) -> anyhow::Result<Arc<dyn Bytes>> {
    let context = || format!("could not open {name}");
    let mut start = vec![0; MAGIC.len().min(bytes.size() as usize)];
    bytes.read_exact_at(&mut start, 0).with_context(context)?;
    if !open::is_sealed(&start) {
        return Ok(bytes);
    }
    let identities = keys.get(name)?;
    let opened = Opened::new(bytes, Arc::clone(&identities));
    Ok(Arc::new(opened.map_err(|error| whose(error, &identities)).with_context(context)?))
}

/// A stream, decrypted if it was encrypted.
pub(crate) struct Stream {
    /// Its content.
    pub(crate) content: Box<dyn Read + Send>,
    /// Whether it was encrypted.
    pub(crate) was_sealed: bool,
}

/// The content of what comes through a pipe, which may be encrypted.
pub(crate) fn open_stream(
    mut input: Box<dyn Read + Send>,
    name: &dyn fmt::Display,
    keys: &Keys,
) -> anyhow::Result<Stream> {
    let context = || format!("could not open {name}");
    let mut start = vec![0; MAGIC.len()];
    let count = read_full(&mut input, &mut start).with_context(context)?;
    start.truncate(count);
    let was_sealed = open::is_sealed(&start);
    let input = Cursor::new(start).chain(input);
    if !was_sealed {
        return Ok(Stream { content: Box::new(input), was_sealed });
    }
    let identities = keys.get(name)?;
    let opened = open::stream(input, &identities);
    let content = opened.map_err(|error| whose(error, &identities)).with_context(context)?;
    Ok(Stream { content: Box::new(content), was_sealed })
}

/// The error, which also names whose identity was tried if it was the wrong one.
fn whose(error: std::io::Error, identities: &Identities) -> anyhow::Error {
    let is_other = open::kind_of(&error) == Some(open::OpenError::NotForUs);
    let error = anyhow::Error::new(error);
    if !is_other {
        return error;
    }
    let hint =
        format!("the identity that was given opens what is for {}", identities.recipients().join(", "));
    Hinted::new(error, hint).into()
}

/// Whether an error is about the encrypted file, and not about the identity.
pub(crate) fn is_damage(error: &anyhow::Error) -> bool {
    let found = error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
    found.is_some_and(|error| {
        let bad = matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof);
        bad && open::kind_of(error) != Some(open::OpenError::NotForUs)
    })
}
