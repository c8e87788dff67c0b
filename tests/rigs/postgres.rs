//! A throw-away `PostgreSQL` on a socket in a scratch folder, from the distribution's binaries.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::{command, run, scratch, scratch_beside_tools, skip, wait_until};

/// A running server. Its superuser is `codex`; connections over the socket need no password unless
/// [`Postgres::demand_password`] says so.
pub struct Postgres {
    folder: tempfile::TempDir,
    server: Child,
}

impl Postgres {
    /// Starts a server; skips where `PostgreSQL` is not installed.
    pub fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            skip("no PostgreSQL server under /usr/lib/postgresql (package postgresql)");
            return None;
        };
        Some(Self::start_from(&programs))
    }

    /// Starts a server of another build: the folder has `initdb` and `postgres`, within reach of user postgres.
    pub fn start_from(programs: &Path) -> Self {
        let folder = scratch();
        // Clients of any user reach the socket; the data folder below is the server's own.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("the folder is opened");
        let root = is_root();
        if root {
            run(Command::new("chown").arg("postgres:").arg(folder.path())).expect(0);
        }
        let data = folder.path().join("data");
        run(command("cp").args(["-a", "--reflink=auto"]).arg(cluster(programs)).arg(&data)).expect(0);
        let mut server = as_server_user(root, &programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(folder.path());
        server.args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "shared_buffers=16MB"]);
        let log = fs::File::create(folder.path().join("server.log")).expect("the log is made");
        let server = server.stdout(Stdio::null()).stderr(log).spawn().expect("the server starts");
        let postgres = Self { folder, server };
        postgres.wait_until_ready();
        postgres
    }

    /// The folder of the socket: what `PGHOST` and `psql -h` take.
    pub fn host(&self) -> &Path {
        self.folder.path()
    }

    /// What a client needs in its environment.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [("PGHOST", self.host().display().to_string()), ("PGUSER", "codex".to_owned())]
    }

    /// Runs SQL in a database; what it prints, unaligned and without headings.
    #[track_caller]
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = command("psql");
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statements]);
        let password = self.folder.path().join("password");
        run(psql.envs(self.environment()).env("PGPASSWORD", fs::read_to_string(password).unwrap_or_default()))
            .expect(0)
            .stdout
            .trim_end()
            .to_owned()
    }

    /// Makes database `name` with a table `ledger` of `rows` rows.
    pub fn with_ledger(&self, name: &str, rows: u32) {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.sql(
            name,
            &format!(
                "CREATE TABLE ledger (id int PRIMARY KEY, entry text NOT NULL);
                 INSERT INTO ledger SELECT n, 'entry ' || n || md5(n::text) FROM generate_series(1, {rows}) n"
            ),
        );
    }

    /// From now on every connection needs this password (SCRAM).
    pub fn demand_password(&self, password: &str) {
        self.sql("postgres", &format!("ALTER ROLE codex PASSWORD '{password}'"));
        fs::write(self.folder.path().join("password"), password).expect("the password is kept");
        let rules = self.folder.path().join("data/pg_hba.conf");
        fs::write(rules, "local all all scram-sha-256\n").expect("the rules are written");
        self.sql("postgres", "SELECT pg_reload_conf()");
        wait_until("the server takes the new rules", || {
            run(command("psql").args(["-w", "-d", "postgres", "-c", ""]).envs(self.environment())).status
                != Some(0)
        });
    }

    /// The last line of its `postmaster.pid` says how far a server has come.
    fn wait_until_ready(&self) {
        let state = self.folder.path().join("data/postmaster.pid");
        wait_until("the server comes up", || {
            let log = fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
            assert!(!log.contains("FATAL:"), "the server ended:\n{log}");
            fs::read_to_string(&state).is_ok_and(|text| text.trim_end().ends_with("ready"))
        });
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT is an immediate shutdown; SIGKILL would leave its shared memory behind.
        let _ = Command::new("kill").args(["-QUIT", &self.server.id().to_string()]).status();
        let _ = self.server.wait();
    }
}

/// An empty data folder, made once for each version and kept beside what is built: `initdb` takes longer than many a test.
fn cluster(programs: &Path) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let root = is_root();
    let version = run(as_server_user(root, &programs.join("postgres")).arg("--version")).expect(0).stdout;
    let build = format!("{}-{version}", programs.display());
    let name: String = build.chars().filter(|c| c.is_ascii_alphanumeric() || ".-".contains(*c)).collect();
    let kept = scratch_beside_tools().join(&name);
    if !kept.is_dir() {
        let folder = scratch();
        if root {
            run(Command::new("chown").arg("postgres:").arg(folder.path())).expect(0);
        }
        let mut initdb = as_server_user(root, &programs.join("initdb"));
        initdb.args(["--no-sync", "--username=codex", "--auth=trust", "--encoding=UTF8", "--locale=C"]);
        run(initdb.args(["--wal-segsize=1", "-D"]).arg(folder.path().join("data"))).expect(0);
        // Whole or not at all: another process may be about to do the same.
        let made = scratch_beside_tools().join(format!("{name}.{}", std::process::id()));
        run(command("cp").arg("-a").arg(folder.path().join("data")).arg(&made)).expect(0);
        if fs::rename(&made, &kept).is_err() {
            fs::remove_dir_all(&made).expect("the second one goes");
        }
    }
    kept
}

/// The newest installed version's programs.
pub fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.into_iter().rev().find(|folder| folder.join("initdb").is_file())
}

/// Whether the server's user can run the programs of that folder.
pub fn can_run(programs: &Path) -> bool {
    run(as_server_user(is_root(), &programs.join("postgres")).arg("--version")).status == Some(0)
}

/// Whether this process may do what only root may.
pub fn is_root() -> bool {
    run(Command::new("id").arg("-u")).stdout.trim() == "0"
}

/// `PostgreSQL` refuses to run as root.
fn as_server_user(root: bool, program: &Path) -> Command {
    if !root {
        return command(program);
    }
    let mut command = command("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
    command
}
