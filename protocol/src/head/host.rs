//! `uri-host [ ":" port ]`, as in the Host field and in targets (RFC 9110 §7.2, RFC 3986 §3.2.2).
//!
//! Where the RFCs leave a choice: an empty host is refused (RFC 9110 §4.2.1 demands it of http URIs), so is an IPv6 zone
//! or an IP literal of a future version, so is a port that TCP cannot have. An empty port is in the grammar and taken.

use core::net::Ipv6Addr;

use memchr::memchr;

use crate::{token, word};

const PORT_MAX: u32 = 65_535;

/// A non-empty host, with or without a port.
#[inline]
pub(super) fn is_host(value: &[u8]) -> bool {
    match after_host(value) {
        Some([] | [b':']) => true,
        Some([b':', port @ ..]) => is_port(port),
        _ => false,
    }
}

/// Bytes of the longest host at the start of `bytes` that has no brackets and no percent-encoding, and of the port behind it;
/// `None` where there is no such host, or the port is wrong. The one pass that nearly every Host field takes.
#[inline]
pub(super) fn plain_len(bytes: &[u8]) -> Option<usize> {
    let host = token::plain_reg_name_len(bytes);
    let end = match bytes.get(host)? {
        b':' => host + 1 + plain_port_len(&bytes[host + 1..])?,
        _ => host,
    };
    (host > 0).then_some(end)
}

/// A non-empty host with a non-empty port: RFC 9112 §3.2.3, where no scheme gives a default.
pub(super) fn is_host_and_port(value: &[u8]) -> bool {
    matches!(after_host(value), Some([b':', port @ ..]) if is_port(port))
}

/// What follows the longest non-empty host at the start of `value`.
#[inline]
fn after_host(value: &[u8]) -> Option<&[u8]> {
    if let [b'[', literal @ ..] = value {
        return after_literal(literal);
    }
    let rest = &value[token::reg_name_len(value)..];
    (rest.len() < value.len()).then_some(rest)
}

/// What follows an IPv6 address and its closing bracket.
fn after_literal(literal: &[u8]) -> Option<&[u8]> {
    let (address, rest) = literal.split_at_checked(memchr(b']', literal)?)?;
    core::str::from_utf8(address).ok()?.parse::<Ipv6Addr>().ok()?;
    rest.get(1..)
}

/// How many digits `bytes` begin with; `None` where that is no number that TCP can have as a port. Four digits always are.
#[inline]
fn plain_port_len(bytes: &[u8]) -> Option<usize> {
    let len = match bytes.first_chunk().and_then(word::first_non_digit) {
        Some(len) => len,
        None => bytes.iter().position(|byte| !byte.is_ascii_digit())?,
    };
    (len <= 4 || is_port(&bytes[..len])).then_some(len)
}

/// A non-empty decimal number that TCP can have as a port.
fn is_port(digits: &[u8]) -> bool {
    let mut number = 0;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 || number > PORT_MAX {
            return false;
        }
        number = number * 10 + u32::from(digit);
    }
    !digits.is_empty() && number <= PORT_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every short text of these bytes, behind nothing and behind a word's length of a host.
    #[test]
    fn plain_hosts_are_the_hosts_without_brackets_and_percent_signs() {
        const BYTES: &[u8] = b"a.:%[] 6059_";
        let mut texts = vec![Vec::new()];
        for length in 0..5 {
            let shorter: Vec<Vec<u8>> = texts.iter().filter(|text| text.len() == length).cloned().collect();
            for text in shorter {
                texts.extend(BYTES.iter().map(|&byte| [&text[..], &[byte]].concat()));
            }
        }
        for before in ["", "example.", "example.com:6", "example.com:0006553"] {
            for text in &texts {
                let value = [before.as_bytes(), text].concat();
                let is_plain = plain_len(&[&value[..], b"\r\n"].concat()) == Some(value.len());
                let has_others = value.iter().any(|byte| b"%[".contains(byte));
                assert_eq!(is_plain, is_host(&value) && !has_others, "{}", value.escape_ascii());
            }
        }
    }
}
