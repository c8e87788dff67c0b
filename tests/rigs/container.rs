//! A real PostgreSQL in a real container, where a Docker engine answers: this machine's programs, mounted
//! read-only into an empty image, since there may be no registry to pull one from.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::postgres::{is_root, programs};
use crate::{Outcome, command, run, skip};

const IMAGE: &str = "pai-tests-empty:1";

/// A running container with a server inside; removed when dropped.
pub struct DatabaseContainer {
    name: String,
}

impl DatabaseContainer {
    /// Starts container `name` with database `codexdb` of role `codex`: a table `ledger` of `rows` rows. Skips
    /// where no engine answers.
    pub fn start(name: &str, rows: u32) -> Option<Self> {
        if run(command("docker").args(["info", "--format", "{{.ServerVersion}}"])).status != Some(0) {
            skip("no Docker engine answers (docker info)");
            return None;
        }
        let Some(programs) = programs().filter(|_| is_root()) else {
            skip("the container runs this machine's PostgreSQL as another user: needs both it and root");
            return None;
        };
        let import = format!(
            "docker image inspect {IMAGE} >/dev/null 2>&1 || tar c --files-from /dev/null | docker import - {IMAGE}"
        );
        run(command("bash").args(["-c", &import])).expect(0);
        let mut docker = command("docker");
        docker.args(["run", "--detach", "--name", name, "--network", "none", "--user", "65534:65534"]);
        for folder in ["/usr", "/lib", "/lib64", "/bin", "/etc"] {
            docker.args(["--volume", &format!("{folder}:{folder}:ro")]);
        }
        for folder in ["/tmp", "/data", "/var/run/postgresql"] {
            docker.args(["--tmpfs", folder]);
        }
        let path = format!("PATH={}:/usr/bin:/bin", programs.display());
        docker.args(["--env", &path, "--env", "LC_ALL=C", IMAGE, "sh", "-c"]);
        docker.arg(
            "initdb --no-sync --username=codex --auth=trust --encoding=UTF8 --locale=C -D /data/db && \
             exec postgres -D /data/db -k /var/run/postgresql -c listen_addresses= -c fsync=off -c shared_buffers=16MB",
        );
        run(&mut docker).expect(0);
        let container = Self { name: name.to_owned() };
        container.wait_until_ready();
        container.exec(&["createdb", "-U", "codex", "codexdb"]).expect(0);
        let table = format!(
            "CREATE TABLE ledger (id int PRIMARY KEY, entry text NOT NULL);
             INSERT INTO ledger SELECT n, md5(n::text) FROM generate_series(1, {rows}) n"
        );
        container.exec(&["psql", "-XqU", "codex", "-d", "codexdb", "-c", &table]).expect(0);
        Some(container)
    }

    /// Runs a command inside.
    pub fn exec(&self, words: &[&str]) -> Outcome {
        run(command("docker").args(["exec", &self.name]).args(words))
    }

    /// Stops it, as `docker stop` does; it stays listed.
    pub fn stop(&self) {
        run(command("docker").args(["stop", "--time", "5", &self.name])).expect(0);
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.exec(&["pg_isready", "-q"]).status != Some(0) {
            let log = run(command("docker").args(["logs", &self.name]));
            assert!(Instant::now() < deadline, "the server comes up:\n{}{}", log.stdout, log.stderr);
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for DatabaseContainer {
    fn drop(&mut self) {
        let mut remove = Command::new("docker");
        let _ =
            remove.args(["rm", "--force", &self.name]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}
