//! Text of any origin as a JSON string (RFC 8259 §7).

/// Writes bytes as a JSON string, quotes included. What is no UTF-8 becomes U+FFFD; control characters are escaped, those
/// from U+0080 to U+009F too, which a terminal would obey, and the separators of lines that JavaScript knows.
pub(super) fn push_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            push_char(out, character);
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    out.push(b'"');
}

fn push_char(out: &mut Vec<u8>, character: char) {
    match character {
        '"' | '\\' => out.extend_from_slice(&[b'\\', character as u8]),
        '\0'..=' ' if character != ' ' => push_escape(out, character),
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => push_escape(out, character),
        _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn push_escape(out: &mut Vec<u8>, character: char) {
    out.extend_from_slice(b"\\u");
    let number = u32::from(character);
    for shift in [12, 8, 4, 0] {
        out.push(b"0123456789abcdef"[(number >> shift & 15) as usize]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_have_no_line_ends_and_no_control_characters() {
        let table: [(&[u8], &str); 7] = [
            (b"", r#""""#),
            (b"a \"b\" \\c", r#""a \"b\" \\c""#),
            (b"a\r\nb\0\x1b[2J\x7f", r#""a\u000d\u000ab\u0000\u001b[2J\u007f""#),
            ("caf\u{e9} \u{1f980}".as_bytes(), "\"caf\u{e9} \u{1f980}\""),
            ("\u{9b}2J\u{2028}\u{2029}".as_bytes(), r#""\u009b2J\u2028\u2029""#),
            (b"\xff\xc3(", "\"\u{fffd}\u{fffd}(\""),
            (b"\xed\xa0\x80", "\"\u{fffd}\u{fffd}\u{fffd}\""),
        ];
        for (bytes, expected) in table {
            let mut out = Vec::new();
            push_string(&mut out, bytes);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
