//! The command blocks of README.md and docs/ that concern scripts are run as they are printed, by an administrator without
//! rights who has sudo, on a machine where nothing of ours is installed yet. What cannot be run here says why.

use std::fs;

use pai_tests::rigs::machine::Machine;
use pai_tests::{bin_folder, has, repository, skip};

/// Pages, and the first words of blocks that are not run, with the reason. All other blocks of these pages are.
const PAGES: [(&str, &[(&str, &str)]); 6] = [
    (
        "README.md",
        &[
            ("scripts/release.sh", "release.rs runs it, and installs the package"),
            ("./scripts/quickstart.sh", "quickstart.rs runs it; the tests are what runs this"),
            ("export PAI_HOME=~/pai", "no script is in it; pipelines/readmes.rs runs the tools' examples"),
        ],
    ),
    ("docs/scheduling.md", &[]),
    ("docs/stores.md", &[("pai-store-backup", "the stores are not there; store_job.rs runs it")]),
    (
        "docs/vector-store.md",
        &[("tasks/", "the service is not there; vector_load.rs and vector_files.rs run them")],
    ),
    ("docs/ecosystem.md", &[]),
    ("docs/memo-ai-coach.md", &[]),
];

/// Lines that cannot be run here, by how they begin, and why.
const LINES: [(&str, &str); 8] = [
    ("cargo ", "what is built is what all tests use"),
    ("systemctl ", "no systemd manages the machine of a test"),
    ("journalctl ", "as above"),
    ("loginctl ", "as above"),
    ("deployment/scripts/health-check.sh", "the services it asks are not there; health.rs runs it"),
    ("deployment/scripts/maintenance.sh --daily", "it asks them, too; maintenance.rs runs it"),
    ("deployment/scripts/maintenance.sh monitoring-setup", "system_tasks.rs runs it"),
    ("deployment/scripts/maintenance.sh sqlite-maintenance", "memo_sqlite.rs runs it, on a database"),
];

/// The blocks of a page that are commands, not settings (`KEY=VALUE` alone).
fn blocks(page: &str) -> Vec<String> {
    let text = fs::read_to_string(repository().join(page)).unwrap();
    let parts = text.split("```sh\n").skip(1).map(|part| part.split("\n```").next().unwrap_or_default());
    let is_setting = |line: &str| {
        line.split_once('=').is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
    };
    parts.filter(|block| !block.lines().all(is_setting)).map(str::to_owned).collect()
}

/// A block as it runs on the private machine: /usr and /srv are the real machine's, so what goes there goes to /opt.
fn here(block: &str) -> String {
    let scripts = repository().join("scripts").display().to_string();
    let from = format!("install.sh --from '{}'", bin_folder().display());
    let mut script = String::from("set -euo pipefail\n");
    for line in block.lines() {
        if LINES.iter().any(|(start, _)| line.starts_with(start)) {
            continue;
        }
        let line = line
            .replace("install.sh --from target/release", "install.sh")
            .replace("sudo ./scripts/install.sh", "sudo ./scripts/install.sh --prefix /opt/pai")
            .replace("sudo scripts/install.sh", "sudo scripts/install.sh --prefix /opt/pai")
            .replace("./scripts/", "scripts/")
            .replace("scripts/install.sh", &format!("'{scripts}'/{from}"))
            .replace("/usr/local/", "/opt/pai/")
            .replace("/srv/", "/opt/srv/");
        script.push_str(&line);
        script.push('\n');
    }
    script
}

fn machine() -> Option<Machine> {
    let machine = Machine::new().filter(Machine::has_cron)?;
    if !has("sudo") || !has("systemd-analyze") {
        skip("no sudo or no systemd-analyze (packages sudo and systemd)");
        return None;
    }
    let setup = "useradd --create-home -K HOME_MODE=0755 admin && useradd --system codex && mkdir -p /etc/sudoers.d && \
         printf 'Defaults secure_path=\"/opt/pai/bin:/usr/sbin:/usr/bin:/sbin:/bin\"\\nadmin ALL=(ALL) NOPASSWD: ALL\\n' >/etc/sudoers.d/test && \
         chmod 440 /etc/sudoers.d/test && \
         install -d -o admin /home/admin/pai /home/admin/projects /home/admin/projects/codex-assistant /home/admin/projects/codex-assistant/pai && \
         echo 'Remember the milk.' >/home/admin/pai/memory.md && chown admin /home/admin/pai/memory.md && \
         install -d -o admin /opt/srv /opt/srv/vector-store /opt/srv/pa-ecosystem /opt/srv/memo-ai-coach && \
         chown codex /backups && chmod 700 /backups && \
         install -d -o codex -m 700 /opt/Super-Codex-AI /opt/Super-Codex-AI/storage /opt/Super-Codex-AI/storage/replays && \
         chmod 755 /opt/Super-Codex-AI /opt/Super-Codex-AI/storage && \
         cd /opt/Super-Codex-AI/storage/replays && echo a >codex_replay_1.zip && sha256sum *.zip >checksums.txt && \
         echo '-- PostgreSQL database dump complete' >/backups/codexdb_2026-11-21.sql && echo done >/backups/backup.log && chown -R codex: . /backups";
    machine.sh(setup).expect(0);
    Some(machine)
}

#[test]
fn every_command_block_about_scripts_works_as_it_is_typed() {
    let Some(machine) = machine() else { return };
    let mut count = 0;
    for (page, not_run) in PAGES {
        for block in blocks(page) {
            if not_run.iter().any(|(start, _)| block.starts_with(start)) {
                continue;
            }
            let script = here(&block);
            fs::write(machine.path("/opt/block"), &script).unwrap();
            // From a folder that is the administrator's alone, with a login's PATH.
            let outcome = machine.sh(
                "chmod 644 /opt/block; mkdir -p -m 700 /home/admin/own && chown admin: /home/admin/own && cd /home/admin/own && \
                 runuser -u admin -- env -i HOME=/home/admin TZ=UTC \"PATH=/home/admin/.local/bin:/opt/pai/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin\" bash /opt/block",
            );
            assert_eq!(outcome.status, Some(0), "{page}:\n{script}\n{}{}", outcome.stdout, outcome.stderr);
            count += 1;
        }
    }
    assert!(count >= 9, "{count}");
    let text = |path: &str| fs::read_to_string(machine.path(path)).unwrap_or_default();
    assert!(text("/etc/cron.d/codex-backup").contains(" codex run-job.sh"), "the lines did what they say");
    assert!(
        machine
            .sh("crontab -u admin -l")
            .expect(0)
            .stdout
            .contains("/home/admin/.local/libexec/pai-tools/run-job.sh")
    );
    assert!(machine.path("/home/admin/.config/systemd/user/pai-notify-success@.service").exists());
}

#[test]
fn every_reason_not_to_run_something_is_still_needed() {
    let all: Vec<(&str, String)> =
        PAGES.iter().flat_map(|(page, _)| blocks(page).into_iter().map(|block| (*page, block))).collect();
    for (page, not_run) in PAGES {
        for (start, _) in not_run {
            assert!(all.iter().any(|(on, block)| *on == page && block.starts_with(start)), "{page}: {start}");
        }
    }
    for (start, _) in LINES {
        assert!(all.iter().any(|(_, block)| block.lines().any(|line| line.starts_with(start))), "{start}");
    }
}
