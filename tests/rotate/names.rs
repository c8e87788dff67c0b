//! Names as people write them: forms of stamps, random parts, and what makes a series.

use pai_tests::{Outcome, run, scratch};

use crate::{filter, rotate, rotate_in, write};

#[test]
fn a_stamp_to_the_minute_is_read_whole() {
    let folder = scratch();
    for stamp in ["2016-03-16_12-00", "2016-03-16_22-00", "2016-03-17_02-00", "2016-03-17_12-00"] {
        let item = folder.path().join(format!("db_{stamp}"));
        std::fs::create_dir(&item).unwrap();
        write(&item, "f");
    }
    let args = ["--keep-last", "1", "--dirs", "-n", "-q", "--now", "2016-03-17T13:00:00Z", "."];
    let kept = rotate_in(folder.path(), &args).expect(0).stdout;
    assert_eq!(kept.lines().filter(|line| line.starts_with("keep")).count(), 1, "{kept}");
    assert!(kept.starts_with("keep    ./db_2016-03-17_12-00  (last 1/1)\n"), "{kept}");
    let names = "c-20180730-1200.tar.gz\nc-20180731-1200.tar.gz\nc-20180731-1500.tar.gz\n";
    assert_eq!(filter(&["--keep-last", "2"], names).expect(0).stdout, "c-20180730-1200.tar.gz\n");
}

#[test]
fn an_item_of_later_today_takes_no_slot() {
    let names = ["09", "10", "11"].map(|day| format!("a-2024-08-{day}_05-51.tar.gz"));
    let folder = scratch();
    for name in &names {
        write(folder.path(), name);
    }
    let args = ["--keep-daily", "1", "--now", "2024-08-11T03:44:05+03:00", "-n", "."];
    let plan = run(rotate(&args).current_dir(folder.path()).env("TZ", "Europe/Moscow")).expect(0).stdout;
    let expected = "\
keep    ./a-2024-08-11_05-51.tar.gz  (from the future)
keep    ./a-2024-08-10_05-51.tar.gz  (daily 1/1)
delete  ./a-2024-08-09_05-51.tar.gz  (no rule keeps it)
";
    assert_eq!(plan, expected);
}

#[test]
fn a_version_is_no_date_and_files_of_two_versions_are_two_series() {
    let names = "app-20.04.1.tar\napp-22.04.1.tar\napp-2025.09.16.tar\n";
    assert_eq!(filter(&["--keep-last", "1"], names).expect(0).stdout, "");
    let names = "img_2025-09-14_20.04\nimg_2025-09-14_22.04\nimg_2025-09-15_22.04\n";
    assert_eq!(filter(&["--keep-last", "1"], names).expect(0).stdout, "img_2025-09-14_22.04\n");
}

#[test]
fn a_form_of_ones_own_is_read_when_it_is_said() {
    for (format, old, new) in [
        ("%s", "x-1757800000.tar", "x-1757900000.tar"),
        ("%d-%m-%Y", "db.15-09-2025.sql", "db.02-10-2025.sql"),
        ("%y%m%d%H%M%S", "snapshot-180731150101", "snapshot-180801150101"),
        ("%G-W%V", "w-2025-W37.tar", "w-2025-W38.tar"),
        ("%Y.%m", "m-2024.12.tar", "m-2025.01.tar"),
    ] {
        let names = format!("{new}\n{old}\n");
        let outcome =
            filter(&["--keep-last", "1", "--stamp", format, "--now", "2026-01-01T00:00:00Z"], &names);
        assert_eq!(outcome.expect(0).stdout, format!("{old}\n"), "{format}");
    }
    // Nothing else is read then: this date is a part of the name.
    let names = "a-2020-01-01-15.09.2025\na-2020-01-02-16.09.2025\n";
    assert_eq!(filter(&["--keep-last", "1", "--stamp", "%d.%m.%Y", "-q"], names).expect(0).stdout, "");
    let refused = filter(&["--keep-last", "1", "--stamp", "%H:%M"], names).expect(2);
    assert!(refused.stderr.contains("does not tell a day"), "{}", refused.stderr);
}

#[test]
fn folders_with_a_stamp_of_ones_own_are_items() {
    let folder = scratch();
    for name in ["b.15-09-2025", "b.16-09-2025", "b.2025-09-14"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        write(&folder.path().join(name), "f");
    }
    let args = ["--keep-last", "1", "--dirs", "--stamp", "%d-%m-%Y", "."];
    let gone = rotate_in(folder.path(), &args).expect(0).stdout;
    assert_eq!(gone, "./b.15-09-2025\n");
}

const DUMPS: &str = "\
dump-20250914-020000-11e2d8.sql.gz
dump-20250915-020000-9a03c1.sql.gz
dump-20250916-020000-0fd2e7.sql.gz
notes-20250101.txt
";

#[test]
fn names_that_never_repeat_are_told_of_and_go_when_their_series_is_said() {
    let scattered = filter(&["--keep-last", "1"], DUMPS).expect(0);
    assert_eq!(scattered.stdout, "");
    let line = "pai-rotate: each of these 4 items is a series of its own, so none may go: if they belong together, \
                --series PATTERN or --one-series says so, and --stamp FORMAT what their stamps look like\n";
    assert_eq!(scattered.stderr, line);
    assert_eq!(filter(&["--keep-last", "1", "-q"], DUMPS).expect(0).stderr, "");
    let gone = |args: &[&str]| {
        let Outcome { stdout, stderr, .. } = filter(&[&["--keep-last", "1"], args].concat(), DUMPS).expect(0);
        assert_eq!(stderr, "");
        stdout.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let dumps: Vec<&str> = DUMPS.lines().take(2).collect();
    assert_eq!(gone(&["--series", "^[a-z]+"]), dumps);
    assert_eq!(gone(&["--series", r"^(dump)-.*(\.sql)"]), dumps);
    assert_eq!(gone(&["--one-series"]), [&dumps[..], &["notes-20250101.txt"]].concat());
}

#[test]
fn what_does_not_match_the_series_stays_and_says_why() {
    let shown = filter(&["--keep-last", "1", "--series", "^dump", "-n"], DUMPS).expect(0);
    assert!(
        shown.stdout.ends_with("keep    notes-20250101.txt  (its name does not match --series)\n"),
        "{}",
        shown.stdout
    );
    let none = filter(&["--keep-last", "1", "--series", "^Dump"], DUMPS).expect(0);
    assert_eq!(
        (none.stdout.as_str(), none.stderr.as_str()),
        ("", "pai-rotate: none of 4 names matches --series, so none may go\n")
    );
    let json = filter(&["--keep-last", "1", "--series", "^dump", "--json"], DUMPS).expect(0).stdout;
    assert!(json.lines().next().unwrap().contains(r#""series":"dump""#), "{json}");
    for args in [&["--series", "("][..], &["--series", "a", "--one-series"]] {
        filter(&[&["--keep-last", "1"], args].concat(), DUMPS).expect(2);
    }
}

#[test]
fn a_sidecar_goes_with_its_file_whatever_makes_the_series() {
    let names = "d-20250914-a1.gz\nd-20250914-a1.gz.sha256\nd-20250915-b2.gz\nd-20250915-b2.gz.sha256\n";
    let gone = filter(&["--keep-last", "1", "--series", "^d.*gz$"], names).expect(0).stdout;
    assert_eq!(gone, "", "each name is its own series");
    for args in [&["--one-series"][..], &["--series", "^d"]] {
        let gone = filter(&[&["--keep-last", "1"], args].concat(), names).expect(0).stdout;
        assert_eq!(gone, "d-20250914-a1.gz\nd-20250914-a1.gz.sha256\n", "{args:?}");
    }
}
