//! Every path against sha2, the oracle.

use std::io::{self, BufRead, Read};

use proptest::prelude::*;
use sha2::Digest as _;

use super::engine::Engine;
use super::*;

fn oracle(bytes: &[u8]) -> Digest {
    sha2::Sha256::digest(bytes).into()
}

/// Bytes that repeat nowhere near a block's length.
fn bytes(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

/// Hands out its bytes in buffers of the given lengths, over and over, like a pipe would.
struct Ragged<'a> {
    left: &'a [u8],
    pieces: Vec<usize>,
    turn: usize,
}

impl<'a> Ragged<'a> {
    fn new(left: &'a [u8], pieces: &[usize]) -> Self {
        Self { left, pieces: pieces.to_vec(), turn: 0 }
    }

    fn piece(&self) -> usize {
        self.pieces[self.turn % self.pieces.len()].clamp(1, self.left.len().max(1))
    }
}

impl Read for Ragged<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        unreachable!("the lanes read through BufRead")
    }
}

impl BufRead for Ragged<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(&self.left[..self.piece().min(self.left.len())])
    }

    fn consume(&mut self, amount: usize) {
        let piece = self.piece();
        assert!(amount <= piece);
        self.left = &self.left[amount..];
        if amount == piece {
            self.turn += 1;
        } else {
            // What is left of this buffer comes next.
            let turn = self.turn % self.pieces.len();
            self.pieces[turn] = piece - amount;
        }
    }
}

#[test]
fn this_machine_runs_at_least_the_portable_engine_and_every_name_is_its_own() {
    let names: Vec<&str> = Engine::available().map(|engine| engine.name).collect();
    assert!(names.contains(&"portable"));
    let unique: std::collections::HashSet<_> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
}

#[test]
fn the_standards_own_examples_hold() {
    for (message, hex) in [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        (
            "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
        ),
    ] {
        assert_eq!(to_hex(&digest(message.as_bytes())), hex);
    }
}

#[test]
fn one_stream_of_every_length_and_offset_has_the_oracles_digest() {
    let data = bytes(1400);
    for engine in Engine::available() {
        for length in (0..300).chain([511, 512, 513, 1000, 1200]) {
            for offset in [0, 1, 3, 31, 63, 64, 65] {
                let part = &data[offset..offset + length];
                let mut hasher = Sha256::on(engine);
                hasher.update(part);
                assert_eq!(hasher.finish(), oracle(part), "{} length {length} offset {offset}", engine.name);
            }
        }
    }
}

#[test]
fn many_buffers_of_every_count_length_and_offset_have_the_oracles_digests() {
    let data = bytes(2000);
    for engine in Engine::available() {
        for count in 0..40 {
            for base in [0, 1, 40, 250, 700] {
                let buffers: Vec<&[u8]> = (0..count).map(|n| &data[n..n + (base + n * 37) % 1200]).collect();
                let expected: Vec<Digest> = buffers.iter().map(|buffer| oracle(buffer)).collect();
                assert_eq!(digest_many_on(engine, &buffers), expected, "{} x {count}", engine.name);
            }
        }
        let every_length: Vec<&[u8]> = (0..300).map(|length| &data[length..2 * length]).collect();
        let expected: Vec<Digest> = every_length.iter().map(|buffer| oracle(buffer)).collect();
        assert_eq!(digest_many_on(engine, &every_length), expected, "{}", engine.name);
    }
}

#[test]
fn a_stream_that_fails_is_reported_and_the_others_go_on() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            unreachable!("the lanes read through BufRead")
        }
    }
    impl BufRead for Broken {
        fn fill_buf(&mut self) -> io::Result<&[u8]> {
            Err(io::ErrorKind::PermissionDenied.into())
        }
        fn consume(&mut self, _: usize) {}
    }
    let data = bytes(5000);
    for engine in Engine::available() {
        let mut left = 0..20;
        let mut seen = Vec::new();
        lanes::run(
            engine,
            usize::MAX,
            || {
                left.next().map(|n| {
                    let stream: Box<dyn BufRead> =
                        if n % 7 == 3 { Box::new(Broken) } else { Box::new(Ragged::new(&data, &[100 + n])) };
                    (n, stream)
                })
            },
            |n, _, result| {
                assert_eq!(result.ok(), (n % 7 != 3).then(|| oracle(&data)), "{} stream {n}", engine.name);
                seen.push(n);
                Ok::<(), Infallible>(())
            },
        )
        .unwrap();
        seen.sort_unstable();
        assert_eq!(seen, (0..20).collect::<Vec<_>>());
    }
}

#[test]
fn an_error_of_the_receiver_ends_the_run() {
    let data = bytes(100);
    let mut endless = std::iter::repeat(&data[..]);
    let mut received = 0;
    let end = digest_streams(
        usize::MAX,
        || endless.next().map(|stream| ((), stream)),
        |(), _, _| {
            received += 1;
            if received == 5 { Err("enough") } else { Ok(()) }
        },
    );
    assert_eq!((end, received), (Err("enough"), 5));
}

#[test]
fn only_the_first_little_of_a_process_is_hashed_without_asking_the_cpu() {
    const ALONE: &str = "PAI_TEST_ALONE";
    const NAME: &str = "sha256::tests::only_the_first_little_of_a_process_is_hashed_without_asking_the_cpu";
    if std::env::var_os(ALONE).is_none() {
        // Other tests of this process may have asked already.
        let test = std::env::current_exe().unwrap();
        let mut alone = std::process::Command::new(test);
        alone.args(["--exact", NAME]).env(ALONE, "1").env_remove("PAI_SHA256");
        let outcome = alone.output().unwrap();
        let said = String::from_utf8_lossy(&outcome.stdout);
        assert!(outcome.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    assert_eq!(Engine::for_blocks(1).name, "portable");
    assert_eq!(Engine::for_blocks(63).name, "portable", "4 KiB in all");
    let best = Engine::available().next().unwrap().name;
    assert_eq!(Engine::for_blocks(1).name, best, "more than 4 KiB");
    assert_eq!(Engine::for_blocks(1).name, best, "asked before");
}

#[test]
fn a_thread_holds_as_many_streams_as_it_has_lanes_or_one() {
    let lanes = Engine::current().wide.as_ref().map_or(1, |wide| wide.lanes);
    assert_eq!(width(1000, 2), lanes);
    assert_eq!(width(1, 2), 1);
    assert_eq!(width(0, 0), 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn updates_of_any_size_add_up(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..400), 0..12)) {
        let whole = pieces.concat();
        for mut hasher in Engine::available().map(Sha256::on).chain([Sha256::new()]) {
            for piece in &pieces {
                hasher.update(piece);
            }
            prop_assert_eq!(hasher.clone().finish(), oracle(&whole), "{:?}", hasher);
        }
    }

    #[test]
    fn streams_that_arrive_in_any_pieces_have_the_oracles_digests(
        streams in prop::collection::vec((0usize..6000, prop::collection::vec(1usize..700, 1..5)), 0..40),
        width in 1usize..20,
    ) {
        let data = bytes(6000);
        for engine in Engine::available() {
            let mut digests = vec![None; streams.len()];
            let mut left = streams.iter().enumerate();
            let mut open = 0;
            let most = std::cell::Cell::new(0);
            let opened = std::cell::Cell::new(0usize);
            lanes::run(
                engine,
                width,
                || left.next().map(|(n, (length, pieces))| {
                    opened.set(opened.get() + 1);
                    most.set(most.get().max(opened.get()));
                    (n, Ragged::new(&data[..*length], pieces))
                }),
                |n, _, digest| {
                    opened.set(opened.get() - 1);
                    open += 1;
                    digests[n] = digest.ok();
                    Ok::<(), Infallible>(())
                },
            ).unwrap();
            prop_assert!(most.get() <= width);
            prop_assert_eq!(open, streams.len());
            for ((length, _), digest) in streams.iter().zip(digests) {
                prop_assert_eq!(digest, Some(oracle(&data[..*length])), "{} length {}", engine.name, length);
            }
        }
    }
}
