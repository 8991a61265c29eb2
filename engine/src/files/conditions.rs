//! The conditions of a request, judged by a file's validators (RFC 9110 §13).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::coding::Coding;

/// What a request says about the file that it wants.
#[derive(Default)]
pub(super) struct Asked<'a> {
    if_match: Vec<&'a [u8]>,
    if_none_match: Vec<&'a [u8]>,
    if_modified_since: Option<&'a [u8]>,
    if_unmodified_since: Option<&'a [u8]>,
    if_range: Option<&'a [u8]>,
    pub(super) range: Option<&'a [u8]>,
    pub(super) accept_encoding: Vec<&'a [u8]>,
}

impl<'a> Asked<'a> {
    pub(super) fn of(fields: impl Iterator<Item = (&'a str, &'a [u8])>) -> Asked<'a> {
        let mut asked = Asked::default();
        for (name, value) in fields {
            let is = |wanted: &str| name.eq_ignore_ascii_case(wanted);
            match name.len() {
                5 if is("range") => set(&mut asked.range, value),
                8 if is("if-match") => asked.if_match.push(value),
                8 if is("if-range") => set(&mut asked.if_range, value),
                13 if is("if-none-match") => asked.if_none_match.push(value),
                15 if is("accept-encoding") => asked.accept_encoding.push(value),
                17 if is("if-modified-since") => set(&mut asked.if_modified_since, value),
                19 if is("if-unmodified-since") => set(&mut asked.if_unmodified_since, value),
                _ => {} // Not about files.
            }
        }
        asked
    }
}

/// A field that may be there once. Where it is there again, what it says is neither a date nor a range nor a tag
/// (RFC 9110 §13.1.3, §13.1.4: such dates are ignored).
fn set<'a>(field: &mut Option<&'a [u8]>, value: &'a [u8]) {
    *field = Some(if field.is_none() { value } else { b"" });
}

/// By what a client tells one state of a file from another (RFC 9110 §8.8).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Validators {
    /// A strong one, with its quotes.
    pub(super) etag: String,
    /// In seconds since 1970; none where a date cannot say it.
    pub(super) modified: Option<u64>,
    /// Whether the file can have changed again within the second that `modified` names: then the date is a weak validator.
    is_recent: bool,
}

/// 31 December 9999, 23:59:59: what follows has no date of four digits.
const DATE_MAX: u64 = 253_402_300_799;

impl Validators {
    /// Of a file that was modified at `modified`, in seconds since 1970, and has `size` bytes, in whatever coding it lies there:
    /// no two codings may share a strong tag (RFC 9110 §8.8.3.3).
    pub(super) fn new(modified: i64, size: u64, coding: Option<Coding>, now: SystemTime) -> Validators {
        let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // RFC 9110 §8.8.2.1: no date later than now may be sent.
        let date = u64::try_from(modified).ok().map(|date| date.min(now).min(DATE_MAX));
        Validators {
            etag: match coding {
                None => format!("\"{modified:x}-{size:x}\""),
                Some(coding) => format!("\"{modified:x}-{size:x}-{}\"", coding.name()),
            },
            modified: date,
            is_recent: date.is_none_or(|date| date + 1 >= now),
        }
    }

    /// The value of `Last-Modified`.
    pub(super) fn last_modified(&self) -> Option<String> {
        let modified = UNIX_EPOCH + Duration::from_secs(self.modified?);
        Some(httpdate::fmt_http_date(modified))
    }
}

/// What the conditions make of a GET or a HEAD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// As without them.
    Proceed,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

/// RFC 9110 §13.2.2, steps 1 to 4.
pub(super) fn judge(asked: &Asked<'_>, validators: &Validators) -> Verdict {
    if !asked.if_match.is_empty() {
        if !any_matches(&asked.if_match, &validators.etag, Comparison::Strong) {
            return Verdict::Failed;
        }
    } else if let (Some(date), Some(modified)) = (asked.if_unmodified_since.and_then(date), validators.modified)
        && modified > date
    {
        return Verdict::Failed;
    }
    if !asked.if_none_match.is_empty() {
        if any_matches(&asked.if_none_match, &validators.etag, Comparison::Weak) {
            return Verdict::NotModified;
        }
    } else if let (Some(date), Some(modified)) = (asked.if_modified_since.and_then(date), validators.modified)
        && modified <= date
    {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// RFC 9110 §13.2.2, step 5, and §13.1.5: whether `Range` is to be heeded. The one that is asked with has to be a strong
/// validator, and the file's own.
pub(super) fn range_holds(asked: &Asked<'_>, validators: &Validators) -> bool {
    let Some(value) = asked.if_range else {
        return true;
    };
    if value.starts_with(b"\"") {
        return value == validators.etag.as_bytes();
    }
    let date = date(value);
    date.is_some() && date == validators.modified && !validators.is_recent
}

/// In seconds since 1970, in any of the three forms of RFC 9110 §5.6.7.
fn date(value: &[u8]) -> Option<u64> {
    let date = httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

/// RFC 9110 §8.8.3.2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Weak tags match nothing.
    Strong,
    Weak,
}

/// Whether a list of tags, or `*`, has this strong one.
fn any_matches(values: &[&[u8]], etag: &str, comparison: Comparison) -> bool {
    let matches = |value: &&[u8]| {
        let tags = Tags { rest: value };
        *value == b"*"
            || tags
                .filter(|tag| comparison == Comparison::Weak || !tag.is_weak)
                .any(|tag| tag.opaque == etag.as_bytes())
    };
    values.iter().any(matches)
}

/// The tags of a list; it ends before what is no tag.
struct Tags<'a> {
    rest: &'a [u8],
}

struct Tag<'a> {
    is_weak: bool,
    /// With its quotes.
    opaque: &'a [u8],
}

impl<'a> Iterator for Tags<'a> {
    type Item = Tag<'a>;

    /// A tag may hold commas, so the list is not split at them.
    fn next(&mut self) -> Option<Tag<'a>> {
        while let [b' ' | b'\t' | b',', rest @ ..] = self.rest {
            self.rest = rest;
        }
        let (is_weak, quoted) = match self.rest.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, self.rest),
        };
        let inner = quoted.strip_prefix(b"\"")?;
        let end = inner.iter().position(|&byte| byte == b'"')? + 2;
        let (opaque, rest) = quoted.split_at(end);
        self.rest = rest;
        Some(Tag { is_weak, opaque })
    }
}

#[cfg(test)]
mod tests;
