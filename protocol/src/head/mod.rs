//! Request heads: the request line, the fields, and what they mean for the connection.
//!
//! [`parse`] has two ways through the same rules. The fast way is one pass that only ever says "valid". Whatever it does
//! not take (incomplete, unusual, wrong) goes to the strict way, which walks byte by byte, so that the first wrong byte
//! decides the error no matter how the input was cut.
//!
//! ```text
//!             window = the ignored empty lines, and at most head_bytes_max bytes after them
//!  parse ──┬─ fast    words of bytes ───┐
//!          │                            ├─ target, host, rules ── Head
//!          └─ strict  byte by byte ─────┘
//! ```

mod fast;
mod fields;
mod host;
mod line;
mod method;
mod rules;
mod strict;
mod target;

pub use crate::body::Framing;
pub use fields::Fields;

use crate::{Error, Limits, token};
use line::Line;
use method::Method;
use rules::{Conclusion, Rules};
use strict::Stop;

/// Parses the head at the start of `input`, which starts where the previous message ended.
///
/// `None` means that more bytes are needed; the caller comes again with all of them, the old ones first. It is never
/// returned once more than [`Limits::head_bytes_max`] bytes follow the ignored empty lines, and no byte beyond those is
/// examined. At most two empty lines before the request line are ignored (RFC 9112 §2.2).
///
/// HTTP/1.2 and later minor versions are handled as HTTP/1.1 (RFC 9110 §2.5).
///
/// # Errors
///
/// The first byte that cannot belong to a valid head decides. What only the whole head can show is judged at its end:
/// first framing and Host (400), then the method (501, 405), the transfer coding (501) and the expectation (417).
///
/// ```
/// use ringlane_protocol::{Error, Limits, head};
///
/// let limits = Limits::default();
/// let head = head::parse(b"GET /a?b HTTP/1.1\r\nHost: example.com\r\n\r\n", &limits).unwrap().unwrap();
/// assert_eq!(head.method(), http::Method::GET);
///
/// assert!(head::parse(b"GET /a?b HTTP/1.1\r\nHost: exam", &limits).unwrap().is_none());
/// assert_eq!(head::parse(b"GET /a?b HTTP/1.1\nHost", &limits).unwrap_err(), Error::BareLf);
/// ```
pub fn parse(input: &[u8], limits: &Limits) -> Result<Option<Head>, Error> {
    match parse_plain(input, limits) {
        Some(head) => Ok(Some(head)),
        None => parse_strictly(input, limits),
    }
}

/// [`parse`] where the head is whole and plainly valid, as nearly all are. `None` says nothing: [`parse`] knows more.
///
/// It is inlined, for one place in a program: handed out through a call, the head would be copied while its bytes are still
/// on their way to memory.
#[inline(always)]
#[must_use]
pub fn parse_plain(input: &[u8], limits: &Limits) -> Option<Head> {
    fast::parse(input, limits)
}

/// Whether the fast way takes `input`, for tests and fuzzing: on valid heads of version 1.0 and 1.1 it has to.
pub(crate) fn is_fast(input: &[u8], limits: &Limits) -> bool {
    parse_plain(input, limits).is_some()
}

/// [`parse`] by the strict way alone, which is also its twin for tests and fuzzing.
#[cold]
pub(crate) fn parse_strictly(input: &[u8], limits: &Limits) -> Result<Option<Head>, Error> {
    let (start, window) = window(input, limits);
    match strict::parse(window, start, limits) {
        Ok(head) => Ok(Some(head)),
        Err(Stop::Refused(error)) => Err(error),
        Err(Stop::Incomplete) if window.len() - start >= limits.head_bytes() => Err(Error::HeadTooLarge),
        Err(Stop::Incomplete) => Ok(None),
    }
}

/// The most bytes of empty lines that are ignored: two lines (RFC 9112 §2.2).
const EMPTY_LINES_BYTES_MAX: usize = 4;

/// Where the head starts, and the bytes that may be examined, which begin where `input` does.
fn window<'a>(input: &'a [u8], limits: &Limits) -> (usize, &'a [u8]) {
    let start = match input {
        [b'\r', b'\n', b'\r', b'\n', ..] => EMPTY_LINES_BYTES_MAX,
        [b'\r', b'\n', ..] => 2,
        _ => 0,
    };
    (start, &input[..input.len().min(start + limits.head_bytes())])
}

/// Whether `input`, which starts where the previous message ended, has only the empty lines that are ignored, or the
/// beginning of one: no request has begun (RFC 9112 §2.2).
#[must_use]
pub fn is_blank(input: &[u8]) -> bool {
    b"\r\n\r\n".starts_with(input)
}

/// Whether `input` begins with a request of the method HEAD, be the rest of its head valid or not: whatever it is answered,
/// the answer has no content (RFC 9110 §9.3.2).
#[must_use]
pub fn asks_with_head(input: &[u8]) -> bool {
    let (start, window) = window(input, &Limits::default());
    window[start..].starts_with(b"HEAD ")
}

/// A valid request head: 40 bytes of offsets and conclusions, without a lifetime.
///
/// Accessors that return bytes take the `input` that was given to [`parse`] (its first [`len`](Self::len) bytes are
/// enough, moved elsewhere or not). With other bytes they return nonsense, but they do not panic.
///
/// ```
/// use ringlane_protocol::{Limits, head};
///
/// let input = b"GET /hats?size=7 HTTP/1.1\r\nHost: example.com\r\nX-Colour:  green \r\n\r\n";
/// let head = head::parse(input, &Limits::default()).unwrap().unwrap();
/// assert_eq!((head.path(input), head.query(input)), ("/hats", Some("size=7")));
/// assert_eq!(head.field(input, "x-colour"), Some(&b"green"[..]));
/// assert_eq!(head.len(), input.len());
/// assert!(head.keep_alive());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    framing: Framing,
    len: u32,
    /// The target is `input[target_start..target_end]`, its path `input[path_start..path_end]`; if that ends before the
    /// target does, a question mark and the query follow.
    target_start: u32,
    target_end: u32,
    path_start: u32,
    path_end: u32,
    method: Method,
    flags: Flags,
}

/// What a head says in yes and no, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
struct Flags(u8);

impl Flags {
    const HTTP_10: u8 = 1;
    const KEEP_ALIVE: u8 = 2;
    const EXPECTS_CONTINUE: u8 = 4;
    const UPGRADE: u8 = 8;

    fn set(&mut self, flag: u8, on: bool) {
        self.0 |= if on { flag } else { 0 };
    }

    fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

impl Head {
    /// The head of no bytes, for memory that gets another one later.
    pub const EMPTY: Head = Head {
        framing: Framing::None,
        len: 0,
        target_start: 0,
        target_end: 0,
        path_start: 0,
        path_end: 0,
        method: Method::Get,
        flags: Flags(0),
    };

    /// Judges what only the whole head can show.
    #[inline]
    fn judge(line: &Line, rules: &Rules, len: usize) -> Result<Self, Error> {
        let conclusion = rules.conclude(line)?;
        let method = match line.method {
            None => return Err(Error::MethodUnknown),
            Some(Method::Connect) => return Err(Error::ConnectRefused),
            Some(method) => method,
        };
        rules.check_support()?;
        Ok(Self::new(line, method, conclusion, len))
    }

    #[inline(always)]
    fn new(line: &Line, method: Method, conclusion: Conclusion, len: usize) -> Self {
        // Lossless: the window is at most HEAD_BYTES_CEILING bytes and the empty lines before them.
        let offset = |in_window: usize| in_window as u32;
        Self {
            framing: conclusion.framing,
            len: offset(len),
            target_start: offset(line.target_start),
            target_end: offset(line.target_end),
            path_start: offset(line.target_start + line.target.path_start),
            path_end: offset(line.target_start + line.target.path_end),
            method,
            flags: conclusion.flags,
        }
    }

    /// Bytes of `input` that the head takes: ignored empty lines, request line, fields and the final CRLF.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a head is never empty")]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// The method: one of RFC 9110 §9.3 other than CONNECT, or PATCH (RFC 5789).
    #[must_use]
    pub fn method(&self) -> &http::Method {
        self.method.as_http()
    }

    /// HTTP/1.0 or HTTP/1.1; later minor versions are handled as HTTP/1.1 (RFC 9110 §2.5).
    #[must_use]
    pub fn version(&self) -> http::Version {
        if self.flags.has(Flags::HTTP_10) {
            http::Version::HTTP_10
        } else {
            http::Version::HTTP_11
        }
    }

    /// The request target as it was sent, in any of its forms (RFC 9112 §3.2).
    #[must_use]
    pub fn target<'a>(&self, input: &'a [u8]) -> &'a str {
        text(input, self.target_start, self.target_end)
    }

    /// The target's path, percent-encoded as it was sent; `/` where an absolute-form target has none, `*` in
    /// asterisk-form (RFC 9112 §3.2).
    #[must_use]
    pub fn path<'a>(&self, input: &'a [u8]) -> &'a str {
        if self.path_start == self.path_end {
            "/"
        } else {
            text(input, self.path_start, self.path_end)
        }
    }

    /// The target's query without its question mark, percent-encoded as it was sent (RFC 3986 §3.4).
    #[must_use]
    pub fn query<'a>(&self, input: &'a [u8]) -> Option<&'a str> {
        (self.path_end < self.target_end).then(|| text(input, self.path_end + 1, self.target_end))
    }

    /// Host and port that the request is for: an absolute-form target's, otherwise the Host field's (RFC 9112 §3.2.2,
    /// §3.3). `None` only in HTTP/1.0.
    #[must_use]
    pub fn authority<'a>(&self, input: &'a [u8]) -> Option<&'a str> {
        match target::authority(self.target(input)) {
            Some(authority) => Some(authority),
            None => self
                .field(input, "host")
                .and_then(|value| core::str::from_utf8(value).ok()),
        }
    }

    /// The field lines, in their order.
    #[must_use]
    pub fn fields<'a>(&self, input: &'a [u8]) -> Fields<'a> {
        let start = self.target_end as usize + line::AFTER_TARGET_BYTES;
        Fields::new(input.get(start..self.len().saturating_sub(2)).unwrap_or_default())
    }

    /// The value of the first field line of this name, in whatever case; later lines are seen with
    /// [`fields`](Self::fields).
    #[must_use]
    pub fn field<'a>(&self, input: &'a [u8], name: &str) -> Option<&'a [u8]> {
        self.fields(input).find_value(name)
    }

    /// How long the request's content is (RFC 9112 §6.3).
    #[must_use]
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the connection may persist after this request's response (RFC 9112 §9.3): in HTTP/1.1 unless
    /// Connection has `close`; in HTTP/1.0 if Connection has `keep-alive` and not `close`.
    #[must_use]
    pub fn keep_alive(&self) -> bool {
        self.flags.has(Flags::KEEP_ALIVE)
    }

    /// Whether the client waits for `100 Continue` before it sends its content (RFC 9110 §10.1.1). Not in HTTP/1.0, and
    /// not if no content is announced.
    #[must_use]
    pub fn expects_continue(&self) -> bool {
        self.flags.has(Flags::EXPECTS_CONTINUE)
    }

    /// Whether the client offers to change protocols (RFC 9110 §7.8): in HTTP/1.1, with an Upgrade field and the
    /// Connection option `upgrade`.
    #[must_use]
    pub fn upgrade(&self) -> bool {
        self.flags.has(Flags::UPGRADE)
    }
}

/// The part of `input` between two offsets of a head: visible ASCII in the input that the head was parsed from.
fn text(input: &[u8], start: u32, end: u32) -> &str {
    let bytes = input.get(start as usize..end as usize).unwrap_or_default();
    core::str::from_utf8(bytes).unwrap_or_default()
}

/// The elements of a comma-separated list, trimmed, empty ones too (RFC 9110 §5.6.1).
fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(token::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_small() {
        assert_eq!(size_of::<Head>(), 40);
        assert_eq!(size_of::<Option<Head>>(), 40);
    }

    #[test]
    fn accessors_do_not_panic_on_other_bytes() {
        let input = b"GET /hats?size=7 HTTP/1.1\r\nHost: example.com\r\nX-Colour:  green \r\n\r\n";
        let head = parse(input, &Limits::default()).unwrap().unwrap();
        let others: [&[u8]; 5] = [
            b"",
            &input[..30],
            &[0xff; 80],
            &[b':'; 80],
            b":\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n:\n",
        ];
        for other in others {
            let _ = (
                head.target(other),
                head.path(other),
                head.query(other),
                head.authority(other),
            );
            assert!(head.fields(other).count() <= other.len());
            assert_eq!(head.field(other, "host"), None);
        }
    }
}
