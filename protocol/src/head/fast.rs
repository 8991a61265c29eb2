//! The fast way: one pass over the head, in the order of its bytes, that knows only what is right.
//!
//! Names and targets are walked byte by byte through the table of classes. Values, which are the most of a head, are
//! scanned by words of eight bytes. Whatever is not plainly right ends here without a word about why; the strict way finds
//! that out. The twin test in `fuzz` holds the two together.

use super::line::Line;
use super::method::{METHOD_BYTES_MAX, Method};
use super::rules::Rules;
use super::target::{self, Target};
use super::{Head, host};
use crate::{Limits, token};

/// The head at the start of `window`, or `None` if it is incomplete, wrong or of a minor version that is not known.
#[inline(always)]
pub(super) fn parse(window: &[u8], start: usize, limits: &Limits) -> Option<Head> {
    let (line, mut rest) = request_line(window, limits)?;
    let mut rules = Rules::default();
    let mut fields = limits.fields();
    let after = loop {
        if let Some((b"\r\n", after)) = rest.split_first_chunk() {
            break after;
        }
        fields = fields.checked_sub(1)?;
        rest = match host_line(rest, &mut rules) {
            Some(rest) => rest,
            None => field_line(rest, &mut rules)?,
        };
    };
    Head::new(&line, &rules, start, window.len() - after.len()).ok()
}

/// RFC 9112 §3: `request-line = method SP request-target SP HTTP-version`, and CRLF; and what follows.
#[inline]
fn request_line<'a>(window: &'a [u8], limits: &Limits) -> Option<(Line, &'a [u8])> {
    // Not matched, which would be byte by byte.
    let (method, rest) = match window.strip_prefix(b"GET ") {
        Some(rest) => (Method::Get, rest),
        None => other_method(window)?,
    };
    let target_start = window.len() - rest.len();
    let (target, target_bytes) = match rest.first()? {
        b'/' => target::origin_form(rest)?,
        _ => other_target(rest)?,
    };
    if target_bytes > limits.target_bytes_max {
        return None;
    }
    let (version, rest) = rest[target_bytes..].split_first_chunk()?;
    let is_http_10 = version != b" HTTP/1.1\r\n";
    if is_http_10 && version != b" HTTP/1.0\r\n" {
        return None;
    }
    let line = Line {
        method: Some(method),
        target_start,
        target_end: target_start + target_bytes,
        target,
        is_http_10,
    };
    line.check_form().ok()?;
    Some((line, rest))
}

fn other_method(window: &[u8]) -> Option<(Method, &[u8])> {
    let end = window
        .iter()
        .take(METHOD_BYTES_MAX)
        .position(|byte| !token::is_token_byte(*byte))?;
    let rest = window[end..].strip_prefix(b" ")?;
    Some((Method::new(&window[..end])?, rest))
}

/// A target that is not in origin-form, and its length.
fn other_target(rest: &[u8]) -> Option<(Target, usize)> {
    let end = rest.iter().position(|byte| !token::is_target_byte(*byte))?;
    Some((target::parse(&rest[..end]).ok()?, end))
}

/// A Host line as nearly all are, and what follows; whatever else it is, [`field_line`] knows.
#[inline]
fn host_line<'a>(rest: &'a [u8], rules: &mut Rules) -> Option<&'a [u8]> {
    let value = rest.strip_prefix(b"Host: ")?;
    let (line_end, rest) = value[host::plain_len(value)?..].split_first_chunk()?;
    (line_end == b"\r\n" && rules.plain_host()).then_some(rest)
}

/// RFC 9112 §5: `field-line = field-name ":" OWS field-value OWS`, and CRLF; gives what follows.
#[inline]
fn field_line<'a>(rest: &'a [u8], rules: &mut Rules) -> Option<&'a [u8]> {
    let name_bytes = token::token_len(rest);
    let (name, rest) = rest.split_at(name_bytes);
    let rest = rest.strip_prefix(b":").filter(|_| name_bytes > 0)?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let (value, rest) = rest.split_at(token::value_len(rest));
    let (line_end, rest) = rest.split_first_chunk()?;
    if line_end != b"\r\n" {
        return None;
    }
    rules.field(name, token::trim(value)).ok()?;
    Some(rest)
}
