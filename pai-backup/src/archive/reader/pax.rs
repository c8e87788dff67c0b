//! Extension headers of the pax format: records of keys and values.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use pai_common::clock::Timestamp;

use crate::archive::header::Xattr;
use crate::archive::reader::fields::decimal;

/// The fields that pax records set for an entry.
#[derive(Debug, Default)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) mtime: Option<Timestamp>,
    pub(super) xattrs: Vec<Xattr>,
    pub(super) sparse: HashMap<String, u64>,
    pub(super) sparse_name: Option<Vec<u8>>,
    pub(super) sparse_map: Vec<u64>,
}

impl Pax {
    /// Takes the records of an extension header.
    pub(super) fn parse(&mut self, body: &[u8]) -> Result<(), String> {
        for (key, value) in records(body)? {
            self.apply(key, value)
                .ok_or_else(|| format!("an unreadable pax record {:?}", String::from_utf8_lossy(key)))?;
        }
        Ok(())
    }

    /// A global header may set what is harmless for every entry; names and sizes are not.
    pub(super) fn parse_global(&mut self, body: &[u8]) -> Result<(), String> {
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
