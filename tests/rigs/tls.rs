//! Certificates of any age, and a TLS listener on loopback that shows one: behind it a dashboard as Traefik's.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::{command, has, run, skip};

/// `/dashboard` leads to `/dashboard/`, which answers; prints its port once it listens.
const SITE: &str = r#"
import http.server, ssl, sys
class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status = {"/dashboard": 302, "/dashboard/": 200}.get(self.path, 404)
        body = b"<title>Traefik</title>" if status == 200 else b""
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/dashboard/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[1], sys.argv[2])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
server.handle_error = lambda *words: None  # a client that does not trust us
server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print(server.server_address[1], flush=True)
server.serve_forever()
"#;

/// A self-signed certificate and its key.
pub struct Certificate {
    pem: PathBuf,
    key: PathBuf,
}

impl Certificate {
    /// For `name`, made so many days ago to last so many days. Skips without openssl or faketime.
    pub fn new(folder: &Path, name: &str, days_ago: u32, lasts: u32) -> Option<Self> {
        if !has("openssl") || !has("faketime") {
            skip("no openssl or no faketime");
            return None;
        }
        let file = |end: &str| folder.join(format!("{name}-{days_ago}-{lasts}.{end}"));
        let (pem, key) = (file("pem"), file("key"));
        let mut openssl = command("faketime");
        openssl.args(["-f", &format!("-{days_ago}d"), "openssl", "req", "-x509", "-newkey", "ec", "-nodes"]);
        openssl.args(["-pkeyopt", "ec_paramgen_curve:P-256", "-subj", &format!("/CN={name}")]);
        openssl.args(["-addext", &format!("subjectAltName=DNS:{name}"), "-days", &lasts.to_string()]);
        run(openssl.arg("-keyout").arg(&key).arg("-out").arg(&pem)).expect(0);
        Some(Self { pem, key })
    }

    /// Its file.
    pub fn pem(&self) -> &Path {
        &self.pem
    }

    /// As it stands in acme.json.
    pub fn encoded(&self) -> String {
        run(command("base64").arg("-w0").arg(&self.pem)).expect(0).stdout
    }
}

/// A listener; it ends when dropped.
pub struct Tls {
    server: Child,
    port: u16,
}

impl Tls {
    /// Shows this certificate to everybody. Skips without python3.
    pub fn start(certificate: &Certificate) -> Option<Self> {
        if !has("python3") {
            skip("no python3");
            return None;
        }
        let mut python = Command::new("python3");
        python.args(["-c", SITE]).arg(&certificate.pem).arg(&certificate.key);
        let mut server = python.stdout(Stdio::piped()).spawn().expect("the listener starts");
        let mut port = String::new();
        let stdout = server.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut port).expect("the listener says its port");
        let port = port.trim_end().parse().expect("a port");
        Some(Self { server, port })
    }

    /// `HOST:PORT`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
