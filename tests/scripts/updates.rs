//! The update tasks: what is listed, what is installed and only when.

use pai_tests::{Outcome, command, has, run, skip};

use crate::stack::{LOG, Stack};

/// A task with stubs first on PATH and the real package managers out of sight.
fn with_stubs(stack: &Stack, task: &str, stubs: &[(&str, &str)], options: &[&str]) -> Outcome {
    let mut programs: Vec<(&str, String)> = vec![("sudo", "shift; exec \"$@\"".to_owned())];
    programs.extend(stubs.iter().map(|(name, text)| (*name, format!("{LOG}{text}"))));
    let programs: Vec<(&str, &str)> = programs.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let folder = stack.programs(&programs);
    let rest = stack.path_without(&["apt-get", "dnf", "brew", "docker", "needrestart"]);
    let path = std::env::join_paths([folder, rest]).unwrap();
    run(stack.script(&format!("tasks/{task}.sh")).env("PATH", path).args(options))
}

/// apt-get -s as Debian 12 prints it.
const APT: &str = "case \"$*\" in *-s*) cat <<'TEXT'
Reading package lists...
Inst base-files [12.4] (12.4+deb12u12 Debian:12.12/stable [amd64])
Inst libssl3 [3.0.15] (3.0.17-1~deb12u3 Debian-Security:12/stable-security [amd64])
Inst tool [1] (2 Somebody:1/stable [amd64])
Conf libssl3 (3.0.17-1~deb12u3 Debian-Security:12/stable-security [amd64])
TEXT
;; esac";

#[test]
fn row_1_14a_updates_are_listed_first_and_installed_only_with_yes_and_a_verified_backup() {
    let stack = Stack::new();
    let listed = with_stubs(&stack, "system-update", &[("apt-get", APT)], &[]).expect(0);
    assert!(
        listed.stdout.contains("3 packages have an update (apt-get)\nbase-files\nlibssl3\ntool\n"),
        "{}",
        listed.stdout
    );
    assert!(listed.stdout.contains("that needs --yes"));
    assert!(
        !stack.calls().iter().any(|call| call.contains("upgrade") && !call.contains("-s")),
        "{:?}",
        stack.calls()
    );
    let refused = with_stubs(&stack, "system-update", &[("apt-get", APT)], &["--yes"]).expect(2);
    assert!(refused.stderr.contains("no backup was verified within 36h"), "{}", refused.stderr);
}

#[test]
fn row_1_14b_apt_runs_without_questions_and_keeps_changed_configuration_files() {
    let stack = Stack::new();
    stack.backup_verified(3600);
    with_stubs(
        &stack,
        "system-update",
        &[("apt-get", &format!("{APT}\necho DEBIAN_FRONTEND=$DEBIAN_FRONTEND >>$CALLS"))],
        &["--yes"],
    )
    .expect(0);
    let calls = stack.calls();
    let options = "-y -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold";
    for expected in ["apt-get -qq update", &format!("apt-get {options} upgrade"), "apt-get -y autoremove"] {
        assert!(calls.iter().any(|call| call == expected), "{expected} in {calls:?}");
    }
    assert!(
        calls
            .iter()
            .filter(|call| call.starts_with("DEBIAN"))
            .all(|call| call == "DEBIAN_FRONTEND=noninteractive")
    );
    let dry = Stack::new();
    let outcome =
        with_stubs(&dry, "system-update", &[("apt-get", APT)], &["--yes", "--dry-run", "--without-backup"])
            .expect(0);
    assert!(
        outcome.stdout.contains("would run: ") && outcome.stdout.contains(" upgrade\n"),
        "{}",
        outcome.stdout
    );
    assert_eq!(dry.calls(), ["apt-get -s upgrade"]);
}

#[test]
fn row_1_14b_what_really_pends_here_is_what_apt_says() {
    if !has("apt-get") {
        return skip("no apt-get");
    }
    let stack = Stack::new();
    let real = run(command("apt-get").args(["-s", "upgrade"])).expect(0).stdout;
    let expected = real.lines().filter(|line| line.starts_with("Inst ")).count();
    let path = stack.path_without(&["docker", "needrestart", "dnf", "brew"]);
    let outcome = run(stack.script("tasks/system-update.sh").env("PATH", path).arg("--dry-run")).expect(0);
    assert!(outcome.stdout.contains(&format!("{expected} packages have an update")), "{}", outcome.stdout);
}

#[test]
fn row_1_14c_dnf_updates_and_removes_what_is_left_over() {
    let stack = Stack::new();
    stack.backup_verified(60);
    let dnf = "case \"$*\" in *check-update*) echo 'kernel.x86_64 6.1 updates'; exit 100;; esac";
    with_stubs(&stack, "system-update", &[("dnf", dnf)], &["--yes"]).expect(0);
    assert_eq!(stack.calls(), ["dnf --quiet check-update", "dnf update -y", "dnf autoremove -y"]);
}

#[test]
fn row_1_14d_brew_is_refused_to_root_and_otherwise_upgraded_and_cleaned() {
    let stack = Stack::new();
    let root = with_stubs(&stack, "system-update", &[("brew", ""), ("id", "echo 0")], &[]).expect(2);
    assert!(root.stderr.contains("brew refuses to run as root"), "{}", root.stderr);
    let stack = Stack::new();
    // Owner checks ask id as well: the files are root's or the user's.
    with_stubs(
        &stack,
        "system-update",
        &[("brew", "[ \"$1\" != outdated ] || echo jq"), ("id", "echo 1000")],
        &["--yes", "--without-backup"],
    )
    .expect(0);
    let calls: Vec<String> = stack.calls().into_iter().filter(|call| call.starts_with("brew")).collect();
    assert_eq!(calls, ["brew update", "brew outdated", "brew upgrade", "brew cleanup"]);
}

#[test]
fn row_1_15_counts_are_printed_and_dnfs_100_is_no_failure_but_another_status_is() {
    let stack = Stack::new();
    let two = "echo 'kernel.x86_64 6.1 updates'; echo 'vim.x86_64 9 updates'; exit 100";
    let outcome = with_stubs(&stack, "system-update", &[("dnf", two)], &[]).expect(0);
    assert!(outcome.stdout.contains("2 packages have an update (dnf)"), "{}", outcome.stdout);
    let none = with_stubs(&stack, "system-update", &[("dnf", "exit 0")], &[]).expect(0);
    assert!(none.stdout.contains("0 packages"), "{}", none.stdout);
    let failed = with_stubs(&stack, "system-update", &[("dnf", "exit 1")], &[]).expect(2);
    assert!(failed.stderr.contains("could not list the updates: exit 1"), "{}", failed.stderr);
    let path = stack.path_without(&["apt-get", "dnf", "brew"]);
    let nothing = run(stack.script("tasks/system-update.sh").env("PATH", path)).expect(75);
    assert!(nothing.stderr.contains("skipped: no apt-get, dnf or brew here"), "{}", nothing.stderr);
}

#[test]
fn row_1_16a_only_what_comes_from_the_security_archive_is_installed() {
    let stack = Stack::new();
    stack.backup_verified(60);
    let outcome = with_stubs(&stack, "security-update", &[("apt-get", APT)], &["--yes"]).expect(0);
    assert!(
        outcome.stdout.contains("1 packages have a security update (apt-get)\nlibssl3\n"),
        "{}",
        outcome.stdout
    );
    let installed: Vec<String> = stack.calls().into_iter().filter(|call| call.contains("install")).collect();
    assert_eq!(installed.len(), 1);
    assert!(installed[0].ends_with("--only-upgrade install libssl3"), "{installed:?}");
    let failed = with_stubs(
        &stack,
        "security-update",
        &[("apt-get", "case \"$*\" in *-s*) exit 100;; esac")],
        &["--yes"],
    )
    .expect(2);
    assert!(failed.stderr.contains("could not list the updates"), "a failure is not nothing pending");
}

#[test]
fn row_1_16b_the_pending_security_packages_are_listed_instead_of_apt_audit_which_does_not_exist() {
    let stack = Stack::new();
    let outcome = with_stubs(&stack, "security-update", &[("apt-get", APT)], &[]).expect(0);
    assert!(
        outcome.stdout.contains("libssl3") && !outcome.stdout.contains("base-files"),
        "{}",
        outcome.stdout
    );
    assert!(!stack.calls().iter().any(|call| call.contains("audit")), "{:?}", stack.calls());
}

#[test]
fn row_1_16c_dnf_lists_its_security_advisories() {
    let stack = Stack::new();
    let dnf = "case \"$*\" in *updateinfo*) echo 'FEDORA-1 Important/Sec. openssl-3.0-2.x86_64';; esac";
    let outcome =
        with_stubs(&stack, "security-update", &[("dnf", dnf)], &["--yes", "--without-backup"]).expect(0);
    assert!(outcome.stdout.contains("openssl-3.0-2.x86_64"), "{}", outcome.stdout);
    assert_eq!(stack.calls(), ["dnf --quiet updateinfo list --security", "dnf update -y --security"]);
}

#[test]
fn row_1_16d_docker_scout_is_asked_only_where_it_is_installed() {
    let stack = Stack::new();
    let without = "case \"$1\" in scout) exit 1;; esac";
    let outcome =
        with_stubs(&stack, "security-update", &[("apt-get", ""), ("docker", without)], &[]).expect(0);
    assert!(outcome.stdout.contains("docker scout is not installed"), "{}", outcome.stdout);
    let with = "case \"$1\" in ps) echo n8nio/n8n:1;; esac";
    with_stubs(&stack, "security-update", &[("apt-get", ""), ("docker", with)], &[]).expect(0);
    assert!(
        stack.calls().contains(&"docker scout cves --only-severity critical,high n8nio/n8n:1".to_owned())
    );
}

#[test]
fn row_1_42d_major_work_is_refused_without_a_fresh_verified_backup_and_there_is_a_flag_for_it() {
    let stack = Stack::new();
    stack.backup_verified(37 * 3600);
    for task in ["system-update", "security-update"] {
        with_stubs(&stack, task, &[("apt-get", APT)], &["--yes"]).expect(2);
        with_stubs(&stack, task, &[("apt-get", APT)], &["--yes", "--without-backup"]).expect(0);
    }
    let cleanup = with_stubs(&stack, "comprehensive-cleanup", &[], &[]).expect(2);
    assert!(cleanup.stderr.contains("no backup was verified within 36h"), "{}", cleanup.stderr);
    stack.settings("UPDATE_BACKUP_AGE=40h\n");
    with_stubs(&stack, "comprehensive-cleanup", &[], &[]).expect(0);
}
