//! Byte classes of RFC 9110 and RFC 3986, all in one table of 256 bytes.

use crate::word::{self, Usual};

/// `tchar` (RFC 9110 §5.6.2).
const TOKEN: u8 = 1;
/// `pchar` without percent-encoding, and `/` (RFC 3986 §3.3).
const PATH: u8 = 2;
/// `reg-name` without percent-encoding (RFC 3986 §3.2.2).
const REG_NAME: u8 = 4;
/// What a field value is made of: `field-vchar`, SP and HTAB (RFC 9110 §5.5).
const VALUE: u8 = 8;
/// What paths have, and `?` (RFC 3986 §3.4).
const QUERY: u8 = 32;
/// What occurs anywhere in any form of request target (RFC 9112 §3.2).
const TARGET: u8 = 16;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        table[index] = class(index as u8);
        index += 1;
    }
    table
}

/// All classes of a byte, each added once.
const fn class(byte: u8) -> u8 {
    let mut class = 0;
    if is_tchar(byte) {
        class += TOKEN;
    }
    if is_unreserved_or_sub_delim(byte) {
        class += REG_NAME;
    }
    if is_unreserved_or_sub_delim(byte) || matches!(byte, b':' | b'@' | b'/') {
        class += PATH;
    }
    if is_unreserved_or_sub_delim(byte) || matches!(byte, b':' | b'@' | b'/' | b'?') {
        class += QUERY;
    }
    if is_unreserved_or_sub_delim(byte) || matches!(byte, b':' | b'@' | b'/' | b'?' | b'%' | b'[' | b']') {
        class += TARGET;
    }
    if byte == b'\t' || (byte >= b' ' && byte != 0x7f) {
        class += VALUE;
    }
    class
}

/// `tchar` (RFC 9110 §5.6.2).
const fn is_tchar(byte: u8) -> bool {
    match byte {
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~' => true,
        _ => byte.is_ascii_alphanumeric(),
    }
}

/// `unreserved / sub-delims` (RFC 3986 §2.2, §2.3).
const fn is_unreserved_or_sub_delim(byte: u8) -> bool {
    match byte {
        b'-' | b'.' | b'_' | b'~' => true,
        b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => true,
        _ => byte.is_ascii_alphanumeric(),
    }
}

fn is(byte: u8, class: u8) -> bool {
    CLASSES[usize::from(byte)] & class != 0
}

pub(crate) fn is_token_byte(byte: u8) -> bool {
    is(byte, TOKEN)
}

pub(crate) fn is_value_byte(byte: u8) -> bool {
    is(byte, VALUE)
}

pub(crate) fn is_target_byte(byte: u8) -> bool {
    is(byte, TARGET)
}

/// `token = 1*tchar` (RFC 9110 §5.6.2).
pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is(byte, TOKEN))
}

/// What most names of fields are made of.
const USUAL_TOKEN: Usual<1> = Usual::letters_and([(b'-', b'-')]);
const USUAL_VALUE: Usual<1> = Usual {
    letters: false,
    ranges: [(b' ', b'~')],
    above_ascii: true,
};
const USUAL_PATH: Usual<1> = Usual::letters_and([(b'&', b';')]);
const USUAL_QUERY: Usual<2> = Usual::letters_and([(b'&', b';'), (b'=', b'=')]);
const USUAL_REG_NAME: Usual<2> = Usual::letters_and([(b'-', b'.'), (b'0', b'9')]);

/// Bytes of the longest token at the start of `bytes`, which may be none.
#[inline]
pub(crate) fn token_len(bytes: &[u8]) -> usize {
    class_len(bytes, TOKEN, &USUAL_TOKEN)
}

/// Bytes of the longest field value at the start of `bytes`, with the whitespace around it.
#[inline]
pub(crate) fn value_len(bytes: &[u8]) -> usize {
    class_len(bytes, VALUE, &USUAL_VALUE)
}

/// Bytes of the longest path at the start of `bytes`.
#[inline]
pub(crate) fn path_len(bytes: &[u8]) -> usize {
    percent_encoded_len(bytes, PATH, &USUAL_PATH)
}

/// Bytes of the longest query at the start of `bytes`.
#[inline]
pub(crate) fn query_len(bytes: &[u8]) -> usize {
    percent_encoded_len(bytes, QUERY, &USUAL_QUERY)
}

/// Bytes of the longest `reg-name` at the start of `bytes`; IPv4 addresses are a part of these.
pub(crate) fn reg_name_len(bytes: &[u8]) -> usize {
    percent_encoded_len(bytes, REG_NAME, &USUAL_REG_NAME)
}

/// The same without percent-encoding.
#[inline]
pub(crate) fn plain_reg_name_len(bytes: &[u8]) -> usize {
    class_len(bytes, REG_NAME, &USUAL_REG_NAME)
}

/// Bytes of `class` at the start of `bytes`. They are passed over by words up to the first that is unusual: it may be one of the
/// class all the same, which the table decides; but none that is not of the class may be usual.
#[inline(always)]
fn class_len<const RANGES: usize>(bytes: &[u8], class: u8, usual: &Usual<RANGES>) -> usize {
    let len = word::usual_len(bytes, usual);
    match bytes.get(len) {
        Some(&byte) if is(byte, class) => unusual_class_len(bytes, len, class, usual),
        _ => len,
    }
}

/// The same where `len` bytes are known to be of the class. Rare, and not to take registers from what is not.
#[inline(never)]
fn unusual_class_len<const RANGES: usize>(bytes: &[u8], mut len: usize, class: u8, usual: &Usual<RANGES>) -> usize {
    while let Some((&byte, after)) = bytes.get(len..).and_then(<[u8]>::split_first)
        && is(byte, class)
    {
        len += 1 + word::usual_len(after, usual);
    }
    len
}

/// How far `bytes` are of `class` or `pct-encoded = "%" HEXDIG HEXDIG` (RFC 3986 §2.1).
#[inline(always)]
fn percent_encoded_len<const RANGES: usize>(bytes: &[u8], class: u8, usual: &Usual<RANGES>) -> usize {
    let len = class_len(bytes, class, usual);
    match bytes.get(len) {
        Some(b'%') => len + percent_encoded_len_from(&bytes[len..], class),
        _ => len,
    }
}

/// The same for bytes that begin with a percent sign.
fn percent_encoded_len_from(bytes: &[u8], class: u8) -> usize {
    let mut len = 0;
    while let Some(&byte) = bytes.get(len) {
        len += match byte {
            _ if is(byte, class) => 1,
            b'%' if is_pair(bytes.get(len + 1..len + 3)) => 3,
            _ => break,
        }
    }
    len
}

fn is_pair(digits: Option<&[u8]>) -> bool {
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

/// Without the `OWS = *( SP / HTAB )` around it (RFC 9110 §5.6.3).
#[inline]
pub(crate) fn trim(bytes: &[u8]) -> &[u8] {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    if is_space(bytes.first()) || is_space(bytes.last()) {
        trim_spaces(bytes)
    } else {
        bytes
    }
}

fn trim_spaces(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_ends_where_the_first_byte_ends_it() {
        check(token_len, TOKEN, b"gZ-_9");
        check(value_len, VALUE, b" ~\x80\xff\t");
        check(path_len, PATH, b"gZ&;/_~@");
        check(query_len, QUERY, b"gZ&;?=_");
        check(reg_name_len, REG_NAME, b"gZ-._!");
        check(plain_reg_name_len, REG_NAME, b"gZ-._!9");
    }

    /// Every byte at every place of two words and a bit, among bytes of the class that are no part of a percent-encoding.
    fn check(class_len: fn(&[u8]) -> usize, class: u8, arounds: &[u8]) {
        for &around in arounds {
            for place in 0..20 {
                for byte in 0..=255 {
                    let mut bytes = [around; 20];
                    bytes[place] = byte;
                    let naive = bytes.iter().position(|&byte| !is(byte, class)).unwrap_or(20);
                    assert_eq!(class_len(&bytes), naive, "{}", bytes.escape_ascii());
                    bytes[19] = b'\r';
                    assert_eq!(class_len(&bytes), naive.min(19), "{}", bytes.escape_ascii());
                }
            }
        }
    }

    /// RFC 3986 §2.1: a percent sign and two hexadecimal digits, anywhere and one behind the other.
    #[test]
    fn percent_encoding_is_passed_over() {
        for class_len in [path_len, query_len, reg_name_len] {
            for before in 0..20 {
                for (encoded, taken) in [
                    ("%4f", 3),
                    ("%4F%a0z%00", 10),
                    ("%4f%4", 3),
                    ("%4g", 0),
                    ("%4", 0),
                    ("%", 0),
                ] {
                    let bytes = [&[b'g'; 20][..before], encoded.as_bytes()].concat();
                    assert_eq!(class_len(&bytes), before + taken, "{}", bytes.escape_ascii());
                    assert_eq!(plain_reg_name_len(&bytes), before);
                }
            }
        }
    }

    fn members(class: u8) -> String {
        (0..=127_u8).filter(|&byte| is(byte, class)).map(char::from).collect()
    }

    /// RFC 9110 §5.6.2, RFC 3986 §2.2, §2.3, §3.3, §3.4: the classes spelt out, in ASCII order.
    #[test]
    fn classes_are_those_of_the_grammar() {
        let digits = "0123456789";
        let upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
        let lower = "abcdefghijklmnopqrstuvwxyz";
        assert_eq!(members(TOKEN), format!("!#$%&'*+-.{digits}{upper}^_`{lower}|~"));
        assert_eq!(members(PATH), format!("!$&'()*+,-./{digits}:;=@{upper}_{lower}~"));
        assert_eq!(members(QUERY), format!("!$&'()*+,-./{digits}:;=?@{upper}_{lower}~"));
        assert_eq!(members(REG_NAME), format!("!$&'()*+,-.{digits};={upper}_{lower}~"));
        assert_eq!(members(TARGET), format!("!$%&'()*+,-./{digits}:;=?@{upper}[]_{lower}~"));
    }

    /// RFC 9110 §5.5: obs-text belongs to values and to nothing else.
    #[test]
    fn bytes_above_ascii_belong_to_values_only() {
        assert_eq!(CLASSES[0x80..], [VALUE; 0x80]);
    }

    /// RFC 9110 §5.5: of the control bytes only HTAB.
    #[test]
    fn of_control_bytes_only_htab_belongs_to_values() {
        for byte in (0..0x20).chain([0x7f]) {
            assert_eq!(is_value_byte(byte), byte == b'\t', "{byte:#x}");
        }
    }
}
