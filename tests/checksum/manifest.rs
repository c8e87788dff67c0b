//! `-o`: a manifest is replaced in one step, or not at all.

use std::os::unix::fs::PermissionsExt;

use pai_tests::{has, run, scratch, sh, skip};

use crate::{A, checksum, sha256sum, write};

#[test]
fn a_manifest_is_read_by_sha256sum_and_does_not_list_itself() {
    let folder = scratch();
    write(folder.path(), &[("d/a b", "a\n"), ("n\nl", "a\n"), ("z", "")]);
    for _ in 0..2 {
        let outcome = run(&mut checksum(folder.path(), &["-r", "-o", "checksums.txt", "."])).expect(0);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    }
    let verdicts = "d/a b: OK\n\\n\\nl: OK\nz: OK\n";
    assert_eq!(
        run(&mut checksum(folder.path(), &["-c", "--strict", "checksums.txt"])).expect(0).stdout,
        verdicts
    );
    if !has("sha256sum") {
        return skip("sha256sum is not installed");
    }
    assert_eq!(
        run(&mut sha256sum(folder.path(), &["-c", "--strict", "checksums.txt"])).expect(0).stdout,
        verdicts
    );
}

#[test]
fn a_manifest_keeps_its_mode_and_stays_as_it_is_when_nothing_was_hashed() {
    let folder = scratch();
    write(folder.path(), &[("sums", "old\n"), ("empty/.keep", ""), ("f", "a\n")]);
    let sums = folder.path().join("sums");
    std::fs::set_permissions(&sums, std::fs::Permissions::from_mode(0o600)).unwrap();
    for args in [&["-o", "sums", "gone.zip"][..], &["-r", "-o", "sums", "--exclude", "*", "empty"]] {
        let outcome = run(&mut checksum(folder.path(), args)).expect(2);
        assert!(outcome.stderr.ends_with("could not write sums: nothing was hashed, so it stays as it is\n"));
        assert_eq!(std::fs::read_to_string(&sums).unwrap(), "old\n");
    }
    let outcome = run(&mut checksum(folder.path(), &["--plain", "-o", "sums", "f", "gone"])).expect(1);
    assert_eq!(outcome.stderr, "pai-checksum: gone: No such file or directory\n");
    assert_eq!(std::fs::read_to_string(&sums).unwrap(), format!("{A}  f\n"));
    assert_eq!(std::fs::metadata(&sums).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_manifest_that_cannot_be_written_leaves_the_old_one_and_nothing_else() {
    let folder = scratch();
    write(folder.path(), &[("f", "a\n"), ("sums", "old\n")]);
    // A file size limit stands for a full disk.
    let outcome = sh("ulimit -f 0; trap '' XFSZ; pai-checksum -o sums f", folder.path()).expect(2);
    assert!(outcome.stderr.starts_with("pai-checksum: could not write sums: "), "{}", outcome.stderr);
    assert_eq!(std::fs::read_to_string(folder.path().join("sums")).unwrap(), "old\n");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}
