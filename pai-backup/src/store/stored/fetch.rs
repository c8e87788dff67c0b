//! Packs as they are fetched: checked against their names, opened if they are encrypted, and named if they are bad.

use std::io;
use std::sync::Arc;

use pai_common::sha256::{self, Digest};

use crate::crypt::open::{OpenError, kind_of, open};
use crate::crypt::{Identities, Keys};
use crate::store::backend::{Answer, Backend, Kind};
use crate::store::layout::{self, Form};
use crate::store::list::LARGEST_PACK;

/// A pack that is not there, or not what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BadPack {
    pub(crate) pack: Digest,
    form: Form,
    what: String,
}

impl BadPack {
    pub(super) fn error(pack: Digest, form: Form, what: impl Into<String>) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, Self { pack, form, what: what.into() })
    }

    /// The bad pack that an error is about, if any.
    pub(crate) fn within<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Self> {
        let carried = || error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref();
        error.downcast_ref().or_else(carried)
    }
}

impl std::fmt::Display for BadPack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", layout::pack_name(&self.pack, self.form), self.what)
    }
}

impl std::error::Error for BadPack {}

pub(super) fn got(pack: Digest, form: Form, answer: Answer<Vec<u8>>) -> io::Result<Vec<u8>> {
    answer.map_err(|error| match error.kind {
        Kind::Missing => BadPack::error(pack, form, "is missing"),
        _ => io::Error::other(error),
    })
}

pub(super) fn identities_for(keys: &Keys, name: &str) -> io::Result<Arc<Identities>> {
    keys.get(&name).map_err(|error| io::Error::other(format!("{error:#}")))
}

/// Fetches a whole pack as it lies in the store, and checks its SHA-256 against its name.
pub(crate) fn fetch_object(backend: &dyn Backend, pack: &Digest, form: Form) -> io::Result<Vec<u8>> {
    let bytes = got(*pack, form, backend.get(&layout::pack_name(pack, form), 0, LARGEST_PACK))?;
    if sha256::digest(&bytes) != *pack {
        return Err(BadPack::error(*pack, form, "is damaged: its SHA-256 is not its name"));
    }
    Ok(bytes)
}

/// Fetches a whole pack, checks it, and decrypts it if it is encrypted.
pub(crate) fn fetch_whole(
    backend: &dyn Backend,
    pack: &Digest,
    form: Form,
    keys: &Keys,
) -> io::Result<Vec<u8>> {
    let bytes = fetch_object(backend, pack, form)?;
    if form == Form::Plain {
        return Ok(bytes);
    }
    let identities = identities_for(keys, &layout::pack_name(pack, form))?;
    open(&bytes, &identities).map_err(|error| told(*pack, &error))
}

/// The error for a pack that could not be opened.
pub(super) fn told(pack: Digest, error: &io::Error) -> io::Error {
    match kind_of(error) {
        Some(OpenError::NotForUs) => {
            let name = layout::pack_name(&pack, Form::Sealed);
            io::Error::new(io::ErrorKind::PermissionDenied, format!("{name}: {error}"))
        }
        _ => BadPack::error(pack, Form::Sealed, format!("is damaged: {error}")),
    }
}
