//! What must hold whatever the input: one file for each reader, and here the inputs that every run of the tests
//! tries. `tests/fuzz` tries the same properties on whatever a fuzzer comes up with.
#![allow(clippy::unwrap_used)] // in a test, a panic is how a failure is told

mod archive;
mod checksum;
mod dated;
mod forms;
mod headings;
mod index;
mod listing;
mod memory;
mod pax;
mod request;
mod sealed;
mod stamp;
mod tar;

use pai_tests::corpus;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Input that is shown as text where a property does not hold.
#[derive(Clone)]
struct Input(Vec<u8>);

impl std::fmt::Debug for Input {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Words in any order, with stray bytes between them.
fn words(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        8 => select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 1..4),
    ];
    vec(word, 0..24).prop_map(|words| words.concat())
}

const NAMES: &[&str] = &[
    "a",
    "b",
    "./a",
    "./",
    "a/b",
    "out/x",
    "out",
    "old",
    "old/x",
    "../x",
    "/x",
    "a/",
    "",
    "a/../../x",
    ".a.restoring",
];

/// One header as others may write it, and its data.
fn entry() -> impl Strategy<Value = Vec<u8>> {
    let flag = select(b"00000\x0071234566SxgLKVD".to_vec());
    let mode = select(vec!["0000644", "0004755", "0000000", "7777777", "junk"]);
    let data = prop_oneof![
        words(NAMES),
        vec(any::<u8>(), 0..1100),
        vec(words(PAX), 0..4).prop_map(|texts| texts.iter().flat_map(|text| pax::record(text)).collect()),
    ];
    let odd = vec((0_usize..512, any::<u8>()), 0..3);
    (flag, select(NAMES), select(NAMES), mode, data, odd).prop_map(|(flag, name, link, mode, data, odd)| {
        let mut block = vec![0; 512];
        block[..name.len()].copy_from_slice(name.as_bytes());
        block[100..100 + mode.len()].copy_from_slice(mode.as_bytes());
        let has_data = !b"123456".contains(&flag);
        let size = if has_data { data.len() } else { 0 };
        block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
        block[156] = flag;
        block[157..157 + link.len()].copy_from_slice(link.as_bytes());
        block[257..265].copy_from_slice(b"ustar\x0000");
        if odd.len() == 2 {
            for (at, byte) in odd {
                block[at] = byte;
            }
        }
        block.extend_from_slice(&data[..size]);
        block.resize(block.len().next_multiple_of(512), 0);
        block
    })
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    (vec(entry(), 0..6), select(vec![0_usize, 512, 1024, 10_240])).prop_map(|(entries, end)| {
        let mut tar = entries.concat();
        tar.resize(tar.len() + end, 0);
        tar
    })
}

const PAX: &[&str] = &[
    "path=",
    "linkpath=",
    "size=",
    "uid=",
    "gid=",
    "mtime=",
    "SCHILY.xattr.user.",
    "GNU.sparse.major=1",
    "GNU.sparse.minor=0",
    "GNU.sparse.realsize=",
    "GNU.sparse.size=",
    "GNU.sparse.map=",
    "GNU.sparse.name=",
    "GNU.sparse.offset=",
    "GNU.sparse.numbytes=",
    "GNU.sparse.numblocks=",
    "comment=",
    "a",
    "b/c",
    "../",
    "/",
    "0",
    "1,",
    "512",
    "18446744073709551615",
    "-1.5",
    ".25",
    "%3D",
    "%25",
    "=",
    "\n",
    "\0",
];

const CHECKSUM: &[&str] = &[
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "SHA256 (",
    ") = ",
    "  ",
    " *",
    " ",
    "\\",
    "\\\\",
    "\\n",
    "\n",
    "\r",
    "\r\n",
    "#",
    "# 3 1.000000001 -2.000000000 ",
    "name",
    "\0",
    "\t",
    "E3B0",
    "(",
    ")",
];

const ADDRESSES: &[&str] = &[
    "/",
    "//",
    ".",
    "..",
    "../",
    "%2e",
    "%2E%2e",
    "%2f",
    "%252f",
    "%252e",
    "%00",
    "\0",
    "%ff",
    "%c0%ae",
    "%",
    "%4",
    "%zz",
    "%+f",
    "+",
    "?",
    "&",
    "=",
    "#",
    ";",
    "at=",
    "q=",
    "tree",
    "get/",
    "a",
    "now",
    "\u{e4}",
    "\u{202e}",
    "http://",
    "@",
    ":8090",
    "127.0.0.1:8090",
    "localhost:8090",
    "LOCALHOST:8090",
    "0123456789abcdef0123456789abcdef",
    "0123456789ABCDEF0123456789abcdef",
    "GET",
    "get",
    "HEAD",
    "POST",
    "\r\n",
    " ",
];

/// What names begin with, versions and ports among it.
const BEFORE: &[&str] =
    &["", "db_", "app-20.04.1-", "x.v2-", "host:5432/a b-", "a-1_", "2020-01-01/pg16-", "\u{e4}-"];

/// What they end with.
const BEHIND: &[&str] =
    &["", ".sql.gz", "-full.tar", "_22.04.img", ".7z.001", ".Z", "-r2", " (1).zip", ".2-x"];
const LIST: &[&str] = &[
    "# archive a\n",
    "# size 7\n",
    "# size 14\n",
    "# added 3\n",
    "# sha256 ",
    "# recipient age1x\n",
    "# head ",
    "# blind\n",
    "# shrunk\n",
    "# ",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    " 0 7\n",
    " 7 7\n",
    " 33554432 7\n",
    " 18446744073709551615 1\n",
    " ",
    "\n",
    "  packs/e3/",
];

const STAMPS: &[&str] = &[
    "20250916",
    "-",
    "_",
    "T",
    "090003",
    "Z",
    "2025-09-16",
    "09:00:03",
    "09-00-03",
    " ",
    "/",
    "pai",
    ".tar.gz",
    "2025",
    "99",
    "1",
    "20240229",
    "0000",
    "19691231",
    "2100",
    "996611",
    "\n",
    ".sha256",
    ".partial",
    "20250101-000000",
];

const DATES: &[&str] = &[
    "2026-03-06",
    "2026/3/6",
    "2026.03.06",
    "20260306",
    "March 6, 2026",
    "6 March 2026",
    "2026年3月6日",
    "06.03.2026",
    "6",
    "-",
    "–",
    "..",
    "/",
    " ",
    "(",
    ")",
    "[",
    "]",
    "](",
    "v",
    "1.2.0",
    "10:00",
    "T10:00:00Z",
    "https://",
    ".md",
    "title",
    "，",
    "2026",
    "#",
];

const MEMORY: &[&str] = &[
    "## 2025-09-01\n",
    "## 2025-09-01",
    "## 2025-09-15\n",
    "##\t2024-03-05 ##\n",
    "2025-09-03\n---\n",
    "# PAI Memory\n",
    "## Summaries\n",
    "## Recent Entries\n",
    "- 2025-09-01: ours ([archive](archive/memory/memory-2025-09-01.md))\n",
    "- 2025-06-01: old line\n",
    "_Last updated: x_\n",
    "```\n",
    "~~~\n",
    "<!--",
    "-->\n",
    "<!-- pin -->\n",
    "<div>\n",
    "\n",
    "\r\n",
    "text\n",
    "text",
    "    code\n",
    "- item\n",
    "> quote\n",
    "===\n",
    "---\n",
    "\u{feff}",
    "<!-- pai-optimize -->\n",
    "### deeper\n",
    "### Alpha (2025-09-01)\n",
    "#### Beta 2025/08/03 10:00\n",
    "# 2025-09-02 - log\n",
    "# Memory (2025-09-02)\n",
    "## [1.2.0] - 2025-09-01\n",
    "## 6 March 2025\n",
    "## 2025-09-01 to 2025-09-03\n",
    "## 06.03.2025\n",
    "- 2025-09-01: learned\n",
    "- **2025-09-02** learned\n  more\n",
    "* 2025-09-03 x\n",
    " - 2025-09-01: further in\n",
    "1. 2025-09-01 numbered\n",
    "- undated\n",
    "## 2025-02-30\n",
    "## 2025-09-04 - a title\n",
    "[x]: /y\n",
    "#tag\n",
    "#",
    "\u{c}",
    "\r",
    "> ",
];

/// Two bytes that say what is done with the rest, and the rest.
fn steered(rest: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Input> {
    (any::<[u8; 2]>(), rest).prop_map(|(how, rest)| Input([&how[..], &rest].concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_tar_stream_is_read_in_order_and_as_it_would_be_written(tar in stream().prop_map(Input)) {
        tar::holds(&tar.0);
    }

    #[test]
    fn pax_records_do_no_more_than_they_say(input in steered(vec(words(PAX), 0..6).prop_map(|texts| texts.join(&0xff)))) {
        pax::holds(&input.0[1..]);
    }

    #[test]
    fn an_index_agrees_with_itself(bytes in vec(any::<u8>(), 0..300).prop_map(Input), member in any::<bool>()) {
        // A group of one member, so that more than the first byte is looked at.
        let group = [&[1, 1, 60, 9, 9][..], &[7; 36]].concat();
        index::holds(&[if member { group } else { Vec::new() }, bytes.0].concat());
    }

    #[test]
    fn what_verifies_is_listed_as_it_stands_and_nothing_is_restored_beside_the_target(input in steered(stream())) {
        archive::holds(&input.0);
    }

    #[test]
    fn checksum_lines_that_are_read_are_written_so_that_they_are_read_again(bytes in words(CHECKSUM).prop_map(Input)) {
        checksum::holds(&bytes.0);
    }

    #[test]
    fn what_is_sealed_comes_out_as_it_went_in_or_not_at_all(input in steered(vec(any::<u8>(), 3..300))) {
        sealed::file(&input.0);
    }

    #[test]
    fn a_list_that_is_read_is_read_again(text in words(LIST).prop_map(Input)) {
        sealed::list(&[b"# pai-backup list 1\n", &text.0[..]].concat());
    }

    #[test]
    fn an_archive_in_packs_is_what_its_list_says_or_nothing(input in steered(vec(any::<u8>(), 3..300))) {
        sealed::packs(&input.0);
    }

    #[test]
    fn no_request_asks_for_what_lies_outside_an_archive(text in words(ADDRESSES).prop_map(Input)) {
        request::holds(&text.0);
    }

    #[test]
    fn a_stamp_is_found_where_it_stands(name in words(STAMPS).prop_map(Input)) {
        stamp::holds(&name.0);
    }

    #[test]
    fn a_name_made_in_a_known_form_tells_its_time_and_its_series(
        form in select(forms::KNOWN),
        around in (select(BEFORE), select(BEHIND)),
        // 2013 to 2098: of twelve figures others are no year.
        times in [1_400_000_000_i64..4_050_000_000, 1_400_000_000..4_050_000_000],
    ) {
        forms::is_read_whole(form, around, times);
    }

    #[test]
    fn every_name_of_a_listing_has_its_verdict(input in steered(words(STAMPS))) {
        listing::holds(&input.0[1..]);
    }

    #[test]
    fn a_day_that_is_found_in_a_heading_is_the_only_one(bytes in words(DATES).prop_map(Input)) {
        dated::holds(&bytes.0);
    }

    #[test]
    fn every_section_of_a_memory_file_is_in_one_place(input in steered(words(MEMORY))) {
        memory::holds(&input.0[1..]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..Default::default() })]

    #[test]
    fn entries_of_every_form_are_in_one_place_and_come_back(seed in any::<u64>(), how in any::<u8>()) {
        memory::holds(&[&[how], corpus::mix::mixed(seed).text.as_bytes()].concat());
    }

    #[test]
    fn a_heading_made_of_a_day_in_any_form_gives_that_day_and_one_made_of_two_gives_none(
        made in [(select(all_headings()), 1990_i32..2100, 1_u32..13, 1_u32..29), (select(all_headings()), 1990..2100, 1..13, 1..29)],
        title in select(vec!["Harbour survey", "部署完成", "Schlüssel", "3 bugs fixed", "v1.2", "10:00-11:30", "Går det?"]),
    ) {
        headings::is_read(made.map(|(form, year, month, day)| (form, (year, month, day))), title);
    }
}

/// All forms of a dated heading.
fn all_headings() -> Vec<&'static str> {
    [corpus::forms::LEADING, corpus::forms::INNER].concat()
}

/// What the fuzzer has found, made small.
#[test]
fn memory_files_that_were_once_refused_are_taken() {
    for text in [
        "## 2025-09-01\n[x]: /y\n    code\n===\n",
        "## 2025-09-01\n\u{feff}2025-09-03\n---\n## Summaries\n",
        "## 2025-09-01\n\u{c}\n",
        "text\n## 2025-09-01\n#le\nrojects\n- \n",
        "## Recent Entries\n><!--# PAI Memory\n## 2025-09-01\n",
        "## 2025-09-01\n-\n\n## Summaries\nmine\n\n#\u{c}",
        "## 2025-09-01\n-\n\n## Summaries\nmine\n\n#\r\r\n",
        "## 2025-09-01\n## Summaries\n- 2025-09-01: ours ([archive](archive/memory/memory-2025-09-01.md))\n\u{c}```\nx\n---\n",
    ] {
        memory::holds(&[b"\0", text.as_bytes()].concat());
    }
}

/// `PROPTEST_CASES` wins, for long runs by hand.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(500)
}
