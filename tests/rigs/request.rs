//! One HTTP/1.1 request, read from any stream.

use std::io::{self, BufRead, Read};

/// A request as it came in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// The path without the query, percent signs as sent.
    pub path: String,
    /// What followed the `?`, percent-decoded; empty if there was none.
    pub query: String,
    /// Header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, by `Content-Length` or chunked.
    pub body: Vec<u8>,
}

impl Request {
    /// Reads one request; `None` when the stream ends before one.
    pub fn read(stream: &mut impl BufRead) -> io::Result<Option<Self>> {
        let Some(line) = head_line(stream)? else { return Ok(None) };
        let mut words = line.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut request = Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: percent_decoded(query),
            ..Self::default()
        };
        while let Some(line) = head_line(stream)?.filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            request.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        request.body = request.read_body(stream)?;
        Ok(Some(request))
    }

    /// The first header field of that name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn read_body(&self, stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if self.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = head_line(stream)?.unwrap_or_default();
                let size = u64::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
                stream.by_ref().take(size).read_to_end(&mut body)?;
                head_line(stream)?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        let size = self.header("content-length").and_then(|size| size.parse().ok()).unwrap_or(0);
        stream.by_ref().take(size).read_to_end(&mut body)?;
        Ok(body)
    }
}

fn head_line(stream: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    if stream.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
}

fn percent_decoded(text: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let pair = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        if let Some(byte) = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| *first == b'%')
        {
            decoded.push(byte);
            rest = &tail[2..];
        } else {
            decoded.push(if *first == b'+' { b' ' } else { *first });
            rest = tail;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_with_a_query_and_a_body_is_read_whole() {
        let text = "POST /a%2Fb?filters=%7B%22x%22%3Atrue%7D HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcrest";
        let request = Request::read(&mut text.as_bytes()).unwrap().unwrap();
        assert_eq!((request.path.as_str(), request.query.as_str()), ("/a%2Fb", "filters={\"x\":true}"));
        assert_eq!(request.text(), "abc");
    }

    #[test]
    fn a_chunked_body_is_put_together() {
        let text = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(Request::read(&mut text.as_bytes()).unwrap().unwrap().text(), "abcde");
    }
}
