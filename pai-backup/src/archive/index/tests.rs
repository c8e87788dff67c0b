use super::*;
use crate::archive::index::encoding::KINDS;
use crate::archive::member::{IndexPart, Sealer};
use crate::entry::Kind;
use pai_common::clock::Timestamp;
use pai_common::sha256;
use std::path::PathBuf;

fn about() -> About {
    About {
        format: 2,
        by: "pai-backup 0.1.0".into(),
        made: "2025-09-16T09:00:03+03:00".into(),
        root: "/home/user/pai".into(),
        selection: Selection { excludes: vec!["*.tmp".into()], ..Selection::default() },
        level: 6,
        encoder: "libdeflate".into(),
        xattrs: true,
        walk: (1_758_002_403, 5),
        totals: None,
        incomplete: 3,
        shrink_allowed: true,
    }
}

fn record(path: &str, kind: Kind) -> Record {
    Record {
        entry: Entry {
            path: path.into(),
            kind,
            mode: 0o644,
            uid: 1000,
            gid: u64::MAX,
            size: if kind == Kind::File { 1 << 33 } else { 0 },
            mtime: Timestamp::new(-1, 999_999_999),
            link: if matches!(kind, Kind::Symlink | Kind::HardLink) {
                "target".into()
            } else {
                PathBuf::new()
            },
            device: if kind.is_device() { (8, 1) } else { (0, 0) },
        },
        identity: Identity { ctime: Timestamp::new(5, 0), inode: u64::MAX, device: 3 },
        digest: (kind == Kind::File).then_some([9; 32]),
        member: 0,
        offset: 512,
    }
}

fn groups() -> Vec<Group> {
    let member = |n: u8| MemberInfo { size: 1000 + u32::from(n), payload: 1 << 20, digest: [n; 32], crc: 7 };
    vec![
        Group {
            members: vec![member(1)],
            records: KINDS.iter().map(|&kind| record(&format!("a/{}", kind.word()), kind)).collect(),
        },
        Group { members: vec![member(2), member(3)], records: vec![record("b", Kind::File)] },
        Group { members: vec![member(4)], records: vec![] },
    ]
}

fn written() -> FinishedIndex {
    finish(&groups())
}

fn finish(groups: &[Group]) -> FinishedIndex {
    let mut writer = IndexWriter::new(about());
    for group in groups {
        writer.group(group);
    }
    writer.finish().unwrap()
}

#[test]
fn what_is_written_is_read_back() {
    let finished = written();
    let index = Index::read(&finished.deflated, finished.inflated).unwrap();
    let totals = Totals { entries: 8, files: 2, bytes: 2 << 33 };
    assert_eq!(index.about(), &About { totals: Some(totals), ..about() });
    let read: Vec<(u64, Group)> = index.groups().collect::<Result<_, _>>().unwrap();
    assert_eq!(read.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0, 1001, 3006]);
    assert_eq!(read.into_iter().map(|(_, group)| group).collect::<Vec<_>>(), groups());
    assert_eq!(index.totals(), totals);
    assert_eq!(index.data_size(), 4010);
    assert_eq!(finished.members, 4);
    let places = index.members().unwrap();
    assert_eq!(index.group_at(places[1].at).unwrap(), groups()[1]);
}

/// An index in the shape of version 1: one deflate stream, which a reader finds in parts of any size.
fn as_version_1(finished: &FinishedIndex) -> Deflated {
    let index = Index::read(&finished.deflated, finished.inflated).unwrap();
    let mut stream = Deflated::default();
    stream.push_piece(&Sealer::new(6).deflate(index.bytes()));
    let joined = stream.joined().to_vec();
    let mut parts = Deflated::default();
    joined.chunks(100).for_each(|part| parts.push_piece(part));
    parts.unite();
    parts
}

#[test]
fn an_index_of_one_stream_says_the_same() {
    let finished = written();
    let index = Index::read(&as_version_1(&finished), finished.inflated).unwrap();
    let read: Vec<Group> = index.groups().map(|group| group.unwrap().1).collect();
    assert_eq!(read, groups());
}

#[test]
fn a_wrong_length_and_a_cut_are_damage() {
    let finished = written();
    assert!(Index::read(&finished.deflated, finished.inflated + 1).is_err());
    assert!(Index::read(&finished.deflated, finished.inflated - 1).is_err());
    assert!(Index::read(&finished.deflated, u64::MAX).is_err());
    assert!(Index::read(&Deflated::default(), 0).is_err());
    let pieces: Vec<&[u8]> = finished.deflated.pieces().collect();
    for missing in 0..pieces.len() {
        let mut cut = Deflated::default();
        pieces
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != missing)
            .for_each(|(_, piece)| cut.push_piece(piece));
        assert!(Index::read(&cut, finished.inflated).is_err(), "without piece {missing}");
    }
    let mut unended = finished.deflated.clone();
    unended.push(&IndexPart { bytes: vec![3, 0], ends_piece: false });
    assert!(Index::read(&unended, finished.inflated).is_err());
}

#[test]
fn a_length_beyond_all_memory_is_damage() {
    let mut deflated = Deflated::default();
    deflated.push_piece(&vec![0; 1 << 28]);
    assert!(Index::read(&deflated, (1 << 28) * 1032).is_err());
}

#[test]
fn one_changed_group_changes_one_piece_and_an_inserted_one_its_neighbour_at_most() {
    let group = |n: u32, size: u32| Group {
        members: vec![MemberInfo {
            size,
            payload: 1 << 15,
            digest: sha256::digest(&n.to_le_bytes()),
            crc: n,
        }],
        records: vec![record(&format!("notes/{n}.md"), Kind::File)],
    };
    let before: Vec<Group> = (0..2000).map(|n| group(n, 1000)).collect();
    let pieces = |groups: &[Group]| -> std::collections::HashSet<Vec<u8>> {
        finish(groups).deflated.pieces().map(<[u8]>::to_vec).collect()
    };
    let old = pieces(&before);
    assert!((30..300).contains(&old.len()), "{}", old.len());
    let mut changed = before.clone();
    changed[1000] = group(1000, 1001);
    let mut inserted = before.clone();
    inserted.insert(500, group(5000, 1000));
    // The piece with the totals, and for the insertion that of the header, is new, too.
    assert!(pieces(&changed).difference(&old).count() <= 2);
    assert!(pieces(&inserted).difference(&old).count() <= 4);
}
