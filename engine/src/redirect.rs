//! Responses that send the client elsewhere (RFC 9110 §15.4).

use http::StatusCode;

use crate::response::Response;

/// Redirects. `location` is a URI or a path, absolute or relative to the request's (RFC 9110 §10.2.2). What a URI cannot have
/// (spaces, control bytes, quotes, `<`, `>`, `\`, `^`, `` ` ``, `{`, `|`, `}` and what is not ASCII) is percent-encoded, so that no text
/// can end the field, add another one, or be read by a browser as something else. What is percent-encoded already stays as
/// it is.
///
/// A location that comes from the client can name another host (`//evil.example/`): check it against those that you mean.
///
/// ```
/// use ringlane::Response;
///
/// let response = Response::see_other("/things/café 7");
/// assert_eq!(response.status(), 303);
/// assert_eq!(response.field("location"), Some(&b"/things/caf%C3%A9%207"[..]));
/// ```
impl Response {
    /// 301: moved for good. Clients may change POST to GET; [`Response::permanent_redirect`] does not let them.
    pub fn moved_permanently(location: impl AsRef<str>) -> Response {
        redirect(StatusCode::MOVED_PERMANENTLY, location.as_ref())
    }

    /// 302: elsewhere for now. Clients may change POST to GET; [`Response::temporary_redirect`] does not let them.
    pub fn found(location: impl AsRef<str>) -> Response {
        redirect(StatusCode::FOUND, location.as_ref())
    }

    /// 303: what answers this request is there, to be fetched by GET; the usual answer to a form.
    pub fn see_other(location: impl AsRef<str>) -> Response {
        redirect(StatusCode::SEE_OTHER, location.as_ref())
    }

    /// 307: elsewhere for now; the client repeats the request there, with its method and body.
    pub fn temporary_redirect(location: impl AsRef<str>) -> Response {
        redirect(StatusCode::TEMPORARY_REDIRECT, location.as_ref())
    }

    /// 308: moved for good; the client repeats the request there, with its method and body.
    pub fn permanent_redirect(location: impl AsRef<str>) -> Response {
        redirect(StatusCode::PERMANENT_REDIRECT, location.as_ref())
    }
}

fn redirect(status: StatusCode, location: &str) -> Response {
    let mut response = Response::new(status);
    let added = response.add_header("Location", encode(location));
    debug_assert!(added.is_ok(), "an encoded location is a field value");
    response
}

/// Encodes what is neither reserved nor unreserved (RFC 3986 §2.2, §2.3) nor a percent sign.
fn encode(location: &str) -> String {
    let mut encoded = String::with_capacity(location.len());
    for byte in location.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value & 15)]);
            encoded.extend(['%', digit(byte >> 4), digit(byte)]);
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_redirect_has_its_status() {
        for (response, status) in [
            (Response::moved_permanently("/a"), 301),
            (Response::found("/a"), 302),
            (Response::see_other("/a"), 303),
            (Response::temporary_redirect("/a"), 307),
            (Response::permanent_redirect("/a"), 308),
        ] {
            assert_eq!(response.status(), status);
            assert_eq!(response.field("Location"), Some(&b"/a"[..]));
            assert_eq!(response.body(), Some(&b""[..]));
        }
    }

    #[test]
    fn no_location_leaves_its_field() {
        for (location, encoded) in [
            (
                "https://example.org:8080/a?b=c&d[]=%20#e",
                "https://example.org:8080/a?b=c&d[]=%20#e",
            ),
            ("/a\r\nSet-Cookie: b=c", "/a%0D%0ASet-Cookie:%20b=c"),
            ("/\0\x7f\t", "/%00%7F%09"),
            ("/caf\u{e9}", "/caf%C3%A9"),
            (r"/\evil.example", "/%5Cevil.example"),
            ("/<\"`{|}^>", "/%3C%22%60%7B%7C%7D%5E%3E"),
            (" /a ", "%20/a%20"),
            ("", ""),
        ] {
            assert_eq!(encode(location), encoded, "{location:?}");
        }
        for byte in 0..=0x7f_u8 {
            let encoded = encode(&char::from(byte).to_string());
            assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()), "{byte:#x}");
        }
    }
}
