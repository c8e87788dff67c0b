//! A strict tar reader: ustar, pax, GNU long names, labels and dump folders, old GNU and pax sparse files, v7.
//!
//! Strict means: whatever could make two readers see two different archives is an error. A pax size wins
//! over the header's and may not contradict it (`TARmageddon`, CVE-2025-62518); a record of an extension
//! applies to the next real entry alone; an extension that is malformed, dangling or oversized ends the
//! reading.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use pai_common::clock::Timestamp;
use tar::Header;

use crate::archive::header::{BLOCK, SparseMap, Xattr, padding};
use crate::entry::{Entry, Kind};

/// No honest extensions of one entry come near this; hostile ones would make us buffer them.
const EXTENSION_LIMIT: u64 = 1 << 20;
/// Most pieces of a sparse file: its map is held in memory.
const PIECE_LIMIT: usize = 1 << 20;

/// What is wrong with a tar stream, or with the bytes under it.
#[derive(Debug)]
pub enum TarError {
    /// The bytes could not be read.
    Io(io::Error),
    /// The bytes are no tar; what and where.
    Malformed {
        /// Offset of the header block in the tar stream.
        offset: u64,
        /// What is wrong, with the entry's name where one is known.
        what: String,
    },
    /// The stream stops before the two zero blocks that end an archive.
    NoEnd,
}

impl std::fmt::Display for TarError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Malformed { offset, what } => write!(f, "{what} (at byte {offset} of the tar stream)"),
            Self::NoEnd => f.write_str("the tar stream stops before its end-of-archive blocks"),
        }
    }
}

impl std::error::Error for TarError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for TarError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// One entry as the tar stream describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TarEntry {
    /// Name, kind, mode, owner, size, time.
    pub entry: Entry,
    /// Extended attributes.
    pub xattrs: Vec<Xattr>,
    /// Where data lies in a sparse file; `None` for a file stored whole.
    pub sparse: Option<SparseMap>,
    /// Offset of the entry's first block (extensions included) in the stream.
    pub offset: u64,
    /// Offset of its data, after header and sparse map.
    pub data_offset: u64,
    /// Bytes of data that follow, padding not counted.
    pub stored: u64,
}

/// Reads entries one after another from any stream of tar bytes.
#[derive(Debug)]
pub struct TarReader<R> {
    inner: R,
    position: u64,
    /// Data of the current entry that was not read yet, and the padding behind it.
    left: u64,
    padding: u64,
    globals: Pax,
}

impl<R: Read> TarReader<R> {
    /// A reader at the first header of `inner`.
    pub fn new(inner: R) -> Self {
        Self { inner, position: 0, left: 0, padding: 0, globals: Pax::default() }
    }

    /// The next entry, or `None` at a proper end of the archive. What was left of the last one is skipped.
    pub fn next_entry(&mut self) -> Result<Option<TarEntry>, TarError> {
        self.skip_data()?;
        let start = self.position;
        let mut extensions = Extensions::default();
        loop {
            let offset = self.position;
            let bad = |what: &str| TarError::Malformed { offset, what: what.to_owned() };
            let Some(block) = self.block()? else { return Err(TarError::NoEnd) };
            if block.iter().all(|&byte| byte == 0) {
                if extensions.any {
                    return Err(bad("an extension header with no entry behind it"));
                }
                // One zero block would do for GNU tar; a second one is read so that what follows it shows.
                return match self.block()? {
                    Some(second) if second.iter().any(|&byte| byte != 0) => Err(bad("a lone zero block")),
                    _ => Ok(None),
                };
            }
            let header = Header::from_byte_slice(&block);
            if !checksum_holds(&block) {
                return Err(bad("not a tar header"));
            }
            let size = number(&block[124..136])
                .filter(|&size| size >= 0)
                .ok_or_else(|| bad("an unreadable size"))? as u64;
            match block[156] {
                flag @ (b'x' | b'L' | b'K') => {
                    extensions.any = true;
                    extensions.size = extensions.size.saturating_add(size);
                    let body = self.extension(header, size, extensions.size, offset)?;
                    match flag {
                        b'x' => extensions.pax.parse(&body).map_err(|what| bad(&what))?,
                        b'L' => extensions.name = Some(until_nul(body)),
                        _ => extensions.link = Some(until_nul(body)),
                    }
                }
                b'g' => {
                    let body = self.extension(header, size, size, offset)?;
                    self.globals.parse_global(&body).map_err(|what| bad(&what))?;
                }
                // What `tar --label` calls the archive is no entry of it.
                b'V' if size == 0 && !extensions.any => {}
                _ => {
                    let entry = self.real_entry(start, offset, header, size, extensions)?;
                    return Ok(Some(entry));
                }
            }
        }
    }

    /// The data of the current entry, as stored: holes are not expanded.
    pub fn data(&mut self) -> Data<'_, R> {
        Data { reader: self }
    }

    /// Bytes of the stream consumed so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The stream itself, after the end of the archive.
    pub fn into_inner(self) -> R {
        self.inner
    }

    fn real_entry(
        &mut self,
        start: u64,
        offset: u64,
        header: &Header,
        field_size: u64,
        extensions: Extensions,
    ) -> Result<TarEntry, TarError> {
        let block = header.as_bytes();
        let Extensions { pax, name, link, .. } = extensions;
        let path = name.or_else(|| pax.path.clone()).unwrap_or_else(|| header.path_bytes().into_owned());
        let bad = |what: String| TarError::Malformed {
            offset,
            what: format!("{}: {what}", String::from_utf8_lossy(&path)),
        };
        let kind = kind_of(block[156], &path)
            .ok_or_else(|| bad(format!("unknown entry type {:?}", block[156] as char)))?;
        let is_listing = block[156] == b'D';
        let stored = match pax.size {
            Some(size) if field_size != 0 && field_size != size => {
                return Err(bad(format!("its pax size {size} disagrees with its header's {field_size}")));
            }
            Some(size) => size,
            None => field_size,
        };
        if i64::try_from(stored).is_err() {
            return Err(bad(format!("an impossible size of {stored} bytes")));
        }
        // Only files carry data, and the folders of an incremental dump: what was in them. Old writers left their
        // file's size in the header of a hard link.
        let stored = if kind == Kind::File || is_listing { stored } else { 0 };
        self.left = stored;
        self.padding = padding(stored) as u64;
        if is_listing {
            self.skip_data()?;
        }
        let mut sparse = SparseSource::of(block, &pax).map_err(&bad)?;
        if sparse.is_some() && kind != Kind::File {
            return Err(bad("a sparse map of what is no file".to_owned()));
        }
        if let Some(SparseSource::OldGnu { extended: true, map, .. }) = &mut sparse {
            self.old_gnu_extension(map, offset)?;
        }
        let sparse = match sparse {
            None => None,
            Some(SparseSource::OldGnu { map, size, .. } | SparseSource::Records { map, size }) => {
                Some((map, size))
            }
            Some(SparseSource::InData { size }) => {
                let map = self.sparse_map_in_data().map_err(|error| match error {
                    TarError::Malformed { what, .. } => bad(what),
                    other => other,
                })?;
                Some((map, size))
            }
        };
        if let Some((map, size)) = &sparse {
            check_sparse(map, *size, self.left).map_err(&bad)?;
        }
        let mut path = pax.sparse_name.clone().unwrap_or(path);
        while kind == Kind::Folder && path.len() > 1 && path.ends_with(b"/") {
            path.pop();
        }
        let link = link.or_else(|| pax.link.clone()).unwrap_or_else(|| {
            header.link_name_bytes().map(std::borrow::Cow::into_owned).unwrap_or_default()
        });
        let field = |range: std::ops::Range<usize>| number(&block[range]).unwrap_or(0);
        let globals = &self.globals;
        let entry = Entry {
            path: PathBuf::from(OsString::from_vec(path)),
            kind,
            mode: field(100..108) as u32 & 0o7777,
            uid: pax.uid.or(globals.uid).unwrap_or(field(108..116) as u64),
            gid: pax.gid.or(globals.gid).unwrap_or(field(116..124) as u64),
            size: match &sparse {
                Some((_, size)) => *size,
                None if kind == Kind::File => stored,
                None => 0,
            },
            mtime: pax.mtime.or(globals.mtime).unwrap_or(Timestamp::new(field(136..148), 0)),
            link: if matches!(kind, Kind::Symlink | Kind::HardLink) {
                PathBuf::from(OsString::from_vec(link))
            } else {
                PathBuf::new()
            },
            device: if kind.is_device() { (field(329..337) as u32, field(337..345) as u32) } else { (0, 0) },
        };
        Ok(TarEntry {
            entry,
            xattrs: pax.xattrs,
            sparse: sparse.map(|(map, _)| map),
            offset: start,
            data_offset: self.position,
            stored: self.left,
        })
    }

    fn skip_data(&mut self) -> Result<(), TarError> {
        let skip = self.left + self.padding;
        let skipped = io::copy(&mut (&mut self.inner).take(skip), &mut io::sink())?;
        self.position += skipped;
        self.left = 0;
        self.padding = 0;
        if skipped < skip { Err(TarError::NoEnd) } else { Ok(()) }
    }

    /// One block, or `None` if the stream ends before it. A part of a block is no block.
    fn block(&mut self) -> Result<Option<[u8; BLOCK]>, TarError> {
        let mut block = [0; BLOCK];
        match self.inner.read_exact(&mut block) {
            Ok(()) => {
                self.position += BLOCK as u64;
                Ok(Some(block))
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The body of an extension header; `total` is its size and that of the others its entry has.
    fn extension(
        &mut self,
        header: &Header,
        size: u64,
        total: u64,
        offset: u64,
    ) -> Result<Vec<u8>, TarError> {
        if total > EXTENSION_LIMIT {
            // It precedes the entry it is for; its own name mostly tells which that is.
            let what = format!(
                "{}: an extension header of {total} bytes (at most {EXTENSION_LIMIT} are accepted)",
                String::from_utf8_lossy(&header.path_bytes())
            );
            return Err(TarError::Malformed { offset, what });
        }
        let mut body = vec![0; size.next_multiple_of(BLOCK as u64) as usize];
        self.inner.read_exact(&mut body).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => TarError::NoEnd,
            _ => TarError::Io(error),
        })?;
        self.position += body.len() as u64;
        body.truncate(size as usize);
        Ok(body)
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
    fn sparse_map_in_data(&mut self) -> Result<SparseMap, TarError> {
        let offset = self.position;
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

/// Reads the data of the current entry.
#[derive(Debug)]
pub struct Data<'a, R> {
    reader: &'a mut TarReader<R>,
}

impl<R: Read> Read for Data<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let limit = self.reader.left.min(buf.len() as u64) as usize;
        if limit == 0 {
            return Ok(0);
        }
        let count = self.reader.inner.read(&mut buf[..limit])?;
        if count == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the tar stream stops inside a file"));
        }
        self.reader.left -= count as u64;
        self.reader.position += count as u64;
        Ok(count)
    }
}

#[derive(Debug, Default)]
struct Extensions {
    any: bool,
    /// Bytes of all of them.
    size: u64,
    pax: Pax,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

/// What pax records say of an entry.
#[derive(Debug, Default)]
struct Pax {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    mtime: Option<Timestamp>,
    xattrs: Vec<Xattr>,
    sparse: HashMap<String, u64>,
    sparse_name: Option<Vec<u8>>,
    sparse_map: Vec<u64>,
}

impl Pax {
    fn parse(&mut self, body: &[u8]) -> Result<(), String> {
        for (key, value) in records(body)? {
            self.apply(key, value)
                .ok_or_else(|| format!("an unreadable pax record {:?}", String::from_utf8_lossy(key)))?;
        }
        Ok(())
    }

    /// A global header may set what is harmless for every entry; names and sizes are not.
    fn parse_global(&mut self, body: &[u8]) -> Result<(), String> {
        for (key, value) in records(body)? {
            if matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.") {
                return Err(format!("a global pax header that sets {:?}", String::from_utf8_lossy(key)));
            }
            self.apply(key, value).ok_or_else(|| "an unreadable global pax header".to_owned())?;
        }
        self.xattrs.clear();
        Ok(())
    }

    fn apply(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"path" => self.path = Some(value.to_vec()),
            b"linkpath" => self.link = Some(value.to_vec()),
            b"size" => self.size = Some(decimal(value)?),
            b"uid" => self.uid = Some(decimal(value)?),
            b"gid" => self.gid = Some(decimal(value)?),
            b"mtime" => self.mtime = Some(pax_time(value)?),
            b"GNU.sparse.name" => self.sparse_name = Some(value.to_vec()),
            b"GNU.sparse.map" => {
                self.sparse_map = value.split(|&b| b == b',').map(decimal).collect::<Option<_>>()?;
            }
            // Format 0.0 repeats these two keys, once for each piece.
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => self.sparse_map.push(decimal(value)?),
            _ => {
                if let Some(field) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.insert(String::from_utf8_lossy(field).into_owned(), decimal(value)?);
                } else if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push((OsString::from_vec(unescape_key(name)), value.to_vec()));
                }
            }
        }
        Some(())
    }
}

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

fn kind_of(flag: u8, path: &[u8]) -> Option<Kind> {
    Some(match flag {
        // v7 knows no folders but by their slash.
        b'0' | 0 if path.ends_with(b"/") => Kind::Folder,
        b'0' | 0 | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::CharDevice,
        b'4' => Kind::BlockDevice,
        b'5' | b'D' => Kind::Folder,
        b'6' => Kind::Fifo,
        _ => return None,
    })
}

fn checksum_holds(block: &[u8; BLOCK]) -> bool {
    let sum: u32 =
        block.iter().enumerate().map(|(i, &b)| if (148..156).contains(&i) { 32 } else { u32::from(b) }).sum();
    number(&block[148..156]) == Some(i64::from(sum))
}

/// A header's number: octal text, or base-256 when the first bit is set. Blank is zero.
fn number(field: &[u8]) -> Option<i64> {
    if field[0] & 0x80 != 0 {
        // The first byte's second bit is the sign.
        let start =
            if field[0] & 0x40 == 0 { i128::from(field[0] & 0x7f) } else { i128::from(field[0] as i8) };
        let value = field[1..]
            .iter()
            .try_fold(start, |value, &byte| value.checked_mul(256).map(|value| value + i128::from(byte)))?;
        return i64::try_from(value).ok();
    }
    let text: Vec<u8> =
        field.iter().copied().skip_while(|&b| b == b' ').take_while(|&b| b != 0 && b != b' ').collect();
    text.iter().try_fold(0i64, |value, &digit| {
        (b'0'..=b'7')
            .contains(&digit)
            .then(|| value.checked_mul(8))
            .flatten()
            .map(|value| value + i64::from(digit - b'0'))
    })
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Decimal seconds with a fraction of any length; digits beyond nanoseconds are dropped.
fn pax_time(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (secs, fraction) = text.split_once('.').unwrap_or((text, ""));
    let secs = i64::try_from(decimal(secs.as_bytes())?).ok()?;
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let nanos: u32 = format!("{fraction:0<9.9}").parse().ok()?;
    Some(match (negative, nanos) {
        (false, _) => Timestamp::new(secs, nanos),
        (true, 0) => Timestamp::new(-secs, 0),
        (true, _) => Timestamp::new(-secs - 1, 1_000_000_000 - nanos),
    })
}

/// Key and value.
type PaxRecord<'a> = (&'a [u8], &'a [u8]);

/// Splits `LENGTH KEY=VALUE\n` records by their declared lengths: values may hold line feeds.
fn records(mut body: &[u8]) -> Result<Vec<PaxRecord<'_>>, String> {
    let mut found = Vec::new();
    while !body.is_empty() {
        let malformed = || "a malformed pax header".to_owned();
        let space = body.iter().take(20).position(|&b| b == b' ').ok_or_else(malformed)?;
        let length = decimal(&body[..space]).map(|length| length as usize).ok_or_else(malformed)?;
        let record = body
            .get(space + 1..length)
            .and_then(|record| record.strip_suffix(b"\n"))
            .ok_or_else(malformed)?;
        let equals = record.iter().position(|&b| b == b'=').ok_or_else(malformed)?;
        found.push((&record[..equals], &record[equals + 1..]));
        body = &body[length..];
    }
    Ok(found)
}

/// Undoes GNU tar's escapes in the key of an extended attribute.
fn unescape_key(key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len());
    let mut rest = key;
    while let Some((&first, tail)) = rest.split_first() {
        let (byte, tail) = match rest {
            [b'%', b'3', b'D', tail @ ..] => (b'=', tail),
            [b'%', b'2', b'5', tail @ ..] => (b'%', tail),
            _ => (first, tail),
        };
        out.push(byte);
        rest = tail;
    }
    out
}

fn until_nul(mut bytes: Vec<u8>) -> Vec<u8> {
    if let Some(nul) = bytes.iter().position(|&b| b == 0) {
        bytes.truncate(nul);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::header::{encode, pad};

    fn file(path: &str, size: u64) -> Entry {
        Entry {
            path: PathBuf::from(path),
            kind: Kind::File,
            mode: 0o4755,
            uid: 1000,
            gid: 3_000_000,
            size,
            mtime: Timestamp::new(-2, 250_000_000),
            link: PathBuf::new(),
            device: (0, 0),
        }
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<TarEntry>, TarError> {
        let mut reader = TarReader::new(bytes);
        let mut entries = Vec::new();
        while let Some(entry) = reader.next_entry()? {
            entries.push(entry);
        }
        Ok(entries)
    }

    fn archive(parts: &[&[u8]]) -> Vec<u8> {
        let mut bytes = parts.concat();
        bytes.resize(bytes.len() + 2 * BLOCK, 0);
        bytes
    }

    #[test]
    fn what_is_written_is_read_back() {
        let long = format!("{}/{}", "d".repeat(120), "f".repeat(130));
        let xattrs = vec![(OsString::from("user.a=b%"), b"line\nline\0".to_vec())];
        let mut link = file("link", 0);
        (link.kind, link.link) = (Kind::Symlink, PathBuf::from("t".repeat(150)));
        let folder = Entry { kind: Kind::Folder, size: 0, ..file("folder", 0) };
        let device = Entry { kind: Kind::BlockDevice, device: (8, 1), ..file("sda1", 0) };
        for entry in [file(&long, 3), link, folder, device, file("plain", 3)] {
            let mut bytes = encode(&entry, &xattrs, None);
            if entry.size > 0 {
                bytes.extend_from_slice(b"abc");
                pad(&mut bytes);
            }
            let read = read_all(&archive(&[&bytes])).unwrap();
            assert_eq!(read.len(), 1);
            assert_eq!((&read[0].entry, &read[0].xattrs), (&entry, &xattrs));
        }
    }

    #[test]
    fn a_sparse_map_is_read_back() {
        let entry = file("holes", 1 << 33);
        let map = SparseMap { extents: vec![(4096, 5), (1 << 30, 7)] };
        let mut bytes = encode(&entry, &[], Some(&map));
        bytes.extend_from_slice(b"firstseventh");
        pad(&mut bytes);
        let read = read_all(&archive(&[&bytes])).unwrap();
        assert_eq!(read[0].entry, entry);
        assert_eq!(read[0].stored, 12);
        assert_eq!(read[0].sparse.as_ref().unwrap().extents[..2], map.extents);
    }

    #[test]
    fn ambiguous_and_broken_streams_are_refused() {
        let entry = file("a", 3);
        let good = encode(&entry, &[], None);
        // (what is done to it, a piece of the message)
        let lying_size = {
            let mut body = b"11 size=99\n".to_vec();
            pad(&mut body);
            let mut header = Header::new_ustar();
            header.set_entry_type(tar::EntryType::XHeader);
            header.set_size(11);
            header.set_cksum();
            let mut plain = Header::new_ustar();
            plain.set_path("victim").unwrap();
            plain.set_size(3);
            plain.set_cksum();
            [header.as_bytes().as_slice(), &body, plain.as_bytes(), &[0; BLOCK]].concat()
        };
        let oversized = {
            let mut header = Header::new_ustar();
            header.set_entry_type(tar::EntryType::XHeader);
            header.set_size(1 << 32);
            header.set_cksum();
            header.as_bytes().to_vec()
        };
        let typed = |flag: u8, size: u64| {
            let mut header = Header::new_ustar();
            header.set_path("x").unwrap();
            header.set_entry_type(tar::EntryType::new(flag));
            header.set_size(size);
            header.set_cksum();
            header.as_bytes().to_vec()
        };
        let pax = |records: &str| {
            let mut bytes = [typed(b'x', records.len() as u64), records.as_bytes().to_vec()].concat();
            pad(&mut bytes);
            bytes
        };
        let many = [typed(b'L', 1 << 19), vec![b'n'; 1 << 19]].concat().repeat(3);
        let endless =
            [pax("22 GNU.sparse.major=1\n26 GNU.sparse.realsize=99\n"), typed(b'0', 1 << 30)].concat();
        let pieces = {
            let mut map = format!("{}\n", 2 << 20).into_bytes();
            map.resize(BLOCK, b'\n');
            map
        };
        let huge = [pax("29 size=18446744073709551615\n"), typed(b'0', 0)].concat();
        let sparse_folder = [pax("22 GNU.sparse.map=0,0\n23 GNU.sparse.size=512\n"), typed(b'5', 0)].concat();
        let mut flipped = good.clone();
        flipped[BLOCK * 2 + 5] ^= 1;
        for (bytes, message) in [
            (archive(&[&lying_size]), "disagrees"),
            (archive(&[&oversized]), "extension header of 4294967296 bytes"),
            (archive(&[&many]), "extension header of 1572864 bytes"),
            (archive(&[&endless, &pieces]), "unreadable sparse map"),
            (archive(&[&huge]), "impossible size"),
            (archive(&[&sparse_folder]), "a sparse map of what is no file"),
            (archive(&[&flipped]), "not a tar header"),
            (archive(&[&good[..2 * BLOCK]]), "no entry behind it"),
            (good.clone(), "stops before"),
            (good[..700].to_vec(), "stops before"),
        ] {
            let error = read_all(&bytes).unwrap_err().to_string();
            assert!(error.contains(message), "{message}: {error}");
        }
    }

    #[test]
    fn labels_are_no_entries_and_what_a_dump_says_of_a_folder_is_skipped() {
        let header = |flag: u8, name: &str, size: u64| {
            let mut header = Header::new_gnu();
            header.set_path(name).unwrap();
            header.set_entry_type(tar::EntryType::new(flag));
            header.set_size(size);
            header.set_cksum();
            header.as_bytes().to_vec()
        };
        let mut listing = b"Yfile\0Dfolder\0\0".to_vec();
        pad(&mut listing);
        let read = read_all(&archive(&[
            &header(b'V', "a label", 0),
            &header(b'D', "home/", 15),
            &listing,
            &header(b'0', "home/file", 0),
        ]))
        .unwrap();
        let found: Vec<_> = read.iter().map(|it| (it.entry.path.to_str().unwrap(), it.entry.kind)).collect();
        assert_eq!(found, [("home", Kind::Folder), ("home/file", Kind::File)]);
    }

    #[test]
    fn numbers_are_octal_or_base_256() {
        assert_eq!(number(b"0000755\0"), Some(0o755));
        assert_eq!(number(b"   755 \0"), Some(0o755));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(number(b"0009\0\0\0\0"), None);
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]), Some(1 << 25));
        assert_eq!(number(&[0xff; 12]), Some(-1));
    }
}
