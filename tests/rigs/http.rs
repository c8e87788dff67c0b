//! A web server on loopback that answers as it is told, and counts.

use std::collections::HashMap;
use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::request::Request;

/// What a path answers.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    delay: Duration,
    hangs: bool,
}

impl Answer {
    /// This status with this body, at once.
    pub fn new(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.to_owned(), delay: Duration::ZERO, hangs: false }
    }

    /// A redirect.
    pub fn redirect(location: &str) -> Self {
        Self::new(302, "").with_header("Location", location)
    }

    /// Takes the request and never answers.
    pub fn hanging() -> Self {
        Self { hangs: true, ..Self::new(200, "") }
    }

    /// The same with a header field.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same, but only after this time.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// The server; it stops listening when dropped.
pub struct Http {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answers: Mutex<HashMap<String, Answer>>,
    requests: Mutex<Vec<Request>>,
    stopped: AtomicBool,
}

impl Http {
    /// Starts a server where every path answers 404.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State::default());
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
        Self { address, state }
    }

    /// From now on `path` (with its query left out) answers so.
    pub fn answer(&self, path: &str, answer: Answer) {
        self.state.answers.lock().expect("no thread panics").insert(path.to_owned(), answer);
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().expect("no thread panics").clone()
    }

    /// How often a path was asked for.
    pub fn count(&self, path: &str) -> usize {
        self.requests().iter().filter(|request| request.path == path).count()
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::Relaxed);
        // Wakes the listener, which then sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

/// A free port for a server that a test starts later. It is below the range from which the kernel gives out ports, so no
/// test beside this one gets it meanwhile.
pub fn port_for_later() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 10_000) as u16;
    let mut ports = (0..10_000).map(|_| 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000);
    ports.find(|&port| TcpListener::bind(("127.0.0.1", port)).is_ok()).expect("loopback has a free port")
}

/// An address on loopback where nothing listens. Port 1 is nobody's: a port that was free a moment ago may have been
/// given to a test beside this one.
pub fn refusing_url() -> String {
    "http://127.0.0.1:1/".to_owned()
}

impl State {
    fn serve(&self, mut stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(request) = Request::read(&mut reader)? {
            let answer = self.answers.lock().expect("no thread panics").get(&request.path).cloned();
            self.requests.lock().expect("no thread panics").push(request);
            let answer = answer.unwrap_or_else(|| Answer::new(404, "no such path\n"));
            if answer.hangs {
                // Until the client loses patience.
                return io::copy(&mut reader, &mut io::sink()).map(drop);
            }
            std::thread::sleep(answer.delay);
            let length = answer.body.len();
            let mut text = format!("HTTP/1.1 {} Answer\r\nContent-Length: {length}\r\n", answer.status);
            for (name, value) in &answer.headers {
                text.extend([name, ": ", value, "\r\n"]);
            }
            text.extend(["\r\n", &answer.body]);
            stream.write_all(text.as_bytes())?;
        }
        Ok(())
    }
}
