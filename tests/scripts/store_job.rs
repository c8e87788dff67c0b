//! The nightly archive in a store: the job, its schedule, and how one learns that it stopped.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use pai_tests::rigs::machine::Machine;
use pai_tests::{Outcome, bin_folder, repository, run, scratch};

use crate::shop::Shop;
use crate::support::{path_with, script};

const SECRET: &str = "0123456789secret";
/// Another one, where a setup has it on a command line.
const MACHINES: &str = "9876543210secret";

/// A workspace, a store beside it, and a file with credentials.
struct Night {
    folder: tempfile::TempDir,
}

impl Night {
    fn new() -> Self {
        let this = Self { folder: scratch() };
        for name in ["home", "store"] {
            fs::create_dir(this.folder.path().join(name)).unwrap();
        }
        fs::write(this.folder.path().join("home/memory.md"), "Remember the milk.\n").unwrap();
        this.write_credentials(
            &format!("AWS_SECRET_ACCESS_KEY=\"{SECRET}\"\n# a comment\n\nexport AWS_REGION=here\n"),
            0o600,
        );
        this
    }

    fn write_credentials(&self, text: &str, mode: u32) {
        let path = self.credentials();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn credentials(&self) -> String {
        self.folder.path().join("store.env").display().to_string()
    }

    fn store(&self) -> String {
        self.folder.path().join("store").display().to_string()
    }

    fn job(&self, now: &str, args: &[&str]) -> Command {
        let mut job = script("store-backup.sh");
        job.arg("--home").arg(self.folder.path().join("home")).args(args).arg(self.store());
        job.env("PAI_NOW", now).env("XDG_CACHE_HOME", self.folder.path().join("cache"));
        job
    }

    fn names(&self) -> String {
        let mut list = pai_tests::command(bin_folder().join("pai-backup"));
        list.args(["list", "--names", "--store", &self.store()]);
        // It ends with 2 while there is none.
        run(list.env("XDG_CACHE_HOME", self.folder.path().join("cache"))).stdout
    }
}

#[test]
fn a_night_makes_an_archive_in_the_store_and_retention_takes_what_the_policy_says() {
    let night = Night::new();
    for day in 1..=4 {
        let now = format!("2026-11-0{day}T02:15:00Z");
        let credentials = night.credentials();
        let outcome =
            run(&mut night.job(&now, &["--credentials", &credentials, "--keep", "--keep-last 2"])).expect(0);
        assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""), "cron mails nothing");
    }
    assert_eq!(night.names(), "pai-20261104-021500.tar.gz\npai-20261103-021500.tar.gz\n");
    assert!(!night.folder.path().join("home/archive").exists(), "no archive is left here");
    // A workspace that is gone is told, and takes nothing away.
    fs::remove_file(night.folder.path().join("home/memory.md")).unwrap();
    fs::remove_dir_all(night.folder.path().join("home/logs")).unwrap();
    for day in 5..=7 {
        let now = format!("2026-11-0{day}T02:15:00Z");
        let told = run(&mut night.job(&now, &["--keep", "--keep-last 2"])).expect(1);
        assert!(told.stderr.contains("this archive holds no file"), "{}", told.stderr);
    }
    assert!(night.names().contains("pai-20261104-021500"), "{}", night.names());
}

#[test]
fn a_folder_of_dumps_is_a_workspace() {
    let night = Night::new();
    let dumps = night.folder.path().join("backups");
    fs::create_dir(&dumps).unwrap();
    fs::write(dumps.join("codexdb_20261101.sql"), "-- PostgreSQL database dump complete\n").unwrap();
    let mut job = script("store-backup.sh");
    job.arg("--home").arg(&dumps).args(["--name", "dumps"]).arg(night.store());
    run(job.env("XDG_CACHE_HOME", night.folder.path().join("cache"))).expect(0);
    let mut back = pai_tests::command(bin_folder().join("pai-backup"));
    back.args(["cat", "latest", "codexdb_20261101.sql", "--name", "dumps", "--store", &night.store()]);
    let back = run(back.env("XDG_CACHE_HOME", night.folder.path().join("cache"))).expect(0);
    assert_eq!(back.stdout, "-- PostgreSQL database dump complete\n");
}

#[test]
fn the_backups_of_the_stack_come_back_from_a_store_as_good_as_they_were() {
    let Some(shop) = Shop::open() else { return };
    let backup = shop.backup();
    let night = Night::new();
    let path = |name: &str| night.folder.path().join(name);
    let mut job = script("store-backup.sh");
    job.arg("--home").arg(backup.parent().unwrap()).args(["--name", "stack"]).arg(night.store());
    run(job.env("XDG_CACHE_HOME", path("cache"))).expect(0);
    let mut restore = pai_tests::command(bin_folder().join("pai-backup"));
    restore.args(["restore", "-q", "latest", "--name", "stack", "--store", &night.store(), "--target"]);
    run(restore.arg(path("back")).env("XDG_CACHE_HOME", path("cache"))).expect(0);
    let back = path("back").join(backup.file_name().unwrap());
    let verified = shop.run("verify-backup.sh", &[back.to_str().unwrap()]).expect(0);
    assert!(verified.stdout.ends_with(": OK\n"), "{}", verified.stdout);
}

#[test]
fn a_night_is_encrypted_for_the_recipients_of_the_job_and_needs_no_identity() {
    let night = Night::new();
    let path = |name: &str| night.folder.path().join(name).display().to_string();
    let pai = |args: &[&str]| {
        let mut pai = pai_tests::command(bin_folder().join("pai-backup"));
        run(pai.args(args).env("XDG_CACHE_HOME", path("reader")).env("XDG_STATE_HOME", path("reader")))
    };
    let first = pai(&["key", "new", "-q", &path("first")]).expect(0).stdout;
    let second = pai(&["key", "new", "-q", &path("second")]).expect(0).stdout;
    fs::write(path("recipients.txt"), &first).unwrap();
    let send = |now: &str, args: &[&str]| {
        let state = path("state");
        run(night.job(now, args).env("XDG_STATE_HOME", state)).expect(0)
    };
    let both = ["--recipients-file", &path("recipients.txt"), "--recipient", second.trim()];
    let told = send("2026-11-01T02:15:00Z", &both);
    assert!(told.stderr.contains("nobody has tried yet"), "{}", told.stderr);
    assert!(!told.stderr.contains("AGE-SECRET"), "{}", told.stderr);
    assert_eq!(send("2026-11-02T02:15:00Z", &both).stderr, "", "once a month");
    for identity in ["first", "second"] {
        let args = ["cat", "latest", "memory.md", "--store", &night.store(), "--identity", &path(identity)];
        assert_eq!(pai(&args).expect(0).stdout, "Remember the milk.\n");
    }
    pai(&["verify", "--store", &night.store(), "--identity", &path("second")]).expect(0);
    fs::remove_dir_all(path("state")).unwrap();
    assert_eq!(send("2026-12-05T02:15:00Z", &both).stderr, "", "it was tried, elsewhere");
}

#[test]
fn credentials_that_others_could_read_are_refused_and_never_shown() {
    let night = Night::new();
    let now = "2026-11-01T02:15:00Z";
    let job =
        |args: &[&str]| run(&mut night.job(now, &[&["--credentials", &night.credentials()], args].concat()));
    for mode in [0o640, 0o604, 0o660] {
        night.write_credentials(&format!("AWS_SECRET_ACCESS_KEY={SECRET}\n"), mode);
        let refused = job(&[]).expect(2);
        assert!(refused.stderr.contains("chmod 600"), "{}", refused.stderr);
    }
    night.write_credentials(&format!("AWS_REGION=x\n$(touch /tmp/run) {SECRET}\n"), 0o600);
    let refused = job(&[]).expect(2);
    assert!(refused.stderr.contains("line 2 is not NAME=VALUE"), "{}", refused.stderr);
    assert!(!refused.stderr.contains(SECRET), "{}", refused.stderr);
    fs::remove_file(night.credentials()).unwrap();
    assert!(job(&[]).expect(2).stderr.contains("no file"));
    assert_eq!(night.names(), "");
}

#[test]
fn credentials_reach_the_tool_in_its_environment_and_in_no_command_line() {
    let night = Night::new();
    let bin = night.folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let fake = "#!/bin/sh\nprintf '%s|' \"$AWS_SECRET_ACCESS_KEY\" \"$AWS_REGION\" >&2\n\
                printf %s \"$AWS_SECRET_ACCESS_KEY\" >\"$0.secret\"\n\
                cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c -f \"$0.secret\" >&2\n";
    fs::write(bin.join("pai-backup"), fake).unwrap();
    fs::set_permissions(bin.join("pai-backup"), fs::Permissions::from_mode(0o755)).unwrap();
    let run_with = |job: &mut Command| run(job.env("PATH", path_with(&[&bin])));
    let expected = format!("{SECRET}|here|0\n");
    let by_file = night.credentials();
    let mut job = night.job("2026-11-01T02:15:00Z", &["--credentials", &by_file]);
    // grep -c finds none, and says so by its status, too.
    assert_eq!(run_with(&mut job).expect(1).stderr, expected);
    let mut job = night.job("2026-11-01T02:15:00Z", &[]);
    assert_eq!(run_with(job.env("CREDENTIALS_DIRECTORY", night.folder.path())).expect(1).stderr, expected);
}

#[test]
fn an_archive_in_the_store_that_grows_old_is_a_finding_of_the_health_check() {
    let night = Night::new();
    let health = |now: &str, options: &str| -> Outcome {
        let config = night.folder.path().join("health.conf");
        fs::write(&config, format!("store offsite store={} {options}\n", night.store())).unwrap();
        let mut check = script("health-check.sh");
        check.arg("--config").arg(&config).env("STACK_HOME", night.folder.path());
        check.env("STATE_DIR", night.folder.path()).env("XDG_CACHE_HOME", night.folder.path().join("cache"));
        run(check.env("PAI_NOW", now))
    };
    let none = health("2026-11-01T08:00:00Z", "").expect(1);
    assert!(none.stdout.contains("there is no archive"), "{}{}", none.stdout, none.stderr);
    run(&mut night.job("2026-11-01T02:15:00Z", &[])).expect(0);
    let good = health("2026-11-02T08:00:00Z", &format!("credentials={}", night.credentials())).expect(0);
    assert!(good.stdout.contains("younger than 30h"), "{}", good.stdout);
    let stale = health("2026-11-02T09:00:00Z", "").expect(0);
    assert!(stale.stdout.contains("warning") && stale.stdout.contains("too old"), "{}", stale.stdout);
    let old = health("2026-11-03T09:00:00Z", "").expect(1);
    assert!(old.stdout.contains("the newest archive is too old"), "{}", old.stdout);
    health("2026-11-02T08:00:00Z", "maxage=30h").expect(1);
}

/// A private machine with the tools, a workspace of keeper's, a store on a disk, and credentials.
fn machine() -> Option<Machine> {
    let machine = Machine::new()?;
    let setup = format!(
        "'{}/install.sh' --prefix /opt/pai --from '{}' && useradd --create-home keeper && \
         install -d -o keeper /home/keeper/pai /home/keeper/.config /home/keeper/.config/pai /home/keeper/store && \
         echo precious >/home/keeper/pai/memory.md && \
         echo AWS_SECRET_ACCESS_KEY={MACHINES} >/home/keeper/.config/pai/store.env && \
         chown keeper /home/keeper/.config/pai/store.env && chmod 600 /home/keeper/.config/pai/store.env",
        repository().join("scripts").display(),
        bin_folder().display()
    );
    machine.sh(&setup).expect(0);
    Some(machine)
}

fn read(machine: &Machine, path: &str) -> String {
    fs::read_to_string(machine.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn the_schedule_of_cron_sends_the_workspace_into_the_store() {
    let Some(machine) = machine() else { return };
    let install = "/opt/pai/libexec/pai-tools/install-schedule.sh cron.d --home /home/keeper/pai --store";
    machine.sh(&format!("{install} /home/keeper/store")).expect(0);
    let file = read(&machine, "/etc/cron.d/pai-maintenance");
    assert!(!file.contains(MACHINES));
    let line = file.lines().last().expect("a line");
    assert!(
        line.starts_with(
            "15 2 * * * keeper PAI_HOME=\"/home/keeper/pai\" /opt/pai/libexec/pai-tools/run-job.sh"
        ),
        "{line}"
    );
    let end = "store-backup.sh --credentials \"/home/keeper/.config/pai/store.env\" \"/home/keeper/store\"";
    assert!(line.ends_with(end), "{line}");
    assert!(
        machine.sh(&format!("{install} /home/keeper/store")).expect(0).stdout.contains("nothing to change")
    );
    // The line is what cron would run.
    let command = line.splitn(7, ' ').last().expect("a command");
    machine
        .sh(&format!("runuser -u keeper -- env -i HOME=/home/keeper PATH=/usr/bin:/bin sh -c '{command}'"))
        .expect(0);
    let listed = machine.sh("/opt/pai/bin/pai-backup list --names --store /home/keeper/store").expect(0);
    assert_eq!(listed.stdout.lines().count(), 1, "{}", listed.stderr);
    let log = read(&machine, "/home/keeper/pai/logs/store-cron.log");
    assert!(log.contains("pai-store: done in") && !log.contains(MACHINES), "{log}");

    machine.sh("chmod 640 /home/keeper/.config/pai/store.env").expect(0);
    let refused = machine.sh(&format!("{install} /home/keeper/store")).expect(2);
    assert!(refused.stderr.contains("chmod 600 /home/keeper/.config/pai/store.env"), "{}", refused.stderr);
    machine
        .sh("chmod 600 /home/keeper/.config/pai/store.env; chown bin /home/keeper/.config/pai/store.env")
        .expect(0);
    let refused = machine.sh(&format!("{install} /home/keeper/store")).expect(2);
    assert!(refused.stderr.contains("belongs to bin, not to keeper root"), "{}", refused.stderr);
    machine.sh("rm /home/keeper/.config/pai/store.env").expect(0);
    let refused = machine.sh(&format!("{install} s3://bucket/box")).expect(2);
    assert!(refused.stderr.contains("no credentials for s3://bucket/box"), "{}", refused.stderr);
    for (store, why) in
        [("store", "no store of a job"), ("/not/there", "the store is not there"), ("s3://b/50%", "misread")]
    {
        let refused = machine.sh(&format!("{install} '{store}'")).expect(2);
        assert!(refused.stderr.contains(why), "{store}: {}", refused.stderr);
    }
    assert_eq!(read(&machine, "/etc/cron.d/pai-maintenance"), file, "nothing was changed meanwhile");
}

#[test]
fn the_schedule_encrypts_for_the_recipients_it_was_given_until_the_store_is_another() {
    let Some(machine) = machine() else { return };
    let setup = "/opt/pai/bin/pai-backup key new -q /opt/key >/home/keeper/.config/pai/recipients.txt && \
                 chmod 644 /home/keeper/.config/pai/recipients.txt";
    machine.sh(setup).expect(0);
    let recipient = read(&machine, "/home/keeper/.config/pai/recipients.txt");
    let install = "/opt/pai/libexec/pai-tools/install-schedule.sh cron.d --home /home/keeper/pai";
    let file = "--recipients-file /home/keeper/.config/pai/recipients.txt";
    machine.sh(&format!("{install} --store /home/keeper/store {file}")).expect(0);
    let last = || read(&machine, "/etc/cron.d/pai-maintenance").lines().last().expect("a line").to_owned();
    let line = last();
    assert!(
        line.contains("store-backup.sh --recipients-file \"/home/keeper/.config/pai/recipients.txt\" --cred"),
        "{line}"
    );
    let command = line.splitn(7, ' ').last().expect("a command");
    machine
        .sh(&format!("runuser -u keeper -- env -i HOME=/home/keeper PATH=/usr/bin:/bin sh -c '{command}'"))
        .expect(0);
    let listed = machine.sh("ls /home/keeper/store/archives").expect(0);
    assert!(listed.stdout.contains(".list.gz.age"), "{}", listed.stdout);
    // Not given again, they hold: for the same store.
    machine.sh(install).expect(0);
    machine.sh(&format!("{install} --store /home/keeper/store")).expect(0);
    assert_eq!(last(), line);
    let unit = "/opt/pai/libexec/pai-tools/install-schedule.sh systemd --home /home/keeper/pai";
    machine.sh(&format!("{unit} --store s3://bucket/box --recipient {}", recipient.trim())).expect(0);
    let service = read(&machine, "/etc/systemd/system/pai-store.service");
    let start = format!("store-backup.sh --recipient \"{}\" \"s3://bucket/box\"\n", recipient.trim());
    assert!(service.contains(&start) && service.contains("StateDirectory=pai-backup\n"), "{service}");
    machine.sh(&format!("mkdir -m 777 /home/keeper/other && {install} --store /home/keeper/other")).expect(0);
    assert!(!last().contains("recipient"), "{}", last());

    let refused = |args: &str, setup: &str| {
        machine.sh(setup).expect(0);
        machine.sh(&format!("{install} --store /home/keeper/store {args}")).expect(2).stderr
    };
    for (args, setup, why) in [
        (file, "chmod 666 /home/keeper/.config/pai/recipients.txt", "and so read the next archive"),
        (
            file,
            "chmod 644 /home/keeper/.config/pai/recipients.txt; chown bin /home/keeper/.config/pai/recipients.txt",
            "belongs to bin",
        ),
        ("--recipients-file /opt/key", "true", "has an identity in it"),
        ("--recipients-file /not/there", "true", "no file /not/there"),
        ("--recipients-file recipients.txt", "true", "does not start with /"),
        ("--recipient AGE-SECRET-KEY-1X", "true", "begins with neither"),
    ] {
        let said = refused(args, setup);
        assert!(said.contains(why) && !said.contains("SECRET"), "{args}: {said}");
    }
    assert!(machine.sh(&format!("{unit} --remove")).expect(0).stderr.is_empty());
}

#[test]
fn the_schedule_of_systemd_passes_the_credentials_on_and_shows_them_nowhere() {
    let Some(machine) = machine() else { return };
    let install = "/opt/pai/libexec/pai-tools/install-schedule.sh systemd --home /home/keeper/pai";
    machine.sh(&format!("{install} --store s3://bucket/box")).expect(0);
    let unit = read(&machine, "/etc/systemd/system/pai-store.service");
    assert!(unit.contains("LoadCredential=store.env:/home/keeper/.config/pai/store.env\n"), "{unit}");
    assert!(
        unit.contains("ExecStart=/opt/pai/libexec/pai-tools/store-backup.sh \"s3://bucket/box\"\n"),
        "{unit}"
    );
    assert!(unit.contains("User=keeper\n") && !unit.contains(MACHINES), "{unit}");
    assert!(Path::new(&machine.path("/etc/systemd/system/pai-store.timer")).is_file());
    // A folder needs no credentials, and must be writable.
    machine
        .sh(&format!("rm /home/keeper/.config/pai/store.env; {install} --store /home/keeper/store"))
        .expect(0);
    let unit = read(&machine, "/etc/systemd/system/pai-store.service");
    assert!(unit.contains("ReadWritePaths=\"/home/keeper/pai\" \"/home/keeper/store\"\n"), "{unit}");
    assert!(!unit.contains("LoadCredential="), "{unit}");
    machine.sh("/opt/pai/libexec/pai-tools/install-schedule.sh systemd --remove").expect(0);
    assert!(!machine.path("/etc/systemd/system/pai-store.service").exists());
}
