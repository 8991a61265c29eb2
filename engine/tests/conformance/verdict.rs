//! Whether what came from the server, and what its handlers were called with, is what a case expects.

use super::answer::{Answer, Received};
use super::case::{Call, Case, Check, Expected, Fate, Origin};
use super::runs::{Kind, Run};
use super::service::Seen;

/// The answers that are still to come in a run, part by part.
pub struct Awaited<'a> {
    case: &'a Case,
    /// The answer to the good request in front of the case.
    first: bool,
    part: usize,
    answer: usize,
}

impl<'a> Awaited<'a> {
    pub fn new(run: Run<'a>) -> Awaited<'a> {
        Awaited {
            case: run.case,
            first: run.kind == Kind::Pipelined,
            part: 0,
            answer: 0,
        }
    }

    /// Takes what answers the current part and has come. True once that is all; then the next part is current.
    pub fn take(&mut self, received: &mut Received) -> Result<bool, String> {
        if self.first {
            let Some(answer) = received.take_answer(false)? else {
                return Ok(false);
            };
            check_good(&answer, "GET /first\n")?;
            self.first = false;
        }
        while let Some(expected) = self.case.parts[self.part].answers.get(self.answer) {
            // An answer that may be left out has no body, so that the one behind it decides.
            let head_only = self.case.parts[self.part].answers[self.answer..]
                .iter()
                .find(|expected| !expected.optional)
                .is_some_and(Expected::is_head_only);
            let Some(answer) = received.take_answer(head_only)? else {
                return Ok(false);
            };
            if expected.optional && answer.status != expected.status {
                self.answer += 1;
                let next = self.case.parts[self.part].answers.get(self.answer);
                self.check(next.ok_or("nothing follows an answer that may be left out")?, &answer)?;
            } else {
                self.check(expected, &answer)?;
            }
            self.answer += 1;
        }
        self.part += 1;
        self.answer = 0;
        Ok(true)
    }

    fn check(&self, expected: &Expected, answer: &Answer) -> Result<(), String> {
        let is_last =
            self.part + 1 == self.case.parts.len() && self.answer + 1 == self.case.parts[self.part].answers.len();
        let result = check_answer(expected, answer).and_then(|()| match (is_last, &self.case.fate) {
            // RFC 9112 §9.6: the last response says so; where the client half-closes, the server may not know yet.
            (true, Fate::Closed | Fate::ClosedOrReset) if !closes(answer)? && !self.case.half_close => {
                Err("the last answer does not say Connection: close".to_owned())
            }
            (true, Fate::Closed | Fate::ClosedOrReset) => Ok(()),
            _ if closes(answer)? => Err("an answer that is not the last says Connection: close".to_owned()),
            _ => Ok(()),
        });
        result.map_err(|problem| {
            let body = answer.body[..answer.body.len().min(100)].escape_ascii();
            format!(
                "{problem}; this is a {} with {:?} and \"{body}\"",
                answer.status, answer.fields
            )
        })
    }
}

impl Expected {
    /// Whether the answer ends with its head, whatever the fields say.
    fn is_head_only(&self) -> bool {
        let is_head = match &self.origin {
            Origin::Engine => false,
            Origin::Within(call) | Origin::Handler(call) => call.method == "HEAD",
        };
        is_head || self.checks.iter().any(|check| matches!(check, Check::NoBody))
    }
}

fn check_answer(expected: &Expected, answer: &Answer) -> Result<(), String> {
    if answer.status != expected.status {
        return Err(format!("expected a {}", expected.status));
    }
    // RFC 9110 §6.6.1.
    if answer.status >= 200 && answer.field("Date")?.is_none_or(|date| !is_date(date)) {
        return Err("the Date is missing or malformed".into());
    }
    let is_bare = expected.is_head_only() || matches!(answer.status, 100..200 | 204 | 304);
    match &expected.origin {
        Origin::Handler(call) if !is_bare => check_echo(call, answer)?,
        Origin::Engine | Origin::Within(_) if !is_bare && answer.body.is_empty() => {
            return Err("no reason is given".into());
        }
        _ => {}
    }
    for check in &expected.checks {
        match check {
            Check::Field(name, value) if answer.field(name)? != Some(value) => {
                return Err(format!("expected {name}: {value:?}"));
            }
            Check::NoField(name) if answer.field(name)?.is_some() => return Err(format!("expected no {name}")),
            _ => {}
        }
    }
    Ok(())
}

fn check_echo(call: &Call, answer: &Answer) -> Result<(), String> {
    let echo = [call.method.as_bytes(), b" ", call.target.as_bytes(), b"\n", &call.body].concat();
    // RFC 9110 §15.5.22: what a handler wants to upgrade to where nobody has asked for that.
    if answer.body == echo || answer.status == 426 {
        return Ok(());
    }
    let echo = echo[..echo.len().min(100)].escape_ascii();
    Err(format!("expected the body \"{echo}\""))
}

/// An answer of the service's to a request of the suite's own.
pub fn check_good(answer: &Answer, body: &str) -> Result<(), String> {
    if answer.status == 200 && answer.body == body.as_bytes() && !closes(answer)? {
        return Ok(());
    }
    Err(format!("{body:?} is expected, and this is {answer:?}"))
}

fn closes(answer: &Answer) -> Result<bool, String> {
    let options = answer.field("Connection")?.unwrap_or_default();
    Ok(options
        .split(',')
        .any(|option| option.trim().eq_ignore_ascii_case("close")))
}

/// RFC 9110 §5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn is_date(value: &str) -> bool {
    let pattern = b"Aaa, 00 Aaa 0000 00:00:00 GMT";
    value.len() == pattern.len()
        && value.bytes().zip(pattern).all(|(byte, kind)| match kind {
            b'A' => byte.is_ascii_uppercase(),
            b'a' => byte.is_ascii_lowercase(),
            b'0' => byte.is_ascii_digit(),
            other => byte == *other,
        })
}

/// Compares the calls of the handlers: each request that is answered by one was executed once, and no other was.
pub fn check_calls(run: Run<'_>, seen: &[Seen], probed: bool) -> Result<(), String> {
    let mut expected = Vec::new();
    let good = |target: &str| Call {
        method: "GET".into(),
        target: target.into(),
        body: Vec::new(),
    };
    expected.extend((run.kind == Kind::Pipelined).then(|| good("/first")));
    let mut broken = None;
    for answer in run.case.parts.iter().flat_map(|part| &part.answers) {
        match &answer.origin {
            Origin::Engine => {}
            Origin::Handler(call) => expected.push(call.clone()),
            Origin::Within(call) => broken = Some(call),
        }
    }
    expected.extend(probed.then(|| good("/probe")));
    let (whole, rest): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| seen.is_whole);
    let executed = whole.iter().map(|seen| &seen.call);
    if !executed.clone().eq(expected.iter()) {
        let executed: Vec<_> = executed.collect();
        return Err(format!("executed were {executed:?} and not {expected:?}"));
    }
    let is_allowed =
        |call: &Call| broken.is_some_and(|broken| (&broken.method, &broken.target) == (&call.method, &call.target));
    match rest.iter().find(|seen| !is_allowed(&seen.call)) {
        Some(seen) => Err(format!("a handler was called with {:?}", seen.call)),
        None if rest.len() > 1 => Err(format!("handlers were called with {rest:?}")),
        None => Ok(()),
    }
}
