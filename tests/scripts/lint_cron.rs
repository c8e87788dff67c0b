//! `lint-cron.sh`: each rule, the published originals, and whether real cron agrees.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pai_tests::rigs::machine::Machine;
use pai_tests::rigs::postgres::is_root;
use pai_tests::{Outcome, command, repository, run, scratch, skip};

const GOOD: &str = "PATH=/usr/bin:/bin\n0 2 * * * root true\n";

/// The database line as published: no user column, no final newline.
const PUBLISHED_CODEX: &str =
    "0 2 * * * docker exec codex_postgres pg_dump -U codex codexdb > /backups/codexdb_$(date +\\%F).sql";

/// The workspace's line as published: broken with backslashes.
const PUBLISHED_WORKSPACE: &str = "# PAI maintenance jobs\n0 2 * * * PAI_HOME=/home/user/pai \\\n  \
     /home/user/pai/backup.sh >> \\\n  /home/user/pai/logs/backup-cron.log 2>&1\n";

fn lint(arguments: &[&str], name: &str, text: &str, mode: u32) -> Outcome {
    let folder = scratch();
    let file = folder.path().join(name);
    fs::write(&file, text).expect("the file is written");
    fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("its mode is set");
    run(command(repository().join("scripts/lint-cron.sh")).args(arguments).arg(&file))
}

/// The rules that were found broken, in order.
fn rules(outcome: &Outcome) -> Vec<String> {
    let words = outcome.stdout.lines().filter_map(|line| line.split(": ").nth(1));
    words.map(str::to_owned).collect()
}

#[test]
fn a_good_file_has_no_findings() {
    for (arguments, text) in [
        (&["--template"][..], GOOD),
        (
            &["--crontab"],
            "@daily true\n*/5 0-23/2 1,15 jan-mar mon true \\% done\n\n# a comment\\\\ about %\n",
        ),
    ] {
        let outcome = lint(arguments, "good", text, 0o644).expect(0);
        assert_eq!(outcome.stdout, "");
    }
}

#[test]
fn each_rule_finds_what_breaks_it() {
    let long = format!("0 2 * * * root {}\n", "x".repeat(999));
    let cases = [
        ("name", "good.cron", GOOD),
        ("name", "good~", GOOD),
        ("fields", "x", "60 2 * * * root true\n"),
        ("fields", "x", "0 24 * * * root true\n"),
        ("fields", "x", "0 2 0 * * root true\n"),
        ("fields", "x", "0 2 * 13 * root true\n"),
        ("fields", "x", "0 2 * * 8 root true\n"),
        ("fields", "x", "*/0 2 * * * root true\n"),
        ("fields", "x", "5-1 2 * * * root true\n"),
        ("fields", "x", "0 2 * * root\n"),
        ("fields", "x", "@every_minute root true\n"),
        ("fields", "x", "0 2 * * * root\n"),
        ("user", "x", "0 2 * * * /usr/bin/true now\n"),
        ("user", "x", "0 2 * * * PAI_HOME=/x true\n"),
        ("newline", "x", "0 2 * * * root true"),
        ("percent", "x", "0 2 * * * root date +%F\n"),
        ("percent", "x", "0 2 * * * root echo '%'\n"),
        ("length", "x", &long),
        ("continuation", "x", "0 2 * * * root true \\\n"),
        ("cr", "x", "0 2 * * * root true\r\n"),
        ("environment", "x", "PATH=/opt/bin:$PATH\n0 2 * * * root true\n"),
        ("environment", "x", "A=\"b\" c\n0 2 * * * root true\n"),
        ("environment", "x", "CRON_TZ=UTC\n0 2 * * * root true\n"),
    ];
    for (rule, name, text) in cases {
        let outcome = lint(&["--template"], name, text, 0o644).expect(1);
        assert_eq!(rules(&outcome), [rule], "{name}: {text:?}");
    }
}

#[test]
fn an_installed_file_has_the_right_owner_mode_and_users() {
    if !is_root() {
        return skip("files of other owners need root");
    }
    lint(&[], "good", GOOD, 0o644).expect(0);
    for mode in [0o664, 0o646, 0o755] {
        assert_eq!(rules(&lint(&[], "good", GOOD, mode).expect(1)), ["mode"], "{mode:o}");
    }
    assert_eq!(rules(&lint(&[], "good", "0 2 * * * no-such-user true\n", 0o644).expect(1)), ["user"]);
    let folder = scratch();
    let line = "echo '0 2 * * * root true' >own; chown nobody own; exec \"$0\" own";
    let foreign = run(command("bash")
        .args(["-c", line])
        .arg(repository().join("scripts/lint-cron.sh"))
        .current_dir(folder.path()));
    assert_eq!(rules(&foreign.expect(1)), ["owner"]);
}

#[test]
fn a_file_that_cannot_be_read_is_trouble_and_the_others_are_still_checked() {
    let folder = scratch();
    fs::write(folder.path().join("bad"), "0 2 * * * root true").expect("a file");
    let mut lint = command(repository().join("scripts/lint-cron.sh"));
    let outcome = run(lint.args(["--template", "missing", "bad"]).current_dir(folder.path())).expect(2);
    assert_eq!(outcome.stderr, "lint-cron: error: could not read missing\n");
    assert_eq!(rules(&outcome), ["newline"]);
}

#[test]
fn row_2_1_the_published_drop_in_is_refused_for_its_user_column_and_its_last_line() {
    let outcome = lint(&[], "codex-backup", PUBLISHED_CODEX, 0o644).expect(1);
    let rules = rules(&outcome);
    assert!(
        rules.contains(&"user".to_owned()) && rules.contains(&"newline".to_owned()),
        "{}",
        outcome.stdout
    );
}

#[test]
fn row_0_20_the_published_crontab_is_refused_for_its_continuation_lines() {
    let outcome = lint(&["--crontab"], "cron_maintenance", PUBLISHED_WORKSPACE, 0o644).expect(1);
    assert!(rules(&outcome).contains(&"continuation".to_owned()), "{}", outcome.stdout);
}

/// The lint is only worth something if it and cron are of one mind about whole files.
#[test]
fn real_cron_ignores_what_the_lint_refuses_and_runs_what_it_passes() {
    let Some(machine) = Machine::new().filter(Machine::has_cron) else { return };
    // Both originals as they were published are among the ignored.
    let ignored = [
        ("published-codex", PUBLISHED_CODEX.to_owned()),
        ("published-workspace", PUBLISHED_WORKSPACE.to_owned()),
        ("minute", "60 * * * * root true\n".to_owned()),
        ("month-zero", "* * * 0 * root true\n".to_owned()),
        ("step-zero", "*/0 * * * * root true\n".to_owned()),
        ("number-step", "1/2 * * * * root true\n".to_owned()),
        ("long-weekday", "* * * * sunday root true\n".to_owned()),
        ("no-user", "* * * * * /bin/true now\n".to_owned()),
        ("nobody-here", "* * * * * no-such-user true\n".to_owned()),
        ("no-newline", "* * * * * root true".to_owned()),
        ("long", format!("* * * * * root echo {}\n", "x".repeat(994))),
        ("open-quote", "A='1\n* * * * * root true\n".to_owned()),
    ];
    let run = [
        ("short", format!("* * * * * root echo {} >/backups/short\n", "x".repeat(976))),
        ("weekday-name", "* * * * sun,MON root touch /backups/weekday-name\n".to_owned()),
        ("seven", "* * * * 0-7 root touch /backups/seven\n".to_owned()),
        ("indented", "  * * * * * root touch /backups/indented\n".to_owned()),
        ("percent", "* * * * * root touch /backups/percent; true \\%\n".to_owned()),
    ];
    for (name, text) in ignored.iter().chain(&run) {
        fs::write(machine.path("/etc/cron.d").join(name), text).expect("the file is written");
    }
    let lint = machine.sh(&format!("'{}/scripts/lint-cron.sh' /etc/cron.d/*", repository().display()));

    // 2026-11-22 is a Sunday.
    let log = machine.cron("2026-11-22 01:56:00", 6, "UTC");

    for (name, _) in &ignored {
        assert!(lint.stdout.contains(&format!("/etc/cron.d/{name}:")), "the lint passed {name}");
        assert!(
            log.with(&format!("/etc/cron.d/{name}")).next().is_some() || log.has(&format!("*system*{name}")),
            "cron took {name}:\n{}",
            log.text()
        );
    }
    for (name, _) in &run {
        assert!(!lint.stdout.contains(&format!("/etc/cron.d/{name}:")), "{}", lint.stdout);
        assert!(machine.path("/backups").join(name).exists(), "cron did not run {name}:\n{}", log.text());
    }
}
