//! Cookies of requests and responses.

use std::fmt::{self, Write};

use cookie::Cookie;

use crate::reject;
use crate::request::Request;
use crate::response::{IntoResponse, Response};

/// Cookies, as sent: values are not decoded, and quotes around them stay ([`Cookie::value_trimmed`] is without them).
impl Request {
    /// The cookies in the order in which they came, with names that may repeat. Anybody can send any cookie: what must not be made up has
    /// to be signed, or to be a key that cannot be guessed.
    ///
    /// What is not a name and a value (RFC 6265 §4.2.1), and what is not UTF-8, is passed over; no request is refused for it.
    /// There are as many as `head_bytes_max` lets in; nothing is copied or allocated for them.
    pub fn cookies(&self) -> impl Iterator<Item = Cookie<'_>> {
        let fields = self.headers().filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        fields.flat_map(|(_, value)| pairs(value))
    }

    /// The first cookie of this name. Names have case.
    pub fn cookie(&self, name: &str) -> Option<Cookie<'_>> {
        self.cookies().find(|cookie| cookie.name() == name)
    }
}

/// Cookies.
impl Response {
    /// Has the client keep a cookie (RFC 6265 §4.1).
    ///
    /// ```
    /// use ringlane::Response;
    /// use ringlane::extract::{Cookie, SameSite, cookie::time::Duration};
    ///
    /// let cookie = Cookie::build(("session", "b64af1"))
    ///     .path("/")
    ///     .http_only(true)
    ///     .secure(true)
    ///     .same_site(SameSite::Lax)
    ///     .max_age(Duration::days(7));
    /// let response = Response::text("welcome").with_cookie(cookie)?;
    /// assert_eq!(
    ///     response.field("Set-Cookie"),
    ///     Some(&b"session=b64af1; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=604800"[..])
    /// );
    /// # Ok::<(), ringlane::extract::CookieError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`CookieError`] where a part has a byte that it cannot have (RFC 6265 §4.1.1), so that no value can add attributes or fields of its
    /// own. As a handler's result the error is a 500.
    pub fn with_cookie<'c>(mut self, cookie: impl Into<Cookie<'c>>) -> Result<Response, CookieError> {
        let cookie = cookie.into();
        let error = |part| CookieError {
            name: cookie.name().to_owned(),
            part,
        };
        check(&cookie).map_err(error)?;
        let mut line = String::new();
        write!(line, "{cookie}").map_err(|_| error(Part::Expires))?;
        self.add_header("Set-Cookie", line).map_err(|_| error(Part::Value))?;
        Ok(self)
    }

    /// Has the client forget a cookie. It does so only where name, `Path` and `Domain` are those that it was set with.
    ///
    /// # Errors
    ///
    /// As [`Response::with_cookie`].
    pub fn without_cookie<'c>(self, cookie: impl Into<Cookie<'c>>) -> Result<Response, CookieError> {
        let mut cookie = cookie.into();
        cookie.make_removal();
        self.with_cookie(cookie)
    }
}

/// A cookie that cannot be sent as it is; as a response a 500, which keeps it ([`Response::error`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CookieError {
    name: String,
    part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Name,
    Value,
    Path,
    Domain,
    Expires,
}

impl fmt::Display for CookieError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the cookie {:?} cannot be set: ", self.name)?;
        out.write_str(match self.part {
            Part::Name => "its name is not a token; use letters, digits, hyphens and underscores only",
            Part::Value => {
                "its value has a space, a quote, a comma, a semicolon, a backslash, a control byte or what is not ASCII; \
                 encode it, by base64 or percent-encoding for example"
            }
            Part::Path => "its Path has a semicolon or a control byte; leave it out or percent-encode it",
            Part::Domain => "its Domain has a semicolon or a control byte; name a host",
            Part::Expires => "its Expires cannot be written as a date; set a Max-Age instead",
        })
    }
}

impl std::error::Error for CookieError {}

impl IntoResponse for CookieError {
    fn into_response(self) -> Response {
        reject::failed(self)
    }
}

/// RFC 6265 §4.2.1, as lenient as servers have to be: a name, `=`, and a value up to the next semicolon.
fn pairs(value: &[u8]) -> impl Iterator<Item = Cookie<'_>> {
    value.split(|byte| *byte == b';').filter_map(|pair| {
        let (name, value) = std::str::from_utf8(pair).ok()?.split_once('=')?;
        let (name, value) = (name.trim_ascii(), value.trim_ascii());
        (!name.is_empty()).then(|| Cookie::new(name, value))
    })
}

/// RFC 6265 §4.1.1.
fn check(cookie: &Cookie<'_>) -> Result<(), Part> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let is_octet = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
    let is_attribute = |byte: u8| (b' '..0x7f).contains(&byte) && byte != b';';
    let value = cookie.value();
    let bare = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value);
    if cookie.name().is_empty() || !cookie.name().bytes().all(is_token) {
        Err(Part::Name)
    } else if !bare.bytes().all(is_octet) {
        Err(Part::Value)
    } else if !cookie.path().unwrap_or_default().bytes().all(is_attribute) {
        Err(Part::Path)
    } else if !cookie.domain().unwrap_or_default().bytes().all(is_attribute) {
        Err(Part::Domain)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_pair_is_passed_over() {
        for (field, expected) in [
            (&b""[..], &[][..]),
            (b"a=b", &[("a", "b")]),
            (b"a=b; c=d", &[("a", "b"), ("c", "d")]),
            (b"a=b;c=d;", &[("a", "b"), ("c", "d")]),
            (b";;a=b;;", &[("a", "b")]),
            (b"a=b; a=c", &[("a", "b"), ("a", "c")]),
            (b"a", &[]),
            (b"=b", &[]),
            (b" = ; a=b", &[("a", "b")]),
            (b"a=", &[("a", "")]),
            (b"a=b=c", &[("a", "b=c")]),
            (b" a = b ", &[("a", "b")]),
            (b"a=\"b c\"", &[("a", "\"b c\"")]),
            (b"a=%20", &[("a", "%20")]),
            (b"a=\xff; b=c", &[("b", "c")]),
            (b"a=caf\xc3\xa9", &[("a", "caf\u{e9}")]),
        ] {
            let pairs: Vec<_> = pairs(field).collect();
            let pairs: Vec<_> = pairs.iter().map(Cookie::name_value).collect();
            assert_eq!(pairs, expected, "{}", field.escape_ascii());
        }
    }

    #[test]
    fn no_part_leaves_its_place() {
        let part = |cookie: Cookie<'_>| Response::text("").with_cookie(cookie).map_err(|error| error.part);
        for name in ["", "a b", "a=b", "a;b", "a\r\nb", "caf\u{e9}"] {
            assert_eq!(part(Cookie::new(name, "v")).err(), Some(Part::Name), "{name:?}");
        }
        for value in [
            "a b",
            "a;b",
            "a,b",
            "a\"b",
            "\"",
            "a\\b",
            "a\r\nX: y",
            "\0",
            "caf\u{e9}",
        ] {
            assert_eq!(part(Cookie::new("a", value)).err(), Some(Part::Value), "{value:?}");
        }
        for value in ["", "b", "\"b\"", "\"\"", "a=b", "a/+:%20"] {
            assert!(part(Cookie::new("a", value)).is_ok(), "{value:?}");
        }
        let path = Cookie::build(("a", "b")).path("/; Domain=evil").build();
        assert_eq!(part(path).err(), Some(Part::Path));
        let domain = Cookie::build(("a", "b")).domain("a\nb").build();
        assert_eq!(part(domain).err(), Some(Part::Domain));
    }

    #[test]
    fn a_removal_is_long_past() {
        let response = Response::text("").without_cookie(Cookie::build(("a", "b")).path("/x"));
        let response = response.expect("it can be set");
        let line = response
            .field("set-cookie")
            .map(String::from_utf8_lossy)
            .unwrap_or_default();
        assert!(line.starts_with("a=; Path=/x; Max-Age=0; Expires="), "{line}");
    }

    #[test]
    fn an_error_says_which_cookie() {
        let error = Response::text("")
            .with_cookie(("a", "b c"))
            .expect_err("it has a space");
        assert!(
            error
                .to_string()
                .starts_with("the cookie \"a\" cannot be set: its value")
        );
        let response = error.into_response();
        assert_eq!((response.status().as_u16(), response.error().is_some()), (500, true));
    }
}
