//! The opening handshake: whether a request asks for a WebSocket in a way that can be granted (RFC 6455 §4.2).

use http::{Method, StatusCode};

use super::Options;
use crate::request::Request;
use crate::response::{IntoResponse, Response};

/// The only version of the protocol there is (RFC 6455 §4.1).
const VERSION: &str = "13";

/// Which pages' requests are granted.
#[derive(Clone, Debug)]
pub(super) enum Origins {
    Same,
    Any,
    Listed(Vec<String>),
}

/// What a valid handshake is answered with.
pub(super) struct Accepted<'a> {
    /// The value of `Sec-WebSocket-Accept`.
    pub(super) accept: String,
    pub(super) protocol: Option<&'a str>,
}

/// Judges a handshake; an error is the response that refuses it.
pub(super) fn judge<'a>(request: &Request, options: &'a Options) -> Result<Accepted<'a>, Response> {
    if request.method() != Method::GET {
        let refusal = refuse(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is asked for with GET\n");
        return Err(with(refusal, "Allow", "GET"));
    }
    let is_version = fields(request, "sec-websocket-version").eq([VERSION.as_bytes()]);
    if !asks_for_websocket(request) || !is_version {
        // RFC 6455 §4.4: the version that would have been understood; RFC 9110 §15.5.22: and the protocol.
        let refusal = Response::upgrade_required("websocket");
        return Err(with(refusal, "Sec-WebSocket-Version", VERSION));
    }
    if has_body(request) {
        return Err(refuse(StatusCode::BAD_REQUEST, "a WebSocket handshake has no body\n"));
    }
    let mut keys = fields(request, "sec-websocket-key");
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) if is_key(key) => key,
        _ => {
            let reason = "the one Sec-WebSocket-Key is to be 16 bytes in base64\n";
            return Err(refuse(StatusCode::BAD_REQUEST, reason));
        }
    };
    if !is_origin_allowed(request, &options.origins) {
        return Err(refuse(StatusCode::FORBIDDEN, "no WebSocket for pages of this origin\n"));
    }
    Ok(Accepted {
        accept: tungstenite::handshake::derive_accept_key(key),
        protocol: agreed_protocol(request, &options.protocols),
    })
}

/// Adds a field of this module's own, which is always valid.
pub(super) fn with(response: Response, name: &str, value: &str) -> Response {
    response.header(name, value).unwrap_or_else(IntoResponse::into_response)
}

fn refuse(status: StatusCode, reason: &'static str) -> Response {
    (status, reason).into_response()
}

fn fields<'a>(request: &'a Request, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    let fields = request.headers();
    fields
        .filter(move |(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// The elements of the lists in all fields of a name (RFC 9110 §5.6.1).
fn elements<'a>(request: &'a Request, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    let lists = fields(request, name).flat_map(|value| value.split(|byte| *byte == b','));
    lists.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

fn asks_for_websocket(request: &Request) -> bool {
    request.wants_upgrade() && elements(request, "upgrade").any(|name| name.eq_ignore_ascii_case(b"websocket"))
}

/// Content would be taken for frames.
fn has_body(request: &Request) -> bool {
    let is_chunked = request.header("transfer-encoding").is_some();
    is_chunked
        || request
            .header("content-length")
            .is_some_and(|length| length.iter().any(|digit| *digit != b'0'))
}

/// Whether it is 16 bytes in base64 (RFC 6455 §4.2.1); what they are matters to nobody.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    key.len() == 24 && key[..22].iter().all(is_digit) && key[22..] == *b"=="
}

/// RFC 6455 §10.2: browsers say which page asks; whoever is no browser may say anything, or nothing.
fn is_origin_allowed(request: &Request, origins: &Origins) -> bool {
    let mut asking = fields(request, "origin");
    let Some(origin) = asking.next() else {
        return true;
    };
    let is_only = asking.next().is_none();
    is_only
        && match origins {
            Origins::Any => true,
            Origins::Listed(allowed) => allowed.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(origin)),
            Origins::Same => {
                let authority = origin
                    .strip_prefix(b"https://")
                    .or_else(|| origin.strip_prefix(b"http://"));
                let host = request.header("host");
                authority
                    .zip(host)
                    .is_some_and(|(page, own)| page.eq_ignore_ascii_case(own))
            }
        }
}

/// The first protocol of the client's list that is known (RFC 6455 §4.2.2); names are compared as they are.
fn agreed_protocol<'a>(request: &Request, known: &'a [String]) -> Option<&'a str> {
    let mut offered = elements(request, "sec-websocket-protocol");
    offered.find_map(|name| known.iter().find(|one| one.as_bytes() == name).map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_sixteen_bytes_in_base64() {
        for key in [
            "dGhlIHNhbXBsZSBub25jZQ==",
            "AAAAAAAAAAAAAAAAAAAAAA==",
            "+/+/+/+/+/+/+/+/+/+/+g==",
        ] {
            assert!(is_key(key.as_bytes()), "{key}");
        }
        for key in [
            "",
            "==",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZSE=",
            "dGhlIHNhbXBsZSBub25j====",
            "dGhlIHNhbXBsZSBub25jZ-==",
            "dGhlIHNhbXBsZSBub25jZQ==AAAA",
        ] {
            assert!(!is_key(key.as_bytes()), "{key}");
        }
    }

    /// RFC 6455 §1.3.
    #[test]
    fn the_key_of_the_standard_is_accepted_as_there() {
        let accept = tungstenite::handshake::derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
