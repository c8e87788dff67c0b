//! Packs that are lost are made again, and packs of which little is used are written anew: the archives stay what they are.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use pai_common::console::Console;

use super::{DAY, Machine, assert_whole, hooked, noise, prune, pulled};
use crate::crypt::Keys;
use crate::shelf::Shelf;
use crate::store::backend::Backend as _;
use crate::store::layout::Form;
use crate::store::memory::{Memory, Trouble};
use crate::store::{Series, Store, forget, layout, repack, repair};
use crate::{Context, cat};

/// Five nights, of which the first pack is used by all, and packs of which little is used in the end.
fn five_nights() -> (Machine, Memory) {
    let mut machine = Machine::new();
    let memory = Memory::default();
    fs::write(machine.path("home/kept"), noise(40_000, 99)).unwrap();
    for night in 0..5 {
        let archive = machine.night(&noise(60_000, night));
        machine.push(&machine.store(&memory, "cache"), &archive).unwrap();
    }
    (machine, memory)
}

fn packs(memory: &Memory) -> Vec<String> {
    memory.names().into_iter().filter(|name| layout::pack_of(name).is_some()).collect()
}

impl Machine {
    /// Mends the store from the archives in `folder`; says whether all was mended.
    fn repair(&self, memory: &Memory, folder: &str) -> bool {
        self.repair_with(memory, folder, Arc::default())
    }

    pub(super) fn repair_with(&self, memory: &Memory, folder: &str, keys: Arc<Keys>) -> bool {
        let console = Console::silent("pai-test");
        let args = self.args(self.nights);
        let run = Context {
            place: &args.place,
            clock: args.now.clock(),
            now_given: true,
            console: &console,
            keys: Arc::default(),
        };
        let shelf = Shelf::new(self.path(folder), "pai");
        repair::repair(&self.store_with(memory, "mender", keys), &shelf, &run).unwrap();
        console.complaints() == 0
    }

    fn forget_all_but_the_newest(&self, memory: &Memory) {
        let store = self.store(memory, "cache");
        for entry in &store.archives(&Series::new("pai").unwrap()).unwrap()[1..] {
            forget::forget(&store, &entry.name).unwrap();
        }
    }

    /// Prunes on three days, as nightly jobs do.
    fn prune_for_days(&self, memory: &Memory) {
        for _ in 0..3 {
            memory.pass(DAY);
            prune(&self.store(memory, "pruner")).unwrap();
        }
    }
}

#[test]
fn any_pack_that_is_lost_or_damaged_is_made_again_from_local_archives() {
    let (machine, start) = five_nights();
    assert!(machine.repair(&start, "home/archive"), "nothing is to be mended");
    for pack in packs(&start) {
        for damage in ["missing", "flipped", "cut"] {
            let memory = start.copy();
            match damage {
                "missing" => memory.delete(&pack).unwrap(),
                "flipped" => memory.tamper(&pack, |bytes| bytes[30] ^= 1),
                _ => memory.tamper(&pack, |bytes| bytes.truncate(30)),
            }
            assert!(machine.repair(&memory, "home/archive"), "{pack} {damage}");
            assert_eq!(assert_whole(&machine, &memory), 5);
            assert_eq!(packs(&memory), packs(&start), "by its own name");
        }
    }
    // All of them at once.
    for pack in packs(&start) {
        start.delete(&pack).unwrap();
    }
    assert!(machine.repair(&start, "home/archive"));
    assert_eq!(assert_whole(&machine, &start), 5);
}

#[test]
fn members_that_a_later_archive_still_has_are_put_into_new_packs() {
    let (machine, memory) = five_nights();
    // Only the newest archive is here, and it was made with the first pack.
    fs::create_dir(machine.path("few")).unwrap();
    let newest = machine.archives().pop().unwrap();
    fs::copy(&newest, machine.path("few").join(newest.file_name().unwrap())).unwrap();
    let store = machine.store(&memory, "cache");
    let (list, _) = store.list_of("pai-20261106-020000").unwrap();
    let first = store.list_of("pai-20261102-020000").unwrap().0;
    let shared = *list.runs.packs().intersection(&first.runs.packs()).next().unwrap();
    memory.delete(&layout::pack_name(&shared, Form::Plain)).unwrap();
    assert!(!machine.repair(&memory, "few"), "the first archive's index is nowhere else");
    for archive in store.archives(&Series::new("pai").unwrap()).unwrap() {
        let local = fs::read(machine.path(&format!("home/archive/{}.tar.gz", archive.name))).unwrap();
        match pulled(&store, &archive.name) {
            Ok(bytes) => assert!(bytes == local),
            Err(error) => assert_ne!(archive.name, "pai-20261106-020000", "{error:#}"),
        }
    }
    // Nobody takes over what a remembered list still says.
    let mut machine = machine;
    let next = machine.night(&noise(60_000, 9));
    machine.push(&machine.store(&memory, "cache"), &next).unwrap();
    machine.forget_all_but_the_newest(&memory);
    machine.prune_for_days(&memory);
    assert_eq!(assert_whole(&machine, &memory), 1);
}

fn repack(store: &Store) -> anyhow::Result<usize> {
    let plan = repack::Plan::make(store)?;
    plan.apply(store)?;
    Ok(plan.packs.len())
}

fn size(memory: &Memory) -> usize {
    packs(memory).iter().map(|pack| memory.get(pack, 0, u64::MAX).unwrap().len()).sum()
}

#[test]
fn packs_of_which_little_is_used_are_written_anew() {
    let (mut machine, memory) = five_nights();
    machine.forget_all_but_the_newest(&memory);
    machine.prune_for_days(&memory);
    let before = size(&memory);
    let pruner = machine.store(&memory, "pruner");
    assert!(repack(&pruner).unwrap() > 0);
    assert_eq!(repack(&pruner).unwrap(), 0, "once is enough");
    machine.prune_for_days(&memory);
    assert!(size(&memory) < before - 40_000, "{before} bytes became {}", size(&memory));
    assert_eq!(assert_whole(&machine, &memory), 1);
    // What the machine remembers is of the list before: it must not be believed.
    let reader = machine.store(&memory, "cache");
    let newest = reader.archives(&Series::new("pai").unwrap()).unwrap().remove(0).name;
    let mut kept = Vec::new();
    cat::copy(&reader.open_archive(&newest).unwrap(), Path::new("kept"), 1, &mut kept).unwrap();
    assert!(kept == noise(40_000, 99));
    let next = machine.night(&noise(60_000, 5));
    machine.push(&machine.store(&memory, "cache"), &next).unwrap();
    machine.prune_for_days(&memory);
    assert_eq!(assert_whole(&machine, &memory), 2);
    machine.forget_all_but_the_newest(&memory);
    machine.prune_for_days(&memory);
    let marks = memory.names().into_iter().filter(|name| layout::rewritten_of(name).is_some());
    assert_eq!(marks.count(), 0, "they go with their archives");
}

#[test]
fn a_repack_killed_before_any_request_loses_nothing() {
    let (machine, start) = five_nights();
    machine.forget_all_but_the_newest(&start);
    let mut tried = 0;
    for number in 0.. {
        let memory = start.copy();
        let store = machine.store(&memory, "pruner");
        memory.plan(number, Trouble::Dies);
        let outcome = repack(&store);
        memory.heal();
        assert_eq!(assert_whole(&machine, &memory), 1, "cut at request {number}");
        // A prune at once may find a list and a .packs that do not belong together; then it stands still.
        memory.pass(DAY);
        prune(&store).unwrap();
        repack(&store).unwrap();
        machine.prune_for_days(&memory);
        assert_eq!(assert_whole(&machine, &memory), 1, "cut at request {number}, and run again");
        if outcome.is_ok() {
            break;
        }
        tried += 1;
    }
    println!("tried {tried} requests of repack: survived {tried}, lost none");
    assert!(tried >= 8, "only {tried} cuts were tried");
}

#[test]
fn a_repack_beside_a_push_takes_no_pack_from_an_archive() {
    let (mut machine, start) = five_nights();
    machine.forget_all_but_the_newest(&start);
    start.pass(2 * DAY);
    let next = machine.night(&noise(60_000, 7));
    let mut met = 0;
    for at in 0.. {
        let memory = start.copy();
        let (other, pruner) = (memory.clone(), machine.store(&memory, "pruner"));
        let (hooked, count) = hooked(&memory, at, move || {
            repack(&pruner).unwrap();
            prune(&pruner).unwrap();
            other.pass(DAY / 3);
        });
        machine.push(&machine.store(&hooked, &format!("other-{at}")), &next).unwrap();
        assert_eq!(assert_whole(&machine, &memory), 2, "repack before request {at}");
        machine.prune_for_days(&memory);
        assert_eq!(assert_whole(&machine, &memory), 2, "repack before request {at}, and later");
        if count.load(Ordering::SeqCst) <= at {
            break;
        }
        met += 1;
    }
    assert!(met >= 5, "only {met} moments were tried");
}

#[test]
fn what_a_writer_that_sees_nothing_remembers_is_left_alone_by_repack() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    memory.write_only(true);
    fs::write(machine.path("home/kept"), noise(40_000, 99)).unwrap();
    let store = machine.store(&memory, "cache");
    for night in 0..5 {
        let archive = machine.night(&noise(60_000, night));
        machine.push(&store, &archive).unwrap();
    }
    memory.write_only(false);
    machine.forget_all_but_the_newest(&memory);
    // Forgetting here must not make the writer forget what it remembers.
    let archive = machine.night(&noise(60_000, 5));
    assert_eq!(repack(&machine.store(&memory, "pruner")).unwrap(), 0);
    machine.prune_for_days(&memory);
    memory.write_only(true);
    machine.push(&store, &archive).unwrap();
    memory.write_only(false);
    assert_eq!(assert_whole(&machine, &memory), 2);
}
