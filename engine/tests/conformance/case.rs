//! A case of the conformance suite, and how the data files are read. The format is described in the first of them.

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::Config;

/// A dialogue with the server, and what has to come of it.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    /// The sections that it rests on.
    pub rule: String,
    /// File and line.
    pub place: String,
    pub server: Profile,
    /// What is sent and what is answered, in turns: a part is sent when the part before it has been answered.
    pub parts: Vec<Part>,
    /// The client ends its side behind its last byte.
    pub half_close: bool,
    pub fate: Fate,
}

/// The configuration of the server that a case is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Profile {
    /// The defaults.
    #[default]
    Plain,
    /// Limits so small that requests at the limit can be cut at every byte.
    Small,
}

impl Profile {
    pub fn configure(self, config: &mut Config) {
        // The suite's clients are as slow as the machine: nobody is to be cut while they still send.
        config.close_timeout = Duration::from_secs(60);
        config.head_timeout = Duration::from_secs(60);
        config.idle_timeout = Duration::from_secs(600);
        if self == Profile::Small {
            config.target_bytes_max = 32;
            config.head_bytes_max = 256;
            config.fields_max = 4;
            config.body_bytes_max = 16;
        }
    }
}

/// What the client sends before it waits, and the answers that it waits for.
#[derive(Debug, Default)]
pub struct Part {
    pub sent: Vec<u8>,
    pub answers: Vec<Expected>,
}

/// What an answer has to be.
#[derive(Debug)]
pub struct Expected {
    pub status: u16,
    /// An interim response that may be left out.
    pub optional: bool,
    pub origin: Origin,
    pub checks: Vec<Check>,
}

/// Who answers.
#[derive(Debug)]
pub enum Origin {
    /// The engine: no handler has been called.
    Engine,
    /// The engine, because of the body: a handler may have been called, and has not seen the end of the body.
    Within(Call),
    /// The handler, with what it was given.
    Handler(Call),
}

/// A request as its handler got it.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    pub method: String,
    pub target: String,
    pub body: Vec<u8>,
}

impl fmt::Debug for Call {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} \"{}\"", self.method, self.target, self.body.escape_ascii())
    }
}

/// What else is looked at in an answer.
#[derive(Debug)]
pub enum Check {
    /// The field is there once, with this value.
    Field(String, String),
    /// It is not there.
    NoField(String),
    /// The answer ends with its head.
    NoBody,
}

/// What becomes of the connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Fate {
    /// The server ends it, and sends nothing more.
    Closed,
    /// The same, but what the client has sent although it had announced not to may be answered with a reset.
    ClosedOrReset,
    /// The next request is answered.
    Kept,
    /// It echoes bytes: first these, then what is sent.
    Upgraded(Vec<u8>),
}

impl Case {
    /// Everything that the client sends.
    pub fn sent(&self) -> Vec<u8> {
        let parts: Vec<&[u8]> = self.parts.iter().map(|part| &part.sent[..]).collect();
        parts.concat()
    }

    pub fn length(&self) -> usize {
        self.parts.iter().map(|part| part.sent.len()).sum()
    }

    /// Whether the server is the one that ends it, by an error.
    pub fn is_error(&self) -> bool {
        let last = self.parts.last().and_then(|part| part.answers.last());
        self.fate == Fate::Closed
            && last.is_some_and(|last| last.status >= 400 && !matches!(last.origin, Origin::Handler(_)))
    }
}

/// All cases of the `.cases` files in a directory, in the order of the files' names.
pub fn load(directory: &Path) -> Result<Vec<Case>, String> {
    let entries = fs::read_dir(directory).map_err(|error| format!("reading {}: {error}", directory.display()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "cases"));
    files.sort();
    let (mut cases, mut names) = (Vec::new(), HashSet::new());
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| format!("reading {}: {error}", file.display()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for case in parse(&name, &text)? {
            if !names.insert(case.name.clone()) {
                return Err(format!("{}: there is a case of this name already", case.place));
            }
            cases.push(case);
        }
    }
    Ok(cases)
}

/// The cases of one file.
pub fn parse(file: &str, text: &str) -> Result<Vec<Case>, String> {
    let (mut cases, mut draft) = (Vec::new(), None::<Draft>);
    for (number, line) in text.lines().enumerate() {
        let place = format!("{file}:{}", number + 1);
        if line.trim_end() != line {
            return Err(format!("{place}: the line ends in whitespace; write \\x20 or \\t"));
        }
        if let Some(name) = line.strip_prefix("== ") {
            cases.extend(draft.take().map(Draft::finish).transpose()?);
            draft = Some(Draft::new(name, place));
        } else if !line.is_empty() && !line.starts_with('#') {
            let draft = draft.as_mut().ok_or(format!("{place}: a line before the first case"))?;
            draft.line(line).map_err(|problem| format!("{place}: {problem}"))?;
        }
    }
    cases.extend(draft.map(Draft::finish).transpose()?);
    Ok(cases)
}

/// A case in the middle of its lines.
struct Draft {
    case: Case,
    fate: Option<Fate>,
}

impl Draft {
    fn new(name: &str, place: String) -> Draft {
        let case = Case {
            name: name.to_owned(),
            rule: String::new(),
            place,
            server: Profile::Plain,
            parts: Vec::new(),
            half_close: false,
            fate: Fate::Closed,
        };
        Draft { case, fate: None }
    }

    fn line(&mut self, line: &str) -> Result<(), String> {
        if self.fate.is_some() {
            return Err("there is a line behind the connection's fate, which is the last one".into());
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "RFC" if self.case.rule.is_empty() => self.case.rule = line.to_owned(),
            "server" if rest == "small" => self.case.server = Profile::Small,
            ">" if self.case.half_close => return Err("there is nothing to send behind a half-close".into()),
            ">" => {
                if self.case.parts.last().is_none_or(|part| !part.answers.is_empty()) {
                    self.case.parts.push(Part::default());
                }
                let bytes = unescape(rest)?;
                self.last_part()?.sent.extend_from_slice(&bytes);
            }
            "half-close" => self.case.half_close = true,
            "<" => {
                let answer = answer(rest)?;
                self.last_part()?.answers.push(answer);
            }
            "" => {
                let check = check(line.trim_start())?;
                let answer = self.last_part()?.answers.last_mut();
                answer
                    .ok_or("there is no answer that it belongs to")?
                    .checks
                    .push(check);
            }
            "closed" if rest.is_empty() => self.fate = Some(Fate::Closed),
            "closed" if rest == "or reset" => self.fate = Some(Fate::ClosedOrReset),
            "kept" if rest.is_empty() => self.fate = Some(Fate::Kept),
            "upgraded" => self.fate = Some(Fate::Upgraded(unescape(rest)?)),
            _ => return Err(format!("{line:?} is no line of a case")),
        }
        Ok(())
    }

    fn last_part(&mut self) -> Result<&mut Part, String> {
        self.case.parts.last_mut().ok_or("nothing has been sent yet".into())
    }

    fn finish(mut self) -> Result<Case, String> {
        let place = &self.case.place;
        let fate = self.fate.ok_or(format!("{place}: the connection's fate is missing"))?;
        if !self.case.rule.starts_with("RFC ") {
            return Err(format!("{place}: the RFC's section is missing"));
        }
        let is_answered = self.case.parts.iter().all(|part| !part.answers.is_empty());
        if !is_answered && !self.case.half_close {
            return Err(format!("{place}: the answer is missing"));
        }
        if fate == Fate::Kept && self.case.half_close {
            return Err(format!("{place}: a connection is not kept after a half-close"));
        }
        self.case.fate = fate;
        Ok(self.case)
    }
}

/// `STATUS[?] [[in] METHOD TARGET[ BODY]]`.
fn answer(text: &str) -> Result<Expected, String> {
    let (status, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (status, optional) = match status.strip_suffix('?') {
        Some(status) => (status, true),
        None => (status, false),
    };
    let status = status.parse().map_err(|_| format!("{status:?} is no status code"))?;
    let origin = match rest.strip_prefix("in ") {
        _ if rest.is_empty() => Origin::Engine,
        Some(call) => Origin::Within(self::call(call)?),
        None => Origin::Handler(call(rest)?),
    };
    Ok(Expected {
        status,
        optional,
        origin,
        checks: Vec::new(),
    })
}

fn call(text: &str) -> Result<Call, String> {
    let mut words = text.splitn(3, ' ');
    let method = words.next().unwrap_or_default().to_owned();
    let target = words.next().ok_or("the target is missing")?;
    // Empty, or as the request has it: a target has no byte that would need an escape, but may be very long.
    let target = String::from_utf8(unescape(target)?).map_err(|_| "the target is not text")?;
    let body = unescape(words.next().unwrap_or_default())?;
    Ok(Call { method, target, body })
}

/// `NAME: VALUE`, `no NAME`, or `no body`.
fn check(text: &str) -> Result<Check, String> {
    if text == "no body" {
        return Ok(Check::NoBody);
    }
    if let Some(name) = text.strip_prefix("no ") {
        return Ok(Check::NoField(name.to_owned()));
    }
    let (name, value) = text
        .split_once(':')
        .ok_or(format!("{text:?} is no check of an answer"))?;
    // As the client reads it: one character per byte.
    let value = unescape(value.trim_start())?.into_iter().map(char::from).collect();
    Ok(Check::Field(name.to_owned(), value))
}

/// The bytes that a text stands for.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'\\' {
            if !matches!(first, b' '..=b'~') {
                return Err(format!("byte {first:#04x} is not printable ASCII; write it as \\xNN"));
            }
            bytes.push(*first);
            continue;
        }
        let [kind, behind @ ..] = rest else {
            return Err("a backslash is the last character".into());
        };
        rest = behind;
        match kind {
            b'r' => bytes.push(b'\r'),
            b'n' => bytes.push(b'\n'),
            b't' => bytes.push(b'\t'),
            b'0' => bytes.push(0),
            b'\\' => bytes.push(b'\\'),
            b'x' => {
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                bytes.push(byte.ok_or("\\x wants two hexadecimal digits")?);
                rest = &rest[2..];
            }
            b'{' => {
                let end = rest
                    .iter()
                    .position(|byte| *byte == b'}')
                    .ok_or("\\{ wants a closing brace")?;
                let inner = std::str::from_utf8(&rest[..end]).map_err(|_| "not ASCII")?;
                let repeated = inner
                    .split_once('*')
                    .and_then(|(count, what)| Some((count.parse().ok()?, what)));
                let (count, what) = repeated.ok_or(format!("{inner:?} is not a count, a star and what is repeated"))?;
                bytes.extend(unescape(what)?.repeat(count));
                rest = &rest[end + 1..];
            }
            other => return Err(format!("\\{} is no escape", char::from(*other))),
        }
    }
    Ok(bytes)
}
