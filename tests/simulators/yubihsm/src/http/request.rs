//! Requests: a head that httparse understands and a body as long as it says, within bounds and in time.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::REQUEST_TIME;

/// Bytes of a request's head, and of its body.
const MAX_HEAD: usize = 8_192;

/// A request, read whole.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Vec<u8>,
    pub(super) keeps_alive: bool,
}

/// A request's head.
struct Head {
    request: Request,
    body_length: usize,
    expects: bool,
    /// Where the body begins.
    end: usize,
}

/// The status and the sentence for what cannot be read.
type Refused = (u16, &'static str);

/// Reads a request; what comes after it stays in `pending`.
pub(super) fn read_request(
    stream: &mut TcpStream,
    pending: &mut Vec<u8>,
) -> io::Result<Result<Request, Refused>> {
    let deadline = Instant::now() + REQUEST_TIME;
    let Head { mut request, body_length, expects, end } = loop {
        match parse_head(pending) {
            Ok(Some(head)) => break head,
            Ok(None) if pending.len() >= MAX_HEAD => return Ok(Err((400, "head too long"))),
            Ok(None) => read_more(stream, pending, deadline)?,
            Err(refused) => return Ok(Err(refused)),
        }
    };
    pending.drain(..end);
    if expects && pending.len() < body_length {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    while pending.len() < body_length {
        read_more(stream, pending, deadline)?;
    }
    request.body = pending.drain(..body_length).collect();
    Ok(Ok(request))
}

fn read_more(stream: &mut TcpStream, pending: &mut Vec<u8>, deadline: Instant) -> io::Result<()> {
    let left = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero());
    stream.set_read_timeout(Some(left.ok_or(io::ErrorKind::TimedOut)?))?;
    let mut buffer = [0; 4_096];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            pending.extend_from_slice(&buffer[..count]);
            Ok(())
        }
    }
}

/// Parses a head, once it is there whole.
fn parse_head(bytes: &[u8]) -> Result<Option<Head>, Refused> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    let end = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err((400, "not HTTP")),
    };
    let (method, path) = (parsed.method.unwrap_or_default(), parsed.path.unwrap_or_default());
    let mut keeps_alive = parsed.version == Some(1);
    let (mut length, mut expects) = (None, false);
    for header in parsed.headers.iter() {
        let value = std::str::from_utf8(header.value).map_err(|_| (400, "header is not text"))?.trim();
        match header.name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                let number = value.parse::<usize>().ok().filter(|_| is_number);
                if length.is_some() || number.is_none() {
                    return Err((400, "bad Content-Length"));
                }
                length = number;
            }
            "transfer-encoding" => return Err((411, "Content-Length wanted")),
            "connection" if value.eq_ignore_ascii_case("close") => keeps_alive = false,
            "expect" => expects = value.eq_ignore_ascii_case("100-continue"),
            _ => (),
        }
    }
    if length.is_none() && method == "POST" {
        length = if path.starts_with("/simulator/") { Some(0) } else { None };
    }
    let body_length = match (method, length) {
        ("POST", None) => return Err((411, "Content-Length wanted")),
        (_, length) => length.unwrap_or_default(),
    };
    if body_length > MAX_HEAD {
        return Err((413, "body too long"));
    }
    let request = Request { method: method.to_owned(), path: path.to_owned(), body: Vec::new(), keeps_alive };
    Ok(Some(Head { request, body_length, expects, end }))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn heads_that_lie_about_their_body_are_refused() {
        let head = |lines: &str| {
            let text = format!("POST /connector/api HTTP/1.1\r\n{lines}\r\n");
            parse_head(text.as_bytes()).map(|head| head.map(|head| head.body_length))
        };
        assert_eq!(head("content-LENGTH: 12\r\n"), Ok(Some(12)));
        for (lines, status) in [
            ("", 411),
            ("Transfer-Encoding: chunked\r\n", 411),
            ("Content-Length: 1\r\nContent-Length: 1\r\n", 400),
            ("Content-Length: -1\r\n", 400),
            ("Content-Length: +1\r\n", 400),
            ("Content-Length: 99999999999999999999999\r\n", 400),
            ("Content-Length: 8193\r\n", 413),
            ("no header\r\n", 400),
        ] {
            assert_eq!(head(lines).map_err(|refused| refused.0), Err(status), "{lines}");
        }
        assert!(matches!(parse_head(b"POST /connector/api HT"), Ok(None)));
        assert!(parse_head(b"\x16\x03\x01\x02\x00").is_err());
    }
}
