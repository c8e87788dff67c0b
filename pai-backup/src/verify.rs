//! `verify`: every byte of an archive, read once.
//!
//! What is checked of ours: each member's header, deflate stream, CRC-32, length and SHA-256; the tar
//! structure across members and its end; the content digest of each file; that nothing follows the footer;
//! that index and footer say of all this exactly what was found; the sidecar, if there is one. Of a plain
//! tar: the gzip CRCs, the tar structure, its end, and that nothing follows it.

use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, bail};
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::output::Output;
use pai_common::progress::Progress;
use pai_common::sha256::{self, Digest, Sha256};
use serde::Serialize;

use crate::archive::index::Index;
use crate::archive::member::{
    Announced, FOOTER_LENGTH, Footer, MemberError, MemberInfo, NextMember, Opener, announced, read_full,
    read_member,
};
use crate::archive::open::parse_index;
use crate::archive::reader::{TarEntry, TarError, TarReader};
use crate::archive::stream::tar_bytes;
use crate::cli::Verify;
use crate::content::ContentHash;
use crate::entry::{Entry, Kind};
use crate::pipeline::{self, Stopped};
use crate::shelf::is_name;
use crate::{Context, diff, shelf};

/// Runs `verify`.
pub fn run(args: &Verify, run: &Context<'_>) -> anyhow::Result<Exit> {
    let archives = which(args, run)?;
    let mut out = Output::stdout(args.json);
    let mut all_good = true;
    for path in archives {
        let why = why_bad(&path, args, run)?;
        all_good &= why.is_none();
        let row = Row { r#type: "verified", path: &path, good: why.is_none(), why: why.as_deref() };
        out.record(&row, |text| {
            text.write_all(path.as_os_str().as_encoded_bytes())?;
            match &why {
                None => writeln!(text, ": OK"),
                Some(why) => writeln!(text, ": FAILED ({why})"),
            }
        })?;
        out.flush()?;
    }
    out.finish()?;
    Ok(Exit::partial_if(!all_good || run.console.complaints() > 0))
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    r#type: &'static str,
    path: &'a Path,
    good: bool,
    why: Option<&'a str>,
}

/// The archives to verify; none at all is trouble, never a pass.
fn which(args: &Verify, run: &Context<'_>) -> anyhow::Result<Vec<PathBuf>> {
    let shelf = || run.shelf(None);
    if !args.archives.is_empty() {
        // An unusable newest archive must fail here, so `latest` is by name, not by health.
        let named = args.archives.iter().map(|named| match named.as_os_str() == "latest" {
            true => newest(run),
            false if named.as_os_str() == "-" || named.exists() || !is_name(named) => Ok(named.clone()),
            false => shelf()?.resolve(named, run.console),
        });
        return named.collect();
    }
    if args.all {
        let all = shelf()?.list()?;
        if all.is_empty() {
            bail!("no archive {} in {}", shelf()?.pattern(), shelf()?.folder().display());
        }
        return Ok(all.into_iter().map(|stored| stored.path).collect());
    }
    Ok(vec![newest(run)?])
}

fn newest(run: &Context<'_>) -> anyhow::Result<PathBuf> {
    let shelf = run.shelf(None)?;
    match shelf.list()?.into_iter().next() {
        Some(stored) => Ok(stored.path),
        None => bail!("no archive {} in {}", shelf.pattern(), shelf.folder().display()),
    }
}

/// What is wrong with an archive, if anything is. An error is trouble of another kind, such as a signal.
fn why_bad(path: &Path, args: &Verify, run: &Context<'_>) -> anyhow::Result<Option<String>> {
    let input: Box<dyn Read + Send> = if path.as_os_str() == "-" {
        Box::new(File::from(rustix::io::dup(io::stdin()).context("could not read stdin")?))
    } else {
        match File::open(path) {
            Ok(file) => Box::new(file),
            Err(error) => return Ok(Some(error.to_string())),
        }
    };
    let total = path.metadata().ok().map(|metadata| metadata.len());
    let progress = Progress::bytes(run.console, "verifying", total);
    let sidecar = match read_sidecar(path) {
        Ok(sidecar) => sidecar,
        Err(error) => return Ok(Some(format!("sidecar: {error:#}"))),
    };
    if let Err(error) = verify_stream(input, run.threads(), sidecar, &progress, run.console) {
        pai_common::signal::check()?;
        return Ok(Some(format!("{error:#}")));
    }
    if args.against_disk {
        let differences = diff::against_disk(path, run)?;
        for change in &differences {
            run.console.warn(format_args!("{} {}", change.state.letter(), change.path.display()));
        }
        if !differences.is_empty() {
            return Ok(Some(format!("{} differences from the disk", differences.len())));
        }
    }
    Ok(None)
}

fn read_sidecar(archive: &Path) -> anyhow::Result<Option<Digest>> {
    let path = shelf::sidecar(archive);
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("could not read {}", path.display()))?,
    };
    let mut digest = [0; 32];
    hex::decode_to_slice(text.get(..64).unwrap_or_default(), &mut digest)
        .map_err(|_| anyhow::anyhow!("{} holds no SHA-256", path.display()))?;
    Ok(Some(digest))
}

/// Reads an archive of either kind to its end.
pub fn verify_stream(
    mut input: impl Read + Send + 'static,
    threads: usize,
    sidecar: Option<Digest>,
    progress: &Progress<'_>,
    console: &Console,
) -> anyhow::Result<()> {
    let mut start = vec![0; 16];
    let got = read_full(&mut input, &mut start)?;
    start.truncate(got);
    let is_ours = got == 16 && start[..4] == [0x1f, 0x8b, 8, 4] && &start[12..14] == b"PI";
    let input = Watched { input: io::Cursor::new(start).chain(input), seen: Arc::default() };
    lock(&input.seen).hasher = sidecar.map(|_| Sha256::new());
    let seen = Arc::clone(&input.seen);
    if is_ours {
        verify_ours(input, threads, progress)?;
    } else {
        console.detail("made by another program: its gzip CRCs and tar structure are all there is to check");
        verify_foreign(input, threads)?;
    }
    let Seen { hasher, last } = std::mem::take(&mut *lock(&seen));
    // One flipped bit at the start must not turn an archive of ours into one with less to check.
    if !is_ours && matches!(announced(&last), Ok(Announced::Footer(_))) {
        bail!("it ends with a footer but does not begin with a member of ours");
    }
    match (sidecar, hasher.map(Sha256::finish)) {
        (Some(expected), Some(found)) if expected != found => bail!("the SHA-256 of its sidecar is another"),
        _ => Ok(()),
    }
}

/// Looks at what passes through.
struct Watched<R> {
    input: R,
    seen: Arc<Mutex<Seen>>,
}

/// What went by: its digest, if asked for, and as many of the last bytes as a footer has.
#[derive(Default)]
struct Seen {
    hasher: Option<Sha256>,
    last: Vec<u8>,
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buf)?;
        let mut seen = lock(&self.seen);
        if let Some(hasher) = &mut seen.hasher {
            hasher.update(&buf[..count]);
        }
        let tail = &buf[count.saturating_sub(FOOTER_LENGTH)..count];
        let surplus = (seen.last.len() + tail.len()).saturating_sub(FOOTER_LENGTH);
        seen.last.drain(..surplus);
        seen.last.extend_from_slice(tail);
        Ok(count)
    }
}

fn verify_foreign(input: impl Read + Send + 'static, threads: usize) -> anyhow::Result<()> {
    let mut reader = TarReader::new(tar_bytes(input, threads)?);
    while reader.next_entry()?.is_some() {
        pai_common::signal::check()?;
    }
    let mut rest = reader.into_inner();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(()),
            // tar fills its last record with zeros.
            count if buffer[..count].iter().all(|&byte| byte == 0) => {}
            _ => bail!("bytes after the end of the archive"),
        }
    }
}

/// What follows the data members.
struct Tail {
    footer: Footer,
    index: Index,
    data_size: u64,
}

fn verify_ours(input: impl Read + Send, threads: usize, progress: &Progress<'_>) -> anyhow::Result<()> {
    let mut found = Found::default();
    let tail = pipeline::ordered(
        threads,
        |submit| read_members(input, submit, progress),
        Opener::default,
        |opener: &mut Opener, bytes: Vec<u8>| open(opener, &bytes),
        |opened: Result<Opened, MemberError>| {
            pai_common::signal::check()?;
            let member = found.members.len();
            let opened = opened.with_context(|| format!("member {member}"))?;
            found.take(opened)
        },
    )?;
    if !found.ended {
        bail!("the tar stream has no end");
    }
    let Tail { footer, index, data_size } = tail;
    if footer.index_offset != data_size {
        bail!("the footer puts the index at byte {}, it is at {data_size}", footer.index_offset);
    }
    found.compare(&index)
}

fn read_members(
    mut input: impl Read,
    submit: &pipeline::Submit<Vec<u8>, Result<Opened, MemberError>>,
    progress: &Progress<'_>,
) -> anyhow::Result<Tail> {
    let mut data_size = 0;
    let mut deflated = Vec::new();
    let mut footer = None;
    let mut in_index = false;
    while let Some(member) = read_member(&mut input)? {
        if footer.is_some() {
            bail!("bytes after the footer");
        }
        match member {
            NextMember::Ours(Announced::Data { size, .. }, bytes) => {
                if in_index {
                    bail!("a data member behind the index");
                }
                if bytes.len() != size as usize {
                    bail!("cut short inside a member at byte {data_size}");
                }
                data_size += bytes.len() as u64;
                progress.add(bytes.len() as u64);
                if submit.submit(bytes) == Err(Stopped) {
                    bail!("stopped");
                }
            }
            NextMember::Ours(Announced::Index(piece), _) => {
                in_index = true;
                deflated.extend_from_slice(&piece);
            }
            NextMember::Ours(Announced::Footer(found), _) => footer = Some(found),
            NextMember::Broken(error, _) => bail!("{error} (after {data_size} bytes of data)"),
            NextMember::Foreign(_) => bail!("{} (after {data_size} bytes of data)", MemberError::NotOurs),
        }
    }
    let Some(footer) = footer else { bail!("no footer: cut short") };
    let index = parse_index(&deflated, &footer).map_err(anyhow::Error::msg)?;
    Ok(Tail { footer, index, data_size })
}

/// A member that inflated and whose digests held.
struct Opened {
    info: MemberInfo,
    /// The entries that begin in it, if it begins with one. A piece of a large file does not.
    entries: Option<Vec<(TarEntry, Option<Digest>)>>,
    /// Whether the end of the archive is in it.
    ends: bool,
    /// What it holds, and how much of that its entries cover. The rest is content of a large file; if such
    /// a file is open already, all of it is, whatever it looks like.
    payload: Vec<u8>,
    covered: usize,
}

fn open(opener: &mut Opener, bytes: &[u8]) -> Result<Opened, MemberError> {
    let (payload, announced) = opener.open(bytes)?;
    let parsed = parse(&payload);
    let mut buffers: Vec<&[u8]> = vec![&payload];
    let entries = parsed.as_ref().map(|parsed| &parsed.entries[..]).unwrap_or_default();
    buffers.extend(
        entries.iter().filter(|found| is_whole(found, &payload)).map(|found| stored(found, &payload)),
    );
    let mut digests = sha256::digest_many(&buffers).into_iter();
    let digest = digests.next().ok_or(MemberError::Digest)?;
    if digest != announced {
        return Err(MemberError::Digest);
    }
    let info = MemberInfo {
        size: bytes.len() as u32,
        payload: payload.len() as u32,
        digest,
        crc: crc32fast::hash(bytes),
    };
    let Some(Parsed { entries, covered, ends }) = parsed else {
        return Ok(Opened { info, entries: None, ends: false, payload, covered: 0 });
    };
    let entries = entries
        .into_iter()
        .map(|found| {
            let digest =
                if is_whole(&found, &payload) { digests.next() } else { sparse_digest(&found, &payload) };
            (found, digest)
        })
        .collect();
    Ok(Opened { info, entries: Some(entries), ends, payload, covered })
}

struct Parsed {
    entries: Vec<TarEntry>,
    covered: usize,
    ends: bool,
}

/// The entries of a payload, if it is entries from its first byte on. The last file may go on elsewhere.
fn parse(payload: &[u8]) -> Option<Parsed> {
    let mut reader = TarReader::new(payload);
    let mut entries: Vec<TarEntry> = Vec::new();
    loop {
        match reader.next_entry() {
            Ok(Some(found)) => entries.push(found),
            Ok(None) => {
                let covered = reader.position() as usize;
                return (covered == payload.len()).then_some(Parsed { entries, covered, ends: true });
            }
            Err(TarError::NoEnd) => {
                let last = entries.last()?;
                let end = last.data_offset + last.stored.next_multiple_of(512);
                // Either the payload ends with the last entry, or that entry's data goes on in other members.
                let covered =
                    if end > payload.len() as u64 { last.data_offset as usize } else { end as usize };
                let complete = end > payload.len() as u64 || covered == payload.len();
                return complete.then_some(Parsed { entries, covered, ends: false });
            }
            Err(_) => return None,
        }
    }
}

fn stored<'a>(found: &TarEntry, payload: &'a [u8]) -> &'a [u8] {
    &payload[found.data_offset as usize..(found.data_offset + found.stored) as usize]
}

fn is_complete(found: &TarEntry, payload: &[u8]) -> bool {
    found.entry.kind == Kind::File && found.data_offset + found.stored <= payload.len() as u64
}

/// A file whose content stands in the payload as it is.
fn is_whole(found: &TarEntry, payload: &[u8]) -> bool {
    is_complete(found, payload) && found.sparse.is_none()
}

fn sparse_digest(found: &TarEntry, payload: &[u8]) -> Option<Digest> {
    is_complete(found, payload).then(|| {
        let mut hash = ContentHash::new(found.sparse.as_ref(), found.entry.size);
        hash.update(stored(found, payload));
        hash.finish()
    })
}

/// What was found so far, in a form that costs little for each entry.
#[derive(Default)]
struct Found {
    members: Vec<MemberInfo>,
    prints: Vec<u64>,
    ended: bool,
    open_file: Option<OpenFile>,
}

/// A large file whose content is still coming.
struct OpenFile {
    entry: Entry,
    member: u64,
    offset: u64,
    hash: ContentHash,
    data_left: u64,
    padding_left: u64,
}

impl Found {
    fn take(&mut self, opened: Opened) -> anyhow::Result<()> {
        let member = self.members.len() as u64;
        self.members.push(opened.info);
        if self.ended {
            bail!("data behind the end of the tar stream");
        }
        if self.open_file.is_some() {
            return self.content(&opened.payload);
        }
        let Some(entries) = opened.entries else { bail!("member {member}: no tar header where one must be") };
        for (found, digest) in entries {
            if found.entry.kind == Kind::File && digest.is_none() {
                self.open_file = Some(OpenFile::new(found, member));
            } else {
                self.prints.push(print(&found.entry, digest, member, found.offset));
            }
        }
        self.ended = opened.ends;
        if self.open_file.is_some() { self.content(&opened.payload[opened.covered..]) } else { Ok(()) }
    }

    fn content(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let Some(mut file) = self.open_file.take() else { return Ok(()) };
        let count = (bytes.len() as u64).min(file.data_left);
        let (data, padding) = bytes.split_at(count as usize);
        if padding.len() as u64 > file.padding_left {
            bail!("{}: a member goes on beyond the end of the file", file.entry.path.display());
        }
        file.hash.update(data);
        file.data_left -= count;
        file.padding_left -= padding.len() as u64;
        if file.data_left == 0 && file.padding_left == 0 {
            self.prints.push(print(&file.entry, Some(file.hash.finish()), file.member, file.offset));
        } else {
            self.open_file = Some(file);
        }
        Ok(())
    }

    /// Whether the index says exactly what was found.
    fn compare(&self, index: &Index) -> anyhow::Result<()> {
        if self.open_file.is_some() {
            bail!("the tar stream ends inside a file");
        }
        let mut members = self.members.iter();
        let mut prints = self.prints.iter();
        let mut first = 0;
        for group in index.groups() {
            let (_, group) = group?;
            for info in &group.members {
                if members.next() != Some(info) {
                    bail!("the index lists another member than the archive has");
                }
            }
            for record in &group.records {
                let expected = print(&record.entry, record.digest, first + record.member, record.offset);
                if prints.next() != Some(&expected) {
                    bail!("the index disagrees with the tar headers at {}", record.entry.path.display());
                }
            }
            first += group.members.len() as u64;
        }
        match (members.next(), prints.next()) {
            (None, None) => Ok(()),
            _ => bail!("the archive holds more than its index lists"),
        }
    }
}

impl OpenFile {
    fn new(found: TarEntry, member: u64) -> Self {
        Self {
            hash: ContentHash::new(found.sparse.as_ref(), found.entry.size),
            data_left: found.stored,
            padding_left: found.stored.next_multiple_of(512) - found.stored,
            offset: found.offset,
            entry: found.entry,
            member,
        }
    }
}

/// A fingerprint of all that index and header both say of an entry. It meets damage and defects, not
/// forgers: one who can write the archive can write its index.
fn print(entry: &Entry, digest: Option<Digest>, member: u64, offset: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    let Entry { path, kind, mode, uid, gid, size, mtime, link, device } = entry;
    (path.as_os_str(), kind, mode, uid, gid, size).hash(&mut hasher);
    (mtime, link.as_os_str(), device, digest, member, offset).hash(&mut hasher);
    hasher.finish()
}
