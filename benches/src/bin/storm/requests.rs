//! Valid requests, each with the answer that it must get.

use std::borrow::Cow;

use ringlane_benches::content::{self, content};
use ringlane_benches::random::Random;

use crate::answers::Answer;

/// The longest body.
const BODY_BYTES_MAX: usize = 200 * 1024;

/// A request.
pub struct Request {
    pub head: Vec<u8>,
    pub body: Vec<u8>,
    pub expected: Expected,
}

/// What has to come back.
#[derive(Clone, Debug)]
pub struct Expected {
    id: String,
    pub status: u16,
    body: Cow<'static, [u8]>,
    /// The answer has no body, though it may say how long that would be.
    pub head_only: bool,
    /// The answer says that it is the last one.
    pub closes: bool,
    /// The server may be out of memory for such a request.
    refusable: bool,
}

impl Expected {
    /// Whether the server says that it is out of memory, where it may be.
    pub fn is_refusal(&self, answer: &Answer<'_>) -> bool {
        self.refusable && answer.status == 503 && answer.closes()
    }

    /// What is wrong with an answer.
    pub fn problem(&self, answer: &Answer<'_>) -> Option<String> {
        if answer.status != self.status {
            return Some(format!(
                "an answer has the status {} instead of {}",
                answer.status, self.status
            ));
        }
        if answer.field("X-Id") != Some(&self.id) {
            return Some("an answer has another request's X-Id, or none".to_owned());
        }
        if answer.closes() != self.closes {
            let does = if self.closes { "does not" } else { "does" };
            return Some(format!("an answer {does} say that it is the last"));
        }
        if self.head_only {
            let length = answer.field("Content-Length");
            let wrong = length.is_some_and(|length| length != self.body.len().to_string());
            return wrong.then(|| "an answer to HEAD has a wrong Content-Length".to_owned());
        }
        let (is, should) = (&answer.body, &self.body);
        if is.len() != should.len() {
            return Some("an answer's body has a wrong length".to_owned());
        }
        (is != should).then(|| "an answer's body has a wrong byte".to_owned())
    }
}

/// What a request may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Last {
    /// Others follow.
    No,
    /// It says that it is the last (RFC 9112 §9.6).
    Close,
    /// It is of HTTP/1.0, where that goes without saying.
    Old,
}

/// Makes requests, each with a number of its own.
pub struct Maker {
    pub random: Random,
    client: usize,
    made: u64,
    /// Heads that are longer may be refused.
    head_bytes_sure: usize,
}

impl Maker {
    pub fn new(random: Random, client: usize, head_bytes_sure: usize) -> Maker {
        Maker {
            random,
            client,
            made: 0,
            head_bytes_sure,
        }
    }

    pub fn request(&mut self, last: Last) -> Request {
        match self.random.below(24) {
            0..=5 => self.small(last),
            6 | 7 => self.head(last),
            8..=13 => {
                let path = self.random.one_of(&["/whole", "/stream", "/count"]);
                self.with_body(path, last)
            }
            14 | 15 => self.with_body("/ignore", last),
            16..=18 => self.chunks(last),
            19 | 20 => {
                let target = format!("/pending?ms={}", self.random.below(60));
                self.plain("GET", &target, Cow::Borrowed(b"pending no more"), "", last)
            }
            21 => self.plain("GET", "/large", Cow::Borrowed(content(0, content::BYTES)), "", last),
            _ => self.long_head(last),
        }
    }

    /// A request that asks for `100 Continue` before it sends its body (RFC 9110 §10.1.1).
    pub fn expecting(&mut self) -> Request {
        let path = self.random.one_of(&["/whole", "/stream"]);
        let body = self.body();
        let fields = format!("Expect: 100-continue\r\nContent-Length: {}\r\n", body.len().max(1));
        let body = if body.is_empty() { content(7, 1) } else { body };
        let mut request = self.plain("POST", path, Cow::Borrowed(body), &fields, Last::No);
        request.body = body.to_vec();
        request
    }

    /// As before, but nobody wants the body.
    pub fn expecting_in_vain(&mut self) -> Request {
        let fields = "Expect: 100-continue\r\nContent-Length: 1000\r\n";
        let mut request = self.plain("POST", "/ignore", Cow::Borrowed(b"ignored"), fields, Last::No);
        request.expected.closes = true;
        request
    }

    fn small(&mut self, last: Last) -> Request {
        let method = self
            .random
            .one_of(&["GET", "GET", "GET", "DELETE", "OPTIONS", "PATCH", "PUT", "TRACE"]);
        let target = self.target();
        let body = Cow::Owned(format!("{method} {target}\n").into_bytes());
        self.plain(method, &target, body, "", last)
    }

    fn head(&mut self, last: Last) -> Request {
        let target = self.target();
        let body = Cow::Owned(format!("HEAD {target}\n").into_bytes());
        let mut request = match self.random.below(4) {
            0 => self.plain("HEAD", "/chunks?n=3&size=100", Cow::Borrowed(content(0, 300)), "", last),
            _ => self.plain("HEAD", &target, body, "", last),
        };
        request.expected.head_only = true;
        request
    }

    fn long_head(&mut self, last: Last) -> Request {
        let mut fields = String::new();
        for number in 0..self.random.between(1, 80) {
            let value = "v".repeat(self.random.below(120));
            fields += &format!("X-Field-{number}: {value}\r\n");
        }
        let target = self.target();
        let body = Cow::Owned(format!("GET {target}\n").into_bytes());
        self.plain("GET", &target, body, &fields, last)
    }

    fn chunks(&mut self, last: Last) -> Request {
        let (count, size) = (
            self.random.below(40),
            self.random.one_of(&[1, 10, 1000, 1024, 1025, 4096, 9000]),
        );
        let target = format!("/chunks?n={count}&size={size}");
        self.plain("GET", &target, Cow::Borrowed(content(0, count * size)), "", last)
    }

    fn with_body(&mut self, path: &str, last: Last) -> Request {
        let body = self.body();
        let method = self.random.one_of(&["POST", "PUT", "PATCH"]);
        let answer = match path {
            "/ignore" => Cow::Borrowed(&b"ignored"[..]),
            "/count" => Cow::Owned(format!("{} bytes\n", body.len()).into_bytes()),
            _ => Cow::Borrowed(body),
        };
        // RFC 9112 §6.1: HTTP/1.0 knows no chunks.
        let chunked = last != Last::Old && self.random.once_in(2);
        let fields = match chunked {
            true => "Transfer-Encoding: chunked\r\n".to_owned(),
            false => format!("Content-Length: {}\r\n", body.len()),
        };
        let mut request = self.plain(method, path, answer, &fields, last);
        request.body = if chunked { self.chunked(body) } else { body.to_vec() };
        request
    }

    /// A body in chunks of any size, perhaps with extensions and a trailer (RFC 9112 §7.1).
    fn chunked(&mut self, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(body.len() * 2);
        let most = self.random.one_of(&[5, 1000, 5000, 100_000]).max(body.len() / 200);
        let mut rest = body;
        while !rest.is_empty() {
            let (chunk, behind) = rest.split_at(rest.len().min(self.random.between(1, most)));
            rest = behind;
            let extension = if self.random.once_in(10) { ";name=value" } else { "" };
            bytes.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(match self.random.below(4) {
            0 => b"0\r\nX-Trailer: value\r\n\r\n",
            _ => b"0\r\n\r\n",
        });
        bytes
    }

    fn body(&mut self) -> &'static [u8] {
        let most = self.random.one_of(&[0, 100, 5000, 5000, 20_000, BODY_BYTES_MAX]);
        let bytes = self.random.between(0, most);
        content(self.random.below(content::BYTES - bytes), bytes)
    }

    fn target(&mut self) -> String {
        let mut target = format!("/small/{}", self.random.below(1_000_000));
        if self.random.once_in(3) {
            target += &format!(
                "?q={}&w={}",
                self.random.below(1000),
                "x".repeat(self.random.below(300))
            );
        }
        target
    }

    fn plain(&mut self, method: &str, target: &str, body: Cow<'static, [u8]>, fields: &str, last: Last) -> Request {
        self.made += 1;
        let id = format!("{}-{}", self.client, self.made);
        let (version, connection) = match last {
            Last::No => ("1.1", ""),
            Last::Close => ("1.1", "Connection: close\r\n"),
            Last::Old => ("1.0", ""),
        };
        let head = format!("{method} {target} HTTP/{version}\r\nHost: storm\r\nX-Id: {id}\r\n{connection}{fields}\r\n");
        let refusable = head.len() > self.head_bytes_sure;
        Request {
            head: head.into_bytes(),
            body: Vec::new(),
            expected: Expected {
                id,
                status: 200,
                body,
                head_only: false,
                closes: last != Last::No,
                refusable,
            },
        }
    }
}
