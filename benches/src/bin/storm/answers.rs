//! Reading answers, without any leniency: what is no well-formed HTTP/1.1 response (RFC 9112) is said to be none.

use std::borrow::Cow;

/// The first bytes of what came, read as a response.
#[derive(Debug)]
pub enum Parsed<'a> {
    /// They are its beginning.
    Partial,
    /// They hold all of it.
    Whole(Answer<'a>),
}

/// Names and values.
type Fields<'a> = Vec<(&'a str, &'a str)>;

/// A response.
#[derive(Debug)]
pub struct Answer<'a> {
    pub status: u16,
    fields: Fields<'a>,
    pub body: Cow<'a, [u8]>,
    /// How many bytes it takes, head and body.
    pub bytes: usize,
}

impl Answer<'_> {
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| *value)
    }

    /// Nothing comes behind it (RFC 9112 §9.6).
    pub fn closes(&self) -> bool {
        self.field("Connection") == Some("close")
    }

    pub fn is_interim(&self) -> bool {
        self.status == 100
    }
}

/// Reads the first response. `head_only` for an answer to HEAD; `ended` where no more will come.
pub fn parse(bytes: &[u8], head_only: bool, ended: bool) -> Result<Parsed<'_>, String> {
    let Some(head_bytes) = find(bytes, b"\r\n\r\n").map(|at| at + 4) else {
        return check_partial(bytes).map(|()| Parsed::Partial);
    };
    let (status, fields) = parse_head(&bytes[..head_bytes])?;
    let mut answer = Answer {
        status,
        fields,
        body: Cow::Borrowed(&[]),
        bytes: head_bytes,
    };
    let length = answer.field("Content-Length");
    let coding = answer.field("Transfer-Encoding");
    if length.is_some() && coding.is_some() {
        return Err("both Content-Length and Transfer-Encoding".to_owned());
    }
    if matches!(status, 100..=199 | 204 | 304) {
        return match (length, coding) {
            (None, None) => Ok(Parsed::Whole(answer)),
            _ => Err(format!("a body announced with status {status}")),
        };
    }
    check_date(&answer)?;
    let rest = &bytes[head_bytes..];
    let (body, taken) = match (length, coding) {
        (None, None) if !answer.closes() => return Err("neither a length nor a coding".to_owned()),
        (None, Some(coding)) if coding != "chunked" => return Err(format!("the coding {coding:?}")),
        _ if head_only => (Cow::Borrowed(&[][..]), 0),
        (None, None) if !ended => return Ok(Parsed::Partial),
        (None, None) => (Cow::Borrowed(rest), rest.len()),
        (Some(length), _) => {
            let length: usize = length.parse().map_err(|_| format!("the length {length:?}"))?;
            match rest.get(..length) {
                Some(body) => (Cow::Borrowed(body), length),
                None => return Ok(Parsed::Partial),
            }
        }
        (None, Some(_)) => match parse_chunks(rest)? {
            Some((body, taken)) => (Cow::Owned(body), taken),
            None => return Ok(Parsed::Partial),
        },
    };
    answer.body = body;
    answer.bytes += taken;
    Ok(Parsed::Whole(answer))
}

/// Reads everything that came on a connection on which no HEAD was asked, which may have been cut anywhere. Returns the
/// statuses.
pub fn parse_all(bytes: &[u8]) -> Result<Vec<u16>, String> {
    let mut statuses = Vec::new();
    let (mut at, mut closed) = (0, false);
    while at < bytes.len() {
        if closed {
            return Err(format!("bytes behind the last response, at {at}"));
        }
        let rest = &bytes[at..];
        // A body that ends with the connection may have been cut, too.
        match parse(rest, false, true).map_err(|problem| format!("{problem}, in the response at {at}"))? {
            Parsed::Partial => break,
            Parsed::Whole(answer) => {
                statuses.push(answer.status);
                if answer.status == 101 {
                    break; // What follows is no HTTP any more.
                }
                closed = answer.closes();
                at += answer.bytes;
            }
        }
    }
    Ok(statuses)
}

fn parse_head(head: &[u8]) -> Result<(u16, Fields<'_>), String> {
    let text = std::str::from_utf8(head).map_err(|_| "a head that is no text".to_owned())?;
    let mut lines = text[..text.len() - 4].split("\r\n");
    let line = lines.next().unwrap_or_default();
    let status = parse_status(line).ok_or_else(|| format!("the status line {line:?}"))?;
    let mut fields = Fields::new();
    for line in lines {
        let (name, value) = line
            .split_once(": ")
            .ok_or_else(|| format!("the field line {line:?}"))?;
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let is_value = |byte: u8| matches!(byte, 0x20..=0x7e);
        if name.is_empty() || !name.bytes().all(is_token) || !value.bytes().all(is_value) || value.trim() != value {
            return Err(format!("the field line {line:?}"));
        }
        if fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name)) {
            return Err(format!("{name} twice"));
        }
        fields.push((name, value));
    }
    Ok((status, fields))
}

fn parse_status(line: &str) -> Option<u16> {
    let (digits, reason) = line.strip_prefix("HTTP/1.1 ")?.split_at_checked(3)?;
    let status = digits.parse().ok().filter(|status| (100..600).contains(status))?;
    (reason.starts_with(' ') && reason.bytes().all(|byte| matches!(byte, 0x20..=0x7e))).then_some(status)
}

/// RFC 9110 §6.6.1: a server with a clock sends it.
fn check_date(answer: &Answer<'_>) -> Result<(), String> {
    match answer.field("Date") {
        Some(date) if date.len() == 29 && date.ends_with(" GMT") => Ok(()),
        date => Err(format!("the date {date:?}")),
    }
}

/// The beginning of a head.
fn check_partial(bytes: &[u8]) -> Result<(), String> {
    const BEGINNING: &[u8] = b"HTTP/1.1 ";
    const HEAD_BYTES_MAX: usize = 4096;
    let shared = bytes.len().min(BEGINNING.len());
    if bytes[..shared] != BEGINNING[..shared] {
        return Err("no status line".to_owned());
    }
    let is_text = |byte: &u8| matches!(byte, 0x20..=0x7e | b'\r' | b'\n');
    if bytes.len() > HEAD_BYTES_MAX || !bytes.iter().all(is_text) {
        return Err("a head without an end".to_owned());
    }
    Ok(())
}

/// A chunked body and how many bytes it takes (RFC 9112 §7.1); none while it is not whole. This server adds neither
/// extensions nor trailers.
fn parse_chunks(bytes: &[u8]) -> Result<Option<(Vec<u8>, usize)>, String> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = find(&bytes[at..], b"\r\n") else {
            let digits = bytes[at..].strip_suffix(b"\r").unwrap_or(&bytes[at..]);
            return match digits.len() <= 16 && digits.iter().all(u8::is_ascii_hexdigit) {
                true => Ok(None),
                false => Err(format!("no chunk size, at {at} of the body")),
            };
        };
        let size = std::str::from_utf8(&bytes[at..at + line]).ok();
        let size = size
            .filter(|size| size.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|size| usize::from_str_radix(size, 16).ok())
            .ok_or_else(|| format!("a bad chunk size, at {at} of the body"))?;
        at += line + 2;
        let Some(chunk) = bytes.get(at..at.saturating_add(size)) else {
            return Ok(None);
        };
        body.extend_from_slice(chunk);
        at += size;
        match bytes.get(at..at + 2) {
            Some(b"\r\n") => at += 2,
            Some(_) => return Err(format!("a chunk without its end, at {at} of the body")),
            None => return Ok(None),
        }
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::{Parsed, parse, parse_all};

    const DATE: &str = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";

    #[test]
    fn all_that_is_well_formed_is_taken_and_every_beginning_of_it() {
        let bytes = format!(
            "HTTP/1.1 100 Continue\r\n\r\n\
             HTTP/1.1 200 OK\r\n{DATE}Content-Length: 3\r\n\r\nabc\
             HTTP/1.1 204 No Content\r\n{DATE}\r\n\
             HTTP/1.1 200 OK\r\n{DATE}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n\
             HTTP/1.1 400 Bad Request\r\n{DATE}Connection: close\r\nContent-Length: 1\r\n\r\n-"
        );
        assert_eq!(parse_all(bytes.as_bytes()).unwrap(), [100, 200, 204, 200, 400]);
        for end in 0..bytes.len() {
            parse_all(&bytes.as_bytes()[..end]).unwrap_or_else(|problem| panic!("{problem}: {:?}", &bytes[..end]));
        }
        assert!(parse_all(format!("{bytes}H").as_bytes()).is_err());
    }

    #[test]
    fn what_is_broken_is_seen() {
        for bytes in [
            "HTTP/1.0 200 OK\r\n".to_owned(),
            "HTTP/1.1 20".to_owned() + "\0",
            format!("HTTP/1.1 200 OK\r\n{DATE}\r\n"),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
            format!("HTTP/1.1 200 OK\r\n{DATE}{DATE}Content-Length: 0\r\n\r\n"),
            format!("HTTP/1.1 200 OK\r\n{DATE}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
            format!("HTTP/1.1 200 OK\r\n{DATE}Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n"),
            format!("HTTP/1.1 200 OK\r\n{DATE}Transfer-Encoding: chunked\r\n\r\nx\r\n"),
            format!("HTTP/1.1 200 OK\r\n{DATE}Content-Length: 1\r\n\r\nabHTTP"),
        ] {
            assert!(parse_all(bytes.as_bytes()).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let head = format!("HTTP/1.1 200 OK\r\n{DATE}Content-Length: 3\r\n\r\n");
        assert!(matches!(parse(head.as_bytes(), true, false), Ok(Parsed::Whole(answer)) if answer.body.is_empty()));
        assert!(matches!(parse(head.as_bytes(), false, false), Ok(Parsed::Partial)));
    }
}
