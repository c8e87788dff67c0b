//! The volumes in `backup.sh` and `restore.sh`: whose they are, what they are called, who writes to them.

use pai_tests::{Outcome, run, wait_for_another_second};

use crate::stack::Stack;

/// A docker of which two containers use one volume; the first is paused by its owner. Words in `$BROKEN` fail.
const DOCKER: &str = r#"echo "$*" >>$CALLS
case "$*" in *"${BROKEN:-nothing}"*) exit 1 ;; esac
case "$*" in
  version*) echo 28 ;;
  "volume ls"*) printf 'shop_data\nshared\n' ;;
  *status=running*) echo second ;;
  *volume=shop_data*service=*) ;;
  *volume=shop_data*) printf 'first\nsecond\n' ;;
  pause*first*) echo 'already paused' >&2 && exit 1 ;;
  run*:ro*) tar -cf - --files-from /dev/null ;;
  run*:rw*) cat >/dev/null ;;
esac"#;

fn with_volumes(stack: &Stack, script: &str, words: &[&str], broken: &str) -> Outcome {
    stack.settings("DATABASE_SERVICE=none\n");
    let stubs = stack.programs(&[("docker", DOCKER)]);
    run(stack.script_with(script, &[&stubs]).args(words).env("BROKEN", broken))
}

#[test]
fn a_container_that_its_owner_paused_stays_so_and_keeps_no_volume_from_its_backup() {
    let stack = Stack::new();
    let made = with_volumes(&stack, "backup.sh", &["--data-only"], "");
    assert_eq!(made.status, Some(0), "{}", made.stderr);
    let calls = stack.calls();
    let about = |word: &str| calls.iter().filter(|call| call.starts_with(word)).cloned().collect::<Vec<_>>();
    assert_eq!(
        (about("pause"), about("unpause")),
        (vec!["pause second".to_owned(); 2], vec!["unpause second".to_owned(); 2])
    );
    wait_for_another_second();
    let unpaused = with_volumes(&stack, "backup.sh", &["--data-only"], "pause second");
    assert!(
        unpaused.stderr.contains("could not back up volume shop_data: could not pause"),
        "{}",
        unpaused.stderr
    );
}

#[test]
fn volumes_that_the_engine_does_not_tell_are_a_failure_and_not_none() {
    let stack = Stack::new();
    for broken in ["volume ls", "ps"] {
        let outcome = with_volumes(&stack, "backup.sh", &[], broken);
        assert_eq!(outcome.status, Some(1), "{broken}: {}", outcome.stderr);
        assert!(outcome.stderr.contains("could not back up"), "{broken}: {}", outcome.stderr);
        assert!(!stack.backups().join("latest").exists(), "{broken}");
        wait_for_another_second();
    }
}

#[test]
fn a_volume_with_a_name_of_its_own_is_restored_under_that_name() {
    let stack = Stack::new();
    with_volumes(&stack, "backup.sh", &["--data-only"], "").expect(0);
    let dry = with_volumes(&stack, "restore.sh", &["--dry-run", "latest"], "").expect(0);
    assert!(
        dry.stdout.contains("volume shared from ") && dry.stdout.contains("volume shop_data from "),
        "{}",
        dry.stdout
    );
    with_volumes(
        &stack,
        "restore.sh",
        &["--force", "--without-safety-copy", "--no-health-check", "latest"],
        "",
    )
    .expect(0);
    let written: Vec<String> = stack.calls().into_iter().filter(|call| call.contains(":rw")).collect();
    assert!(
        written.len() == 2 && written.iter().any(|call| call.contains(" shared:/volume:rw ")),
        "{written:?}"
    );
}
