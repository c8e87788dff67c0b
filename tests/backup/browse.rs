//! `browse`: who may look, and that what is shown is shown as text.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Child, Stdio};

use pai_tests::rigs::browser;
use pai_tests::{command, has, run, scratch, skip};

use crate::fixtures::{assert_same_tree, tree};
use crate::past::Nights;

/// A running `pai-backup browse`.
struct Server {
    child: Child,
    port: u16,
    token: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(nights: &Nights) -> Self {
        let mut child =
            nights.pai(&["browse", "-q"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let rest = line.trim().strip_prefix("http://127.0.0.1:").unwrap();
        let (port, token) = rest.trim_end_matches('/').split_once('/').unwrap();
        assert_eq!(token.len(), 32, "{line}");
        Self { child, port: port.parse().unwrap(), token: token.to_owned() }
    }

    /// Sends a request as it stands; status, header and body of the answer.
    fn send(&self, request: &str) -> (u16, String, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|part| part == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(answer[..end].to_vec()).unwrap();
        (head[9..12].parse().unwrap(), head, answer[end + 4..].to_vec())
    }

    fn request(&self, method: &str, address: &str, host: &str) -> u16 {
        self.send(&format!("{method} {address} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).0
    }

    /// Sends bytes that need not be a request; what comes back before the other side closes.
    fn shout(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        // The server may close before it has read all.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answer
    }

    /// A page, by its address behind the token.
    fn get(&self, page: &str) -> (u16, String) {
        let (status, _, body) = self.fetch(page);
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    fn fetch(&self, page: &str) -> (u16, String, Vec<u8>) {
        let (token, port) = (&self.token, self.port);
        self.send(&format!("GET /{token}/{page} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\n\r\n"))
    }

    fn address(&self, page: &str) -> String {
        format!("http://127.0.0.1:{}/{}/{page}", self.port, self.token)
    }
}

const FIRST: &str = "pai-20261101-020000.tar.gz";
const SECOND: &str = "pai-20261102-020000.tar.gz";

fn two_nights() -> Nights {
    let mut nights = Nights::new();
    nights.workspace.write("projects/a.md", b"one\ntwo\nthree\n");
    nights.workspace.write(
        "memory.md",
        b"# M\n\n## Summaries\n- 2026-10-01: Went sailing. ([archive](archive/memory/memory-2026-10-01.md))\n",
    );
    nights
        .workspace
        .write("archive/memory/memory-2026-10-01.md", b"## 2026-10-01\n- Went sailing with Ann.\n");
    nights.night(&[]);
    nights.workspace.write("projects/a.md", b"one\n2\nthree\n");
    fs::hard_link(nights.workspace.home().join("memory.md"), nights.workspace.home().join("projects/linked"))
        .unwrap();
    nights.night(&[]);
    nights
}

#[test]
fn only_the_told_address_under_its_own_name_is_answered() {
    let nights = two_nights();
    let server = Server::start(&nights);
    let (own, good) = (format!("127.0.0.1:{}", server.port), format!("/{}/", server.token));
    let other = "0".repeat(32);
    for (method, address, host, status) in [
        ("GET", good.as_str(), own.as_str(), 200),
        ("HEAD", &good, &own, 200),
        ("GET", &good, &format!("localhost:{}", server.port), 200),
        ("GET", "/", &own, 403),
        ("GET", &format!("/{other}/"), &own, 403),
        ("GET", &format!("/{}", &server.token[1..]), &own, 403),
        ("GET", &good, "127.0.0.1", 403),
        ("GET", &good, &format!("evil.example:{}", server.port), 403),
        ("GET", &good, "", 403),
        ("POST", &good, &own, 405),
        ("DELETE", &good, &own, 405),
        ("GET", &format!("{good}nothing"), &own, 404),
    ] {
        assert_eq!(server.request(method, address, host), status, "{method} {address} {host}");
    }
    let twice =
        format!("GET {good} HTTP/1.1\r\nHost: {own}\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    assert_eq!(server.send(&twice).0, 403);
    let (_, head, _) = server.fetch("");
    for field in [
        "Content-Security-Policy: default-src 'none'; style-src 'self';",
        "X-Content-Type-Options: nosniff",
        "Referrer-Policy: no-referrer",
        "Cache-Control: no-store",
    ] {
        assert!(head.contains(field), "{head}");
    }
    assert_eq!(
        TcpStream::connect(("127.0.0.2", server.port)).map(drop).map_err(drop),
        Err(()),
        "no other address"
    );
}

#[test]
fn nothing_outside_the_archives_is_served() {
    let nights = two_nights();
    let server = Server::start(&nights);
    for page in [
        format!("get/{FIRST}/../../../etc/passwd"),
        format!("get/{FIRST}/%2e%2e/%2e%2e/etc/passwd"),
        format!("get/{FIRST}//etc/passwd"),
        format!("get/{FIRST}/%2Fetc%2Fpasswd"),
        format!("text/{FIRST}/etc/passwd"),
        format!("tree/{FIRST}/.."),
        format!("tree/{FIRST}/nowhere"),
        format!("get/{FIRST}/projects/nothing"),
        "get/..%2F..%2Fetc/passwd".to_owned(),
        "tree/passwd/".to_owned(),
        "get//etc/passwd".to_owned(),
        format!("compare/{FIRST}/nothing"),
        format!("compare/nothing/{FIRST}"),
        "compare".to_owned(),
        format!("compare?from={FIRST}"),
        format!("compare?from={FIRST}&to=../../etc/passwd"),
        "versions/../../etc/passwd".to_owned(),
        "versions/%zz".to_owned(),
    ] {
        let (status, body) = server.get(&page);
        assert_eq!(status, 404, "{page}: {body}");
    }
}

#[test]
fn what_is_no_good_request_gets_nothing_and_the_next_one_is_answered() {
    let nights = two_nights();
    let server = Server::start(&nights);
    let (token, port) = (&server.token, server.port);
    let host = format!("Host: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    let long = "a/".repeat(40_000);
    let get = |address: &str| format!("GET {address} HTTP/1.1\r\n{host}").into_bytes();
    let of_token = |page: &str| get(&format!("/{token}/{page}"));
    for (bytes, status) in [
        (Vec::new(), None),
        (b"\0\0\0\0\r\n\r\n".to_vec(), None),
        (b"GET\r\n\r\n".to_vec(), None),
        (b"\xff\xfe / HTTP/1.1\r\n\r\n".to_vec(), None),
        (get(&format!("http://127.0.0.1:{port}/{token}/")), Some(403)),
        (get(&format!("/{token}%2F")), Some(403)),
        (get(&format!("//{token}/")), Some(403)),
        (get(&format!("/{}/", token.to_uppercase())), Some(403)),
        (get(&format!("/{token}0/")), Some(403)),
        (format!("GET /{token}/ HTTP/1.1\r\nConnection: close\r\n\r\n").into_bytes(), Some(403)),
        (format!("BREW /{token}/ HTTP/1.1\r\n{host}").into_bytes(), Some(405)),
        (format!("get /{token}/ HTTP/1.1\r\n{host}").into_bytes(), Some(405)),
        (of_token(&format!("get/{FIRST}/projects/a.md%00")), Some(404)),
        (of_token(&format!("get/{FIRST}/%252e%252e/a.md")), Some(404)),
        (of_token(&format!("get/{FIRST}/projects/%+f.md")), Some(404)),
        (of_token(&format!("tree/{FIRST}/{long}")), Some(404)),
    ] {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
        let answer = String::from_utf8_lossy(&server.shout(&bytes)).into_owned();
        assert!(!answer.contains("three") && !answer.contains(FIRST), "{shown}: {answer}");
        let found: Option<u16> = answer.get(9..12).and_then(|status| status.parse().ok());
        match status {
            Some(status) => assert_eq!(found, Some(status), "{shown}: {answer}"),
            None => assert!(found.is_none_or(|found| found >= 400), "{shown}: {answer}"),
        }
        assert_eq!(server.get("").0, 200, "after {shown}");
    }
}

#[test]
fn a_day_tells_its_size_and_what_changed_since_the_day_before() {
    let mut nights = two_nights();
    fs::remove_file(nights.workspace.home().join("projects/a.md")).unwrap();
    nights.night(&[]);
    let archives = nights.workspace.home().join("archive");
    let bytes = |name: &str| fs::metadata(archives.join(name)).unwrap().len();
    let (_, page) = Server::start(&nights).get("");
    let cells: Vec<&str> = page.split("<td class=has ").skip(1).collect();
    assert_eq!(cells.len(), 3, "{page}");
    for (cell, name) in cells.iter().zip([FIRST, SECOND]) {
        let kib = format!("<span class=bytes>{:.1}K</span>", bytes(name) as f64 / 1024.0);
        assert!(bytes(name) > 1023 && cell.contains(&kib), "{kib}: {cell}");
    }
    assert!(!cells[0].split("</td>").next().unwrap().contains("class=counts"), "{}", cells[0]);
    assert!(cells[1].contains("<span class=counts>+1 ~1</span>"), "{}", cells[1]);
    assert!(cells[1].contains(": 1 new, 0 gone, 1 changed\">"), "{}", cells[1]);
    assert!(cells[2].contains("<span class=counts>\u{2212}1</span>"), "{}", cells[2]);
}

#[test]
fn a_folder_tells_the_sums_of_what_differs_in_it() {
    let mut nights = Nights::new();
    nights.workspace.write("p/q/grows", &[b'a'; 1024]);
    nights.workspace.write("p/goes", &[b'b'; 2048]);
    nights.workspace.write("p/stays", &[b'c'; 4096]);
    nights.night(&[]);
    nights.workspace.write("p/q/grows", &[b'a'; 3072]);
    nights.workspace.write("p/q/new", &[b'd'; 512]);
    fs::remove_file(nights.workspace.home().join("p/goes")).unwrap();
    nights.night(&[]);
    let server = Server::start(&nights);
    for page in [format!("compare/{FIRST}/{SECOND}"), format!("compare/{FIRST}/now")] {
        let (_, page) = server.get(&page);
        for (folder, count, sizes) in
            [("p", 3, "3.0 KiB \u{2192} 3.5 KiB"), ("q", 2, "1.0 KiB \u{2192} 3.5 KiB")]
        {
            let summary = format!(
                "<bdi>{folder}</bdi>/ <span class=quiet>{count} in all,</span> <span class=size>~ {sizes}</span></summary>"
            );
            assert!(page.contains(&summary), "{summary}:\n{page}");
        }
        assert!(page.contains("3 in all, <span class=size>~ 3.0 KiB \u{2192} 3.5 KiB</span>"), "{page}");
    }
}

#[test]
fn pages_tell_of_nights_folders_differences_and_versions() {
    let nights = two_nights();
    let server = Server::start(&nights);
    let first_chosen = format!("<option value=\"{FIRST}\" selected>2026-11-01 02:00:00</option>");
    let skips = "<a class=skip href=\"#main\">";
    for (page, parts) in [
        (
            String::new(),
            vec!["2026-11", ">+1 ~1<", FIRST, SECOND, skips, "<select name=from>", "<main id=main"],
        ),
        (format!("tree/{SECOND}/"), vec!["projects/", "memory.md", "Since the night before", "Until now"]),
        (format!("tree/{SECOND}/projects"), vec!["a.md", "linked", "Download as tar.gz"]),
        (format!("compare/{FIRST}/{SECOND}"), vec!["2 in all", "projects", "a.md", "+ <a", "~ <a"]),
        (format!("compare/{SECOND}/now"), vec!["Nothing differs"]),
        (format!("compare?from={FIRST}&to={SECOND}"), vec!["2 in all", &first_chosen]),
        (format!("compare?from={FIRST}&to=now"), vec!["2 in all", "<option value=\"now\" selected>now"]),
        (
            "versions/projects/a.md".to_owned(),
            vec![
                "2026-11-01",
                "<td class=gone><pre><b>\u{2212}</b>two</pre></td>",
                "<td class=new><pre><b>+</b>2</pre></td>",
            ],
        ),
        (format!("versions/projects/a.md?at={FIRST}"), vec!["<b>+</b>two</pre>", "not there"]),
        (format!("text/{FIRST}/projects/a.md"), vec!["one\ntwo\nthree\n</pre>"]),
        (format!("memory/{FIRST}"), vec!["2026-10-01: Went sailing.", "Went sailing with Ann."]),
        ("find?q=a.md".to_owned(), vec!["1 found", "projects/a.md"]),
        ("find?q=*.md".to_owned(), vec!["3 found"]),
    ] {
        let (status, body) = server.get(&page);
        assert_eq!(status, 200, "{page}: {body}");
        for part in parts {
            assert!(body.contains(part), "{page} lacks {part}:\n{body}");
        }
    }
}

#[test]
fn a_new_night_is_there_once_the_calendar_is_opened_again() {
    let mut nights = two_nights();
    let server = Server::start(&nights);
    let third = nights.night(&[]);
    assert!(server.get("").1.contains(&third));
    assert_eq!(server.get(&format!("tree/{third}/")).0, 200);
}

#[test]
fn a_damaged_night_deletes_nothing_in_the_calendar() {
    let mut nights = two_nights();
    nights.night(&[]);
    let damaged = nights.workspace.home().join("archive").join(SECOND);
    fs::OpenOptions::new().write(true).open(damaged).unwrap().set_len(10).unwrap();
    let (_, page) = Server::start(&nights).get("");
    assert!(page.contains("damaged"), "{page}");
    assert!(page.contains(">+1 ~1<"), "the third night is compared with the first: {page}");
    let lines: Vec<&str> = page.split("<li>").skip(1).filter(|line| line.contains("\u{2212}")).collect();
    assert_eq!(lines.len(), 0, "{page}");
}

#[test]
fn files_and_folders_are_downloaded_as_they_were() {
    let nights = two_nights();
    let server = Server::start(&nights);
    let (status, head, body) = server.fetch(&format!("get/{FIRST}/projects/a.md"));
    assert_eq!((status, body.as_slice()), (200, b"one\ntwo\nthree\n".as_slice()));
    assert!(head.contains("Content-Disposition: attachment; filename*=UTF-8''a.md"), "{head}");
    assert!(head.contains("Content-Type: application/octet-stream"), "{head}");
    let folder = scratch();
    for (page, only) in
        [(format!("get/{SECOND}/projects"), Some("projects")), (format!("get/{SECOND}/"), None)]
    {
        let (status, _, body) = server.fetch(&page);
        assert_eq!(status, 200);
        let target = folder.path().join(if only.is_some() { "part" } else { "all" });
        fs::create_dir(&target).unwrap();
        fs::write(folder.path().join("got.tar.gz"), body).unwrap();
        run(command("tar").arg("-xzf").arg(folder.path().join("got.tar.gz")).arg("-C").arg(&target))
            .expect(0);
        let mut expected = tree(nights.workspace.home());
        expected.retain(|path, _| path.starts_with(only.unwrap_or("")) && !path.starts_with("logs"));
        expected.retain(|path, _| {
            !path.starts_with("archive") || path.starts_with("archive/memory/memory-2026-10-01.md")
        });
        let mut found = tree(&target);
        found.remove(std::path::Path::new("archive"));
        found.remove(std::path::Path::new("archive/memory"));
        if only.is_some() {
            // A hard link to a file outside becomes a file of its own.
            for node in expected.values_mut() {
                node.same_as = None;
            }
        }
        assert_same_tree(&found, &expected);
    }
}

#[test]
fn hostile_names_and_contents_are_text_in_a_real_browser() {
    let Some(chromium) = chromium() else { return };
    let mut nights = Nights::new();
    let name = "<img src=x onerror=document.title='name'>.md";
    let content = "</pre><script>document.title='content'</script><b id=bold>&lt;\n";
    nights.workspace.write(name, b"before\n");
    nights.workspace.write("<script>alert(1)<!--/a\"b'c&d\u{1b}[31m\u{202e}.md", content.as_bytes());
    nights.night(&[]);
    nights.workspace.write(name, content.as_bytes());
    nights.night(&[]);
    let server = Server::start(&nights);
    let address = "%3Cimg%20src=x%20onerror=document.title='name'%3E.md";
    for (page, shown) in [
        (format!("tree/{SECOND}/"), "&lt;img src=x onerror=document.title='name'&gt;.md"),
        (format!("compare/{FIRST}/{SECOND}"), "&lt;img src=x onerror="),
        (format!("versions/{address}"), "&lt;/pre&gt;&lt;script&gt;document.title='content'&lt;/script&gt;"),
        (format!("text/{SECOND}/{address}"), "&lt;b id=bold&gt;&amp;lt;"),
        ("find?q=%3Cscript%3E".to_owned(), "&lt;script&gt;alert(1)"),
    ] {
        let profile = scratch();
        let outcome = run(command(&chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"])
            .args([
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                "--disable-dev-shm-usage",
            ])
            .args(["--virtual-time-budget=5000", "--dump-dom"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(server.address(&page)));
        let dom = outcome.stdout;
        assert!(dom.contains("<main id=\"main\""), "{page}: {dom}{}", outcome.stderr);
        assert!(dom.contains(shown), "{page} lacks {shown}:\n{dom}");
        for element in ["<script", "<img", "id=\"bold\"", "<title>name", "<title>content"] {
            assert!(!dom.contains(element), "{page} has {element}:\n{dom}");
        }
        assert!(!dom.contains('\u{1b}'), "{page}");
    }
}

fn chromium() -> Option<String> {
    if !has("chromium") {
        skip("no chromium (package chromium)");
        return None;
    }
    Some("chromium".to_owned())
}

#[test]
fn pages_fit_a_phone() {
    let nights = two_nights();
    let server = Server::start(&nights);
    let style = server.get("style.css").1;
    for page in [
        String::new(),
        format!("tree/{SECOND}/"),
        format!("compare/{FIRST}/{SECOND}"),
        "versions/projects/a.md".to_owned(),
    ] {
        let html = server.get(&page).1;
        let link = html.find("<link rel=stylesheet").unwrap();
        let end = html[link..].find('>').unwrap() + link + 1;
        let html = format!("{}<style>{style}</style>{}", &html[..link], &html[end..]);
        let Some(shown) = browser::open(&html, 400) else { return };
        assert!(shown.needed <= shown.width, "{page} needs {} of {}", shown.needed, shown.width);
    }
}
