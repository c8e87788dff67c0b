//! A member of an earlier archive, made once more from files that may not have changed since.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::read::{self, StoredReader};
use crate::archive::header;
use crate::archive::index::{Group, Record};
use crate::entry::{Identity, Kind};
use crate::source::{Source, open_plain, sparse_map};

/// Makes the payload of a group's member anew from the files below `root`. The caller compares it with the member's digest.
pub(crate) fn payload(root: &Path, group: &Group, member: usize, xattrs: bool) -> io::Result<Vec<u8>> {
    let mut payload = Vec::new();
    match (&group.records[..], group.members.len()) {
        // The end of the tar stream.
        ([], 1) => payload.resize(2 * header::BLOCK, 0),
        (records, 1) => {
            for record in records {
                read::pack_small(root, source(root, record), xattrs, &mut payload)?;
            }
        }
        ([record], _) => {
            let mut source = source(root, record);
            let file = read::open(root, &mut source)?;
            if member == 0 {
                let xattrs = if xattrs { read::xattrs_of(&file) } else { Vec::new() };
                return Ok(header::encode(&source.entry, &xattrs, source.sparse.as_ref()));
            }
            let before = group.members.get(1..member).unwrap_or_default();
            let length = group.members.get(member).map_or(0, |info| info.payload);
            let mut reader = StoredReader::new(&file, &source);
            reader.skip(before.iter().map(|info| u64::from(info.payload)).sum());
            reader.take(u64::from(length)).read_to_end(&mut payload)?;
            // The padding belongs to the last piece.
            payload.resize(length as usize, 0);
        }
        _ => return Err(io::Error::other("several entries across members")),
    }
    Ok(payload)
}

fn source(root: &Path, record: &Record) -> Source {
    let entry = record.entry.clone();
    let sparse = || {
        let file = open_plain(&root.join(&entry.path)).ok()?;
        let metadata = file.metadata().ok()?;
        (metadata.blocks() * 512 < metadata.len()).then(|| sparse_map(&file, metadata.len()))?
    };
    let sparse = if entry.kind == Kind::File { sparse() } else { None };
    Source { entry, identity: Identity::default(), sparse }
}
