//! A response, as a handler makes it: status, fields, and a body that is whole, streamed, or an upgrade.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use http::StatusCode;
use ringlane_protocol::response::{FieldError, FieldLines, FieldValue};

use crate::body::BodyError;
use crate::chunk::Chunk;
use crate::upgrade::Upgraded;

/// What a handler answers.
///
/// The engine adds what framing and persistence need (`Content-Length` or `Transfer-Encoding`, `Connection`) and
/// `Date`. `HEAD`, 204, 205 and 304 get no body, whatever the response holds (RFC 9110 §6.4.1, §15.3.6).
///
/// ```
/// use ringlane::{Response, StatusCode};
///
/// let response = Response::text("made").with_status(StatusCode::CREATED).header("Location", "/things/7")?;
/// assert_eq!(response.status(), 201);
/// # Ok::<(), ringlane::FieldError>(())
/// ```
pub struct Response {
    pub(crate) lines: Lines,
    pub(crate) body: ResponseBody,
    pub(crate) close: bool,
    /// A streamed body ends where it is when the server stops.
    pub(crate) ends_on_stop: bool,
    /// A thin pointer, so that it costs responses without one next to nothing.
    error: Option<Box<Failure>>,
}

/// The error behind a response.
struct Failure(StreamError);

/// What a response's head says of its own; the rest is the connection's.
pub(crate) struct Lines {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<FieldValue<'static>>,
    pub(crate) fields: FieldLines,
}

const TEXT: FieldValue<'static> = FieldValue::constant("text/plain; charset=utf-8");

/// A response's body.
pub(crate) enum ResponseBody {
    Whole(Chunk),
    Stream {
        stream: Pin<Box<dyn Chunks>>,
        length: Option<u64>,
    },
    /// 426 where the client has not asked for it.
    Upgrade {
        protocol: FieldValue<'static>,
        run: UpgradeRun,
    },
    /// A 426 from the start. Boxed, as it is rare, and others are moved about.
    #[cfg_attr(
        not(feature = "websocket"),
        expect(dead_code, reason = "WebSockets alone have these")
    )]
    UpgradeRequired(Box<UpgradeRequired>),
}

/// What a 426 has to name (RFC 9110 §15.5.22), and its body.
pub(crate) struct UpgradeRequired {
    pub(crate) protocol: FieldValue<'static>,
    pub(crate) body: Chunk,
}

/// What runs an upgraded connection.
pub(crate) type UpgradeRun = Box<dyn FnOnce(Upgraded) -> Pin<Box<dyn Future<Output = ()>>>>;

/// Why a streamed body could not be finished; any error will do.
pub(crate) type StreamError = Box<dyn std::error::Error>;

/// A stream of chunks whose types have been forgotten.
pub(crate) trait Chunks {
    fn poll_chunk(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Chunk, StreamError>>>;
}

impl<S, C, E> Chunks for S
where
    S: Stream<Item = Result<C, E>>,
    C: Into<Chunk>,
    E: Into<StreamError>,
{
    fn poll_chunk(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Chunk, StreamError>>> {
        self.poll_next(context)
            .map(|item| item.map(|chunk| chunk.map(Into::into).map_err(Into::into)))
    }
}

impl Response {
    /// A response without a body. A status below 200 cannot be a final answer and becomes 500.
    pub fn new(status: StatusCode) -> Response {
        Response::made(StatusCode::OK, None, ResponseBody::Whole(Chunk::default())).with_status(status)
    }

    /// 200 with text: `Content-Type: text/plain; charset=utf-8`.
    pub fn text(text: impl Into<Chunk>) -> Response {
        Response::made(StatusCode::OK, Some(TEXT), ResponseBody::Whole(text.into()))
    }

    /// 200 with bytes of a given type. They are sent from where they lie; small ones are copied. A type with control bytes is
    /// left out.
    pub fn bytes(content_type: &'static str, bytes: impl Into<Chunk>) -> Response {
        Response::made(
            StatusCode::OK,
            FieldValue::new(content_type),
            ResponseBody::Whole(bytes.into()),
        )
    }

    /// 200 with a body that is made while it is sent, in the chunked coding (RFC 9112 §7.1). The stream is asked for its
    /// next chunk while less than `output_bytes_max` is queued. Where it fails, the connection is closed without the
    /// last chunk, so that the client sees that the body is not whole.
    pub fn stream<S, C, E>(content_type: &'static str, stream: S) -> Response
    where
        S: Stream<Item = Result<C, E>> + 'static,
        C: Into<Chunk>,
        E: Into<StreamError>,
    {
        let body = ResponseBody::Stream {
            stream: Box::pin(stream),
            length: None,
        };
        Response::made(StatusCode::OK, FieldValue::new(content_type), body)
    }

    /// As [`Response::stream`], for a body whose length in bytes is known: it is sent with `Content-Length` instead of in
    /// chunks. Where the stream yields fewer or more bytes, `length` of them at the most are sent and the connection is
    /// closed.
    pub fn stream_of_length<S, C, E>(content_type: &'static str, length: u64, stream: S) -> Response
    where
        S: Stream<Item = Result<C, E>> + 'static,
        C: Into<Chunk>,
        E: Into<StreamError>,
    {
        let body = ResponseBody::Stream {
            stream: Box::pin(stream),
            length: Some(length),
        };
        Response::made(StatusCode::OK, FieldValue::new(content_type), body)
    }

    /// 101: hands the connection over as a raw stream of bytes (RFC 9110 §7.8). `run` is called once the response is on
    /// its way; the connection is closed when its future ends and what it has written is sent. A request that did not
    /// ask for an upgrade to this protocol gets 426 instead.
    ///
    /// ```no_run
    /// use futures_lite::{AsyncReadExt, AsyncWriteExt};
    /// use ringlane::{Request, Response, Server};
    ///
    /// Server::bind("127.0.0.1:8080").serve(|_core| async |_: Request| {
    ///     Response::upgrade("echo", |mut stream| async move {
    ///         let mut bytes = [0; 512];
    ///         while let Ok(count @ 1..) = stream.read(&mut bytes).await {
    ///             if stream.write_all(&bytes[..count]).await.is_err() {
    ///                 break;
    ///             }
    ///         }
    ///     })
    /// })?;
    /// # Ok::<(), ringlane::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// When `protocol` is not a protocol name: letters, digits and the other characters of a token, perhaps with a
    /// version behind a slash.
    pub fn upgrade<F, U>(protocol: &'static str, run: F) -> Response
    where
        F: FnOnce(Upgraded) -> U + 'static,
        U: Future<Output = ()> + 'static,
    {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(&byte);
        assert!(
            !protocol.is_empty() && protocol.bytes().all(is_name),
            "{protocol:?} is not a protocol name"
        );
        let run: UpgradeRun = Box::new(|upgraded| Box::pin(run(upgraded)));
        Response::made(
            StatusCode::SWITCHING_PROTOCOLS,
            None,
            ResponseBody::Upgrade {
                protocol: FieldValue::constant(protocol),
                run,
            },
        )
    }

    /// 426 that names a protocol, whatever the request asked for (RFC 9110 §15.5.22).
    #[cfg(feature = "websocket")]
    pub(crate) fn upgrade_required(protocol: &'static str) -> Response {
        let required = UpgradeRequired {
            protocol: FieldValue::constant(protocol),
            body: Chunk::default(),
        };
        let body = ResponseBody::UpgradeRequired(Box::new(required));
        Response::made(StatusCode::UPGRADE_REQUIRED, None, body)
    }

    #[inline]
    fn made(status: StatusCode, content_type: Option<FieldValue<'static>>, body: ResponseBody) -> Response {
        Response {
            lines: Lines {
                status,
                content_type,
                fields: FieldLines::new(),
            },
            body,
            close: false,
            ends_on_stop: false,
            error: None,
        }
    }

    /// Changes the status. A status below 200 cannot be a final answer and becomes 500. An upgrade's is 101 and stays.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Response {
        self.lines.status = match self.body {
            ResponseBody::Upgrade { .. } => StatusCode::SWITCHING_PROTOCOLS,
            _ if status.is_informational() => StatusCode::INTERNAL_SERVER_ERROR,
            _ => status,
        };
        self
    }

    /// Adds a field. A `Content-Type` replaces the one that the response has by its kind.
    ///
    /// # Errors
    ///
    /// For a name that is no token, for a value with CR, LF, NUL or another control byte (so that no value can add
    /// fields or responses of its own), and for the fields that the engine writes. As a handler's result the error is
    /// a 500, so `Response::text("…").header("X-A", "b")` can be returned as it is.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Response, FieldError> {
        self.lines.fields.push(name, value.as_ref())?;
        if name.eq_ignore_ascii_case("content-type") {
            self.lines.content_type = None;
        }
        Ok(self)
    }

    /// The value of the first field of this name, in whatever case; the engine's own fields are not there yet.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        match self.lines.content_type {
            Some(value) if name.eq_ignore_ascii_case("content-type") => Some(value.as_str().as_bytes()),
            _ => self.lines.fields.find(name),
        }
    }

    /// The fields, name and value each, in the order in which they are sent; the engine's own are not there yet.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let content_type = self.lines.content_type.iter();
        content_type
            .map(|value| ("Content-Type", value.as_str().as_bytes()))
            .chain(self.lines.fields.iter())
    }

    /// Sets a field: adds it, and removes all others of this name.
    ///
    /// # Errors
    ///
    /// As [`Response::header`]; then nothing has changed.
    pub fn set_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        FieldLines::new().push(name, value.as_ref())?;
        self.remove_header(name);
        self.lines.fields.push(name, value.as_ref())
    }

    /// Adds a field behind those that are there, of whatever name.
    ///
    /// # Errors
    ///
    /// As [`Response::header`]; then nothing has changed.
    pub fn add_header(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), FieldError> {
        self.lines.fields.push(name, value.as_ref())
    }

    /// Removes all fields of this name, in whatever case, and says whether there were any.
    pub fn remove_header(&mut self, name: &str) -> bool {
        let had_type = name.eq_ignore_ascii_case("content-type") && self.lines.content_type.take().is_some();
        self.lines.fields.remove(name) || had_type
    }

    /// The bytes of a whole body, perhaps none; `None` for a stream or an upgrade.
    pub fn body(&self) -> Option<&[u8]> {
        match &self.body {
            ResponseBody::Whole(chunk) => Some(chunk),
            ResponseBody::UpgradeRequired(required) => Some(&required.body),
            ResponseBody::Stream { .. } | ResponseBody::Upgrade { .. } => None,
        }
    }

    /// Replaces the body, whatever it was, by a whole one; status and fields stay. An upgrade becomes a 200.
    #[must_use]
    pub fn with_body(mut self, bytes: impl Into<Chunk>) -> Response {
        match &mut self.body {
            ResponseBody::UpgradeRequired(required) => required.body = bytes.into(),
            body => {
                if matches!(body, ResponseBody::Upgrade { .. }) {
                    self.lines.status = StatusCode::OK;
                }
                *body = ResponseBody::Whole(bytes.into());
            }
        }
        self
    }

    /// Closes the connection after this response (RFC 9112 §9.6).
    #[must_use]
    pub fn with_close(mut self) -> Response {
        self.close = true;
        self
    }

    /// Ends a streamed body where it is when the server stops, in good order, as if that were all. For a stream that has
    /// no end of its own: the server would wait for it until `drain_timeout`. Server-sent events are such streams
    /// already.
    #[must_use]
    pub fn with_end_on_stop(mut self) -> Response {
        self.ends_on_stop = true;
        self
    }

    /// Keeps an error with the response, for the layers around and their logs; the client does not see it.
    #[must_use]
    pub fn with_error(mut self, error: impl Into<Box<dyn std::error::Error>>) -> Response {
        self.error = Some(Box::new(Failure(error.into())));
        self
    }

    /// The error for which the response is what it is, where one was kept: by [`Reject`](crate::Reject) for each 500 that
    /// it makes of an error, or by [`Response::with_error`].
    pub fn error(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.as_ref().map(|failure| &*failure.0)
    }

    /// Whether dropping it would do nothing, as with most that have been sent.
    #[inline(always)]
    pub(crate) fn owns_nothing(&self) -> bool {
        matches!(&self.body, ResponseBody::Whole(chunk) if chunk.is_static())
            && self.lines.fields.is_unallocated()
            && self.error.is_none()
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.lines.status
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Response({}, ", self.lines.status)?;
        match &self.body {
            ResponseBody::Whole(chunk) => write!(out, "{} bytes)", chunk.len()),
            ResponseBody::Stream {
                length: Some(length), ..
            } => write!(out, "a stream of {length} bytes)"),
            ResponseBody::Stream { length: None, .. } => out.write_str("a stream)"),
            ResponseBody::Upgrade { protocol, .. } => write!(out, "upgrade to {})", protocol.as_str()),
            ResponseBody::UpgradeRequired(required) => {
                write!(out, "upgrade to {} required)", required.protocol.as_str())
            }
        }
    }
}

/// What can be a handler's result.
///
/// ```
/// use ringlane::{IntoResponse, StatusCode};
///
/// assert_eq!("hello".into_response().status(), 200);
/// assert_eq!(StatusCode::NOT_FOUND.into_response().status(), 404);
/// assert_eq!((StatusCode::ACCEPTED, "later").into_response().status(), 202);
/// let result: Result<&str, StatusCode> = Err(StatusCode::CONFLICT);
/// assert_eq!(result.into_response().status(), 409);
/// ```
pub trait IntoResponse {
    /// Makes the response.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::new(StatusCode::OK)
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> Response {
        Response::new(StatusCode::OK).with_status(self)
    }
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::text(self)
    }
}

impl IntoResponse for Bytes {
    fn into_response(self) -> Response {
        Response::bytes("application/octet-stream", self)
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        Response::bytes("application/octet-stream", self)
    }
}

impl<R: IntoResponse> IntoResponse for (StatusCode, R) {
    fn into_response(self) -> Response {
        self.1.into_response().with_status(self.0)
    }
}

impl<R: IntoResponse, E: IntoResponse> IntoResponse for Result<R, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(response) => response.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        let status = match self {
            BodyError::Closed | BodyError::Malformed => StatusCode::BAD_REQUEST,
            BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::TimedOut => StatusCode::REQUEST_TIMEOUT,
        };
        (status, self.to_string()).into_response().with_close()
    }
}

impl IntoResponse for FieldError {
    fn into_response(self) -> Response {
        Response::new(StatusCode::INTERNAL_SERVER_ERROR).with_error(self)
    }
}
