//! The end of an archive: footer and index members, found, checked and parsed.

use std::io;

use pai_common::sha256;

use crate::archive::bytes::{Bytes, read_long};
use crate::archive::index::{Deflated, Index};
use crate::archive::member::{
    Announced, FOOTER_LENGTH, Footer, INDEX_OVERHEAD, INDEX_PART, IndexPart, announced,
};

/// Why an archive has no index to go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoIndex {
    /// It was not made by this project: a plain tar, compressed or not.
    Foreign,
    /// It was made by this project, but is damaged or cut. The text says what was found.
    Damaged(String),
}

impl std::fmt::Display for NoIndex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Foreign => f.write_str("not an archive with an index"),
            Self::Damaged(what) => f.write_str(what),
        }
    }
}

impl std::error::Error for NoIndex {}

pub(super) fn starts_as_ours(file: &dyn Bytes) -> io::Result<bool> {
    let mut start = vec![0; 64.min(file.size() as usize)];
    file.read_exact_at(&mut start, 0)?;
    Ok(matches!(announced(&start), Ok(Announced::Data { .. })))
}

pub(super) fn read_index(file: &dyn Bytes) -> io::Result<Result<Index, NoIndex>> {
    let damaged = |what: &str| NoIndex::Damaged(what.to_owned());
    let read = read_deflated(file)?;
    Ok(read.and_then(|(deflated, footer)| parse_checked(deflated, &footer).map_err(damaged)))
}

/// The deflated index, whose length and SHA-256 are those its footer gives, and the footer.
pub(super) fn read_deflated(file: &dyn Bytes) -> io::Result<Result<(Deflated, Footer), NoIndex>> {
    let size = file.size();
    let damaged = |what: &str| Ok(Err(NoIndex::Damaged(what.to_owned())));
    let Some(footer_at) = size.checked_sub(FOOTER_LENGTH as u64) else {
        return damaged("no footer: cut short");
    };
    let mut bytes = [0; FOOTER_LENGTH];
    file.read_exact_at(&mut bytes, footer_at)?;
    let Ok(Announced::Footer(footer)) = announced(&bytes) else {
        return damaged("no footer: cut short, or something follows it");
    };
    let Some(region) = index_region(&footer, footer_at) else {
        return damaged("the footer contradicts the length of the file");
    };
    let bytes = read_long(file, footer.index_offset, region)?;
    let checked = join_index(&bytes).and_then(|joined| check_deflated(joined, &footer));
    Ok(checked.map(|deflated| (deflated, footer)).map_err(|what| NoIndex::Damaged(what.to_owned())))
}

/// Length of the index members, if the footer's figures fit the file: each member carries some bytes, and at most
/// [`INDEX_PART`].
pub(super) fn index_region(footer: &Footer, footer_at: u64) -> Option<usize> {
    let region = footer_at.checked_sub(footer.index_offset)?;
    let around = region.checked_sub(footer.index_deflated)?;
    let fewest = footer.index_deflated.div_ceil(INDEX_PART as u64).checked_mul(INDEX_OVERHEAD as u64)?;
    (around >= fewest && around % INDEX_OVERHEAD as u64 == 0).then_some(())?;
    usize::try_from(region).ok()
}

fn join_index(mut bytes: &[u8]) -> Result<Deflated, &'static str> {
    let mut deflated = Deflated::with_capacity(bytes.len());
    while !bytes.is_empty() {
        let (part, rest) = next_part(bytes).ok_or("a damaged index member")?;
        deflated.push(&part);
        bytes = rest;
    }
    Ok(deflated)
}

/// The pieces of an index as they stand in an archive, each in one or more members, then the footer: the bytes from the
/// first index member on, cut where a piece ends.
pub(crate) fn pieces_of_tail(tail: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = tail;
    std::iter::from_fn(move || {
        let from = rest;
        while let Some((part, behind)) = next_part(rest) {
            rest = behind;
            if part.ends_piece {
                break;
            }
        }
        if rest.len() == from.len() {
            rest = &[];
        }
        (!from.is_empty()).then(|| &from[..from.len() - rest.len()])
    })
}

/// Parses the index member at the start of `bytes`. Returns its content and the bytes behind it.
pub(super) fn next_part(bytes: &[u8]) -> Option<(IndexPart, &[u8])> {
    let length = u16::from_le_bytes([*bytes.get(14)?, *bytes.get(15)?]);
    let (member, rest) = bytes.split_at_checked(usize::from(length) + INDEX_OVERHEAD)?;
    match announced(member) {
        Ok(Announced::Index(part)) => Some((part, rest)),
        _ => None,
    }
}

/// The index behind its footer's digest, if its figures agree with the footer's.
pub(crate) fn parse_index(deflated: Deflated, footer: &Footer) -> Result<Index, &'static str> {
    parse_checked(check_deflated(deflated, footer)?, footer)
}

fn check_deflated(mut deflated: Deflated, footer: &Footer) -> Result<Deflated, &'static str> {
    if footer.version == 1 {
        deflated.unite();
    }
    if deflated.joined().len() as u64 != footer.index_deflated {
        return Err("the index contradicts the footer: another length");
    }
    if sha256::digest(deflated.joined()) != footer.index_digest {
        return Err("the index does not have the SHA-256 its footer gives");
    }
    Ok(deflated)
}

fn parse_checked(deflated: Deflated, footer: &Footer) -> Result<Index, &'static str> {
    let mut index = Index::read(&deflated, footer.index_inflated).map_err(|_| "the index is damaged")?;
    if index.data_size() != footer.index_offset {
        return Err("the index contradicts the footer: its members do not end where it starts");
    }
    if index.member_count() != footer.members {
        return Err("the index contradicts the footer: another number of members");
    }
    index.keep(deflated);
    Ok(index)
}
