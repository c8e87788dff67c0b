//! `deploy` from a real git remote: backup, pull, deploy command, health and version, and its exit status.

use std::fs;
use std::path::PathBuf;

use pai_tests::rigs::http::{Answer, Http};
use pai_tests::{Outcome, has, run, scratch, sh, skip, wait_until};

use crate::stack::Stack;
use crate::support::names;

/// A stack that is a clone of `upstream` at v1, which is at v2 by now; the service tells its version.
struct Memo {
    stack: Stack,
    upstream: tempfile::TempDir,
    service: Http,
}

impl Memo {
    fn new() -> Option<Self> {
        if ["git", "sqlite3", "jq", "curl"].iter().any(|program| !has(program)) {
            skip("no git, sqlite3, jq or curl");
            return None;
        }
        let memo = Self { stack: Stack::new(), upstream: scratch(), service: Http::start() };
        memo.upstream(
            "git init -q -b main && git config user.name t && git config user.email t@example.org && \
             printf 'data/\\ndeployment/\\n.env\\n' >.gitignore && echo v1 >VERSION && \
             printf '#!/bin/sh\\ncat VERSION >>deployment/deployed\\n' >deploy-production.sh && chmod 755 deploy-production.sh && \
             git add . && git commit -qm one && git tag v1",
        );
        let clone = format!(
            "git init -q -b main && git remote add origin {} && git fetch -q origin && git reset -q --hard v1 && \
             git branch -q --set-upstream-to origin/main && mkdir -p data && \
             sqlite3 data/memoai.db 'CREATE TABLE notes (a); INSERT INTO notes VALUES (1)'",
            memo.upstream.path().display()
        );
        sh(&clone, &memo.stack.home()).expect(0);
        memo.upstream("echo v2 >VERSION && git commit -qam two && git tag v2");
        memo.settings("");
        memo.answers("healthy", "v2");
        let check = format!("http backend {} json=status:healthy\n", memo.service.url("/health"));
        memo.stack.write("deployment/health.conf", &check);
        Some(memo)
    }

    fn upstream(&self, line: &str) {
        sh(line, self.upstream.path()).expect(0);
    }

    /// With further settings.
    fn settings(&self, more: &str) {
        let url = self.service.url("/health");
        self.stack.settings(&format!("DEPLOY_VERSION_URL={url}\nDEPLOY_DEADLINE=0\n{more}"));
    }

    fn answers(&self, status: &str, version: &str) {
        let body = format!(r#"{{"status":"{status}","version":"{version}"}}"#);
        self.service.answer("/health", Answer::new(200, &body));
    }

    fn deploy(&self, words: &[&str]) -> Outcome {
        run(self.stack.script("tasks/deploy.sh").env("HOME", self.stack.home()).args(words))
    }

    fn version(&self) -> String {
        self.stack.read("VERSION")
    }

    /// What the deploy command saw, each time it ran.
    fn deployed(&self) -> String {
        fs::read_to_string(self.stack.path("deployment/deployed")).unwrap_or_default()
    }

    fn commit(&self) -> String {
        sh("git rev-parse HEAD", &self.stack.home()).expect(0).stdout.trim_end().to_owned()
    }

    fn copies(&self) -> Vec<String> {
        names(&self.stack.backups().join("sqlite"))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.stack.logs().join("deployments.log")).unwrap_or_default()
    }
}

#[test]
fn row_4_12_a_deployment_backs_up_pulls_deploys_and_logs_the_way_back() {
    let Some(memo) = Memo::new() else { return };
    memo.stack.write("notes-of-mine.txt", "a file that git does not know is in nobody's way");
    let before = memo.commit();
    let dry = memo.deploy(&["--dry-run"]).expect(0);
    assert!(dry.stdout.contains("would run: ./deploy-production.sh"), "{}", dry.stdout);
    assert!(memo.copies().is_empty() && memo.log().is_empty() && memo.version() == "v1\n");

    let outcome = memo.deploy(&[]).expect(0);
    assert_eq!((memo.version(), memo.deployed()), ("v2\n".to_owned(), "v2\n".to_owned()));
    assert_eq!(memo.copies().len(), 1, "{}", outcome.stdout);
    let log = memo.log();
    let mark = log.split(['(', ')']).nth(1).expect("a reference is logged").to_owned();
    assert!(log.contains(&format!("before={before} ({mark})")) && log.contains("deployed: before="), "{log}");
    let way_back = sh(&format!("git rev-parse {mark}"), &memo.stack.home()).expect(0);
    assert_eq!(way_back.stdout.trim_end(), before);
    let actions = memo.stack.read("deployment/logs/actions.jsonl");
    assert!(actions.lines().last().unwrap().contains(r#""task":"deploy""#), "{actions}");
}

#[test]
fn row_4_12_changed_files_no_branch_no_upstream_or_a_second_deployment_stop_it_before_anything() {
    let Some(memo) = Memo::new() else { return };
    let refused = |prepare: &str, status: i32, reason: &str, undo: &str| {
        sh(prepare, &memo.stack.home()).expect(0);
        let outcome = memo.deploy(&[]).expect(status);
        assert!(outcome.stderr.contains(reason), "{prepare}: {}", outcome.stderr);
        assert_eq!(
            (memo.copies(), memo.log(), memo.deployed()),
            (vec![], String::new(), String::new()),
            "{prepare}"
        );
        sh(undo, &memo.stack.home()).expect(0);
    };
    refused(
        "echo mine >>VERSION",
        2,
        "changed files: commit or take back first:  M VERSION",
        "git checkout -q VERSION",
    );
    refused("echo new >x && git add x", 2, "A  x", "git rm -qf x");
    refused("git checkout -q --detach", 2, "no branch is checked out", "git checkout -q main");
    refused(
        "git branch -q --unset-upstream",
        2,
        "has no upstream",
        "git branch -q --set-upstream-to origin/main",
    );
    refused(
        "mkdir -p deployment/logs/state && mkfifo held let-go \
            && (flock deployment/logs/state/deploy.lock sh -c 'echo >held; read go <let-go' >/dev/null 2>&1 &) && read held <held",
        75,
        "another deployment is at work",
        "echo >let-go; flock deployment/logs/state/deploy.lock true; rm held let-go",
    );
    memo.deploy(&[]).expect(0);
}

#[test]
fn row_4_12_without_a_good_backup_nothing_is_pulled() {
    let Some(memo) = Memo::new() else { return };
    fs::write(memo.stack.path("data/memoai.db"), [7; 5000]).unwrap();
    assert!(
        memo.deploy(&[]).expect(2).stderr.contains("no backup, no deployment (exit 1): nothing was changed")
    );
    memo.settings("DEPLOY_BACKUP='exit 5'\n");
    assert!(memo.deploy(&[]).expect(2).stderr.contains("no backup, no deployment"));
    assert_eq!((memo.version(), memo.deployed()), ("v1\n".to_owned(), String::new()));
    memo.deploy(&["--without-backup"]).expect(0);
}

#[test]
fn row_4_12_a_pull_that_is_no_fast_forward_and_a_deploy_command_that_fails_are_failures() {
    let Some(memo) = Memo::new() else { return };
    sh("git -c user.name=t -c user.email=t commit -q --allow-empty -m mine", &memo.stack.home()).expect(0);
    let diverged = memo.deploy(&[]).expect(2);
    assert!(diverged.stderr.contains("git pull: exit 128: nothing was deployed"), "{}", diverged.stderr);
    assert_eq!((memo.version(), memo.deployed()), ("v1\n".to_owned(), String::new()));
    sh("git reset -q --hard HEAD~", &memo.stack.home()).expect(0);
    let before = memo.commit();
    memo.settings("DEPLOY_COMMAND='cat VERSION; exit 7'\n");
    let failed = memo.deploy(&[]).expect(1);
    assert!(failed.stderr.contains("exit 7: cat VERSION; exit 7 (DEPLOY_COMMAND)"), "{}", failed.stderr);
    assert!(
        failed
            .stderr
            .contains(&format!("to go back: git -C {} reset --keep {before}", memo.stack.home().display())),
        "{}",
        failed.stderr
    );
    assert!(memo.log().contains("FAILED at DEPLOY_COMMAND, exit 7: before="), "{}", memo.log());
    // The hint works.
    sh(&format!("git reset -q --keep {before}"), &memo.stack.home()).expect(0);
    assert_eq!(memo.version(), "v1\n");
}

#[test]
fn row_4_13_an_unhealthy_service_the_old_version_or_a_failed_test_suite_fail_the_deployment() {
    let Some(memo) = Memo::new() else { return };
    for (status, version, more, reason) in [
        ("degraded", "v2", "", "the deployment failed: health and version: not healthy"),
        ("healthy", "v1", "", "version is v1, not v2"),
        ("healthy", "v2", "DEPLOY_TEST='exit 6'\n", "the deployment failed: DEPLOY_TEST, exit 6"),
        ("healthy", "v2", "DEPLOY_VERSION_COMMAND=true\n", "DEPLOY_VERSION_COMMAND prints nothing"),
    ] {
        memo.answers(status, version);
        memo.settings(more);
        let outcome = memo.deploy(&[]).expect(1);
        assert!(outcome.stderr.contains(reason), "{status} {version}: {}", outcome.stderr);
    }
    memo.settings("DEPLOY_TEST='echo tested >>deployment/deployed'\nDEPLOY_VERSION_COMMAND='cat VERSION'\n");
    memo.deploy(&[]).expect(0);
    assert!(memo.deployed().ends_with("v2\ntested\n"), "{}", memo.deployed());
}

#[test]
fn row_4_13_a_service_that_comes_up_late_is_waited_for() {
    let Some(memo) = Memo::new() else { return };
    memo.answers("starting", "v1");
    memo.settings("DEPLOY_DEADLINE=60s\n");
    let outcome = std::thread::scope(|scope| {
        let deployment = scope.spawn(|| memo.deploy(&[]));
        wait_until("the service is asked", || memo.service.count("/health") > 0);
        memo.answers("healthy", "v1");
        let seen = memo.service.count("/health");
        wait_until("the service is asked again", || memo.service.count("/health") >= seen + 3);
        memo.answers("healthy", "v2");
        deployment.join().unwrap()
    });
    outcome.expect(0);
}

#[test]
fn row_4_12_without_a_script_of_its_own_compose_builds_and_starts() {
    let Some(memo) = Memo::new() else { return };
    memo.upstream("git rm -q deploy-production.sh && git commit -qm 'no script' && git tag -f v2");
    sh("git rm -q deploy-production.sh && git -c user.name=t -c user.email=t commit -qm mine && git fetch -q && git reset -q --hard origin/main && git tag -f v2", &memo.stack.home()).expect(0);
    let stubs: PathBuf =
        memo.stack.programs(&[("docker", "exit 1"), ("docker-compose", "echo \"$*\" >>$CALLS")]);
    run(memo.stack.script_with("tasks/deploy.sh", &[&stubs]).env("HOME", memo.stack.home())).expect(0);
    assert_eq!(memo.stack.calls().len(), 1);
    assert!(memo.stack.calls()[0].ends_with("--project-name shop up -d --build"), "{:?}", memo.stack.calls());
}
