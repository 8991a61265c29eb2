//! JSON in requests and responses.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::content::{self, ContentError};
use crate::reject;
use crate::request::Request;
use crate::response::{IntoResponse, Response};

const TYPE: &str = "application/json";

/// JSON.
impl Request {
    /// The body, JSON (RFC 8259), as a type of one's own. Its length is limited by
    /// [`Service::body_bytes_max`](crate::Service::body_bytes_max), or `body_bytes_max` of the configuration, alone; a service that lets some
    /// requests be long limits its JSON by [`Request::json_within`]. Arrays and objects may be nested 127 deep. What they take
    /// in memory is up to the type: a `serde_json::Value` takes sixteen times the shortest text of its elements, or more.
    ///
    /// # Errors
    ///
    /// [`ContentError`]: 415 where the `Content-Type` is neither `application/json` nor one that ends in `+json` (RFC 6839 §3.1), 413
    /// where the body is too long, 400 with line and column where it is not JSON, 422 with the place where it is not such
    /// a `T`.
    pub async fn json<T: DeserializeOwned>(&self) -> Result<T, ContentError> {
        self.json_within(usize::MAX).await
    }

    /// As [`Request::json`], with a limit of its own in bytes.
    ///
    /// # Errors
    ///
    /// As [`Request::json`].
    pub async fn json_within<T: DeserializeOwned>(&self, limit: usize) -> Result<T, ContentError> {
        let bytes = content::read(self, TYPE, is_json, limit).await?;
        parse(&bytes)
    }
}

/// A reply in JSON: 200 with `Content-Type: application/json`. What cannot be serialised is a 500 that keeps the error
/// ([`Response::error`]).
///
/// ```
/// use ringlane::IntoResponse;
/// use ringlane::extract::Json;
///
/// let response = Json([1, 2, 3]).into_response();
/// assert_eq!(response.body(), Some(&b"[1,2,3]"[..]));
/// assert_eq!(response.field("content-type"), Some(&b"application/json"[..]));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Json<T>(
    /// What is serialised.
    pub T,
);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => Response::bytes(TYPE, bytes),
            Err(error) => reject::failed(error),
        }
    }
}

fn is_json(essence: &str) -> bool {
    essence == TYPE || essence.ends_with("+json") && essence.contains('/')
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ContentError> {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let parsed = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| refusal(&error.path().to_string(), error.inner()))?;
    deserializer.end().map_err(|error| refusal(".", &error))?;
    Ok(parsed)
}

fn refusal(path: &str, error: &serde_json::Error) -> ContentError {
    let (line, column) = (error.line(), error.column());
    let words = error.to_string();
    let words = words
        .strip_suffix(&format!(" at line {line} column {column}"))
        .unwrap_or(&words);
    let at = format!("line {line}, column {column}");
    match error.classify() {
        Category::Data => ContentError::Mismatch {
            problem: format!("{} ({at})", content::problem(path, words)),
        },
        Category::Syntax | Category::Eof | Category::Io => ContentError::Malformed {
            problem: format!("{} ({at})", content::quoted(words)),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Note {
        text: String,
        #[serde(default)]
        marks: Vec<u8>,
    }

    #[test]
    fn json_is_known_by_its_type() {
        for essence in ["application/json", "application/problem+json", "image/x+json"] {
            assert!(is_json(essence), "{essence}");
        }
        for essence in [
            "",
            "json",
            "+json",
            "text/json",
            "application/jsonp",
            "application/json+xml",
        ] {
            assert!(!is_json(essence), "{essence}");
        }
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        for (text, problem) in [
            ("", "EOF while parsing a value (line 1, column 0)"),
            ("{", "EOF while parsing an object (line 1, column 1)"),
            ("{\n  text: 1}", "key must be a string (line 2, column 3)"),
            (r#"{"text":"a"} x"#, "trailing characters (line 1, column 14)"),
            (r#"{"text":"a","marks":[1,]}"#, "trailing comma (line 1, column 24)"),
            (
                r#"{"text":"\ud800"}"#,
                "unexpected end of hex escape (line 1, column 16)",
            ),
        ] {
            let expected = ContentError::Malformed {
                problem: problem.to_owned(),
            };
            assert_eq!(parse::<Note>(text.as_bytes()), Err(expected), "{text}");
        }
        for text in [&b"{\"text\":\"\xff\"}"[..], b"\xef\xbb\xbf{}", b"\0", b"NaN"] {
            let error = parse::<Value>(text).expect_err("it is no JSON");
            assert!(
                matches!(error, ContentError::Malformed { .. }),
                "{}",
                text.escape_ascii()
            );
        }
    }

    #[test]
    fn what_is_of_another_shape_is_named() {
        for (text, problem) in [
            ("{}", "missing field `text` (line 1, column 2)"),
            (
                r#"{"text":7}"#,
                "text: invalid type: integer `7`, expected a string (line 1, column 9)",
            ),
            (
                r#"{"text":"a","marks":[1,2,300]}"#,
                "marks[2]: invalid value: integer `300`, expected u8 (line 1, column 28)",
            ),
            (
                r#"{"text":"a","text":"b"}"#,
                "duplicate field `text` (line 1, column 18)",
            ),
        ] {
            let expected = ContentError::Mismatch {
                problem: problem.to_owned(),
            };
            assert_eq!(parse::<Note>(text.as_bytes()), Err(expected), "{text}");
        }
        let long = format!("\"{}\"", "x".repeat(1 << 20));
        let error = parse::<u8>(long.as_bytes()).expect_err("it is no number");
        assert!(error.to_string().len() < 500, "{error}");
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse::<Value>(nested(127).as_bytes()).is_ok());
        for text in [nested(128), "[".repeat(1 << 20), "{\"a\":".repeat(1 << 20)] {
            let error = parse::<Value>(text.as_bytes()).expect_err("it is too deep");
            assert!(
                matches!(&error, ContentError::Malformed { problem } if problem.contains("recursion limit")),
                "{error}"
            );
        }
    }

    #[test]
    fn what_cannot_be_serialised_is_kept() {
        let keyed = BTreeMap::from([(vec![1], "a key has to be a string")]);
        let response = Json(keyed).into_response();
        assert_eq!((response.status().as_u16(), response.body()), (500, Some(&b""[..])));
        assert_eq!(
            response.error().expect("it is kept").to_string(),
            "key must be a string"
        );
    }
}
