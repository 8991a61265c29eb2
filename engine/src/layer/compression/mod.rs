//! Responses in the content codings that clients understand.

mod encoder;
mod stream;

use std::cell::Cell;
use std::rc::Rc;

use http::{Method, StatusCode};

use super::{Layer, Next, RequestHead, vary};
use crate::chunk::Chunk;
use crate::coding::{Accepted, Coding, negotiate};
use crate::error::Error;
use crate::request::Request;
use crate::response::{Response, ResponseBody};
use encoder::{Encoder, Levels};
use stream::{Compressed, Permit, Source};

/// Compresses responses in gzip, br or zstd, whichever the client prefers (RFC 9110 §8.4, §12.5.3).
///
/// Compressed are bodies of 1 KiB and more of types that it helps: text, JSON, XML, JavaScript, WebAssembly, SVG and fonts
/// that are not compressed by themselves. Left as they are: what has a `Content-Encoding` already, parts
/// (`Content-Range`, 206), and what says `Cache-Control: no-transform`. `Vary: Accept-Encoding` is added to whatever might
/// be compressed, and a strong `ETag` made weak, since the bytes are others.
///
/// Whole bodies up to 64 KiB are compressed at once, in the core's time. Longer ones and streams are compressed while they
/// are sent, 16 KiB at a time with other work in between, in chunks instead of with a length. Where a stream pauses, what
/// there is of it is flushed: server-sent events are not delayed.
///
/// A stream that is being compressed takes memory: about 350 KiB for gzip, and 2 MiB for br and zstd. Beyond 256 of
/// them on a core further streams are sent as they are.
///
/// Do not compress what has both a secret and text that others can choose: its length tells of the secret (BREACH). Give
/// such responses `Cache-Control: no-transform`.
///
/// ```no_run
/// use ringlane::Coding;
/// use ringlane::layer::{Compression, layered};
/// use ringlane::{Request, Server};
///
/// Server::bind("127.0.0.1:8080").serve(|_core| {
///     let hello = async |_: Request| "Hello, World! ".repeat(1000);
///     layered(hello).layer(Compression::new().level(Coding::Br, 5))
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
pub struct Compression {
    /// By preference.
    codings: Vec<Coding>,
    levels: Levels,
    bytes_min: usize,
    at_once_bytes_max: usize,
    streams_max: usize,
    streams: Rc<Cell<usize>>,
    types: Box<dyn Fn(&str) -> bool>,
}

impl Compression {
    /// Compresses with the defaults that are named at each knob.
    pub fn new() -> Compression {
        Compression {
            codings: vec![Coding::Zstd, Coding::Br, Coding::Gzip],
            levels: Levels::default(),
            bytes_min: 1 << 10,
            at_once_bytes_max: 64 << 10,
            streams_max: 256,
            streams: Rc::default(),
            types: Box::new(is_compressible),
        }
    }

    /// The codings that are used, the one first that is preferred where the client has no preference. Default: zstd, br,
    /// gzip.
    #[must_use]
    pub fn codings(mut self, codings: impl IntoIterator<Item = Coding>) -> Compression {
        self.codings = codings.into_iter().collect();
        self
    }

    /// How hard to compress. gzip: 1 to 9, default 6; br: 0 to 11, default 4; zstd: 1 to 19, default 3. The highest levels
    /// of br and zstd are for what is compressed once, and hold the core for long.
    #[must_use]
    pub fn level(mut self, coding: Coding, level: u32) -> Compression {
        self.levels.set(coding, level);
        self
    }

    /// The least length of a body that is compressed, in bytes. Default: 1 KiB.
    #[must_use]
    pub fn bytes_min(mut self, bytes: usize) -> Compression {
        self.bytes_min = bytes;
        self
    }

    /// The greatest length of a whole body that is compressed at once and sent with its length, in bytes. Default: 64 KiB.
    #[must_use]
    pub fn at_once_bytes_max(mut self, bytes: usize) -> Compression {
        self.at_once_bytes_max = bytes;
        self
    }

    /// How many bodies a core compresses at a time while they are sent. Default: 256.
    #[must_use]
    pub fn streams_max(mut self, streams: usize) -> Compression {
        self.streams_max = streams;
        self
    }

    /// Which types are compressed: a function of the `Content-Type` without its parameters, in lower case.
    #[must_use]
    pub fn types(mut self, compresses: impl Fn(&str) -> bool + 'static) -> Compression {
        self.types = Box::new(compresses);
        self
    }

    /// Compresses a response, if it is one to be compressed.
    fn compress(&self, request: &RequestHead, accepted: Accepted, mut response: Response) -> Response {
        if response.status() == StatusCode::NOT_MODIFIED {
            refresh(request, &mut response);
            return response;
        }
        if !self.may_compress(&response, accepted) {
            return response;
        }
        vary::add(&mut response, "Accept-Encoding");
        let Some(coding) = accepted.codings().next() else {
            return response;
        };
        let body = std::mem::replace(&mut response.body, ResponseBody::Whole(Chunk::default()));
        let (body, is_coded) = self.coded(coding, body, accepted, *request.method() == Method::HEAD);
        response.body = body;
        if is_coded {
            let set = response.set_header("Content-Encoding", coding.name());
            debug_assert!(set.is_ok(), "names of codings are valid values");
            weaken_etag(&mut response);
            response.remove_header("Accept-Ranges"); // Ranges are of other bytes (RFC 9110 §14.3).
        }
        response
    }

    /// Whether a response is of those that are compressed for the clients that can take it.
    fn may_compress(&self, response: &Response, accepted: Accepted) -> bool {
        let status = response.status();
        let has_content = !status.is_informational()
            && !matches!(
                status,
                StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT | StatusCode::RESET_CONTENT
            );
        let is_long = match &response.body {
            ResponseBody::Whole(chunk) => chunk.len() >= self.bytes_min.max(1),
            ResponseBody::Stream { length, .. } => length.is_none_or(|length| length >= self.bytes_min as u64),
            ResponseBody::Upgrade { .. } | ResponseBody::UpgradeRequired(_) => false,
        };
        // A client that does not take a body as it is gets it coded whatever its type and length.
        let is_worth_it = is_long && self.is_of_type(response) || !accepted.identity && has_body(response);
        has_content
            && is_worth_it
            && response.field("content-encoding").is_none()
            && response.field("content-range").is_none()
            && !forbids_transformation(response)
    }

    fn is_of_type(&self, response: &Response) -> bool {
        let Some(value) = response.field("content-type") else {
            return false;
        };
        let essence = value.split(|byte| *byte == b';').next().unwrap_or_default();
        match std::str::from_utf8(essence.trim_ascii()) {
            Ok(essence) if essence.bytes().any(|byte| byte.is_ascii_uppercase()) => {
                (self.types)(&essence.to_ascii_lowercase())
            }
            Ok(essence) => (self.types)(essence),
            Err(_) => false,
        }
    }

    /// A body in a coding, or as it was. The body of an answer to HEAD is never sent: only its fields are of use.
    fn coded(&self, coding: Coding, body: ResponseBody, accepted: Accepted, is_head: bool) -> (ResponseBody, bool) {
        let (source, length) = match body {
            body @ (ResponseBody::Upgrade { .. } | ResponseBody::UpgradeRequired(_)) => return (body, false),
            ResponseBody::Whole(chunk) if chunk.len() <= self.at_once_bytes_max && !is_head => {
                let coded = Encoder::whole(coding, &self.levels, &chunk);
                return match coded {
                    Ok(coded) if coded.len() < chunk.len() || !accepted.identity => {
                        (ResponseBody::Whole(coded.into()), true)
                    }
                    Ok(_) | Err(_) => (ResponseBody::Whole(chunk), false),
                };
            }
            ResponseBody::Whole(chunk) => (Source::Whole(chunk), None),
            ResponseBody::Stream { stream, length } => (Source::Stream(stream), length),
        };
        let stream = match Permit::take(&self.streams, self.streams_max) {
            Some(permit) => Compressed::new(source, length, coding, &self.levels, permit),
            None => Err(source),
        };
        match stream {
            Ok(stream) => {
                let stream = Box::pin(stream);
                (ResponseBody::Stream { stream, length: None }, true)
            }
            Err(Source::Whole(chunk)) => (ResponseBody::Whole(chunk), false),
            Err(Source::Stream(stream)) => (ResponseBody::Stream { stream, length }, false),
        }
    }
}

impl Default for Compression {
    fn default() -> Compression {
        Compression::new()
    }
}

impl Layer for Compression {
    async fn call(&self, request: Request, next: &Next) -> Response {
        let values = request
            .headers()
            .filter(|(name, _)| name.eq_ignore_ascii_case("accept-encoding"));
        let accepted = negotiate(values.map(|(_, value)| value), &self.codings);
        let head = request.head();
        let response = next.run(request).await;
        self.compress(&head, accepted, response)
    }

    fn check(&self) -> Result<(), Error> {
        self.levels.check().map_err(|problem| Error::Service { problem })
    }
}

fn has_body(response: &Response) -> bool {
    response.body().is_none_or(|bytes| !bytes.is_empty())
}

/// The types that compression makes smaller.
fn is_compressible(essence: &str) -> bool {
    let (kind, subtype) = essence.split_once('/').unwrap_or_default();
    match kind {
        "text" => true,
        "application" => {
            let known = [
                "json",
                "javascript",
                "xml",
                "wasm",
                "x-ndjson",
                "x-javascript",
                "rtf",
                "graphql",
                "yaml",
                "toml",
                "sql",
                "vnd.ms-fontobject",
            ];
            known.contains(&subtype) || subtype.ends_with("+json") || subtype.ends_with("+xml")
        }
        "image" => matches!(subtype, "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon"),
        "font" => matches!(subtype, "ttf" | "otf" | "collection"),
        "model" => subtype.ends_with("+xml") || subtype.ends_with("+json"),
        _ => false,
    }
}

/// RFC 9111 §5.2.2.6.
fn forbids_transformation(response: &Response) -> bool {
    response
        .fields()
        .filter(|(name, _)| name.eq_ignore_ascii_case("cache-control"))
        .flat_map(|(_, value)| value.split(|byte| *byte == b','))
        .any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

/// RFC 9110 §8.8.3.3: what is coded on the way is another representation, of the same meaning.
fn weaken_etag(response: &mut Response) {
    let Some(etag) = response.field("etag").filter(|etag| !etag.starts_with(b"W/")) else {
        return;
    };
    let weak = [b"W/", etag].concat();
    let set = response.set_header("ETag", weak);
    debug_assert!(set.is_ok(), "it was a valid value before");
}

/// RFC 9110 §15.4.5: a 304 has the `Vary` and the `ETag` that the 200 would have had. It is for what the client has, which
/// is the compressed one where it names the weak tag.
fn refresh(request: &RequestHead, response: &mut Response) {
    vary::add(response, "Accept-Encoding");
    let Some(etag) = response.field("etag").filter(|etag| etag.starts_with(b"\"")) else {
        return;
    };
    let weak = [b"W/", etag].concat();
    let names_weak = |value: &[u8]| value.windows(weak.len()).any(|window| window == weak);
    if request.header("if-none-match").is_some_and(names_weak) {
        weaken_etag(response);
    }
}
