//! Answers to requests.

use std::io::{Cursor, Read};
use std::path::Path;

use tiny_http::{Header, Request, Response, Server, StatusCode};

use super::html::Html;
use super::request::{Asked, admitted};
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
    let fields = request.headers().iter().filter(|header| header.field.equiv("Host"));
    let hosts: Vec<&str> = fields.map(|header| header.value.as_str()).collect();
    let (address, query) = match admitted(&site.token, port, request.method().as_str(), &hosts, request.url())
    {
        Ok(asked) => asked,
        Err((status, why)) => return Answer::plain(status, why),
    };
    let Some(asked) = Asked::of(address, query) else { return Answer::nothing() };
    match page(&asked, site) {
        Ok(answer) => answer.unwrap_or_else(Answer::nothing),
        Err(error) => {
            site.run.console.warn(format_args!("{error:#}"));
            Answer::plain(500, &format!("{error:#}"))
        }
    }
}

fn page(asked: &Asked, site: &Site<'_>) -> anyhow::Result<Option<Answer>> {
    match asked {
        Asked::Nights => Ok(Some(calendar::page(site))),
        Asked::Style => Ok(Some(Answer::bytes(200, "text/css", STYLE.as_bytes().to_vec()))),
        Asked::Tree(night, path) => Ok(tree::page(site, night, path)),
        Asked::Compare(old, new) => compare::page(site, old, new),
        Asked::Versions(path, at) => versions::page(site, path, at.as_deref()),
        Asked::Text(night, path) => versions::text(site, night, path),
        Asked::Get(night, path) => download::get(site, night, path),
        Asked::Memory(night) => memory::page(site, night, Path::new("memory.md")),
        Asked::Find(query) => Ok(Some(search::page(site, query))),
    }
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
