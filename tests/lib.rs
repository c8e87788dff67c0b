//! What every end-to-end test starts from: the built tools, a scratch folder, a command and its outcome.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

pub mod corpus;
pub mod rigs;

/// How long a test waits for what must happen: a busy machine is no failure.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The path of a built tool, for example `tool("pai-backup")`. The first call builds all of them.
pub fn tool(name: &str) -> PathBuf {
    bin_folder().join(name)
}

/// The folder the built tools are in: put it on PATH for scripts.
pub fn bin_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // target/PROFILE/deps/backup-0123 -> target/PROFILE
        let test = std::env::current_exe().expect("a test knows its own path");
        let folder = test.ancestors().nth(2).expect("cargo puts tests two folders down").to_owned();
        let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        build.args(["build", "--quiet", "--workspace", "--bins"]).current_dir(repository());
        if folder.ends_with("release") {
            build.arg("--release");
        }
        // ring's build script runs again, and all that uses ring is compiled again, if these differ from the outer build's.
        for (key, _) in std::env::vars_os() {
            let key_bytes = key.as_encoded_bytes();
            if key_bytes.starts_with(b"CARGO_PKG_") || key_bytes.starts_with(b"CARGO_MANIFEST_") {
                build.env_remove(key);
            }
        }
        let status = build.status().expect("cargo runs");
        assert!(status.success(), "the tools build");
        folder
    })
}

/// The top of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is inside the repository")
}

/// A scratch folder, removed when dropped.
pub fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("pai-test-").tempdir().expect("a temporary folder")
}

/// A folder for what tests make once and find again, beside the built tools.
pub fn scratch_beside_tools() -> PathBuf {
    let target = bin_folder().parent().expect("a profile is inside target/");
    let folder = target.join("tmp");
    std::fs::create_dir_all(&folder).expect("a folder beside the tools");
    folder
}

/// Says why a test cannot run here. A skip is not a pass: the reason goes to the test's output and `SKIP`
/// lines are counted by `scripts/test.sh`.
pub fn skip(reason: &str) {
    // libtest captures stderr of a passing test; this line must be seen.
    let line = format!("SKIP {}: {reason}\n", std::thread::current().name().unwrap_or("test"));
    if let Ok(mut terminal) = std::fs::OpenOptions::new().append(true).open("/proc/self/fd/2") {
        let _ = terminal.write_all(line.as_bytes());
    }
}

/// Whether a program is on PATH.
pub fn has(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

/// A command with a known environment: no `PAI_*` or `RETENTION_DAYS` from outside, `LC_ALL=C`, `TZ=UTC`.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (key, _) in std::env::vars_os() {
        if key.as_encoded_bytes().starts_with(b"PAI_") || key == "RETENTION_DAYS" {
            command.env_remove(key);
        }
    }
    command.env("LC_ALL", "C").env("TZ", "UTC").stdin(Stdio::null());
    command
}

/// The same command without root's powers: as user and group 65534 if we are root, as it is otherwise.
/// `None`, after a skip, where that cannot be done. The program and its files must be within that user's reach.
pub fn as_nobody(command: &Command) -> Option<Command> {
    const SETPRIV: [&str; 6] = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let owner = std::fs::metadata("/proc/self").map(|us| std::os::unix::fs::MetadataExt::uid(&us));
    if owner.is_ok_and(|uid| uid != 0) {
        return Some(through(&[], command));
    }
    let mut works = Command::new(SETPRIV[0]);
    if !works.args(&SETPRIV[1..]).arg("true").status().is_ok_and(|status| status.success()) {
        skip("setpriv cannot drop root's powers here");
        return None;
    }
    Some(through(&SETPRIV.map(OsStr::new), command))
}

/// The same command, run by another program: that program and its arguments, then the command's own words.
pub fn through(wrapper: &[&OsStr], command: &Command) -> Command {
    let words: Vec<&OsStr> =
        wrapper.iter().copied().chain([command.get_program()]).chain(command.get_args()).collect();
    let mut wrapped = Command::new(words[0]);
    wrapped.args(&words[1..]).stdin(Stdio::null());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => wrapped.env(key, value),
            None => wrapped.env_remove(key),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        wrapped.current_dir(folder);
    }
    wrapped
}

/// What a finished command left behind.
#[derive(Debug)]
pub struct Outcome {
    /// Exit status, or `None` when a signal ended it.
    pub status: Option<i32>,
    /// stdout as text; invalid UTF-8 is replaced.
    pub stdout: String,
    /// stderr as text; invalid UTF-8 is replaced.
    pub stderr: String,
    /// stdout as it was.
    pub bytes: Vec<u8>,
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Outcome {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    outcome(output)
}

/// Runs a command with `input` on its stdin.
pub fn run_with_input(command: &mut Command, input: &[u8]) -> Outcome {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let output = std::thread::scope(|scope| {
        // A command that reads little closes its stdin early; that is its right.
        scope.spawn(move || stdin.write_all(input));
        child.wait_with_output().expect("a started command can be waited for")
    });
    outcome(output)
}

/// Waits until `is_so`, for as long as a slow machine may need; fails with `what` after a minute.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the clock shows another second: names with a stamp in them will differ from those made up to now.
pub fn wait_for_another_second() {
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let now = second();
    wait_until("the clock goes on", || second() != now);
}

/// Runs a line in `sh` with the built tools first on PATH.
pub fn sh(line: &str, folder: &Path) -> Outcome {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = vec![bin_folder().to_owned()];
    folders.extend(std::env::split_paths(&path));
    let path = std::env::join_paths(folders).expect("PATH has no colon inside");
    run(command("bash").args(["-c", line]).current_dir(folder).env("PATH", path))
}

fn outcome(output: Output) -> Outcome {
    Outcome {
        status: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        bytes: output.stdout,
    }
}

impl Outcome {
    /// The outcome itself if the status is `status`; otherwise a panic that shows both streams.
    #[allow(clippy::return_self_not_must_use)] // often only the status matters
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}
