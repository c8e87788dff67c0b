//! A stack with a database to back up and restore, and damage to do to a backup.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::rigs::engine::Engine;
use pai_tests::rigs::http::{Answer, Http};
use pai_tests::rigs::postgres::Postgres;
use pai_tests::{Outcome, command, run};

use crate::stack::{Stack, database_in_a_container};
use crate::support::names;

/// A stack whose database `letta` has 500 rows, reached through the docker CLI; volumes are the real
/// engine's matter.
pub(crate) struct Shop {
    pub(crate) stack: Stack,
    pub(crate) postgres: Postgres,
    pub(crate) engine: Engine,
    pub(crate) http: Http,
}

impl Shop {
    pub(crate) fn open() -> Option<Self> {
        let (postgres, engine) = database_in_a_container()?;
        postgres.with_ledger("letta", 500);
        let (stack, http) = (Stack::new(), Http::start());
        http.answer("/healthz", Answer::new(200, ""));
        stack.settings("DATABASE_USER=codex\nBACKUP_VOLUMES=none\n");
        stack.write("docker-compose.yml", "services: {}\n");
        stack.write("deployment/nginx.conf", "server {}\n");
        stack.write("docs/runbook.md", "# Runbook\n");
        stack.write("deployment/health.conf", &format!("http n8n {}\n", http.url("/healthz")));
        Some(Self { stack, postgres, engine, http })
    }

    pub(crate) fn script(&self, name: &str, words: &[&str]) -> Command {
        let mut script = self.stack.script(name);
        script.env("PATH", self.stack.path_without(&["docker-compose"]));
        script.env("DOCKER_HOST", self.engine.host()).args(words);
        script
    }

    pub(crate) fn run(&self, name: &str, words: &[&str]) -> Outcome {
        run(&mut self.script(name, words))
    }

    /// Makes a backup; its folder.
    pub(crate) fn backup(&self) -> PathBuf {
        PathBuf::from(self.run("backup.sh", &["--quiet"]).expect(0).stdout.trim())
    }

    pub(crate) fn rows(&self) -> String {
        self.postgres
            .sql("letta", "SELECT count(*) || ' ' || md5(string_agg(entry, ',' ORDER BY id)) FROM ledger")
    }
}

/// The one file of a backup whose name starts so.
pub(crate) fn artefact(backup: &Path, folder: &str, start: &str) -> PathBuf {
    let name = names(&backup.join(folder)).into_iter().find(|name| name.starts_with(start));
    backup.join(folder).join(name.unwrap_or_else(|| panic!("{folder}/{start} in {}", backup.display())))
}

/// Writes SHA256SUMS anew: for faults that must be seen beyond a checksum.
pub(crate) fn resum(backup: &Path) {
    let line =
        "find . -type f ! -name SHA256SUMS -printf '%P\\0' | sort -z | xargs -0 sha256sum -- >SHA256SUMS";
    run(command("sh").args(["-c", line]).current_dir(backup)).expect(0);
}

/// Changes a bit in the middle.
pub(crate) fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(file, bytes).unwrap();
}

/// Takes `less` bytes off the end.
pub(crate) fn cut(file: &Path, less: usize) {
    let bytes = fs::read(file).unwrap();
    fs::write(file, &bytes[..bytes.len() - less]).unwrap();
}
