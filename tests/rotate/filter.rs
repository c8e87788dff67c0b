//! `--stdin`: names in, names that may go out.

use pai_tests::{run_with_input, sh};

use crate::{filter, rotate};

const DUMPS: &str = "\
codexdb_2025-09-16.sql
codexdb_2025-09-15.sql
notes.txt
codexdb_2025-09-14.sql
other_2020-01-01.sql
codexdb_2025-09-14.sql.sha256
";

#[test]
fn names_that_may_go_come_out_in_the_order_they_came_in() {
    let outcome = filter(&["--keep-last", "2"], DUMPS).expect(0);
    assert_eq!(outcome.stdout, "codexdb_2025-09-14.sql\ncodexdb_2025-09-14.sql.sha256\n");
    assert_eq!(outcome.stderr, "");
}

#[test]
fn nothing_on_stdin_is_nothing_to_do() {
    let outcome = filter(&["--keep-last", "2"], "").expect(0);
    assert_eq!(outcome.stdout, "");
}

#[test]
fn names_with_line_feeds_pass_between_nuls() {
    let names = "a\n-20250914.gz\0a\n-20250915.gz\0";
    let outcome = filter(&["-0", "--keep-last", "1"], names).expect(0);
    assert_eq!(outcome.stdout, "a\n-20250914.gz\0");
}

#[test]
fn bytes_that_are_no_text_come_out_as_they_went_in() {
    let names = b"a\xff-20250914.gz\na\xff-20250915.gz\n";
    let outcome = run_with_input(&mut rotate(&["--stdin", "--keep-last", "1"]), names).expect(0);
    assert_eq!(outcome.bytes, b"a\xff-20250914.gz\n");
    let outcome = run_with_input(&mut rotate(&["--stdin", "--keep-last", "1", "--json"]), names).expect(0);
    assert!(outcome.stdout.contains(r#""path_hex":"61ff2d32303235303931342e677a""#), "{}", outcome.stdout);
}

#[test]
fn every_item_is_explained() {
    let outcome = filter(&["--keep-last", "1", "--keep-monthly", "3", "-n"], DUMPS).expect(0);
    assert_eq!(
        outcome.stdout,
        "\
keep    codexdb_2025-09-16.sql  (last 1/1, monthly 1/3)
delete  codexdb_2025-09-15.sql  (no rule keeps it)
keep    codexdb_2025-09-14.sql  (oldest monthly)
keep    codexdb_2025-09-14.sql.sha256  (with the file it belongs to)
keep    other_2020-01-01.sql  (last 1/1, monthly 1/3)
keep    notes.txt  (no time in its name)
"
    );
    assert_eq!(outcome.stderr, "pai-rotate: 1 of 4 items would be deleted\n");
}

#[test]
fn json_tells_the_same_as_the_filter() {
    let outcome = filter(&["--days", "1", "--json"], DUMPS).expect(0);
    let records: Vec<serde_json::Value> =
        outcome.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let gone: Vec<&str> = records
        .iter()
        .filter(|record| record["keep"] == false)
        .map(|record| record["path"].as_str().unwrap())
        .collect();
    let plain = filter(&["--days", "1"], DUMPS).expect(0).stdout;
    assert_eq!(gone, plain.lines().collect::<Vec<_>>());
    assert_eq!(
        records[0],
        serde_json::json!({
            "type": "item", "path": "codexdb_2025-09-16.sql", "series": "codexdb_*.sql",
            "time": "2025-09-16T00:00:00+00:00", "keep": true, "result": "kept",
            "reasons": ["not older than 1d (cut-off 2025-09-15T12:00:00+00:00)"],
        })
    );
    let summary = records.last().unwrap();
    assert_eq!(
        (&summary["type"], &summary["items"], &summary["to_delete"]),
        (&"summary".into(), &4.into(), &2.into())
    );
}

#[test]
fn a_plan_that_is_refused_names_nothing_that_may_go() {
    for args in [&[][..], &["--json"]] {
        let args = [&["--keep-last", "1", "--max-delete", "0"][..], args].concat();
        let outcome = filter(&args, DUMPS).expect(2);
        assert_eq!(outcome.stdout, "", "{args:?}");
        assert!(outcome.stderr.contains("--max-delete allows 0; nothing was touched"), "{}", outcome.stderr);
    }
    let dry = filter(&["--keep-last", "1", "--max-delete", "0", "-n"], DUMPS).expect(2);
    assert!(dry.stdout.contains("\ndelete  "), "a dry run shows it all the same: {}", dry.stdout);
}

#[test]
fn the_calendar_shows_which_days_survive() {
    let outcome = filter(&["--keep-last", "2", "--calendar", "-q"], DUMPS).expect(0);
    assert_eq!(
        outcome.stdout,
        "\
codexdb_*.sql: 2 kept, 1 deleted
        1       5        10        15        20        25        30
2025-09                           d K K

other_*.sql: 1 kept, 0 deleted
        1       5        10        15        20        25        30
2020-01 K

K kept   d deleted   + some of each   F from the future, kept
"
    );
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = pai_tests::scratch();
    let line = "set -o pipefail; seq -f 'a-%.0f.gz' 20000101000000 20000101009999 | \
                pai-rotate --stdin --keep-last 1 | head -n 1";
    let outcome = sh(line, folder.path());
    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("a-20000101000000.gz\n", ""));
}

#[test]
fn a_full_disk_is_trouble() {
    let folder = pai_tests::scratch();
    let line = "printf 'a-20250914.gz\\na-20250915.gz\\n' | pai-rotate --stdin --keep-last 1 >/dev/full";
    let outcome = sh(line, folder.path()).expect(2);
    assert!(outcome.stderr.contains("could not write to stdout: No space left"), "{}", outcome.stderr);
}

#[test]
fn a_listing_with_folders_goes_by_the_last_part_with_a_stamp() {
    let names = "\
2025-09-14/db.sql
2025-09-15/db.sql
a-2020-01-01/db-20250914-000000.sql
b-2020-01-01/db-20250915-000000.sql
";
    let outcome = filter(&["--keep-last", "1"], names).expect(0);
    assert_eq!(outcome.stdout, "2025-09-14/db.sql\n");
}
