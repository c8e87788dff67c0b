//! What `install-schedule.sh` refuses because a job's user could not run it tonight, or somebody else could change it;
//! whose crontab it writes; and what it leaves of the edits made since the last run.

use std::fs;
use std::process::Command;

use pai_tests::rigs::machine::Machine;
use pai_tests::{Outcome, bin_folder, has, repository, run, scratch, skip};

use crate::support::names;

/// A private machine with the tools under `prefix`, installed under `umask`, and two people.
fn machine(prefix: &str, umask: &str) -> Option<Machine> {
    let machine = Machine::new()?;
    let setup = format!(
        "useradd --create-home -K HOME_MODE=0755 keeper && useradd --create-home -K HOME_MODE=0700 closed && \
         install -d -o keeper /home/keeper/pai && echo a >/home/keeper/pai/memory.md && chown keeper: /home/keeper/pai/* && \
         install -d -o closed /home/closed/pai && (umask {umask} && '{}/install.sh' --prefix {prefix} --from '{}')",
        repository().join("scripts").display(),
        bin_folder().display()
    );
    machine.sh(&setup).expect(0);
    Some(machine)
}

fn schedule(machine: &Machine, arguments: &str) -> Outcome {
    machine.sh(&format!("/opt/pai/bin/pai-schedule {arguments}"))
}

fn edit(machine: &Machine, file: &str, expression: &str) {
    machine.sh(&format!("sed -i '{expression}' {file}")).expect(0);
}

#[test]
fn an_installation_under_any_umask_is_everybodys_to_run_and_a_job_runs_from_it() {
    let Some(machine) = machine("/opt/new/pai", "077") else { return };
    let closed = machine.sh("find /opt/new ! -type l \\( -type d -o -path '*/bin/*' -o -path '*/pai-tools/*.sh' ! -path '*/lib/*' \\) ! -perm -005; find /opt/new -type f ! -perm -004");
    assert_eq!(closed.expect(0).stdout, "");
    // An installation that an earlier version closed is opened by the next one.
    let again = format!(
        "find /opt/new/pai/libexec/pai-tools -type d -exec chmod 700 {{}} +; umask 077; '{}/install.sh' --prefix /opt/new/pai --from '{}'; \
         cd / && runuser -u keeper -- env PATH=/opt/new/pai/libexec/pai-tools:/usr/bin:/bin run-job.sh x -- pai-backup --home /home/keeper/pai",
        repository().join("scripts").display(),
        bin_folder().display()
    );
    machine.sh(&again).expect(0);
    assert_eq!(names(&machine.path("/home/keeper/pai")), ["archive", "logs", "memory.md"]);
}

#[test]
fn what_the_jobs_user_cannot_reach_is_refused_with_the_folder_that_is_closed() {
    let Some(machine) = machine("/opt/pai", "022") else { return };
    machine.sh("install -d -m 700 /home/closed/.local && cp -a /opt/pai/. /home/closed/.local && install -d -o keeper -m 700 /opt/codex /opt/codex/storage /opt/codex/storage/replays").expect(0);
    machine
        .sh("install -d -o root -m 700 /home/keeper/pai/logs && install -d -o keeper /home/keeper/good")
        .expect(0);
    for (arguments, reason, hint) in [
        (
            "cron.d --home /home/closed/pai --run-as keeper",
            "keeper cannot enter /home/closed/pai: /home/closed is closed to that user",
            "--run-as",
        ),
        (
            "cron.d --home /home/keeper/good --run-as closed",
            "closed cannot read and write /home/keeper/good",
            "chown -R closed: /home/keeper/good",
        ),
        // What a run as root left behind.
        (
            "cron.d --home /home/keeper/pai",
            "keeper cannot read and write /home/keeper/pai/logs",
            "chown -R keeper: /home/keeper/pai/logs",
        ),
        (
            "cron --home /home/keeper/pai",
            "keeper cannot read and write /home/keeper/pai/logs",
            "chown -R keeper: /home/keeper/pai/logs",
        ),
        (
            "systemd --home /home/keeper/pai",
            "keeper cannot read and write /home/keeper/pai/logs",
            "chown -R keeper: /home/keeper/pai/logs",
        ),
        (
            "cron.d --home /home/keeper/good --prefix /home/closed/.local",
            "keeper cannot run /home/closed/.local/libexec/pai-tools/run-job.sh: /home/closed is closed to that user",
            "sudo scripts/install.sh --prefix /usr/local",
        ),
        (
            "cron.d codex-backup --run-as keeper --backups /home/closed/b --codex-home /opt/codex",
            "keeper could not enter /home/closed/b: /home/closed is closed to that user",
            "chmod o+x",
        ),
    ] {
        let refused = schedule(&machine, arguments).expect(2);
        assert!(
            refused.stderr.contains(&format!("pai-schedule: error: {reason}"))
                && refused.stderr.contains(hint),
            "{arguments}: {}",
            refused.stderr
        );
    }
    // A tool that is there and cannot run, whatever its mode says.
    machine.sh("printf '#!/nonexistent/sh\\n' >/opt/pai/libexec/pai-tools/run-job.sh").expect(0);
    let broken = schedule(&machine, "cron.d --home /home/keeper/good").expect(2);
    assert!(
        broken.stderr.contains("keeper cannot run /opt/pai/libexec/pai-tools/run-job.sh: "),
        "{}",
        broken.stderr
    );
    assert_eq!(names(&machine.path("/etc/cron.d")), [""; 0]);
    assert!(!machine.path("/etc/systemd/system/pai-backup.service").exists());
}

#[test]
fn what_somebody_else_could_change_or_the_units_do_not_see_is_never_installed_for_root() {
    if !has("systemd-analyze") {
        return skip("no systemd-analyze (package systemd)");
    }
    let Some(machine) = machine("/opt/pai", "022") else { return };
    let systemd = "systemd --home /home/keeper/pai";
    for (change, back, place) in [
        ("chown keeper /opt/pai", "chown root /opt/pai", "/opt/pai"),
        (
            "chown keeper /opt/pai/libexec/pai-tools/lib/say.sh",
            "chown root /opt/pai/libexec/pai-tools/lib/say.sh",
            "/opt/pai/libexec/pai-tools/lib/say.sh",
        ),
        ("chmod o+w /opt/pai/bin/pai-backup", "chmod o-w /opt/pai/bin/pai-backup", "/opt/pai/bin/pai-backup"),
        ("chgrp keeper /opt/pai/bin; chmod g+w /opt/pai/bin", "chgrp root /opt/pai/bin", "/opt/pai/bin"),
    ] {
        machine.sh(change).expect(0);
        let refused = schedule(&machine, systemd).expect(2);
        let who = if change.contains("o+w") { "everybody" } else { "keeper" };
        let reason = format!(
            "pai-schedule: error: {who} could change {place}, and root would run it\npai-schedule: hint: install where only root may write"
        );
        assert!(refused.stderr.contains(&reason), "{change}: {}", refused.stderr);
        // As the jobs of keeper alone they are keeper's own affair; as somebody else's they are not.
        if who == "keeper" {
            schedule(&machine, "cron.d --home /home/keeper/pai --dry-run").expect(0);
        }
        let others = schedule(&machine, "cron.d --home /home/closed/pai --dry-run").expect(2);
        assert!(others.stderr.contains("and closed would run it"), "{change}: {}", others.stderr);
        machine.sh(back).expect(0);
    }
    // A group that only root is in changes nothing.
    machine.sh("groupadd staff2; chgrp staff2 /opt/pai; chmod g+w /opt/pai").expect(0);
    schedule(&machine, &format!("{systemd} --dry-run")).expect(0);
    machine.sh("gpasswd -a closed staff2 >/dev/null").expect(0);
    assert!(schedule(&machine, systemd).expect(2).stderr.contains("closed could change /opt/pai,"));
    machine.sh("chgrp root /opt/pai").expect(0);

    // Root's own, but where ProtectHome= hides it from root's units.
    machine.sh("cp -a /opt/pai /home/pai").expect(0);
    let hidden = machine.sh(&format!("/home/pai/bin/pai-schedule {systemd}")).expect(2);
    assert!(
        hidden.stderr.contains("system units do not see /home/pai (ProtectHome=")
            && hidden.stderr.contains("systemd --user"),
        "{}",
        hidden.stderr
    );
    // Somebody's own units may call what is theirs.
    machine
        .sh(&format!("chown -R keeper: /home/pai; HOME=/home/keeper runuser -u keeper -- /home/pai/bin/pai-schedule {systemd} --user --dry-run"))
        .expect(0);
    assert_eq!(names(&machine.path("/etc/cron.d")), [""; 0]);
    assert!(!machine.path("/etc/systemd/system/pai-backup.service").exists());
}

#[test]
fn a_second_run_keeps_times_clean_ups_and_lines_of_ones_own_and_takes_up_new_places() {
    let Some(machine) = machine("/opt/pai", "022") else { return };
    let file = "/etc/cron.d/codex-backup";
    let text = || fs::read_to_string(machine.path(file)).expect("installed");
    schedule(&machine, "cron.d codex-backup --run-as keeper --backups /opt/b --codex-home /opt/codex")
        .expect(0);
    edit(&machine, file, r"s/^# \(0 [34] \)/\1/; s/^0 2 \* \* \* keeper/45 4 * * * keeper/; 4i MAILTO=me");
    let edited = text();
    // No place is named: those of the last run hold.
    let again = schedule(&machine, "cron.d codex-backup").expect(0);
    assert_eq!(
        (again.stdout.as_str(), text()),
        ("/etc/cron.d/codex-backup: nothing to change\n", edited.clone())
    );
    // Nothing is made before everything was looked at.
    schedule(&machine, "cron.d codex-backup --run-as closed --backups /opt/b2").expect(2);
    assert!(!machine.path("/opt/b2").exists());
    // New places and another user come in; the edits stay.
    machine.sh("chown -R closed: /opt/codex/storage/replays").expect(0);
    schedule(&machine, "cron.d codex-backup --run-as closed --backups /opt/b2").expect(0);
    assert_eq!(text(), edited.replace("/opt/b\n", "/opt/b2\n").replace(" keeper run-job", " closed run-job"));
    assert_eq!(text().lines().filter(|line| line.contains("run-job.sh")).count(), 5, "never doubled");
    // Both changed the same line: the file stays, and the new one is beside it, where cron looks past it.
    machine.sh("cp -a /opt/pai /opt/pai2").expect(0);
    edit(&machine, file, "s|^PATH=.*|&:/opt/mine|");
    let mine = text();
    let refused = schedule(&machine, "cron.d codex-backup --prefix /opt/pai2").expect(1);
    assert!(
        refused.stderr.contains("the new one is /etc/cron.d/codex-backup.pai-new~"),
        "{}",
        refused.stderr
    );
    assert_eq!(text(), mine);
    let new = fs::read_to_string(machine.path("/etc/cron.d/codex-backup.pai-new~")).expect("beside it");
    assert!(new.contains("PATH=/opt/pai2/libexec/pai-tools:/opt/pai2/bin:"), "{new}");
    schedule(&machine, "cron.d codex-backup --remove").expect(0);
    assert_eq!(names(&machine.path("/etc/cron.d")), [""; 0]);
}

#[test]
fn units_of_version_0_1_0_are_upgraded_and_edits_in_them_are_kept() {
    if !has("systemd-analyze") {
        return skip("no systemd-analyze (package systemd)");
    }
    let Some(machine) = machine("/opt/pai", "022") else { return };
    for (name, arguments, folder) in [
        ("pai-backup", "systemd --home /home/keeper/pai", "/etc/systemd/system"),
        ("pai-vector-store", "systemd vector-store --home /home/keeper/pai", "/etc/systemd/system"),
    ] {
        let unit = machine.path(folder).join(format!("{name}.service"));
        let text = || fs::read_to_string(&unit).expect("installed");
        schedule(&machine, arguments).expect(0);
        let new = text();
        let released =
            fs::read_to_string(repository().join(format!("tests/scripts/released/{name}.service")))
                .expect("as version 0.1.0 had it")
                .replace("/usr/local", "/opt/pai")
                .replace("User=user", "User=keeper")
                .replace("/home/user/projects/codex-assistant/pai", "/home/keeper/pai")
                .replace("/srv/vector-store", "/home/keeper/pai");
        fs::write(&unit, &released).expect("written");
        schedule(&machine, arguments).expect(0);
        assert_eq!(text(), new, "{name}");
        // With an edit of one's own, which the upgrade does not touch.
        fs::write(&unit, released.replace("--wait 1h", "--wait 3h")).expect("written");
        schedule(&machine, arguments).expect(0);
        assert_eq!(text(), new.replace("--wait 1h", "--wait 3h"), "{name}");
        schedule(&machine, arguments).expect(0);
        assert_eq!(text(), new.replace("--wait 1h", "--wait 3h"), "{name}");
    }
    let left = names(&machine.path("/etc/systemd/system"));
    assert!(left.iter().all(|name| !name.ends_with('~')), "{left:?}");
}

#[test]
fn root_puts_the_owners_jobs_into_the_owners_crontab_and_takes_them_out_of_its_own() {
    let Some(machine) = machine("/opt/pai", "022").filter(Machine::has_cron) else { return };
    let listed = |user: &str| machine.sh(&format!("crontab -u {user} -l")).stdout;
    machine.sh("echo '5 4 * * * true' | crontab -u keeper -").expect(0);
    schedule(&machine, "cron --home /home/keeper/pai").expect(0);
    assert_eq!(listed("keeper").matches("run-job.sh").count(), 2, "{}", listed("keeper"));
    assert_eq!(listed("root"), "");
    // Version 0.1.0 had put the block into root's crontab, where the jobs would run a second time, as root.
    machine.sh("crontab -u keeper -l | sed -n '/BEGIN/,$p' | crontab -; (crontab -l; echo '1 1 * * * true') | crontab -").expect(0);
    let edited = listed("keeper").replace("\n0 2 * * * ", "\n45 4 * * * ");
    fs::write(machine.path("/opt/edited"), &edited).expect("written");
    machine.sh("crontab -u keeper /opt/edited").expect(0);
    schedule(&machine, "cron --home /home/keeper/pai").expect(0);
    assert_eq!((listed("keeper"), listed("root").as_str()), (edited, "1 1 * * * true\n"));
    schedule(&machine, "cron --home /home/keeper/pai --remove").expect(0);
    assert_eq!(listed("keeper"), "5 4 * * * true\n");
}

#[test]
fn the_installer_says_what_is_missing_around_it() {
    let Some(machine) = machine("/opt/pai", "022") else { return };
    let told =
        schedule(&machine, "cron.d codex-backup --run-as keeper --backups /opt/b --codex-home /opt/codex")
            .expect(0);
    assert!(
        told.stderr.contains("warning: cron does not run here") && told.stderr.contains("service cron start"),
        "{}",
        told.stderr
    );
    if has("docker") {
        assert!(
            told.stderr.contains("keeper cannot talk to docker")
                || told.stderr.contains("docker is not on the jobs' PATH")
                || told.stderr.contains("no container codex_postgres"),
            "{}",
            told.stderr
        );
    }
    let groups = machine.sh("stat -c '%U:%G' /opt/b /opt/codex/storage/replays").expect(0);
    assert_eq!(groups.stdout, "keeper:keeper\nkeeper:keeper\n");
    // A machine without cron.
    let none = machine.sh("mkdir /opt/bin && for name in bash env dirname readlink mktemp rm id realpath stat getent cat sed grep; do ln -s \"$(command -v $name)\" /opt/bin/; done; \
                           PATH=/opt/bin /opt/pai/bin/pai-schedule cron --home /home/keeper/pai").expect(2);
    assert!(
        none.stderr.contains("no crontab(1) here\n") && none.stderr.contains("apt-get install cron"),
        "{}",
        none.stderr
    );
}

#[test]
fn the_tools_are_not_taken_from_under_jobs_that_call_them() {
    let Some(machine) = machine("/opt/pai", "022").filter(Machine::has_cron) else { return };
    schedule(&machine, "cron.d codex-backup --run-as keeper --backups /opt/b --codex-home /opt/codex")
        .expect(0);
    schedule(&machine, "cron --home /home/keeper/pai").expect(0);
    let refused = machine.sh("/opt/pai/bin/pai-install --uninstall").expect(2);
    for place in [
        "/etc/cron.d/codex-backup (pai-schedule cron.d codex-backup --remove)",
        "the crontab of keeper (pai-schedule cron --run-as keeper --remove)",
    ] {
        assert!(
            refused.stderr.contains(&format!("pai-install: error: still called by {place}\n")),
            "{}",
            refused.stderr
        );
    }
    assert!(machine.path("/opt/pai/bin/pai-backup").exists());
    // What it says to do is what lets it go.
    for line in ["cron.d codex-backup --remove", "cron --run-as keeper --remove"] {
        schedule(&machine, line).expect(0);
    }
    machine.sh("/opt/pai/bin/pai-install --uninstall").expect(0);
    assert_eq!(machine.sh("find /opt/pai -type f").stdout, "");
}

/// `PAI_HOME=$(pwd)/pai ./pai/backup.sh --dry-run` and the others, as the runbook prints them.
#[test]
fn the_runbooks_lines_work_in_a_workspace_that_moves_to_these_tools() {
    let Some(machine) = machine("/opt/pai", "022") else { return };
    let keeper = |line: &str| machine.sh(&format!("cd /home/keeper && runuser -u keeper -- sh -c '{line}'"));
    let theirs = "#!/bin/sh\necho their own\n";
    fs::write(machine.path("/home/keeper/pai/backup.sh"), theirs).expect("written");
    machine.sh("chown keeper: /home/keeper/pai/backup.sh; chmod 755 /home/keeper/pai/backup.sh").expect(0);
    let put = "/opt/pai/bin/pai-install --workspace /home/keeper/pai";
    let refused = machine.sh(put).expect(2);
    assert!(
        refused.stderr.contains("/home/keeper/pai/backup.sh is there and not ours: nothing was changed"),
        "{}",
        refused.stderr
    );
    assert!(!machine.path("/home/keeper/pai/optimize_memory.py").exists());
    machine.sh(&format!("{put} --force")).expect(0);
    assert_eq!(
        fs::read_to_string(machine.path("/home/keeper/pai/backup.sh.before-pai")).expect("kept"),
        theirs
    );
    assert_eq!(
        machine.sh("find /home/keeper/pai ! -user keeper").stdout,
        "",
        "all of it is the owner's, though root put it there"
    );
    machine.sh(put).expect(0);

    // Before anything else made logs/: the redirection of the cron line comes first.
    keeper(
        "PAI_HOME=/home/keeper/pai /home/keeper/pai/backup.sh >> /home/keeper/pai/logs/backup-cron.log 2>&1",
    )
    .expect(0);
    for line in [
        "PAI_HOME=$(pwd)/pai ./pai/backup.sh --dry-run",
        "grep ^tar.-czf pai/logs/backup.log",
        "PAI_HOME=$(pwd)/pai ./pai/backup.sh",
        "ls -1 pai/archive | grep ^pai-",
        "tail -n5 pai/logs/backup.log | grep Created.archive",
        "pai/backup.sh --dry-run",
    ] {
        keeper(line).expect(0);
    }
    if !has("python3") {
        return skip("no python3 (package python3)");
    }
    for line in [
        "PAI_HOME=$(pwd)/pai python3 pai/optimize_memory.py --window 7 --once",
        "PAI_HOME=/home/keeper/pai PYTHONPATH=/home/keeper/pai python3 /home/keeper/pai/optimize_memory.py --window 7 --once >> /home/keeper/pai/logs/optimize-cron.log 2>&1",
        "/home/keeper/pai/optimize_memory.py --window 7 --once",
        "tail -n5 pai/logs/optimize_memory.log | grep Starting",
    ] {
        keeper(line).expect(0);
    }
    machine.sh(&format!("{put} --uninstall")).expect(0);
    assert_eq!(fs::read_to_string(machine.path("/home/keeper/pai/backup.sh")).expect("back"), theirs);
    assert!(!machine.path("/home/keeper/pai/optimize_memory.py").exists());
}

#[test]
fn the_edits_of_ones_own_are_seen_line_by_line() {
    // Without a machine: the merge itself, on what the shipped file and an edit of it are.
    let folder = scratch();
    let line = format!(
        "set -euo pipefail; here='{0}'; . \"$here/lib/say.sh\"; . \"$here/lib/render.sh\"; . \"$here/lib/schedule-store.sh\"; scratch=$PWD store='' credentials=''; \
         home=/w run_as=user prefix=/usr/local backups='' codex_home='' user=no; template=$here/cron/pai-maintenance; \
         render \"$template\" >old; render \"$template\" >new; eval \"$1\"; keep_edits \"$template\" new old; echo $conflict; cat new",
        repository().join("scripts").display()
    );
    let merge = |edit: &str| {
        run(Command::new("bash").args(["-c", &line, "merge", edit]).current_dir(folder.path()))
            .expect(0)
            .stdout
    };
    let plain = merge("");
    assert!(plain.starts_with("no\n") && plain.contains("\n0 2 * * * user run-job.sh"), "{plain}");
    let gone = merge("sed -i /pai-rotate/d old");
    assert_eq!(gone.lines().count() + 1, plain.lines().count(), "a job that was taken out stays out: {gone}");
    let both = merge("sed -i 's/^0 2/9 9/' old; sed -i 's/user run-job.sh/other run-job.sh/' new");
    assert!(both.starts_with("no\n") && both.contains("\n9 9 * * * other run-job.sh"), "{both}");
    let clash = merge("sed -i 's/^0 2/9 9/' old; sed -i 's/^0 2/1 1/' new");
    assert!(clash.starts_with("yes\n") && clash.contains("\n1 1 * * * user"), "{clash}");
}
