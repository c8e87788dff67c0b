//! One entry from its header, its own extensions and the global ones: who overrules whom.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use pai_common::clock::Timestamp;
use tar::Header;

use crate::archive::header::padding;
use crate::archive::reader::fields::{kind_of, number};
use crate::archive::reader::pax::Pax;
use crate::archive::reader::{TarEntry, TarError, TarReader};
use crate::entry::{Entry, Kind};

/// The extension headers before an entry.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) any: bool,
    /// Bytes of all of them.
    pub(super) size: u64,
    pub(super) pax: Pax,
    pub(super) name: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
}

impl<R: Read> TarReader<R> {
    /// The entry that `header` begins, with what its extensions say of it.
    pub(super) fn real_entry(
        &mut self,
        start: u64,
        offset: u64,
        header: &Header,
        field_size: u64,
        extensions: Extensions,
    ) -> Result<TarEntry, TarError> {
        let block = header.as_bytes();
        let Extensions { pax, name, link, .. } = extensions;
        let path = name.or_else(|| pax.path.clone()).unwrap_or_else(|| header.path_bytes().into_owned());
        let bad = |what: String| TarError::Malformed {
            offset,
            what: format!("{}: {what}", String::from_utf8_lossy(&path)),
        };
        let kind = kind_of(block[156], &path)
            .ok_or_else(|| bad(format!("unknown entry type {:?}", block[156] as char)))?;
        let is_listing = block[156] == b'D';
        let stored = stored_size(field_size, &pax).map_err(bad)?;
        // Only files carry data, and the folders of an incremental dump: what was in them. Old writers left their
        // file's size in the header of a hard link.
        let stored = if kind == Kind::File || is_listing { stored } else { 0 };
        self.left = stored;
        self.padding = padding(stored) as u64;
        if is_listing {
            self.skip_data()?;
        }
        let sparse = self.sparse(block, &pax, offset).map_err(|error| match error {
            TarError::Malformed { what, .. } => bad(what),
            other => other,
        })?;
        if sparse.is_some() && kind != Kind::File {
            return Err(bad("a sparse map of what is no file".to_owned()));
        }
        let size = match &sparse {
            Some((_, size)) => *size,
            None if kind == Kind::File => stored,
            None => 0,
        };
        let link = link.or_else(|| pax.link.clone());
        Ok(TarEntry {
            entry: self.entry(header, kind, (path, link), size, &pax),
            xattrs: pax.xattrs,
            sparse: sparse.map(|(map, _)| map),
            offset: start,
            data_offset: self.position,
            stored: self.left,
        })
    }

    /// Makes the entry from header, extensions and global extensions. Extensions overrule global ones, and both the header.
    fn entry(
        &self,
        header: &Header,
        kind: Kind,
        (path, link): (Vec<u8>, Option<Vec<u8>>),
        size: u64,
        pax: &Pax,
    ) -> Entry {
        let mut path = pax.sparse_name.clone().unwrap_or(path);
        while kind == Kind::Folder && path.len() > 1 && path.ends_with(b"/") {
            path.pop();
        }
        let link = match kind {
            Kind::Symlink | Kind::HardLink => link.unwrap_or_else(|| {
                header.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default()
            }),
            _ => Vec::new(),
        };
        let block = header.as_bytes();
        let field = |range: std::ops::Range<usize>| number(&block[range]).unwrap_or(0);
        let globals = &self.globals;
        Entry {
            path: PathBuf::from(OsString::from_vec(path)),
            kind,
            mode: field(100..108) as u32 & 0o7777,
            uid: pax.uid.or(globals.uid).unwrap_or(field(108..116) as u64),
            gid: pax.gid.or(globals.gid).unwrap_or(field(116..124) as u64),
            size,
            mtime: pax.mtime.or(globals.mtime).unwrap_or(Timestamp::new(field(136..148), 0)),
            link: PathBuf::from(OsString::from_vec(link)),
            device: if kind.is_device() { (field(329..337) as u32, field(337..345) as u32) } else { (0, 0) },
        }
    }
}

/// Bytes of data behind the header. Two readers that believe different sizes see different archives.
fn stored_size(field: u64, pax: &Pax) -> Result<u64, String> {
    let stored = match pax.size {
        Some(size) if field != 0 && field != size => {
            return Err(format!("its pax size {size} disagrees with its header's {field}"));
        }
        Some(size) => size,
        None => field,
    };
    match i64::try_from(stored) {
        Ok(_) => Ok(stored),
        Err(_) => Err(format!("an impossible size of {stored} bytes")),
    }
}
