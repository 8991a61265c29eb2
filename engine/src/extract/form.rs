//! Queries and forms as types of one's own.

use std::fmt;

use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::content::{self, ContentError};
use crate::request::Request;
use crate::response::{IntoResponse, Response};

const TYPE: &str = "application/x-www-form-urlencoded";

/// The most fields of a query or a form. Each takes some twenty times the memory of its shortest text until it is in its place.
const FIELDS_MAX: usize = 1000;

/// Queries and forms. Names and values are decoded as the URL standard says (`%2B`, and `+` for a space); a percent sign that begins no
/// encoding stands for itself. A name that comes more than once is a `Vec`; names that the type does not have are passed
/// over. At most 1000 fields are taken.
impl Request {
    /// The query as a type of one's own; none is taken as an empty one. What needs no decoding may be borrowed (`&str`).
    ///
    /// ```no_run
    /// use ringlane::{Reject, Request, Server};
    /// use serde::Deserialize;
    ///
    /// #[derive(Deserialize)]
    /// struct Search {
    ///     q: String,
    ///     #[serde(default)]
    ///     tag: Vec<String>,
    ///     page: Option<u32>,
    /// }
    ///
    /// // /?q=io_uring&tag=linux&tag=io&page=2
    /// Server::bind("127.0.0.1:8080").serve(|_core| async |request: Request| {
    ///     let search: Search = request.query_as()?;
    ///     let page = search.page.unwrap_or(1);
    ///     Ok::<_, Reject>(format!("{} in {:?}, page {page}\n", search.q, search.tag))
    /// })?;
    /// # Ok::<(), ringlane::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`QueryError`], which is a 400 that names the field.
    pub fn query_as<'a, T: Deserialize<'a>>(&'a self) -> Result<T, QueryError> {
        parse(self.query().unwrap_or_default().as_bytes()).map_err(|problem| QueryError {
            problem: match problem {
                Problem::Malformed(problem) | Problem::Mismatch(problem) => problem,
                Problem::TooManyFields => ContentError::TooManyFields.to_string(),
            },
        })
    }

    /// The body, an HTML form (`application/x-www-form-urlencoded`), as a type of one's own. Its length is limited by
    /// [`Service::body_bytes_max`](crate::Service::body_bytes_max), or `body_bytes_max` of the configuration, alone; a service that lets some
    /// requests be long limits its forms by [`Request::form_within`].
    ///
    /// # Errors
    ///
    /// [`ContentError`]: 415 for another type, 413 where it is too long, 400 for what does not decode to UTF-8, 422 for what is not such
    /// a `T`.
    pub async fn form<T: DeserializeOwned>(&self) -> Result<T, ContentError> {
        self.form_within(usize::MAX).await
    }

    /// As [`Request::form`], with a limit of its own in bytes.
    ///
    /// # Errors
    ///
    /// As [`Request::form`].
    pub async fn form_within<T: DeserializeOwned>(&self, limit: usize) -> Result<T, ContentError> {
        let bytes = content::read(self, TYPE, |essence| essence == TYPE, limit).await?;
        parse(&bytes).map_err(|problem| match problem {
            Problem::Malformed(problem) => ContentError::Malformed { problem },
            Problem::Mismatch(problem) => ContentError::Mismatch { problem },
            Problem::TooManyFields => ContentError::TooManyFields,
        })
    }
}

/// A query that is not of the type that was asked for; as a response, a 400 that says why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    problem: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the query is not what was asked for: {}", self.problem)
    }
}

impl std::error::Error for QueryError {}

impl IntoResponse for QueryError {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, self.to_string()).into_response()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Problem {
    TooManyFields,
    Malformed(String),
    Mismatch(String),
}

fn parse<'a, T: Deserialize<'a>>(fields: &'a [u8]) -> Result<T, Problem> {
    if memchr::memchr_iter(b'&', fields).count() >= FIELDS_MAX {
        return Err(Problem::TooManyFields);
    }
    if !decodes_to_utf_8(fields) {
        return Err(Problem::Malformed("what it decodes to is not UTF-8".to_owned()));
    }
    let fields = serde_html_form::Deserializer::from_bytes(fields);
    serde_path_to_error::deserialize(fields).map_err(|error| {
        let words = match error.inner().to_string() {
            // That is all it says of a field for which there is one place.
            words if words == "unsupported value" => "it is there more than once".to_owned(),
            words => words,
        };
        Problem::Mismatch(content::problem(&error.path().to_string(), &words))
    })
}

/// Whether all names and values are UTF-8 once they are decoded. The URL standard would put U+FFFD in the place of what is not. Since `&`
/// and `=` end every sequence, they need not be looked at one by one.
fn decodes_to_utf_8(fields: &[u8]) -> bool {
    if memchr::memchr(b'%', fields).is_none() {
        return std::str::from_utf8(fields).is_ok();
    }
    let digit = |at: usize| fields.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut decoded = Vec::with_capacity(fields.len());
    let mut at = 0;
    while let Some(&byte) = fields.get(at) {
        if let (b'%', Some(high), Some(low)) = (byte, digit(at + 1), digit(at + 2)) {
            decoded.push((high << 4 | low) as u8);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    std::str::from_utf8(&decoded).is_ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Form {
        #[serde(default)]
        name: String,
        #[serde(default)]
        tag: Vec<String>,
        age: Option<u8>,
    }

    fn form(name: &str, tag: &[&str], age: Option<u8>) -> Form {
        Form {
            name: name.to_owned(),
            tag: tag.iter().map(|&tag| tag.to_owned()).collect(),
            age,
        }
    }

    #[test]
    fn fields_are_decoded() {
        for (text, expected) in [
            ("", form("", &[], None)),
            ("&&", form("", &[], None)),
            ("name=a", form("a", &[], None)),
            ("name=", form("", &[], None)),
            ("name", form("", &[], None)),
            ("name=a+b%20c%2Bd", form("a b c+d", &[], None)),
            ("name=caf%C3%A9", form("caf\u{e9}", &[], None)),
            ("name=caf\u{e9}", form("caf\u{e9}", &[], None)),
            ("n%61me=a=b", form("a=b", &[], None)),
            ("name=100%&age=7", form("100%", &[], Some(7))),
            ("name=%zz%4", form("%zz%4", &[], None)),
            ("name=%00", form("\0", &[], None)),
            ("tag=a&age=&tag=b", form("", &["a", "b"], None)),
            ("other=1&name=a", form("a", &[], None)),
        ] {
            assert_eq!(parse(text.as_bytes()), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, problem) in [
            ("age=x", "age: invalid digit found in string"),
            ("age=256", "age: number too large to fit in target type"),
            ("name=a&name=b", "name: it is there more than once"),
        ] {
            let expected = Problem::Mismatch(problem.to_owned());
            assert_eq!(parse::<Form>(text.as_bytes()), Err(expected), "{text}");
        }
        let missing = parse::<BTreeMap<String, u8>>(b"a=1&b=").expect_err("b is no number");
        assert_eq!(
            missing,
            Problem::Mismatch("b: cannot parse integer from empty string".to_owned())
        );
    }

    #[test]
    fn what_is_no_utf_8_is_malformed() {
        for text in [
            &b"name=%ff"[..],
            b"name=\xff",
            b"%c3=%a9",
            b"name=%C3%28",
            b"name=%ed%a0%80",
            b"name=a%20\xc3",
        ] {
            let error = parse::<Form>(text).expect_err("it is no UTF-8");
            assert!(matches!(error, Problem::Malformed(_)), "{}", text.escape_ascii());
        }
    }

    #[test]
    fn what_needs_no_decoding_is_borrowed() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Borrowed<'a> {
            name: &'a str,
        }
        assert_eq!(parse(b"name=a"), Ok(Borrowed { name: "a" }));
        assert!(parse::<Borrowed<'_>>(b"name=%61").is_err());
    }

    #[test]
    fn fields_are_limited() {
        let many = |count: usize| vec!["a=b"; count].join("&");
        assert!(parse::<Vec<(String, String)>>(many(FIELDS_MAX).as_bytes()).is_ok());
        assert_eq!(
            parse::<Vec<(String, String)>>(many(FIELDS_MAX + 1).as_bytes()),
            Err(Problem::TooManyFields)
        );
        assert!(
            ContentError::TooManyFields
                .to_string()
                .contains(&FIELDS_MAX.to_string())
        );
    }
}
