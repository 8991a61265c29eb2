//! The rules again, written for being obviously right and not for speed, on whole input only.

use super::{Decoded, End};
use crate::Error;
use crate::body::Framing;

/// A valid head, split by its lines.
pub struct Head<'a> {
    pub(super) method: &'a str,
    pub(super) target: &'a str,
    pub(super) version: &'a str,
    pub(super) fields: Vec<(&'a str, &'a [u8])>,
}

impl<'a> Head<'a> {
    /// # Panics
    ///
    /// If `bytes` are not one well-formed head, as far as lines and their parts go.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut lines = split(bytes, b"\r\n");
        assert!(
            lines
                .iter()
                .all(|line| !line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)))
        );
        assert_eq!(
            (lines.pop(), lines.pop()),
            (Some(&b""[..]), Some(&b""[..])),
            "the empty line"
        );
        lines.retain(|line| !line.is_empty());
        let request_line = core::str::from_utf8(lines[0]).expect("ASCII");
        let [method, target, version] = request_line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("three parts: {request_line}");
        };
        let fields = lines[1..].iter().map(|line| {
            let colon = line.iter().position(|&byte| byte == b':').expect("a colon");
            (
                core::str::from_utf8(&line[..colon]).expect("ASCII"),
                trim(&line[colon + 1..]),
            )
        });
        Self {
            method,
            target,
            version,
            fields: fields.collect(),
        }
    }

    fn values(&self, name: &str) -> Vec<&'a [u8]> {
        self.fields
            .iter()
            .filter(|field| field.0.eq_ignore_ascii_case(name))
            .map(|field| field.1)
            .collect()
    }
}

/// The one unambiguous reading of a valid head's framing fields (RFC 9112 §6.3).
///
/// # Panics
///
/// If there is more than one reading.
pub(super) fn framing(head: &[u8]) -> Framing {
    let head = Head::new(head);
    match (
        &head.values("content-length")[..],
        &head.values("transfer-encoding")[..],
    ) {
        ([], []) => Framing::None,
        ([], [coding]) => {
            assert!(coding.eq_ignore_ascii_case(b"chunked"));
            Framing::Chunked
        }
        ([length], []) => {
            assert!(length.iter().all(u8::is_ascii_digit));
            match core::str::from_utf8(length).expect("digits").parse().expect("64 bits") {
                0 => Framing::None,
                length => Framing::Length(length),
            }
        }
        fields => panic!("ambiguous: {fields:?}"),
    }
}

/// Bytes of the head at the start of `input`, up to the first empty line behind the ones that are ignored.
pub(super) fn head_len(input: &[u8]) -> Option<usize> {
    let ignored = [&b"\r\n\r\n"[..], b"\r\n", b""]
        .into_iter()
        .find(|lines| input.starts_with(lines))?
        .len();
    let at = input[ignored..].windows(4).position(|window| window == b"\r\n\r\n")?;
    Some(ignored + at + 4)
}

/// Whether another request may follow a valid head's (RFC 9112 §9.3).
pub(super) fn keep_alive(head: &[u8]) -> bool {
    let head = Head::new(head);
    let options = head.values("connection").join(&b","[..]).to_ascii_lowercase();
    let has = |name: &[u8]| options.split(|&byte| byte == b',').any(|option| trim(option) == name);
    !has(b"close") && (head.version != "HTTP/1.0" || has(b"keep-alive"))
}

/// The naive twin of the chunked decoder. Errors are those of the right status code, not always the same ones.
pub(super) fn decode_chunked(input: &[u8], body_bytes_max: u64) -> Decoded {
    let mut data = Vec::new();
    let end = decode_into(&mut data, input, body_bytes_max).unwrap_or_else(|end| end);
    Decoded { data, end }
}

/// The early ends are errors so that they can be passed on with a question mark.
fn decode_into(data: &mut Vec<u8>, input: &[u8], body_bytes_max: u64) -> Result<End, End> {
    let (mut at, mut size_total, mut extensions_total) = (0, 0_u64, 0);
    loop {
        let line = line(input, &mut at, Error::ChunkSizeInvalid)?;
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        let size = size(&line[..digits])?;
        extensions_total += line.len() - digits;
        if !are_extensions(&line[digits..]) || extensions_total > 16 * 1024 {
            return Err(End::Refused(Error::ChunkExtensionInvalid));
        }
        if size == 0 {
            break;
        }
        size_total = size_total
            .checked_add(size)
            .filter(|&total| total <= body_bytes_max)
            .ok_or(TOO_LARGE)?;
        let left = &input[at..];
        let here = left.len().min(size as usize);
        data.extend_from_slice(&left[..here]);
        at += here;
        match &left[here..] {
            [] | [b'\r'] => return Err(End::More),
            [b'\r', b'\n', ..] => at += 2,
            _ => return Err(End::Refused(Error::ChunkEndMissing)),
        }
    }
    let start = at;
    loop {
        let line = line(input, &mut at, Error::FieldNameInvalid);
        if at - start > 8 * 1024 || (line == Err(End::More) && input.len() - start > 8 * 1024) {
            return Err(End::Refused(Error::TrailersTooLarge));
        }
        match line? {
            [] => return Ok(End::Done(at)),
            line if !is_trailer(line) => return Err(End::Refused(Error::FieldNameInvalid)),
            _ => {}
        }
    }
}

const TOO_LARGE: End = End::Refused(Error::BodyTooLarge);

/// The next line without its CRLF.
fn line<'a>(input: &'a [u8], at: &mut usize, error: Error) -> Result<&'a [u8], End> {
    let rest = &input[*at..];
    let len = rest.iter().position(|&byte| byte == b'\n').ok_or(End::More)?;
    *at += len + 1;
    let line = rest[..len].strip_suffix(b"\r").ok_or(End::Refused(Error::BareLf))?;
    if line.contains(&b'\r') {
        Err(End::Refused(error))
    } else {
        Ok(line)
    }
}

fn size(digits: &[u8]) -> Result<u64, End> {
    let digits = core::str::from_utf8(digits).expect("digits");
    let size = u64::from_str_radix(digits, 16).map_err(|_| End::Refused(Error::ChunkSizeInvalid))?;
    if digits.len() > 16 {
        Err(End::Refused(Error::ChunkSizeInvalid))
    } else {
        Ok(size)
    }
}

/// `chunk-ext`, by taking one extension after the other off its front.
fn are_extensions(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(after) = trim_start(rest).strip_prefix(b";") else {
            return false;
        };
        let after = trim_start(after);
        let name = after.iter().take_while(|&&byte| is_token_byte(byte)).count();
        if name == 0 {
            return false;
        }
        rest = &after[name..];
        if let Some(value) = trim_start(rest).strip_prefix(b"=") {
            let value = trim_start(value);
            let Some(len) = value_len(value) else { return false };
            rest = &value[len..];
        }
    }
    true
}

/// `chunk-ext-val = token / quoted-string`
fn value_len(value: &[u8]) -> Option<usize> {
    if value.first() != Some(&b'"') {
        return Some(value.iter().take_while(|&&byte| is_token_byte(byte)).count()).filter(|&len| len > 0);
    }
    let mut at = 1;
    loop {
        match value.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' if is_value_byte(*value.get(at + 1)?) => at += 2,
            byte if *byte != b'\\' && is_value_byte(*byte) => at += 1,
            _ => return None,
        }
    }
}

fn is_trailer(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|&byte| byte == b':') else {
        return false;
    };
    let name = String::from_utf8_lossy(&line[..colon]).to_lowercase();
    let forbidden = [
        "content-length",
        "transfer-encoding",
        "host",
        "connection",
        "upgrade",
        "expect",
        "te",
        "trailer",
    ];
    colon > 0
        && line[..colon].iter().all(|&byte| is_token_byte(byte))
        && !forbidden.contains(&name.as_str())
        && line[colon..].iter().all(|&byte| is_value_byte(byte))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_value_byte(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

fn split<'a>(mut bytes: &'a [u8], separator: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = bytes.windows(separator.len()).position(|window| window == separator) {
        parts.push(&bytes[..at]);
        bytes = &bytes[at + separator.len()..];
    }
    parts.push(bytes);
    parts
}

fn trim_start(bytes: &[u8]) -> &[u8] {
    let len = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &bytes[len..]
}

fn trim(bytes: &[u8]) -> &[u8] {
    let bytes = trim_start(bytes);
    let len = bytes
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    &bytes[..bytes.len() - len]
}
