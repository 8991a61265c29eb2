//! What the few fields with a meaning for the connection say, line by line and together.

use super::line::Line;
use super::method::Method;
use super::{Flags, elements, host};
use crate::body::Framing;
use crate::{Error, token};

/// What was said so far by the fields that matter to framing, persistence and routing.
#[derive(Default)]
pub(super) struct Rules {
    has_host: bool,
    /// There may have been others than Host.
    has_others: bool,
    content_length: Option<u64>,
    codings: Codings,
    connection: Connection,
    has_upgrade: bool,
    expects_continue: bool,
    expects_else: bool,
}

/// The transfer codings of all Transfer-Encoding lines, which together are one list (RFC 9110 §5.3).
#[derive(Default)]
struct Codings {
    any: bool,
    chunked: bool,
    /// Something follows chunked, be it chunked again.
    chunked_not_last: bool,
    /// A coding other than chunked.
    other: bool,
}

/// The options of all Connection lines.
#[derive(Default)]
struct Connection {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

/// What a whole head comes to.
#[derive(Clone, Copy)]
pub(super) struct Conclusion {
    pub(super) framing: Framing,
    pub(super) flags: Flags,
}

impl Conclusion {
    /// RFC 9112 §9.3, §6.3: what holds where no field says anything.
    #[inline]
    pub(super) fn of_nothing_said(is_http_10: bool) -> Self {
        Self {
            framing: Framing::None,
            flags: Flags(if is_http_10 { Flags::HTTP_10 } else { Flags::KEEP_ALIVE }),
        }
    }
}

impl Rules {
    /// Takes one field line, value trimmed. Names are told apart by length and first byte before they are compared, so
    /// that most fields cost two comparisons.
    #[inline]
    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        let Some(first) = name.first().map(|byte| byte | 0x20) else {
            return Ok(());
        };
        let is = |known: &[u8]| name.eq_ignore_ascii_case(known);
        let kind = (name.len(), first);
        // The lengths and first bytes of all that are below; most fields are none of these.
        self.has_others |= matches!(kind, (6 | 7 | 10 | 14 | 17, b'c' | b'e' | b't' | b'u'));
        match kind {
            (4, b'h') if is(b"host") => self.host(value),
            (6, b'e') if is(b"expect") => {
                self.expect(value);
                Ok(())
            }
            (7, b'u') if is(b"upgrade") => {
                self.has_upgrade |= !value.is_empty();
                Ok(())
            }
            (10, b'c') if is(b"connection") => self.connection.options(value),
            (14, b'c') if is(b"content-length") => self.content_length(value),
            (17, b't') if is(b"transfer-encoding") => self.codings.list(value),
            _ => Ok(()),
        }
    }

    /// What is said by a first field line that is Host, and known to be valid.
    #[inline]
    pub(super) fn with_host() -> Self {
        Self {
            has_host: true,
            ..Self::default()
        }
    }

    /// RFC 9112 §3.2: more than one Host line, or an invalid one, is a 400 in every version.
    #[inline]
    fn host(&mut self, value: &[u8]) -> Result<(), Error> {
        if self.has_host {
            return Err(Error::HostRepeated);
        }
        self.has_host = true;
        if host::is_host(value) {
            Ok(())
        } else {
            Err(Error::HostInvalid)
        }
    }

    /// RFC 9110 §8.6, RFC 9112 §6.3: a recipient may merge equal values; this one refuses every repetition.
    fn content_length(&mut self, value: &[u8]) -> Result<(), Error> {
        if self.content_length.is_some() {
            return Err(Error::ContentLengthRepeated);
        }
        self.content_length = Some(decimal(value).ok_or(Error::ContentLengthInvalid)?);
        Ok(())
    }

    /// RFC 9110 §10.1.1: 100-continue, case-insensitive, is the only expectation that there is; empty elements are ignored as
    /// §5.6.1.2 demands.
    fn expect(&mut self, value: &[u8]) {
        for element in elements(value).filter(|element| !element.is_empty()) {
            let is_continue = element.eq_ignore_ascii_case(b"100-continue");
            self.expects_continue |= is_continue;
            self.expects_else |= !is_continue;
        }
    }

    /// The 400s of the head as a whole, and what it means if there are none.
    #[inline]
    pub(super) fn conclude(&self, line: &Line) -> Result<Conclusion, Error> {
        if !self.has_host && !line.is_http_10 {
            return Err(Error::HostMissing);
        }
        if !self.has_others {
            return Ok(Conclusion::of_nothing_said(line.is_http_10));
        }
        let framing = self.framing(line.is_http_10)?;
        // RFC 9110 §9.3.8: a client must not send content in a TRACE request.
        if line.method == Some(Method::Trace) && framing != Framing::None {
            return Err(Error::TraceWithContent);
        }
        let connection = &self.connection;
        let mut flags = Flags::default();
        flags.set(Flags::HTTP_10, line.is_http_10);
        // RFC 9112 §9.3: close wins; else 1.1 persists; else keep-alive does.
        flags.set(
            Flags::KEEP_ALIVE,
            !connection.close && (!line.is_http_10 || connection.keep_alive),
        );
        // RFC 9110 §10.1.1, §7.8: in an HTTP/1.0 request both are to be ignored.
        flags.set(
            Flags::EXPECTS_CONTINUE,
            self.expects_continue && !line.is_http_10 && framing != Framing::None,
        );
        flags.set(
            Flags::UPGRADE,
            self.has_upgrade && connection.upgrade && !line.is_http_10,
        );
        Ok(Conclusion { framing, flags })
    }

    /// RFC 9112 §6.3, with everything ambiguous refused.
    fn framing(&self, is_http_10: bool) -> Result<Framing, Error> {
        if !self.codings.any {
            return Ok(match self.content_length {
                None | Some(0) => Framing::None,
                Some(length) => Framing::Length(length),
            });
        }
        if is_http_10 {
            // RFC 9112 §6.1: such framing is faulty.
            return Err(Error::TransferEncodingInHttp10);
        }
        if self.content_length.is_some() {
            // RFC 9112 §6.1: a server may reject it; it ought to be handled as an attempted smuggling.
            return Err(Error::TransferEncodingAndContentLength);
        }
        if self.codings.chunked_not_last {
            return Err(Error::ChunkedNotLast);
        }
        Ok(Framing::Chunked)
    }

    /// What is not wrong but not supported: judged last, so that framing errors win.
    #[inline]
    pub(super) fn check_support(&self) -> Result<(), Error> {
        // RFC 9112 §6.1: an unknown coding is a 501. Where chunked is missing altogether, §6.3 reads as 400; that no body can
        // be found is the unknown coding's doing, so it is told about that. Either way the connection is closed.
        if self.codings.other {
            return Err(Error::CodingUnsupported);
        }
        if self.expects_else {
            return Err(Error::ExpectationUnknown);
        }
        Ok(())
    }
}

impl Codings {
    /// RFC 9112 §6.1: `Transfer-Encoding = #transfer-coding`. Empty elements, which RFC 9110 §5.6.1.2 would have ignored
    /// in reasonable number, are refused: for this field the reasonable number is none.
    fn list(&mut self, value: &[u8]) -> Result<(), Error> {
        for element in elements(value) {
            let mut parts = element.splitn(2, |&byte| byte == b';');
            let coding = token::trim(parts.next().unwrap_or_default());
            let has_parameters = parts.next().is_some();
            let is_chunked = coding.eq_ignore_ascii_case(b"chunked");
            // RFC 9112 §7.1: parameters of chunked should be treated as an error.
            if !token::is_token(coding) || (is_chunked && has_parameters) {
                return Err(Error::TransferEncodingInvalid);
            }
            // RFC 9112 §6.1, §6.3: chunked is the last coding, and only once.
            self.chunked_not_last |= self.chunked;
            self.chunked |= is_chunked;
            self.other |= !is_chunked;
            self.any = true;
        }
        Ok(())
    }
}

impl Connection {
    /// RFC 9110 §7.6.1: `Connection = #connection-option`, tokens, case-insensitive; empty elements are ignored as
    /// §5.6.1.2 demands.
    fn options(&mut self, value: &[u8]) -> Result<(), Error> {
        for option in elements(value) {
            let is = |known: &[u8]| option.eq_ignore_ascii_case(known);
            match option.len() {
                0 => {}
                5 if is(b"close") => self.close = true,
                10 if is(b"keep-alive") => self.keep_alive = true,
                7 if is(b"upgrade") => self.upgrade = true,
                _ if token::is_token(option) => {}
                _ => return Err(Error::ConnectionInvalid),
            }
        }
        Ok(())
    }
}

/// `1*DIGIT` within 64 bits.
fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}
