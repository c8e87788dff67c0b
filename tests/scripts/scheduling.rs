//! `docs/scheduling.md` says what is shipped, and what is shipped passes its own lint.

use std::fs;
use std::process::Command;

use pai_tests::rigs::postgres::is_root;
use pai_tests::{command, has, repository, run, scratch, skip};

use crate::support::names;

fn page() -> String {
    fs::read_to_string(repository().join("docs/scheduling.md")).expect("the page")
}

/// The text between ```LANGUAGE and ```, for each such block.
fn blocks(language: &str) -> Vec<String> {
    let page = page();
    let fence = format!("```{language}\n");
    let parts = page.split(&fence).skip(1);
    parts.map(|part| part.split("```").next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn row_0_22_the_documented_commands_name_the_units_that_are_shipped() {
    let page = page();
    for command in [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now pai-backup.timer pai-optimize.timer",
        "systemctl --user list-timers \"pai-*\"",
        "journalctl --user -u pai-backup.service -u pai-optimize.service",
    ] {
        assert!(page.contains(command), "{command}");
    }
    let shipped = [repository().join("scripts/systemd"), repository().join("scripts/systemd/user")]
        .map(|folder| names(&folder))
        .concat();
    for word in page.split(|c: char| c.is_whitespace() || "`(),".contains(c)) {
        if word.starts_with("pai-")
            && (word.ends_with(".timer") || word.ends_with(".service"))
            && !word.contains('%')
        {
            assert!(shipped.iter().any(|name| name == word), "{word} is not shipped");
        }
    }
}

#[test]
fn row_2_11_every_documented_command_of_both_systems_is_on_the_page() {
    let page = page();
    for command in [
        "--dry-run",
        "crontab -l \\| grep PAI",
        "RETENTION_DAYS",
        "sha256sum -c checksums.txt",
        "docker exec codex_postgres pg_dump -U codex codexdb",
        "docker start codex_postgres",
        "systemctl status cron",
        "/var/log/syslog",
        "/backups/backup.log",
    ] {
        assert!(page.contains(command), "{command}");
    }
}

#[test]
fn the_cron_lines_on_the_page_are_the_shipped_ones_and_every_shipped_file_passes_the_lint() {
    let folder = repository().join("scripts/cron");
    let shipped: String =
        names(&folder).iter().map(|name| fs::read_to_string(folder.join(name)).expect("a file")).collect();
    let lines = blocks("cron");
    assert!(!lines.is_empty());
    for line in lines.iter().flat_map(|block| block.lines()) {
        assert!(shipped.lines().any(|other| other == line), "{line}");
    }
    for name in names(&folder) {
        let kind = if name == "cron_maintenance" { "--crontab" } else { "--template" };
        run(command(repository().join("scripts/lint-cron.sh")).arg(kind).arg(folder.join(&name))).expect(0);
    }
}

#[test]
fn row_2_12_no_job_needs_a_python() {
    let folder = repository().join("scripts/cron");
    for name in names(&folder) {
        assert!(!fs::read_to_string(folder.join(&name)).expect("a file").contains("python"), "{name}");
    }
}

#[test]
fn row_2_15_the_logrotate_rules_on_the_page_are_good_ones() {
    if !has("logrotate") && !std::path::Path::new("/usr/sbin/logrotate").exists() {
        return skip("no logrotate (package logrotate)");
    }
    if !is_root() {
        return skip("rules with other users need root");
    }
    let rules = blocks("").into_iter().find(|block| block.contains("rotate 12")).expect("the rules");
    let folder = scratch();
    let debug = |rules: &str| {
        let file = folder.path().join("rules");
        fs::write(&file, rules.replace("codex", "nobody").replace("nobody nobody", "nobody nogroup"))
            .expect("written");
        run(Command::new("/usr/sbin/logrotate")
            .arg("-d")
            .arg("--state")
            .arg(folder.path().join("state"))
            .arg(&file))
    };
    let good = debug(&rules).expect(0);
    assert!(!good.stderr.contains("error:"), "{}", good.stderr);
    assert!(debug(&rules.replace("monthly", "montly")).stderr.contains("error"), "logrotate sees a typo");
}
