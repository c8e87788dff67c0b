//! What is asked for, what is kept, and what is named when it is bad.

use super::*;
use crate::store::memory::Memory;

/// Two packs of 100 bytes and an archive that takes them by turns, ten bytes at a time.
fn archive(memory: &Memory) -> (Runs, Vec<u8>) {
    let packs: Vec<Vec<u8>> = (0..2).map(|pack| (0..100).map(|at| pack * 100 + at).collect()).collect();
    let mut runs = Runs::default();
    let mut whole = Vec::new();
    for pack in &packs {
        memory.put(&layout::pack_name(&sha256::digest(pack), Form::Plain), pack).unwrap();
    }
    for at in (0..100).step_by(10) {
        for pack in &packs {
            runs.push(sha256::digest(pack), at, 10);
            whole.extend(&pack[at as usize..at as usize + 10]);
        }
    }
    memory.log();
    (runs, whole)
}

fn stored_in(memory: &Memory, runs: Runs) -> Stored {
    let list = List { runs, ..List::default() };
    Stored::new(Arc::new(memory.clone()), &list, Arc::default())
}

fn read(stored: &Stored, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    stored.read_exact_at(&mut bytes, offset).unwrap();
    bytes
}

#[test]
fn a_part_is_fetched_by_ranges_and_much_of_a_pack_as_a_whole() {
    let memory = Memory::default();
    let (runs, whole) = archive(&memory);
    let stored = stored_in(&memory, runs);
    assert_eq!(read(&stored, 25, 50), whole[25..75]);
    assert_eq!(memory.log().len(), 2, "one request a pack, however many runs");
    for offset in 0..20 {
        assert_eq!(read(&stored, offset * 10, 10), whole[offset as usize * 10..][..10]);
    }
    assert_eq!(memory.log().len(), 2 * RANGES, "then the packs are here");
    assert!(stored.read_exact_at(&mut [0; 2], 199).is_err());
}

#[test]
fn the_known_tail_is_not_asked_for() {
    let memory = Memory::default();
    let (runs, whole) = archive(&memory);
    let stored = stored_in(&memory, runs).with_tail(150, Tail::of(&whole[150..]));
    assert_eq!(read(&stored, 150, 50), whole[150..]);
    assert_eq!(memory.log().len(), 0);
    assert_eq!(read(&stored, 141, 20), whole[141..161]);
    assert_eq!(memory.log().len(), 1);
}

#[test]
fn a_flipped_byte_and_a_missing_pack_are_named() {
    let memory = Memory::default();
    let (runs, _) = archive(&memory);
    let name = layout::pack_name(runs.packs().first().unwrap(), Form::Plain);
    memory.tamper(&name, |bytes| bytes[99] ^= 1);
    let stored = stored_in(&memory, runs.clone()).checked();
    let error = stored.read_exact_at(&mut [0; 30], 0).unwrap_err().to_string();
    assert_eq!(error, format!("{name} is damaged: its SHA-256 is not its name"));
    let lenient = stored_in(&memory, runs.clone());
    for _ in 0..2 * RANGES {
        assert_eq!(read(&lenient, 0, 10), (0..10).collect::<Vec<_>>(), "what is whole is read");
    }
    memory.delete(&name).unwrap();
    let error = stored_in(&memory, runs).read_exact_at(&mut [0; 30], 0).unwrap_err();
    assert!(error.to_string().contains(&name), "{error}");
}

#[test]
fn who_reads_one_pack_after_the_other_waits_for_no_more_than_the_first() {
    let memory = Memory::default();
    let mut runs = Runs::default();
    let packs: Vec<Vec<u8>> = (0..6).map(|pack| vec![pack; 100]).collect();
    for pack in &packs {
        memory.put(&layout::pack_name(&sha256::digest(pack), Form::Plain), pack).unwrap();
        runs.push(sha256::digest(pack), 0, 100);
    }
    let asked =
        |number: usize| format!("get {}", layout::pack_name(&sha256::digest(&packs[number]), Form::Plain));
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let wait_for = |count: usize| {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while seen.lock().unwrap().len() < count && std::time::Instant::now() < end {
            seen.lock().unwrap().extend(memory.log());
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        let mut seen = seen.lock().unwrap();
        seen.sort();
        std::mem::take(&mut *seen)
    };
    memory.log();
    let sorted = |numbers: &[usize]| {
        let mut names: Vec<String> = numbers.iter().map(|&number| asked(number)).collect();
        names.sort();
        names
    };
    let stored = stored_in(&memory, runs.clone()).checked();
    assert_eq!(read(&stored, 0, 10), [0; 10]);
    assert_eq!(wait_for(3), sorted(&[0, 1, 2]), "two are fetched ahead");
    assert_eq!(read(&stored, 100, 10), [1; 10]);
    assert_eq!(wait_for(1), sorted(&[3]));
    // Who reads ranges is not given more than he asks for, until he has read two packs.
    let stored = stored_in(&memory, runs);
    for _ in 0..=RANGES {
        read(&stored, 200, 10);
    }
    assert_eq!(wait_for(RANGES + 1), vec![asked(2); RANGES + 1]);
    for _ in 0..=RANGES {
        read(&stored, 300, 10);
    }
    let mut expected = vec![asked(3); RANGES + 1];
    expected.extend([asked(4), asked(5)]);
    expected.sort();
    assert_eq!(wait_for(RANGES + 3), expected);
}
