//! A request line taken apart, by whichever way it was read.

use super::method::Method;
use super::target::Target;

/// `SP "HTTP/1." DIGIT CRLF` after the target (RFC 9112 §3).
pub(super) const AFTER_TARGET_BYTES: usize = 11;

/// A request line whose parts are valid each; offsets are relative to the window, which begins where the input does.
pub(super) struct Line {
    /// `None` for a token that is no method of an origin server.
    pub(super) method: Option<Method>,
    pub(super) target_start: usize,
    pub(super) target_end: usize,
    /// Its offsets are relative to `target_start`.
    pub(super) target: Target,
    /// Whether the version is 1.0; otherwise it is 1.1 or is handled like it.
    pub(super) is_http_10: bool,
}
