//! A small Docker engine for the real docker CLI: it keeps every request it gets, answers about the
//! containers it is told of, and runs `docker exec` on this machine with the exit status intact.

mod container;

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use self::container::{inspected, listed_entry, passes, strings};
use super::request::Request;
use crate::{has, scratch, skip};

pub use self::container::Container;

/// The engine; it stops answering when dropped.
pub struct Engine {
    folder: tempfile::TempDir,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    containers: Mutex<Vec<Container>>,
    answers: Mutex<HashMap<(String, String), (u16, Value)>>,
    requests: Mutex<Vec<Request>>,
    /// Commands of `docker exec` that were made but not started, by id.
    execs: Mutex<HashMap<String, Exec>>,
    stopped: AtomicBool,
}

#[derive(Clone)]
struct Exec {
    container: Container,
    command: Value,
    status: Option<i32>,
}

impl Engine {
    /// Starts an engine with these containers; skips where there is no docker CLI.
    pub fn start(containers: impl IntoIterator<Item = Container>) -> Option<Self> {
        if !has("docker") {
            skip("no docker command line (package docker.io)");
            return None;
        }
        let folder = scratch();
        let listener = UnixListener::bind(folder.path().join("docker.sock")).expect("the socket is made");
        let state =
            Arc::new(State { containers: Mutex::new(containers.into_iter().collect()), ..State::default() });
        let served = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if served.stopped.load(Ordering::Relaxed) {
                    break;
                }
                let served = Arc::clone(&served);
                // A client that hangs up early ends its own thread only.
                std::thread::spawn(move || served.serve(&stream));
            }
        });
        Some(Self { folder, state })
    }

    /// What `DOCKER_HOST` takes.
    pub fn host(&self) -> String {
        format!("unix://{}", self.folder.path().join("docker.sock").display())
    }

    /// The socket's folder, to be opened to other users where a test needs that.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Answers `method` on `path` (without the version prefix and the query) with this status and body.
    pub fn answer(&self, method: &str, path: &str, status: u16, body: Value) {
        let key = (method.to_owned(), path.to_owned());
        self.state.answers.lock().expect("no thread panics").insert(key, (status, body));
    }

    /// Starts or stops a container, as `docker start` and `docker stop` do.
    pub fn set_running(&self, name: &str, running: bool) {
        self.state.set_running(name, running);
    }

    /// Every request so far, without the version prefix; `/_ping` is left out.
    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().expect("no thread panics").clone()
    }

    /// The requests that changed something: everything but GET and HEAD, as `METHOD /path`.
    pub fn changes(&self) -> Vec<String> {
        let requests = self.requests();
        let changes = requests.iter().filter(|request| !matches!(request.method.as_str(), "GET" | "HEAD"));
        changes.map(|request| format!("{} {}", request.method, request.path)).collect()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees the flag.
        let _ = UnixStream::connect(self.folder.path().join("docker.sock"));
    }
}

impl State {
    fn serve(&self, stream: &UnixStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(mut request) = Request::read(&mut reader)? {
            request.path = without_version(&request.path).to_owned();
            if request.path == "/_ping" {
                // The CLI sends HEAD, whose answer has no body.
                respond(stream, 200, "text/plain", if request.method == "HEAD" { b"" } else { b"OK" })?;
                continue;
            }
            self.requests.lock().expect("no thread panics").push(request.clone());
            if let Some(id) = between(&request.path, "/exec/", "/start").filter(|_| request.method == "POST")
            {
                // The connection belongs to the command from here on.
                return self.start_exec(id, reader, stream.try_clone()?);
            }
            let (status, body) = self.reply(&request);
            let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
            respond(stream, status, "application/json", &body)?;
        }
        Ok(())
    }

    fn reply(&self, request: &Request) -> (u16, Value) {
        let key = (request.method.clone(), request.path.clone());
        if let Some(answer) = self.answers.lock().expect("no thread panics").get(&key) {
            return answer.clone();
        }
        let path = request.path.as_str();
        match request.method.as_str() {
            "GET" if path == "/info" => {
                (200, json!({"ID": "test", "ServerVersion": "28.0.0", "OSType": "linux"}))
            }
            "GET" if path == "/version" => (
                200,
                json!({"Version": "28.0.0", "ApiVersion": "1.44", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64"}),
            ),
            "GET" if path == "/containers/json" => (200, self.list(&request.query)),
            "GET" if between(path, "/containers/", "/json").is_some() => self
                .about(between(path, "/containers/", "/json").unwrap_or_default(), |container| {
                    (200, inspected(container))
                }),
            "GET" if between(path, "/exec/", "/json").is_some() => self.exec_state(path),
            "POST" if between(path, "/containers/", "/exec").is_some() => self.make_exec(request),
            "POST" if between(path, "/containers/", "/start").is_some() => self.switch(path, "/start", true),
            "POST" if between(path, "/containers/", "/stop").is_some() => self.switch(path, "/stop", false),
            "POST" if between(path, "/containers/", "/restart").is_some() => {
                self.switch(path, "/restart", true)
            }
            _ => (
                501,
                json!({"message": format!("the test engine has no answer for {} {path}", request.method)}),
            ),
        }
    }

    fn about(&self, reference: &str, answer: impl FnOnce(&Container) -> (u16, Value)) -> (u16, Value) {
        let containers = self.containers.lock().expect("no thread panics");
        match containers.iter().find(|container| container.is(reference)) {
            Some(container) => answer(container),
            None => (404, json!({"message": format!("No such container: {reference}")})),
        }
    }

    fn switch(&self, path: &str, verb: &str, running: bool) -> (u16, Value) {
        let reference = between(path, "/containers/", verb).unwrap_or_default();
        let found = self.about(reference, |_| (204, Value::Null));
        self.set_running(reference, running);
        found
    }

    fn set_running(&self, reference: &str, running: bool) {
        let mut containers = self.containers.lock().expect("no thread panics");
        for container in containers.iter_mut().filter(|container| container.is(reference)) {
            container.running = running;
        }
    }

    fn list(&self, query: &str) -> Value {
        let parameter = |name: &str| {
            query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
        };
        let all = parameter("all").is_some_and(|all| all == "1" || all == "true");
        let filters: Value =
            parameter("filters").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let containers = self.containers.lock().expect("no thread panics");
        let listed = containers.iter().filter(|container| all || container.running);
        listed.filter(|container| passes(container, &filters)).map(listed_entry).collect()
    }

    fn make_exec(&self, request: &Request) -> (u16, Value) {
        let reference = between(&request.path, "/containers/", "/exec").unwrap_or_default();
        self.about(reference, |container| {
            if !container.running {
                return (409, json!({"message": format!("container {} is not running", container.id())}));
            }
            let command = serde_json::from_slice(&request.body).unwrap_or_default();
            let mut execs = self.execs.lock().expect("no thread panics");
            let id = format!("{:064x}", execs.len() + 1);
            execs.insert(id.clone(), Exec { container: container.clone(), command, status: None });
            (201, json!({"Id": id}))
        })
    }

    fn exec_state(&self, path: &str) -> (u16, Value) {
        let id = between(path, "/exec/", "/json").unwrap_or_default();
        match self.execs.lock().expect("no thread panics").get(id) {
            Some(exec) => {
                (200, json!({"ID": id, "Running": exec.status.is_none(), "ExitCode": exec.status, "Pid": 1}))
            }
            None => (404, json!({"message": format!("No such exec instance: {id}")})),
        }
    }

    fn start_exec(
        &self,
        id: &str,
        mut reader: BufReader<UnixStream>,
        mut stream: UnixStream,
    ) -> io::Result<()> {
        let exec = self.execs.lock().expect("no thread panics").get(id).cloned();
        let Some(exec) = exec else {
            return respond(&stream, 404, "application/json", b"{\"message\":\"No such exec instance\"}");
        };
        stream.write_all(
            b"HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n\
              Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n",
        )?;
        let words: Vec<String> = strings(&exec.command["Cmd"]);
        let mut command = Command::new(words.first().map_or("", String::as_str));
        command.args(&words[1.min(words.len())..]).envs(exec.container.environment.iter().cloned());
        command.envs(strings(&exec.command["Env"]).iter().filter_map(|pair| pair.split_once('=')));
        let attached = exec.command["AttachStdin"].as_bool() == Some(true);
        command.stdin(if attached { Stdio::piped() } else { Stdio::null() });
        let status = match command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
            Ok(mut child) => {
                if let Some(mut stdin) = child.stdin.take() {
                    std::thread::spawn(move || io::copy(&mut reader, &mut stdin));
                }
                let (out, err) = (child.stdout.take(), child.stderr.take());
                let both = Mutex::new(stream.try_clone()?);
                std::thread::scope(|scope| {
                    scope.spawn(|| forward(out, 1, &both));
                    scope.spawn(|| forward(err, 2, &both));
                });
                child.wait()?.code().unwrap_or(137)
            }
            Err(error) => {
                let text = format!("OCI runtime exec failed: exec failed: {error}\n");
                forward(Some(text.as_bytes()), 2, &Mutex::new(stream.try_clone()?));
                127
            }
        };
        if let Some(exec) = self.execs.lock().expect("no thread panics").get_mut(id) {
            exec.status = Some(status);
        }
        stream.shutdown(std::net::Shutdown::Both)
    }
}

/// Copies one output into the engine's frames: stream number, three zeros, length, bytes.
fn forward(source: Option<impl Read>, number: u8, stream: &Mutex<UnixStream>) {
    let Some(mut source) = source else { return };
    let mut buffer = vec![0; 32 * 1024];
    while let Ok(length @ 1..) = source.read(&mut buffer) {
        let mut frame = vec![number, 0, 0, 0];
        frame.extend(u32::try_from(length).expect("a buffer's length").to_be_bytes());
        frame.extend(&buffer[..length]);
        if stream.lock().expect("no thread panics").write_all(&frame).is_err() {
            // The client has gone; dropping our end of the pipe ends the command.
            return;
        }
    }
}

fn respond(mut stream: &UnixStream, status: u16, kind: &str, body: &[u8]) -> io::Result<()> {
    let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head =
        format!("HTTP/1.1 {status} Answer\r\nApi-Version: 1.44\r\nContent-Type: {kind}\r\n{length}\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}

fn without_version(path: &str) -> &str {
    match path.strip_prefix("/v1.").and_then(|rest| rest.find('/').map(|slash| &rest[slash..])) {
        Some(rest) => rest,
        None => path,
    }
}

fn between<'a>(path: &'a str, before: &str, after: &str) -> Option<&'a str> {
    path.strip_prefix(before)?
        .strip_suffix(after)
        .filter(|middle| !middle.is_empty() && !middle.contains('/'))
}

/// Opens the socket to every user of this machine: for jobs that run as somebody else.
pub fn open_to_all(engine: &Engine) {
    use std::os::unix::fs::PermissionsExt;
    for (path, mode) in [(engine.folder().to_owned(), 0o755), (engine.folder().join("docker.sock"), 0o777)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the socket is opened");
    }
}
