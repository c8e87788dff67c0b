//! Files to lines.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

use pai_tests::{run, run_with_input, scratch, sh};

use crate::{A, EMPTY, checksum, sha256sum, write};

#[test]
fn arguments_keep_their_order_whatever_is_done_first() {
    let folder = scratch();
    let names: Vec<String> = (0..300).map(|n| format!("f{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        // Long and short ones in turn, more than one thread's worth.
        std::fs::write(folder.path().join(name), vec![b'x'; (n * 7919) % 40_000]).unwrap();
    }
    let mut args: Vec<&str> = names.iter().map(String::as_str).collect();
    args.reverse();
    let one_by_one: String =
        args.iter().map(|name| run(&mut checksum(folder.path(), &[name])).stdout).collect();
    for jobs in ["1", "2", "5"] {
        let outcome = run(checksum(folder.path(), &["--jobs", jobs]).args(&args)).expect(0);
        assert_eq!(outcome.stdout, one_by_one, "{jobs} threads");
    }
}

#[test]
fn every_engine_of_this_machine_prints_the_same() {
    let folder = scratch();
    for n in 0..40 {
        std::fs::write(folder.path().join(format!("f{n}")), vec![n as u8; n * n * 97]).unwrap();
    }
    let expected = run(&mut checksum(folder.path(), &["-r"])).expect(0).stdout;
    assert_eq!(expected.lines().count(), 40);
    for engine in ["avx512-sha", "avx512", "sha", "avx2", "portable"] {
        let outcome = run(checksum(folder.path(), &["-r"]).env("PAI_SHA256", engine)).expect(0);
        assert_eq!(outcome.stdout, expected, "{engine}");
    }
}

#[test]
fn no_file_and_a_dash_are_standard_input_from_where_it_stands() {
    let folder = scratch();
    write(folder.path(), &[("f", "skipped\na\n")]);
    for args in [&[][..], &["-"]] {
        let outcome = run_with_input(&mut checksum(folder.path(), args), b"a\n").expect(0);
        assert_eq!(outcome.stdout, format!("{A}  -\n"));
    }
    let outcome = sh("(read -r line; pai-checksum - - ./-) <f", folder.path()).expect(1);
    assert_eq!(outcome.stdout, format!("{A}  -\n{EMPTY}  -\n"));
    assert_eq!(outcome.stderr, "pai-checksum: ./-: No such file or directory\n");
}

#[test]
fn pipes_are_read_one_after_another_in_the_order_given() {
    let folder = scratch();
    // The writer of two opens only when one has been read to its end: reading both at once would never end.
    let line = "mkfifo one two; (echo a >one; echo a >two) & pai-checksum f one g two; wait";
    write(folder.path(), &[("f", "a\n"), ("g", "a\n")]);
    let outcome = sh(line, folder.path()).expect(0);
    assert_eq!(outcome.stdout, format!("{A}  f\n{A}  one\n{A}  g\n{A}  two\n"));
}

#[test]
fn short_files_are_printed_while_a_long_one_is_still_read() {
    let folder = scratch();
    write(folder.path(), &[("f", "a\n"), ("g", "a\n")]);
    // A pipe that ends when it is told to stands for the long file.
    let line = "mkfifo p; exec 3<>p; { timeout 60 pai-checksum f g p | cat >out; } 3<&- &
        until [ -e out ] && [ \"$(wc -l <out)\" = 2 ] || ! kill -0 $! 2>/dev/null; do sleep 0.01; done; cat out; exec 3>&-; wait";
    assert_eq!(sh(line, folder.path()).stdout, format!("{A}  f\n{A}  g\n"));
}

#[test]
fn files_whose_size_is_not_known_are_read_to_their_end() {
    let folder = scratch();
    let outcome =
        sh("pai-checksum /proc/version /proc/filesystems && cat /proc/version | pai-checksum", folder.path());
    let digests: Vec<&str> = outcome.stdout.lines().map(|line| &line[..64]).collect();
    assert_eq!(digests.len(), 3, "{}", outcome.stderr);
    assert_eq!(digests[0], digests[2]);
    assert_ne!(digests[1], EMPTY);
}

#[test]
fn an_empty_name_is_named_and_the_others_are_hashed() {
    let folder = scratch();
    write(folder.path(), &[("f", "a\n")]);
    let [ours, theirs] =
        [checksum, sha256sum].map(|tool| run(&mut tool(folder.path(), &["", "f"])).expect(1));
    assert_eq!(
        (ours.stdout, ours.stderr),
        (theirs.stdout, theirs.stderr.replace("sha256sum", "pai-checksum"))
    );
}

#[test]
fn names_that_are_not_text_are_printed_byte_for_byte() {
    let folder = scratch();
    let name = OsStr::from_bytes(b"a\xff\xfeb");
    std::fs::write(folder.path().join(name), "a\n").unwrap();
    let outcome = run(checksum(folder.path(), &[]).arg(name)).expect(0);
    assert_eq!(outcome.bytes, [A.as_bytes(), b"  a\xff\xfeb\n"].concat());
    let outcome = run(checksum(folder.path(), &["--json"]).arg(name)).expect(0);
    let record: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(record["path_hex"], "61fffe62");
    assert_eq!(
        (&record["type"], &record["sha256"], &record["bytes"]),
        (&"digest".into(), &A.into(), &2.into())
    );
    assert!(outcome.stdout.starts_with("{\"type\":\"digest\""));
}

#[test]
fn folders_are_walked_in_order_with_excludes_and_without_links() {
    let folder = scratch();
    write(folder.path(), &[("b/x", "a\n"), ("b/deep/y.tmp", "a\n"), ("a", "a\n"), ("-", "a\n"), ("c", "")]);
    std::os::unix::fs::symlink("a", folder.path().join("link")).unwrap();
    let all = format!("{A}  ./-\n{A}  a\n{A}  b/deep/y.tmp\n{A}  b/x\n{EMPTY}  c\n");
    assert_eq!(run(&mut checksum(folder.path(), &["-r", "."])).expect(0).stdout, all);
    assert_eq!(run(&mut checksum(folder.path(), &["-r"])).expect(0).stdout, all);
    let some =
        run(&mut checksum(folder.path(), &["-r", "--exclude", "*.tmp", "--exclude", "/-", "c", "b", "link"]));
    assert_eq!(some.expect(0).stdout, format!("{EMPTY}  c\n{A}  b/x\n{A}  link\n"));
    let named =
        run(&mut checksum(std::path::Path::new("/"), &["-r", "-C", folder.path().to_str().unwrap(), "b"]));
    assert_eq!(named.expect(0).stdout, format!("{A}  b/deep/y.tmp\n{A}  b/x\n"));
}

#[test]
fn a_list_of_names_ends_each_with_nul() {
    let folder = scratch();
    write(folder.path(), &[("a b", "a\n"), ("c\nd", "a\n")]);
    let outcome =
        sh("find . -type f -print0 | sort -z | pai-checksum --files0-from -", folder.path()).expect(0);
    assert_eq!(outcome.stdout, format!("{A}  ./a b\n\\{A}  ./c\\nd\n"));
    let outcome =
        run_with_input(&mut checksum(folder.path(), &["--files0-from=-"]), b"a b\0\0gone").expect(1);
    assert_eq!(outcome.stdout, format!("{A}  a b\n"));
    assert_eq!(
        outcome.stderr,
        "pai-checksum: -:2: invalid zero-length file name\npai-checksum: gone: No such file or directory\n"
    );
    let outcome = run(checksum(folder.path(), &["--files0-from=-"]).stdin(Stdio::null())).expect(0);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn contradictions_end_with_2_before_anything_is_read() {
    let folder = scratch();
    for (args, message) in [
        (&["-c", "--tag"][..], "the --tag option is meaningless when verifying checksums"),
        (&["--tag", "--text"], "--tag does not support --text mode"),
        (&["--warn", "x"], "the --warn option is meaningful only when verifying checksums"),
    ] {
        let outcome = run(&mut checksum(folder.path(), args)).expect(2);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr), ("", format!("pai-checksum: {message}\n")));
    }
    for args in [&["-c", "-r"][..], &["--audit", "x", "--update", "x"], &["-o", "x", "-z"], &["--nonsense"]] {
        run(&mut checksum(folder.path(), args)).expect(2);
    }
}
