//! Many streams: each has a lane; a lane whose stream has ended takes the next one, so all stay busy.
//!
//! The lanes move in step by as many blocks as every one of them has at hand; each refills its own buffer.
//! When fewer are left than make the wide kernel worth its price, they go on one after another.

use std::io::{self, BufRead};

use super::engine::{Engine, Wide};
use super::stream::{pad, to_digest};
use super::{Block, Digest, START, State};

/// The most lanes of any kernel.
const MOST: usize = 16;

/// Hashes the streams that `next` hands out, at most `width` of them open at a time, and gives each back to
/// `done` as soon as it has ended, in whatever order that is. An error of `done` ends the whole run.
/// The tokens `T` tell the streams apart.
///
/// Streams are read a buffer at a time, in turn: one that blocks holds up the others.
pub fn digest_streams<T, S: BufRead, E>(
    width: usize,
    next: impl FnMut() -> Option<(T, S)>,
    done: impl FnMut(T, S, io::Result<Digest>) -> Result<(), E>,
) -> Result<(), E> {
    run(Engine::current(), width, next, done)
}

/// How many of `streams` streams each of `threads` threads should hold at a time, so that the last one ends
/// early: all lanes of the wide kernel where they would be filled well enough, otherwise one.
pub fn width(streams: usize, threads: usize) -> usize {
    match &Engine::current().wide {
        Some(wide) if streams.div_ceil(threads.max(1)) >= wide.from => wide.lanes,
        _ => 1,
    }
}

pub(super) fn run<T, S: BufRead, E>(
    engine: &Engine,
    width: usize,
    mut next: impl FnMut() -> Option<(T, S)>,
    mut done: impl FnMut(T, S, io::Result<Digest>) -> Result<(), E>,
) -> Result<(), E> {
    let width = width.clamp(1, engine.wide.as_ref().map_or(MOST, |wide| wide.lanes));
    let mut lanes: Vec<Lane<T, S>> = Vec::with_capacity(width);
    let mut more = true;
    loop {
        while more && lanes.len() < width {
            match next() {
                Some((token, stream)) => lanes.push(Lane::new(token, stream)),
                None => more = false,
            }
        }
        let busy = lanes.len();
        give_back_ended(&mut lanes, &mut done)?;
        if lanes.is_empty() && !more {
            return Ok(());
        }
        if lanes.len() < busy && more {
            continue;
        }
        match &engine.wide {
            Some(wide) if lanes.len() >= wide.from => step(wide, &mut lanes),
            _ => lanes.iter_mut().for_each(|lane| lane.step_alone(engine)),
        }
    }
}

/// Gives back the streams that have ended or failed; every lane that is left has a block at hand.
fn give_back_ended<T, S: BufRead, E>(
    lanes: &mut Vec<Lane<T, S>>,
    done: &mut impl FnMut(T, S, io::Result<Digest>) -> Result<(), E>,
) -> Result<(), E> {
    let mut n = 0;
    while let Some(lane) = lanes.get_mut(n) {
        let result = match lane.prepare() {
            Ok(true) => {
                n += 1;
                continue;
            }
            Ok(false) => Ok(to_digest(&lane.state)),
            Err(error) => Err(error),
        };
        let lane = lanes.swap_remove(n);
        done(lane.token, lane.stream, result)?;
    }
    Ok(())
}

/// All lanes take as many blocks as the one with the fewest has.
fn step<T, S: BufRead>(wide: &Wide, lanes: &mut [Lane<T, S>]) {
    let count = lanes.iter_mut().map(|lane| lane.blocks().len()).min().unwrap_or(0);
    let mut states = [START; MOST];
    let mut blocks: [&[Block]; MOST] = [&[]; MOST];
    for ((lane, state), blocks) in lanes.iter_mut().zip(&mut states).zip(&mut blocks) {
        *state = lane.state;
        *blocks = &lane.blocks()[..count];
    }
    // Lanes without a stream repeat the first one's blocks; what they compute is thrown away.
    let first = blocks[0];
    blocks.iter_mut().filter(|blocks| blocks.is_empty()).for_each(|blocks| *blocks = first);
    (wide.compress)(&mut states[..wide.lanes], &blocks[..wide.lanes]);
    for (lane, state) in lanes.iter_mut().zip(states) {
        lane.state = state;
        lane.advance(count);
    }
}

struct Lane<T, S> {
    token: T,
    stream: S,
    state: State,
    total: u64,
    /// Bytes that straddle two buffers of the stream, and the padding at the end.
    tail: [Block; 2],
    /// The blocks of `tail` from `.0` up to `.1` are to be compressed next.
    waiting: (usize, usize),
    ended: bool,
}

impl<T, S: BufRead> Lane<T, S> {
    fn new(token: T, stream: S) -> Self {
        Self { token, stream, state: START, total: 0, tail: [[0; 64]; 2], waiting: (0, 0), ended: false }
    }

    /// Reads until at least one block is at hand; false at the end of the message.
    fn prepare(&mut self) -> io::Result<bool> {
        loop {
            if self.waiting.0 < self.waiting.1 {
                return Ok(true);
            }
            if self.ended {
                return Ok(false);
            }
            let chunk = match self.stream.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            let carried = (self.total % 64) as usize;
            if chunk.is_empty() {
                self.waiting = (0, pad(&mut self.tail, self.total));
                self.ended = true;
            } else if carried == 0 && chunk.len() >= 64 {
                return Ok(true);
            } else {
                let take = chunk.len().min(64 - carried);
                self.tail[0][carried..carried + take].copy_from_slice(&chunk[..take]);
                self.stream.consume(take);
                self.total += take as u64;
                self.waiting = (0, usize::from(carried + take == 64));
            }
        }
    }

    /// The blocks that [`Lane::prepare`] made ready.
    fn blocks(&mut self) -> &[Block] {
        if self.waiting.0 < self.waiting.1 {
            return &self.tail[self.waiting.0..self.waiting.1];
        }
        // The buffer has bytes, so this reads nothing and cannot fail.
        self.stream.fill_buf().map_or(&[], |chunk| chunk.as_chunks().0)
    }

    fn advance(&mut self, blocks: usize) {
        if self.waiting.0 < self.waiting.1 {
            self.waiting.0 += blocks;
        } else {
            self.stream.consume(64 * blocks);
            self.total += 64 * blocks as u64;
        }
    }

    fn step_alone(&mut self, engine: &Engine) {
        let mut state = self.state;
        let blocks = self.blocks();
        (engine.alone)(&mut state, blocks);
        let count = blocks.len();
        self.state = state;
        self.advance(count);
    }
}
