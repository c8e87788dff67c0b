//! Whole nights: what `install-schedule.sh` installs, run by real cron at the documented hours.

use std::fs;
use std::process::Command;

use pai_tests::rigs::container::DatabaseContainer;
use pai_tests::rigs::engine::{Container, Engine, open_to_all};
use pai_tests::rigs::machine::Machine;
use pai_tests::rigs::mail::Mail;
use pai_tests::rigs::postgres::Postgres;
use pai_tests::{bin_folder, repository, run};

use crate::support::{mode, names};

/// A private machine with the tools under /opt/pai, cron, a mail program and an operator.
struct Host {
    machine: Machine,
    mail: Mail,
}

impl Host {
    fn new() -> Option<Self> {
        let machine = Machine::new().filter(Machine::has_cron)?;
        let mail = Mail::new();
        let (scripts, bin) = (repository().join("scripts"), bin_folder());
        machine.sh(&format!(
            "'{}/install.sh' --prefix /opt/pai --from '{}' && ln -s '{}/mail' /opt/pai/bin/mail && mkdir /etc/pai-tools && \
             echo NOTIFY_MAIL_TO=ops@example.com >/etc/pai-tools/notify.env",
            scripts.display(),
            bin.display(),
            mail.folder().display()
        ))
        .expect(0);
        Some(Self { machine, mail })
    }

    fn schedule(&self, arguments: &str) {
        self.machine.sh(&format!("/opt/pai/libexec/pai-tools/install-schedule.sh {arguments}")).expect(0);
    }

    /// The codex workspace, and its drop-in installed for `user`, with `settings` on top.
    fn codex(&self, user: &str, settings: &str) {
        let inputs = "mkdir -p /opt/Super-Codex-AI/data /opt/Super-Codex-AI/storage/ledger /opt/Super-Codex-AI/storage/annals && \
                      echo audited >/opt/Super-Codex-AI/data/audit.log && echo '{}' >/opt/Super-Codex-AI/storage/ledger/seal.json";
        self.machine
            .sh("getent passwd codex >/dev/null || useradd --system --no-create-home codex")
            .expect(0);
        self.machine
            .sh(&format!("{inputs} && chown -R {user}: /opt/Super-Codex-AI /backups && chmod 700 /backups"))
            .expect(0);
        self.schedule(&format!("cron.d codex-backup --run-as {user}"));
        self.machine.sh(&format!("sed -i '1i {settings}' /etc/cron.d/codex-backup")).expect(0);
    }

    fn text(&self, path: &str) -> String {
        fs::read_to_string(self.machine.path(path)).unwrap_or_default()
    }

    fn told(&self) -> String {
        self.mail.letters().iter().map(|letter| letter.body.clone()).collect::<Vec<_>>().join("\n")
    }

    /// After a good night: dump, capsule, checksums, all private, nobody bothered.
    fn assert_a_good_night(&self, log: &str) {
        let (backups, replays) =
            (self.machine.path("/backups"), self.machine.path("/opt/Super-Codex-AI/storage/replays"));
        let own = self.text("/backups/backup.log");
        let dump =
            names(&backups).into_iter().find(|name| name.starts_with("codexdb_") && name.ends_with(".sql"));
        let dump =
            backups.join(dump.unwrap_or_else(|| panic!("there is a dump\n{own}\n{log}\n{}", self.told())));
        assert!(fs::read_to_string(&dump).expect("readable").contains("PostgreSQL database dump complete"));
        assert_eq!((mode(&dump), mode(&backups)), (0o600, 0o700));
        let capsules: Vec<_> = names(&replays).into_iter().filter(|name| name.ends_with(".zip")).collect();
        assert_eq!(capsules.len(), 1, "{own}\n{log}");
        assert_eq!((mode(&replays.join(&capsules[0])), mode(&replays)), (0o600, 0o700));
        let checked =
            run(Command::new("sha256sum").args(["-c", "checksums.txt"]).current_dir(&replays)).expect(0);
        assert_eq!(checked.stdout, format!("{}: OK\n", capsules[0]));
        for job in ["codex-database", "codex-capsules", "codex-checksums"] {
            assert!(
                own.contains(&format!("{job}: started")) && own.contains(&format!("{job}: done in")),
                "{own}"
            );
        }
        assert_eq!(self.told(), "", "a good night is silent");
        // cron mails whatever a job prints; without a mailer it says so.
        assert!(!log.contains("MTA") && !log.contains("MAIL"), "{log}");
    }
}

/// A database behind the small engine, for jobs of any user.
fn codex_engine() -> Option<(Postgres, Engine)> {
    let postgres = Postgres::start()?;
    postgres.with_ledger("codexdb", 300);
    let engine =
        Engine::start([Container::running("codex_postgres").with_environment(postgres.environment())])?;
    open_to_all(&engine);
    Some((postgres, engine))
}

#[test]
fn row_2_1_row_2_10_the_codex_night_runs_as_its_own_user_and_every_checksum_passes() {
    let (Some(host), Some((_postgres, engine))) = (Host::new(), codex_engine()) else { return };
    host.codex("codex", &format!("DOCKER_HOST={}", engine.host()));

    let log = host.machine.cron("2026-11-22 01:56:00", 36, "UTC").text();

    host.assert_a_good_night(&log);
    let owner = host
        .machine
        .sh("stat -c %U /backups /backups/codexdb_*.sql /opt/Super-Codex-AI/storage/replays/*.zip")
        .expect(0);
    assert_eq!(owner.stdout, "codex\ncodex\ncodex\n");
}

#[test]
fn row_2_3_the_codex_night_runs_against_a_real_container() {
    // The documented name, since the drop-in is tested as it is shipped.
    let (Some(host), Some(_container)) = (Host::new(), DatabaseContainer::start("codex_postgres", 300))
    else {
        return;
    };
    host.codex("root", "DOCKER_HOST=unix:///run/docker.sock");
    let log = host.machine.cron("2026-11-22 01:56:00", 36, "UTC").text();
    host.assert_a_good_night(&log);
}

#[test]
fn a_night_with_the_container_stopped_and_yesterdays_job_still_running_loses_nothing_and_is_told() {
    let (Some(host), Some((_postgres, engine))) = (Host::new(), codex_engine()) else { return };
    host.codex("codex", &format!("DOCKER_HOST={}", engine.host()));
    engine.set_running("codex_postgres", false);
    let yesterday =
        "echo good >/backups/codexdb_2026-11-21.sql; chown codex: /backups/codexdb_2026-11-21.sql";
    host.machine.sh(yesterday).expect(0);
    // The capsule job of last night does not end before tonight's has met it.
    let job = r#"printf '#!/bin/sh\nuntil grep -q "codex-capsules: not started" /backups/backup.log; do sleep 0.1; done\n' >/opt/long
        chmod 755 /opt/long
        echo '@reboot codex flock /opt/Super-Codex-AI/storage/replays/.job.lock /opt/long 2>/dev/null' >/etc/cron.d/yesterday"#;
    host.machine.sh(job).expect(0);

    let log = host.machine.cron("2026-11-22 01:56:00", 20, "UTC").text();

    let own = host.text("/backups/backup.log");
    assert!(own.contains("codex-database: failed: exit 2"), "{own}\n{log}");
    assert!(own.contains("docker start codex_postgres"), "{own}");
    assert!(own.contains("codex-capsules: not started: another run holds"), "{own}\n{log}");
    assert_eq!(host.text("/backups/codexdb_2026-11-21.sql"), "good\n");
    let visible: Vec<_> =
        names(&host.machine.path("/backups")).into_iter().filter(|name| !name.starts_with('.')).collect();
    assert_eq!(visible, ["backup.log", "codexdb_2026-11-21.sql"]);
    let told = host.told();
    assert!(told.contains("codex-database failed on") && told.contains("(exit 2)"), "{told}");
    assert!(told.contains("codex-capsules failed on") && told.contains("(exit 75)"), "{told}");
}

#[test]
fn a_night_with_a_full_disk_leaves_yesterdays_dump_and_is_told() {
    let (Some(host), Some((_postgres, engine))) = (Host::new(), codex_engine()) else { return };
    host.codex("codex", &format!("DOCKER_HOST={}", engine.host()));
    // /backups becomes a small disk that is full but for yesterday's dump; at 02:01 it is looked at.
    let fill = "mount -t tmpfs -o size=24k,mode=777 none /backups; echo good >/backups/codexdb_2026-11-21.sql; \
                cat /dev/zero >/backups/ballast 2>/dev/null";
    fs::write(
        host.machine.path("/etc/cron.d/disk"),
        format!("@reboot root {fill}\n1 2 * * * root (ls /backups; cat /backups/codexdb_*) >/opt/seen\n"),
    )
    .expect("written");

    let log = host.machine.cron("2026-11-22 01:56:00", 7, "UTC").text();

    assert_eq!(host.text("/opt/seen"), "backup.log\nballast\ncodexdb_2026-11-21.sql\ngood\n", "{log}");
    let told = host.told();
    assert!(told.contains("codex-database failed on") && told.contains("free in /backups"), "{told}\n{log}");
}

#[test]
fn row_4_11_the_coachs_night_leaves_a_compressed_copy_of_the_database_that_is_whole() {
    let Some(host) = Host::new() else { return };
    let prepare = "useradd --create-home memo && mkdir -p /home/memo/coach/data /home/memo/coach/logs /home/memo/coach/deployment && cd /home/memo/coach && \
         sqlite3 data/memoai.db 'PRAGMA journal_mode=wal; CREATE TABLE notes (a); INSERT INTO notes VALUES (1), (2)' && \
         echo SQLITE_BACKUP_GZIP=yes >deployment/maintenance.conf && echo 'memory memory' >deployment/health.conf && chown -R memo: /home/memo && \
         sed -e 's|/srv/memo-ai-coach|/home/memo/coach|; s|/usr/local/|/opt/pai/|g' /opt/pai/libexec/pai-tools/cron/memo-ai-coach \
           >/etc/cron.d/memo-ai-coach && /opt/pai/libexec/pai-tools/lint-cron.sh /etc/cron.d/memo-ai-coach";
    if !pai_tests::has("sqlite3") {
        return pai_tests::skip("no sqlite3 (package sqlite3)");
    }
    host.machine.sh(prepare).expect(0);

    let log = host.machine.cron("2026-11-22 01:56:00", 8, "UTC").text();

    let own = host.text("/home/memo/coach/deployment/logs/cron.log");
    assert!(own.contains("memo-maintenance: done in"), "{own}\n{log}");
    let copies = names(&host.machine.path("/home/memo/coach/deployment/backups/sqlite"));
    assert!(copies.len() == 1 && copies[0].ends_with(".db.gz"), "{copies:?}\n{own}");
    let read = format!(
        "gzip -dc /home/memo/coach/deployment/backups/sqlite/{} >/opt/copy.db && sqlite3 /opt/copy.db 'PRAGMA integrity_check; SELECT count(*) FROM notes'",
        copies[0]
    );
    assert_eq!(host.machine.sh(&read).expect(0).stdout, "ok\n2\n");
    assert_eq!(host.told(), "", "a good night is silent");
}

/// A workspace with a memory file, owned by `keeper`.
fn workspace(host: &Host) {
    let memory = "# PAI Memory\n\n## 2024-01-02\n- long ago\n\n## 2024-01-09\n- a week later\n";
    host.machine
        .sh(&format!(
            "useradd --create-home keeper && mkdir -p /home/keeper/pai/projects && printf '{memory}' >/home/keeper/pai/memory.md && \
             echo c >/home/keeper/pai/context.md && chown -R keeper: /home/keeper/pai"
        ))
        .expect(0);
}

#[test]
fn row_0_19a_row_0_19b_row_0_19d_the_jobs_of_etc_cron_d_run_at_their_hours_as_the_workspaces_owner() {
    let Some(host) = Host::new() else { return };
    workspace(&host);
    host.schedule("cron.d --home /home/keeper/pai");
    let mut log = String::new();
    // 2026-11-22 is a Sunday.
    for hour in ["01:56:00", "02:26:00", "02:56:00", "03:26:00"] {
        log += &host.machine.cron(&format!("2026-11-22 {hour}"), 7, "UTC").text();
    }
    let logs = ["backup", "optimize", "checksum", "rotate"]
        .map(|job| host.text(&format!("/home/keeper/pai/logs/{job}-cron.log")));
    for (job, own) in ["pai-backup", "pai-optimize", "pai-checksum", "pai-rotate"].iter().zip(&logs) {
        assert!(own.contains(&format!("{job}: done in")), "{job}: {own}\n{log}\n{}", host.told());
    }
    assert!(
        logs[0].contains("/home/keeper/pai/archive/pai-"),
        "the archive's path is in the cron log: {}",
        logs[0]
    );
    assert!(host.text("/home/keeper/pai/logs/backup.log").contains("Backup finished"));
    assert!(host.text("/home/keeper/pai/logs/optimize_memory.log").contains("Memory optimization complete"));
    let archive = host.machine.path("/home/keeper/pai/archive");
    run(Command::new("sha256sum").args(["-c", "checksums.txt"]).current_dir(&archive)).expect(0);
    let owners = host.machine.sh("find /home/keeper/pai ! -user keeper").expect(0);
    assert_eq!(owners.stdout, "", "everything is the owner's");
    assert!(!log.contains("MTA"), "{log}");
}

#[test]
fn row_0_20_row_0_19c_the_jobs_of_a_users_crontab_run_beside_that_users_other_lines() {
    let Some(host) = Host::new() else { return };
    workspace(&host);
    let foreign = "MAILTO=\"\"\n0 2 * * * touch /home/keeper/mine\n";
    host.machine.sh(&format!("printf '{foreign}' | crontab -u keeper -")).expect(0);
    let install =
        "runuser -u keeper -- /opt/pai/libexec/pai-tools/install-schedule.sh cron --home /home/keeper/pai";
    host.machine.sh(install).expect(0);
    let listed = host.machine.sh("crontab -u keeper -l | grep PAI").expect(0);
    assert!(listed.stdout.lines().any(|line| line.starts_with("0 2 * * * PAI_HOME=")), "{}", listed.stdout);

    let log = host.machine.cron("2026-11-22 01:56:00", 7, "UTC").text();
    assert!(host.machine.path("/home/keeper/mine").exists(), "{log}");
    assert!(
        host.text("/home/keeper/pai/logs/backup-cron.log").contains("/home/keeper/pai/archive/pai-"),
        "{log}"
    );
}

/// The documented line itself, put on one line, with the tool in the script's place.
#[test]
fn row_0_19a_the_documented_line_runs_once_it_is_one_line_and_python_path_does_no_harm() {
    let Some(host) = Host::new() else { return };
    workspace(&host);
    let page = fs::read_to_string(repository().join("docs/scheduling.md")).unwrap();
    assert!(page.contains(
        "`0 2 * * * mkdir -p /home/user/pai/logs && PAI_HOME=/home/user/pai /usr/local/bin/pai-backup >> "
    ));
    // Nothing ran in this workspace before.
    let lines = "0 2 * * * mkdir -p /home/keeper/pai/logs && PAI_HOME=/home/keeper/pai /opt/pai/bin/pai-backup >> /home/keeper/pai/logs/backup-cron.log 2>&1\n\
                 0 2 * * 0 mkdir -p /home/keeper/pai/logs && PAI_HOME=/home/keeper/pai PYTHONPATH=/home/keeper/pai /opt/pai/bin/pai-optimize --window 7 --once >> \
                 /home/keeper/pai/logs/optimize-cron.log 2>&1\n";
    host.machine.sh(&format!("printf '{lines}' | crontab -u keeper -")).expect(0);

    let log = host.machine.cron("2026-11-22 01:56:00", 7, "UTC").text();
    assert!(
        host.text("/home/keeper/pai/logs/backup-cron.log").contains("/home/keeper/pai/archive/pai-"),
        "{log}"
    );
    assert!(
        host.text("/home/keeper/pai/logs/optimize_memory.log").contains("Memory optimization complete"),
        "{log}"
    );
}

#[test]
fn a_job_set_in_the_hour_that_spring_skips_is_run_by_cron_once_right_afterwards() {
    let Some(host) = Host::new() else { return };
    host.machine.sh("echo '30 2 * * * root date >>/opt/ran' >/etc/cron.d/half-past-two").expect(0);
    // In Vienna 2026-03-29 goes from 01:59:59 to 03:00:00.
    let log = host.machine.cron("2026-03-29 01:56:00", 8, "Europe/Vienna").text();
    assert_eq!(host.text("/opt/ran").lines().count(), 1, "{log}");
}
