//! The vector store's schedule as it is shipped: linted, run by real cron, reckoned by systemd.

use std::fs;

use pai_tests::rigs::machine::Machine;
use pai_tests::{bin_folder, command, has, repository, run, scratch, skip};

use crate::support::names;

/// A machine of its own with the tools and a vector store's folder whose owner is `keeper`.
fn machine() -> Option<Machine> {
    let machine = Machine::new().filter(Machine::has_cron)?;
    let (scripts, bin) = (repository().join("scripts"), bin_folder());
    let setup = "useradd --create-home keeper && install -d -o keeper /opt/store /opt/store/deployment";
    machine
        .sh(&format!(
            "'{}/install.sh' --prefix /opt/pai --from '{}' && {setup}",
            scripts.display(),
            bin.display()
        ))
        .expect(0);
    Some(machine)
}

/// Puts tasks that only leave a trace in place of the real ones, and leaves the others out.
fn tracing_tasks(machine: &Machine, periods: &[(&str, &str)]) {
    let tasks = machine.path("/opt/pai/libexec/pai-tools/tasks");
    for name in names(&tasks) {
        fs::remove_file(tasks.join(name)).unwrap();
    }
    for (name, period) in periods {
        let text = format!(
            "#!/bin/sh\n# Leaves a trace.\n{period}\n[ \"${{1-}}\" != --help ] || exit 0\necho {name} >>/opt/store/ran\nsleep 1\n"
        );
        fs::write(tasks.join(format!("{name}.sh")), text).unwrap();
    }
    machine.sh("chmod 755 /opt/pai/libexec/pai-tools/tasks/*.sh").expect(0);
}

fn ran(machine: &Machine) -> Vec<String> {
    let text = fs::read_to_string(machine.path("/opt/store/ran")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// The same without the hour's metrics, at seven minutes past: cron's clock goes on while a job runs, and they may come.
fn ran_by_cron(machine: &Machine) -> Vec<String> {
    ran(machine).into_iter().filter(|task| task != "metrics").collect()
}

fn install(machine: &Machine) {
    machine
        .sh("/opt/pai/libexec/pai-tools/install-schedule.sh cron.d vector-store --home /opt/store --prefix /opt/pai")
        .expect(0);
}

#[test]
fn row_3_11b_the_shipped_file_passes_the_lint_and_says_two_in_the_morning() {
    let file = repository().join("scripts/cron/vector-store");
    run(command(repository().join("scripts/lint-cron.sh")).arg("--template").arg(&file)).expect(0);
    let text = fs::read_to_string(file).unwrap();
    let hours: Vec<&str> =
        text.lines().filter(|line| line.contains(" -- ") && !line.starts_with('#')).collect();
    assert!(hours[0].starts_with("0 2 * * * ") && hours[0].contains("maintenance.sh --due"), "{text}");
    assert!(
        hours[1].starts_with("0 */6 * * * ") && hours[1].contains("maintenance.sh cache-rebuild"),
        "{text}"
    );
    // What --due runs every day, the defragmentation is part of.
    let listed =
        run(command(repository().join("scripts/maintenance.sh")).arg("--list").current_dir(scratch().path()));
    assert!(
        listed.expect(0).stdout.lines().any(|line| line.starts_with("defragment ") && line.contains("daily"))
    );
}

#[test]
fn row_3_11b_cron_defragments_and_maintains_at_two_as_the_folders_owner() {
    let Some(machine) = machine() else { return };
    let tasks = [
        ("defragment", "# run: daily 45"),
        ("docker-cleanup", "# run: daily 30"),
        ("cache-rebuild", ""),
        ("metrics", ""),
        ("trend-analysis", ""),
        ("maintenance-report", ""),
    ];
    tracing_tasks(&machine, &tasks);
    install(&machine);
    let log = machine.cron("2026-11-22 01:56:00", 7, "UTC").text();
    assert_eq!(ran_by_cron(&machine), ["docker-cleanup", "defragment"], "{log}");
    let owner =
        machine.sh("stat -c %U /opt/store/ran /opt/store/deployment/logs/maintenance.jsonl").expect(0);
    assert_eq!(owner.stdout, "keeper\nkeeper\n");
}

#[test]
fn row_3_11c_cron_rebuilds_the_cache_every_six_hours() {
    let Some(machine) = machine() else { return };
    tracing_tasks(&machine, &[("cache-rebuild", ""), ("metrics", ""), ("defragment", "# run: daily 45")]);
    install(&machine);
    let log = machine.cron("2026-11-22 05:57:00", 5, "UTC").text();
    assert_eq!(ran_by_cron(&machine), ["cache-rebuild"], "{log}");
}

#[test]
fn row_3_11a_one_instance_runs_and_a_second_one_says_so() {
    let Some(machine) = machine() else { return };
    // The task of the first instance ends once the second has been refused.
    let until = "touch /opt/store/runs; until [ -e /opt/store/refused ]; do sleep 0.05; done";
    tracing_tasks(&machine, &[("cache-rebuild", until), ("metrics", "")]);
    install(&machine);
    let file = fs::read_to_string(machine.path("/etc/cron.d/vector-store")).unwrap();
    assert!(file.contains("\nSTACK_HOME=/opt/store\n") && !file.contains("/srv/"), "{file}");
    let job = file.lines().find(|line| line.contains("cache-rebuild")).unwrap();
    let job = job.split_once("keeper ").expect("the owner's job").1;
    let twice = format!(
        "export STACK_HOME=/opt/store PATH=/opt/pai/libexec/pai-tools:/opt/pai/bin:$PATH; cd /
        {job} & until [ -e /opt/store/runs ]; do sleep 0.05; done
        {job}; echo second $?; touch /opt/store/refused; wait"
    );
    let outcome = machine.sh(&twice).expect(0);
    assert!(outcome.stdout.contains("second 75"), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stderr.contains("not started: another run holds"), "{}", outcome.stderr);
    assert_eq!(ran(&machine), ["cache-rebuild"]);
    machine.sh("/opt/pai/libexec/pai-tools/install-schedule.sh cron.d vector-store --remove").expect(0);
    assert!(!machine.path("/etc/cron.d/vector-store").exists());
}

#[test]
fn row_3_11a_systemd_makes_up_for_missed_runs_and_knows_the_hours() {
    if !has("systemd-analyze") {
        return skip("no systemd-analyze (package systemd)");
    }
    let units = repository().join("scripts/systemd/vector-store");
    let expected = [
        ("pai-vector-store", "2026-11-22 02:00:00"),
        ("pai-vector-cache", "2026-11-21 18:00:00"),
        ("pai-vector-metrics", "2026-11-21 12:07:00"),
        ("pai-vector-report", "2026-11-22 05:45:00"),
    ];
    assert_eq!(names(&units).len(), 2 * expected.len());
    for (name, next) in expected {
        let timer = fs::read_to_string(units.join(format!("{name}.timer"))).unwrap();
        assert!(timer.contains("\nPersistent=true\n"), "{timer}");
        let calendar = timer.lines().find_map(|line| line.strip_prefix("OnCalendar=")).expect("a calendar");
        let mut analyze = command("systemd-analyze");
        analyze.args(["calendar", "--base-time=2026-11-21 12:05:00", calendar]);
        let found = run(&mut analyze).expect(0).stdout;
        assert!(found.contains(&format!("{next} UTC")), "{name}: {found}");
    }
}

#[test]
fn row_3_11a_the_units_of_either_scope_pass_verify_and_only_the_systems_name_a_user() {
    let Some(machine) = Machine::new() else { return };
    if !has("systemd-analyze") {
        return skip("no systemd-analyze (package systemd)");
    }
    let (scripts, bin) = (repository().join("scripts"), bin_folder());
    machine
        .sh(&format!(
            "'{}/install.sh' --prefix /opt/pai --from '{}' && mkdir /opt/store",
            scripts.display(),
            bin.display()
        ))
        .expect(0);
    for (scope, place) in [("", "/etc/systemd/system"), ("--user", "/home/root/.config/systemd/user")] {
        let line = format!(
            "export HOME=/home/root; unset XDG_CONFIG_HOME; mkdir -p $HOME; \
             /opt/pai/libexec/pai-tools/install-schedule.sh systemd vector-store {scope} --home /opt/store --prefix /opt/pai"
        );
        machine.sh(&line).expect(0);
        let service = fs::read_to_string(machine.path(place).join("pai-vector-store.service")).unwrap();
        assert!(service.contains("ExecStart=/opt/pai/libexec/pai-tools/maintenance.sh --due"), "{service}");
        assert!(service.contains("Environment=\"STACK_HOME=/opt/store\""), "{service}");
        assert_eq!(service.contains("\nUser=root\n"), scope.is_empty(), "{service}");
        assert!(machine.path(place).join("pai-notify@.service").exists());
        machine.sh(&format!("{line} --remove")).expect(0);
        assert!(!machine.path(place).join("pai-vector-store.timer").exists());
        assert!(machine.path(place).join("pai-notify@.service").exists(), "others need it");
    }
}
