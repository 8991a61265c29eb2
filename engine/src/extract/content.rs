//! What forms and JSON have in common: the type of the content, and why it could not be read.

use std::fmt;

use bytes::Bytes;
use http::StatusCode;

use crate::body::BodyError;
use crate::request::Request;
use crate::response::{IntoResponse, Response};

/// How much of what a client has sent is told back to it, in bytes.
const QUOTED_BYTES_MAX: usize = 200;

/// Why the content of a request could not be read as the type that was asked for.
///
/// As a response it has the status that its cause calls for, and says what is wrong.
///
/// ```
/// use ringlane::IntoResponse;
/// use ringlane::extract::ContentError;
///
/// let error = ContentError::Type { expected: "application/json", found: Some("text/plain".to_owned()) };
/// assert_eq!(error.to_string(), "the body has to be application/json, and is text/plain");
/// assert_eq!(error.into_response().status(), 415);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ContentError {
    /// The `Content-Type` is another one, or none: 415 (RFC 9110 §15.5.16).
    Type {
        /// What it has to be.
        expected: &'static str,
        /// What it is.
        found: Option<String>,
    },
    /// The content is compressed or otherwise coded: 415 with `Accept-Encoding: identity` (RFC 9110 §15.5.16).
    Coding {
        /// The `Content-Encoding`.
        found: String,
    },
    /// The body could not be received, or is longer than its limit: 400, 408 or 413.
    Body(BodyError),
    /// There are more fields than 1000: 413.
    TooManyFields,
    /// The syntax is broken: 400.
    Malformed {
        /// What is wrong, and where.
        problem: String,
    },
    /// The syntax is right, and the content is not what was asked for: 422 (RFC 9110 §15.5.21).
    Mismatch {
        /// What is wrong, and where.
        problem: String,
    },
}

impl fmt::Display for ContentError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentError::Type {
                expected,
                found: Some(found),
            } => write!(out, "the body has to be {expected}, and is {found}"),
            ContentError::Type { expected, found: None } => {
                write!(
                    out,
                    "the body has to be {expected}, and the request has no Content-Type"
                )
            }
            ContentError::Coding { found } => {
                write!(
                    out,
                    "the body is coded as {found}: send it as it is, without Content-Encoding"
                )
            }
            ContentError::Body(error) => error.fmt(out),
            ContentError::TooManyFields => out.write_str("there are more than 1000 fields"),
            ContentError::Malformed { problem } => write!(out, "the body is malformed: {problem}"),
            ContentError::Mismatch { problem } => write!(out, "the body is not what was asked for: {problem}"),
        }
    }
}

impl std::error::Error for ContentError {}

impl From<BodyError> for ContentError {
    fn from(error: BodyError) -> ContentError {
        ContentError::Body(error)
    }
}

impl IntoResponse for ContentError {
    fn into_response(self) -> Response {
        let status = match self {
            ContentError::Body(error) => return error.into_response(),
            ContentError::Coding { .. } => {
                let response = Response::text(self.to_string()).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE);
                return response.header("Accept-Encoding", "identity").into_response();
            }
            ContentError::Type { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            ContentError::TooManyFields => StatusCode::PAYLOAD_TOO_LARGE,
            ContentError::Malformed { .. } => StatusCode::BAD_REQUEST,
            ContentError::Mismatch { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        };
        (status, self.to_string()).into_response()
    }
}

/// The whole body of a request whose content is of the right type and not coded; `limit` in bytes.
pub(super) async fn read(
    request: &Request,
    expected: &'static str,
    is_expected: fn(&str) -> bool,
    limit: usize,
) -> Result<Bytes, ContentError> {
    check_head(request.header("content-type"), expected, is_expected)?;
    if let Some(coding) = request.header("content-encoding")
        && !coding.eq_ignore_ascii_case(b"identity")
    {
        let found = quoted(&String::from_utf8_lossy(coding));
        return Err(ContentError::Coding { found });
    }
    Ok(request.body().bytes(limit).await?)
}

/// RFC 9110 §8.3.1: type and subtype have no case, and parameters may follow.
fn check_head(
    content_type: Option<&[u8]>,
    expected: &'static str,
    is_expected: fn(&str) -> bool,
) -> Result<(), ContentError> {
    let found = content_type.map(String::from_utf8_lossy);
    let is_right = found.as_deref().is_some_and(|found| {
        let essence = found.split(';').next().unwrap_or_default().trim();
        is_expected(&essence.to_ascii_lowercase())
    });
    if is_right {
        return Ok(());
    }
    let found = found.map(|found| quoted(&found));
    Err(ContentError::Type { expected, found })
}

/// A problem in the words of a deserialiser, which may hold all that the client has sent, at the place where it is.
pub(super) fn problem(path: &str, words: &str) -> String {
    let words = quoted(words);
    if path == "." {
        words
    } else {
        format!("{}: {words}", quoted(path))
    }
}

/// The beginning of a text, as much of it as is told back.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().find(|(at, _)| *at >= QUOTED_BYTES_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_without_case_and_parameters() {
        let is_form = |found: Option<&str>| check_head(found.map(str::as_bytes), "a/b", |essence| essence == "a/b");
        for found in ["a/b", "A/B", "a/b;charset=utf-8", " a/b ; x=\"y;z\""] {
            assert_eq!(is_form(Some(found)), Ok(()), "{found}");
        }
        for found in [None, Some(""), Some("a"), Some("a/bc"), Some("x;a/b"), Some("a/b, a/b")] {
            let error = is_form(found).expect_err("it is another type");
            let expected = ContentError::Type {
                expected: "a/b",
                found: found.map(str::to_owned),
            };
            assert_eq!(error, expected);
        }
    }

    #[test]
    fn what_is_told_back_is_short() {
        let long = "\u{e9}".repeat(5000);
        assert!(quoted(&long).len() <= QUOTED_BYTES_MAX + 4);
        assert_eq!(quoted("short"), "short");
        assert!(problem(&long, &long).len() < 3 * QUOTED_BYTES_MAX);
        assert_eq!(problem(".", "why"), "why");
        assert_eq!(problem("a.b", "why"), "a.b: why");
    }

    #[test]
    fn each_cause_has_its_status() {
        let problem = String::new;
        for (error, status) in [
            (
                ContentError::Type {
                    expected: "a/b",
                    found: None,
                },
                415,
            ),
            (ContentError::Coding { found: problem() }, 415),
            (ContentError::Body(BodyError::TooLarge), 413),
            (ContentError::TooManyFields, 413),
            (ContentError::Malformed { problem: problem() }, 400),
            (ContentError::Mismatch { problem: problem() }, 422),
        ] {
            assert_eq!(error.into_response().status(), status);
        }
        let coded = ContentError::Coding {
            found: "gzip".to_owned(),
        };
        assert_eq!(coded.into_response().field("accept-encoding"), Some(&b"identity"[..]));
    }
}
