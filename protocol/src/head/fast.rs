//! The fast way: httparse, and one pass over the fields it found.
//!
//! httparse alone is lenient where this crate is not: it takes a bare LF as the end of any line and skips any number of
//! empty lines in front, and takes every visible byte, and UTF-8, in the target. It does refuse a CR without LF, control
//! bytes in values, whitespace around names, folded lines and extra spaces in the request line. The former are checked
//! here; the latter the twin test in `fuzz` holds it to.

use core::mem::MaybeUninit;

use super::Head;
use super::line::Line;
use super::method::Method;
use super::rules::Rules;
use super::target;
use crate::Limits;
use crate::limits::FIELDS_CEILING;

/// The head at the start of `window`, or `None` if it is incomplete, wrong or unusual: the strict way tells which.
pub(super) fn parse(window: &[u8], start: usize, limits: &Limits) -> Option<Head> {
    // httparse would skip empty lines in front; those that may be there are in front of the window.
    if matches!(window.first()?, b'\r' | b'\n') {
        return None;
    }
    let mut storage = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; FIELDS_CEILING];
    let mut request = httparse::Request::new(&mut []);
    let status = request.parse_with_uninit_headers(window, &mut storage[..limits.fields()]);
    let Ok(httparse::Status::Complete(len)) = status else {
        return None;
    };

    let line = line(&request, limits)?;
    let mut rules = Rules::default();
    for field in &*request.headers {
        if !is_after_crlf(window, field.name) {
            return None;
        }
        rules.field(field.name.as_bytes(), field.value).ok()?;
    }
    // The last line's end and the empty line's.
    if !window[..len].ends_with(b"\r\n\r\n") {
        return None;
    }
    Head::new(&line, &rules, start, len).ok()
}

fn line(request: &httparse::Request<'_, '_>, limits: &Limits) -> Option<Line> {
    let (method, path) = (request.method?, request.path?.as_bytes());
    if path.len() > limits.target_bytes_max {
        return None;
    }
    // httparse takes exactly one space after the method (RFC 9112 §3).
    let target_start = method.len() + 1;
    let line = Line {
        method: Method::new(method.as_bytes()),
        target_start,
        target_end: target_start + path.len(),
        target: target::parse(path).ok()?,
        is_http_10: request.version? == 0,
    };
    line.check_form().ok()?;
    Some(line)
}

/// RFC 9112 §2.2: whether the line before the one that begins with `name` ends in CRLF. A line feed is there, httparse
/// saw to that, and in what it takes a CR is only ever part of a line's end.
fn is_after_crlf(window: &[u8], name: &str) -> bool {
    let offset = name.as_ptr() as usize - window.as_ptr() as usize;
    debug_assert_eq!(window.get(offset..offset + name.len()), Some(name.as_bytes()));
    debug_assert_eq!(window.get(offset.wrapping_sub(1)), Some(&b'\n'));
    window.get(offset.wrapping_sub(2)) == Some(&b'\r')
}
