//! Where the data of a sparse file lies, in each of the ways that is written down: old GNU, pax 0.0, 0.1 and 1.0.

use std::io::Read;

use crate::archive::header::{BLOCK, SparseMap};
use crate::archive::reader::fields::{decimal, number};
use crate::archive::reader::pax::Pax;
use crate::archive::reader::{TarError, TarReader};

/// Most pieces of a sparse file: its map is held in memory.
const PIECE_LIMIT: usize = 1 << 20;

impl<R: Read> TarReader<R> {
    /// The map and the real size of the entry whose header was just read, if it is sparse.
    pub(super) fn sparse(
        &mut self,
        block: &[u8; BLOCK],
        pax: &Pax,
        offset: u64,
    ) -> Result<Option<(SparseMap, u64)>, TarError> {
        let bad = |what: String| TarError::Malformed { offset, what };
        let (map, size) = match SparseSource::of(block, pax).map_err(bad)? {
            None => return Ok(None),
            Some(SparseSource::OldGnu { mut map, size, extended }) => {
                if extended {
                    self.old_gnu_extension(&mut map, offset)?;
                }
                (map, size)
            }
            Some(SparseSource::Records { map, size }) => (map, size),
            Some(SparseSource::InData { size }) => (self.sparse_map_in_data(offset)?, size),
        };
        check_sparse(&map, size, self.left).map_err(bad)?;
        Ok(Some((map, size)))
    }

    /// Old GNU maps of more than four pieces go on in blocks behind the header, 21 pieces each.
    fn old_gnu_extension(&mut self, map: &mut SparseMap, offset: u64) -> Result<(), TarError> {
        loop {
            let block = self.block()?.ok_or(TarError::NoEnd)?;
            let bad = || TarError::Malformed { offset, what: "an unreadable sparse map".to_owned() };
            map.extents.extend(old_gnu_extents(&block[..21 * 24]).ok_or_else(bad)?);
            if map.extents.len() > PIECE_LIMIT {
                return Err(bad());
            }
            if block[504] == 0 {
                return Ok(());
            }
        }
    }

    /// The 1.0 map: decimal lines in the blocks before the data.
    fn sparse_map_in_data(&mut self, offset: u64) -> Result<SparseMap, TarError> {
        let bad = || TarError::Malformed { offset, what: "an unreadable sparse map".to_owned() };
        let mut text: Vec<u8> = Vec::new();
        let mut numbers = Vec::new();
        let mut wanted = None;
        while wanted != Some(numbers.len()) {
            if self.left < BLOCK as u64 {
                return Err(bad());
            }
            let block = self.block()?.ok_or(TarError::NoEnd)?;
            self.left -= BLOCK as u64;
            for &byte in &block {
                match byte {
                    b'\n' => {
                        let number = decimal(&text).ok_or_else(bad)?;
                        text.clear();
                        match wanted {
                            None => {
                                let pieces = usize::try_from(number).ok();
                                let pieces = pieces.filter(|&n| n <= PIECE_LIMIT).ok_or_else(bad)?;
                                wanted = Some(2 * pieces);
                            }
                            Some(_) => numbers.push(number),
                        }
                        if wanted == Some(numbers.len()) {
                            break;
                        }
                    }
                    digit if text.len() < 20 => text.push(digit),
                    _ => return Err(bad()),
                }
            }
        }
        Ok(SparseMap { extents: numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect() })
    }
}

/// Where the map of a sparse file is.
enum SparseSource {
    OldGnu { map: SparseMap, size: u64, extended: bool },
    Records { map: SparseMap, size: u64 },
    InData { size: u64 },
}

impl SparseSource {
    fn of(block: &[u8; BLOCK], pax: &Pax) -> Result<Option<Self>, String> {
        let unreadable = || "an unreadable sparse map".to_owned();
        if block[156] == b'S' {
            let map = SparseMap { extents: old_gnu_extents(&block[386..482]).ok_or_else(unreadable)? };
            let size = number(&block[483..495]).filter(|&size| size >= 0).ok_or_else(unreadable)? as u64;
            return Ok(Some(Self::OldGnu { map, size, extended: block[482] != 0 }));
        }
        if pax.sparse.get("major") == Some(&1) {
            let size = *pax.sparse.get("realsize").ok_or_else(unreadable)?;
            return Ok(Some(Self::InData { size }));
        }
        if pax.sparse_map.is_empty() && !pax.sparse.contains_key("numblocks") {
            return Ok(None);
        }
        let size = *pax.sparse.get("size").or_else(|| pax.sparse.get("realsize")).ok_or_else(unreadable)?;
        if !pax.sparse_map.len().is_multiple_of(2) {
            return Err(unreadable());
        }
        let extents = pax.sparse_map.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        Ok(Some(Self::Records { map: SparseMap { extents }, size }))
    }
}

fn check_sparse(map: &SparseMap, size: u64, stored: u64) -> Result<(), String> {
    let mut end = 0u64;
    let mut data = 0u64;
    for &(offset, length) in &map.extents {
        let next = offset.checked_add(length).filter(|&next| offset >= end && next <= size);
        end = next.ok_or("a sparse map whose pieces overlap or leave the file")?;
        data += length;
    }
    if data == stored {
        Ok(())
    } else {
        Err(format!("a sparse map of {data} bytes over {stored} bytes of data"))
    }
}

fn old_gnu_extents(fields: &[u8]) -> Option<Vec<(u64, u64)>> {
    let mut extents = Vec::new();
    for piece in fields.chunks_exact(24).take_while(|piece| piece[0] != 0) {
        extents
            .push((u64::try_from(number(&piece[..12])?).ok()?, u64::try_from(number(&piece[12..])?).ok()?));
    }
    Some(extents)
}
