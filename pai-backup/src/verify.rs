//! `verify`: every byte of an archive, read once.
//!
//! What is checked of ours: each member's header, deflate stream, CRC-32, length and SHA-256; the tar
//! structure across members and its end; the content digest of each file; that nothing follows the footer;
//! that index and footer say of all this exactly what was found; the sidecar, if there is one. Of a plain
//! tar: the gzip CRCs, the tar structure, its end, and that nothing follows it.

pub(crate) mod ours;
mod stored;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, anyhow, bail};
use pai_common::console::Console;
use pai_common::exit::Exit;
use pai_common::output::Output;
use pai_common::progress::Progress;
use pai_common::sha256::{Digest, Sha256};
use serde::Serialize;

use crate::archive::member::{Announced, FOOTER_LENGTH, announced, read_full};
use crate::archive::open::{Archive, NoIndex, open_to_read};
use crate::archive::reader::TarReader;
use crate::archive::stream::tar_bytes;
use crate::cli::Verify;
use crate::shelf::is_name;
use crate::{Context, contents, crypt, diff, repair, shelf};

const OTHER_SIDECAR: &str = "the SHA-256 of its sidecar is another";

/// Runs `verify`.
pub fn run(args: &Verify, run: &Context<'_>) -> anyhow::Result<Exit> {
    let first = args.archives.first().map_or(Path::new("latest"), PathBuf::as_path);
    if let Some(store) = run.store_of(first)? {
        let mut bad = BTreeSet::new();
        let exit = report(&stored::which(&store, args, run)?, args, run, |name| {
            Ok((store.path_of(name), stored::why_bad(&store, name, args, &mut bad, run)?))
        })?;
        store.tell_costs(&bad, run.console)?;
        return Ok(exit);
    }
    let archives = which(args, run)?;
    let mut damaged = Vec::new();
    let exit = report(&archives, args, run, |path| {
        let why = why_bad(path, args, run)?;
        if why.is_some() && is_ours(path) {
            damaged.push(path.clone());
        }
        Ok((path.clone(), why))
    })?;
    for path in &damaged {
        if args.repair {
            repair_one(path, args, run);
        } else {
            run.console.warn(format_args!("hint: {}", repair::hint(path)));
        }
    }
    Ok(exit)
}

/// Whether a file is, or was, an archive with an index. Only such a file can be repaired.
fn is_ours(path: &Path) -> bool {
    path.is_file()
        && Archive::open(path)
            .is_ok_and(|archive| !archive.index().is_err_and(|why| *why == NoIndex::Foreign))
}

/// Mends an archive that does not verify. One that cannot be mended keeps no other from it.
fn repair_one(path: &Path, args: &Verify, run: &Context<'_>) {
    let mut out = Output::stdout(args.json);
    let mended = repair::mend(path, false, &mut out, run).and_then(|_| out.finish());
    if let Err(error) = mended {
        run.console.complain(format_args!("{error:#}"));
    }
}

/// Verifies one archive after another, and prints a line for each.
fn report<T>(
    archives: &[T],
    args: &Verify,
    run: &Context<'_>,
    mut verify: impl FnMut(&T) -> anyhow::Result<(PathBuf, Option<String>)>,
) -> anyhow::Result<Exit> {
    let mut out = Output::stdout(args.json);
    let mut all_good = true;
    for archive in archives {
        let (path, why) = verify(archive)?;
        all_good &= why.is_none();
        let shown = path.to_string_lossy();
        let row = Row { r#type: "verified", path: &shown, good: why.is_none(), why: why.as_deref() };
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
    path: &'a str,
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
            return Err(shelf()?.none_here());
        }
        return Ok(all.into_iter().map(|stored| stored.path).collect());
    }
    Ok(vec![newest(run)?])
}

/// The newest archive, good or not.
pub(crate) fn newest(run: &Context<'_>) -> anyhow::Result<PathBuf> {
    let shelf = run.shelf(None)?;
    match shelf.list()?.into_iter().next() {
        Some(stored) => Ok(stored.path),
        None => Err(shelf.none_here()),
    }
}

/// Says what is wrong with an archive file in itself, if anything is.
pub(crate) fn why_damaged(path: &Path, run: &Context<'_>) -> anyhow::Result<Option<anyhow::Error>> {
    let file = open_to_read(path).with_context(|| format!("could not open {}", path.display()))?;
    let progress = Progress::bytes(run.console, "verifying", file.metadata().ok().map(|found| found.len()));
    let mut sidecar = repair::sidecar_digest(path)?;
    let input = match run.open_stream(Box::new(file), &path.display()) {
        Err(error) if crypt::is_damage(&error) => return Ok(Some(error)),
        other => other?,
    };
    if input.was_sealed
        && let Some(expected) = sidecar.take()
        && diff::digest_of(path)? != expected
    {
        return Ok(Some(anyhow!(OTHER_SIDECAR)));
    }
    match verify_stream(input.content, run.threads(), sidecar, &progress, run.console) {
        Ok(()) => Ok(None),
        Err(error) => {
            pai_common::signal::check()?;
            Ok(Some(error))
        }
    }
}

/// Says what is wrong with an archive, if anything is. An error is trouble of another kind, such as a signal.
fn why_bad(path: &Path, args: &Verify, run: &Context<'_>) -> anyhow::Result<Option<String>> {
    let input: Box<dyn Read + Send> = if path.as_os_str() == "-" {
        Box::new(contents::stdin()?)
    } else {
        // What is named may be a pipe (`verify <(ssh ...)`); a FIFO among the archives is none.
        let opened = if args.archives.is_empty() { open_to_read(path) } else { File::open(path) };
        match opened {
            Ok(file) => Box::new(file),
            Err(error) => return Ok(Some(error.to_string())),
        }
    };
    let total = path.metadata().ok().map(|metadata| metadata.len());
    let progress = Progress::bytes(run.console, "verifying", total);
    let mut sidecar = match read_sidecar(path) {
        Ok(sidecar) => sidecar,
        Err(error) => return Ok(Some(format!("sidecar: {error:#}"))),
    };
    let input = match run.open_stream(input, &path.display()) {
        Err(error) if crypt::is_damage(&error) => return Ok(Some(format!("{error:#}"))),
        other => other?,
    };
    if input.was_sealed
        && let Some(expected) = sidecar.take()
        && diff::digest_of(path)? != expected
    {
        return Ok(Some(OTHER_SIDECAR.to_owned()));
    }
    if let Err(error) = verify_stream(input.content, run.threads(), sidecar, &progress, run.console) {
        pai_common::signal::check()?;
        return Ok(Some(format!("{error:#}")));
    }
    if args.against_disk {
        return differences(&run.open_file(path)?, run);
    }
    Ok(None)
}

/// Compares an archive with the disk: that it differs, if it does.
fn differences(archive: &Archive, run: &Context<'_>) -> anyhow::Result<Option<String>> {
    let differences = diff::against_disk(archive, run)?;
    for change in &differences {
        run.console.warn(format_args!("{} {}", change.state.letter(), change.path.display()));
    }
    Ok((!differences.is_empty()).then(|| format!("{} differences from the disk", differences.len())))
}

fn read_sidecar(archive: &Path) -> anyhow::Result<Option<Digest>> {
    let path = shelf::sidecar(archive);
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| format!("could not read {}", path.display()))?,
    };
    let mut digest = [0; 32];
    // A line whose name is escaped begins with a backslash.
    let text = text.strip_prefix(b"\\").unwrap_or(&text);
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
        ours::verify(input, threads, progress)?;
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
        (Some(expected), Some(found)) if expected != found => bail!(OTHER_SIDECAR),
        _ => Ok(()),
    }
}

/// Looks at what passes through.
struct Watched<R> {
    input: R,
    seen: Arc<Mutex<Seen>>,
}

/// State of reading an archive front to back: its digest, if asked for, and as many of the last bytes as a footer has.
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
