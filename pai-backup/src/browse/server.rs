//! Who may ask, and what is asked for.

use std::io::{Cursor, Read};
use std::path::Path;

use tiny_http::{Header, Method, Request, Response, Server, StatusCode};

use super::html::Html;
use super::link::{decoded, path_of};
use super::{Site, calendar, compare, download, memory, search, tree, versions};

/// The only style sheet.
const STYLE: &str = include_str!("style.css");

/// What the browser may do with a page: show it. No script, no frame, nothing from elsewhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// What is sent back.
pub(super) struct Answer {
    status: u16,
    kind: &'static str,
    /// The name to save it under.
    save_as: Option<String>,
    body: Box<dyn Read + Send>,
    length: Option<usize>,
}

impl Answer {
    /// A page.
    pub(super) fn page(html: Html) -> Self {
        Self::bytes(200, "text/html; charset=utf-8", html.end())
    }

    /// Something to save, as it comes.
    pub(super) fn download(name: String, body: Box<dyn Read + Send>) -> Self {
        Self { status: 200, kind: "application/octet-stream", save_as: Some(name), body, length: None }
    }

    fn bytes(status: u16, kind: &'static str, bytes: Vec<u8>) -> Self {
        let length = Some(bytes.len());
        Self { status, kind, save_as: None, body: Box::new(Cursor::new(bytes)), length }
    }

    fn plain(status: u16, text: &str) -> Self {
        Self::bytes(status, "text/plain; charset=utf-8", format!("{text}\n").into_bytes())
    }

    /// There is no such page.
    pub(super) fn nothing() -> Self {
        Self::plain(404, "there is no such page, or no archive has this path")
    }
}

/// Answers requests until the process ends.
pub(super) fn answer_all(server: &Server, site: &Site<'_>, port: u16) {
    while let Ok(request) = server.recv() {
        let answer = answer(&request, site, port);
        // A browser that went away wants no answer.
        let _ = request.respond(response(answer));
    }
}

fn answer(request: &Request, site: &Site<'_>, port: u16) -> Answer {
    // A page of another site can send requests here under a name of its own that leads to 127.0.0.1 (DNS rebinding).
    let hosts: Vec<&str> = request
        .headers()
        .iter()
        .filter(|header| header.field.equiv("Host"))
        .map(|header| header.value.as_str())
        .collect();
    let own = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    if hosts.len() != 1 || !own.iter().any(|own| own == hosts[0]) {
        return Answer::plain(403, "this is not a name of mine");
    }
    let (address, query) = request.url().split_once('?').unwrap_or((request.url(), ""));
    let mut parts = address.strip_prefix('/').unwrap_or_default().splitn(2, '/');
    if !site.token.is(parts.next().unwrap_or_default()) {
        return Answer::plain(403, "the address is not the one that was told");
    }
    if !matches!(request.method(), Method::Get | Method::Head) {
        return Answer::plain(405, "there is nothing to change here");
    }
    match page(parts.next().unwrap_or_default(), query, site) {
        Ok(answer) => answer.unwrap_or_else(Answer::nothing),
        Err(error) => {
            site.run.console.warn(format_args!("{error:#}"));
            Answer::plain(500, &format!("{error:#}"))
        }
    }
}

fn page(address: &str, query: &str, site: &Site<'_>) -> anyhow::Result<Option<Answer>> {
    let (page, rest) = address.split_once('/').unwrap_or((address, ""));
    let (first, second) = rest.split_once('/').unwrap_or((rest, ""));
    let Some((whole, path)) = path_of(rest).zip(path_of(second)) else { return Ok(None) };
    let night = decoded(first, false).and_then(|name| String::from_utf8(name).ok()).unwrap_or_default();
    match page {
        "" => Ok(Some(calendar::page(site))),
        "style.css" => Ok(Some(Answer::bytes(200, "text/css", STYLE.as_bytes().to_vec()))),
        "tree" => Ok(tree::page(site, &night, &path)),
        // What the form asks.
        "compare" if rest.is_empty() => {
            let (from, to) = (value(query, "from"), value(query, "to"));
            compare::page(site, &from.unwrap_or_default(), &to.unwrap_or_default())
        }
        "compare" => compare::page(site, &night, &path.to_string_lossy()),
        "versions" => versions::page(site, &whole, value(query, "at").as_deref()),
        "text" => versions::text(site, &night, &path),
        "get" => download::get(site, &night, &path),
        "memory" => memory::page(site, &night, Path::new("memory.md")),
        "find" => Ok(Some(search::page(site, &value(query, "q").unwrap_or_default()))),
        _ => Ok(None),
    }
}

/// The value of a query's field.
fn value(query: &str, field: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.into_iter().find(|(name, _)| *name == field)?.1;
    decoded(value, true).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn response(answer: Answer) -> Response<Box<dyn Read + Send>> {
    let mut fields = vec![
        ("Content-Type", answer.kind.to_owned()),
        ("Content-Security-Policy", POLICY.to_owned()),
        ("X-Content-Type-Options", "nosniff".to_owned()),
        ("Referrer-Policy", "no-referrer".to_owned()),
        ("Cross-Origin-Resource-Policy", "same-origin".to_owned()),
        ("Cache-Control", "no-store".to_owned()),
    ];
    if let Some(name) = answer.save_as {
        fields.push(("Content-Disposition", format!("attachment; filename*=UTF-8''{name}")));
    }
    let headers =
        fields.iter().filter_map(|(name, value)| Header::from_bytes(name.as_bytes(), value.as_bytes()).ok());
    Response::new(StatusCode(answer.status), headers.collect(), answer.body, answer.length, None)
}
