use super::*;

#[test]
fn every_documented_form_is_found() {
    let at = |text: &str| Some(Timestamp::parse(text).unwrap());
    for (name, time) in [
        ("pai-20250916-090003.tar.gz", at("2025-09-16T09:00:03Z")),
        ("pa-ecosystem-backup-20250916_090003", at("2025-09-16T09:00:03Z")),
        ("x-20250916T090003Z.gz", at("2025-09-16T09:00:03Z")),
        ("codex_replay_20250916090003.zip", at("2025-09-16T09:00:03Z")),
        ("codexdb_2025-09-16.sql", at("2025-09-16T00:00:00Z")),
        ("snapshot-180731150101", None),
        ("pai-20251399-090003.tar.gz", None),
        ("build-12345678", None),
        ("memory.md", None),
    ] {
        assert_eq!(find(name.as_bytes(), Zone::Utc).map(|stamp| stamp.time), time, "{name}");
    }
}

#[test]
fn forms_that_other_tools_write_are_found_too() {
    for (name, time) in [
        ("x_2025-09-16_09-00-03.sql", "2025-09-16T09:00:03Z"),
        ("x-2025-09-16T09:00:03.sql", "2025-09-16T09:00:03Z"),
        ("x 2025-09-16 09.00.03.sql", "2025-09-16T09:00:03Z"),
        ("x-2025-09-16-090003.sql", "2025-09-16T09:00:03Z"),
        ("app.log-20250916.gz", "2025-09-16T00:00:00Z"),
        ("x-20240229-235959", "2024-02-29T23:59:59Z"),
        ("x-20991231-235959", "2099-12-31T23:59:59Z"),
        // The figures after the date are no time: the date alone counts.
        ("x-20250916-996611", "2025-09-16T00:00:00Z"),
    ] {
        let stamp = find(name.as_bytes(), Zone::Utc);
        assert_eq!(stamp.map(|stamp| stamp.time), Some(Timestamp::parse(time).unwrap()), "{name}");
    }
    for name in ["20250229", "x-12025-09-16", "x-2025-09-161", "x-20250916090003123", "21000101", "2025-9-16"]
    {
        assert_eq!(find(name.as_bytes(), Zone::Utc), None, "{name}");
    }
}

#[test]
fn of_two_stamps_the_exact_one_counts_and_then_the_latest() {
    for (name, found) in [
        ("20250916-090003_data-until-2030-01-01.tar", "20250916-090003"),
        ("dump-of-2019-12-31_20250916-090003.sql", "20250916-090003"),
        ("pre-restore-20251001-080000-pai-20250916-090003.tar.gz", "20251001-080000"),
        ("report-2025-01-01-2025-01-31.csv", "2025-01-31"),
        ("2024-01-01/db-20250916-090003.sql", "20250916-090003"),
        ("20250916-090003/db-2024-01-01.sql", "2024-01-01"),
        ("2025-09-16/db.sql", "2025-09-16"),
        ("/2025-09-16/", "2025-09-16"),
    ] {
        let stamp = find(name.as_bytes(), Zone::Utc).unwrap();
        assert_eq!(&name[stamp.range], found, "{name}");
    }
}

#[test]
fn what_is_written_is_found_again() {
    let time = Timestamp::parse("2025-09-16T09:00:03Z").unwrap();
    let name = format!("pai-{}.tar.gz", compact(time, Zone::Utc));
    assert_eq!(find(name.as_bytes(), Zone::Utc), Some(Stamp { range: 4..19, time }));
}

#[test]
fn a_time_of_day_is_read_whole_or_not_at_all() {
    for (name, stamp, time) in [
        ("db_2016-03-16_12-00", "2016-03-16_12-00", "2016-03-16T12:00:00Z"),
        ("a-2024-08-09_05-51.tar.gz", "2024-08-09_05-51", "2024-08-09T05:51:00Z"),
        ("c-20180730-1200.tar.gz", "20180730-1200", "2018-07-30T12:00:00Z"),
        ("c_201807301200", "201807301200", "2018-07-30T12:00:00Z"),
        ("x 2025-09-16 09:00", "2025-09-16 09:00", "2025-09-16T09:00:00Z"),
        ("x-2025-09-16T0900Z.gz", "2025-09-16T0900Z", "2025-09-16T09:00:00Z"),
        ("x-20250916_09-00-03", "20250916_09-00-03", "2025-09-16T09:00:03Z"),
        ("x_2025_09_16", "2025_09_16", "2025-09-16T00:00:00Z"),
        ("x_2025_09_16_09_00_03.sql", "2025_09_16_09_00_03", "2025-09-16T09:00:03Z"),
        ("d_2025-09-16_06h25m.Tuesday.sql.gz", "2025-09-16_06h25m", "2025-09-16T06:25:00Z"),
        ("d_2025-09-16_06h25.gz", "2025-09-16_06h25", "2025-09-16T06:25:00Z"),
        ("d_2025-09-16_06h25m07s.gz", "2025-09-16_06h25m07s", "2025-09-16T06:25:07Z"),
        ("x-2025-09-16T09:00:03+02:00.gz", "2025-09-16T09:00:03+02:00", "2025-09-16T07:00:03Z"),
        ("x-20250916T090003-0400.gz", "20250916T090003-0400", "2025-09-16T13:00:03Z"),
        ("x-2025-09-16T09:00:03.123456Z.gz", "2025-09-16T09:00:03.123456Z", "2025-09-16T09:00:03Z"),
        ("w-2025-W38.tar", "2025-W38", "2025-09-15T00:00:00Z"),
        ("w-2020-W53-full.tar", "2020-W53", "2020-12-28T00:00:00Z"),
    ] {
        let found = find(name.as_bytes(), Zone::Utc).unwrap_or_else(|| panic!("{name}"));
        assert_eq!((&name[found.range], found.time), (stamp, Timestamp::parse(time).unwrap()), "{name}");
    }
}

#[test]
fn what_may_be_something_else_is_no_stamp_and_no_part_of_one() {
    for (name, stamp) in [
        // Versions.
        ("app-20.04.1.tar", None),
        ("app-2025.09.16.tar", None),
        ("app-1.2025.0916", None),
        ("ubuntu_2025-09-16_20.04.img", Some("2025-09-16")),
        ("ubuntu-20250916-20.04.img", Some("20250916")),
        // Seconds of the epoch, or an invoice.
        ("x-1757998803.tar", None),
        // Day first, or month first; two figures for the year.
        ("db.16-09-2025.sql", None),
        ("snapshot-180731150101", None),
        ("snapshot-201112100000", None),
        // The first part of two.
        ("x-2025-09-16-01-02.tar", Some("2025-09-16")),
        ("x_2025_09_16_01_02.tar", Some("2025_09_16")),
        ("x_2025_09_16-09_00_pg16.tar", Some("2025_09_16")),
        // Ranges.
        ("r-2025-01-01-2025-01-31.csv", Some("2025-01-31")),
        ("r-2025-01-01_2025-02.csv", Some("2025-01-01")),
        ("r-20250101_2025-W05.csv", Some("2025-W05")),
        // Volumes of an archive, counters that are no offset, weeks that are none.
        ("x-20250916-090003.001", Some("20250916-090003")),
        ("x-20250916T090003-0017", Some("20250916T090003")),
        ("w-2021-W53", None),
        ("w-2025-w38", None),
        ("w-2025-W380", None),
    ] {
        let found = find(name.as_bytes(), Zone::Utc);
        assert_eq!(found.map(|found| &name[found.range]), stamp, "{name}");
    }
}

#[test]
fn a_format_is_looked_for_where_numbers_begin_and_end() {
    for (format, name, stamp) in [
        ("%d-%m-%Y", "db.16-09-2025.sql", Some("16-09-2025")),
        ("%s", "x-1757998803.tar", Some("1757998803")),
        ("%y%m%d", "x-250916-180731.tar", Some("250916")),
        ("%y%m%d", "x-20250916.tar", None),
        ("%d-%m-%Y", "db-2025-09-16.sql", None),
        ("backup.%Y%m", "x/my.backup.202509/dump.sql", Some("backup.202509")),
        ("%Y%m%d-%H%M%S", "a-20250916-090003/b-2026-01-01", Some("20250916-090003")),
    ] {
        let forms = Forms::Of(Format::parse(format).unwrap());
        let found = forms.find(name.as_bytes(), Zone::Utc);
        assert_eq!(found.map(|found| &name[found.range]), stamp, "{format} in {name}");
    }
}
