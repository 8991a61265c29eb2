//! Request targets (RFC 9112 §3.2).

use memchr::{memchr, memchr2};

use super::host;
use super::method::Method;
use crate::{Error, token};

/// The four forms of a target (RFC 9112 §3.2.1 to §3.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Origin,
    Absolute,
    Authority,
    Asterisk,
}

impl Form {
    /// RFC 9112 §3.2.3, §3.2.4: authority-form goes with CONNECT and with nothing else, asterisk-form with OPTIONS.
    pub(super) fn check(self, method: Option<Method>) -> Result<(), Error> {
        let fits = match self {
            Self::Authority => method == Some(Method::Connect),
            Self::Asterisk => method == Some(Method::Options),
            Self::Origin | Self::Absolute => method != Some(Method::Connect),
        };
        if fits { Ok(()) } else { Err(Error::TargetForm) }
    }
}

/// A valid target: its path is `path_start..path_end`; if that ends before the target does, `?` and the query follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) form: Form,
    pub(super) path_start: usize,
    pub(super) path_end: usize,
}

/// Tells the form by the target alone and validates it; whether the form goes with the method is the line's matter.
#[inline]
pub(super) fn parse(target: &[u8]) -> Result<Target, Error> {
    if target.first() == Some(&b'/') {
        path_query(target, 0, Form::Origin)
    } else {
        parse_uncommon(target)
    }
}

/// The target in origin-form at the start of `bytes`, which begin with a slash, and its length.
#[inline]
pub(super) fn origin_form(bytes: &[u8]) -> Option<(Target, usize)> {
    let (path_end, end) = match bytes {
        [b'/', b' ', ..] => (1, 1),
        _ => path_and_query_len(bytes)?,
    };
    let target = Target {
        form: Form::Origin,
        path_start: 0,
        path_end,
    };
    Some((target, end))
}

/// Bytes of the path that `bytes` begin with, and of it together with its query.
#[inline]
fn path_and_query_len(bytes: &[u8]) -> Option<(usize, usize)> {
    let path_end = token::path_len(bytes);
    let end = match bytes.get(path_end)? {
        b'?' => path_end + 1 + token::query_len(&bytes[path_end + 1..]),
        _ => path_end,
    };
    Some((path_end, end))
}

#[cold]
fn parse_uncommon(target: &[u8]) -> Result<Target, Error> {
    if target == b"*" {
        return Ok(Target {
            form: Form::Asterisk,
            path_start: 0,
            path_end: 1,
        });
    }
    match scheme_len(target) {
        Some(scheme_len) => absolute(target, scheme_len),
        // RFC 9112 §3.2.3: `authority-form = uri-host ":" port`.
        None if host::is_host_and_port(target) => Ok(Target {
            form: Form::Authority,
            path_start: 0,
            path_end: target.len(),
        }),
        None => Err(Error::TargetInvalid),
    }
}

/// The authority of an absolute-form target that is known to be valid.
pub(super) fn authority(target: &str) -> Option<&str> {
    let rest = target.get(scheme_len(target.as_bytes())?..)?;
    rest.get(..authority_len(rest.as_bytes()))
}

/// RFC 9112 §3.2.2: `absolute-form = absolute-URI`, of which an origin server serves `http` and `https`.
fn absolute(target: &[u8], scheme_len: usize) -> Result<Target, Error> {
    let path_start = scheme_len + authority_len(&target[scheme_len..]);
    let authority = &target[scheme_len..path_start];
    if memchr(b'@', authority).is_some() {
        // RFC 9110 §4.2.4: userinfo is to be treated as an error, it likely obscures the authority.
        return Err(Error::TargetUserinfo);
    }
    if !host::is_host(authority) {
        return Err(Error::TargetInvalid);
    }
    path_query(target, path_start, Form::Absolute)
}

/// RFC 9112 §3.2.1: `origin-form = absolute-path [ "?" query ]`; in absolute-form the path may be empty.
#[inline]
fn path_query(target: &[u8], path_start: usize, form: Form) -> Result<Target, Error> {
    let path_end = path_start + token::path_len(&target[path_start..]);
    match &target[path_end..] {
        [] => {}
        [b'?', query @ ..] if token::query_len(query) == query.len() => {}
        _ => return Err(Error::TargetInvalid),
    }
    Ok(Target {
        form,
        path_start,
        path_end,
    })
}

/// Bytes of `http://` or `https://`; schemes are case-insensitive (RFC 9110 §4.2.3).
fn scheme_len(target: &[u8]) -> Option<usize> {
    let schemes: [&[u8]; 2] = [b"http://", b"https://"];
    let has = |scheme: &&[u8]| {
        target
            .get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    schemes.into_iter().find(has).map(<[u8]>::len)
}

/// RFC 3986 §3.2: the authority ends at the next `/` or `?`, or with the target.
fn authority_len(after_scheme: &[u8]) -> usize {
    memchr2(b'/', b'?', after_scheme).unwrap_or(after_scheme.len())
}
