use super::*;
use crate::archive::index::encoding::KINDS;
use crate::entry::Kind;
use pai_common::clock::Timestamp;
use std::path::PathBuf;

fn about() -> About {
    About {
        format: 1,
        by: "pai-backup 0.1.0".into(),
        made: "2025-09-16T09:00:03+03:00".into(),
        root: "/home/user/pai".into(),
        selection: Selection { excludes: vec!["*.tmp".into()], ..Selection::default() },
        level: 6,
        encoder: "libdeflate".into(),
        xattrs: true,
        walk: (1_758_002_403, 5),
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
    let mut writer = IndexWriter::new(&about()).unwrap();
    for group in groups() {
        writer.group(&group).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn what_is_written_is_read_back() {
    let finished = written();
    let index = Index::read(&finished.deflated, finished.inflated).unwrap();
    assert_eq!(index.about(), &about());
    let read: Vec<(u64, Group)> = index.groups().collect::<Result<_, _>>().unwrap();
    assert_eq!(read.iter().map(|(offset, _)| *offset).collect::<Vec<_>>(), [0, 1001, 3006]);
    assert_eq!(read.into_iter().map(|(_, group)| group).collect::<Vec<_>>(), groups());
    assert_eq!(index.totals(), Totals { entries: 8, files: 2, bytes: 2 << 33 });
    assert_eq!(index.data_size(), 4010);
    assert_eq!(finished.members, 4);
    let places = index.members().unwrap();
    assert_eq!(index.group_at(places[1].at).unwrap(), groups()[1]);
}

#[test]
fn a_wrong_length_and_a_cut_are_damage() {
    let finished = written();
    assert!(Index::read(&finished.deflated, finished.inflated + 1).is_err());
    assert!(Index::read(&finished.deflated, finished.inflated - 1).is_err());
    assert!(Index::read(&finished.deflated[..finished.deflated.len() / 2], finished.inflated).is_err());
    assert!(Index::read(b"", 0).is_err());
    assert!(Index::read(&finished.deflated, u64::MAX).is_err());
}

#[test]
fn a_length_beyond_all_memory_is_damage() {
    let deflated = vec![0; 1 << 28];
    assert!(Index::read(&deflated, deflated.len() as u64 * 1032).is_err());
}
