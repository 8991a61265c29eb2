//! The strict way: byte by byte, so that the first byte that cannot belong to a valid head decides.

use super::line::Line;
use super::method::{METHOD_BYTES_MAX, Method};
use super::rules::Rules;
use super::{EMPTY_LINES_BYTES_MAX, Head, target};
use crate::{Error, Limits, token};

/// Why there is no head.
pub(super) enum Stop {
    /// The window ended; no byte of it was wrong.
    Incomplete,
    Refused(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// The head that begins at `start` of `window`.
pub(super) fn parse(window: &[u8], start: usize, limits: &Limits) -> Result<Head, Stop> {
    let mut cursor = Cursor {
        bytes: window,
        at: start,
    };
    let line = request_line(&mut cursor, limits)?;
    let mut rules = Rules::default();
    fields(&mut cursor, limits, &mut rules)?;
    Ok(Head::judge(&line, &rules, cursor.at)?)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn next(&mut self) -> Result<u8, Stop> {
        let byte = *self.bytes.get(self.at).ok_or(Stop::Incomplete)?;
        self.at += 1;
        Ok(byte)
    }

    /// What was read from `start` to before the byte read last.
    fn since(&self, start: usize) -> &'a [u8] {
        &self.bytes[start..self.at - 1]
    }

    /// Refuses `byte`, just read: as a broken line end if it is one (RFC 9112 §2.2), else for what it is.
    fn refuse(&mut self, byte: u8, error: Error) -> Stop {
        match byte {
            b'\n' => Error::BareLf.into(),
            b'\r' => match self.line_feed() {
                Ok(()) => error.into(),
                Err(stop) => stop,
            },
            _ => error.into(),
        }
    }

    /// RFC 9112 §2.2: after a CR, LF and nothing else.
    fn line_feed(&mut self) -> Result<(), Stop> {
        if self.next()? == b'\n' {
            Ok(())
        } else {
            Err(Error::BareCr.into())
        }
    }
}

/// RFC 9112 §3: `request-line = method SP request-target SP HTTP-version`, and CRLF.
fn request_line(cursor: &mut Cursor<'_>, limits: &Limits) -> Result<Line, Stop> {
    let method = method(cursor)?;
    let target_start = cursor.at;
    let target = request_target(cursor, limits)?;
    let target_end = cursor.at - 1;
    let is_http_10 = version(cursor)?;
    let line = Line {
        method,
        target_start,
        target_end,
        target,
        is_http_10,
    };
    line.target.form.check(line.method)?;
    Ok(line)
}

/// RFC 9110 §9.1: `method = token`; and the space after it.
fn method(cursor: &mut Cursor<'_>) -> Result<Option<Method>, Stop> {
    let start = cursor.at;
    loop {
        let byte = cursor.next()?;
        let name = cursor.since(start);
        if byte == b' ' && !name.is_empty() {
            return Ok(Method::new(name));
        }
        if byte == b'\r' && name.is_empty() && start == EMPTY_LINES_BYTES_MAX {
            return Err(Error::EmptyLines.into());
        }
        if !token::is_token_byte(byte) {
            return Err(cursor.refuse(byte, Error::MethodInvalid));
        }
        if name.len() >= METHOD_BYTES_MAX {
            return Err(Error::MethodUnknown.into());
        }
    }
}

/// RFC 9112 §3.2; and the space after it.
fn request_target(cursor: &mut Cursor<'_>, limits: &Limits) -> Result<target::Target, Stop> {
    let start = cursor.at;
    loop {
        let byte = cursor.next()?;
        let target = cursor.since(start);
        match byte {
            b' ' => return Ok(target::parse(target)?),
            b'#' => return Err(Error::TargetFragment.into()),
            b'\r' => return Err(cursor.refuse(byte, Error::VersionMissing)),
            _ if !token::is_target_byte(byte) => return Err(cursor.refuse(byte, Error::TargetInvalid)),
            // RFC 9112 §3: a longer target than the server wishes to parse is a 414.
            _ if target.len() >= limits.target_bytes_max => return Err(Error::TargetTooLong.into()),
            _ => {}
        }
    }
}

/// RFC 9112 §2.3: `HTTP-version = %s"HTTP/" DIGIT "." DIGIT`, and CRLF. Returns whether it is HTTP/1.0.
fn version(cursor: &mut Cursor<'_>) -> Result<bool, Stop> {
    let start = cursor.at;
    for expected in *b"HTTP/0.0\r" {
        let byte = cursor.next()?;
        let is_expected = if expected == b'0' {
            byte.is_ascii_digit()
        } else {
            byte == expected
        };
        if !is_expected {
            return Err(cursor.refuse(byte, Error::VersionInvalid));
        }
    }
    cursor.line_feed()?;
    match cursor.since(start) {
        b"HTTP/1.0\r" => Ok(true),
        // RFC 9110 §2.5: a higher minor version is handled as the highest one known.
        version if version.starts_with(b"HTTP/1.") => Ok(false),
        _ => Err(Error::VersionUnsupported.into()),
    }
}

/// RFC 9112 §5: `*( field-line CRLF ) CRLF`.
fn fields(cursor: &mut Cursor<'_>, limits: &Limits, rules: &mut Rules) -> Result<(), Stop> {
    let mut count = 0;
    loop {
        let start = cursor.at;
        match cursor.next()? {
            b'\r' => return cursor.line_feed(),
            b' ' | b'\t' if count == 0 => return Err(Error::SpaceBeforeFields.into()),
            b' ' | b'\t' => return Err(Error::ObsFold.into()),
            byte if !token::is_token_byte(byte) => return Err(cursor.refuse(byte, Error::FieldNameInvalid)),
            _ if count == limits.fields() => return Err(Error::TooManyFields.into()),
            _ => {}
        }
        field_line(cursor, start, rules)?;
        count += 1;
    }
}

/// RFC 9112 §5: `field-line = field-name ":" OWS field-value OWS`; the first byte of the name, at `start`, is read.
fn field_line(cursor: &mut Cursor<'_>, start: usize, rules: &mut Rules) -> Result<(), Stop> {
    let name = loop {
        match cursor.next()? {
            b':' => break cursor.since(start),
            b' ' | b'\t' => return Err(Error::SpaceBeforeColon.into()),
            byte if !token::is_token_byte(byte) => return Err(cursor.refuse(byte, Error::FieldNameInvalid)),
            _ => {}
        }
    };
    let start = cursor.at;
    let value = loop {
        match cursor.next()? {
            b'\r' => break cursor.since(start),
            byte if !token::is_value_byte(byte) => return Err(cursor.refuse(byte, Error::FieldValueInvalid)),
            _ => {}
        }
    };
    cursor.line_feed()?;
    Ok(rules.field(name, token::trim(value))?)
}
