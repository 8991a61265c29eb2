//! The methods that an origin server knows (RFC 9110 §9.3, RFC 5789).

/// Bytes after which a method cannot become a known one; the longest have 7. A longer method is answered at once, as
/// RFC 9112 §3 recommends, and not collected up to the head's limit.
pub(super) const METHOD_BYTES_MAX: usize = 32;

/// A known method; its number is its place in [`KNOWN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Trace,
    Patch,
    Connect,
}

static KNOWN: [http::Method; 9] = [
    http::Method::GET,
    http::Method::HEAD,
    http::Method::POST,
    http::Method::PUT,
    http::Method::DELETE,
    http::Method::OPTIONS,
    http::Method::TRACE,
    http::Method::PATCH,
    http::Method::CONNECT,
];

impl Method {
    /// Methods are case-sensitive (RFC 9110 §9.1).
    pub(super) fn new(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            b"CONNECT" => Self::Connect,
            _ => return None,
        })
    }

    pub(super) fn as_http(self) -> &'static http::Method {
        &KNOWN[self as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_methods_go_there_and_back() {
        for known in &KNOWN {
            let method = Method::new(known.as_str().as_bytes()).unwrap();
            assert_eq!(method.as_http(), known);
        }
    }
}
