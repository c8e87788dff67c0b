//! What must never be deleted, and what is said about it.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use pai_tests::{has, run, scratch, sh, skip, tool};

use crate::{DAY, names, rotate, rotate_in, write, write_aged};

#[test]
fn no_policy_is_bad_usage_and_touches_nothing() {
    let folder = scratch();
    write_aged(folder.path(), "old", 1000 * DAY);
    for args in [vec!["."], vec!["--keep-daily", "0", "."], vec!["--min-keep", "0", "--days", "1", "."]] {
        rotate_in(folder.path(), &args).expect(2);
    }
    let outcome = rotate_in(folder.path(), &["."]).expect(2);
    assert_eq!(
        outcome.stderr,
        "pai-rotate: could not decide without a policy\n\
         pai-rotate: hint: say what stays, for example --days 30, --keep-last 5 or --keep-daily 7 --keep-weekly 4\n"
    );
    assert_eq!(names(folder.path()), ["old"]);
}

#[test]
fn junk_on_the_command_line_is_refused() {
    let folder = scratch();
    for args in [
        ["--days", "-1"],
        ["--days", "0"],
        ["--keep-last", "-1"],
        ["--keep-within", "3m"],
        ["--max-delete", "120%"],
        ["--now", "yesterday"],
    ] {
        rotate_in(folder.path(), &[args[0], args[1], "."]).expect(2);
    }
}

#[test]
fn a_larger_plan_than_allowed_is_refused_whole() {
    let folder = scratch();
    for day in 10..20 {
        write(folder.path(), &format!("a-202508{day}.gz"));
    }
    for most in ["8", "89%"] {
        let outcome = rotate_in(folder.path(), &["--keep-last", "1", "--max-delete", most, "."]).expect(2);
        assert!(outcome.stderr.contains("refused to delete 9 of 10 items"), "{}", outcome.stderr);
        let shown =
            rotate_in(folder.path(), &["--keep-last", "1", "--max-delete", most, "-n", "."]).expect(2);
        assert_eq!(shown.stdout.lines().count(), 10, "the plan is shown all the same");
        assert_eq!(names(folder.path()).len(), 10);
    }
    rotate_in(folder.path(), &["--keep-last", "1", "--max-delete", "90%", "."]).expect(0);
    assert_eq!(names(folder.path()).len(), 1);
}

#[test]
fn items_from_the_future_stay_and_are_reported() {
    let folder = scratch();
    for name in ["a-20990101.gz", "a-20250915.gz", "a-20250914.gz"] {
        write(folder.path(), name);
    }
    let outcome = rotate_in(folder.path(), &["--keep-last", "1", "."]).expect(0);
    assert_eq!(outcome.stdout, "./a-20250914.gz\n");
    assert_eq!(
        outcome.stderr,
        "pai-rotate: kept ./a-20990101.gz: from the future (2099-01-01T00:00:00+00:00)\n"
    );
}

#[test]
fn links_folders_hidden_and_unfinished_files_and_pipes_stay() {
    let folder = scratch();
    let precious = scratch();
    write(precious.path(), "a-20200101.gz");
    symlink(precious.path().join("a-20200101.gz"), folder.path().join("a-20200101.gz")).unwrap();
    symlink(precious.path(), folder.path().join("a-20200102.gz")).unwrap();
    fs::create_dir(folder.path().join("a-20200103.gz")).unwrap();
    for name in [".a-20200104.gz", "a-20200105.gz.partial", "a-20250915.gz", "a-20250914.gz"] {
        write(folder.path(), name);
    }
    let fifo = folder.path().join("a-20200106.gz");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let before = names(folder.path());
    let shown = rotate_in(folder.path(), &["--keep-last", "1", "-n", "."]).expect(0).stdout;
    assert!(shown.contains("skip    ./a-20200101.gz  (symbolic link)\n"), "{shown}");
    assert!(shown.contains("skip    ./a-20200103.gz  (folder)\n"), "{shown}");
    assert!(shown.contains("skip    ./a-20200106.gz  (not a regular file)\n"), "{shown}");
    assert!(
        shown.contains("keep    ./a-20200105.gz.partial  (named like an unfinished upload)\n"),
        "{shown}"
    );
    let outcome = rotate_in(folder.path(), &["--keep-last", "1", "."]).expect(0);
    assert_eq!(outcome.stdout, "./a-20250914.gz\n");
    assert_eq!(names(folder.path()).len(), before.len() - 1);
    assert_eq!(names(precious.path()), ["a-20200101.gz"]);
}

#[test]
fn a_linked_folder_is_followed_only_with_a_slash() {
    let home = scratch();
    let real = home.path().join("real");
    fs::create_dir(&real).unwrap();
    write(&real, "a-20250914.gz");
    write(&real, "a-20250915.gz");
    symlink(&real, home.path().join("link")).unwrap();
    let outcome = rotate_in(home.path(), &["--keep-last", "1", "link"]).expect(1);
    assert!(outcome.stderr.contains("could not look into link: a symbolic link (to follow it: link/)"));
    assert_eq!(names(&real).len(), 2);
    let outcome = rotate_in(home.path(), &["--keep-last", "1", "link/"]).expect(0);
    assert_eq!(outcome.stdout, "link/a-20250914.gz\n");
}

#[test]
fn folders_that_a_shell_pattern_names_among_files_are_not_looked_into() {
    let home = scratch();
    write_aged(home.path(), "new.gz", DAY);
    fs::create_dir(home.path().join("keep-forever")).unwrap();
    for name in ["one", "two"] {
        write_aged(&home.path().join("keep-forever"), name, 1000 * DAY);
    }
    rotate_in(home.path(), &["--days", "30", "new.gz", "keep-forever"]).expect(0);
    assert_eq!(names(&home.path().join("keep-forever")), ["one", "two"]);
    rotate_in(home.path(), &["--days", "30", "new.gz", "keep-forever/"]).expect(0);
    assert_eq!(names(&home.path().join("keep-forever")), ["two"]);
}

#[test]
fn one_name_of_a_hard_linked_file_goes_and_the_other_stays() {
    let folder = scratch();
    write(folder.path(), "daily-20250914.gz");
    write(folder.path(), "daily-20250915.gz");
    fs::hard_link(folder.path().join("daily-20250914.gz"), folder.path().join("weekly-20250914.gz")).unwrap();
    let outcome = rotate_in(folder.path(), &["--keep-last", "1", "."]).expect(0);
    assert_eq!(outcome.stdout, "./daily-20250914.gz\n");
    let other = fs::read_to_string(folder.path().join("weekly-20250914.gz")).unwrap();
    assert_eq!(other, crate::CONTENT);
}

#[test]
fn what_any_compressor_makes_of_a_failed_dump_is_not_the_last_good_copy() {
    for (compressor, ending) in
        [("gzip", "gz"), ("gzip", "tgz"), ("bzip2", "bz2"), ("xz", "xz"), ("zstd", "zst"), ("lz4", "lz4")]
    {
        if !has(compressor) {
            skip(&format!("{compressor} is not installed"));
            continue;
        }
        let folder = scratch();
        write(folder.path(), "good");
        let [good, hollow] = [14, 15].map(|day| format!("db-202509{day}.sql.{ending}"));
        let line = format!("{compressor} -c <good >{good}; {compressor} -c </dev/null >{hollow}; rm good");
        sh(&line, folder.path()).expect(0);
        rotate_in(folder.path(), &["--keep-last", "1", "."]).expect(0);
        assert_eq!(names(folder.path()), [good, hollow], "{compressor}");
    }
}

#[test]
fn what_signs_a_sidecar_goes_with_the_file_and_never_without_it() {
    let folder = scratch();
    let endings = ["tar", "tar.sha256", "tar.sha256.asc"];
    for day in ["20250901", "20250902"] {
        for ending in endings {
            write(folder.path(), &format!("db-{day}.{ending}"));
        }
    }
    rotate_in(folder.path(), &["--keep-last", "1", "*.sha256*"]).expect(0);
    assert_eq!(names(folder.path()).len(), 6);
    let outcome = rotate_in(folder.path(), &["--keep-last", "1", "*.tar"]).expect(0);
    assert_eq!(outcome.stdout.lines().count(), 3);
    assert_eq!(names(folder.path()), endings.map(|ending| format!("db-20250902.{ending}")));
}

#[test]
fn a_locked_file_and_its_sidecar_stay_and_the_rest_goes() {
    let folder = scratch();
    for name in ["a-20250913.gz", "a-20250914.gz", "a-20250914.gz.sha256", "a-20250915.gz"] {
        write(folder.path(), name);
    }
    let writer = File::open(folder.path().join("a-20250914.gz")).unwrap();
    writer.lock().unwrap();
    let outcome = rotate_in(folder.path(), &["--keep-last", "1", "."]).expect(1);
    assert_eq!(outcome.stdout, "./a-20250913.gz\n");
    assert_eq!(
        outcome.stderr,
        "pai-rotate: could not delete ./a-20250914.gz: another process has it locked\n\
         pai-rotate: could not delete ./a-20250914.gz.sha256: the file it belongs to is still there\n"
    );
    // Not by closing it: a child of another test may hold a copy of the descriptor until it runs its program.
    writer.unlock().unwrap();
    rotate_in(folder.path(), &["--keep-last", "1", "."]).expect(0);
    assert_eq!(names(folder.path()), ["a-20250915.gz"]);
}

#[test]
fn a_folder_that_may_not_be_written_to_is_said_and_the_rest_goes_on() {
    let home = scratch();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let [locked, open] = ["locked", "open"].map(|name| home.path().join(name));
    for folder in [&locked, &open] {
        fs::create_dir(folder).unwrap();
        write(folder, "a-20250914.gz");
        write(folder, "a-20250915.gz");
    }
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    // root may write everywhere: the tool runs as nobody then, from a place nobody can reach.
    let binary = home.path().join("pai-rotate");
    fs::copy(tool("pai-rotate"), &binary).unwrap();
    let mut command = pai_tests::command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
    if !pai_tests::has("setpriv") || run(command.arg("-V")).status != Some(0) {
        return skip("setpriv cannot change the user here");
    }
    let mut command = pai_tests::command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
    let args = ["--now", crate::NOW, "--keep-last", "1", "locked", "open"];
    let outcome = run(command.args(args).current_dir(home.path())).expect(1);
    assert_eq!(outcome.stdout, "open/a-20250914.gz\n");
    assert_eq!(
        outcome.stderr,
        "pai-rotate: could not delete locked/a-20250914.gz: Permission denied (os error 13)\n"
    );
    assert_eq!((names(&locked).len(), names(&open).len()), (2, 1));
}

#[test]
fn another_file_system_mounted_in_a_dated_folder_saves_it() {
    let home = scratch();
    for name in ["backup-20250914", "backup-20250915"] {
        fs::create_dir_all(home.path().join(name).join("mnt")).unwrap();
        write(&home.path().join(name), "file");
    }
    let line = format!(
        "mount --bind {0} {0}/backup-20250914/mnt && '{1}' --now {2} --dirs --keep-last 1 {0}",
        home.path().display(),
        tool("pai-rotate").display(),
        crate::NOW
    );
    let mount = run(pai_tests::command("unshare").args(["-m", "sh", "-c", "mount --bind /tmp /tmp"]));
    if mount.status != Some(0) {
        return skip("mounting is not allowed here");
    }
    let outcome = run(pai_tests::command("unshare").args(["-m", "sh", "-c", &line])).expect(1);
    assert!(outcome.stderr.contains("another file system is mounted in it"), "{}", outcome.stderr);
    assert_eq!(names(&home.path().join("backup-20250914")), ["file", "mnt"]);
}

#[test]
fn what_is_not_there_is_named_unless_it_may_be_missing() {
    let folder = scratch();
    let outcome = rotate_in(folder.path(), &["--days", "30", "gone.gz", "none-*.gz"]).expect(1);
    assert_eq!(
        outcome.stderr,
        "pai-rotate: could not rotate gone.gz: no such file or folder\n\
         pai-rotate: could not rotate none-*.gz: nothing matches\n"
    );
    let outcome =
        rotate_in(folder.path(), &["--days", "30", "--missing-ok", "gone.gz", "none-*.gz"]).expect(0);
    assert_eq!(outcome.stderr, "");
}

#[test]
fn logs_is_the_subcommand_or_a_path_but_never_a_guess() {
    let home = scratch();
    fs::create_dir(home.path().join("logs")).unwrap();
    write_aged(&home.path().join("logs"), "a", 40 * DAY);
    write_aged(&home.path().join("logs"), "b", 50 * DAY);
    let outcome = rotate_in(home.path(), &["--days", "30", "logs"]).expect(2);
    assert!(outcome.stderr.contains("the folder is ./logs"), "{}", outcome.stderr);
    rotate_in(home.path(), &["logs", "-n", "logs"]).expect(0);
    assert_eq!(names(&home.path().join("logs")), ["a", "b"]);
    let outcome = rotate_in(home.path(), &["--days", "30", "./logs"]).expect(0);
    assert_eq!(outcome.stdout, "./logs/b\n");
}

#[test]
fn a_name_without_a_stamp_never_goes_by_name() {
    let folder = scratch();
    write_aged(folder.path(), "old-1", 400 * DAY);
    write_aged(folder.path(), "old-2", 500 * DAY);
    let outcome = rotate_in(folder.path(), &["--days", "30", "--by", "name", "."]).expect(0);
    assert_eq!(outcome.stdout, "");
    assert_eq!(rotate_in(folder.path(), &["--days", "30", "."]).expect(0).stdout, "./old-2\n");
}

#[test]
fn the_mtime_can_overrule_the_name() {
    let folder = scratch();
    write_aged(folder.path(), "a-20200101.gz", DAY);
    write_aged(folder.path(), "a-20250915.gz", 400 * DAY);
    let outcome = rotate_in(folder.path(), &["--days", "30", "--by", "mtime", "."]).expect(0);
    assert_eq!(outcome.stdout, "./a-20250915.gz\n");
}

#[test]
fn control_characters_in_names_stay_on_their_line() {
    let folder = scratch();
    write(folder.path(), "a\n\u{1b}[31m-20250914.gz");
    write(folder.path(), "a\n\u{1b}[31m-20250915.gz");
    let shown =
        run(rotate(&["-n", "-q", "--keep-last", "1", "."]).current_dir(folder.path())).expect(0).stdout;
    assert_eq!(shown.lines().count(), 2, "{shown}");
    assert!(!shown.contains('\u{1b}'));
    let outcome = rotate_in(folder.path(), &["-0", "--keep-last", "1", "."]).expect(0);
    assert_eq!(outcome.stdout, "./a\n\u{1b}[31m-20250914.gz\0");
}
