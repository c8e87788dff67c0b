//! `docs/archive-format.md` says what is: its recipe, its dumps and its reader are run.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use flate2::read::DeflateDecoder;
use pai_tests::{has, repository, scratch, sh, skip};

const FOOTER: usize = 92;

/// One element of a dump.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Part {
    /// This byte, everywhere.
    Fixed(u8),
    /// One byte; this one in the dump.
    Varying(u8),
    /// Any number of bytes.
    Gap,
}

/// The fenced blocks of the document marked `language`, in order.
fn blocks(language: &str) -> Vec<String> {
    let text = std::fs::read_to_string(repository().join("docs/archive-format.md")).expect("the document");
    let start = format!("```{language}\n");
    let block = |rest: &str| rest.split_once("\n```").map(|(block, _)| format!("{block}\n"));
    text.split(&start).skip(1).filter_map(block).collect()
}

fn dumps() -> Vec<String> {
    blocks("text").into_iter().filter(|block| block.starts_with("0000 ")).collect()
}

/// A dump as a pattern. With `keep`, bytes of varying length are kept too: then it is one archive.
fn parse(dump: &str, keep: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    for line in dump.lines().filter(|line| !line.is_empty()) {
        let row = line[5..].split(';').next().unwrap_or_default();
        let (mark, row) = row.split_at(1);
        for word in row.split_whitespace() {
            parts.push(match (u8::from_str_radix(word, 16), mark) {
                (Ok(byte), " ") => Part::Fixed(byte),
                (Ok(byte), "*") => Part::Varying(byte),
                (Ok(byte), "~") if keep => Part::Varying(byte),
                _ => Part::Gap,
            });
        }
    }
    parts.dedup_by(|a, b| (*a, *b) == (Part::Gap, Part::Gap));
    parts
}

/// Whether `bytes` are of the pattern's form: fixed bytes as they are, any number of others in a gap.
fn matches(pattern: &[Part], bytes: &[u8]) -> bool {
    let mut stretches = pattern.split(|part| *part == Part::Gap);
    let fits = |stretch: &[Part], bytes: &[u8]| {
        let same =
            |(part, byte): (&Part, &u8)| matches!(part, Part::Varying(_)) || *part == Part::Fixed(*byte);
        stretch.len() <= bytes.len() && stretch.iter().zip(bytes).all(same)
    };
    let first = stretches.next().unwrap_or_default();
    if !fits(first, bytes) {
        return false;
    }
    let mut rest = &bytes[first.len()..];
    let mut later: Vec<&[Part]> = stretches.collect();
    let Some(last) = later.pop() else { return rest.is_empty() };
    for stretch in later {
        match (0..=rest.len()).find(|&at| fits(stretch, &rest[at..])) {
            Some(at) => rest = &rest[at + stretch.len()..],
            None => return false,
        }
    }
    rest.len().checked_sub(last.len()).is_some_and(|at| fits(last, &rest[at..]))
}

/// The archive that the first dump is.
fn documented_archive() -> Vec<u8> {
    let byte = |part| match part {
        Part::Fixed(byte) | Part::Varying(byte) => byte,
        Part::Gap => panic!("the dump of the archive has a gap"),
    };
    parse(&dumps()[0], true).into_iter().map(byte).collect()
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte))
}

fn index_offset(archive: &[u8]) -> usize {
    number(&archive[archive.len() - FOOTER + 18..][..8])
}

/// The inflated index of an archive whose index pieces take one member each.
fn index(archive: &[u8]) -> Vec<u8> {
    let mut rest = &archive[index_offset(archive)..archive.len() - FOOTER];
    let mut index = Vec::new();
    while !rest.is_empty() {
        let (member, behind) = rest.split_at(26 + number(&rest[14..16]));
        DeflateDecoder::new(&member[16..member.len() - 10])
            .read_to_end(&mut index)
            .expect("a deflated piece");
        rest = behind;
    }
    index
}

/// The archive that the recipe makes in `folder`.
fn made_archive(folder: &Path) -> Vec<u8> {
    sh(&blocks("sh")[0], folder).expect(0);
    std::fs::read(folder.join("tiny.tar.gz")).expect("the archive the recipe makes")
}

#[test]
fn the_recipe_makes_the_archive_that_is_dumped() {
    let folder = scratch();
    let made = made_archive(folder.path());
    let (archive, inflated) = (parse(&dumps()[0], false), parse(&dumps()[1], false));
    assert!(matches(&archive, &made), "{made:02x?}");
    assert!(matches(&inflated, &index(&made)), "{:02x?}", index(&made));
    let owner = folder.path().join("demo/memory.md").metadata().expect("a file of the recipe");
    if (owner.uid(), owner.gid()) == (0, 0) {
        let documented = documented_archive();
        let data = index_offset(&documented);
        assert_eq!(made[..data], documented[..data], "the data members depend on nothing but the owner");
    }
    for at in [0, 12, made.len() - FOOTER + 12, made.len() - 1] {
        let mut damaged = made.clone();
        damaged[at] ^= 1;
        assert!(!matches(&archive, &damaged), "a change at byte {at} must show");
    }
}

#[test]
fn the_dumped_archive_is_a_good_one() {
    let folder = scratch();
    let documented = documented_archive();
    std::fs::write(folder.path().join("tiny.tar.gz"), &documented).expect("a scratch file");
    let verified = sh("pai-backup verify tiny.tar.gz && tar -tzf tiny.tar.gz", folder.path()).expect(0);
    assert_eq!(verified.stdout, "tiny.tar.gz: OK\nmemory.md\nprojects/\nprojects/plan.md\n");
    let index = index(&documented);
    assert!(matches(&parse(&dumps()[1], false), &index));
    let header: serde_json::Value = serde_json::from_str(&blocks("json")[0]).expect("the header shown");
    let length = number(&index[4..8]);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&index[8..8 + length]).expect("a header"), header);
}

#[test]
fn the_python_reader_lists_what_pai_backup_lists() {
    if !has("python3") {
        return skip("no python3");
    }
    let folder = scratch();
    let reader = &blocks("python")[0];
    assert!(reader.lines().count() <= 44);
    std::fs::write(folder.path().join("reader.py"), reader).expect("a scratch file");
    // Links, a FIFO, a name that is no UTF-8, a large file, and enough entries for several index members.
    let tree = r"mkdir -p w/many w/deep/er && printf x >w/one && ln w/one w/two && ln -s one w/three && mkfifo w/pipe &&
        printf y >w/$'\377' && head -c 9000000 /dev/urandom >w/large && (cd w/many && seq 4000 | xargs touch) &&
        pai-backup --home w -o a.tar.gz && pai-backup list a.tar.gz >theirs && python3 reader.py a.tar.gz >all &&
        grep -av '^member ' all >ours && cmp ours theirs";
    sh(tree, folder.path()).expect(0);
    check_members(folder.path());
    let released = repository().join("tests/backup/released");
    for archive in ["v1-first.tar.gz", "v1-second.tar.gz"] {
        let both = format!(
            "pai-backup list '{0}/{archive}' >theirs && python3 reader.py '{0}/{archive}' | grep -av '^member ' | cmp - theirs",
            released.display()
        );
        sh(&both, folder.path()).expect(0);
    }
    let cut = "head -c -100 a.tar.gz >cut.tar.gz; python3 reader.py cut.tar.gz";
    assert!(sh(cut, folder.path()).expect(1).stderr.contains("no footer"));
}

/// The members that the reader printed are all there is before the index, and inflate to the tar.
fn check_members(folder: &Path) {
    let archive = std::fs::read(folder.join("a.tar.gz")).expect("an archive");
    let listed = String::from_utf8_lossy(&std::fs::read(folder.join("all")).expect("a list")).into_owned();
    let (mut offset, mut tar) = (0, Vec::new());
    for line in listed.lines().filter_map(|line| line.strip_prefix("member ")) {
        let numbers: Vec<usize> = line.split(' ').take(3).filter_map(|word| word.parse().ok()).collect();
        assert_eq!(numbers[0], offset);
        let before = tar.len();
        let member = &archive[offset..offset + numbers[1]];
        DeflateDecoder::new(&member[56..]).read_to_end(&mut tar).expect("a data member");
        assert_eq!(tar.len() - before, numbers[2]);
        offset += numbers[1];
    }
    assert_eq!(offset, index_offset(&archive));
    assert!(archive.len() - offset > 16_000 + FOOTER, "the index takes several members");
    assert_eq!(sh("gzip -dc a.tar.gz", folder).expect(0).bytes, tar);
}

#[test]
fn no_member_is_larger_than_readers_accept() {
    let folder = scratch();
    // Nothing but headers: what they take is all that fills a chunk.
    let empty =
        "mkdir -p w/d{1..12} && for d in w/d*; do (cd $d && seq -f f%g 0 999 | xargs touch) || exit; done";
    sh(empty, folder.path()).expect(0);
    let attributed = folder.path().join("w/attributed");
    std::fs::create_dir(&attributed).expect("a folder");
    for number in 0..3000 {
        let file = attributed.join(number.to_string());
        std::fs::write(&file, "").expect("a file");
        let none = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(&file, "user.note", &[b'x'; 3500], none).is_err() {
            skip("no extended attributes here: members are filled with headers alone");
            break;
        }
    }
    let there_and_back = "pai-backup --home w -o a.tar.gz && pai-backup verify a.tar.gz &&
        pai-backup restore a.tar.gz --target back && diff -r w back -x logs -x archive";
    sh(there_and_back, folder.path()).expect(0);
}
