//! What a damaged archive was, where its index is damaged too: by the tar headers of the members that are whole, and by the
//! pieces of the index that can still be read.

use std::collections::{BTreeMap, HashMap};

use pai_common::clock::Zone;
use pai_common::sha256::Digest;

use super::blueprint::Blueprint;
use super::donors::Donors;
use super::proof;
use super::survey::{Survey, Whole};
use crate::Context;
use crate::archive::index::{About, Deflated, Group, Index, Record, groups_of_piece};
use crate::archive::member::{Opener, VERSION};
use crate::archive::open::ArchiveFile;
use crate::archive::reader::TarEntry;
use crate::content::ContentHash;
use crate::entry::{Identity, Kind};
use crate::verify::ours::{self, Opened};

/// No piece of an index is longer, whatever it claims.
const LARGEST_PIECE: u64 = 64 << 20;
/// So many other archives are asked what the file system said of entries.
const NEAREST: usize = 2;

/// Groups by the place of their first member.
pub(super) type Groups = BTreeMap<u64, Group>;

/// Puts together what is left.
pub(super) fn rebuild(
    file: &ArchiveFile,
    survey: &Survey,
    donors: &Donors,
    run: &Context<'_>,
) -> anyhow::Result<Blueprint> {
    let left = Left::of(survey);
    let neighbours = donors.groups(NEAREST);
    let own: HashMap<Digest, Group> = left
        .groups
        .iter()
        .filter_map(|(_, group)| Some((group.members.first()?.digest, group.clone())))
        .collect();
    let about = left.about.or_else(|| about_of_others(file, donors, run)).unwrap_or_default();
    // What the archive itself says goes before what others say; but a piece that is damaged may say anything, and then the
    // footer's digest holds with what others say.
    let own_first = told(&[&neighbours, &own]);
    let mut groups = groups_of(file, survey, &left.groups, &own_first)?;
    let mut tail = proof::tail(&about, &groups, survey);
    if tail.is_none() {
        let others = groups_of(file, survey, &left.groups, &told(&[&own, &neighbours]))?;
        tail = proof::tail(&about, &others, survey);
        if tail.is_some() {
            groups = others;
        }
    }
    let about = tail.as_ref().map_or(about, |(about, _)| about.clone());
    let unknown = gaps(&groups, left.data_end, file);
    let elsewhere = survey.members.iter().rev().map(|whole| (whole.info.digest, whole.offset)).collect();
    let tail = tail.map(|(_, tail)| tail);
    Ok(Blueprint { about, groups: groups.into_iter().collect(), tail, elsewhere, unknown })
}

/// Groups by their first member; later ones go before earlier ones.
fn told(by: &[&HashMap<Digest, Group>]) -> HashMap<Digest, Group> {
    by.iter().flat_map(|groups| groups.iter().map(|(digest, group)| (*digest, group.clone()))).collect()
}

/// The groups of what is whole, by its tar headers, and between them those that `left` of the index still names.
fn groups_of(
    file: &ArchiveFile,
    survey: &Survey,
    left: &[(u64, Group)],
    told: &HashMap<Digest, Group>,
) -> anyhow::Result<Groups> {
    let mut groups = Groups::new();
    let mut reader = HeaderReader { file, told, opener: Opener::default(), groups: &mut groups };
    for run in runs(&survey.members) {
        reader.read(run)?;
    }
    for (offset, group) in left {
        if !overlaps(&groups, *offset, group) {
            groups.insert(*offset, group.clone());
        }
    }
    Ok(groups)
}

/// Members that follow each other without a gap.
fn runs(members: &[Whole]) -> impl Iterator<Item = &[Whole]> {
    members.chunk_by(|a, b| a.offset + u64::from(a.info.size) == b.offset)
}

fn size(group: &Group) -> u64 {
    group.members.iter().map(|info| u64::from(info.size)).sum()
}

fn overlaps(groups: &Groups, offset: u64, group: &Group) -> bool {
    let before = groups.range(..offset + size(group)).next_back();
    before.is_some_and(|(&start, before)| start + size(before) > offset)
}

/// What is missing and has no name.
fn gaps(groups: &Groups, data_end: Option<u64>, file: &ArchiveFile) -> Vec<String> {
    let mut unknown = Vec::new();
    let mut end = 0;
    let mut last = String::from("the beginning");
    for (&offset, group) in groups {
        if offset > end {
            unknown.push(format!(
                "{} bytes of members after {last}: which files they held is not known",
                offset - end
            ));
        }
        end = offset + size(group);
        if let Some(record) = group.records.last() {
            last = record.entry.path.display().to_string();
        }
    }
    let ended = groups.values().next_back().is_some_and(|group| group.records.is_empty());
    if !ended && data_end != Some(end) {
        let left = file.size().saturating_sub(end);
        unknown.push(format!(
            "what came after {last} ({left} bytes of it are left): which files that were is not known"
        ));
    }
    unknown
}

/// An archive whose own header is lost says of itself what its neighbours say; when it was made its name tells.
fn about_of_others(file: &ArchiveFile, donors: &Donors, run: &Context<'_>) -> Option<About> {
    let made = file.path().file_name().and_then(|name| run.time_of(name));
    let near = (0..donors.count()).find_map(|donor| donors.open(donor))?;
    let about = near.index().ok()?.about().clone();
    Some(About {
        format: VERSION,
        made: made.map_or(String::new(), |made| made.rfc3339(Zone::Local)),
        // No file counts as settled before this: none is taken over without being read.
        walk: (0, 0),
        totals: None,
        incomplete: 0,
        shrink_allowed: false,
        ..about
    })
}

/// Groups from tar headers.
struct HeaderReader<'a> {
    file: &'a ArchiveFile,
    /// Groups by their first member, as indexes have them.
    told: &'a HashMap<Digest, Group>,
    opener: Opener,
    groups: &'a mut Groups,
}

/// A large file whose members are still coming.
struct Open {
    offset: u64,
    group: Group,
    found: TarEntry,
    hash: ContentHash,
    data_left: u64,
    left: u64,
}

impl HeaderReader<'_> {
    /// Reads members that follow each other. What begins in the middle of a large file, or does not end, is no group.
    fn read(&mut self, run: &[Whole]) -> anyhow::Result<()> {
        let mut open: Option<Open> = None;
        // The first members may be the rest of a file whose beginning is lost, whatever they look like.
        let mut inside = run.first().is_some_and(|first| first.offset > 0);
        for whole in run {
            pai_common::signal::check()?;
            let bytes = self.file.member(whole.offset, &whole.info)?;
            let opened = ours::open(&mut self.opener, &bytes)?;
            if let Some(file) = open.take() {
                open = self.go_on(file, &opened);
                continue;
            }
            if opened.entries.is_none() || (inside && self.is_inside_a_file(&whole.info.digest)) {
                continue;
            }
            inside = false;
            open = self.begin(whole, opened);
        }
        Ok(())
    }

    /// Whether other archives know this as a member of a large file that is not its first.
    fn is_inside_a_file(&self, digest: &Digest) -> bool {
        !self.told.contains_key(digest)
            && self.told.values().any(|group| group.members.iter().skip(1).any(|info| info.digest == *digest))
    }

    fn begin(&mut self, whole: &Whole, opened: Opened) -> Option<Open> {
        let mut group = Group { members: vec![opened.info], records: Vec::new() };
        for (found, digest) in opened.entries.unwrap_or_default() {
            if found.entry.kind == Kind::File && digest.is_none() {
                let hash = ContentHash::new(found.sparse.as_ref(), found.entry.size);
                let (data_left, left) = (found.stored, found.stored.next_multiple_of(512));
                let mut open = Open { offset: whole.offset, group, found, hash, data_left, left };
                open.feed(&opened.payload[opened.covered..]);
                return self.settle(open);
            }
            let identity = Identity::default();
            let offset = found.offset;
            group.records.push(Record { entry: found.entry, identity, digest, member: 0, offset });
        }
        self.put(whole.offset, group);
        None
    }

    fn go_on(&mut self, mut open: Open, opened: &Opened) -> Option<Open> {
        open.group.members.push(opened.info);
        open.feed(&opened.payload);
        self.settle(open)
    }

    fn settle(&mut self, open: Open) -> Option<Open> {
        if open.left > 0 {
            return Some(open);
        }
        let Open { offset, mut group, found, hash, .. } = open;
        let digest = Some(hash.finish());
        let record = Record {
            entry: found.entry,
            identity: Identity::default(),
            digest,
            member: 0,
            offset: found.offset,
        };
        group.records.push(record);
        self.put(offset, group);
        None
    }

    /// Adds a group; what only the file system knew is taken from an index that says the same of all else.
    fn put(&mut self, offset: u64, mut group: Group) {
        let told = group.members.first().and_then(|first| self.told.get(&first.digest));
        if let Some(told) = told.filter(|told| told.members == group.members)
            && told.records.len() == group.records.len()
            && told.records.iter().zip(&group.records).all(|(told, read)| {
                (&told.entry, told.digest, told.member, told.offset)
                    == (&read.entry, read.digest, read.member, read.offset)
            })
        {
            group.records.clone_from(&told.records);
        }
        self.groups.insert(offset, group);
    }
}

impl Open {
    fn feed(&mut self, bytes: &[u8]) {
        let count = (bytes.len() as u64).min(self.data_left);
        self.hash.update(&bytes[..count as usize]);
        self.data_left -= count;
        self.left = self.left.saturating_sub(bytes.len() as u64);
    }
}

/// What is left of an index.
#[derive(Default)]
struct Left {
    about: Option<About>,
    /// Groups with the places they had.
    groups: Vec<(u64, Group)>,
    /// Where the data ended.
    data_end: Option<u64>,
}

/// Pieces that follow each other.
#[derive(Default)]
struct Stretch {
    groups: Vec<Group>,
    from_start: bool,
    to_end: bool,
}

impl Left {
    fn of(survey: &Survey) -> Self {
        let mut left = Self::default();
        let mut stretches = vec![Stretch::default()];
        let (mut opener, mut room) = (Opener::default(), Vec::new());
        let mut begun = false;
        for (piece, follows) in pieces(survey) {
            let last = stretches.last_mut();
            let is_first = !std::mem::replace(&mut begun, true);
            if is_first && let Some(about) = header(&piece) {
                left.about = Some(about);
                left.data_end = survey.parts.first().map(|part| part.offset);
                stretches = vec![Stretch { from_start: true, ..Stretch::default() }];
            } else if let Ok(groups) = groups_of_piece(&piece, LARGEST_PIECE, &mut opener, &mut room) {
                match last.filter(|_| follows) {
                    Some(last) => last.groups.extend(groups),
                    None => stretches.push(Stretch { groups, ..Stretch::default() }),
                }
            } else if opener.inflate(&piece, &mut [0; 64]).is_ok() {
                // The totals, which come last.
                if let Some(last) = last.filter(|_| follows) {
                    last.to_end = true;
                }
                stretches.push(Stretch::default());
            } else {
                stretches.push(Stretch::default());
            }
        }
        // Where the header is tells it too, and better: the footer has no checksum.
        left.data_end = left.data_end.or(survey.footer.map(|footer| footer.index_offset));
        let wholes: HashMap<Digest, u64> =
            survey.members.iter().rev().map(|whole| (whole.info.digest, whole.offset)).collect();
        for stretch in stretches {
            if let Some(start) = start_of(&stretch, left.data_end, &wholes) {
                let mut offset = start;
                for group in stretch.groups {
                    let next = offset + size(&group);
                    left.groups.push((offset, group));
                    offset = next;
                }
            }
        }
        left
    }
}

/// Where the first group of a stretch was.
fn start_of(stretch: &Stretch, data_end: Option<u64>, wholes: &HashMap<Digest, u64>) -> Option<u64> {
    if stretch.from_start {
        return Some(0);
    }
    let length: u64 = stretch.groups.iter().map(size).sum();
    if let (true, Some(end)) = (stretch.to_end, data_end) {
        return end.checked_sub(length);
    }
    let mut before = 0;
    for info in stretch.groups.iter().flat_map(|group| &group.members) {
        if let Some(at) = wholes.get(&info.digest).and_then(|at| at.checked_sub(before)) {
            return Some(at);
        }
        before += u64::from(info.size);
    }
    None
}

/// The pieces whose parts are all there, and whether each follows the one before without a gap.
fn pieces(survey: &Survey) -> Vec<(Vec<u8>, bool)> {
    let mut pieces = Vec::new();
    let mut piece = Vec::new();
    let (mut end, mut follows) = (None, true);
    for part in &survey.parts {
        if end.is_some_and(|end| end != part.offset) {
            piece.clear();
            follows = false;
        }
        end = Some(part.offset + part.size);
        piece.extend_from_slice(&part.carries.bytes);
        if part.carries.ends_piece {
            pieces.push((std::mem::take(&mut piece), std::mem::replace(&mut follows, true)));
        }
    }
    pieces
}

fn header(piece: &[u8]) -> Option<About> {
    let mut deflated = Deflated::default();
    deflated.push_piece(piece);
    Index::read_header(&deflated).ok()
}
