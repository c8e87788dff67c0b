//! pai-checksum between other tools.

use pai_tests::{scratch, sh};

use crate::write;

#[test]
fn the_archive_that_pai_backup_names_is_hashed_and_checked_later() {
    let folder = scratch();
    write(folder.path(), &[("home/memory.md", "# Memory\n"), ("home/projects/a.md", "a\n")]);
    let line = "export PAI_HOME=$PWD/home; pai-backup | xargs pai-checksum -o sums && pai-checksum -c sums";
    let outcome = sh(line, folder.path()).expect(0);
    assert!(
        outcome.stdout.contains("/archive/pai-") && outcome.stdout.ends_with(".tar.gz: OK\n"),
        "{outcome:?}"
    );
    let outcome = sh("echo x >>home/archive/pai-*.tar.gz; pai-checksum -c sums", folder.path()).expect(1);
    assert!(outcome.stdout.ends_with(".tar.gz: FAILED\n"), "{outcome:?}");
}

#[test]
fn what_pai_backup_lists_as_checksums_holds_for_what_it_restores() {
    let folder = scratch();
    write(folder.path(), &[("home/memory.md", "# Memory\n"), ("home/projects/a b.md", "a\n")]);
    let line = "export PAI_HOME=$PWD/home; pai-backup >/dev/null && pai-backup restore latest --target out >/dev/null \
                && pai-backup list --sha256 latest | pai-checksum -C out -c --strict";
    let outcome = sh(line, folder.path()).expect(0);
    assert_eq!(outcome.stdout, "memory.md: OK\nprojects/a b.md: OK\n");
}
