//! The members of an archive of ours as they come, and what follows those with data.

use std::io::Read;

use anyhow::bail;
use pai_common::progress::Progress;

use super::Opened;
use crate::archive::index::{Deflated, Index};
use crate::archive::member::{Announced, Footer, MemberError, NextMember, read_member};
use crate::archive::open::parse_index;
use crate::pipeline::{self, Stopped};

/// The bytes behind the data members.
pub(super) struct Tail {
    pub(super) footer: Footer,
    pub(super) index: Index,
    pub(super) data_size: u64,
}

/// Members that are opened together, for their digests are computed side by side: so many bytes of payload, or one member.
const BATCH: u64 = 2 << 20;

pub(super) type Submit = pipeline::Submit<Vec<Vec<u8>>, Vec<Result<Opened, MemberError>>>;

/// Members on their way to be opened.
struct Batch<'a> {
    submit: &'a Submit,
    members: Vec<Vec<u8>>,
    payload: u64,
}

impl Batch<'_> {
    /// Takes a member that claims so many bytes of payload.
    fn push(&mut self, bytes: Vec<u8>, payload: u32) -> anyhow::Result<()> {
        if self.payload + u64::from(payload) > BATCH {
            self.send()?;
        }
        self.members.push(bytes);
        self.payload += u64::from(payload);
        Ok(())
    }

    fn send(&mut self) -> anyhow::Result<()> {
        self.payload = 0;
        let members = std::mem::take(&mut self.members);
        if !members.is_empty() && self.submit.submit(members) == Err(Stopped) {
            bail!("stopped");
        }
        Ok(())
    }
}

/// Reads all members and submits those with data.
pub(super) fn read_members(
    input: impl Read,
    submit: &Submit,
    progress: &Progress<'_>,
) -> anyhow::Result<Tail> {
    let mut batch = Batch { submit, members: Vec::new(), payload: 0 };
    let tail = read_to_end(input, &mut batch, progress);
    // What is wrong with a member comes before what is wrong behind it.
    batch.send()?;
    tail
}

fn read_to_end(mut input: impl Read, batch: &mut Batch<'_>, progress: &Progress<'_>) -> anyhow::Result<Tail> {
    let mut data_size = 0;
    let mut deflated = Deflated::default();
    let mut footer = None;
    let mut in_index = false;
    while let Some(member) = read_member(&mut input)? {
        if footer.is_some() {
            bail!("bytes after the footer");
        }
        match member {
            NextMember::Ours(Announced::Data { size, payload, .. }, bytes) => {
                if in_index {
                    bail!("a data member behind the index");
                }
                if bytes.len() != size as usize {
                    bail!("cut short inside a member at byte {data_size}");
                }
                data_size += bytes.len() as u64;
                progress.add(bytes.len() as u64);
                batch.push(bytes, payload)?;
            }
            NextMember::Ours(Announced::Index(part), _) => {
                in_index = true;
                deflated.push(&part);
            }
            NextMember::Ours(Announced::Footer(found), _) => footer = Some(found),
            NextMember::Broken(error, _) => bail!("{error} (after {data_size} bytes of data)"),
            NextMember::Foreign(_) => bail!("{} (after {data_size} bytes of data)", MemberError::NotOurs),
        }
    }
    let Some(footer) = footer else { bail!("no footer: cut short") };
    let index = parse_index(deflated, &footer).map_err(anyhow::Error::msg)?;
    Ok(Tail { footer, index, data_size })
}
