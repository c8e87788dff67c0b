//! Lines to verdicts, beyond what the differential test compares.

use pai_tests::{run, run_with_input, scratch};

use crate::{A, EMPTY, checksum, write};

#[test]
fn names_are_taken_below_the_folder_given_and_lists_are_not() {
    let folder = scratch();
    write(folder.path(), &[("d/f", "a\n"), ("list", &format!("{A}  f\n"))]);
    assert_eq!(run(&mut checksum(folder.path(), &["-C", "d", "-c", "list"])).expect(0).stdout, "f: OK\n");
    run(&mut checksum(folder.path(), &["-c", "list"])).expect(1);
}

#[test]
fn a_list_in_utf_16_is_told_of_and_what_is_told_mends_it() {
    let folder = scratch();
    write(folder.path(), &[("f", "a\n")]);
    for (order, mark) in
        [(u16::to_le_bytes as fn(u16) -> [u8; 2], [0xff, 0xfe]), (u16::to_be_bytes, [0xfe, 0xff])]
    {
        let units = format!("{A}  f\r\n").encode_utf16().flat_map(order).collect::<Vec<u8>>();
        std::fs::write(folder.path().join("LIST"), [&mark[..], &units].concat()).unwrap();
        let outcome = run(&mut checksum(folder.path(), &["-c", "LIST"])).expect(1);
        let (first, hint) = outcome.stderr.split_once('\n').unwrap();
        assert_eq!(first, "pai-checksum: LIST: no properly formatted checksum lines found");
        let line = hint.trim_end().strip_prefix("pai-checksum: hint: the list is UTF-16: ").expect("a hint");
        let mended = pai_tests::sh(&line.replace("iconv", "set -o pipefail; iconv"), folder.path());
        assert_eq!(mended.expect(0).stdout, "f: OK\n");
    }
    std::fs::write(folder.path().join("LIST"), "no list").unwrap();
    let outcome = run(&mut checksum(folder.path(), &["-c", "LIST"])).expect(1);
    assert!(!outcome.stderr.contains("hint"), "{}", outcome.stderr);
}

#[test]
fn each_flipped_bit_is_found() {
    let folder = scratch();
    let content: Vec<u8> = (0..=255).collect();
    std::fs::write(folder.path().join("f"), &content).unwrap();
    let list = run(&mut checksum(folder.path(), &["f"])).expect(0).stdout;
    for position in [0, 63, 64, 255] {
        let mut rotten = content.clone();
        rotten[position] ^= 1;
        std::fs::write(folder.path().join("f"), &rotten).unwrap();
        let outcome = run_with_input(&mut checksum(folder.path(), &["-c"]), list.as_bytes()).expect(1);
        assert_eq!(outcome.stdout, "f: FAILED\n");
        assert_eq!(outcome.stderr, "pai-checksum: WARNING: 1 computed checksum did NOT match\n");
    }
}

#[test]
fn json_tells_the_same_as_text() {
    let folder = scratch();
    write(
        folder.path(),
        &[("good", "a\n"), ("bad", "b\n"), ("list", &format!("{A}  good\n{A}  bad\n{EMPTY}  gone\n"))],
    );
    let outcome = run(&mut checksum(folder.path(), &["--json", "-c", "list"])).expect(1);
    assert_eq!(
        outcome.stdout,
        "{\"type\":\"check\",\"path\":\"good\",\"status\":\"ok\"}\n\
         {\"type\":\"check\",\"path\":\"bad\",\"status\":\"failed\"}\n\
         {\"type\":\"check\",\"path\":\"gone\",\"status\":\"unreadable\"}\n"
    );
}

#[test]
fn on_a_terminal_what_failed_is_listed_once_more_at_the_end() {
    if !pai_tests::has("script") {
        return pai_tests::skip("script is not installed");
    }
    let folder = scratch();
    write(folder.path(), &[("good", "a\n"), ("bad", "b\n")]);
    let good = format!("{A}  good\n").repeat(30);
    write(folder.path(), &[("list", &format!("{A}  bad\n{good}"))]);
    let outcome = pai_tests::sh("script -qec 'pai-checksum -c list' /dev/null", folder.path()).expect(1);
    let lines: Vec<&str> = outcome.stdout.lines().map(str::trim_end).collect();
    assert_eq!(lines[0], "bad: FAILED");
    assert_eq!(
        lines[31..],
        ["pai-checksum: WARNING: 1 computed checksum did NOT match", "pai-checksum: bad: FAILED"]
    );
}
