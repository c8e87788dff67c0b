//! What `find` selects, as the oracle of the age rule.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, SystemTime};

use pai_tests::{command, run, scratch, tool};

use crate::DAY;

/// Files around the boundaries; the newest is there because one always stays.
fn fixture(folder: &Path, now: SystemTime) {
    let second = Duration::from_secs(1);
    let mut ages = vec![("newest".to_owned(), Duration::ZERO)];
    for days in [0, 1, 2, 29, 30, 31, 32, 90, 91] {
        let edge = days * DAY;
        for (name, age) in [
            ("second-younger", edge.saturating_sub(second)),
            ("minutes-younger", edge.saturating_sub(300 * second)),
            ("exact", edge),
            ("second-older", edge + second),
            ("half-a-day-older", edge + DAY / 2),
        ] {
            ages.push((format!("{days}-{name}"), age));
        }
    }
    for (name, age) in ages {
        let file = File::create(folder.join(name)).expect("a file can be made");
        file.set_modified(now - age).expect("an owner may set times");
    }
}

#[test]
fn older_than_one_day_more_selects_what_find_mtime_selects() {
    let folder = scratch();
    let now = SystemTime::now();
    fixture(folder.path(), now);
    for days in [0, 1, 29, 30, 31, 89, 90] {
        let found =
            run(command("find").arg(folder.path()).args(["-type", "f", "-mtime", &format!("+{days}")]));
        let older = format!("{}d", days + 1);
        let mut rotate = command(tool("pai-rotate"));
        rotate.args(["-n", "-q", "--by", "mtime", "--older-than", &older]).arg(folder.path());
        let shown = run(&mut rotate).expect(0);
        let deleted = shown.stdout.lines().filter_map(|line| line.strip_prefix("delete  "));
        let selected: Vec<&str> = deleted.filter_map(|line| Some(line.split_once("  (")?.0)).collect();
        // Both read a running clock: what is a second younger may have grown older between them.
        let is_settled = |path: &&str| !path.ends_with("second-younger");
        let settled = |mut paths: Vec<&str>| {
            paths.retain(is_settled);
            paths.sort_unstable();
            paths.into_iter().map(str::to_owned).collect::<Vec<_>>()
        };
        let found = settled(found.expect(0).stdout.lines().collect());
        assert!(found.len() > 1);
        assert_eq!(settled(selected), found, "-mtime +{days}");
    }
}

#[test]
fn the_edge_itself_is_drawn_to_the_second() {
    let folder = scratch();
    fixture(folder.path(), crate::now());
    let outcome = crate::rotate_in(folder.path(), &["-n", "-q", "--older-than", "31d", "."]).expect(0);
    let verdict = |name: &str| {
        let line = outcome.stdout.lines().find(|line| line.contains(&format!("./{name}  "))).unwrap();
        line.split_once("  ").unwrap().0.to_owned()
    };
    assert_eq!(verdict("31-second-younger"), "keep");
    assert_eq!(verdict("31-exact"), "keep");
    assert_eq!(verdict("31-second-older"), "delete");
    assert_eq!(verdict("30-half-a-day-older"), "keep");
}
