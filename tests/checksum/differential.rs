//! Against the installed sha256sum: stdout, stderr and status must be equal, but for the tool's own name.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use pai_tests::{Outcome, has, run, run_with_input, scratch, sh, skip};

use crate::{A, EMPTY, checksum, sha256sum, write};

/// A generator that is the same in every run (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % sides
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const NAMES: [&str; 13] = [
    "a",
    "b c",
    " lead",
    "*star",
    "x)",
    "SHA256 (t) = u",
    "n\nl",
    "gone",
    "dir",
    "empty",
    "two  blanks",
    "q'uote",
    "-",
];

/// Names whose status lines were not escaped before coreutils 9.4.
const ESCAPED_SINCE_9_4: [&str; 2] = ["back\\slash", "c\rr"];

fn digest_of(name: &str) -> &'static str {
    if name == "empty" { EMPTY } else { A }
}

/// One line of a check file: mostly proper, often not.
fn line(dice: &mut Dice, names: &[&str]) -> Vec<u8> {
    let name = dice.pick(names);
    let escaped = name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    let mark = if escaped == name { "" } else { "\\" };
    let digest = match dice.below(8) {
        0 => EMPTY.to_owned(),
        1 => A.to_uppercase(),
        _ => digest_of(name).to_owned(),
    };
    let mut line = match dice.below(24) {
        0 => format!("{mark}SHA256 ({escaped}) = {digest}"),
        1 => format!("{mark}SHA256({escaped})= {digest}"),
        2 => format!("SHA2-256({escaped})= {digest}"),
        3 => format!("{mark}{digest} {escaped}"),
        4 => format!("{mark}{digest} *{escaped}"),
        5 => format!("{mark}{digest}\t{escaped}"),
        6 => format!("{}  {escaped}", &digest[..63]),
        7 => format!("{digest}0  {escaped}"),
        8 => format!("# {digest}  {escaped}"),
        9 => format!(" \t{mark}{digest}  {escaped}"),
        10 => "random words".to_owned(),
        11 => String::new(),
        12 => format!("\\{digest}  {escaped}\\x"),
        13 => format!("MD5 ({escaped}) = {digest}"),
        14 => format!("{digest}  a\0{escaped}"),
        15 => format!("{digest} "),
        _ => format!("{mark}{digest}  {escaped}"),
    };
    match dice.below(12) {
        0 => line.push('\r'),
        1 => line.push(' '),
        _ => {}
    }
    line.into_bytes()
}

fn check_file(dice: &mut Dice, names: &[&str]) -> Vec<u8> {
    let lines: Vec<Vec<u8>> = (0..dice.below(7)).map(|_| line(dice, names)).collect();
    let mut file = lines.join(&b'\n');
    if dice.below(4) > 0 {
        file.push(b'\n');
    }
    file
}

fn options(dice: &mut Dice) -> Vec<&'static str> {
    let all = ["--quiet", "--status", "-w", "--strict", "--ignore-missing"];
    (0..dice.below(4)).map(|_| dice.pick(&all)).collect()
}

fn normal(outcome: Outcome) -> (Option<i32>, Vec<u8>, String) {
    (outcome.status, outcome.bytes, outcome.stderr.replace("pai-checksum: ", "sha256sum: "))
}

fn tree(folder: &Path) {
    for name in NAMES.iter().chain(&ESCAPED_SINCE_9_4).filter(|name| !["gone", "dir", "empty"].contains(name))
    {
        write(folder, &[(name, "a\n")]);
    }
    write(folder, &[("empty", ""), ("dir/inside", "")]);
}

/// Whether status lines are escaped as here: 9.1 leaves backslashes alone, 9.11 quotes for the shell.
fn escapes_backslashes(folder: &Path) -> bool {
    let list = format!("\\{A}  back\\\\slash\n");
    run_with_input(&mut sha256sum(folder, &["-c"]), list.as_bytes()).stdout == "\\back\\\\slash: OK\n"
}

fn compare(mut ours: Command, mut theirs: Command, input: &[u8], about: &dyn Fn() -> String) {
    let ours = normal(run_with_input(&mut ours, input));
    let theirs = normal(run_with_input(&mut theirs, input));
    assert_eq!(ours, theirs, "{}", about());
}

#[test]
fn thousands_of_check_files_are_judged_as_by_the_installed_sha256sum() {
    if !has("sha256sum") {
        return skip("sha256sum is not installed");
    }
    let folder = scratch();
    let folder = folder.path();
    tree(folder);
    let mut names = NAMES.to_vec();
    if escapes_backslashes(folder) {
        names.extend(ESCAPED_SINCE_9_4);
    }
    let mut dice = Dice(0x5eed);
    let lists = scratch();
    let [first, second] = ["1", "list two"].map(|name| lists.path().join(name));
    for n in 0..2000 {
        let files = [check_file(&mut dice, &names), check_file(&mut dice, &names)];
        let mut args = vec!["-c"];
        args.extend(options(&mut dice));
        let from_stdin = dice.below(3) == 0;
        if !from_stdin {
            std::fs::write(&first, &files[0]).unwrap();
            std::fs::write(&second, &files[1]).unwrap();
            args.push(first.to_str().unwrap());
            if dice.below(3) == 0 {
                args.push(second.to_str().unwrap());
            }
        }
        let input: &[u8] = if from_stdin { &files[0] } else { b"a\n" };
        compare(checksum(folder, &args), sha256sum(folder, &args), input, &|| {
            format!("case {n}: {args:?}\n{}\n--\n{}", files[0].escape_ascii(), files[1].escape_ascii())
        });
    }
}

#[test]
fn lines_and_messages_are_those_of_the_installed_sha256sum() {
    if !has("sha256sum") {
        return skip("sha256sum is not installed");
    }
    let folder = scratch();
    let folder = folder.path();
    tree(folder);
    let mut dice = Dice(0xfeed);
    let all: Vec<&str> = NAMES.iter().chain(&ESCAPED_SINCE_9_4).copied().collect();
    for _ in 0..200 {
        let mut args: Vec<&str> =
            (0..dice.below(3)).map(|_| dice.pick(&["-b", "-t", "--binary", "--text", "-z"])).collect();
        if !args.iter().any(|arg| arg.starts_with("-t") || *arg == "--text") && dice.below(3) == 0 {
            args.push("--tag");
        }
        args.push("--");
        args.extend((0..dice.below(6)).map(|_| dice.pick(&all)));
        compare(checksum(folder, &args), sha256sum(folder, &args), b"a\n", &|| format!("{args:?}"));
    }
}

#[test]
fn a_name_with_any_byte_is_quoted_in_messages_as_by_the_installed_sha256sum() {
    if !has("sha256sum") {
        return skip("sha256sum is not installed");
    }
    let folder = scratch();
    let mut names: Vec<Vec<u8>> = Vec::new();
    for byte in 1..=255u8 {
        names.extend([vec![b'/', byte], vec![b'a', byte], vec![byte, b'\'', b'a'], vec![byte, byte, b' ']]);
    }
    let args = || names.iter().map(|name| OsStr::from_bytes(name));
    let ours = run(checksum(folder.path(), &["--"]).args(args())).expect(1);
    let theirs = run(sha256sum(folder.path(), &["--"]).args(args())).expect(1);
    let normal = ours.stderr.replace("pai-checksum: ", "sha256sum: ");
    assert_eq!(normal.lines().count(), names.len());
    for (ours, theirs) in normal.lines().zip(theirs.stderr.lines()) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn both_streams_in_one_file_keep_the_order_of_the_arguments() {
    if !has("sha256sum") {
        return skip("sha256sum is not installed");
    }
    let folder = scratch();
    tree(folder.path());
    let list = format!("{A}  a\n{A}  gone\nnonsense\n{EMPTY}  a\n{A}  dir\n{A}  b c\nmore nonsense\n");
    write(folder.path(), &[("list", &list)]);
    for line in ["a gone 'b c' dir empty", "-c -w list", "-c list gone list", "-c dir"] {
        let ours = sh(&format!("pai-checksum {line} 2>&1"), folder.path());
        let theirs = sh(&format!("sha256sum {line} 2>&1"), folder.path());
        assert_eq!(ours.stdout.replace("pai-checksum: ", "sha256sum: "), theirs.stdout, "{line}");
        assert_eq!(ours.status, theirs.status, "{line}");
    }
}
