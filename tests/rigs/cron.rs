//! Real Debian cron on a private machine, under a clock that starts where the test says and runs 120
//! times as fast: a night takes a quarter of a minute, and the schedules are tested as they are shipped.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::machine::Machine;
use crate::{PATIENCE, command, run, skip};

/// How many seconds cron's clock goes forward in one of ours.
const SPEED: u32 = 120;

/// By cron's clock, how long after its start it must be up: jobs come some minutes later.
const START: Duration = Duration::from_secs(60);

/// What cron told the system log.
#[derive(Debug)]
pub struct Log(Vec<String>);

impl Log {
    /// The lines that contain `text`.
    pub fn with<'a>(&'a self, text: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(String::as_str).filter(move |line| line.contains(text))
    }

    /// Whether a line contains `text`.
    pub fn has(&self, text: &str) -> bool {
        self.with(text).next().is_some()
    }

    /// How many jobs were started whose command contains `text`.
    pub fn started(&self, text: &str) -> usize {
        self.with(" CMD (").filter(|line| line.contains(text)).count()
    }

    /// Whether jobs that were started have not ended.
    fn is_busy(&self) -> bool {
        self.with(" CMD (").count() > self.with(" END (").count()
    }

    /// All of it, for the message of a failed assertion.
    pub fn text(&self) -> String {
        self.0.join("\n")
    }
}

impl Machine {
    /// Whether real cron can run here; skips if not.
    pub fn has_cron(&self) -> bool {
        for program in ["cron", "faketime"] {
            if self.sh(&format!("command -v {program}")).status != Some(0) {
                skip(&format!("no {program} (package {program})"));
                return false;
            }
        }
        true
    }

    /// Runs cron from the local time `from` (`2026-11-22 01:56:00`) until `minutes` later, in time zone `zone`, and on
    /// until the jobs it has started have ended.
    ///
    /// Start some minutes before the first job: they are a second or two, in which cron starts. A machine that is too
    /// busy for that gets a slower clock.
    /// Only cron's own clock is moved: its jobs see the real one.
    pub fn cron(&self, from: &str, minutes: u32, zone: &str) -> Log {
        let socket = self.folder().join("log.sock");
        for speed in [SPEED, SPEED / 2, SPEED / 4, SPEED / 8] {
            let _ = std::fs::remove_file(&socket);
            let log = UnixDatagram::bind(&socket).expect("the log's socket is made");
            let _ = run(command("chmod").arg("777").arg(&socket));
            log.set_read_timeout(Some(Duration::from_millis(100))).expect("a timeout");
            let begun = self.folder().join("opt/.begun");
            let line = format!("touch /opt/.begun; exec faketime -f '@{from} x{speed}' cron -f -L 15");
            let mut cron = self.command("env");
            cron.arg(format!("TZ={zone}")).args(["sh", "-c", &line]);
            // Jobs may outlive the pipe's reader otherwise.
            let mut cron = cron.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("cron starts");
            let may_be_late = speed == SPEED / 8;
            let lines = follow(&log, Duration::from_secs(u64::from(minutes * 60 / speed)), || {
                let start = std::fs::metadata(&begun).and_then(|file| file.modified()).expect("it was begun");
                may_be_late || start.elapsed().unwrap_or_default() * speed < START
            });
            // `unshare --kill-child`: everything in the namespace goes with it.
            let _ = cron.kill();
            let _ = cron.wait();
            let _ = std::fs::remove_file(&begun);
            if let Some(lines) = lines {
                return lines;
            }
        }
        unreachable!("the slowest clock is taken as it is")
    }
}

/// What cron tells for so long after it is up, and on until its jobs have ended; nothing if it came up too late.
fn follow(log: &UnixDatagram, night: Duration, in_time: impl Fn() -> bool) -> Option<Log> {
    let mut end = Instant::now() + PATIENCE;
    let mut up = false;
    let mut lines = Log(Vec::new());
    let mut buffer = [0; 8192];
    while Instant::now() < end || (lines.is_busy() && Instant::now() < end + PATIENCE) {
        match log.recv(&mut buffer) {
            Ok(length) => {
                lines.0.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
                if !up && lines.has("@reboot") {
                    if !in_time() {
                        return None;
                    }
                    up = true;
                    end = Instant::now() + night;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => panic!("could not read the log: {error}"),
        }
    }
    Some(lines)
}
