//! Archives and captures that are encrypted, beside stock age.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::{Outcome, command, has, run, run_with_input, sh, skip};

use crate::fixtures::{Workspace, archived_tree, assert_same_tree, names_in, noise, tree};

/// A workspace and a pair.
pub(crate) struct Pair {
    pub(crate) workspace: Workspace,
    pub(crate) recipient: String,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let workspace = Workspace::demo();
        workspace.write("large", &noise(1 << 20, 1));
        let mut this = Self { workspace, recipient: String::new() };
        this.recipient = this.key("key");
        this
    }

    /// Makes a pair beside the workspace, and says whose it is.
    pub(crate) fn key(&self, name: &str) -> String {
        let made = run(self.workspace.pai(["key", "new", "-q"]).arg(self.path(name))).expect(0);
        made.stdout.trim().to_owned()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.workspace.beside(name)
    }

    /// `pai-backup` with the identity of the pair.
    fn pai(&self, args: &[&str]) -> Command {
        let mut command = self.workspace.pai(args);
        command.env("PAI_IDENTITY", self.path("key"));
        command
    }

    /// An encrypted archive beside the workspace.
    fn archive(&self) -> PathBuf {
        let path = self.path("a.tar.gz.age");
        run(self.workspace.pai(["create", "-q", "--recipient", &self.recipient, "-o"]).arg(&path)).expect(0);
        path
    }

    #[track_caller]
    fn assert_restored(&self, name: &str) {
        assert_same_tree(&tree(&self.path(name)), &archived_tree(self.workspace.home()));
    }
}

/// Runs a command on a terminal of its own, and answers each prompt for a passphrase with the next of `answers`.
pub(crate) fn on_terminal(command: &Command, answers: &[&str]) -> Outcome {
    let script = r#"
import os, pty, sys, termios, time
count = int(sys.argv[1])
answers, words = sys.argv[2:2 + count], sys.argv[2 + count:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(words[0], words)
seen = b""
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        part = b""
    if not part:
        break
    sys.stdout.buffer.write(part)
    seen += part
    if seen.rstrip(b" ").endswith(b":") and answers:
        # The prompt may be there before the echo is off.
        deadline = time.time() + 60
        while termios.tcgetattr(terminal)[3] & termios.ECHO and time.time() < deadline:
            time.sleep(0.005)
        os.write(terminal, answers.pop(0).encode() + b"\n")
        seen = b""
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
    let count = answers.len().to_string();
    let mut words: Vec<&std::ffi::OsStr> =
        ["python3".as_ref(), "-c".as_ref(), script.as_ref(), count.as_ref()].to_vec();
    words.extend(answers.iter().map(std::ffi::OsStr::new));
    run(&mut pai_tests::through(&words, command))
}

fn stock_age() -> bool {
    let there = has("age") && has("age-keygen");
    if !there {
        skip("no age on PATH");
    }
    there
}

#[test]
fn a_pair_is_made_for_its_owner_alone_and_never_over_another_file() {
    let pair = Pair::new();
    let key = pair.path("key");
    assert_eq!(key.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    let public = run(pair.workspace.pai(["key", "public"]).arg(&key)).expect(0);
    assert_eq!(public.stdout.trim(), pair.recipient);
    let before = fs::read(&key).unwrap();
    let refused = run(pair.workspace.pai(["key", "new"]).arg(&key)).expect(2);
    assert!(refused.stderr.contains("it exists"), "{}", refused.stderr);
    assert_eq!(fs::read(&key).unwrap(), before);
    std::os::unix::fs::symlink(pair.path("nowhere"), pair.path("link")).unwrap();
    run(pair.workspace.pai(["key", "new"]).arg(pair.path("link"))).expect(2);
    assert!(!pair.path("nowhere").exists());
    if stock_age() {
        let theirs = run(command("age-keygen").arg("-y").arg(&key)).expect(0);
        assert_eq!(theirs.stdout.trim(), pair.recipient);
        run(command("age-keygen").arg("-o").arg(pair.path("theirs"))).expect(0);
        let theirs = run(command("age-keygen").arg("-y").arg(pair.path("theirs"))).expect(0);
        let ours = run(pair.workspace.pai(["key", "public"]).arg(pair.path("theirs"))).expect(0);
        assert_eq!(ours.stdout, theirs.stdout);
    }
}

#[test]
fn an_encrypted_archive_is_read_like_any_other() {
    let pair = Pair::new();
    let archive = pair.path("a.tar.gz.age");
    run(pair.workspace.pai(["create", "-q", "--sha256", "--recipient", &pair.recipient, "-o"]).arg(&archive))
        .expect(0);
    assert_eq!(archive.metadata().unwrap().mode() & 0o7777, 0o600);
    sh("sha256sum -c a.tar.gz.age.sha256", &pair.path(".")).expect(0);
    let path = archive.to_str().unwrap();
    let listed = run(&mut pair.pai(&["list", path])).expect(0);
    assert!(listed.stdout.contains("memory.md\n"), "{}", listed.stdout);
    run(&mut pair.pai(&["verify", "--against-disk", path])).expect(0);
    run(&mut pair.pai(&["diff", path])).expect(0);
    let shown = run(&mut pair.pai(&["cat", path, "memory.md"])).expect(0);
    assert_eq!(shown.bytes, fs::read(pair.workspace.home().join("memory.md")).unwrap());
    run(pair.pai(&["restore", path, "--target"]).arg(pair.path("back"))).expect(0);
    pair.assert_restored("back");
    let bytes = fs::read(&archive).unwrap();
    run_with_input(pair.pai(&["restore", "-", "--target"]).arg(pair.path("piped")), &bytes).expect(0);
    pair.assert_restored("piped");
    run_with_input(&mut pair.pai(&["verify", "-"]), &bytes).expect(0);
    let streamed = run(&mut pair.pai(&["create", "-q", "-o", "-", "--recipient", &pair.recipient])).expect(0);
    run_with_input(&mut pair.pai(&["verify", "-"]), &streamed.bytes).expect(0);
}

#[test]
fn stock_age_opens_what_we_encrypt_and_we_open_what_it_encrypts() {
    let pair = Pair::new();
    if !stock_age() {
        return;
    }
    pair.archive();
    let folder = pair.path(".");
    sh("mkdir stock && age -d -i key a.tar.gz.age | tar -xzf - -C stock", &folder).expect(0);
    pair.assert_restored("stock");
    sh(
        &format!(
            "tar -C home --exclude=./archive --exclude=./logs --format=posix -czf - . | age -r {} -o theirs.tar.gz.age",
            pair.recipient
        ),
        &folder,
    )
    .expect(0);
    run(pair.pai(&["restore", "theirs.tar.gz.age", "--target"]).arg(pair.path("ours"))).expect(0);
    pair.assert_restored("ours");
    // The logged line does the same as the run.
    let planned = ["create", "-q", "-n", "--recipient", &pair.recipient, "-o", "logged.tar.gz.age"];
    run(&mut pair.pai(&planned)).expect(0);
    let line = pair.workspace.log().into_iter().find(|line| line.starts_with("tar ")).unwrap();
    sh(&line, &folder).expect(0);
    run(pair.pai(&["restore", "logged.tar.gz.age", "--target"]).arg(pair.path("logged"))).expect(0);
    sh("diff -r --no-dereference --exclude=archive --exclude=logs home logged", &folder).expect(0);
}

#[test]
fn what_is_not_for_us_is_said_to_be_and_changes_nothing() {
    let pair = Pair::new();
    let archive = pair.archive();
    let path = archive.to_str().unwrap();
    let other = pair.key("other");
    for args in [
        &["list", path][..],
        &["verify", path],
        &["cat", path, "memory.md"],
        &["restore", path, "--target", "x"],
    ] {
        let refused = run(&mut pair.workspace.pai(args)).expect(2);
        assert!(
            refused.stderr.contains("no identity is named")
                && refused.stderr.contains("hint: pass --identity"),
            "{}",
            refused.stderr
        );
        let refused = run(pair.workspace.pai(args).arg("--identity").arg(pair.path("other"))).expect(2);
        assert!(
            refused.stderr.contains("encrypted for others") && refused.stderr.contains(&other),
            "{}",
            refused.stderr
        );
    }
    assert_eq!(names_in(&pair.path("x")), [""; 0]);
}

#[test]
fn damage_is_noticed_before_anything_reaches_the_disk() {
    let pair = Pair::new();
    let archive = pair.archive();
    let good = fs::read(&archive).unwrap();
    let mut cases: Vec<(String, Vec<u8>)> = Vec::new();
    // The head's MAC, a chunk in the middle, the last chunk.
    let mac = good.windows(5).position(|window| window == b"\n--- ").unwrap() + 10;
    for at in [mac, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        cases.push((format!("flipped at {at}"), bytes));
    }
    for cut in [10, 100, good.len() / 2, good.len() - 70_000, good.len() - 1] {
        cases.push((format!("cut at {cut}"), good[..cut].to_vec()));
    }
    let (mut swapped, chunk, start) = (good.clone(), 65_552, good.len() % 65_552);
    swapped.copy_within(start + chunk..start + 2 * chunk, start);
    cases.push(("a chunk in the place of another".to_owned(), swapped));
    cases.push(("bytes behind the end".to_owned(), [&good[..], b"x"].concat()));
    for (what, bytes) in cases {
        fs::write(&archive, bytes).unwrap();
        let path = archive.to_str().unwrap();
        let outcome = run(&mut pair.pai(&["verify", path])).expect(1);
        assert!(outcome.stdout.contains(": FAILED ("), "{what}: {}", outcome.stdout);
        let target = pair.path(&format!("back {what}"));
        let outcome = run(pair.pai(&["restore", path, "--target"]).arg(&target));
        assert_ne!(outcome.status, Some(0), "{what}");
        // What is written is what was archived: a file that a damaged chunk costs is not there.
        for (path, node) in if target.exists() { tree(&target) } else { std::collections::BTreeMap::new() } {
            let expected = &archived_tree(pair.workspace.home())[&path];
            assert_eq!(node.content, expected.content, "{what}: {}", path.display());
        }
    }
}

#[test]
fn names_and_wishes_must_agree() {
    let pair = Pair::new();
    let recipient = ["--recipient", &pair.recipient];
    for (args, why) in [
        (["-o", "x.tar.gz.age"].to_vec(), "no recipient is named"),
        ([&["-o", "x.tar.gz"][..], &recipient].concat(), "must end in .age"),
        ([&["--format", "zip", "-o", "x.zip.age"][..], &recipient].concat(), "a zip cannot be encrypted"),
        (recipient.to_vec(), "the archive folder is not encrypted"),
        (["-o", "x.tar.gz.age", "--recipient", "age1x"].to_vec(), "neither age1"),
    ] {
        let refused = run(pair.workspace.pai(["create", "-q"]).args(args)).expect(2);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
    }
    assert_eq!(names_in(&pair.path(".")).iter().filter(|name| name.starts_with('x')).count(), 0);
    let refused =
        run(&mut pair.workspace.pai(["capture", "--ext", ".sql.gz.age", "--", "echo", "x"])).expect(2);
    assert!(refused.stderr.contains("no recipient is named"), "{}", refused.stderr);
    let refused =
        run(pair.workspace.pai(["capture", "--ext", ".sql.gz"]).args(recipient).args(["--", "echo", "x"]))
            .expect(2);
    assert!(refused.stderr.contains("must end in .age"), "{}", refused.stderr);
}

#[test]
fn a_capture_is_encrypted_on_its_way() {
    let pair = Pair::new();
    let dump = noise(300_000, 7);
    fs::write(pair.path("dump"), &dump).unwrap();
    fs::write(pair.path("for"), format!("# us\n{}\n", pair.recipient)).unwrap();
    let capture = |command: &[&str]| {
        let mut line = pair.workspace.pai(["capture", "--name", "db_", "--ext", ".sql.gz.age"]);
        line.args(["--recipients-file", "for", "--"]).args(command);
        run(&mut line)
    };
    capture(&["sh", "-c", "cat dump; exit 3"]).expect(3);
    assert_eq!(pair.workspace.archives(), [""; 0]);
    let made = capture(&["cat", "dump"]).expect(0);
    let path = made.stdout.trim();
    assert!(path.ends_with(".sql.gz.age"), "{path}");
    assert!(fs::read(path).unwrap().starts_with(b"age-encryption.org/v1\n"));
    if stock_age() {
        let opened = sh(&format!("age -d -i key '{path}' | gzip -dc"), &pair.path(".")).expect(0);
        assert!(opened.bytes == dump);
    }
}

#[test]
fn retention_and_backups_know_the_names() {
    let pair = Pair::new();
    let folder = pair.workspace.home().join("archive");
    fs::create_dir(&folder).unwrap();
    for day in 1..=4 {
        let name = format!("archive/pai-2026110{day}-020000.tar.gz.age");
        let output = pair.workspace.home().join(&name);
        run(pair
            .workspace
            .pai(["create", "-q", "--sha256", "--recipient", &pair.recipient, "-o"])
            .arg(output))
        .expect(0);
    }
    let archive = pair.path("b.tar.gz");
    run(pair.workspace.pai(["create", "-q", "-o"]).arg(&archive)).expect(0);
    let listed = run(pair.workspace.pai(["list"]).arg(&archive)).expect(0).stdout;
    assert!(!listed.contains(".age"), "archives are not archived: {listed}");
    sh("pai-rotate --keep-last 2 home/archive", &pair.path(".")).expect(0);
    let left = pair.workspace.archives();
    let names = ["pai-20261103-020000", "pai-20261104-020000"];
    let expected = names.map(|name| [format!("{name}.tar.gz.age"), format!("{name}.tar.gz.age.sha256")]);
    assert_eq!(left, expected.concat());
}

#[test]
fn a_passphrase_is_asked_for_on_the_terminal_alone() {
    if !has("python3") {
        return skip("no python3 on PATH for a terminal");
    }
    let pair = Pair::new();
    let secret = "correct horse battery";
    let mut new = pair.workspace.pai(["key", "new", "-q", "--passphrase"]);
    let made = on_terminal(new.arg(pair.path("locked")), &[secret, secret]).expect(0);
    assert!(!made.stdout.contains(secret), "{}", made.stdout);
    let recipient = made.stdout.lines().last().unwrap().trim().to_owned();
    let text = fs::read_to_string(pair.path("locked")).unwrap();
    assert!(text.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"), "{text}");
    on_terminal(pair.workspace.pai(["key", "new", "--passphrase"]).arg(pair.path("no")), &[secret, "typo"])
        .expect(2);
    assert!(!pair.path("no").exists());

    let archive = pair.path("a.tar.gz.age");
    run(pair.workspace.pai(["create", "-q", "--recipient", &recipient, "-o"]).arg(&archive)).expect(0);
    let mut verify = pair.workspace.pai(["verify", "a.tar.gz.age", "--identity", "locked"]);
    let verified = on_terminal(&verify, &[secret]).expect(0);
    assert!(verified.stdout.contains("a.tar.gz.age: OK"), "{}", verified.stdout);
    let wrong = on_terminal(&verify, &["a guess"]).expect(2);
    assert!(wrong.stdout.contains("that is not its passphrase"), "{}", wrong.stdout);
    assert!(!wrong.stdout.contains("a guess"), "it is not echoed: {}", wrong.stdout);
    if has("setsid") {
        let nowhere = run(&mut pai_tests::through(&["setsid".as_ref(), "-w".as_ref()], &verify)).expect(2);
        assert!(nowhere.stderr.contains("could not ask for the passphrase"), "{}", nowhere.stderr);
    }
    if stock_age() {
        let stock = on_terminal(
            command("age")
                .args(["-d", "-i", "locked", "-o", "x", "a.tar.gz.age"])
                .current_dir(pair.path(".")),
            &[secret],
        );
        stock.expect(0);
        let theirs = on_terminal(
            command("age").args(["-p", "-o", "theirs", "key"]).current_dir(pair.path(".")),
            &[secret, secret],
        );
        theirs.expect(0);
        pair.archive();
        verify = pair.workspace.pai(["verify", "a.tar.gz.age", "--identity", "theirs"]);
        on_terminal(&verify, &[secret]).expect(0);
    }
}

#[test]
fn keys_of_ssh_will_do() {
    if !has("ssh-keygen") {
        return skip("no ssh-keygen on PATH");
    }
    let pair = Pair::new();
    for (kind, bits) in [("ed25519", "256"), ("rsa", "2048")] {
        let name = format!("ssh-{kind}");
        let mut keygen = command("ssh-keygen");
        run(keygen
            .args(["-q", "-t", kind, "-b", bits, "-N", "", "-C", "us@here", "-f"])
            .arg(pair.path(&name)))
        .expect(0);
        let public = fs::read_to_string(pair.path(&format!("{name}.pub"))).unwrap();
        let archive = format!("{kind}.tar.gz.age");
        run(&mut pair.workspace.pai(["create", "-q", "--recipient", &public, "-o", &archive])).expect(0);
        run(&mut pair.workspace.pai(["verify", &archive, "--identity", &name])).expect(0);
        let shown = run(&mut pair.workspace.pai(["key", "public", &name])).expect(0).stdout;
        assert_eq!(shown.split(' ').nth(1).map(str::trim), public.split(' ').nth(1));
        if stock_age() {
            sh(&format!("age -d -i {name} {archive} | tar -tzf -"), &pair.path(".")).expect(0);
        }
    }
}

/// Every file below `folder`, and what it holds.
pub(crate) fn files_below(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let found = run(Command::new("find").arg(folder).args(["-type", "f"])).expect(0);
    let paths = found.stdout.lines().map(PathBuf::from);
    paths.map(|path| (path.clone(), fs::read(&path).unwrap_or_default())).collect()
}

#[test]
fn the_secret_is_in_its_file_and_nowhere_else() {
    let pair = Pair::new();
    let text = fs::read_to_string(pair.path("key")).unwrap();
    let secret = text.lines().last().unwrap();
    assert!(secret.starts_with("AGE-SECRET-KEY-1"));
    let path = pair.archive();
    let mut said = String::new();
    fs::write(pair.path("bad"), format!("{text}{secret}X\n")).unwrap();
    for args in [
        &["list", "a.tar.gz.age", "-v"][..],
        &["verify", "a.tar.gz.age", "-v"],
        &["restore", "a.tar.gz.age", "--target", "back", "-v"],
        &["key", "public", "key"],
        &["key", "public", "bad"],
        &["list", "a.tar.gz.age", "--identity", "bad"],
        &["create", "-v", "--recipient", secret, "-o", "x.tar.gz.age"],
        &["create", "-v", "--recipients-file", "key", "-o", "x.tar.gz.age"],
    ] {
        let outcome = run(&mut pair.pai(args));
        said += &(outcome.stdout + &outcome.stderr);
    }
    assert!(said.contains("line 4 is no identity") && said.contains("it is a secret key"), "{said}");
    assert!(!said.contains(&secret[16..]), "{said}");
    for (found, bytes) in files_below(&pair.path(".")) {
        let name = found.file_name().unwrap();
        let is_key = name == "key" || name == "bad";
        let has_it = bytes.windows(40).any(|window| window == &secret.as_bytes()[16..56]);
        assert!(is_key || !has_it, "{}", found.display());
    }
    assert!(path.is_file());
}
