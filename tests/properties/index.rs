//! The index decoder, on any bytes.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use pai_backup::archive::index::{About, Deflated, Group, Index, IndexWriter, Selection};

/// Reads `bytes` as an index, and as the groups of one that begins properly.
pub(crate) fn holds(bytes: &[u8]) {
    is_read_properly(bytes);
    is_read_properly(&[beginning(), bytes.to_vec()].concat());
}

/// Whatever is read agrees with itself in every way to look at it, and is written and read back the same.
fn is_read_properly(inflated: &[u8]) {
    let deflated = pieces(inflated);
    let length = inflated.len() as u64;
    for wrong in [length.wrapping_sub(1), length + 1, u64::MAX] {
        assert!(Index::read(&deflated, wrong).is_err());
    }
    let Ok(index) = Index::read(&deflated, length) else { return };
    let places = index.members().expect("an index that was accepted has its members");
    let members: Vec<_> = places.iter().flat_map(|place| &place.members).collect();
    assert_eq!(members.len() as u64, index.member_count());
    assert_eq!(members.iter().map(|info| u64::from(info.size)).sum::<u64>(), index.data_size());
    let mut groups: Vec<Group> = Vec::new();
    for (place, group) in places.iter().zip(index.groups()) {
        let at = index.group_at(place.at);
        let _ = index.first_path(place.at);
        let Ok((offset, group)) = group else {
            assert!(at.is_err());
            return;
        };
        assert_eq!((offset, &group.members), (place.offset, &place.members));
        assert_eq!(at.as_ref(), Ok(&group));
        groups.push(group);
    }
    assert_eq!(groups.len(), places.len());
    assert_eq!(groups.iter().map(|group| group.records.len() as u64).sum::<u64>(), index.totals().entries);
    let again = written(index.about(), &groups);
    let read: Result<Vec<_>, _> = again.groups().map(|group| group.map(|(_, group)| group)).collect();
    // The totals are recorded as they are, whatever was said of them before.
    let about = About { totals: again.about().totals, ..index.about().clone() };
    assert_eq!((again.about(), read), (&about, Ok(groups)));
}

/// Any bytes as a deflated index, cut into pieces where a byte says so.
fn pieces(inflated: &[u8]) -> Deflated {
    let mut deflated = Deflated::default();
    for piece in inflated.chunk_by(|&byte, _| byte % 16 != 5) {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::none());
        deflate.write_all(piece).expect("memory takes everything");
        deflated.push_piece(&deflate.finish().expect("memory takes everything"));
    }
    deflated
}

fn written(about: &About, groups: &[Group]) -> Index {
    let mut writer = IndexWriter::new(about.clone());
    for group in groups {
        writer.group(group);
    }
    let finished = writer.finish().expect("memory takes everything");
    Index::read(&finished.deflated, finished.inflated).expect("what we write can be read")
}

/// Magic and header of an index.
fn beginning() -> Vec<u8> {
    let header = serde_json::to_vec(&about()).expect("an object of ours is JSON");
    [b"PAIX", &(header.len() as u32).to_le_bytes()[..], &header].concat()
}

/// What an archive made here says of itself.
pub(crate) fn about() -> About {
    About {
        format: 1,
        by: String::new(),
        made: String::new(),
        root: "/".to_owned(),
        selection: Selection::default(),
        level: 1,
        encoder: String::new(),
        xattrs: true,
        walk: (0, 0),
        ..About::default()
    }
}
