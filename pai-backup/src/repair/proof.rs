//! Whether an index that was made anew is the one that was: the footer, if it is left, has its SHA-256.

use pai_common::sha256::{Digest, Sha256};

use super::rebuild::Groups;
use super::survey::Survey;
use crate::archive::index::{About, Deflated, Index, IndexWriter};
use crate::archive::member::{Footer, Opener, VERSION, footer_member, index_members};

/// Longest header whose bits are tried, one by one.
const TRIED: usize = 4 << 10;

/// Index and footer as they were, and what the archive said of itself, if that can be proved. One wrong bit in the header,
/// which nobody else knows, is found by trying.
pub(super) fn tail(about: &About, groups: &Groups, survey: &Survey) -> Option<(About, Vec<u8>)> {
    let footer = survey.footer.filter(|footer| footer.version == VERSION)?;
    let mut writer = IndexWriter::new(about.clone());
    for group in groups.values() {
        writer.group(group);
    }
    let made = writer.finish().ok()?;
    let mut pieces: Vec<Vec<u8>> = made.deflated.pieces().map(<[u8]>::to_vec).collect();
    let (header, rest) = pieces.split_first_mut()?;
    let rest = rest.concat();
    let found = if is(header, &rest, &footer.index_digest) {
        header.clone()
    } else {
        flipped(&first_part(survey)?, &rest, &footer.index_digest)?
    };
    let inflated = made.inflated - inflated_length(header)? + inflated_length(&found)?;
    *header = found;
    let mut deflated = Deflated::default();
    for piece in &pieces {
        deflated.push_piece(piece);
    }
    let about = Index::read_header(&deflated).ok()?;
    // Of the footer itself only its digest is proved.
    let footer = Footer {
        index_offset: groups.values().flat_map(|group| &group.members).map(|info| u64::from(info.size)).sum(),
        members: made.members,
        index_deflated: deflated.joined().len() as u64,
        index_inflated: inflated,
        ..footer
    };
    let mut tail: Vec<u8> = pieces.iter().flat_map(|piece| index_members(piece)).collect();
    tail.extend(footer_member(&footer));
    Some((about, tail))
}

fn inflated_length(piece: &[u8]) -> Option<u64> {
    Opener::default().inflate(piece, &mut vec![0; 1 << 20]).ok().map(|length| length as u64)
}

fn is(header: &[u8], rest: &[u8], digest: &Digest) -> bool {
    let mut hash = Sha256::new();
    hash.update(header);
    hash.update(rest);
    hash.finish() == *digest
}

/// The header as it lies there, if it lies there whole.
fn first_part(survey: &Survey) -> Option<Vec<u8>> {
    let first = survey.parts.first()?;
    (first.carries.ends_piece && first.carries.bytes.len() <= TRIED).then(|| first.carries.bytes.clone())
}

/// The header with the one bit turned that makes it right.
fn flipped(header: &[u8], rest: &[u8], digest: &Digest) -> Option<Vec<u8>> {
    let mut tried = header.to_vec();
    for bit in 0..header.len() * 8 {
        pai_common::signal::check().ok()?;
        tried[bit / 8] ^= 1 << (bit % 8);
        if is(&tried, rest, digest) {
            return Some(tried);
        }
        tried[bit / 8] ^= 1 << (bit % 8);
    }
    None
}
