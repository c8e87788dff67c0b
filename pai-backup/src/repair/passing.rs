//! The mended archive, verified while it is written: each byte is read once, and written once.

use std::io::{self, Read, Write};

use pai_common::progress::Progress;

use super::plan::From;
use super::write::Source;
use crate::Context;
use crate::archive::index::Group;
use crate::verify::ours;

/// Writes all members, then index and footer unchanged, and verifies the archive as it passes. Fails if a member cannot be had, or
/// if the archive does not verify.
pub(super) fn copy(
    source: &mut Source<'_>,
    tail: &[u8],
    out: &mut (impl Write + Send),
    run: &Context<'_>,
) -> anyhow::Result<()> {
    let groups = source.plan.groups.iter();
    let members = groups
        .flat_map(|(group, from)| from.iter().enumerate().map(move |(number, from)| (group, number, *from)));
    let members: Vec<(&Group, usize, From)> = members.collect();
    let total = members.iter().map(|(group, number, _)| u64::from(group.members[*number].size)).sum();
    let progress = Progress::bytes(run.console, "writing", Some(total));
    let members = members.into_iter();
    let mut passing =
        Passing { source, members, tail: Some(tail), out, part: Vec::new(), at: 0, failed: None };
    let verified = ours::verify(&mut passing, run.threads(), &progress);
    match passing.failed {
        Some(error) => Err(error),
        None => verified.map_err(|error| error.context(super::write::NOT_PROVED)),
    }
}

/// The bytes of the mended archive, front to back. What is read of it has been written.
struct Passing<'a, 'b, I, W> {
    source: &'a mut Source<'b>,
    members: I,
    tail: Option<&'a [u8]>,
    out: &'a mut W,
    /// The bytes that were written last; `at` of them have been read by the verifier.
    part: Vec<u8>,
    at: usize,
    /// Why the next bytes could not be had.
    failed: Option<anyhow::Error>,
}

impl<'b, I: Iterator<Item = (&'b Group, usize, From)>, W: Write> Passing<'_, 'b, I, W> {
    fn next_part(&mut self) -> anyhow::Result<Vec<u8>> {
        let room = std::mem::take(&mut self.part);
        let part = match self.members.next() {
            Some((group, number, from)) => self.source.member(group, number, from, room)?,
            None => self.tail.take().unwrap_or_default().to_vec(),
        };
        self.out.write_all(&part)?;
        Ok(part)
    }
}

impl<'b, I: Iterator<Item = (&'b Group, usize, From)>, W: Write> Read for Passing<'_, 'b, I, W> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.at == self.part.len() {
            self.at = 0;
            self.part = self.next_part().map_err(|error| {
                self.failed = Some(error);
                io::Error::other("there is no more")
            })?;
        }
        let count = (&self.part[self.at..]).read(buf)?;
        self.at += count;
        Ok(count)
    }
}
