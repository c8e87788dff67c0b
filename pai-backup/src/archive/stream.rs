//! Any archive as a stream of tar bytes, inflated ahead on threads of its own.
//!
//! Our members announce their length, so they are hopped over and inflated on every core, each checked by
//! CRC-32 and SHA-256 before a byte of it comes out. A foreign gzip file inflates on one thread.

use std::io::{self, Cursor, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use flate2::read::MultiGzDecoder;
use pai_common::sha256;

use crate::archive::foreign::NotTar;
use crate::archive::header::BLOCK;
use crate::archive::member::{Announced, MemberError, NextMember, Opener, read_full, read_member};
use crate::pipeline::{self, Stopped};

const GZIP: [u8; 2] = [0x1f, 0x8b];
const AHEAD: usize = 8;
const PIECE: usize = 256 << 10;

/// The tar bytes of an archive, whoever made it.
#[derive(Debug)]
pub struct TarBytes {
    pieces: Receiver<io::Result<Vec<u8>>>,
    current: Cursor<Vec<u8>>,
}

/// Starts inflating `input`: one of our archives, any gzip file, or a bare tar.
pub fn tar_bytes(mut input: impl Read + Send + 'static, threads: usize) -> io::Result<TarBytes> {
    let mut start = vec![0; 16];
    let got = read_full(&mut input, &mut start)?;
    start.truncate(got);
    let ours = start.len() == 16 && start[3] == 4 && &start[12..14] == b"PI";
    let gzip = start.starts_with(&GZIP);
    if let Some(what) = NotTar::of_start(&start) {
        return Err(what.into());
    }
    let input = Cursor::new(start).chain(input);
    let (sender, pieces) = sync_channel(AHEAD);
    thread::spawn(move || {
        let outcome = match (ours, gzip) {
            (true, _) => send_members(input, threads, &sender),
            (false, true) => {
                let inflated = MultiGzDecoder::new(io::BufReader::with_capacity(PIECE, input));
                send_inflated(inflated, &sender)
            }
            (false, false) => send_all(input, &sender),
        };
        if let Err(error) = outcome {
            // Nobody listens any more: then the error is of no use either.
            let _ = sender.send(Err(error));
        }
    });
    Ok(TarBytes { pieces, current: Cursor::new(Vec::new()) })
}

impl Read for TarBytes {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.current.read(buf)?;
            if count > 0 || buf.is_empty() {
                return Ok(count);
            }
            match self.pieces.recv() {
                Ok(piece) => self.current = Cursor::new(piece?),
                Err(_) => return Ok(0),
            }
        }
    }
}

fn send_all(mut input: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    loop {
        let mut piece = vec![0; PIECE];
        let got = read_full(&mut input, &mut piece)?;
        piece.truncate(got);
        if got == 0 || sender.send(Ok(piece)).is_err() {
            return Ok(());
        }
    }
}

/// Inflates a gzip file of any origin, and sends its bytes.
fn send_inflated(mut input: impl Read, sender: &SyncSender<io::Result<Vec<u8>>>) -> io::Result<()> {
    let mut start = vec![0; BLOCK];
    let got = read_full(&mut input, &mut start)?;
    start.truncate(got);
    if let Some(what) = NotTar::of_inflated(&start) {
        return Err(what.into());
    }
    send_all(Cursor::new(start).chain(input), sender)
}

fn send_members(
    mut input: impl Read + Send,
    threads: usize,
    sender: &SyncSender<io::Result<Vec<u8>>>,
) -> io::Result<()> {
    let invalid = |error: MemberError| io::Error::new(io::ErrorKind::InvalidData, error);
    pipeline::ordered(
        threads,
        |submit| {
            loop {
                match read_member(&mut input)? {
                    None => return Ok(()),
                    Some(NextMember::Ours(Announced::Data { .. }, bytes)) => {
                        if submit.submit(bytes) == Err(Stopped) {
                            return Ok(());
                        }
                    }
                    // Index and footer are empty to a reader of the tar.
                    Some(NextMember::Ours(..)) => {}
                    Some(NextMember::Broken(error, _)) => return Err(invalid(error)),
                    Some(NextMember::Foreign(_)) => return Err(invalid(MemberError::NotOurs)),
                }
            }
        },
        Opener::default,
        |opener: &mut Opener, bytes: Vec<u8>| {
            let (payload, announced) = opener.open(&bytes).map_err(invalid)?;
            if sha256::digest(&payload) != announced {
                return Err(invalid(MemberError::Digest));
            }
            Ok(payload)
        },
        |payload: io::Result<Vec<u8>>| {
            // A reader that went away ends the run without an error of its own.
            sender.send(Ok(payload?)).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
        },
    )
}
