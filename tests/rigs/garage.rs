//! A cluster of three Garage nodes on loopback addresses of this process's own: a real distributed object store, of which a
//! node can be killed.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use crate::{Outcome, command, has, repository, run, scratch, skip};

const NODES: usize = 3;
const BUCKET: &str = "pai";

/// A running cluster with one bucket, everything three times.
pub struct Garage {
    folder: tempfile::TempDir,
    program: PathBuf,
    host: String,
    port: u16,
    nodes: Vec<Option<Child>>,
}

/// What a client says of itself.
pub struct Key {
    id: String,
    secret: String,
}

impl Garage {
    /// Starts the cluster; skips where Garage is not installed.
    pub fn start() -> Option<Self> {
        static CLUSTERS: AtomicU16 = AtomicU16::new(0);
        let own = repository().join("target/tools/bin/garage");
        let program = match (own.is_file(), has("garage")) {
            (true, _) => own,
            (false, true) => PathBuf::from("garage"),
            (false, false) => {
                skip("no garage on PATH or in target/tools/bin (scripts/dev/garage.sh installs it)");
                return None;
            }
        };
        // An address that no other process has: nobody's ports can be in the way.
        let [_, a, b, c] = std::process::id().to_be_bytes();
        let host = format!("127.{}.{b}.{c}", a.max(1));
        let port = 3900 + 100 * CLUSTERS.fetch_add(1, Ordering::Relaxed);
        let mut this = Self { folder: scratch(), program, host, port, nodes: Vec::new() };
        for number in 0..NODES {
            this.configure(number);
            let node = this.spawn(number);
            this.nodes.push(Some(node));
        }
        this.join();
        this.wait_until_healthy();
        this.garage(&["bucket", "create", BUCKET]);
        Some(this)
    }

    fn configure(&self, number: usize) {
        let folder = self.node(number);
        fs::create_dir(&folder).expect("a folder for the node");
        let (rpc, s3, admin) = self.addresses(number);
        let text = format!(
            "metadata_dir = \"{0}/meta\"\ndata_dir = \"{0}/data\"\ndb_engine = \"sqlite\"\nreplication_factor = 3\n\
             rpc_bind_addr = \"{rpc}\"\nrpc_public_addr = \"{rpc}\"\nrpc_secret = \"{1}\"\n\
             [s3_api]\ns3_region = \"garage\"\napi_bind_addr = \"{s3}\"\n[admin]\napi_bind_addr = \"{admin}\"\n",
            folder.display(),
            "5a".repeat(32),
        );
        fs::write(folder.join("garage.toml"), text).expect("the configuration is written");
    }

    fn addresses(&self, number: usize) -> (String, String, String) {
        let port = |offset: u16| format!("{}:{}", self.host, self.port + 10 * number as u16 + offset);
        (port(1), port(0), port(3))
    }

    fn node(&self, number: usize) -> PathBuf {
        self.folder.path().join(format!("n{number}"))
    }

    fn spawn(&self, number: usize) -> Child {
        let log = fs::File::create(self.node(number).join("log")).expect("a log");
        let mut server = command(&self.program);
        server.arg("-c").arg(self.node(number).join("garage.toml")).arg("server");
        let server = server.stdout(Stdio::null()).stderr(log).spawn().expect("the node starts");
        let address = self.addresses(number).1;
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(&address).is_err() {
            assert!(Instant::now() < deadline, "the node listens: {}", self.log(number));
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn log(&self, number: usize) -> String {
        fs::read_to_string(self.node(number).join("log")).unwrap_or_default()
    }

    /// Runs garage's own command line against node 0 until it works.
    fn garage(&self, args: &[&str]) -> Outcome {
        self.garage_at(0, args)
    }

    fn garage_at(&self, number: usize, args: &[&str]) -> Outcome {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let mut line = command(&self.program);
            line.arg("-c").arg(self.node(number).join("garage.toml")).args(args);
            let outcome = run(&mut line);
            if outcome.status == Some(0) {
                return outcome;
            }
            assert!(Instant::now() < deadline, "{args:?}: {}", outcome.stderr);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn join(&self) {
        let ids: Vec<String> = (0..NODES)
            .map(|number| self.garage_at(number, &["node", "id", "-q"]).stdout.trim().to_owned())
            .collect();
        for id in &ids[1..] {
            self.garage(&["node", "connect", id]);
        }
        for (number, id) in ids.iter().enumerate() {
            let id = id.split('@').next().expect("an id before the address");
            self.garage(&["layout", "assign", "-z", &format!("z{number}"), "-c", "1G", id]);
        }
        self.garage(&["layout", "apply", "--version", "1"]);
    }

    /// Makes a key that may do what `rights` say: `--read`, `--write`, `--owner`.
    pub fn key(&self, name: &str, rights: &[&str]) -> Key {
        let made = self.garage(&["key", "create", name]).stdout;
        let field = |label: &str| {
            let line = made.lines().find(|line| line.starts_with(label));
            line.and_then(|line| line.split_whitespace().last()).expect("the key is shown").to_owned()
        };
        let key = Key { id: field("Key ID"), secret: field("Secret key") };
        self.garage(&[&["bucket", "allow"], rights, &[BUCKET, "--key", &key.id]].concat());
        key
    }

    /// A command with what it needs to reach node `number` with a key.
    pub fn reach(&self, command: &mut Command, key: &Key, number: usize) {
        command
            .env("AWS_ACCESS_KEY_ID", &key.id)
            .env("AWS_SECRET_ACCESS_KEY", &key.secret)
            .env("AWS_REGION", "garage")
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.addresses(number).1));
    }

    /// A store in the bucket.
    pub fn store(&self, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}")
    }

    /// Kills a node as a power cut would.
    pub fn kill(&mut self, number: usize) {
        if let Some(mut node) = self.nodes[number].take() {
            let _ = node.kill();
            let _ = node.wait();
        }
    }

    /// Starts a node that was killed, and waits until the others have it back.
    pub fn revive(&mut self, number: usize) {
        let node = self.spawn(number);
        self.nodes[number] = Some(node);
        // By themselves they would look for each other every half minute only.
        let id = self.garage_at(number, &["node", "id", "-q"]).stdout.trim().to_owned();
        for other in (0..NODES).filter(|&other| other != number && self.nodes[other].is_some()) {
            self.garage_at(other, &["node", "connect", &id]);
        }
        self.wait_until_healthy();
    }

    /// Every node reaches every other.
    fn wait_until_healthy(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        let healthy = |number: usize| {
            let mut answer = String::new();
            let mut stream = TcpStream::connect(self.addresses(number).2)?;
            stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
            stream.read_to_string(&mut answer)?;
            Ok::<_, std::io::Error>(answer.contains("fully operational"))
        };
        while !(0..NODES).all(|number| healthy(number).unwrap_or(false)) {
            assert!(Instant::now() < deadline, "the cluster is whole again");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The folder of the cluster's files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Garage {
    fn drop(&mut self) {
        for number in 0..self.nodes.len() {
            self.kill(number);
        }
    }
}
