//! What is still whole in a damaged archive: found by hopping from member to member, and past damage by looking for the next.

use crate::archive::member::{
    Announced, Footer, IndexPart, MemberInfo, Opener, announced, length_of_empty, may_begin,
};
use crate::archive::open::ArchiveFile;
use crate::verify::ours;

/// Bytes that tell what a member is.
const HEAD: usize = 56;
/// So much is looked through at once.
const WINDOW: usize = 1 << 20;
/// Where a disk cannot be read, the next try is so much further on.
const UNREADABLE: u64 = 4096;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Data members that are whole, in order.
    pub(super) members: Vec<Whole>,
    /// Index members, in order. They have no checksum of their own.
    pub(super) parts: Vec<Part>,
    /// The footer.
    pub(super) footer: Option<Footer>,
}

/// A data member whose CRC and SHA-256 hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Whole {
    /// Where it is in the file.
    pub(super) offset: u64,
    /// What an index says of it.
    pub(super) info: MemberInfo,
}

/// An index member.
#[derive(Debug)]
pub(super) struct Part {
    /// Where it is in the file.
    pub(super) offset: u64,
    /// Bytes of the whole member.
    pub(super) size: u64,
    /// What it carries.
    pub(super) carries: IndexPart,
}

impl Survey {
    /// Looks through a file.
    pub(super) fn of(file: &ArchiveFile) -> anyhow::Result<Self> {
        let mut survey = Self::default();
        let mut opener = Opener::default();
        let mut at = 0;
        while at < file.size() {
            pai_common::signal::check()?;
            at = match survey.take(file, at, &mut opener) {
                Some(next) => next,
                None => next_start(file, at + 1),
            };
        }
        Ok(survey)
    }

    /// Takes what begins at `at`, if it is whole. Where the next member begins, if that can be told.
    fn take(&mut self, file: &ArchiveFile, at: u64, opener: &mut Opener) -> Option<u64> {
        let head = file.bytes_at(at, HEAD).ok()?;
        if !may_begin(&head) {
            return None;
        }
        if &head[12..14] != b"PI" {
            let bytes = file.bytes_at(at, length_of_empty(&head)?).ok()?;
            let size = bytes.len() as u64;
            match announced(&bytes).ok()? {
                Announced::Index(carries) => self.parts.push(Part { offset: at, size, carries }),
                Announced::Footer(footer) => self.footer = Some(footer),
                Announced::Data { .. } => return None,
            }
            return Some(at + size);
        }
        let Ok(Announced::Data { size, .. }) = announced(&head) else { return None };
        let next = at + u64::from(size);
        let bytes = file.bytes_at(at, size as usize).unwrap_or_default();
        if bytes.len() == size as usize
            && let Ok(opened) = ours::open(opener, &bytes)
        {
            self.members.push(Whole { offset: at, info: opened.info });
            return Some(next);
        }
        // An archive within the archive has members of its own inside this one: better to hop over it.
        let follows = file.bytes_at(next, 16).is_ok_and(|bytes| may_begin(&bytes));
        follows.then_some(next)
    }
}

/// Where the next member may begin, from `from` on.
fn next_start(file: &ArchiveFile, mut from: u64) -> u64 {
    while from < file.size() {
        let Ok(window) = file.bytes_at(from, WINDOW + HEAD) else {
            from += UNREADABLE;
            continue;
        };
        let found = window.windows(16).take(WINDOW).position(may_begin);
        if let Some(found) = found {
            return from + found as u64;
        }
        from += WINDOW as u64;
    }
    from
}
