//! The bytes of a file at any offset, from the members that hold them.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::members::Members;
use super::nights::Night;
use super::tree::Spot;
use crate::archive::header::SparseMap;
use crate::archive::member::MemberInfo;
use crate::archive::reader::TarReader;

/// A file of an archive, open.
#[derive(Debug)]
pub(super) struct Content {
    row: u32,
    night: Arc<Night>,
    path: PathBuf,
    /// The members from the one with its header on: where each payload begins in their sequence, where the member
    /// lies, and what it is.
    members: Vec<(u64, u64, MemberInfo)>,
    /// Where in that sequence its data begins.
    data: u64,
    sparse: Option<SparseMap>,
    size: u64,
}

impl Content {
    /// Reads a file's header.
    pub(super) fn open(row: u32, night: Arc<Night>, spot: Spot, members: &Members) -> anyhow::Result<Self> {
        let unreadable = || format!("could not read a file of {}", night.name());
        let (mut offset, group, record) = night.record(spot).with_context(unreadable)?;
        let mut sequence = Vec::new();
        let mut start = 0;
        for (number, info) in group.members.iter().enumerate() {
            if number as u64 >= record.member {
                sequence.push((start, offset, *info));
                start += u64::from(info.payload);
            }
            offset += u64::from(info.size);
        }
        let (path, size) = (record.entry.path.clone(), record.entry.size);
        let mut content = Self { row, night, path, members: sequence, data: 0, sparse: None, size };
        let mut reader = TarReader::new(FromHeader { content: &content, members, at: record.offset });
        let found = reader.next_entry().with_context(|| content.unreadable())?;
        let found = found.filter(|found| found.entry == record.entry);
        let found =
            found.context("the index disagrees with the tar header").with_context(|| content.unreadable())?;
        (content.data, content.sparse) = (record.offset + found.data_offset, found.sparse);
        Ok(content)
    }

    /// The archive it is in.
    pub(super) fn archive(&self) -> &str {
        self.night.name()
    }

    fn unreadable(&self) -> String {
        format!("could not read {} of {}", self.path.display(), self.night.name())
    }

    /// Reads up to `length` bytes from `offset` on; fewer if the file ends before.
    pub(super) fn read(&self, offset: u64, length: u32, members: &Members) -> anyhow::Result<Vec<u8>> {
        self.part(offset, length, members).with_context(|| self.unreadable())
    }

    fn part(&self, offset: u64, length: u32, members: &Members) -> anyhow::Result<Vec<u8>> {
        let length = u64::from(length).min(self.size.saturating_sub(offset));
        let mut bytes = vec![0; length as usize];
        match &self.sparse {
            None => self.fill(self.data + offset, &mut bytes, members)?,
            Some(map) => {
                for (from, stored, length) in pieces(map, offset, length) {
                    let room = &mut bytes[from as usize..(from + length) as usize];
                    self.fill(self.data + stored, room, members)?;
                }
            }
        }
        Ok(bytes)
    }

    /// Fills `room` with what begins at `at` in the sequence of payloads.
    fn fill(&self, mut at: u64, mut room: &mut [u8], members: &Members) -> anyhow::Result<()> {
        while !room.is_empty() {
            let count = self.some(at, room, members)?;
            if count == 0 {
                bail!("the index names fewer bytes than there are");
            }
            at += count as u64;
            room = &mut room[count..];
        }
        Ok(())
    }

    /// Reads from `at` on to the end of one member at most. Returns the number of bytes.
    fn some(&self, at: u64, room: &mut [u8], members: &Members) -> anyhow::Result<usize> {
        let behind = self.members.partition_point(|&(start, ..)| start <= at);
        let Some(&(start, offset, info)) = behind.checked_sub(1).and_then(|number| self.members.get(number))
        else {
            return Ok(0);
        };
        let payload = members.get(self.row, &self.night, offset, &info)?;
        let rest = payload.get((at - start) as usize..).unwrap_or_default();
        let count = rest.len().min(room.len());
        room[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

/// The payloads as a stream, for what reads headers.
struct FromHeader<'a> {
    content: &'a Content,
    members: &'a Members,
    at: u64,
}

impl Read for FromHeader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self
            .content
            .some(self.at, buf, self.members)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("{error:#}")))?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Where the data of a part of a sparse file is: offset in the part, offset in the stored data, length.
fn pieces(map: &SparseMap, offset: u64, length: u64) -> Vec<(u64, u64, u64)> {
    let end = offset + length;
    let mut stored = 0;
    let mut pieces = Vec::new();
    for &(start, extent) in &map.extents {
        let (from, to) = (start.max(offset), (start + extent).min(end));
        if from < to {
            pieces.push((from - offset, stored + from - start, to - from));
        }
        stored += extent;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_sparse_files_come_from_where_their_data_is() {
        let map = SparseMap { extents: vec![(10, 5), (20, 5)] };
        for (offset, length, expected) in [
            (0, 10, vec![]),
            (0, 12, vec![(10, 0, 2)]),
            (12, 4, vec![(0, 2, 3)]),
            (12, 10, vec![(0, 2, 3), (8, 5, 2)]),
            (0, 100, vec![(10, 0, 5), (20, 5, 5)]),
            (24, 1, vec![(0, 9, 1)]),
            (25, 9, vec![]),
        ] {
            assert_eq!(pieces(&map, offset, length), expected, "{length} from {offset}");
        }
    }
}
