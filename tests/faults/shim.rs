//! `shim.c`, compiled once: a command whose system calls go wrong.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use pai_tests::{Outcome, command, run, scratch, skip, through};

/// What happens to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails with EIO.
    Broken,
    /// It fails with ENOSPC.
    Full,
    /// The process is killed before it.
    Kill,
    /// So it is, and of what was written only what was synced is left; that too if no call is the one.
    PowerCut,
    /// It moves half the bytes asked for.
    Short,
    /// It waits until it is let go.
    Hold,
}

impl Fault {
    fn word(self) -> &'static str {
        match self {
            Self::Broken => "5",
            Self::Full => "28",
            Self::Kill => "kill",
            Self::PowerCut => "cut",
            Self::Short => "short",
            Self::Hold => "hold",
        }
    }
}

/// What the shim saw.
#[derive(Debug)]
pub(crate) struct Report {
    /// Calls that were counted.
    pub(crate) seen: usize,
    /// `CALL PATH` of each that was hit.
    pub(crate) hit: Vec<String>,
    /// Files that a power cut took something from.
    pub(crate) lost: Vec<PathBuf>,
}

/// Lets calls that concern paths below a folder go wrong.
pub(crate) struct Shim {
    program: &'static Path,
    root: PathBuf,
    report: PathBuf,
    calls: String,
}

impl Shim {
    /// For the listed calls on paths below `root`; `None`, after a skip, where there can be no shim.
    pub(crate) fn new(root: &Path, calls: &[&str]) -> Option<Self> {
        static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        match PROGRAM.get_or_init(compile) {
            Ok(program) => {
                let root = root.canonicalize().unwrap();
                let report = root.with_extension("report");
                Some(Self { program, root, report, calls: calls.join(",") })
            }
            Err(why) => {
                skip(why);
                None
            }
        }
    }

    fn wrap(&self, fault: Fault, nth: usize, command: &Command) -> Command {
        let nth = nth.to_string();
        let words: [&OsStr; 7] = [
            self.program.as_ref(),
            self.report.as_ref(),
            self.root.as_ref(),
            self.calls.as_ref(),
            fault.word().as_ref(),
            nth.as_ref(),
            "--".as_ref(),
        ];
        through(&words, command)
    }

    /// Runs `command` with a fault at the `nth` call, or at every one for 0.
    pub(crate) fn run(&self, fault: Fault, nth: usize, command: &Command) -> (Outcome, Report) {
        let outcome = run(&mut self.wrap(fault, nth, command));
        (outcome, self.report())
    }

    fn report(&self) -> Report {
        let text = std::fs::read_to_string(&self.report).unwrap_or_else(|_| panic!("the shim reports"));
        std::fs::remove_file(&self.report).unwrap();
        let (counts, hit) = text.split_once('\n').unwrap();
        let seen = counts.split_once(' ').unwrap().0.parse().unwrap();
        let (lost, hit): (Vec<&str>, Vec<&str>) = hit.lines().partition(|line| line.starts_with("lost "));
        Report {
            seen,
            hit: hit.into_iter().map(str::to_owned).collect(),
            lost: lost.into_iter().map(|line| PathBuf::from(&line[5..])).collect(),
        }
    }

    /// Starts `command` and returns once its `nth` call waits; its status if it ended without that call.
    pub(crate) fn hold(&self, nth: usize, command: &Command) -> Result<Held, Option<i32>> {
        let held = self.report.with_extension("report.held");
        let mut wrapped = self.wrap(Fault::Hold, nth, command);
        let mut child = wrapped.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let start = Instant::now();
        while !held.exists() {
            assert!(start.elapsed() < Duration::from_secs(60), "neither held nor done");
            if let Some(status) = child.try_wait().unwrap()
                && !held.exists()
            {
                return Err(status.code());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(Held { child, sign: held, report: self.report.clone() })
    }
}

/// A command that waits in the middle of a call.
pub(crate) struct Held {
    child: Child,
    /// Is there until the call may go on.
    sign: PathBuf,
    report: PathBuf,
}

impl Held {
    /// Lets it go on to its end: its status, and the call it waited in.
    pub(crate) fn release(mut self) -> (Option<i32>, String) {
        std::fs::remove_file(&self.sign).unwrap();
        let status = self.child.wait().unwrap().code();
        let text = std::fs::read_to_string(&self.report).unwrap();
        (status, text.lines().nth(1).unwrap_or_default().to_owned())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.sign);
    }
}

fn compile() -> Result<PathBuf, String> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shim");
    // Under a name of its own first: another run may be using the one that is there.
    let made = program.with_extension(std::process::id().to_string());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("faults/shim.c");
    if !pai_tests::has("cc") {
        return Err("failing system calls need a C compiler (cc)".to_owned());
    }
    run(command("cc").args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"]).arg(&made).arg(source)).expect(0);
    std::fs::rename(&made, &program).unwrap();
    // It must do what it says before anything is believed that it says.
    let folder = scratch();
    let report = folder.path().join("report");
    let tried = run(command(&program).arg(&report).args(["/", "openat", "5", "0", "--", "true"]));
    if tried.status == Some(125) {
        return Err(format!("no seccomp notifications here: {}", tried.stderr.trim()));
    }
    Ok(program)
}

#[test]
fn the_shim_hits_the_call_it_was_told_to_and_no_other() {
    let folder = scratch();
    let text = folder.path().join("text");
    std::fs::write(&text, "0123456789").unwrap();
    let Some(shim) = Shim::new(folder.path(), &["read", "write"]) else { return };
    let mut cat = command("cat");
    cat.arg(&text);

    let (outcome, report) = shim.run(Fault::Broken, 1, &cat);
    assert_eq!((outcome.status, &*outcome.stdout), (Some(1), ""));
    assert!(outcome.stderr.contains("Input/output error"), "{}", outcome.stderr);
    assert_eq!(report.hit, [format!("read {}", text.display())]);
    let (outcome, report) = shim.run(Fault::Broken, 3, &cat);
    assert_eq!((outcome.status, &*outcome.stdout), (Some(0), "0123456789"));
    // Its bytes and its end; what it writes goes to a pipe, outside the folder.
    assert_eq!((report.seen, report.hit.len()), (2, 0));
    let (outcome, _) = shim.run(Fault::Kill, 1, &cat);
    assert_eq!((outcome.status, &*outcome.stdout), (Some(137), ""));

    let mut head = command("dd");
    head.arg(format!("if={}", text.display())).arg(format!("of={}", folder.path().join("half").display()));
    head.args(["bs=10", "count=1"]);
    shim.run(Fault::Short, 1, &head).0.expect(0);
    assert_eq!(std::fs::read(folder.path().join("half")).unwrap(), b"01234");

    let held = shim.hold(1, &head).unwrap_or_else(|status| panic!("not held: {status:?}"));
    let (status, call) = held.release();
    assert_eq!((status, call), (Some(0), format!("read {}", text.display())));
    assert_eq!(shim.hold(100, &head).err(), Some(Some(0)));
}

#[test]
fn a_power_cut_leaves_what_was_synced_and_every_name() {
    let folder = scratch();
    let Some(shim) = Shim::new(folder.path(), &crate::calls::CHANGING) else { return };
    let [draft, text] = ["draft", "text"].map(|name| shim.root.join(name));
    let opened = "import os; file = os.open('draft', os.O_WRONLY | os.O_APPEND); os.write(file, b'new'); ";
    for (then, left) in [
        ("os.rename('draft', 'text')", "old"),
        ("os.fsync(file); os.rename('draft', 'text')", "oldnew"),
        ("os.fdatasync(file); os.write(file, b'er'); os.rename('draft', 'text')", "oldnew"),
        (
            "os.ftruncate(file, 0); os.write(file, b'newer'); os.fsync(file); os.rename('draft', 'text')",
            "newer",
        ),
    ] {
        std::fs::write(&draft, "old").unwrap();
        let mut python = command("python3");
        python.current_dir(&shim.root).args(["-c", &[opened, then].concat()]);
        shim.run(Fault::PowerCut, 1000, &python).0.expect(0);
        assert_eq!(std::fs::read_to_string(&text).unwrap(), left, "{then}");
    }
    // A file that is new has nothing but its name.
    let mut python = command("python3");
    python.current_dir(&shim.root).args(["-c", "open('fresh', 'w').write('text')"]);
    let (outcome, report) = shim.run(Fault::PowerCut, 1000, &python);
    outcome.expect(0);
    assert_eq!(report.lost, [shim.root.join("fresh")]);
    assert_eq!(std::fs::read(shim.root.join("fresh")).unwrap(), b"");
}
