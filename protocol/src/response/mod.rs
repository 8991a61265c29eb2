//! Responses: the encoder of heads, validated field lines, and the frames of chunked bodies.

mod chunk;
mod fields;
mod status;

use http::StatusCode;

pub use chunk::{CHUNK_LAST, CHUNK_SUFFIX, chunk_prefix};
pub use fields::{FieldError, FieldLines, FieldValue, is_field_value};

/// The interim response that a client with `Expect: 100-continue` waits for (RFC 9110 §15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How the end of a response's body is told (RFC 9112 §6).
///
/// ```
/// use ringlane_protocol::response::Framing;
///
/// assert_ne!(Framing::None, Framing::Length(0)); // the latter writes "Content-Length: 0"
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No framing field: for statuses that have no body.
    None,
    /// Content-Length; also what a body would have in answer to HEAD, or with 304 (RFC 9110 §8.6).
    Length(u64),
    /// `Transfer-Encoding: chunked`, for HTTP/1.1 clients only (RFC 9112 §6.1).
    Chunked,
    /// The body ends with the connection (RFC 9112 §6.3), for HTTP/1.0 clients; goes with [`Persistence::Close`].
    UntilClose,
}

/// What the response says about the connection (RFC 9112 §9.3).
///
/// ```
/// use ringlane_protocol::response::Persistence;
///
/// let (is_http_10, keep_alive) = (true, true);
/// let persistence = match (keep_alive, is_http_10) {
///     (false, _) => Persistence::Close,
///     (true, true) => Persistence::KeepAliveExplicit,
///     (true, false) => Persistence::KeepAlive,
/// };
/// assert_eq!(persistence, Persistence::KeepAliveExplicit);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// It persists, which HTTP/1.1 clients take for granted: no Connection field.
    KeepAlive,
    /// It persists, which HTTP/1.0 clients have to be told: `Connection: keep-alive`.
    KeepAliveExplicit,
    /// It ends after this response: `Connection: close` (RFC 9112 §9.6).
    Close,
    /// It changes protocols after this response, a 101: `Connection: Upgrade` (RFC 9110 §7.8).
    Upgrade,
}

/// A response head to be encoded.
///
/// ```
/// use http::StatusCode;
/// use ringlane_protocol::{date::Date, response::{FieldValue, Framing, Head, Persistence, encode, encoded_bytes_max}};
///
/// let date = Date::new(784_111_777);
/// let head = Head {
///     status: StatusCode::OK,
///     content_type: FieldValue::new("text/plain"),
///     fields: b"",
///     framing: Framing::Length(13),
///     persistence: Persistence::KeepAlive,
///     upgrade: None,
///     date: date.as_bytes(),
/// };
/// let mut out = vec![0; encoded_bytes_max(&head)];
/// let len = encode(&head, &mut out).expect("the buffer is large enough");
/// assert_eq!(
///     core::str::from_utf8(&out[..len]).unwrap(),
///     "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\n",
/// );
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The status; its usual reason phrase goes with it.
    pub status: StatusCode,
    /// The Content-Type.
    pub content_type: Option<FieldValue<'a>>,
    /// Further field lines: [`FieldLines::as_bytes`], and nothing else, for they are copied as they are.
    pub fields: &'a [u8],
    /// How the body's end is told; 1xx and 204 say nothing of it in any case (RFC 9112 §6.1, RFC 9110 §8.6).
    pub framing: Framing,
    /// What is said about the connection.
    pub persistence: Persistence,
    /// The protocol to change to with 101, or to offer, as 426 has to (RFC 9110 §15.5.22); it adds the Connection option.
    pub upgrade: Option<FieldValue<'a>>,
    /// The Date: [`Date::as_bytes`](crate::date::Date::as_bytes).
    pub date: &'a [u8; 29],
}

/// Bytes that [`encode`] needs at most for this head.
///
/// ```
/// # use http::StatusCode;
/// # use ringlane_protocol::{date::Date, response::{Framing, Head, Persistence}};
/// use ringlane_protocol::response::{encode, encoded_bytes_max};
///
/// # let date = Date::new(0);
/// # let head = Head {
/// #     status: StatusCode::NO_CONTENT, content_type: None, fields: b"", framing: Framing::None,
/// #     persistence: Persistence::KeepAlive, upgrade: None, date: date.as_bytes(),
/// # };
/// let mut out = vec![0; encoded_bytes_max(&head)];
/// assert!(encode(&head, &mut out).is_some());
/// ```
#[must_use]
pub fn encoded_bytes_max(head: &Head<'_>) -> usize {
    /// Status line (64; 46 are needed now, but a reason phrase may become longer), Content-Length (38, more than
    /// Transfer-Encoding), Date (37), Connection (33), the names of Content-Type and Upgrade with their line ends (16 and
    /// 11), and the empty line (2).
    const WITHOUT_VALUES: usize = 201;
    WITHOUT_VALUES + head.fields.len() + value_bytes(head.content_type) + value_bytes(head.upgrade)
}

fn value_bytes(value: Option<FieldValue<'_>>) -> usize {
    value.map_or(0, |value| value.as_str().len())
}

/// Writes the head to the start of `out` and returns its length; `None` if it does not fit, and then whatever was written
/// of it is no head.
///
/// It is always a response of HTTP/1.1, whatever the client speaks (RFC 9110 §6.2), and always has a Date (§6.6.1).
#[must_use]
pub fn encode(head: &Head<'_>, out: &mut [u8]) -> Option<usize> {
    encode_whole(head, b"", out)
}

/// [`encode`] with a short body behind the head; returns the length of both.
///
/// It is inlined, for one place in a program: most responses are written here, and straight from where their parts lie.
#[inline(always)]
#[must_use]
pub fn encode_whole(head: &Head<'_>, body: &[u8], out: &mut [u8]) -> Option<usize> {
    let bytes = out.len();
    let mut is_framed = true;
    let mut rest = if head.status == StatusCode::OK {
        put_ok_and_date(out, head.date)?
    } else {
        is_framed = has_framing(head.status);
        put_status_line_and_date(out, head.status, *head.date)?
    };
    if let Some(content_type) = head.content_type {
        rest = put(rest, b"Content-Type: ")?;
        rest = put_slice(rest, content_type.as_str().as_bytes())?;
        rest = put(rest, b"\r\n")?;
    }
    if is_framed {
        rest = put_framing(rest, head.framing)?;
    }
    if head.persistence != Persistence::KeepAlive || head.upgrade.is_some() {
        rest = put_connection(rest, head.persistence, head.upgrade)?;
    }
    if !head.fields.is_empty() {
        rest = put_slice(rest, head.fields)?;
    }
    rest = put(rest, b"\r\n")?;
    rest = put_slice(rest, body)?;
    Some(bytes - rest.len())
}

/// Writes bytes whose number is known to the compiler, with a few moves, and returns what is left behind them; so do all that
/// follow. What is left is passed on by value, and stays in registers.
#[inline(always)]
fn put<'a, const N: usize>(out: &'a mut [u8], bytes: &[u8; N]) -> Option<&'a mut [u8]> {
    let (place, rest) = out.split_first_chunk_mut()?;
    *place = *bytes;
    Some(rest)
}

#[inline(always)]
fn put_slice<'a>(out: &'a mut [u8], bytes: &[u8]) -> Option<&'a mut [u8]> {
    let (place, rest) = out.split_at_mut_checked(bytes.len())?;
    copy(bytes, place);
    Some(rest)
}

/// Copies to a place of the same length: what most values are long in two moves that may overlap, without a call.
#[inline(always)]
fn copy(bytes: &[u8], place: &mut [u8]) {
    match bytes.len() {
        8..16 => copy_ends::<8>(bytes, place),
        16..=32 => copy_ends::<16>(bytes, place),
        _ => place.copy_from_slice(bytes),
    }
}

/// Copies the first and the last `N` bytes, which are all where there are at most twice as many.
#[inline(always)]
fn copy_ends<const N: usize>(bytes: &[u8], place: &mut [u8]) {
    if let (Some(first), Some(last)) = (bytes.first_chunk::<N>(), bytes.last_chunk::<N>()) {
        place[..N].copy_from_slice(first);
        place[bytes.len() - N..].copy_from_slice(last);
    }
}

/// What most heads begin with: a few moves straight to where they go.
#[inline(always)]
fn put_ok_and_date<'a>(out: &'a mut [u8], date: &[u8; 29]) -> Option<&'a mut [u8]> {
    let (place, rest) = out.split_first_chunk_mut::<54>()?;
    place[..23].copy_from_slice(b"HTTP/1.1 200 OK\r\nDate: ");
    place[23..52].copy_from_slice(date);
    place[52..].copy_from_slice(b"\r\n");
    Some(rest)
}

/// RFC 9112 §4: `status-line = HTTP-version SP status-code SP [ reason-phrase ]`.
#[inline(never)]
fn put_status_line_and_date(out: &mut [u8], status: StatusCode, date: [u8; 29]) -> Option<&mut [u8]> {
    let mut rest = if let Some(line) = status::common_line(status) {
        put_slice(out, line)?
    } else {
        let rest = put(out, b"HTTP/1.1 ")?;
        let rest = put_slice(rest, status.as_str().as_bytes())?;
        let rest = put(rest, b" ")?;
        let rest = put_slice(rest, status.canonical_reason().unwrap_or_default().as_bytes())?;
        put(rest, b"\r\n")?
    };
    rest = put(rest, b"Date: ")?;
    rest = put(rest, &date)?;
    put(rest, b"\r\n")
}

/// RFC 9112 §6.1, RFC 9110 §8.6: neither Transfer-Encoding nor Content-Length in 1xx and 204.
fn has_framing(status: StatusCode) -> bool {
    !status.is_informational() && status != StatusCode::NO_CONTENT
}

#[inline(always)]
fn put_framing(out: &mut [u8], framing: Framing) -> Option<&mut [u8]> {
    match framing {
        Framing::None | Framing::UntilClose => Some(out),
        Framing::Length(length) => put_decimal_and_line_end(put(out, b"Content-Length: ")?, length),
        Framing::Chunked => put(out, b"Transfer-Encoding: chunked\r\n"),
    }
}

/// RFC 9110 §7.6.1, §7.8: who sends Upgrade also sends the connection option.
#[inline(never)]
fn put_connection<'a>(
    out: &'a mut [u8],
    persistence: Persistence,
    upgrade: Option<FieldValue<'_>>,
) -> Option<&'a mut [u8]> {
    let rest = put_slice(
        out,
        match (persistence, upgrade.is_some()) {
            (Persistence::KeepAlive, false) => b"",
            (Persistence::KeepAliveExplicit, false) => b"Connection: keep-alive\r\n",
            (Persistence::KeepAliveExplicit, true) => b"Connection: keep-alive, Upgrade\r\n",
            (Persistence::Close, false) => b"Connection: close\r\n",
            (Persistence::Close, true) => b"Connection: close, Upgrade\r\n",
            (Persistence::Upgrade, _) | (Persistence::KeepAlive, true) => b"Connection: Upgrade\r\n",
        },
    )?;
    let Some(protocol) = upgrade else { return Some(rest) };
    let rest = put(rest, b"Upgrade: ")?;
    let rest = put_slice(rest, protocol.as_str().as_bytes())?;
    put(rest, b"\r\n")
}

/// `number` in decimal digits and CRLF; up to four digits in one move.
#[inline(always)]
fn put_decimal_and_line_end(out: &mut [u8], number: u64) -> Option<&mut [u8]> {
    let digit = |power: u64| b'0' + (number / power % 10) as u8;
    match number {
        0..10 => put(out, &[digit(1), b'\r', b'\n']),
        10..100 => put(out, &[digit(10), digit(1), b'\r', b'\n']),
        100..1000 => put(out, &[digit(100), digit(10), digit(1), b'\r', b'\n']),
        1000..10_000 => put(out, &[digit(1000), digit(100), digit(10), digit(1), b'\r', b'\n']),
        _ => put_long_decimal_and_line_end(out, number),
    }
}

#[inline(never)]
fn put_long_decimal_and_line_end(out: &mut [u8], number: u64) -> Option<&mut [u8]> {
    let rest = put_slice(out, decimal(number, &mut [0; 20]))?;
    put(rest, b"\r\n")
}

/// `number` in decimal digits, at the end of `digits`: 20 are what 64 bits take.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut start = digits.len();
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return &digits[start..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_is_what_fmt_writes() {
        let powers = (0..20).map(|exponent| 10_u64.pow(exponent));
        for number in powers
            .flat_map(|power| [power - 1, power, power + 1])
            .chain([0, u64::MAX])
        {
            assert_eq!(decimal(number, &mut [0; 20]), number.to_string().as_bytes());
            let mut out = [0; 22];
            let length = 22 - put_decimal_and_line_end(&mut out, number).unwrap().len();
            assert_eq!(&out[..length], format!("{number}\r\n").as_bytes());
        }
    }
}
