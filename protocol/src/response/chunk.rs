//! The frames around the data of a chunked body (RFC 9112 §7.1).

/// What follows the data of each chunk.
pub const CHUNK_SUFFIX: &[u8] = b"\r\n";

/// The end of a chunked body: the last chunk and no trailers.
pub const CHUNK_LAST: &[u8] = b"0\r\n\r\n";

/// What precedes `len` bytes of chunk data: their number in hexadecimal digits, and CRLF.
///
/// A chunk of no bytes is how a body ends: leave out empty pieces of data, and end with [`CHUNK_LAST`].
///
/// ```
/// use ringlane_protocol::response::{CHUNK_LAST, CHUNK_SUFFIX, chunk_prefix};
///
/// let mut scratch = [0; 18];
/// let body = [chunk_prefix(26, &mut scratch), b"abcdefghijklmnopqrstuvwxyz", CHUNK_SUFFIX, CHUNK_LAST].concat();
/// assert_eq!(body, b"1a\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n");
/// ```
#[must_use]
pub fn chunk_prefix(len: usize, out: &mut [u8; 18]) -> &[u8] {
    let mut rest = len;
    let mut start = out.len() - CHUNK_SUFFIX.len();
    out[start..].copy_from_slice(CHUNK_SUFFIX);
    loop {
        start -= 1;
        out[start] = b"0123456789abcdef"[rest & 0xf];
        rest >>= 4;
        if rest == 0 {
            return &out[start..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_is_what_fmt_writes() {
        for shift in 0..usize::BITS {
            for len in [usize::MAX >> shift, 1 << shift, 0] {
                assert_eq!(chunk_prefix(len, &mut [0; 18]), format!("{len:x}\r\n").as_bytes());
            }
        }
    }
}
