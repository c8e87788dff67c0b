//! `install.sh` and `install-schedule.sh`: what they put somewhere, they can take away byte for byte.

use std::fs;
use std::path::Path;
use std::process::Command;

use pai_tests::rigs::machine::Machine;
use pai_tests::{Outcome, bin_folder, has, repository, run, scratch, skip};

use crate::support::{mode, names, script};

fn install(prefix: &Path, arguments: &[&str]) -> Outcome {
    run(script("install.sh").args(arguments).arg("--from").arg(bin_folder()).arg("--prefix").arg(prefix))
}

fn all_files(folder: &Path) -> String {
    run(Command::new("sh").args(["-c", "cd \"$0\" 2>/dev/null && find . | LC_ALL=C sort"]).arg(folder)).stdout
}

#[test]
fn tools_scripts_pages_and_completions_are_installed_and_work_from_there() {
    let folder = scratch();
    let prefix = folder.path().join("pre fix");
    let outcome = install(&prefix, &[]).expect(0);

    assert!(
        outcome.stdout.contains(&format!("export PATH=\"{}/bin:$PATH\"", prefix.display())),
        "{}",
        outcome.stdout
    );
    for tool in ["pai-backup", "pai-checksum", "pai-optimize", "pai-rotate"].map(str::to_owned) {
        run(Command::new(prefix.join("bin").join(&tool)).arg("--version")).expect(0);
        assert!(prefix.join(format!("share/man/man1/{tool}.1")).is_file());
        for completion in
            ["bash-completion/completions/@", "zsh/site-functions/_@", "fish/vendor_completions.d/@.fish"]
        {
            assert!(
                prefix.join("share").join(completion.replace('@', &tool)).is_file(),
                "{completion} of {tool}"
            );
        }
        let completion = prefix.join("share/bash-completion/completions").join(&tool);
        let line = format!("source \"$0\" && complete -p {tool}");
        run(Command::new("bash").args(["-c", &line]).arg(completion)).expect(0);
    }
    // A page of groff: no warnings, and the tool's own words in it.
    if has("man") {
        let page = run(Command::new("man")
            .args(["--warnings", "-l"])
            .arg(prefix.join("share/man/man1/pai-backup.1"))
            .env("LC_ALL", "C.UTF-8"))
        .expect(0);
        assert!(page.stdout.contains("SYNOPSIS") && page.stderr.is_empty(), "{}", page.stderr);
    }
    let scripts = prefix.join("libexec/pai-tools");
    for name in names(&scripts).into_iter().filter(|name| name.ends_with(".sh")) {
        assert_eq!(mode(&scripts.join(&name)), 0o755, "{name}");
        run(Command::new(scripts.join(&name)).arg("--help")).expect(0);
    }
    assert!(!scripts.join("test.sh").exists() && !scripts.join("dev").exists());
    for page in ["README.md", "docs/scheduling.md", "examples/health.conf"] {
        assert!(prefix.join("share/doc/pai-tools").join(page).is_file(), "{page}");
    }
}

/// What is called by hand, from where sudo and cron look for it, also through a link.
#[test]
fn what_is_called_by_hand_has_a_name_in_bin_and_speaks_under_it() {
    let folder = scratch();
    let prefix = folder.path().join("pre fix");
    install(&prefix, &[]).expect(0);
    let commands: Vec<String> = names(&prefix.join("bin"))
        .into_iter()
        .filter(|name| fs::read(prefix.join("bin").join(name)).expect("a program").starts_with(b"#!"))
        .collect();
    assert!(commands.len() >= 16 && commands.contains(&"pai-schedule".to_owned()), "{commands:?}");
    std::os::unix::fs::symlink(prefix.join("bin/pai-schedule"), folder.path().join("link")).expect("linked");
    for command in
        commands.iter().map(|name| prefix.join("bin").join(name)).chain([folder.path().join("link")])
    {
        let name = command.file_name().expect("a name").to_string_lossy().into_owned();
        let help = run(Command::new(&command).arg("--help").current_dir("/")).expect(0);
        assert!(help.stdout.starts_with("Usage: "), "{name}: {}", help.stdout);
        let bad = run(Command::new(&command).arg("--no-such-option").current_dir("/")).expect(2);
        assert!(bad.stderr.starts_with(&format!("{name}: error: ")), "{name}: {}", bad.stderr);
    }
}

#[test]
fn whatever_an_installed_script_reads_is_installed() {
    let folder = scratch();
    install(folder.path(), &[]).expect(0);
    let scripts = folder.path().join("libexec/pai-tools");
    let looked = all_files(&scripts);
    let mut count = 0;
    for name in looked.lines().filter(|name| name.ends_with(".sh")) {
        let text = fs::read_to_string(scripts.join(name)).expect("a script");
        for source in text.lines().filter_map(|line| line.strip_prefix("# shellcheck source=scripts/")) {
            assert!(scripts.join(source).is_file(), "{name} reads {source}");
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}

#[test]
fn what_building_lacks_is_named_with_the_way_to_get_it() {
    let folder = scratch();
    let stub = |name: &str, text: &str| {
        fs::write(folder.path().join(name), format!("#!/bin/sh\n{text}\n")).expect("written");
        run(Command::new("chmod").arg("755").arg(folder.path().join(name))).expect(0);
    };
    // The programs the script itself needs, and no other folder on PATH.
    let needed = "for name in bash dirname sed sort head id realpath cat env; do ln -s \"$(command -v $name)\" .; done";
    run(Command::new("bash").args(["-c", needed]).current_dir(folder.path())).expect(0);
    let build = |name: &str| {
        run(script(name).arg("--prefix").arg("/nonexistent").env_remove("CC").env("PATH", folder.path()))
    };
    let no_cargo = build("install.sh").expect(2);
    assert!(
        no_cargo.stderr.contains("install: error: could not build the tools: no cargo on PATH\n")
            && no_cargo.stderr.contains("https://rustup.rs")
            && no_cargo.stderr.contains("sudo scripts/install.sh --from target/release"),
        "{}",
        no_cargo.stderr
    );
    stub("cargo", "exit 1");
    stub("rustc", "echo 'rustc 1.65.0 (897e37553 2022-11-02)'");
    let old = build("install.sh").expect(2);
    assert!(
        old.stderr.contains("Rust 1.89 or later is needed, and") && old.stderr.contains("is 1.65.0"),
        "{}",
        old.stderr
    );
    stub("rustc", "echo 'rustc 1.100.0 (0 2027-01-01)'");
    let no_cc = build("install.sh").expect(2);
    assert!(
        no_cc.stderr.contains("no C compiler (cc) on PATH") && no_cc.stderr.contains("gcc"),
        "{}",
        no_cc.stderr
    );
}

#[test]
fn a_second_installation_replaces_the_first_and_uninstall_leaves_what_it_found() {
    let folder = scratch();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).expect("made");
    fs::write(bin.join("mine"), "my own\n").expect("written");
    let before = all_files(folder.path());
    let dry = install(folder.path(), &["--dry-run"]).expect(0);
    assert!(dry.stdout.contains("would install") && all_files(folder.path()) == before);

    install(folder.path(), &[]).expect(0);
    let first = all_files(folder.path());
    // A file of an older version, on its list, that this one no longer has.
    let list = folder.path().join("libexec/pai-tools/installed-files");
    fs::write(&list, format!("bin/pai-ancient\n{}", fs::read_to_string(&list).expect("a list")))
        .expect("written");
    fs::write(bin.join("pai-ancient"), "").expect("written");
    install(folder.path(), &[]).expect(0);
    assert_eq!(all_files(folder.path()), first);

    install(folder.path(), &["--uninstall"]).expect(0);
    assert_eq!(all_files(folder.path()), before);
    install(folder.path(), &["--uninstall"]).expect(2);
}

/// A private machine with the tools under /opt/pai and a workspace of keeper's.
fn machine() -> Option<Machine> {
    let machine = Machine::new()?;
    let setup = format!(
        "'{}/install.sh' --prefix /opt/pai --from '{}' && useradd --create-home keeper && \
         install -d -o keeper '/home/keeper/my pai'",
        repository().join("scripts").display(),
        bin_folder().display()
    );
    machine.sh(&setup).expect(0);
    Some(machine)
}

#[test]
fn row_2_1_the_drop_in_is_roots_with_a_user_column_and_passes_the_lint_and_twice_changes_nothing() {
    let Some(machine) = machine() else { return };
    let first = machine
        .sh("/opt/pai/libexec/pai-tools/install-schedule.sh cron.d --home '/home/keeper/my pai'")
        .expect(0);
    assert!(first.stdout.contains("+++ /etc/cron.d/pai-maintenance (new)"), "{}", first.stdout);
    let file = fs::read_to_string(machine.path("/etc/cron.d/pai-maintenance")).expect("installed");
    assert!(
        file.contains("PAI_HOME=/home/keeper/my pai\n") && file.contains("\n0 2 * * * keeper run-job.sh"),
        "{file}"
    );
    assert!(file.contains("PATH=/opt/pai/libexec/pai-tools:/opt/pai/bin:"), "{file}");
    let seen = machine.sh("stat -c '%U %G %a' /etc/cron.d/pai-maintenance; /opt/pai/libexec/pai-tools/lint-cron.sh /etc/cron.d/*").expect(0);
    assert_eq!(seen.stdout, "root root 644\n");

    let again = machine
        .sh("/opt/pai/libexec/pai-tools/install-schedule.sh cron.d --home '/home/keeper/my pai'")
        .expect(0);
    assert_eq!(again.stdout, "/etc/cron.d/pai-maintenance: nothing to change\n");
    machine.sh("/opt/pai/libexec/pai-tools/install-schedule.sh cron.d --remove").expect(0);
    assert_eq!(names(&machine.path("/etc/cron.d")), [""; 0]);
}

#[test]
fn row_2_2_row_2_18_folders_are_made_private_and_places_and_user_come_from_the_options() {
    let Some(machine) = machine() else { return };
    let install = "/opt/pai/libexec/pai-tools/install-schedule.sh cron.d codex-backup --run-as keeper --backups /opt/b --codex-home /opt/codex";
    let dry = machine.sh(&format!("{install} --dry-run")).expect(0);
    assert!(dry.stdout.contains("mkdir /opt/b (0700, keeper)"), "{}", dry.stdout);
    assert!(!machine.path("/opt/b").exists() && names(&machine.path("/etc/cron.d")).is_empty());

    machine.sh(install).expect(0);
    let seen = machine.sh("stat -c '%U %a' /opt/b /opt/codex/storage/replays").expect(0);
    assert_eq!(seen.stdout, "keeper 700\nkeeper 700\n");
    let file = fs::read_to_string(machine.path("/etc/cron.d/codex-backup")).expect("installed");
    assert!(
        file.contains("\nBACKUP_DIR=/opt/b\n")
            && file.contains("\nREPLAYS_PATH=/opt/codex/storage/replays\n"),
        "{file}"
    );
    let jobs: Vec<_> = file.lines().filter(|line| line.contains("run-job.sh")).collect();
    assert_eq!(
        (jobs.len(), jobs.iter().filter(|line| line.starts_with('#')).count()),
        (5, 2),
        "clean-ups are commented out"
    );
    assert!(jobs.iter().all(|line| line.contains(" keeper run-job.sh")), "{file}");
    // Taken out of their comments they pass the lint, too.
    let lint = "sed -i 's/^# \\([0-9]\\)/\\1/' /etc/cron.d/codex-backup && /opt/pai/libexec/pai-tools/lint-cron.sh /etc/cron.d/codex-backup";
    machine.sh(lint).expect(0);

    let closed = machine.sh("install -d -m 700 -o root /opt/closed; /opt/pai/libexec/pai-tools/install-schedule.sh cron.d codex-backup --run-as keeper --backups /opt/closed").expect(2);
    assert!(
        closed.stderr.contains(
            "keeper cannot read and write /opt/closed\ninstall-schedule: hint: chown -R keeper: /opt/closed"
        ),
        "{}",
        closed.stderr
    );
}

#[test]
fn what_cannot_run_tonight_is_refused_and_nothing_is_installed() {
    let Some(machine) = machine() else { return };
    machine.sh("install -d '/home/keeper/50%'").expect(0);
    for (arguments, reason) in [
        ("cron.d", "no workspace: give --home or set PAI_HOME"),
        ("cron.d --home /home/nowhere", "the workspace is not there"),
        ("cron.d --home /home/keeper --run-as nobody-here", "no user nobody-here on this machine"),
        ("cron.d --home /home/keeper --prefix /opt/empty", "is not installed under /opt/empty"),
        ("cron.d --home '/home/keeper/50%'", "cron or systemd would misread this name"),
        ("systemd --home /home/keeper --prefix /opt/empty", "is not installed under /opt/empty"),
        ("cron.d codex-backup --backups relative", "relative does not start with /"),
        ("cron.d pai.cron", "say cron, cron.d"),
    ] {
        let refused =
            machine.sh(&format!("/opt/pai/libexec/pai-tools/install-schedule.sh {arguments}")).expect(2);
        assert!(refused.stderr.contains(reason), "{arguments}: {}", refused.stderr);
    }
    assert_eq!(names(&machine.path("/etc/cron.d")), [""; 0]);
    assert!(!machine.path("/etc/systemd/system/pai-backup.service").exists());
}

#[test]
fn row_0_19c_a_users_crontab_keeps_its_lines_and_comes_back_byte_for_byte() {
    let Some(machine) = machine().filter(Machine::has_cron) else { return };
    let as_keeper = |line: &str| machine.sh(&format!("runuser -u keeper -- {line}"));
    let install = "/opt/pai/libexec/pai-tools/install-schedule.sh cron --home '/home/keeper/my pai'";
    let stored = || fs::read(machine.path("/crontabs/keeper")).ok();
    // Lines of others with everything a crontab may hold; an empty crontab; none at all.
    for before in [Some("# mine\nMAILTO=me\n\n5 4 * * * echo \\% done\n# PAI is mentioned\n"), Some(""), None]
    {
        as_keeper("crontab -r").status.expect("it ran");
        if let Some(text) = before {
            fs::write(machine.path("/opt/before"), text).expect("written");
            as_keeper("crontab /opt/before").expect(0);
        }
        let listed = |run: Outcome| (run.status, run.stdout);
        let original = listed(as_keeper("crontab -l"));
        let first = as_keeper(install).expect(0);
        assert!(first.stdout.contains("+0 2 * * * PAI_HOME=\"/home/keeper/my pai\""), "{}", first.stdout);
        let installed = stored();
        let text = as_keeper("crontab -l").expect(0).stdout;
        assert!(text.starts_with(before.unwrap_or_default()), "{text}");
        assert_eq!(as_keeper(install).expect(0).stdout, "crontab: nothing to change\n");
        assert_eq!(stored(), installed);
        as_keeper("/opt/pai/libexec/pai-tools/install-schedule.sh cron --remove").expect(0);
        assert_eq!(listed(as_keeper("crontab -l")), original);
    }
}

#[test]
fn a_crontab_whose_end_mark_is_gone_is_not_touched() {
    let Some(machine) = machine().filter(Machine::has_cron) else { return };
    let line = "(echo '# BEGIN PAI maintenance (pai-tools)'; echo '5 4 * * * precious') | crontab -u keeper - && \
                runuser -u keeper -- /opt/pai/libexec/pai-tools/install-schedule.sh cron --remove";
    let refused = machine.sh(line).expect(2);
    assert!(refused.stderr.contains("mend it with crontab -e"), "{}", refused.stderr);
    assert!(machine.sh("crontab -u keeper -l").expect(0).stdout.contains("precious"));
}

#[test]
fn a_drop_in_of_another_origin_is_kept_beside_ours_and_comes_back_byte_for_byte() {
    let Some(machine) = machine() else { return };
    let theirs = "# somebody's own\n0 4 * * * root true";
    fs::write(machine.path("/etc/cron.d/pai-maintenance"), theirs).expect("written");
    machine
        .sh("/opt/pai/libexec/pai-tools/install-schedule.sh cron.d --home '/home/keeper/my pai'")
        .expect(0);
    machine.sh("/opt/pai/libexec/pai-tools/install-schedule.sh cron.d --home /home/keeper").expect(0);
    assert_eq!(names(&machine.path("/etc/cron.d")), ["pai-maintenance", "pai-maintenance.before-pai"]);
    machine.sh("/opt/pai/libexec/pai-tools/install-schedule.sh cron.d --remove").expect(0);
    assert_eq!(names(&machine.path("/etc/cron.d")), ["pai-maintenance"]);
    assert_eq!(fs::read_to_string(machine.path("/etc/cron.d/pai-maintenance")).expect("back"), theirs);
    // A second --remove leaves it alone.
    machine.sh("/opt/pai/libexec/pai-tools/install-schedule.sh cron.d --remove").expect(0);
    assert_eq!(fs::read_to_string(machine.path("/etc/cron.d/pai-maintenance")).expect("still there"), theirs);
}

#[test]
fn row_0_21a_units_of_both_scopes_are_verified_installed_once_and_removed() {
    if !has("systemd-analyze") {
        return skip("no systemd-analyze (package systemd)");
    }
    let Some(machine) = machine() else { return };
    for (scope, folder, workspace) in [
        ("", "/etc/systemd/system", "/home/keeper/my pai"),
        ("--user", "/home/keeper/.config/systemd/user", "/home/keeper/my pai"),
    ] {
        let before = names(&machine.path(folder));
        let line = |more: &str| {
            let user = if scope.is_empty() { "root" } else { "keeper" };
            format!(
                "HOME=/home/keeper runuser -u {user} -- /opt/pai/libexec/pai-tools/install-schedule.sh systemd {scope} {more}"
            )
        };
        let first = machine.sh(&line(&format!("--home '{workspace}'"))).expect(0);
        assert!(
            first.stdout.contains("enable --now pai-backup.timer pai-optimize.timer"),
            "{}",
            first.stdout
        );
        let unit = fs::read_to_string(machine.path(folder).join("pai-backup.service")).expect("installed");
        assert!(
            unit.contains("Type=oneshot\n")
                && unit.contains("Environment=\"PAI_HOME=/home/keeper/my pai\"\n"),
            "{unit}"
        );
        assert!(unit.contains("ExecStart=/opt/pai/bin/pai-backup"), "{unit}");
        assert_eq!(unit.contains("User=keeper\n"), scope.is_empty(), "{unit}");
        let again = machine.sh(&line(&format!("--home '{workspace}'"))).expect(0);
        assert_eq!(again.stdout.matches("nothing to change").count(), 10, "{}", again.stdout);
        machine.sh(&line("--remove")).expect(0);
        assert_eq!(names(&machine.path(folder)), before);
    }
}

#[test]
fn a_list_that_leads_out_of_the_prefix_removes_nothing_there() {
    let folder = scratch();
    let (prefix, mine) = (folder.path().join("prefix"), folder.path().join("mine"));
    fs::write(&mine, "my own\n").expect("written");
    install(&prefix, &[]).expect(0);
    let list = prefix.join("libexec/pai-tools/installed-files");
    fs::write(&list, format!("../mine\n{}", fs::read_to_string(&list).expect("a list"))).expect("written");
    for arguments in [&[][..], &["--uninstall"]] {
        let outcome = install(&prefix, arguments).expect(2);
        assert!(outcome.stderr.contains("leads out of it: ../mine"), "{}", outcome.stderr);
        assert!(mine.exists() && list.exists());
    }
}
