//! `validate-config.sh`, the configuration audit and `diagnose.sh`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use pai_tests::rigs::engine::Engine;
use pai_tests::{Outcome, has, run, skip};

use crate::stack::{Stack, service};
use crate::support::{mode, names};

const GOOD: &str = "POSTGRES_PASSWORD=correct-horse-battery
SUPABASE_ANON_KEY=eyJhbGciOi
SUPABASE_SERVICE_KEY='eyJ hbGciOi'
N8N_ENCRYPTION_KEY=0123456789abcdef0123456789abcdef
OPENAI_API_KEY=sk-abcdef
";

fn validate(stack: &Stack, env: &str) -> Outcome {
    stack.write(".env", env);
    run(stack.script("validate-config.sh").arg("--no-compose"))
}

#[test]
fn row_1_20_a_good_file_passes_and_is_never_executed() {
    let stack = Stack::new();
    let canary = stack.path("canary");
    let line = format!("EXTRA=$(touch {0})`touch {0}`\nMORE=\"$(touch {0})\"\n", canary.display());
    let outcome = validate(&stack, &format!("{GOOD}{line}")).expect(0);
    assert!(outcome.stdout.contains("7 keys, nothing found"), "{}", outcome.stdout);
    assert!(!canary.exists());
}

#[test]
fn row_1_20_each_fault_is_named_by_its_key_and_no_value_is_ever_printed() {
    let stack = Stack::new();
    let cases = [
        ("OPENAI_API_KEY=sk-abcdef", "", "OPENAI_API_KEY: required, but missing or empty"),
        ("OPENAI_API_KEY=sk-abcdef", "OPENAI_API_KEY=", "OPENAI_API_KEY: required, but missing or empty"),
        ("OPENAI_API_KEY=sk-abcdef", "OPENAI_API_KEY=hunter2", "OPENAI_API_KEY: does not start with sk-"),
        ("", "ANTHROPIC_API_KEY=hunter2", "ANTHROPIC_API_KEY: does not start with sk-ant-"),
        ("", "GEMINI_API_KEY=hunter2", "GEMINI_API_KEY: does not start with AIzaSy"),
        ("", "LETTA_BASE_URL=hunter2", "LETTA_BASE_URL: not a URL"),
        ("", "LETTA_PORT=hunter2", "LETTA_PORT: not a port"),
        ("0123456789abcdef0123456789abcdef", "hunter2", "N8N_ENCRYPTION_KEY: shorter than 32 characters"),
        ("correct-horse-battery", "hunter2", "POSTGRES_PASSWORD: shorter than 12 characters"),
        ("", "OPENAI_API_KEY=sk-hunter2", "OPENAI_API_KEY: given more than once"),
        ("", "hunter2 is not a line", ".env:6: not KEY=VALUE"),
        ("", "X='hunter2", ".env:6: X: a quote is not closed"),
    ];
    for (from, to, expected) in cases {
        let env = if from.is_empty() { format!("{GOOD}{to}\n") } else { GOOD.replace(from, to) };
        let outcome = validate(&stack, &env).expect(1);
        assert!(outcome.stdout.contains(expected), "{expected} in {}", outcome.stdout);
        assert!(!format!("{}{}", outcome.stdout, outcome.stderr).contains("hunter2"), "{}", outcome.stdout);
    }
    stack.write(".env", GOOD);
    fs::set_permissions(stack.path(".env"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(
        run(stack.script("validate-config.sh").arg("--no-compose"))
            .expect(1)
            .stdout
            .contains("others can read it")
    );
    fs::remove_file(stack.path(".env")).unwrap();
    assert!(
        run(stack.script("validate-config.sh").arg("--no-compose")).expect(1).stdout.contains("no such file")
    );
}

#[test]
fn row_1_19_placeholders_are_found_in_names_with_digits_too() {
    let stack = Stack::new();
    for line in ["N8N_API_TOKEN=CHANGE_ME_N8N", "A1=your-token-here", "B=<fill in>", "C=changeme"] {
        let outcome = validate(&stack, &format!("{GOOD}{line}\n")).expect(1);
        let key = line.split('=').next().unwrap();
        assert!(
            outcome.stdout.contains(&format!("{key}: still a placeholder")),
            "{line}: {}",
            outcome.stdout
        );
    }
}

#[test]
fn row_1_19_the_audit_validates_and_says_which_files_changed_without_their_content() {
    let stack = Stack::new();
    stack.write(".env", GOOD);
    stack.write("docker-compose.yml", "services: {}\n");
    let stubs = stack.programs(&[("docker-compose", "exit 0")]);
    let audit = || run(&mut stack.script_with("tasks/configuration-audit.sh", &[&stubs]));
    assert!(audit().expect(0).stdout.contains("first audit"));
    assert!(audit().expect(0).stdout.contains("no configuration file changed"));
    stack.write(".env", &GOOD.replace("sk-abcdef", "sk-newvalue"));
    let changed = audit().expect(0);
    assert!(
        changed.stdout.contains("new or changed since the last audit:") && changed.stdout.contains("/.env"),
        "{}",
        changed.stdout
    );
    assert!(
        !changed.stdout.contains("docker-compose.yml\n") && !changed.stdout.contains("newvalue"),
        "{}",
        changed.stdout
    );
    stack.write(".env", "A=CHANGE_ME_x\n");
    audit().expect(1);
}

#[test]
fn row_1_21_compose_itself_reads_the_compose_file() {
    if !has("docker-compose") {
        return skip("no docker-compose");
    }
    let stack = Stack::new();
    stack.write(".env", GOOD);
    let validate = |text: &str| {
        stack.write("docker-compose.yml", text);
        run(&mut stack.script("validate-config.sh"))
    };
    validate("version: '3'\nservices:\n  a:\n    image: empty\n").expect(0);
    for bad in [
        "version: '3'\nservices:\n  a:\n   image: empty\n  bad\n",
        "version: '3'\nservices:\n  a:\n    image: ${NOT_SET:?is required}\n",
    ] {
        let outcome = validate(bad).expect(1);
        assert!(outcome.stdout.contains("docker-compose.yml: "), "{}", outcome.stdout);
    }
}

#[test]
fn row_1_41_a_report_is_made_with_no_docker_at_all_and_its_status_tells_of_findings() {
    let stack = Stack::new();
    let path = stack.path_without(&["docker", "docker-compose"]);
    let outcome = run(stack.script("diagnose.sh").env("PATH", path)).expect(1);
    let report = std::path::PathBuf::from(outcome.stdout.trim());
    assert_eq!((report.parent().unwrap(), mode(&report)), (stack.logs().as_path(), 0o600));
    assert!(report.file_name().unwrap().to_str().unwrap().starts_with("diagnostic-report-"));
    let text = fs::read_to_string(&report).unwrap();
    for section in [
        "== system",
        "== memory",
        "== disks",
        "== cron",
        "== docker",
        "== health",
        "== configuration",
        "== findings",
    ] {
        assert!(text.contains(section), "{section} in {text}");
    }
    assert!(text.contains("docker is not installed"));
    assert_eq!(names(&stack.logs()).iter().filter(|name| name.starts_with("diagnostic")).count(), 1);
}

#[test]
fn row_1_39a_whether_cron_runs_is_told_by_its_process() {
    let stack = Stack::new();
    let report = |pgrep: &str| {
        let stubs = stack.programs(&[("pgrep", pgrep)]);
        run(stack.script_with("diagnose.sh", &[&stubs]).args(["--output", "-"])).stdout
    };
    assert!(report("exit 0").contains("a cron daemon runs"));
    let none = report("exit 1");
    assert!(none.contains("no cron daemon runs") && none.contains("cron: no daemon runs"), "{none}");
}

#[test]
fn row_1_39b_container_logs_are_bounded_timed_and_their_secrets_blanked_out() {
    let stack = Stack::new();
    stack.write(".env", "POSTGRES_PASSWORD='pa$$ w/ord&1'\nPORT=8080\n");
    let Some(_engine) = Engine::start([service("n8n")]) else { return };
    let docker = "case \"$1\" in
        ps) echo '0123456789ab shop-n8n-1 n8n'; echo 'ba9876543210 shop-neo4j-1 neo4j';;
        logs) echo \"logs $*\" >>$CALLS
          echo 'connecting with pa$$ w/ord&1 now'
          echo 'OPENAI_API_KEY=sk-verysecretvalue and Bearer abcdefghijkl.mnop'
          echo 'postgres://user:hunter2@db/x {\"password\": \"hunter3\"} token: hunter4'
          echo 'port 8080 is fine'
          [ \"$5\" != ba9876543210 ] || sleep 600;;
        esac";
    let stubs = stack.programs(&[("docker", docker)]);
    let outcome = run(stack.script_with("diagnose.sh", &[&stubs]).args([
        "--output",
        "-",
        "--lines",
        "7",
        "--timeout",
        "10",
    ]));
    let text = outcome.stdout;
    assert_eq!(
        stack.calls(),
        ["logs logs --tail 7 --timestamps 0123456789ab", "logs logs --tail 7 --timestamps ba9876543210"]
    );
    assert!(text.contains("connecting with [redacted] now") && text.contains("port 8080 is fine"), "{text}");
    for secret in ["pa$$", "verysecret", "abcdefghijkl", "hunter"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains("log of shop-neo4j-1: no answer within 10 s"), "{text}");
    let one = run(stack.script_with("diagnose.sh", &[&stubs]).args([
        "--output",
        "-",
        "--component",
        "n8n",
        "--timeout",
        "2",
    ]))
    .stdout;
    assert!(one.contains("log of shop-n8n-1") && !one.contains("log of shop-neo4j-1"), "{one}");
}

#[test]
fn row_1_32c_the_journal_of_docker_is_bounded_and_may_be_absent() {
    let stack = Stack::new();
    let Some(engine) = Engine::start([]) else { return };
    let stubs = stack.programs(&[("journalctl", "echo \"$*\" >>$CALLS")]);
    let report = |path: std::ffi::OsString| {
        run(stack.script("diagnose.sh").env("DOCKER_HOST", engine.host()).env("PATH", path).args([
            "--output",
            "-",
            "--timeout",
            "60",
        ]))
    };
    report(crate::support::path_with(&[&stubs]));
    assert_eq!(stack.calls(), ["--quiet --no-pager --unit docker --since 1 day ago --lines 200"]);
    let absent = report(stack.path_without(&["journalctl"]).into_os_string());
    assert!(absent.stdout.contains("journalctl is not installed"), "{}", absent.stdout);
}
