//! `run-job.sh` and `notify.sh`: one at a time, logged, silent on success, and somebody is told of a failure.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use pai_tests::rigs::http::{Answer, Http, refusing_url};
use pai_tests::rigs::machine::Machine;
use pai_tests::rigs::mail::Mail;
use pai_tests::{run, run_with_input, scratch, wait_until};

use crate::support::{mode, path_with, script};

fn job(folder: &Path) -> Command {
    let mut job = script("run-job.sh");
    job.arg("--lock").arg(folder.join("logs/.lock")).arg("--log").arg(folder.join("logs/job.log"));
    job
}

fn log(folder: &Path) -> String {
    fs::read_to_string(folder.join("logs/job.log")).expect("the job has a log")
}

#[test]
fn a_job_that_succeeds_says_nothing_and_leaves_its_output_in_a_private_log() {
    let folder = scratch();
    let outcome = run(job(folder.path()).args(["nightly", "--", "echo", "archive.tar.gz"])).expect(0);

    assert_eq!((outcome.stdout.as_str(), outcome.stderr.as_str()), ("", ""));
    let log = log(folder.path());
    let lines: Vec<_> = log.lines().collect();
    assert!(lines[0].ends_with("nightly: started") && lines[2].contains("nightly: done in"), "{log}");
    assert_eq!(lines[1], "archive.tar.gz");
    assert_eq!(mode(&folder.path().join("logs/job.log")), 0o600);
    assert_eq!(mode(&folder.path().join("logs")), 0o700);
}

#[test]
fn row_2_17b_a_failed_job_keeps_its_status_and_mail_webhook_and_ping_get_the_end_of_its_log() {
    let (folder, mail, http) = (scratch(), Mail::new(), Http::start());
    http.answer("/hook", Answer::new(200, ""));
    http.answer("/ping/nightly/3", Answer::new(200, ""));
    let outcome = run(job(folder.path())
        .env("PATH", path_with(&[mail.folder()]))
        .env("NOTIFY_MAIL_TO", "ops@example.com")
        .env("NOTIFY_WEBHOOK_URL", http.url("/hook"))
        .env("NOTIFY_PING_URL", http.url("/ping/{job}"))
        .args(["nightly", "--", "sh", "-c", "echo 'disk is \"full\"' >&2; exit 3"]))
    .expect(3);

    assert!(
        outcome.stderr.contains("nightly: failed: exit 3") && outcome.stderr.contains("disk is"),
        "{}",
        outcome.stderr
    );
    let letters = mail.letters();
    assert_eq!(letters.len(), 1);
    assert!(letters[0].arguments[1].contains("nightly failed on"), "{:?}", letters[0]);
    assert_eq!(letters[0].arguments.last().map(String::as_str), Some("ops@example.com"));
    assert!(letters[0].body.contains("disk is \"full\""));
    let requests = http.requests();
    let sent = requests.iter().find(|request| request.path == "/hook").expect("the webhook is called");
    let sent: serde_json::Value = serde_json::from_slice(&sent.body).expect("the webhook gets JSON");
    assert_eq!(
        (&sent["job"], &sent["event"], &sent["status"]),
        (&"nightly".into(), &"fail".into(), &3.into())
    );
    assert!(sent["output"].as_str().is_some_and(|text| text.contains("disk is \"full\"")));
    assert_eq!(http.count("/ping/nightly/3"), 1);
}

#[test]
fn success_is_pinged_but_not_mailed_and_start_only_when_asked_for() {
    let (folder, mail, http) = (scratch(), Mail::new(), Http::start());
    let configured = |on: &str| {
        let mut job = job(folder.path());
        job.env("PATH", path_with(&[mail.folder()])).env("NOTIFY_MAIL_TO", "ops@example.com");
        job.env("NOTIFY_PING_URL", http.url("/ping/")).env("NOTIFY_ON", on).args(["nightly", "--", "true"]);
        job
    };
    for path in ["/ping", "/ping/start"] {
        http.answer(path, Answer::new(200, ""));
    }

    run(&mut configured("fail")).expect(0);
    assert_eq!((http.count("/ping"), http.count("/ping/start"), mail.letters().len()), (1, 0, 0));
    run(&mut configured("start success fail")).expect(0);
    assert_eq!((http.count("/ping"), http.count("/ping/start"), mail.letters().len()), (2, 1, 2));
}

#[test]
fn a_notification_that_fails_is_a_line_in_the_log_and_not_the_jobs_failure() {
    let (folder, mail) = (scratch(), Mail::with("exit 1"));
    run(job(folder.path())
        .env("PATH", path_with(&[mail.folder()]))
        .env("NOTIFY_ON", "success")
        .env("NOTIFY_MAIL_TO", "ops@example.com")
        .env("NOTIFY_PING_URL", refusing_url())
        .args(["nightly", "--", "true"]))
    .expect(0);
    let log = log(folder.path());
    assert!(log.contains("could not send the mail") && log.contains("could not send the ping"), "{log}");
}

#[test]
fn a_ping_that_hangs_holds_up_neither_the_start_of_the_job_nor_the_next_run() {
    let (folder, http) = (scratch(), Http::start());
    http.answer("/ping/start", Answer::hanging());
    http.answer("/ping", Answer::hanging());
    let mut first = job(folder.path())
        .env("NOTIFY_ON", "start")
        .env("NOTIFY_TIMEOUT", "60")
        .env("NOTIFY_PING_URL", http.url("/ping"))
        .args(["nightly", "--", "touch"])
        .arg(folder.path().join("ran"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the job starts");
    // The job's work is done while its first ping hangs, and its lock is free again.
    wait_until("the job ends though its ping hangs", || {
        folder.path().join("ran").exists()
            && run(job(folder.path()).args(["again", "--", "true"])).status == Some(0)
    });
    assert_eq!(first.try_wait().expect("it can be asked"), None, "the ping still hangs");
    first.kill().expect("it is ours to end");
    first.wait().expect("it ends");
}

#[test]
fn a_second_run_ends_with_75_does_nothing_and_the_operator_is_told() {
    let (folder, mail) = (scratch(), Mail::new());
    let mut first = job(folder.path())
        .args(["first", "--", "sh", "-c", "echo running; read line || true"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the first job starts");
    wait_until("the first job runs", || {
        fs::read_to_string(folder.path().join("logs/job.log")).is_ok_and(|log| log.contains("running"))
    });
    let second = run(job(folder.path())
        .env("PATH", path_with(&[mail.folder()]))
        .env("NOTIFY_MAIL_TO", "ops@example.com")
        .args(["second", "--", "touch"])
        .arg(folder.path().join("ran")))
    .expect(75);
    drop(first.stdin.take());
    first.wait().expect("the first job ends");

    assert!(second.stderr.contains("second: not started: another run holds"), "{}", second.stderr);
    assert!(!folder.path().join("ran").exists());
    assert_eq!(mail.letters().len(), 1);
    run(job(folder.path()).args(["third", "--", "true"])).expect(0);
}

#[test]
fn a_full_disk_stops_the_log_but_not_the_telling() {
    let Some(machine) = Machine::new() else { return };
    let mail = Mail::new();
    let line = format!(
        "mkdir /opt/full && mount -t tmpfs -o size=16k none /opt/full && PATH='{path}' && export NOTIFY_MAIL_TO=a@b HOME=/ && \
         (head -c 1M /dev/zero >/opt/full/ballast || true) && \
         run-job.sh --log /opt/full/job.log nightly -- sh -c 'echo the reason; exit 4'",
        path = path_with(&[mail.folder()]).display()
    );
    let outcome = machine.sh(&line).expect(4);
    assert!(outcome.stderr.contains("the reason"), "{}", outcome.stderr);
    assert!(mail.letters().iter().any(|letter| letter.body.contains("the reason")), "{}", outcome.stderr);
}

#[test]
fn configuration_is_read_from_a_private_file_never_run_and_addresses_stay_secret() {
    let (folder, http) = (scratch(), Http::start());
    http.answer("/secret-path/7", Answer::new(200, ""));
    let file = folder.path().join("notify.env");
    fs::write(&file, format!("NOTIFY_PING_URL={}\nX=$(touch {0}/canary)\n", http.url("/secret-path")))
        .expect("written");
    let mut notify = script("notify.sh");
    notify.env("NOTIFY_CONFIG", &file).args(["--status", "7", "fail", "nightly"]);
    let body = b"could not reach postgres://codex:hunter2@db\nPGPASSWORD=hunter2 token: hunter2\n";
    run_with_input(&mut notify, body).expect(0);

    let requests = http.requests();
    assert_eq!(requests.len(), 1);
    assert!(
        requests[0].text().contains("could not reach postgres://codex:***@db")
            && !requests[0].text().contains("hunter2")
    );
    assert!(!folder.path().join("canary").exists());

    http.answer("/secret-path/7", Answer::new(500, ""));
    let failed = run_with_input(&mut notify, body).expect(1);
    assert!(
        failed.stderr.contains("could not send the ping") && !failed.stderr.contains("secret-path"),
        "{}",
        failed.stderr
    );
}

#[test]
fn a_configuration_that_must_not_be_read_is_told_and_not_taken_for_none() {
    let folder = scratch();
    let file = folder.path().join("notify.env");
    fs::write(&file, "NOTIFY_MAIL_TO=mallory@example.com\n").expect("written");
    run(Command::new("chmod").arg("666").arg(&file)).expect(0);
    let outcome =
        run(job(folder.path()).env("NOTIFY_CONFIG", &file).args(["nightly", "--", "false"])).expect(1);
    assert!(outcome.stderr.contains("nightly: failed: exit 1"), "{}", outcome.stderr);
    assert!(log(folder.path()).contains("others can write it"), "{}", log(folder.path()));
}

#[test]
fn a_workspace_that_is_gone_is_a_failure_that_is_told() {
    let mail = Mail::new();
    let mut job = job(Path::new("/proc/no/such/workspace"));
    job.env("PATH", path_with(&[mail.folder()]))
        .env("NOTIFY_MAIL_TO", "ops@example.com")
        .args(["nightly", "--", "true"]);
    let outcome = run(&mut job).expect(2);
    assert!(outcome.stderr.contains("could not open the lock /proc/no/such/workspace"), "{}", outcome.stderr);
    assert_eq!(mail.letters().len(), 1);
}
