//! What somebody who can write to an encrypted store does to it, and how it is noticed.

use super::*;

/// Two nights in a store, as the machine that sent them left it.
struct Target {
    machine: Machine,
    memory: Memory,
    pair: Pair,
    nights: [String; 2],
}

impl Target {
    fn new() -> Self {
        let mut machine = Machine::new();
        let memory = Memory::default();
        let pair = machine.pair("key");
        fs::write(machine.path("home/large"), noise(200_000, 9)).unwrap();
        let store = machine.store(&memory, "cache");
        let nights = [1, 2].map(|night| machine.sealed_night(&store, &noise(60_000, night), &pair));
        Self { machine, memory, pair, nights }
    }

    /// Whether a reader with the identity gets anything but what was archived, whole or in part.
    #[track_caller]
    fn notices(&self, memory: &Memory, cache: &str, what: &str) {
        let store = self.machine.store_with(memory, cache, Arc::clone(&self.pair.keys));
        let whole = self.nights.iter().filter(|night| {
            let local = fs::read(self.machine.path(&format!("home/archive/{night}.tar.gz"))).unwrap();
            pulled(&store, night).is_ok_and(|bytes| {
                assert!(bytes == local, "{what}: {night} came back as something else");
                true
            })
        });
        assert!(whole.count() < 2, "{what}: nothing was noticed");
        for night in &self.nights {
            let genuine = self.machine.store_with(&self.memory, "genuine", Arc::clone(&self.pair.keys));
            let genuine = genuine.open_archive(night).unwrap();
            let Ok(archive) = store.open_archive(night) else { continue };
            let Ok(index) = archive.index() else { continue };
            for place in index.members().unwrap() {
                if let Ok(bytes) = archive.file().member(place.offset, &place.members[0]) {
                    let expected = genuine.file().member(place.offset, &place.members[0]).unwrap();
                    assert!(bytes == expected, "{what}: a member came back as something else");
                }
            }
        }
    }

    fn objects(&self, end: &str) -> Vec<String> {
        self.memory.names().into_iter().filter(|name| name.ends_with(end)).collect()
    }
}

#[test]
fn what_was_flipped_cut_or_swapped_is_noticed_by_every_reader() {
    let target = Target::new();
    let (packs, lists) = (target.objects(".gz.age"), target.objects(".list.gz.age"));
    let packs: Vec<&String> = packs.iter().filter(|name| name.starts_with("packs/")).collect();
    let mut attacks = 0;
    let mut attack = |what: &str, change: &dyn Fn(&Memory)| {
        let memory = target.memory.copy();
        change(&memory);
        target.notices(&memory, "reader", what);
        attacks += 1;
    };
    for name in packs.iter().copied().chain(&lists) {
        let length = target.memory.get(name, 0, u64::MAX).unwrap().len();
        for at in [0, 50, 100, 150, 190, length / 3, length / 2, length - 20, length - 1] {
            attack(&format!("{name} flipped at {at}"), &|memory| memory.tamper(name, |bytes| bytes[at] ^= 1));
        }
        for cut in [0, 21, 180, length / 2, length.saturating_sub(65_552), length - 1] {
            attack(&format!("{name} cut at {cut}"), &|memory| {
                memory.tamper(name, |bytes| bytes.truncate(cut));
            });
        }
        attack(&format!("{name} is longer"), &|memory| memory.tamper(name, |bytes| bytes.push(0)));
        attack(&format!("{name} is gone"), &|memory| memory.delete(name).unwrap());
        // Anybody can encrypt for the recipients.
        let forged = seal(&noise(70_000, 3), &target.pair.recipients).unwrap().bytes;
        attack(&format!("{name} is another's"), &|memory| {
            memory.tamper(name, |bytes| *bytes = forged.clone());
        });
    }
    let swap = |memory: &Memory, one: &str, two: &str| {
        let kept = memory.get(one, 0, u64::MAX).unwrap();
        let other = memory.get(two, 0, u64::MAX).unwrap();
        memory.tamper(one, |bytes| *bytes = other);
        memory.tamper(two, |bytes| *bytes = kept);
    };
    attack("two packs swapped", &|memory| swap(memory, packs[0], packs[1]));
    attack("two lists swapped", &|memory| swap(memory, &lists[0], &lists[1]));
    attack("an old list under a new name", &|memory| {
        let old = memory.get(&lists[0], 0, u64::MAX).unwrap();
        memory.tamper(&lists[1], |bytes| *bytes = old);
    });
    assert!(attacks >= 70, "only {attacks} attacks were tried");
}

#[test]
fn archives_that_were_added_in_the_clear_are_not_seen() {
    let target = Target::new();
    let plain = Memory::default();
    let local = target.machine.path(&format!("home/archive/{}.tar.gz", target.nights[1]));
    target.machine.push(&target.machine.store(&plain, "plain"), &local).unwrap();
    let memory = target.memory.copy();
    for name in plain.names() {
        if name.contains(".gz") {
            memory.put(&name, &plain.get(&name, 0, u64::MAX).unwrap()).unwrap();
        }
    }
    let added = layout::list_name("pai-20271231-000000", Form::Plain);
    memory
        .put(&added, &plain.get(&layout::list_name(&target.nights[1], Form::Plain), 0, u64::MAX).unwrap())
        .unwrap();
    let store = target.machine.store_with(&memory, "reader", Arc::clone(&target.pair.keys));
    let seen = store.archives(&Series::new("pai").unwrap()).unwrap();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|entry| entry.form == Form::Sealed));
    let sender = target.machine.store(&memory, "cache");
    assert_eq!(sender.archives(&Series::new("pai").unwrap()).unwrap().len(), 2);
    assert!(sender.list_of("pai-20271231-000000").is_err(), "the machine that sends has pinned recipients");
}

#[test]
fn another_archive_in_the_place_of_the_last_one_is_refused_where_it_is_remembered() {
    let mut target = Target::new();
    // Somebody who knows the recipients makes an archive of his own, and all that belongs to it.
    let forger = Machine::new();
    let forged = Memory::default();
    let store = forger.store(&forged, "forger");
    let mut forger = forger;
    forger.nights = 1;
    let forged_name = forger.sealed_night(&store, b"forged", &target.pair);
    assert_eq!(forged_name, target.nights[1]);
    let memory = target.memory.copy();
    for name in forged.names() {
        memory.put(&name, &forged.get(&name, 0, u64::MAX).unwrap()).unwrap();
    }
    let store = target.machine.store_with(&memory, "cache", Arc::clone(&target.pair.keys));
    let error = format!("{:#}", store.open_archive(&forged_name).unwrap_err());
    assert!(error.contains("it is not the archive that this machine sent"), "{error}");
    assert!(store.check_memory(&store.list_of(&forged_name).unwrap().0).is_err());
    target.machine.nights = 2;
}

#[test]
fn a_store_that_was_set_back_is_told_where_more_is_remembered() {
    let mut machine = Machine::new();
    let memory = Memory::default();
    let pair = machine.pair("key");
    let store = machine.store(&memory, "cache");
    machine.sealed_night(&store, &noise(60_000, 1), &pair);
    let earlier = memory.copy();
    let second = machine.sealed_night(&store, &noise(60_000, 2), &pair);
    let store = machine.store_with(&earlier, "cache", Arc::clone(&pair.keys));
    let series = Series::new("pai").unwrap();
    let there = store.archives(&series).unwrap();
    let why = store.set_back(&series, there.iter().map(|entry| &entry.name)).unwrap();
    assert!(why.contains(&second), "{why}");
    let complaints = machine.console.complaints();
    machine.sealed_night(&store, &noise(60_000, 3), &pair);
    assert_eq!(machine.console.complaints(), complaints + 1, "the next night says it");
    machine.sealed_night(&store, &noise(60_000, 4), &pair);
    assert_eq!(machine.console.complaints(), complaints + 1, "once");
}

#[test]
fn an_encrypted_pack_that_the_list_says_nothing_of_is_read_whole() {
    let target = Target::new();
    let memory = target.memory.copy();
    let store = target.machine.store_with(&memory, "reader", Arc::clone(&target.pair.keys));
    let (list, _) = store.list_of(&target.nights[1]).unwrap();
    assert_eq!(
        list.heads.keys().copied().collect::<Vec<_>>(),
        list.runs.packs().into_iter().collect::<Vec<_>>()
    );
    let bare = List { heads: std::collections::BTreeMap::new(), ..list };
    let object = seal(&bare.pack().unwrap(), &target.pair.recipients).unwrap().bytes;
    memory.put(&layout::list_name(&bare.archive, Form::Sealed), &object).unwrap();
    let needs = Needs::of(&bare, &object);
    memory.put(&layout::needs_name(&bare.archive), &needs.text()).unwrap();
    assert_eq!(assert_whole_with(&target.machine, &memory, Arc::clone(&target.pair.keys)), 2);
}
