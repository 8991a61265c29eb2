//! The limits of a request head.

/// How large a request head may be.
///
/// ```
/// use ringlane_protocol::Limits;
///
/// let limits = Limits { fields_max: 32, ..Limits::default() };
/// assert_eq!(limits.target_bytes_max, 8 * 1024);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the request target; more is answered with 414 (RFC 9112 §3). Default 8 KiB.
    pub target_bytes_max: usize,
    /// Bytes of the head from the method to the final CRLF; more is answered with 431 (RFC 6585 §5). Default 16 KiB;
    /// values above 16 MiB count as 16 MiB.
    pub head_bytes_max: usize,
    /// Field lines of the head; more are answered with 431 (RFC 6585 §5). Default 100; values above 256 count as 256.
    pub fields_max: usize,
}

/// What `head_bytes_max` cannot exceed, so that every offset in a head fits in 32 bits.
pub(crate) const HEAD_BYTES_CEILING: usize = 16 * 1024 * 1024;

/// What `fields_max` cannot exceed.
pub(crate) const FIELDS_CEILING: usize = 256;

impl Limits {
    pub(crate) fn head_bytes(&self) -> usize {
        self.head_bytes_max.min(HEAD_BYTES_CEILING)
    }

    pub(crate) fn fields(&self) -> usize {
        self.fields_max.min(FIELDS_CEILING)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            target_bytes_max: 8 * 1024,
            head_bytes_max: 16 * 1024,
            fields_max: 100,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the documentation of the fields says.
    #[test]
    fn limits_have_ceilings() {
        let limits = Limits {
            target_bytes_max: usize::MAX,
            head_bytes_max: usize::MAX,
            fields_max: usize::MAX,
        };
        assert_eq!((limits.head_bytes(), limits.fields()), (16_777_216, 256));
    }
}
