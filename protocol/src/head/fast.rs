//! The fast way: one pass over the head, in the order of its bytes, that knows only what is right.
//!
//! Whatever is not plainly right ends here without a word about why; the strict way finds that out. The twin test in `fuzz`
//! holds the two together.

use super::line::Line;
use super::method::{METHOD_BYTES_MAX, Method};
use super::rules::{Conclusion, Rules};
use super::target::{self, Target};
use super::{Head, host};
use crate::{Limits, token};

/// The head at the start of `input`, or `None` if it is incomplete, wrong or of a minor version that is not known.
#[inline(always)]
pub(super) fn parse(input: &[u8], limits: &Limits) -> Option<Head> {
    // Compared as slices, here and below: as patterns literals would be matched byte by byte.
    let window = &input[..input.len().min(limits.head_bytes())];
    let (window, method, rest) = match window.strip_prefix(b"GET ") {
        Some(rest) => (window, Method::Get, rest),
        None => other_start(input, limits)?,
    };
    let (line, rest) = request_line(window, method, rest, limits)?;
    let after_host = after_host(rest);
    // Where Host is all there is, nothing is left to be judged.
    if let Some(after) = after_host.and_then(|rest| rest.strip_prefix(b"\r\n\r\n"))
        && limits.fields_max > 0
    {
        let conclusion = Conclusion::of_nothing_said(line.is_http_10);
        return Some(Head::new(&line, method, conclusion, window.len() - after.len()));
    }
    // A Host line that is not as nearly all are, say with an IPv6 address, is one line among the others.
    let (mut rules, rest, fields_max) = match after_host.and_then(|rest| rest.strip_prefix(b"\r\n")) {
        Some(rest) => (Rules::with_host(), rest, limits.fields().checked_sub(1)?),
        None => (Rules::default(), rest, limits.fields()),
    };
    let after = field_lines(rest, fields_max, &mut rules)?;
    Head::judge(&line, &rules, window.len() - after.len()).ok()
}

/// The window, the method and what follows it, where that is another method than GET or empty lines come first. CONNECT, which
/// is refused with any target, is not taken.
fn other_start<'a>(input: &'a [u8], limits: &Limits) -> Option<(&'a [u8], Method, &'a [u8])> {
    let (start, window) = super::window(input, limits);
    let bytes = &window[start..];
    let end = bytes
        .iter()
        .take(METHOD_BYTES_MAX)
        .position(|byte| !token::is_token_byte(*byte))?;
    let rest = bytes[end..].strip_prefix(b" ")?;
    let method = Method::new(&bytes[..end])?;
    (method != Method::Connect).then_some((window, method, rest))
}

/// RFC 9112 §3: `request-line = method SP request-target SP HTTP-version`, and CRLF, from the target on, where `rest` begins;
/// and what follows.
#[inline]
fn request_line<'a>(window: &[u8], method: Method, rest: &'a [u8], limits: &Limits) -> Option<(Line, &'a [u8])> {
    let target_start = window.len() - rest.len();
    let (target, target_bytes) = match rest.first()? {
        b'/' => target::origin_form(rest)?,
        _ => other_target(rest, method)?,
    };
    if target_bytes > limits.target_bytes_max {
        return None;
    }
    let after_target = &rest[target_bytes..];
    let (is_http_10, rest) = match after_target.strip_prefix(b" HTTP/1.1\r\n") {
        Some(rest) => (false, rest),
        None => (true, after_http_10(after_target)?),
    };
    let line = Line {
        method: Some(method),
        target_start,
        target_end: target_start + target_bytes,
        target,
        is_http_10,
    };
    Some((line, rest))
}

#[cold]
fn after_http_10(after_target: &[u8]) -> Option<&[u8]> {
    after_target.strip_prefix(b" HTTP/1.0\r\n")
}

/// A target that is not in origin-form but one that goes with the method, and its length.
fn other_target(rest: &[u8], method: Method) -> Option<(Target, usize)> {
    let end = rest.iter().position(|byte| !token::is_target_byte(*byte))?;
    let target = target::parse(&rest[..end]).ok()?;
    target.form.check(Some(method)).ok()?;
    Some((target, end))
}

/// A Host line as nearly all are, but for its end: what follows.
#[inline]
fn after_host(rest: &[u8]) -> Option<&[u8]> {
    let value = rest.strip_prefix(b"Host: ")?;
    value.get(host::plain_len(value)?..)
}

/// What follows at most so many field lines and the empty line.
#[inline]
fn field_lines<'a>(mut rest: &'a [u8], fields_max: usize, rules: &mut Rules) -> Option<&'a [u8]> {
    let mut left = fields_max;
    loop {
        if let Some(after) = rest.strip_prefix(b"\r\n") {
            return Some(after);
        }
        left = left.checked_sub(1)?;
        rest = field_line(rest, rules)?;
    }
}

/// RFC 9112 §5: `field-line = field-name ":" OWS field-value OWS`, and CRLF; gives what follows.
#[inline]
fn field_line<'a>(rest: &'a [u8], rules: &mut Rules) -> Option<&'a [u8]> {
    let (name, rest) = rest.split_at(token::token_len(rest));
    let rest = match rest.strip_prefix(b": ") {
        Some(rest) => rest,
        None => rest.strip_prefix(b":")?,
    };
    if name.is_empty() {
        return None;
    }
    let (value, rest) = rest.split_at(token::value_len(rest));
    let (line_end, rest) = rest.split_first_chunk()?;
    if line_end != b"\r\n" {
        return None;
    }
    rules.field(name, token::trim(value)).ok()?;
    Some(rest)
}
