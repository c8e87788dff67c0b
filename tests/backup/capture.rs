//! What a command prints becomes a file only if the command ended well.

use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pai_tests::{Outcome, command, run, scratch, tool};

use crate::fixtures::names_in;

fn capture(folder: &Path, options: &[&str], line: &str) -> Outcome {
    run(&mut capture_command(folder, options, line))
}

fn capture_command(folder: &Path, options: &[&str], line: &str) -> Command {
    let mut command = command(tool("pai-backup"));
    command.args(["capture", "--name", "db_", "--archive-dir"]).arg(folder);
    command.args(options).args(["--", "sh", "-c", line]).env("PAI_NOW", "2025-09-16T09:00:03Z");
    command
}

#[test]
fn what_a_command_printed_is_kept_private_and_its_path_is_printed() {
    let folder = scratch();
    let done = capture(folder.path(), &["--ext", ".sql"], "echo one; echo two").expect(0);
    let path = folder.path().join("db_20250916-090003.sql");
    assert_eq!(done.stdout, format!("{}\n", path.display()));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
    assert_eq!(names_in(folder.path()), ["db_20250916-090003.sql"]);
}

#[test]
fn a_final_gz_compresses_and_gunzip_gives_every_byte_back() {
    let folder = scratch();
    capture(folder.path(), &["--ext", ".sql.gz"], "seq 1 700000").expect(0);
    let unzipped =
        run(command("gzip").arg("-dc").arg(folder.path().join("db_20250916-090003.sql.gz"))).expect(0);
    let printed = run(command("seq").args(["1", "700000"])).expect(0);
    assert!(unzipped.bytes == printed.bytes, "{} of {} bytes", unzipped.bytes.len(), printed.bytes.len());
}

#[test]
fn a_failing_command_leaves_nothing_and_its_status_is_passed_on() {
    let folder = scratch();
    let failed = capture(folder.path(), &["--ext", ".sql.gz"], "seq 1 100000; exit 3").expect(3);
    assert_eq!(failed.stdout, "");
    assert_eq!(failed.stderr, "pai-backup: sh ended with exit status 3: nothing was kept\n");
    let killed = capture(folder.path(), &["--ext", ".sql"], "echo half; kill -9 $$").expect(137);
    assert_eq!(killed.stderr, "pai-backup: sh was ended by signal 9: nothing was kept\n");
    assert_eq!(names_in(folder.path()), Vec::<String>::new());
}

#[test]
fn silence_and_a_missing_footer_and_a_missing_program_are_refused() {
    let folder = scratch();
    let silent = capture(folder.path(), &["--ext", ".sql"], "true").expect(2);
    assert!(silent.stderr.contains("printed nothing"), "{}", silent.stderr);
    let footer = ["--ext", ".sql", "--expect-tail", "dump complete"];
    let cut = capture(folder.path(), &footer, "echo dump complete; seq 1 2000").expect(2);
    assert!(cut.stderr.contains("does not end with \"dump complete\""), "{}", cut.stderr);
    let missing = run(command(tool("pai-backup"))
        .args(["capture", "--archive-dir"])
        .arg(folder.path())
        .args(["--", "no-such-program"]))
    .expect(2);
    assert!(missing.stderr.contains("could not run no-such-program"), "{}", missing.stderr);
    assert_eq!(names_in(folder.path()), Vec::<String>::new());
    // Newer pg_dumps print a line behind the footer.
    capture(folder.path(), &footer, "seq 1 2000; echo dump complete; echo '\\unrestrict KEY'").expect(0);
}

#[test]
fn a_bad_second_run_of_the_day_leaves_the_good_first() {
    let folder = scratch();
    let by_day = ["--ext", ".sql", "--stamp", "date"];
    capture(folder.path(), &by_day, "echo good").expect(0);
    capture(folder.path(), &by_day, "echo bad; exit 1").expect(1);
    let path = folder.path().join("db_2025-09-16.sql");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "good\n");
    capture(folder.path(), &by_day, "echo better").expect(0);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "better\n");
}

#[test]
fn two_captures_in_one_second_are_two_files() {
    let folder = scratch();
    for _ in 0..2 {
        capture(folder.path(), &["--ext", ".sql"], "echo x").expect(0);
    }
    assert_eq!(names_in(folder.path()), ["db_20250916-090003.sql", "db_20250916-090004.sql"]);
}

/// The process id that a command writes into a file once it has started.
fn written_pid(path: &Path) -> String {
    let begun = Instant::now();
    loop {
        match std::fs::read_to_string(path).unwrap_or_default().strip_suffix('\n') {
            Some(pid) => return pid.to_owned(),
            None => assert!(begun.elapsed() < Duration::from_secs(60), "the command starts"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_signal_ends_the_command_too_and_leaves_nothing() {
    let folder = scratch();
    let line = "echo $$; exec 1>&2; sleep 300";
    for (signal, number) in [("TERM", 15), ("INT", 2)] {
        // The child says its pid and then nothing: the tool must not wait for it.
        let pid_file = folder.path().join("pid");
        let line = format!("echo $$ > {}; {line}", pid_file.display());
        let mut child = capture_command(folder.path(), &["--ext", ".sql"], &line)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = written_pid(&pid_file);
        run(command("kill").args([format!("-{signal}"), child.id().to_string()])).expect(0);
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(number));
        let gone = run(command("kill").args(["-0", &pid]));
        assert_ne!(gone.status, Some(0), "the command was left running");
        std::fs::remove_file(&pid_file).unwrap();
        assert_eq!(names_in(folder.path()), Vec::<String>::new());
    }
}

#[test]
fn a_signal_is_not_kept_waiting_by_what_the_command_has_started() {
    let folder = scratch();
    // The shell ends by the signal; what it has started holds the pipe for as long as it sleeps.
    let pid_file = folder.path().join("pid");
    let line = format!("echo begun; sleep 60 & echo $! > {}; wait", pid_file.display());
    let mut child = capture_command(folder.path(), &["--ext", ".sql"], &line)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let pid = written_pid(&pid_file);
    run(command("kill").arg(child.id().to_string())).expect(0);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(15));
    let still_sleeps = run(command("kill").arg(&pid)).status == Some(0);
    assert!(still_sleeps, "the tool ended only when nobody held the pipe any more");
    std::fs::remove_file(&pid_file).unwrap();
    assert_eq!(names_in(folder.path()), Vec::<String>::new());
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next() {
    let folder = scratch();
    std::fs::write(folder.path().join(".db_20250101-000000.sql.partial"), "half").unwrap();
    capture(folder.path(), &["--ext", ".sql"], "echo x").expect(0);
    assert_eq!(names_in(folder.path()), ["db_20250916-090003.sql"]);
}

#[test]
fn the_output_is_streamed_not_held() {
    // 300 MB of output through a process whose address space allows far less.
    let folder = scratch();
    let mut limited = command("bash");
    let tool = tool("pai-backup");
    limited
        .args(["-c", "ulimit -v 400000; exec \"$@\"", "bash"])
        .arg(tool)
        .args(["capture", "--jobs", "2", "--name", "big_", "--ext", ".gz", "--archive-dir"])
        .arg(folder.path())
        .args(["--", "head", "-c", "300000000", "/dev/zero"]);
    run(&mut limited).expect(0);
    let name = names_in(folder.path()).pop().unwrap();
    let file = std::fs::File::open(folder.path().join(name)).unwrap();
    let mut gunzip = Command::new("gzip").arg("-dc").stdin(file).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = gunzip.stdout.take().unwrap();
    let mut buffer = vec![0; 1 << 16];
    let mut total = 0;
    loop {
        match stdout.read(&mut buffer).unwrap() {
            0 => break,
            count => total += count,
        }
    }
    assert!(gunzip.wait().unwrap().success());
    assert_eq!(total, 300_000_000);
}
