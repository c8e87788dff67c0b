//! What becomes of a store when runs are cut off, meet each other, or may only write.

#![allow(clippy::print_stdout, reason = "a test tells how much it tried")]

mod machine;
mod mending;
mod sealed;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use clap::Parser;
use pai_common::console::Console;

use self::machine::{Machine, assert_whole, assert_whole_with, noise, prune, pulled};
use super::backend::{Backend, Patient};
use super::cache::Cache;
use super::memory::{Memory, Trouble};
use super::send::Sender;
use super::state::State;
use super::{Series, Store, forget, layout, prune, pull, push};
use crate::cli::Args;
use crate::crypt::{Keys, Recipients};
use crate::{Context, cat, create};

const DAY: i64 = 24 * 3600;

#[test]
fn what_was_pushed_night_by_night_comes_back_byte_for_byte() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let store = machine.store(&memory, "cache");
    fs::write(machine.path("home/large"), noise(3 << 20, 1)).unwrap();
    for night in 0..5 {
        let archive = machine.night(&noise(1000, night));
        machine.push(&store, &archive).unwrap();
    }
    assert_eq!(assert_whole(&machine, &memory), 5);
    let (_, sent, received) = store.traffic.so_far();
    assert!(sent < 4 << 20, "five nights cost {sent} bytes");
    assert_eq!(received, 0, "the cache knows the last archive");
}

#[test]
fn an_unchanged_night_costs_five_requests_and_ten_kilobytes() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let store = machine.store(&memory, "cache");
    let archive = machine.night(&noise(1 << 20, 1));
    machine.push(&store, &archive).unwrap();
    machine.nights += 3;
    let archive = machine.night(&noise(1 << 20, 1));
    let (requests, sent, _) = store.traffic.so_far();
    machine.push(&store, &archive).unwrap();
    let (requests, sent) = (store.traffic.so_far().0 - requests, store.traffic.so_far().1 - sent);
    assert!(requests <= 5, "{requests} requests: {:?}", memory.log());
    assert!(sent < 10_000 + (1 << 20), "{sent} bytes");
}

#[test]
fn one_file_costs_a_list_and_a_pack_where_the_archive_is_remembered_and_index_and_footer_elsewhere() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let store = machine.store(&memory, "cache");
    fs::write(machine.path("home/large"), noise(3 << 20, 1)).unwrap();
    let path = machine.night(b"a line");
    let archive = machine.push(&store, &path).unwrap();
    for (cache, most) in [("cache", 2), ("another", 4)] {
        let store = machine.store(&memory, cache);
        let opened = store.open_archive(&archive).unwrap();
        let mut content = Vec::new();
        cat::copy(&opened, Path::new("file-1"), 1, &mut content).unwrap();
        assert_eq!(content, b"a line");
        let (requests, ..) = store.traffic.so_far();
        assert!(requests <= most, "{requests} requests: {:?}", memory.log());
    }
}

#[test]
fn a_push_killed_before_any_request_costs_nothing_but_itself() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let first = machine.night(&noise(60_000, 1));
    machine.push(&machine.store(&memory, "cache"), &first).unwrap();
    let second = machine.night(&noise(60_000, 2));
    let mut tried = 0;
    for trouble in [Trouble::Dies, Trouble::Fails] {
        for number in 0.. {
            let memory = memory.copy();
            let cache = format!("cache-{trouble:?}-{number}");
            memory.plan(number, trouble);
            let outcome = machine.push(&machine.store(&memory, &cache), &second);
            memory.heal();
            let there = assert_whole(&machine, &memory);
            assert_eq!(there, if outcome.is_ok() { 2 } else { 1 }, "{trouble:?} at request {number}");
            // The next run completes it, and prune leaves what is needed.
            machine.push(&machine.store(&memory, &cache), &second).unwrap();
            let pruner = machine.store(&memory, "pruner");
            for _ in 0..3 {
                memory.pass(DAY);
                prune(&pruner).unwrap();
            }
            assert_eq!(assert_whole(&machine, &memory), 2, "{trouble:?} at request {number}");
            if outcome.is_ok() {
                break;
            }
            tried += 1;
        }
    }
    println!("push: tried {tried} requests, survived {tried}, lost none");
    assert!(tried >= 10, "only {tried} cuts were tried");
}

#[test]
fn a_prune_killed_before_any_request_loses_nothing() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let store = machine.store(&memory, "cache");
    for night in 0..7 {
        let archive = machine.night(&noise(60_000, night));
        machine.push(&store, &archive).unwrap();
    }
    let before = memory.names().len();
    for archive in &machine.archives()[..6] {
        let name = archive.file_stem().unwrap().to_str().unwrap().strip_suffix(".tar").unwrap();
        forget::forget(&store, name).unwrap();
    }
    let mut tried = 0;
    for (trouble, number) in
        [Trouble::Dies, Trouble::Fails].into_iter().flat_map(|it| (0..40).map(move |at| (it, at)))
    {
        let memory = memory.copy();
        let store = machine.store(&memory, "pruner");
        let mut ended = true;
        for _ in 0..2 {
            memory.pass(DAY);
            memory.plan(number, trouble);
            ended &= prune(&store).is_ok();
            memory.heal();
        }
        assert_eq!(assert_whole(&machine, &memory), 1, "{trouble:?} at request {number}");
        tried += usize::from(!ended);
        for _ in 0..3 {
            memory.pass(DAY);
            prune(&store).unwrap();
        }
        assert!(memory.names().len() < before - 6, "it is completed later: {:?}", memory.names());
        assert!(!memory.names().iter().any(|name| layout::doomed_of(name).is_some()), "no mark is left");
        assert_eq!(assert_whole(&machine, &memory), 1);
    }
    println!("prune: tried {tried} requests, survived {tried}, lost none");
    assert!((10..80).contains(&tried), "{tried} cuts were tried");
}

/// Whether work was done by a hook before the request with this number.
fn hooked(memory: &Memory, at: usize, work: impl FnMut() + Send + 'static) -> (Memory, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let work = Mutex::new(work);
    let hooked = memory.with_hook(move || {
        if seen.fetch_add(1, Ordering::SeqCst) == at {
            (work.lock().unwrap())();
        }
    });
    (hooked, count)
}

#[test]
fn a_prune_beside_a_push_takes_no_pack_from_an_archive() {
    let mut machine = Machine::new();
    let start = Memory::default();
    let store = machine.store(&start, "cache");
    // The content of nights comes back, so that what is pushed again has been forgotten and marked.
    for night in [1, 2, 1] {
        let archive = machine.night(&noise(60_000, night));
        machine.push(&store, &archive).unwrap();
    }
    let names: Vec<String> =
        store.archives(&Series::new("pai").unwrap()).unwrap().into_iter().map(|e| e.name).collect();
    for name in &names[1..] {
        forget::forget(&store, name).unwrap();
    }
    start.pass(DAY);
    prune(&store).unwrap();
    let next = machine.night(&noise(60_000, 2));
    let mut met = 0;
    // The second run of prune, a day later, at any moment of a push; with and without a first run in between.
    for days in [[0, 0], [1, 0], [0, 1]] {
        for at in 0.. {
            let memory = start.copy();
            memory.pass(days[0] * DAY);
            let (other, days) = (memory.clone(), days[1]);
            let pruner = machine.store(&memory, "pruner");
            let (hooked, count) = hooked(&memory, at, move || {
                other.pass(days * (DAY - 1));
                prune(&pruner).unwrap();
            });
            machine.push(&machine.store(&hooked, &format!("other-{days}-{at}")), &next).unwrap();
            assert!(assert_whole(&machine, &memory) >= 2, "prune before request {at}");
            for _ in 0..3 {
                memory.pass(DAY);
                prune(&machine.store(&memory, "pruner")).unwrap();
                assert!(assert_whole(&machine, &memory) >= 2, "prune before request {at}, and later");
            }
            if count.load(Ordering::SeqCst) <= at {
                break;
            }
            met += 1;
        }
    }
    assert!(met >= 15, "only {met} moments were tried");
}

#[test]
fn a_key_that_may_only_write_is_enough_every_night() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    memory.write_only(true);
    let store = machine.store(&memory, "cache");
    let mut sent = 0;
    for night in 0..3 {
        let archive = machine.night(&noise(200_000, night / 2));
        memory.log();
        machine.push(&store, &archive).unwrap();
        let log = memory.log();
        assert!(log.iter().all(|line| line.starts_with("put ") || line == "list archives"), "{log:?}");
        sent = store.traffic.so_far().1 - sent;
    }
    let series = Series::new("pai").unwrap();
    let sender = Sender::begin(&store, &series, false, None, &machine.console).unwrap();
    assert_eq!(sender.newest().as_deref(), Some("pai-20261104-020000"), "older ones are not sent again");
    drop(sender);
    memory.write_only(false);
    assert_eq!(assert_whole(&machine, &memory), 3);
    assert!(sent < 700_000, "what is remembered is not sent again: {sent}");
}

#[test]
fn a_cache_that_is_lost_is_built_anew_and_one_that_disagrees_is_dropped() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let first = machine.night(&noise(200_000, 1));
    machine.push(&machine.store(&memory, "one"), &first).unwrap();
    let second = machine.night(&noise(200_000, 2));
    let store = machine.store(&memory, "two");
    machine.push(&store, &second).unwrap();
    assert!(store.traffic.so_far().1 < 250_000, "the other machine's archive is taken over");
    let third = machine.night(&noise(200_000, 3));
    // What the first machine remembers is not the newest any more.
    let store = machine.store(&memory, "one");
    machine.push(&store, &third).unwrap();
    assert!(store.traffic.so_far().1 < 250_000);
    assert_eq!(assert_whole(&machine, &memory), 3);
}

#[test]
fn two_machines_pushing_the_same_night_at_once_leave_whole_archives() {
    let mut machine = Machine::new();
    let start = Memory::default();
    let first = machine.night(&noise(60_000, 1));
    machine.push(&machine.store(&start, "cache"), &first).unwrap();
    let second = machine.night(&noise(60_000, 2));
    for at in 0.. {
        let memory = start.copy();
        let other = machine.store(&memory, &format!("other-{at}"));
        let (machine_path, second_path) = (Arc::new(Mutex::new(false)), second.clone());
        let done = Arc::clone(&machine_path);
        let console = Console::silent("pai-test");
        let args = machine.args(machine.nights);
        let (hooked, count) = hooked(&memory, at, move || {
            let series = Series::new("pai").unwrap();
            let mut sender = Sender::begin(&other, &series, false, None, &console).unwrap();
            let clock = args.now.clock();
            let run = Context {
                place: &args.place,
                clock,
                now_given: true,
                console: &console,
                keys: Arc::default(),
            };
            push::push(&mut sender, &second_path, &run).unwrap();
            *done.lock().unwrap() = true;
        });
        machine.push(&machine.store(&hooked, &format!("one-{at}")), &second).unwrap();
        assert_eq!(assert_whole(&machine, &memory), 2, "met before request {at}");
        for _ in 0..3 {
            memory.pass(DAY);
            prune(&machine.store(&memory, "pruner")).unwrap();
        }
        assert_eq!(assert_whole(&machine, &memory), 2, "met before request {at}, after prune");
        if count.load(Ordering::SeqCst) <= at {
            break;
        }
    }
}

#[test]
fn a_damaged_archive_is_not_sent_as_if_it_were_good() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let archive = machine.night(&noise(60_000, 1));
    let mut bytes = fs::read(&archive).unwrap();
    bytes[30_000] ^= 1;
    fs::write(&archive, bytes).unwrap();
    machine.push(&machine.store(&memory, "cache"), &archive).unwrap_err();
    assert!(machine.store(&memory, "cache").archives(&Series::new("pai").unwrap()).unwrap().is_empty());
}
