//! Against a real container engine, where one answers: what a cleanup takes and leaves, and a stack of three
//! services that is backed up, destroyed, restored and healthy again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pai_tests::rigs::postgres::{is_root, programs};
use pai_tests::{Outcome, command, has, run, sh, skip};

use crate::stack::Stack;

const IMAGE: &str = "pai-tests-empty:1";
/// There may be no registry: the empty image runs this machine's programs.
const HOST: &str = "-v /usr:/usr:ro -v /bin:/bin:ro -v /lib:/lib:ro -v /lib64:/lib64:ro -v /etc:/etc:ro";

/// One test at a time: a cleanup sees the whole engine.
static TURN: Mutex<()> = Mutex::new(());

fn engine() -> Option<MutexGuard<'static, ()>> {
    if run(command("timeout").args(["10", "docker", "info"])).status != Some(0) {
        skip("no Docker engine answers (docker info)");
        return None;
    }
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    shell(&format!(
        "docker image inspect {IMAGE} >/dev/null 2>&1 || tar c --files-from /dev/null | docker import - {IMAGE}"
    ))
    .expect(0);
    Some(turn)
}

fn shell(line: &str) -> Outcome {
    sh(line, std::path::Path::new("/"))
}

fn docker(words: &str) -> String {
    shell(&format!("docker {words}")).expect(0).stdout.trim().to_owned()
}

/// Loads an image without a name that was made on `created`; its id.
fn dangling_image(stack: &Stack, created: &str) -> String {
    let folder = stack.path(&format!("image-{}", &created[..4]));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("layer.tar"), [0; 1024]).unwrap();
    let sum = run(command("sha256sum").arg(folder.join("layer.tar"))).stdout[..64].to_owned();
    let config = format!(
        r#"{{"created":"{created}","architecture":"amd64","os":"linux","config":{{"Labels":{{"made":"{created}-{}"}}}},"rootfs":{{"type":"layers","diff_ids":["sha256:{sum}"]}}}}"#,
        std::process::id()
    );
    fs::write(folder.join("config.json"), config).unwrap();
    fs::write(
        folder.join("manifest.json"),
        r#"[{"Config":"config.json","RepoTags":null,"Layers":["layer.tar"]}]"#,
    )
    .unwrap();
    let line = format!("tar -C {} -c . | docker load -q", folder.display());
    let id = shell(&line).expect(0).stdout;
    id.trim().rsplit(' ').next().unwrap().to_owned()
}

fn there(kind: &str, name: &str) -> bool {
    shell(&format!("docker {kind} inspect {name}")).status == Some(0)
}

#[test]
fn row_1_12_after_a_cleanup_exactly_the_old_dangling_image_is_gone_and_on_the_word_the_anonymous_volume() {
    let Some(_turn) = engine() else { return };
    // A cleanup is for the whole engine: this test must not clean up after anyone else.
    let others =
        shell("docker images -q --filter dangling=true; docker volume ls -q --filter dangling=true").stdout;
    if !others.trim().is_empty() {
        return skip("the engine holds dangling images or unused volumes that are not this test's");
    }
    let stack = Stack::new();
    let id = std::process::id();
    let (old, new) =
        (dangling_image(&stack, "2020-01-01T00:00:00Z"), dangling_image(&stack, "2999-01-01T00:00:00Z"));
    let used = dangling_image(&stack, "2021-01-01T00:00:00Z");
    let tagged = dangling_image(&stack, "2022-01-01T00:00:00Z");
    docker(&format!("tag {tagged} pai-tests-old:{id}"));
    let container = docker(&format!("create {used} true"));
    let named = docker(&format!("volume create pai-tests-named-{id}"));
    let anonymous = docker("volume create");

    let clean = |words: &[&str]| {
        run(stack.script("tasks/docker-cleanup.sh").env_remove("DOCKER_HOST").args(words)).expect(0)
    };
    let state = || {
        [
            ("image", &old),
            ("image", &new),
            ("image", &used),
            ("image", &tagged),
            ("container", &container),
            ("volume", &named),
            ("volume", &anonymous),
        ]
        .map(|(kind, name)| there(kind, name))
    };
    clean(&["--dry-run", "volumes"]);
    assert_eq!(state(), [true; 7], "a dry run");
    clean(&[]);
    assert_eq!(state(), [false, true, true, true, true, true, true]);
    clean(&["volumes"]);
    assert_eq!(state(), [false, true, true, true, true, true, false]);
    docker(&format!("rm {container}"));
    docker(&format!("volume rm {named}"));
    docker(&format!("rmi {new} {used} pai-tests-old:{id}"));
}

/// Three services of this machine's programs, with volumes and health checks: a database, and two that are
/// well when their volume holds what it should.
struct Compose {
    stack: Stack,
}

/// The compose file: one volume has a name of its own.
fn compose_file(programs: &Path) -> String {
    let mounts = r#""/usr:/usr:ro", "/bin:/bin:ro", "/lib:/lib:ro", "/lib64:/lib64:ro", "/etc:/etc:ro""#;
    let service = |name: &str, volume: &str, command: &str, healthy: &str| {
        format!(
            "  {name}:\n    image: {IMAGE}\n    network_mode: none\n    stop_grace_period: 1s\n    tmpfs: [/tmp, /var/run/postgresql]\n    \
                 volumes: [{mounts}, \"{volume}:/data\"]\n    command: [sh, -c, '{command}']\n    \
                 healthcheck: {{test: [CMD, sh, -c, '{healthy}'], interval: 1s, retries: 60}}\n"
        )
    };
    let postgres = format!(
        "chown 65534:65534 /data /var/run/postgresql && export PATH={}:/usr/bin:/bin LC_ALL=C && cd /tmp && \
             if [ ! -e /data/db/PG_VERSION ]; then setpriv --reuid=65534 --regid=65534 --clear-groups initdb --no-sync -U codex -A trust -D /data/db; fi && \
             exec setpriv --reuid=65534 --regid=65534 --clear-groups postgres -D /data/db -k /var/run/postgresql -c listen_addresses= -c fsync=off -c shared_buffers=16MB",
        programs.display()
    );
    let waiting = r#"trap "exit 0" TERM; sleep 1000 & wait"#;
    format!(
        "version: \"2.4\"\nservices:\n{}{}{}volumes:\n  pg_data:\n  n8n_data:\n  letta_data: {{name: {}}}\n",
        service("supabase-db", "pg_data", &postgres, "pg_isready -q -h /var/run/postgresql"),
        service("n8n", "n8n_data", waiting, "test -s /data/workflows.txt"),
        service("letta", "letta_data", waiting, "test -s /data/agents.txt"),
        own_name(),
    )
}

/// The volume whose name does not begin with the project's.
fn own_name() -> String {
    format!("agents-of-{}", std::process::id())
}

impl Compose {
    fn up() -> Option<Self> {
        let Some(programs) = programs().filter(|_| is_root()) else {
            skip("the containers run this machine's PostgreSQL as another user: needs both it and root");
            return None;
        };
        if !has("docker-compose") {
            skip("no docker-compose");
            return None;
        }
        let stack = Stack::new();
        stack.write("docker-compose.yml", &compose_file(&programs));
        stack.write(
            ".env",
            &format!(
                "COMPOSE_PROJECT_NAME=paitest{}\nPOSTGRES_PASSWORD=correct-horse-battery\n",
                std::process::id()
            ),
        );
        stack.settings(&format!("DATABASE_USER=codex\nHELPER_IMAGE={IMAGE}\nHELPER_OPTIONS='{HOST}'\n"));
        stack.write("deployment/health.conf", "container supabase-db\ncontainer n8n\ncontainer letta\n");
        let compose = Self { stack };
        compose.compose("up -d").expect(0);
        Some(compose)
    }

    fn compose(&self, words: &str) -> Outcome {
        shell(&format!("cd {} && docker-compose {words}", self.stack.home().display()))
    }

    fn script(&self, name: &str, words: &[&str]) -> Command {
        let mut script = self.stack.script(name);
        script.env_remove("DOCKER_HOST").env("PATH", crate::support::path_with(&[])).args(words);
        script
    }

    fn inside(&self, service: &str, line: &str) -> String {
        let outcome = self.compose(&format!("exec -T {service} sh -c '{line}'"));
        outcome.expect(0).stdout.trim().to_owned()
    }

    fn wait_until_healthy(&self) {
        for _ in 0..120 {
            // A container whose health check has not answered yet is a warning, and no error.
            let checked = run(&mut self.script("health-check.sh", &[]));
            if checked.status == Some(0) && !checked.stdout.contains("has not answered yet") {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        let health = run(&mut self.script("health-check.sh", &[])).stdout;
        panic!("not healthy:\n{health}\n{}", self.compose("logs --tail=20").stdout);
    }

    fn ledger(&self) -> String {
        self.inside("supabase-db", "psql -h /var/run/postgresql -XAtU codex -d letta -c \"SELECT count(*), md5(string_agg(entry, chr(44) ORDER BY id)) FROM ledger\"")
    }

    /// Names, modes, owners, whole seconds (plain tar keeps no more), link targets, contents.
    fn volume(&self, service: &str) -> String {
        let find = r#"cd /data && stat -c "%a %u:%g" . && find . -mindepth 1 -printf "%p %m %U %G %Ts %l\n" | sort && cat *.txt | sha256sum"#;
        self.inside(service, find)
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        let _ = self.compose("down -v --timeout 1");
    }
}

#[test]
fn row_1_28_a_stack_of_three_services_is_backed_up_destroyed_restored_and_healthy() {
    let Some(_turn) = engine() else { return };
    let Some(compose) = Compose::up() else { return };
    compose.inside("n8n", "echo flow >/data/workflows.txt; mkdir -p /data/deep/er; echo x >/data/deep/er/.hidden; chmod 640 /data/workflows.txt; chown 1000:1001 /data/workflows.txt; ln -s ../workflows.txt /data/deep/link; chmod 751 /data");
    compose.inside("letta", "echo agent >/data/agents.txt");
    compose.wait_until_healthy();
    compose.inside("supabase-db", "psql -h /var/run/postgresql -XqU codex -d postgres -c \"CREATE ROLE app LOGIN\" -c \"CREATE DATABASE letta OWNER app\" && psql -h /var/run/postgresql -XqU codex -d letta -c \"CREATE TABLE ledger AS SELECT n AS id, md5(n::text) AS entry FROM generate_series(1, 1000) n\"");
    let before = (compose.ledger(), compose.volume("n8n"), compose.volume("letta"));

    let made = run(&mut compose.script("backup.sh", &[])).expect(0);
    let backup = PathBuf::from(made.stdout.trim());
    let manifest = fs::read_to_string(backup.join("BACKUP_MANIFEST.md")).unwrap();
    let own_artefact = format!("volumes/{}_", own_name());
    for artefact in
        ["databases/letta_", "databases/globals_", "volumes/n8n_data_", &own_artefact, "configs/env_"]
    {
        assert!(manifest.contains(artefact), "{artefact} in {manifest}");
    }
    assert!(manifest.contains("pg_data (the database's own"), "{manifest}");
    assert_eq!(compose.compose("ps -q n8n").stdout.lines().count(), 1);
    assert_eq!(docker("ps -q --filter status=paused"), "", "nothing stays paused");
    let drill = run(&mut compose.script("tasks/disaster-recovery-test.sh", &[])).expect(0);
    assert!(drill.stdout.contains("1000 rows restored and counted"), "{}", drill.stdout);

    compose.compose("down -v --timeout 1").expect(0);
    for gone in ["docker-compose.yml", ".env"] {
        fs::remove_file(compose.stack.path(gone)).unwrap();
    }
    let path = backup.to_str().unwrap();
    let project = format!("paitest{}", std::process::id());
    let mut restore =
        compose.script("restore.sh", &["--force", "--without-safety-copy", "--deadline", "90s", path]);
    let restored = run(restore.env("COMPOSE_PROJECT_NAME", &project)).expect(0);
    assert!(restored.stderr.contains("healthy"), "{}", restored.stderr);
    assert_eq!((compose.ledger(), compose.volume("n8n"), compose.volume("letta")), before);

    // Once more over what is there: what came since goes, and a safety copy stays.
    compose.inside("n8n", "echo new >/data/since.txt; rm /data/deep/link");
    compose
        .inside("supabase-db", "psql -h /var/run/postgresql -XqU codex -d letta -c \"DELETE FROM ledger\"");
    let again = run(&mut compose.script("restore.sh", &["--force", "--deadline", "90s", path])).expect(0);
    assert_eq!(
        (compose.ledger(), compose.volume("n8n"), compose.volume("letta")),
        before,
        "{}",
        again.stderr
    );
    assert!(again.stderr.contains("pre-restore-backup-"), "{}", again.stderr);
}

#[test]
fn row_1_26_up_restarts_nothing_when_the_pull_fails_on_a_real_engine() {
    let Some(_turn) = engine() else { return };
    let Some(compose) = Compose::up() else { return };
    let ids =
        docker(&format!("ps -q --filter label=com.docker.compose.project=paitest{}", std::process::id()));
    assert_eq!(ids.lines().count(), 3);
    // The image is in no registry.
    let update = run(&mut compose.script("tasks/image-update.sh", &["--yes", "--without-backup"])).expect(2);
    assert!(update.stderr.contains("could not pull: the services stay as they are"), "{}", update.stderr);
    assert_eq!(
        docker(&format!("ps -q --filter label=com.docker.compose.project=paitest{}", std::process::id())),
        ids
    );
    assert!(compose.stack.read("deployment/logs/images.log").contains("sha256:"));
}

#[test]
fn row_1_33a_the_documented_service_is_analysed_and_vacuumed_in_a_real_container() {
    let Some(_turn) = engine() else { return };
    let Some(compose) = Compose::up() else { return };
    for _ in 0..60 {
        if run(&mut compose.script("tasks/database-maintenance.sh", &["--dry-run"])).status == Some(0) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(500));
    }
    let outcome = run(&mut compose.script("tasks/database-maintenance.sh", &[])).expect(0);
    assert!(outcome.stdout.contains("database postgres: "), "{}", outcome.stdout);
    compose.compose("stop --timeout 1 supabase-db").expect(0);
    let stopped = run(&mut compose.script("tasks/database-maintenance.sh", &[])).expect(2);
    assert!(stopped.stderr.contains("no running container of supabase-db"), "{}", stopped.stderr);
}
