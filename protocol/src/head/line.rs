//! A request line taken apart, by whichever way it was read.

use super::method::Method;
use super::target::{Form, Target};
use crate::Error;

/// `SP "HTTP/1." DIGIT CRLF` after the target (RFC 9112 §3).
pub(super) const AFTER_TARGET_BYTES: usize = 11;

/// A request line whose parts are valid each; offsets are relative to the window.
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

impl Line {
    /// RFC 9112 §3.2.3, §3.2.4: authority-form goes with CONNECT and with nothing else, asterisk-form with OPTIONS.
    pub(super) fn check_form(&self) -> Result<(), Error> {
        let fits = match self.target.form {
            Form::Authority => self.method == Some(Method::Connect),
            Form::Asterisk => self.method == Some(Method::Options),
            Form::Origin | Form::Absolute => self.method != Some(Method::Connect),
        };
        if fits { Ok(()) } else { Err(Error::TargetForm) }
    }
}
