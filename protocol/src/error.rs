//! Why a request is refused, and the status code to refuse it with.

use core::fmt;

use http::StatusCode;

/// One variant for each cause for which a request is refused.
///
/// After any of these the connection's framing is not to be trusted: answer with [`status`](Self::status) and close.
///
/// ```
/// use ringlane_protocol::{Error, Limits, head};
///
/// let error = head::parse(b"GET / HTTP/1.1\r\n\r\n", &Limits::default()).unwrap_err();
/// assert_eq!(error, Error::HostMissing);
/// assert_eq!(error.status(), http::StatusCode::BAD_REQUEST);
/// assert_eq!(error.to_string(), "an HTTP/1.1 request needs a Host field");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Error {
    /// A line feed without a carriage return before it (RFC 9112 §2.2).
    BareLf,
    /// A carriage return without a line feed after it (RFC 9112 §2.2).
    BareCr,
    /// More than two empty lines before the request line (RFC 9112 §2.2).
    EmptyLines,

    /// The method is empty or has a byte that is no token character (RFC 9110 §9.1).
    MethodInvalid,
    /// The method is a token but none that an origin server of this kind knows (RFC 9110 §15.6.2).
    MethodUnknown,
    /// CONNECT, which only a proxy can answer (RFC 9110 §9.3.6).
    ConnectRefused,
    /// The target is outside the grammar of RFC 9112 §3.2 and RFC 3986, or empty.
    TargetInvalid,
    /// The target has a fragment, which clients must not send (RFC 9110 §7.1).
    TargetFragment,
    /// The target has userinfo before its host (RFC 9110 §4.2.4).
    TargetUserinfo,
    /// The target's form does not go with the method (RFC 9112 §3.2.3, §3.2.4).
    TargetForm,
    /// The target is longer than [`Limits::target_bytes_max`](crate::Limits::target_bytes_max) (RFC 9112 §3).
    TargetTooLong,
    /// The request line ends after the target, as in HTTP/0.9 (RFC 9112 §3).
    VersionMissing,
    /// The version is not `HTTP/` DIGIT `.` DIGIT with CRLF after it (RFC 9112 §2.3).
    VersionInvalid,
    /// The major version is not 1 (RFC 9110 §15.6.6); the HTTP/2 preface too.
    VersionUnsupported,

    /// The head is longer than [`Limits::head_bytes_max`](crate::Limits::head_bytes_max) (RFC 6585 §5).
    HeadTooLarge,
    /// The head has more lines than [`Limits::fields_max`](crate::Limits::fields_max) (RFC 6585 §5).
    TooManyFields,
    /// Whitespace between the request line and the first field (RFC 9112 §2.2).
    SpaceBeforeFields,
    /// A field that goes on in a next line, led by whitespace (RFC 9112 §5.2).
    ObsFold,
    /// A field name that is empty or has a byte that is no token character (RFC 9110 §5.1).
    FieldNameInvalid,
    /// Whitespace between a field name and its colon (RFC 9112 §5.1).
    SpaceBeforeColon,
    /// A control byte other than HTAB in a field value (RFC 9110 §5.5).
    FieldValueInvalid,

    /// HTTP/1.1 without Host (RFC 9112 §3.2).
    HostMissing,
    /// More than one Host line (RFC 9112 §3.2).
    HostRepeated,
    /// A Host that is empty or no `uri-host [ ":" port ]` (RFC 9110 §7.2, RFC 9112 §3.2).
    HostInvalid,
    /// A Content-Length that is not one decimal number of 64 bits (RFC 9110 §8.6).
    ContentLengthInvalid,
    /// More than one Content-Length line, be they equal or not (RFC 9112 §6.3).
    ContentLengthRepeated,
    /// A Transfer-Encoding that is no list of codings, or chunked with a parameter (RFC 9112 §6.1, §7.1).
    TransferEncodingInvalid,
    /// Transfer-Encoding in HTTP/1.0, which does not know it (RFC 9112 §6.1).
    TransferEncodingInHttp10,
    /// Transfer-Encoding together with Content-Length (RFC 9112 §6.1).
    TransferEncodingAndContentLength,
    /// The chunked coding applied twice, or followed by another one (RFC 9112 §6.1, §6.3).
    ChunkedNotLast,
    /// A transfer coding other than chunked (RFC 9112 §6.1).
    CodingUnsupported,
    /// A Connection that is no list of tokens (RFC 9110 §7.6.1).
    ConnectionInvalid,
    /// An expectation other than 100-continue (RFC 9110 §10.1.1).
    ExpectationUnknown,
    /// TRACE with content (RFC 9110 §9.3.8).
    TraceWithContent,

    /// The body is longer than the service allows (RFC 9110 §15.5.14).
    BodyTooLarge,
    /// A chunk size that is not 1 to 16 hexadecimal digits with an extension or CRLF after it (RFC 9112 §7.1).
    ChunkSizeInvalid,
    /// A chunk extension outside the grammar (RFC 9112 §7.1.1).
    ChunkExtensionInvalid,
    /// More than 16 KiB of chunk extensions in one body (RFC 9112 §7.1.1).
    ChunkExtensionsTooLong,
    /// Chunk data without CRLF after it (RFC 9112 §7.1).
    ChunkEndMissing,
    /// A trailer that would change framing, routing or the connection (RFC 9110 §6.5.1).
    TrailerForbidden,
    /// More than 8 KiB of trailers (RFC 9112 §7.1.2, RFC 6585 §5).
    TrailersTooLarge,
}

impl Error {
    /// The status code to answer with.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::MethodUnknown | Self::CodingUnsupported => StatusCode::NOT_IMPLEMENTED,
            Self::ConnectRefused => StatusCode::METHOD_NOT_ALLOWED,
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::VersionUnsupported => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::HeadTooLarge | Self::TooManyFields | Self::TrailersTooLarge => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::ExpectationUnknown => StatusCode::EXPECTATION_FAILED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn phrase(self) -> &'static str {
        match self {
            Self::BareLf => "a line ends in LF without CR",
            Self::BareCr => "a CR is not followed by LF",
            Self::EmptyLines => "more than two empty lines precede the request line",
            Self::MethodInvalid => "the method is not a token",
            Self::MethodUnknown => "the method is not known to this server",
            Self::ConnectRefused => "this server is not a proxy and refuses CONNECT",
            Self::TargetInvalid => "the request target is not valid; percent-encode what the URI grammar excludes",
            Self::TargetFragment => "the request target has a fragment",
            Self::TargetUserinfo => "the request target has userinfo",
            Self::TargetForm => "the request target's form does not go with the method",
            Self::TargetTooLong => "the request target is longer than the limit",
            Self::VersionMissing => "the request line has no HTTP version",
            Self::VersionInvalid => "the HTTP version is malformed",
            Self::VersionUnsupported => "the HTTP version is not 1.0 or 1.1",
            Self::HeadTooLarge => "the request head is longer than the limit",
            Self::TooManyFields => "the request head has more fields than the limit",
            Self::SpaceBeforeFields => "whitespace precedes the first field",
            Self::ObsFold => "a field is folded over lines",
            Self::FieldNameInvalid => "a field name is not a token followed by a colon",
            Self::SpaceBeforeColon => "whitespace precedes the colon of a field",
            Self::FieldValueInvalid => "a field value has a control byte",
            Self::HostMissing => "an HTTP/1.1 request needs a Host field",
            Self::HostRepeated => "there is more than one Host field",
            Self::HostInvalid => "the Host field is not a host with an optional port",
            Self::ContentLengthInvalid => "the Content-Length is not one decimal number",
            Self::ContentLengthRepeated => "there is more than one Content-Length field",
            Self::TransferEncodingInvalid => "the Transfer-Encoding is malformed",
            Self::TransferEncodingInHttp10 => "HTTP/1.0 has no Transfer-Encoding",
            Self::TransferEncodingAndContentLength => "Transfer-Encoding and Content-Length exclude each other",
            Self::ChunkedNotLast => "chunked must be the last transfer coding, once",
            Self::CodingUnsupported => "the only transfer coding known to this server is chunked",
            Self::ConnectionInvalid => "the Connection field is not a list of tokens",
            Self::ExpectationUnknown => "the only expectation known to this server is 100-continue",
            Self::TraceWithContent => "a TRACE request has no content",
            Self::BodyTooLarge => "the body is longer than the limit",
            Self::ChunkSizeInvalid => "a chunk size is malformed or too large",
            Self::ChunkExtensionInvalid => "a chunk extension is malformed",
            Self::ChunkExtensionsTooLong => "the chunk extensions are longer than the limit",
            Self::ChunkEndMissing => "chunk data is not followed by CRLF",
            Self::TrailerForbidden => "a trailer would change framing, routing or the connection",
            Self::TrailersTooLarge => "the trailers are longer than the limit",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.phrase())
    }
}

impl core::error::Error for Error {}
