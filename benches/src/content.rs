//! Bytes that both sides know, so that each body can be compared with what it has to be.

use std::sync::OnceLock;

use crate::random::Random;

/// The most bytes that there are.
pub const BYTES: usize = 1 << 20;

/// The first `bytes` of the content that begins at `from`.
///
/// # Panics
///
/// Where that is more than there is.
pub fn content(from: usize, bytes: usize) -> &'static [u8] {
    static CONTENT: OnceLock<Vec<u8>> = OnceLock::new();
    let content = CONTENT.get_or_init(|| {
        let mut random = Random::new(1, 0);
        (0..BYTES).map(|_| random.byte()).collect()
    });
    &content[from..from + bytes]
}
