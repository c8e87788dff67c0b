//! A stack of one's own: a folder with .env, compose file and settings, and the scripts run against it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use pai_tests::rigs::engine::{Container, Engine};
use pai_tests::rigs::postgres::Postgres;
use pai_tests::{bin_folder, scratch};

use crate::support::{names, path_with, script};

/// What a stub starts with that logs its name and its words to `$CALLS`.
pub(crate) const LOG: &str = "echo \"${0##*/} $*\" >>$CALLS\n";

/// Its project is `shop`; removed when dropped.
pub(crate) struct Stack {
    folder: tempfile::TempDir,
}

impl Stack {
    pub(crate) fn new() -> Self {
        let folder = scratch();
        fs::create_dir_all(folder.path().join("shop/deployment")).expect("the stack's folder");
        let stack = Self { folder };
        stack.write(".env", "POSTGRES_PASSWORD=correct-horse-battery\n");
        stack
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("shop")
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.home().join(path)
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.path("deployment/logs")
    }

    pub(crate) fn backups(&self) -> PathBuf {
        self.path("deployment/backups")
    }

    /// Writes a file that only its owner may read.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("inside the stack")).expect("its folder");
        fs::write(&path, text).expect("the file is written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is made private");
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Settings, one `KEY=VALUE` a line.
    pub(crate) fn settings(&self, text: &str) {
        self.write("deployment/maintenance.conf", text);
    }

    /// A script against this stack; no engine unless the test names one.
    pub(crate) fn script(&self, name: &str) -> Command {
        self.script_with(name, &[])
    }

    /// The same with folders first on PATH.
    pub(crate) fn script_with(&self, name: &str, first: &[&Path]) -> Command {
        let mut script = script(name);
        script.env("STACK_HOME", self.home()).env("PATH", path_with(first)).env("STACK_PATH", "");
        script.env("DOCKER_HOST", "unix:///nonexistent/docker.sock").current_dir(self.folder.path());
        for variable in ["LOG_DIR", "BACKUP_DIR", "STATE_DIR", "COMPOSE_FILE", "COMPOSE_PROJECT_NAME"] {
            script.env_remove(variable);
        }
        script
    }

    /// A folder with programs (name, shell text) to put first on PATH. Each may append to `$CALLS`.
    pub(crate) fn programs(&self, programs: &[(&str, &str)]) -> PathBuf {
        let folder = self.folder.path().join("programs");
        fs::create_dir_all(&folder).expect("the folder of stubs");
        for (name, text) in programs {
            let program = folder.join(name);
            let calls = self.folder.path().join("calls");
            let text = format!("#!/bin/sh\nCALLS={}\n{text}\n", calls.display());
            fs::write(&program, text).expect("the stub is written");
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
                .expect("the stub is made executable");
        }
        folder
    }

    /// What the stubs wrote to `$CALLS`.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// A PATH with the built tools and what the machine has, but none of these programs.
    pub(crate) fn path_without(&self, left_out: &[&str]) -> PathBuf {
        let folder = self.folder.path().join(format!("path-{}", left_out.join("-")));
        if folder.exists() {
            return folder;
        }
        fs::create_dir_all(&folder).expect("the folder of links");
        for place in ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"].map(Path::new) {
            for name in names(place).iter().filter(|name| !left_out.contains(&name.as_str())) {
                let _ = std::os::unix::fs::symlink(place.join(name), folder.join(name));
            }
        }
        for name in names(bin_folder()).iter().filter(|name| name.starts_with("pai-")) {
            let _ = std::os::unix::fs::symlink(bin_folder().join(name), folder.join(name));
        }
        folder
    }

    /// Notes that a backup was made and verified this many seconds ago.
    pub(crate) fn backup_verified(&self, seconds_ago: i64) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        let made = i64::try_from(now.as_secs()).expect("before 2262") - seconds_ago;
        let path = self.backups();
        fs::create_dir_all(&path).expect("a backup's folder");
        self.write("deployment/logs/state/backup-verified", &format!("{made} {made} {}\n", path.display()));
    }

    /// The records of maintenance.jsonl.
    pub(crate) fn records(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.logs().join("maintenance.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }

    /// `(task, status)` of every record.
    pub(crate) fn outcomes(&self) -> Vec<(String, String)> {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        self.records().iter().map(|record| (text(&record["task"]), text(&record["status"]))).collect()
    }
}

/// A running container of a service of `shop`.
pub(crate) fn service(name: &str) -> Container {
    Container::running(&format!("shop-{name}-1"))
        .with_label("com.docker.compose.project", "shop")
        .with_label("com.docker.compose.service", name)
}

/// A real server that the docker CLI reaches as service `supabase-db`; its superuser is `codex`.
pub(crate) fn database_in_a_container() -> Option<(Postgres, Engine)> {
    let postgres = Postgres::start()?;
    let engine = Engine::start([service("supabase-db").with_environment(postgres.environment())])?;
    Some((postgres, engine))
}
