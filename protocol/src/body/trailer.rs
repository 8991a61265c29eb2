//! Which fields a trailer section must not have, told while the name comes in.

/// RFC 9110 §6.5.1: fields that frame, route or steer the message or its connection, lower-case. Merged into a head they
/// would change what was already decided; so a sender that puts them here is up to something.
const FORBIDDEN: [&[u8]; 8] = [
    b"content-length",
    b"transfer-encoding",
    b"host",
    b"connection",
    b"upgrade",
    b"expect",
    b"te",
    b"trailer",
];

/// A name being compared with all of [`FORBIDDEN`] at once, without keeping its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NameMatch {
    /// Bit `i`: the first `len` bytes of name `i` are those seen so far.
    candidates: u8,
    len: u8,
}

impl NameMatch {
    pub(super) fn new(first: u8) -> Self {
        let mut name = Self {
            candidates: u8::MAX,
            len: 0,
        };
        name.push(first);
        name
    }

    pub(super) fn push(&mut self, byte: u8) {
        for (index, forbidden) in FORBIDDEN.iter().enumerate() {
            if forbidden.get(usize::from(self.len)) != Some(&byte.to_ascii_lowercase()) {
                self.candidates &= !(1 << index);
            }
        }
        // Longer than any of them, no candidate is left.
        self.len = self.len.saturating_add(1);
    }

    /// Whether the name, now complete, is one of them.
    pub(super) fn is_forbidden(self) -> bool {
        FORBIDDEN
            .iter()
            .enumerate()
            .any(|(index, forbidden)| self.candidates & 1 << index != 0 && forbidden.len() == usize::from(self.len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_forbidden(name: &str) -> bool {
        let (first, rest) = name.as_bytes().split_first().unwrap();
        let mut matching = NameMatch::new(*first);
        rest.iter().for_each(|&byte| matching.push(byte));
        matching.is_forbidden()
    }

    /// RFC 9110 §6.5.1; names are case-insensitive (§5.1).
    #[test]
    fn forbidden_names_are_told_from_their_neighbours() {
        for name in FORBIDDEN.map(|name| String::from_utf8(name.to_vec()).unwrap()) {
            assert!(is_forbidden(&name), "{name}");
            assert!(is_forbidden(&name.to_ascii_uppercase()), "{name}");
            assert!(!is_forbidden(&format!("{name}s")), "{name}");
            assert!(!is_forbidden(&format!("x{name}")), "{name}");
            assert!(!is_forbidden(&name[..name.len() - 1]), "{name}");
        }
        assert!(!is_forbidden(&"host".repeat(200)));
    }
}
