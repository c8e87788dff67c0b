//! How scripts end: a status that can be trusted and words that say whose they are, from whatever folder and for
//! whatever word they do not know.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{Outcome, as_nobody, bin_folder, command, repository, run, scratch};

use crate::support::names;

/// The scripts as everybody may run them, with the built tools, and a folder that nobody but its owner can enter.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: scratch() };
        let tools = ["pai-backup", "pai-checksum", "pai-rotate"].map(|tool| {
            format!("ln '{0}/{tool}' bin/{tool} 2>/dev/null || cp '{0}/{tool}' bin/", bin_folder().display())
        });
        let line = format!(
            "chmod 755 . && cp -R '{}' scripts && mkdir bin && {} && chmod -R a+rX scripts && chmod 755 bin && \
             mkdir -m 777 open && mkdir -m 755 closed && mkdir -m 700 home && mkdir -m 711 passage",
            repository().join("scripts").display(),
            tools.join(" && ")
        );
        run(Command::new("bash").args(["-c", &line]).current_dir(place.folder.path())).expect(0);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A script as a user without rights, in the folder `from`; `None` where rights cannot be dropped.
    fn run(&self, from: &str, name: &str, words: &[&str]) -> Option<Outcome> {
        let mut script = command(self.path("scripts").join(name));
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        for variable in ["STACK_HOME", "STATE_DIR", "DOCKER_HOST"] {
            script.env_remove(variable);
        }
        script.args(words).env("PATH", path).env("HOME", "/nonexistent").env("PGHOST", "/nonexistent");
        script.env("BACKUP_DIR", self.path("open")).env("REPLAYS_PATH", self.path("open"));
        script.env("CODEX_HOME", self.path("codex"));
        // Entered before rights are dropped.
        let mut script = as_nobody(&script)?;
        Some(run(script.current_dir(self.path(from))))
    }
}

/// Every script that people or cron call, relative to scripts/.
fn all_scripts() -> Vec<String> {
    let scripts = repository().join("scripts");
    let mut all: Vec<String> = names(&scripts).into_iter().filter(|name| name.ends_with(".sh")).collect();
    all.extend(names(&scripts.join("tasks")).iter().map(|name| format!("tasks/{name}")));
    // Its words are cargo's.
    all.retain(|name| name != "test.sh");
    all
}

#[test]
fn every_script_says_which_word_it_does_not_know() {
    let folder = scratch();
    for name in all_scripts() {
        let mut script = command(repository().join("scripts").join(&name));
        let bad = run(script.arg("--no-such-option").current_dir(folder.path()).env("HOME", folder.path()));
        let said = format!("{}{}", bad.stdout, bad.stderr);
        assert_eq!(bad.status, Some(2), "{name}: {said}");
        assert!(said.contains("--no-such-option"), "{name}: {said}");
        let stem = Path::new(&name).file_stem().unwrap().to_str().unwrap();
        let program = if stem == "backup-verification" { "verify-backup" } else { stem };
        assert!(bad.stderr.starts_with(&format!("{program}: error: ")), "{name}: {said}");
    }
}

#[test]
fn from_a_folder_its_user_cannot_read_a_script_does_what_it_does_from_any_other() {
    let place = Place::new();
    let dump = place.path("open").join("x_2026-11-21.sql");
    fs::write(&dump, "-- PostgreSQL database dump complete\n").unwrap();
    fs::set_permissions(&dump, fs::Permissions::from_mode(0o644)).unwrap();
    run(Command::new("bash")
        .args(["-c", "mkdir -p codex/data && echo a >codex/data/audit.log"])
        .current_dir(place.folder.path()))
    .expect(0);
    let open = place.path("open").display().to_string();
    for (name, words) in [
        ("backup-database.sh", &["--check", "--max-age", "9999d", "--dir", &open, "x"][..]),
        ("backup-database.sh", &["--check", "--max-age", "9999d", "x"]),
        ("backup-database.sh", &["-n", "x"]),
        ("replay-capsule.sh", &["-n"]),
        ("checksum-replays.sh", &["--pattern", "*.sql", "-n"]),
        ("maintenance.sh", &["--help"]),
        (
            "lint-cron.sh",
            &["--crontab", &format!("{}/scripts/cron/cron_maintenance", place.folder.path().display())],
        ),
    ] {
        let Some(usual) = place.run("open", name, words) else { return };
        for from in ["home", "passage"] {
            let there = place.run(from, name, words).expect("rights were dropped before");
            // The clock goes on between the two.
            let timeless = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "#");
            assert_eq!(
                (there.status, timeless(&there.stdout), timeless(&there.stderr)),
                (usual.status, timeless(&usual.stdout), timeless(&usual.stderr)),
                "{name} {words:?} from {from}"
            );
        }
    }
    let verdict =
        place.run("home", "backup-database.sh", &["--check", "--max-age", "9999d", "x"]).unwrap().expect(0);
    assert!(verdict.stdout.ends_with("\nx: the newest dump is good\n"), "{}", verdict.stdout);
}

#[test]
fn where_nothing_was_kept_the_status_is_2_and_the_reason_begins_with_the_scripts_name() {
    let place = Place::new();
    run(Command::new("bash").args(["-c", "mkdir -p codex/data && echo a >codex/data/audit.log; sqlite3 open/a.db 'CREATE TABLE a (b)'; chmod 666 open/a.db; true"]).current_dir(place.folder.path()))
        .expect(0);
    let [closed, home, open] = ["closed", "home", "open"].map(|name| place.path(name).display().to_string());
    let (new, database) = (format!("{closed}/new"), format!("{open}/a.db"));
    for (name, words, reason) in [
        (
            "backup-database.sh",
            &["--direct", "--dir", &open, "x"][..],
            "no dump of x was kept (exit 1)".to_owned(),
        ),
        (
            "backup-database.sh",
            &["--direct", "--dir", &closed, "x"],
            format!("could not write into {closed}: Permission denied"),
        ),
        (
            "backup-database.sh",
            &["--direct", "--dir", &new, "x"],
            format!("could not make {new}: Permission denied"),
        ),
        (
            "backup-database.sh",
            &["--check", "--dir", &home, "x"],
            format!("could not look into {home}: Permission denied"),
        ),
        ("backup-database.sh", &["--check", "--dir", &open, "y"], format!("no dump of y in {open}")),
        ("replay-capsule.sh", &[], format!("could not make {closed}/codex_replay_")),
        ("checksum-replays.sh", &[&home], format!("could not enter {home}: Permission denied")),
        (
            "backup-sqlite.sh",
            &["--dir", &closed, &database],
            format!("could not write into {closed}: Permission denied"),
        ),
        ("maintenance.sh", &["--list"], format!("could not enter {home} (STACK_HOME)")),
    ] {
        if name == "backup-sqlite.sh" && !pai_tests::has("sqlite3") {
            pai_tests::skip("no sqlite3 (package sqlite3)");
            continue;
        }
        let mut words = words.to_vec();
        if name == "replay-capsule.sh" {
            // By its environment alone.
            words.clear();
        }
        let Some(outcome) = place.run_with(name, &words, &closed) else { return };
        let program = name.trim_end_matches(".sh");
        assert_eq!(outcome.status, Some(2), "{name} {words:?}: {}", outcome.stderr);
        let line = format!("{program}: error: {reason}");
        assert!(
            outcome.stderr.lines().any(|said| said.starts_with(&line)),
            "{name} {words:?}: {}",
            outcome.stderr
        );
        assert_eq!(outcome.stdout, "", "{name} {words:?}");
    }
    assert!(names(&place.path("open")).iter().all(|name| !name.starts_with(".incoming")));
}

impl Place {
    /// From the folder that cannot be entered, with capsules going to `replays`.
    fn run_with(&self, name: &str, words: &[&str], replays: &str) -> Option<Outcome> {
        if name != "replay-capsule.sh" {
            return self.run("home", name, words);
        }
        let mut script = command(self.path("scripts").join(name));
        let path = format!("{}:{}", self.path("bin").display(), std::env::var("PATH").unwrap_or_default());
        script.env("PATH", path).env("REPLAYS_PATH", replays).env("CODEX_HOME", self.path("codex"));
        let mut script = as_nobody(&script)?;
        Some(run(script.current_dir(self.path("home"))))
    }
}

#[test]
fn an_end_that_nobody_expected_is_2_and_named_and_what_is_odd_stays_1() {
    let folder = scratch();
    let say = repository().join("scripts/lib/say.sh");
    let script = |body: &str| {
        let text = format!(
            "set -euo pipefail\n. '{}'\nother_ends_are_trouble\nmain() {{\n{body}\n}}\nmain\n",
            say.display()
        );
        let file = folder.path().join("odd-job.sh");
        fs::write(&file, text).unwrap();
        run(command("bash").arg(&file).current_dir(folder.path()))
    };
    for (body, status, said) in [
        ("false", 2, "odd-job: error: stopped: exit 1 of: false\n"),
        ("x=$(false)", 2, "odd-job: error: stopped: exit 1 of: x=$(false)\n"),
        ("echo x | grep -q y", 2, "odd-job: error: stopped: exit 1 of: grep -q y\n"),
        (
            "x=$(try 'look' ls /nonexistent); echo $x",
            2,
            "odd-job: error: could not look: No such file or directory\n",
        ),
        ("set +e; false; x=$?; set -e; exit $x", 1, ""),
        ("complain odd; exit $complaints", 1, "odd-job: error: odd\n"),
        ("x=$(try 'look' echo found); [ \"$x\" = found ] && exit 0", 0, ""),
    ] {
        let outcome = script(body);
        assert_eq!((outcome.status, outcome.stderr.as_str()), (Some(status), said), "{body}");
    }
}
