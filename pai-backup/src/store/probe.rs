//! What `crate::probe` needs of a store.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use super::backend::{Answer, Backend, Kind, Object, StoreError};
use super::layout::Form;
use super::list::List;
use super::needs::Needs;
use super::stored::Stored;
use crate::archive::open::Bytes;
use crate::crypt::Keys;

/// Objects that can be read, and no more.
#[derive(Debug, Clone)]
pub(crate) struct Objects(pub(crate) BTreeMap<String, Vec<u8>>);

impl Backend for Objects {
    fn get(&self, name: &str, offset: u64, limit: u64) -> Answer<Vec<u8>> {
        let object = self.0.get(name).ok_or_else(|| StoreError::new(Kind::Missing, name))?;
        let start = (offset as usize).min(object.len());
        let end = (offset.saturating_add(limit) as usize).min(object.len());
        Ok(object[start..end].to_vec())
    }

    fn put(&self, name: &str, _: &[u8]) -> Answer<()> {
        Err(StoreError::new(Kind::Denied, name))
    }

    fn list(&self, _: &str) -> Answer<Vec<Object>> {
        Ok(Vec::new())
    }

    fn delete(&self, name: &str) -> Answer<()> {
        Err(StoreError::new(Kind::Denied, name))
    }
}

/// Bytes in memory.
#[derive(Debug)]
pub(crate) struct InMemory(pub(crate) Vec<u8>);

impl Bytes for InMemory {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let end = (offset as usize).saturating_add(buf.len());
        let found = self.0.get(offset as usize..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(found);
        Ok(())
    }

    fn size(&self) -> u64 {
        self.0.len() as u64
    }
}

/// A list as it was understood.
pub(crate) fn list(bytes: &[u8], name: &str) -> Option<String> {
    let packed = List::unpack(bytes, name);
    let list = packed.or_else(|_| List::parse(&String::from_utf8_lossy(bytes)));
    list.ok().map(|list| list.text())
}

/// Whether `.packs` is whole.
pub(crate) fn needs(bytes: &[u8]) -> bool {
    Needs::parse(bytes).is_some()
}

/// A part of an archive.
pub(crate) fn archive(
    list: &str,
    objects: &Objects,
    sealed: bool,
    keys: &Arc<Keys>,
    whole: bool,
    offset: u64,
    length: usize,
) -> Option<Vec<u8>> {
    let mut list = List::parse(list).ok()?;
    list.form = if sealed { Form::Sealed } else { Form::Plain };
    let mut stored = Stored::new(Arc::new(objects.clone()), &list, Arc::clone(keys));
    if whole {
        stored = stored.checked();
    }
    let mut bytes = vec![0; length];
    stored.read_exact_at(&mut bytes, offset).ok().map(|()| bytes)
}
