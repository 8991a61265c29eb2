//! Answers, read as strictly as the engine reads requests.

/// A whole answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// What has come from the server and has not been taken yet.
#[derive(Default)]
pub struct Received {
    bytes: Vec<u8>,
    /// All that has ever come, for messages.
    history: Vec<u8>,
    /// The server has ended its side.
    pub ended: bool,
}

impl Received {
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        self.history.extend_from_slice(bytes);
    }

    pub fn history(&self) -> &[u8] {
        &self.history
    }

    /// Drops what has been taken or not, for a connection's next run.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.history.clear();
    }

    /// Whether so many bytes are there that have not been taken.
    pub fn holds(&self, count: usize) -> bool {
        self.bytes.len() >= count
    }

    /// Takes bytes that have to be these.
    pub fn expect_bytes(&mut self, expected: &[u8]) -> Result<(), String> {
        let come: Vec<u8> = self.bytes.drain(..expected.len().min(self.bytes.len())).collect();
        if come == expected {
            return Ok(());
        }
        Err(format!(
            "\"{}\" came and not \"{}\"",
            come.escape_ascii(),
            expected.escape_ascii()
        ))
    }

    pub fn expect_nothing_more(&self) -> Result<(), String> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        Err("there is more than was expected".into())
    }

    /// The next answer, once it is whole; `head_only` where its request was a HEAD.
    pub fn take_answer(&mut self, head_only: bool) -> Result<Option<Answer>, String> {
        let mut cursor = Cursor {
            bytes: &self.bytes,
            ended: self.ended,
        };
        match cursor.answer(head_only) {
            Ok(answer) => {
                let taken = self.bytes.len() - cursor.bytes.len();
                self.bytes.drain(..taken);
                Ok(Some(answer))
            }
            Err(Stop::Incomplete) if self.ended => Err("the connection ended where an answer was awaited".into()),
            Err(Stop::Incomplete) => Ok(None),
            Err(Stop::Malformed(problem)) => Err(problem),
        }
    }
}

enum Stop {
    Incomplete,
    Malformed(String),
}

fn malformed<T>(problem: impl Into<String>) -> Result<T, Stop> {
    Err(Stop::Malformed(problem.into()))
}

struct Cursor<'a> {
    bytes: &'a [u8],
    ended: bool,
}

impl Cursor<'_> {
    /// RFC 9112 §4, §5.
    fn answer(&mut self, head_only: bool) -> Result<Answer, Stop> {
        let line = self.line()?;
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.split_once(' '))
            .filter(|(status, reason)| status.len() == 3 && !reason.is_empty())
            .and_then(|(status, _)| status.parse().ok());
        let Some(status) = status else {
            return malformed(format!("{line:?} is no status line"));
        };
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            match line.split_once(": ") {
                Some((name, value)) if is_token(name) && value.trim() == value => {
                    fields.push((name.to_owned(), value.to_owned()));
                }
                _ => return malformed(format!("{line:?} is no field")),
            }
        }
        let mut answer = Answer {
            status,
            fields,
            body: Vec::new(),
        };
        answer.body = self.body(&answer, head_only)?;
        Ok(answer)
    }

    /// RFC 9112 §6.3.
    fn body(&mut self, answer: &Answer, head_only: bool) -> Result<Vec<u8>, Stop> {
        let coding = answer.field("Transfer-Encoding").map_err(Stop::Malformed)?;
        let length = answer.field("Content-Length").map_err(Stop::Malformed)?;
        let is_bare = answer.status < 200 || answer.status == 204;
        if is_bare && (coding.is_some() || length.is_some()) {
            return malformed(format!("a {} is framed by {coding:?} and {length:?}", answer.status));
        }
        if is_bare || answer.status == 304 || head_only {
            return Ok(Vec::new());
        }
        match (coding, length) {
            (Some("chunked"), None) => self.chunks(),
            (None, Some(length)) => match length.parse() {
                Ok(count) if length.bytes().all(|byte| byte.is_ascii_digit()) => self.exactly(count),
                _ => malformed(format!("the Content-Length is {length:?}")),
            },
            (None, None) if self.ended => self.exactly(self.bytes.len()),
            (None, None) => Err(Stop::Incomplete),
            (coding, length) => malformed(format!("the answer is framed by {coding:?} and {length:?}")),
        }
    }

    /// RFC 9112 §7.1.
    fn chunks(&mut self) -> Result<Vec<u8>, Stop> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let Ok(size) = usize::from_str_radix(&line, 16) else {
                return malformed(format!("{line:?} is no chunk size"));
            };
            body.extend(self.exactly(size)?);
            let end = self.line()?;
            if !end.is_empty() {
                return malformed(format!("{end:?} is behind a chunk"));
            }
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Stop> {
        let (bytes, rest) = self.bytes.split_at_checked(count).ok_or(Stop::Incomplete)?;
        self.bytes = rest;
        Ok(bytes.to_vec())
    }

    /// A line without its CRLF, one character per byte.
    fn line(&mut self) -> Result<String, Stop> {
        let end = self.bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
        let end = end.ok_or(Stop::Incomplete)?;
        let (line, behind) = self.bytes.split_at(end);
        match behind {
            [b'\r', b'\n', rest @ ..] => {
                self.bytes = rest;
                match line.iter().find(|byte| byte.is_ascii_control() && **byte != b'\t') {
                    Some(byte) => malformed(format!("there is a byte {byte:#04x} in a line")),
                    None => Ok(line.iter().map(|byte| char::from(*byte)).collect()),
                }
            }
            [b'\r'] => Err(Stop::Incomplete),
            _ => malformed("a line does not end in CRLF"),
        }
    }
}

fn is_token(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

impl Answer {
    /// The value of a field that may be there once at the most.
    pub fn field(&self, name: &str) -> Result<Option<&str>, String> {
        let mut values = self.fields.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (first, None) => Ok(first.map(|(_, value)| value.as_str())),
            (_, Some(_)) => Err(format!("there is more than one {name}")),
        }
    }
}
