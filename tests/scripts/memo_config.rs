//! `config-validation`, `config-backup` and `config-restore` on YAML files.

use std::fs;
use std::io::Read;

use pai_tests::{Outcome, command, run, sh, skip};

use crate::stack::Stack;
use crate::support::{mode, names};

const PROMPT: &str = "templates:\n  evaluation_prompt: judge\ninstructions: be kind\n";
const REQUIRED: &str = "CONFIG_REQUIRED='prompt:templates.evaluation_prompt,instructions'\n";

/// A stack with `config/prompt.yaml`. None, after a skip, where nothing reads YAML.
fn memo() -> Option<Stack> {
    if run(command("python3").args(["-c", "import yaml"])).status != Some(0) {
        skip("no python3 with yaml (package python3-yaml)");
        return None;
    }
    let stack = Stack::new();
    stack.write("config/prompt.yaml", PROMPT);
    stack.settings(REQUIRED);
    Some(stack)
}

fn task(stack: &Stack, name: &str, words: &[&str]) -> Outcome {
    run(stack.script(&format!("tasks/config-{name}.sh")).args(words))
}

/// Names of the copies, oldest first.
fn copies(stack: &Stack) -> Vec<String> {
    names(&stack.path("config/backups")).into_iter().filter(|name| name.ends_with(".yaml")).collect()
}

fn changes(stack: &Stack) -> Vec<String> {
    let text = fs::read_to_string(stack.path("config/backups/changes.log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn row_4_8_each_way_a_configuration_can_be_wrong_has_its_reason_and_status_1() {
    let Some(stack) = memo() else { return };
    let good = task(&stack, "validation", &[]).expect(0);
    assert_eq!(good.stdout, format!("{}: OK\n", stack.path("config/prompt.yaml").display()));
    for (text, reason) in [
        ("templates: [a\n", "not YAML: "),
        ("templates:\n\tevaluation_prompt: x\n", "not YAML: "),
        ("", "it holds no keys"),
        ("# only this\n", "it holds no keys"),
        ("- a\n- b\n", "it holds no keys"),
        ("instructions: x\n", "the key templates.evaluation_prompt is missing or empty"),
        ("templates: text\ninstructions: x\n", "the key templates.evaluation_prompt is missing or empty"),
        ("templates: {evaluation_prompt: a}\ninstructions:\n", "the key instructions is missing or empty"),
        (
            "templates: {evaluation_prompt: a}\ninstructions: x\ninstructions: y\n",
            "the key instructions stands twice (line 3)",
        ),
        (
            "templates: {evaluation_prompt: a, evaluation_prompt: b}\ninstructions: x\n",
            "stands twice (line 1)",
        ),
        ("a: !!python/object/apply:os.system ['touch made']\n", "not YAML: "),
        ("a: \u{0}\n", "unacceptable character"),
    ] {
        stack.write("config/prompt.yaml", text);
        let outcome = task(&stack, "validation", &["prompt"]).expect(1);
        assert!(
            outcome.stdout.contains(": FAILED (") && outcome.stdout.contains(reason),
            "{text:?}: {}",
            outcome.stdout
        );
    }
    fs::remove_file(stack.path("config/prompt.yaml")).unwrap();
    stack.write("config/llm.yaml", "base: &b {on: false, tries: 0}\nmore: {<<: *b, on: true}\n");
    let outcome = task(&stack, "validation", &[]).expect(1);
    assert!(outcome.stdout.contains("llm.yaml: OK\n"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("prompt.yaml: FAILED (no such file)\n"), "{}", outcome.stdout);
}

#[test]
fn row_4_8_without_a_yaml_parser_nothing_is_called_valid_and_nothing_is_replaced() {
    let Some(stack) = memo() else { return };
    let stubs = stack.programs(&[("python3", "exit 1")]);
    for (name, words) in
        [("validation", &[][..]), ("backup", &[]), ("restore", &["prompt", "latest", "--yes"])]
    {
        let outcome =
            run(stack.script_with(&format!("tasks/config-{name}.sh"), &[&stubs]).args(words)).expect(75);
        assert!(outcome.stderr.contains("skipped: nothing here reads YAML"), "{}", outcome.stderr);
    }
    assert_eq!(copies(&stack), [""; 0]);
    fs::remove_dir_all(stack.path("config")).unwrap();
    assert!(task(&stack, "validation", &[]).expect(75).stderr.contains("no folder"));
}

#[test]
fn row_4_7_a_change_has_a_copy_under_its_time_and_two_in_one_second_are_both_kept() {
    let Some(stack) = memo() else { return };
    run(command("chmod").arg("640").arg(stack.path("config/prompt.yaml"))).expect(0);
    // Whatever second the copy is made in, its name and the next two are taken.
    let taken = "mkdir -p config/backups && for s in 0 1 2 3; do date -d \"$s seconds\" +config/backups/prompt_%Y%m%d_%H%M%S.yaml; done | \
                 while read -r file; do echo taken >\"$file\"; done";
    sh(taken, &stack.home()).expect(0);
    let before = copies(&stack);
    let outcome = task(&stack, "backup", &[]).expect(0);
    let now = copies(&stack);
    assert_eq!(now.len(), before.len() + 1, "{now:?}");
    for name in &before {
        assert_eq!(stack.read(&format!("config/backups/{name}")), "taken\n", "{name}");
    }
    let made = now.last().unwrap();
    assert!(outcome.stdout.contains(made), "{made}: {}", outcome.stdout);
    assert!(made.len() == "prompt_20261121_080000.yaml".len() && made.starts_with("prompt_2"), "{made}");
    let path = stack.path("config/backups").join(made);
    assert_eq!((fs::read_to_string(&path).unwrap(), mode(&path)), (PROMPT.to_owned(), 0o640));

    assert!(
        task(&stack, "backup", &[]).expect(0).stdout.contains(&format!("prompt: unchanged since {made}"))
    );
    for n in 0..3 {
        stack.write("config/prompt.yaml", &format!("{PROMPT}n: {n}\n"));
        task(&stack, "backup", &["prompt"]).expect(0);
    }
    assert_eq!(copies(&stack).len(), now.len() + 3, "each change has its own");
}

#[test]
fn row_4_7_what_does_not_validate_is_not_copied_and_the_others_are() {
    let Some(stack) = memo() else { return };
    stack.write("config/llm.yaml", "provider: {name: a}\n");
    stack.write("config/prompt.yaml", "templates: [\n");
    let outcome = task(&stack, "backup", &[]).expect(1);
    assert!(outcome.stderr.contains("prompt.yaml is not backed up: not YAML"), "{}", outcome.stderr);
    let made = copies(&stack);
    assert!(made.len() == 1 && made[0].starts_with("llm_"), "{made:?}");
    task(&stack, "backup", &["../prompt"]).expect(2);
    let dry = Stack::new();
    dry.write("config/a.yaml", "a: 1\n");
    assert!(task(&dry, "backup", &["-n"]).expect(0).stdout.contains("would copy"));
    assert!(!dry.path("config/backups").exists());
}

#[test]
fn row_4_9_the_change_log_says_who_when_which_sum_and_how_many_lines_but_no_value() {
    let Some(stack) = memo() else { return };
    task(&stack, "backup", &[]).expect(0);
    stack.write("config/prompt.yaml", &format!("{}secret: hunter2\n", PROMPT.replace("kind", "strict")));
    task(&stack, "backup", &["--note", "TICKET-7 \"stricter\"\nforged line"]).expect(0);
    let lines = changes(&stack);
    assert_eq!(lines.len(), 2, "{lines:?}");
    let made = copies(&stack);
    let sum = run(command("sha256sum").arg(stack.path("config/prompt.yaml"))).expect(0).stdout;
    let who = run(command("id").arg("-un")).expect(0).stdout;
    let words: Vec<&str> = lines[1].splitn(10, ' ').collect();
    assert!(words[0].len() == 25 && words[0].starts_with("20"), "{}", lines[1]);
    assert_eq!(&words[1..4], [who.trim_end(), "backup", "prompt"]);
    assert_eq!(words[4], format!("file={}", made[1]));
    assert_eq!(words[5], format!("sha256={}", &sum[..64]));
    assert_eq!((words[6], words[7]), ("lines=+2-1", format!("before={}", made[0]).as_str()));
    assert!(lines[1].ends_with(r#"note="TICKET-7 \"stricter\"\nforged line""#), "{}", lines[1]);
    assert!(!lines.concat().contains("hunter2"));
}

#[test]
fn row_4_6_old_copies_go_but_so_many_of_each_name_stay() {
    let Some(stack) = memo() else { return };
    stack.write("config/llm.yaml", "provider: {name: a}\n");
    for name in ["prompt", "llm"] {
        for day in 1..=6 {
            stack.write(&format!("config/backups/{name}_2025010{day}_080000.yaml"), "a: 1\n");
        }
    }
    // The command of the document, by itself.
    let dry = sh("pai-rotate -n --days 90 --min-keep 5 config/backups/*_*.yaml", &stack.home()).expect(0);
    let gone: Vec<&str> = dry.stdout.lines().filter(|line| line.starts_with("delete")).collect();
    assert_eq!(gone.len(), 2, "{}", dry.stdout);
    assert!(gone.iter().all(|line| line.contains("_20250101_080000.yaml")), "{gone:?}");

    stack.settings("CONFIG_BACKUP_DAYS=90\nCONFIG_BACKUP_KEEP=3\n");
    task(&stack, "backup", &[]).expect(0);
    let kept = copies(&stack);
    for name in ["prompt_", "llm_"] {
        let of_name: Vec<_> = kept.iter().filter(|copy| copy.starts_with(name)).collect();
        assert_eq!(of_name.len(), 3, "{kept:?}");
        assert!(of_name[0].contains("_20250105_") && of_name[1].contains("_20250106_"), "{kept:?}");
    }
    assert!(stack.path("config/backups/changes.log").exists());
}

#[test]
fn row_4_16_the_newest_copy_that_validates_comes_back_in_one_step_and_what_was_there_is_kept() {
    let Some(stack) = memo() else { return };
    stack.write(
        "config/backups/prompt_20261101_080000.yaml",
        "templates: {evaluation_prompt: older}\ninstructions: x\n",
    );
    stack.write("config/backups/prompt_20261102_080000.yaml", PROMPT);
    stack.write("config/backups/prompt_20261103_080000.yaml", "templates: [\n");
    let broken = "templates: {evaluation_prompt: a}\ninstructions: [torn";
    stack.write("config/prompt.yaml", broken);
    run(command("chmod").arg("644").arg(stack.path("config/prompt.yaml"))).expect(0);
    stack.settings(&format!("{REQUIRED}CONFIG_RELOAD='echo reload >>order'\n"));
    let mut reader = fs::File::open(stack.path("config/prompt.yaml")).unwrap();

    assert!(task(&stack, "restore", &["prompt", "latest", "-n"]).expect(0).stdout.contains("would restore"));
    task(&stack, "restore", &["prompt", "latest"]).expect(2);
    assert_eq!(stack.read("config/prompt.yaml"), broken, "not without --yes");
    let outcome = task(&stack, "restore", &["prompt", "latest", "--yes", "--note", "outage"]).expect(0);
    assert!(
        outcome.stderr.contains("not used: ")
            && outcome.stderr.contains("prompt_20261103_080000.yaml: not YAML"),
        "{}",
        outcome.stderr
    );
    assert_eq!(stack.read("config/prompt.yaml"), PROMPT);
    assert_eq!(mode(&stack.path("config/prompt.yaml")), 0o644);
    assert_eq!(stack.read("order"), "reload\n");
    // Replaced, not rewritten: who had it open reads the whole old one.
    let mut seen = String::new();
    reader.read_to_string(&mut seen).unwrap();
    assert_eq!(seen, broken);
    let kept = copies(&stack)
        .into_iter()
        .find(|name| name.ends_with(".invalid.yaml"))
        .expect("the broken one is kept");
    assert_eq!(stack.read(&format!("config/backups/{kept}")), broken);
    let lines = changes(&stack);
    assert!(
        lines[0].contains(" restore prompt file=prompt.yaml ") && lines[0].ends_with("note=\"outage\""),
        "{lines:?}"
    );

    // A second time it is the one before: the present one is no way back.
    task(&stack, "restore", &["prompt", "latest", "--yes"]).expect(0);
    assert!(stack.read("config/prompt.yaml").contains("older"));
    // And by name.
    task(&stack, "restore", &["prompt", "prompt_20261102_080000.yaml", "--yes"]).expect(0);
    assert_eq!(stack.read("config/prompt.yaml"), PROMPT);
}

#[test]
fn row_4_16_what_does_not_validate_or_cannot_be_backed_up_first_replaces_nothing() {
    let Some(stack) = memo() else { return };
    stack.write("config/backups/prompt_20261101_080000.yaml", "templates: {evaluation_prompt: a}\n");
    stack.write("other.yaml", "templates: {evaluation_prompt: a}\ninstructions: x\n");
    let other = stack.path("other.yaml").display().to_string();
    let untouched = |words: &[&str], reason: &str| {
        let outcome = task(&stack, "restore", words).expect(2);
        assert!(outcome.stderr.contains(reason), "{words:?}: {}", outcome.stderr);
        assert_eq!(stack.read("config/prompt.yaml"), PROMPT, "{words:?}");
        let left = names(&stack.path("config"));
        assert!(left.iter().all(|name| !name.starts_with('.')), "{left:?}");
    };
    untouched(&["prompt", "latest", "--yes"], "the key instructions is missing");
    untouched(&["prompt", "prompt_20261101_080000.yaml", "--yes"], "no good copy of prompt");
    untouched(&["prompt", "nowhere.yaml", "--yes"], "no such file");
    untouched(&["../prompt", "latest", "--yes"], "not the name of a configuration");
    untouched(&["prompt"], "which copy");
    untouched(&["prompt", &other], "needs --yes");
    stack.settings(&format!("{REQUIRED}PROTECTED_PATHS=config\n"));
    untouched(&["prompt", &other, "--yes"], "is protected (config)");
    stack.settings(&format!("{REQUIRED}CONFIG_BACKUP_DIR=/proc/nowhere\n"));
    let failed = task(&stack, "restore", &["prompt", &other, "--yes"]);
    assert!(failed.status != Some(0), "{}", failed.stdout);
    assert_eq!(stack.read("config/prompt.yaml"), PROMPT, "no copy of it, no restore");
    stack.settings(&format!("{REQUIRED}CONFIG_RELOAD='exit 9'\n"));
    let reload = task(&stack, "restore", &["prompt", &other, "--yes"]).expect(1);
    assert!(reload.stderr.contains("exit 9"), "{}", reload.stderr);
}
