//! The same of a store that is encrypted.

mod attacks;

use super::*;
use crate::archive::member::MemberInfo;
use crate::archive::open::Archive;
use crate::crypt::{key, seal};
use crate::store::layout::Form;
use crate::store::list::List;
use crate::store::needs::Needs;

/// A pair of its own file in the machine's folder.
struct Pair {
    keys: Arc<Keys>,
    recipients: Recipients,
}

impl Machine {
    fn pair(&self, name: &str) -> Pair {
        let path = self.path(name);
        let recipient = key::new(&path, false, pai_common::clock::Timestamp::new(0, 0)).unwrap();
        let recipients = Recipients::parse(&recipient).unwrap();
        Pair { keys: Arc::new(Keys::new(&[path])), recipients }
    }

    /// Makes an archive of another night and sends it; says what it is called.
    fn sealed_night(&mut self, store: &Store, content: &[u8], pair: &Pair) -> String {
        let path = self.night(content);
        self.push_for(store, &path, Some(&pair.recipients)).unwrap()
    }
}

fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(b"age-encryption.org/v1\n")
}

#[test]
fn nights_go_encrypted_without_an_identity_and_come_back_with_one() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let pair = machine.pair("key");
    let store = machine.store(&memory, "cache");
    fs::write(machine.path("home/large"), noise(3 << 20, 1)).unwrap();
    machine.sealed_night(&store, &noise(1000, 0), &pair);
    for night in 1..5 {
        // The recipients are remembered.
        let archive = machine.night(&noise(1000, night));
        machine.push(&store, &archive).unwrap();
    }
    for name in memory.names() {
        let bytes = memory.get(&name, 0, 100).unwrap();
        let is_list_or_pack = name.contains(".gz");
        assert_eq!((is_sealed(&bytes), name.ends_with(".age")), (is_list_or_pack, is_list_or_pack), "{name}");
    }
    assert_eq!(assert_whole_with(&machine, &memory, Arc::clone(&pair.keys)), 5);
    let (_, sent, received) = store.traffic.so_far();
    assert!(sent < 4 << 20, "five nights cost {sent} bytes");
    assert!(received < 2000, "nothing but recipients.txt is read: {received} bytes");
    let error = pulled(&machine.store(&memory, "other"), "pai-20261102-020000").unwrap_err();
    assert!(format!("{error:#}").contains("no identity is named"), "{error:#}");
}

#[test]
fn an_unchanged_night_costs_six_requests_and_ten_kilobytes() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let pair = machine.pair("key");
    let store = machine.store(&memory, "cache");
    machine.sealed_night(&store, &noise(1 << 20, 1), &pair);
    machine.nights += 2;
    let archive = machine.night(&noise(1 << 20, 1));
    let before = store.traffic.so_far();
    machine.push(&store, &archive).unwrap();
    let after = store.traffic.so_far();
    assert!(after.0 - before.0 <= 6, "{:?}", memory.log());
    assert!(after.1 - before.1 < 10_000, "{} bytes", after.1 - before.1);
}

#[test]
fn one_file_costs_the_chunks_it_lies_in_and_not_its_pack() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let pair = machine.pair("key");
    fs::write(machine.path("home/large"), noise(15 << 20, 1)).unwrap();
    let name = machine.sealed_night(&machine.store(&memory, "cache"), b"small", &pair);
    let largest =
        memory.names().iter().map(|name| memory.get(name, 0, u64::MAX).unwrap().len()).max().unwrap();
    assert!(largest > 15 << 20, "all of it is one pack of {largest} bytes");
    let store = machine.store_with(&memory, "reader", pair.keys);
    let archive = store.open_archive(&name).unwrap();
    let (offset, info) = middle(&archive);
    let bytes = archive.file().member(offset, &info).unwrap();
    assert_eq!(bytes.len(), info.size as usize);
    let (_, _, received) = store.traffic.so_far();
    assert!(received < 1 << 20, "{received} bytes were fetched for {}", bytes.len());
}

/// Some member in the middle of an archive.
fn middle(archive: &Archive) -> (u64, MemberInfo) {
    let places = archive.index().unwrap().members().unwrap();
    let place = &places[places.len() / 2];
    (place.offset, place.members[0])
}

#[test]
fn a_key_that_may_only_write_is_enough_and_a_lost_cache_costs_one_night() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    memory.write_only(true);
    let pair = machine.pair("key");
    let store = machine.store(&memory, "cache");
    let mut sent = Vec::new();
    for night in 0..4 {
        let archive = machine.night(&noise(200_000, night / 2));
        if night == 3 {
            for archive in store.cache.archives() {
                store.cache.forget(&archive);
            }
        }
        memory.log();
        let before = store.traffic.so_far().1;
        machine.push_for(&store, &archive, (night == 0).then_some(&pair.recipients)).unwrap();
        sent.push(store.traffic.so_far().1 - before);
        let log = memory.log();
        assert!(log.iter().all(|line| line.starts_with("put ") || line == "list archives"), "{log:?}");
    }
    assert!(sent[1] < 250_000 && sent[3] > 500_000, "{sent:?}");
    memory.write_only(false);
    assert_eq!(assert_whole_with(&machine, &memory, pair.keys), 4);
    assert!(memory.names().iter().all(|name| !name.ends_with(".gz")), "{:?}", memory.names());
}

#[test]
fn an_identity_brings_a_lost_cache_back() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let pair = machine.pair("key");
    machine.sealed_night(&machine.store(&memory, "one"), &noise(200_000, 1), &pair);
    let second = machine.night(&noise(200_000, 2));
    for (cache, keys, least, most) in
        [("two", Arc::clone(&pair.keys), 0, 250_000), ("three", Arc::default(), 400_000, 500_000)]
    {
        let memory = memory.copy();
        let store = machine.store_with(&memory, cache, keys);
        machine.push(&store, &second).unwrap();
        let (_, sent, _) = store.traffic.so_far();
        assert!((least..most).contains(&sent), "{cache}: {sent}");
        assert_eq!(assert_whole_with(&machine, &memory, Arc::clone(&pair.keys)), 2);
    }
}

#[test]
fn who_is_named_next_reads_what_comes_next_and_who_was_named_before_what_was_before() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let (old, new) = (machine.pair("old"), machine.pair("new"));
    let store = machine.store(&memory, "cache");
    let first = machine.sealed_night(&store, &noise(200_000, 1), &old);
    let second = machine.sealed_night(&store, &noise(200_000, 2), &new);
    let third = machine.night(&noise(200_000, 3));
    let third = machine.push(&store, &third).unwrap();
    let can_read = |machine: &Machine, pair: &Pair, archive: &str| {
        pulled(&machine.store_with(&memory, "reader", Arc::clone(&pair.keys)), archive).is_ok()
    };
    for (archive, by_old, by_new) in [(&first, true, false), (&second, false, true), (&third, false, true)] {
        assert_eq!(
            (can_read(&machine, &old, archive), can_read(&machine, &new, archive)),
            (by_old, by_new),
            "{archive}"
        );
    }
    // Both from now on: what the new one has is not enough for the old one.
    let both = Recipients::parse(&format!("{}{}", old.recipients.text(), new.recipients.text())).unwrap();
    let fourth = machine.night(&noise(200_000, 4));
    let fourth = machine.push_for(&store, &fourth, Some(&both)).unwrap();
    assert!(can_read(&machine, &old, &fourth) && can_read(&machine, &new, &fourth));
    let error =
        format!("{:#}", pulled(&machine.store_with(&memory, "reader", old.keys), &third).unwrap_err());
    for recipient in both.texts() {
        assert!(error.contains(recipient), "whom it is for, and who asks: {error}");
    }
}

#[test]
fn recipients_that_somebody_changed_stop_the_next_night() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let (ours, theirs) = (machine.pair("ours"), machine.pair("theirs"));
    let store = machine.store(&memory, "cache");
    machine.sealed_night(&store, &noise(60_000, 1), &ours);
    let next = machine.night(&noise(60_000, 2));
    let before = memory.names();
    for said in [theirs.recipients.text(), format!("{}{}", ours.recipients.text(), theirs.recipients.text())]
    {
        memory.tamper(layout::RECIPIENTS, |bytes| *bytes = said.clone().into_bytes());
        let error = format!("{:#}", machine.push(&store, &next).unwrap_err());
        assert!(error.contains(said.lines().last().unwrap()), "{error}");
        assert!(error.contains(&format!("this machine knows {}", ours.recipients)), "{error}");
        assert_eq!(memory.names(), before, "nothing was sent");
    }
    memory.delete(layout::RECIPIENTS).unwrap();
    machine.push(&store, &next).unwrap();
    let again = memory.get(layout::RECIPIENTS, 0, 1000).unwrap();
    assert_eq!(again, ours.recipients.text().into_bytes());
    // A machine that sees the store for the first time is not misled into writing what anybody can read.
    memory.delete(layout::RECIPIENTS).unwrap();
    let third = machine.night(&noise(60_000, 3));
    machine.push(&machine.store(&memory, "other"), &third).unwrap_err();
    assert_eq!(assert_whole_with(&machine, &memory, ours.keys), 2);
}

#[test]
fn a_push_killed_before_any_request_costs_nothing_but_itself() {
    let mut machine = Machine::new();
    let start = Memory::default();
    let pair = machine.pair("key");
    let first = machine.night(&noise(60_000, 1));
    machine.push_for(&machine.store(&start, "cache"), &first, Some(&pair.recipients)).unwrap();
    let second = machine.night(&noise(60_000, 2));
    let mut tried = 0;
    for number in 0.. {
        let memory = start.copy();
        let cache = format!("cache-{number}");
        memory.plan(number, Trouble::Dies);
        let push = || machine.push_for(&machine.store(&memory, &cache), &second, Some(&pair.recipients));
        let outcome = push();
        memory.heal();
        let there = assert_whole_with(&machine, &memory, Arc::clone(&pair.keys));
        assert_eq!(there, if outcome.is_ok() { 2 } else { 1 }, "cut at request {number}");
        push().unwrap();
        for _ in 0..3 {
            memory.pass(DAY);
            prune(&machine.store(&memory, "pruner")).unwrap();
        }
        assert_eq!(
            assert_whole_with(&machine, &memory, Arc::clone(&pair.keys)),
            2,
            "cut at request {number}"
        );
        if outcome.is_ok() {
            break;
        }
        tried += 1;
    }
    assert!(tried >= 6, "only {tried} cuts were tried");
}

#[test]
fn what_is_lost_is_made_again_and_what_is_hardly_used_written_anew_encrypted() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let pair = machine.pair("key");
    fs::write(machine.path("home/kept"), noise(40_000, 99)).unwrap();
    let store = machine.store_with(&memory, "cache", Arc::clone(&pair.keys));
    let nights: Vec<String> =
        (0..5).map(|night| machine.sealed_night(&store, &noise(60_000, night), &pair)).collect();
    let packs = |memory: &Memory| -> Vec<String> {
        memory.names().into_iter().filter(|name| layout::pack_of(name).is_some()).collect()
    };
    for name in packs(&memory) {
        let memory = memory.copy();
        memory.delete(&name).unwrap();
        assert!(machine.repair_with(&memory, "home/archive", Arc::clone(&pair.keys)), "{name}");
        assert_eq!(assert_whole_with(&machine, &memory, Arc::clone(&pair.keys)), 5, "{name}");
        assert!(packs(&memory).iter().all(|name| is_sealed(&memory.get(name, 0, 100).unwrap())));
    }
    for night in &nights[..4] {
        forget::forget(&store, night).unwrap();
    }
    let before = packs(&memory).len();
    let plan = crate::store::repack::Plan::make(&store).unwrap();
    assert!(!plan.packs.is_empty());
    plan.apply(&store).unwrap();
    assert!(packs(&memory).len() > before);
    assert!(packs(&memory).iter().all(|name| is_sealed(&memory.get(name, 0, 100).unwrap())));
    let (list, _) = store.list_of(&nights[4]).unwrap();
    assert_eq!(
        list.heads.keys().copied().collect::<Vec<_>>(),
        list.runs.packs().into_iter().collect::<Vec<_>>()
    );
    assert_eq!(assert_whole_with(&machine, &memory, Arc::clone(&pair.keys)), 1);
}
