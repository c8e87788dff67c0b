//! `auto-restart`: a real service, really killed, stopped and restarted.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use pai_tests::rigs::http::{Answer, Http, port_for_later};
use pai_tests::rigs::mail::Mail;
use pai_tests::{Outcome, command, has, run, skip, wait_until};

use crate::stack::Stack;

/// A web server that says on /health that it is well; its process id is in the file `pid`.
const SERVER: &str = "import http.server, os
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'{\"status\": \"healthy\"}' if self.path == '/health' else b''
        self.send_response(200 if body else 404)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.HTTPServer.allow_reuse_address = True
server = http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Answer)
open('pid', 'w').write(str(os.getpid()))
server.serve_forever()
";

/// A stack with that service; its processes end when dropped.
struct Service {
    stack: Stack,
    port: u16,
    settings: String,
    mail: Mail,
}

impl Service {
    fn new() -> Option<Self> {
        if !has("python3") {
            skip("no python3");
            return None;
        }
        let port = port_for_later();
        let stack = Stack::new();
        stack.write("server.py", SERVER);
        // As a service manager would: the old one goes, the new one outlives the command.
        stack.write(
            "restart.sh",
            "echo restart >>restarts\nkill -9 $(cat pid) 2>/dev/null\npython3 server.py &\n",
        );
        let mut settings =
            String::from("RESTART_NAME=api\nRESTART_BACKOFF=60s\nRESTART_GRACE=0s\nRESTART_RECOVERY=20s\n");
        writeln!(settings, "RESTART_CHECK=http api http://127.0.0.1:{port}/health").unwrap();
        let restart = format!("cd {} && bash restart.sh", stack.home().display());
        writeln!(settings, "RESTART_COMMAND={restart}\nRESTART_PIDS=cat {}/pid", stack.home().display())
            .unwrap();
        Some(Self { stack, port, settings, mail: Mail::new() })
    }

    fn script(&self) -> Command {
        self.stack.settings(&self.settings);
        let mut script = self.stack.script_with("tasks/auto-restart.sh", &[self.mail.folder()]);
        script
            .env("PORT", self.port.to_string())
            .env("CHECK_TIMEOUT", "2")
            .env("NOTIFY_MAIL_TO", "ops@example.com");
        script
    }

    /// One sample with settings of its own.
    fn sample(&self, settings: &[(&str, &str)]) -> Outcome {
        run(self.script().envs(settings.iter().copied()))
    }

    fn started(self) -> Self {
        run(command("bash")
            .args(["-c", "python3 server.py >/dev/null 2>&1 &"])
            .env("PORT", self.port.to_string())
            .current_dir(self.stack.home()))
        .expect(0);
        wait_until("the server starts", || !self.pid().is_empty());
        self
    }

    fn pid(&self) -> String {
        fs::read_to_string(self.stack.path("pid")).unwrap_or_default()
    }

    fn signal(&self, signal: &str) {
        run(command("kill").args([signal, &self.pid()]));
    }

    fn restarts(&self) -> usize {
        fs::read_to_string(self.stack.path("restarts")).unwrap_or_default().lines().count()
    }

    fn mails(&self) -> Vec<String> {
        let mut subjects: Vec<String> =
            self.mail.letters().iter().map(|letter| letter.arguments[1].clone()).collect();
        subjects.sort();
        subjects
    }

    fn state(&self, text: &str) {
        let unnamed = ["failures", "attempts", "last_restart", "latched", "well_since", "ill_since"]
            .iter()
            .filter(|key| !text.contains(&format!("{key}=")))
            .fold(String::new(), |text, key| text + key + "=0\n");
        self.stack.write("deployment/logs/state/auto-restart-api", &format!("{unnamed}{text}\n"));
    }

    fn read_state(&self) -> String {
        self.stack.read("deployment/logs/state/auto-restart-api")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.signal("-KILL");
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

#[test]
fn row_3_4_a_dead_service_is_restarted_after_three_bad_samples_in_a_row_and_seen_to_come_back() {
    let Some(service) = Service::new().map(Service::started) else { return };
    service.sample(&[]).expect(0);
    service.signal("-KILL");
    for n in 1..=2 {
        let bad = service.sample(&[]).expect(1);
        assert!(bad.stderr.contains(&format!("(bad sample {n} of 3)")), "{}", bad.stderr);
        assert!(bad.stderr.contains("connection refused; it has no process"), "{}", bad.stderr);
    }
    assert_eq!((service.restarts(), service.mails()), (0, vec![]));
    let dry = run(service.script().arg("--dry-run")).expect(1);
    assert!(dry.stdout.contains("would run: bash -c") && service.restarts() == 0, "{}", dry.stdout);

    let third = service.sample(&[]).expect(0);
    assert!(third.stdout.contains("api: well again after"), "{}", third.stdout);
    assert_eq!(service.restarts(), 1);
    assert!(service.mails()[0].starts_with("auto-restart-api works again on"), "{:?}", service.mails());
    let action: serde_json::Value =
        serde_json::from_str(service.stack.read("deployment/logs/actions.jsonl").trim_end()).unwrap();
    assert_eq!((action["action"].as_str(), action["result"].as_str()), (Some("restart"), Some("ok")));
    // The new process holds no lock of ours, and lives on.
    assert!(service.sample(&[]).expect(0).stdout.contains("api: well"));
}

#[test]
fn row_3_4_a_hanging_service_is_ill_and_one_good_sample_begins_the_count_anew() {
    let Some(service) = Service::new().map(Service::started) else { return };
    let twice = [("RESTART_AFTER", "2")];
    service.signal("-STOP");
    let bad = service.sample(&twice).expect(1);
    assert!(bad.stderr.contains("no answer within 2 s (bad sample 1 of 2)"), "{}", bad.stderr);
    service.signal("-CONT");
    service.sample(&twice).expect(0);
    service.signal("-STOP");
    let bad = service.sample(&twice).expect(1);
    assert!(bad.stderr.contains("(bad sample 1 of 2)"), "{}", bad.stderr);
    service.sample(&twice).expect(0);
    assert_eq!(service.restarts(), 1);
}

#[test]
fn row_3_4_a_restart_that_does_not_help_is_told_and_the_next_one_waits_twice_as_long_each_time() {
    let Some(service) = Service::new() else { return };
    let hopeless =
        [("RESTART_COMMAND", "echo tried; exit 3"), ("RESTART_RECOVERY", "1s"), ("RESTART_AFTER", "1")];
    let failed = service.sample(&hopeless).expect(1);
    assert!(
        failed.stderr.contains("still ill: RESTART_COMMAND: exit 3; connection refused"),
        "{}",
        failed.stderr
    );
    assert!(service.mails()[0].starts_with("auto-restart-api failed on"), "{:?}", service.mails());
    assert!(service.stack.read("deployment/logs/auto-restart-api.log").contains("tried"));
    assert!(service.stack.read("deployment/logs/actions.jsonl").contains("\"result\":\"failed\""));
    let waiting = service.sample(&hopeless).expect(1);
    assert!(waiting.stderr.contains("next restart not before"), "{}", waiting.stderr);

    // After the third: 60 s, 120 s, 240 s.
    for (ago, again) in [(230, false), (250, true)] {
        let last = now() - ago;
        service.state(&format!("attempts=3\nlast_restart={last}\nrestarts={last}"));
        let outcome = service.sample(&hopeless).expect(1);
        assert_eq!(outcome.stderr.contains("still ill"), again, "{ago}: {}", outcome.stderr);
    }
    // A limit ends the doubling.
    service.state(&format!("attempts=60\nlast_restart={}\nrestarts=", now() - 3700));
    assert!(service.sample(&hopeless).expect(1).stderr.contains("still ill"));
}

#[test]
fn row_3_4_after_three_restarts_within_an_hour_it_gives_up_tells_once_and_stays_so() {
    let Some(service) = Service::new() else { return };
    let once = [("RESTART_AFTER", "1")];
    let (early, late) = (now() - 3000, now() - 600);
    service.state(&format!("attempts=3\nlast_restart={late}\nrestarts={early} {} {late}", early + 60));
    let given_up = service.sample(&once).expect(1);
    assert!(given_up.stderr.contains("given up after 3 restarts within an hour"), "{}", given_up.stderr);
    for _ in 0..2 {
        assert!(service.sample(&once).expect(1).stderr.contains("--reset begins anew"));
    }
    assert_eq!((service.restarts(), service.mails().len()), (0, 1), "{:?}", service.mails());
    // Not even when the hour is over.
    service.state(&format!("attempts=3\nlast_restart={0}\nrestarts=\nlatched={0}", now() - 9000));
    service.sample(&once).expect(1);
    assert_eq!(service.restarts(), 0);

    run(service.script().envs(once).arg("--reset")).expect(0);
    assert_eq!(service.restarts(), 1);
    // Well for long enough: the latch opens by itself.
    service.state(&format!("attempts=3\nlatched=1\nwell_since={}\nrestarts=", now() - 4000));
    service.sample(&once).expect(0);
    assert!(service.read_state().contains("attempts=0\n") && service.read_state().contains("latched=0\n"));
}

#[test]
fn row_3_4_nothing_is_counted_shortly_after_a_start_but_that_excuse_ends() {
    let Some(service) = Service::new().map(Service::started) else { return };
    let ill = format!("http api http://127.0.0.1:{}/nothing", service.port);
    let settings = [("RESTART_CHECK", ill.as_str()), ("RESTART_GRACE", "600s"), ("RESTART_AFTER", "1")];
    let young = service.sample(&settings).expect(0);
    assert!(young.stderr.contains("(it was just started: not counted)"), "{}", young.stderr);
    // Somebody else starts it again and again: it is always young.
    service.state(&format!("ill_since={}\nrestarts=", now() - 1801));
    assert!(service.sample(&settings).expect(1).stderr.contains("status 404"));
    assert_eq!(service.restarts(), 1);
    // Our own restart a minute ago.
    service.state(&format!("attempts=1\nlast_restart={}\nrestarts=\nill_since=1", now() - 60));
    service.sample(&settings).expect(0);
    assert_eq!(service.restarts(), 1);
}

#[test]
fn row_3_4_memory_and_processor_have_limits() {
    let Some(service) = Service::new().map(Service::started) else { return };
    let cases = [
        ("RESTART_MAX_RSS", "1M", Some("resident memory ")),
        ("RESTART_MAX_RSS", "2G", None),
        ("RESTART_MAX_RSS", "80%", None),
        ("RESTART_MAX_CPU", "50%", None),
        ("RESTART_MAX_MEMORY", "0%", Some("memory of the machine in percent ")),
        ("RESTART_MAX_MEMORY", "100%", None),
    ];
    for (key, value, illness) in cases {
        let outcome = service.sample(&[(key, value)]);
        assert_eq!(outcome.status, Some(i32::from(illness.is_some())), "{key}={value}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(illness.unwrap_or_default()), "{key}={value}: {}", outcome.stderr);
    }
    // Busy and well: only its use of the processor is too much.
    let mut busy = command("bash").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let pids = format!("echo {}", busy.id());
    let outcome = service.sample(&[("RESTART_PIDS", pids.as_str()), ("RESTART_MAX_CPU", "5%")]);
    busy.kill().unwrap();
    busy.wait().unwrap();
    assert!(
        outcome.status == Some(1) && outcome.stderr.contains("processor in percent"),
        "{}",
        outcome.stderr
    );
    let bad = service.sample(&[("RESTART_MAX_CPU", "a lot")]).expect(2);
    assert!(bad.stderr.contains("not a limit: a lot"), "{}", bad.stderr);
}

#[test]
fn row_3_4_a_hold_a_second_run_a_damaged_state_and_no_service_restart_nothing() {
    let Some(service) = Service::new() else { return };
    let once = [("RESTART_AFTER", "1")];
    service.stack.write("deployment/logs/state/auto-restart-api.hold", "");
    let held = service.sample(&once).expect(1);
    assert!(held.stderr.contains("auto-restart-api.hold is there"), "{}", held.stderr);
    fs::remove_file(service.stack.logs().join("state/auto-restart-api.hold")).unwrap();

    let lock = service.stack.logs().join("state/auto-restart-api.lock");
    let mut locked = command("flock");
    locked.arg(&lock).arg(service.script().get_program()).current_dir(service.stack.home());
    locked.envs(service.script().get_envs().filter_map(|(key, value)| Some((key, value?)))).envs(once);
    assert!(run(&mut locked).expect(75).stderr.contains("another run looks at the service"));

    service.state("failures=many\nrestarts=");
    let damaged = service.sample(&once).expect(2);
    assert!(damaged.stderr.contains("the state is damaged"), "{}", damaged.stderr);
    let none = run(&mut Stack::new().script("tasks/auto-restart.sh")).expect(75);
    assert!(none.stderr.contains("no service is set up"), "{}", none.stderr);
    let blind = service.sample(&[("RESTART_CHECK", ""), ("RESTART_PIDS", "")]).expect(2);
    assert!(blind.stderr.contains("nothing tells whether the service is well"), "{}", blind.stderr);
    assert_eq!(service.restarts(), 0);
}

#[test]
fn row_4_17_a_container_that_fails_its_health_check_has_its_logs_kept_then_is_deployed_anew() {
    let (stack, http, mail) = (Stack::new(), Http::start(), Mail::new());
    http.answer("/health", Answer::new(200, r#"{"status":"unhealthy"}"#));
    if !has("jq") {
        return skip("no jq");
    }
    stack.write(
        "logs.sh",
        "echo 'backend: could not open the database'\necho POSTGRES_PASSWORD=correct-horse-battery\n",
    );
    // What deploys sees the logs on disk already.
    stack.write(
        "deploy.sh",
        "grep -q 'could not open' deployment/logs/auto-restart-backend.log && touch deployed\n",
    );
    stack.settings(&format!(
        "RESTART_NAME=backend\nRESTART_AFTER=2\nRESTART_RECOVERY=1s\nRESTART_LOGS=bash {0}/logs.sh\n\
         RESTART_CHECK=http backend {1} json=status:healthy\nRESTART_COMMAND=cd {0} && bash deploy.sh\n",
        stack.home().display(),
        http.url("/health")
    ));
    let sample = || {
        let mut script = stack.script_with("tasks/auto-restart.sh", &[mail.folder()]);
        run(script.env("NOTIFY_MAIL_TO", "ops@example.com"))
    };
    assert!(sample().expect(1).stderr.contains("status is unhealthy, not healthy"));
    let failed = sample().expect(1);
    assert!(failed.stderr.contains("restarted, and still ill: status is unhealthy"), "{}", failed.stderr);
    assert!(stack.path("deployed").exists());
    let log = stack.read("deployment/logs/auto-restart-backend.log");
    assert!(log.contains("could not open the database") && !log.contains("correct-horse"), "{log}");
    assert_eq!(mail.letters().len(), 1);
    http.answer("/health", Answer::new(200, r#"{"status":"healthy"}"#));
    assert!(sample().expect(0).stdout.contains("backend: well"));
}
