//! Responses: a file, whole or in parts, and what is answered instead of one.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::OwnedFd;
use std::time::SystemTime;

use http::{Method, StatusCode};

use super::conditions::{Asked, Validators, Verdict, judge, range_holds};
use super::range::{Selection, Span, select};
use super::reading::{PIECE_BYTES, Part, Pieces, read_whole};
use super::root::File;
use crate::coding::Coding;
use crate::response::{IntoResponse, Response};

/// What is known of a file that is to be sent.
pub(super) struct Representation<'a> {
    pub(super) content_type: Cow<'static, str>,
    /// The coding in which the file has its content.
    pub(super) encoding: Option<Coding>,
    /// The file is one of several that `Accept-Encoding` chooses from.
    pub(super) varies: bool,
    pub(super) cache_control: Option<&'a str>,
}

impl Representation<'_> {
    /// RFC 9110 §13.2.2: the conditions, and then the range.
    pub(super) async fn answer(&self, file: File, method: &Method, asked: &Asked<'_>) -> Response {
        let validators = Validators::new(file.modified, file.size, self.encoding, SystemTime::now());
        match judge(asked, &validators) {
            Verdict::Failed => return refuse(StatusCode::PRECONDITION_FAILED),
            Verdict::NotModified => {
                let mut response = Response::new(StatusCode::NOT_MODIFIED);
                self.put_validators(&mut response, &validators);
                return response;
            }
            Verdict::Proceed => {}
        }
        // RFC 9110 §14.2: ranges are defined for GET alone.
        let range = asked
            .range
            .filter(|_| method == Method::GET && range_holds(asked, &validators));
        let selection = range.map_or(Selection::Whole, |range| select(range, file.size));
        let sent = match selection {
            Selection::Unsatisfiable => {
                let mut response = refuse(StatusCode::RANGE_NOT_SATISFIABLE);
                put(&mut response, "Content-Range", &format!("bytes */{}", file.size));
                return response;
            }
            Selection::One(span) => self.part(file, span).await,
            // The parts of a coded file would have no place to say their coding.
            Selection::Several(spans) if self.encoding.is_none() => Ok(self.parts(file, &spans)),
            Selection::Several(_) | Selection::Whole => self.whole(file, method).await,
        };
        let Ok(mut response) = sent else {
            // It has become shorter since it was opened, or cannot be read.
            return refuse(StatusCode::INTERNAL_SERVER_ERROR);
        };
        self.put_validators(&mut response, &validators);
        if let Some(encoding) = self.encoding {
            put(&mut response, "Content-Encoding", encoding.name());
        }
        response
    }

    async fn whole(&self, file: File, method: &Method) -> io::Result<Response> {
        let mut response = match file.size.checked_sub(1) {
            None => Response::new(StatusCode::OK),
            // Only the length is asked for, and nothing is read.
            Some(_) if method == Method::HEAD => streamed(file.descriptor, Vec::new(), file.size),
            Some(last) => send(file.descriptor, Span { first: 0, last }).await?,
        };
        put(&mut response, "Content-Type", &self.content_type);
        put(&mut response, "Accept-Ranges", "bytes");
        Ok(response)
    }

    /// RFC 9110 §15.3.7.1.
    async fn part(&self, file: File, span: Span) -> io::Result<Response> {
        let response = send(file.descriptor, span).await?;
        let mut response = response.with_status(StatusCode::PARTIAL_CONTENT);
        put(&mut response, "Content-Type", &self.content_type);
        put(&mut response, "Content-Range", &content_range(span, file.size));
        Ok(response)
    }

    /// RFC 9110 §14.6, §15.3.7.2.
    fn parts(&self, file: File, spans: &[Span]) -> Response {
        let boundary = boundary();
        let mut parts = Vec::with_capacity(spans.len() * 2 + 1);
        for &span in spans {
            let range = content_range(span, file.size);
            let head = format!(
                "\r\n--{boundary}\r\nContent-Type: {}\r\nContent-Range: {range}\r\n\r\n",
                self.content_type
            );
            parts.push(Part::Text(head.into_bytes()));
            parts.push(Part::Span(span));
        }
        parts.push(Part::Text(format!("\r\n--{boundary}--\r\n").into_bytes()));
        let bytes = parts.iter().map(Part::bytes).sum();
        let mut response = streamed(file.descriptor, parts, bytes).with_status(StatusCode::PARTIAL_CONTENT);
        let content_type = format!("multipart/byteranges; boundary={boundary}");
        put(&mut response, "Content-Type", &content_type);
        response
    }

    /// What 200, 206 and 304 have in common (RFC 9110 §15.4.5).
    fn put_validators(&self, response: &mut Response, validators: &Validators) {
        put(response, "ETag", &validators.etag);
        if let Some(date) = validators.last_modified() {
            put(response, "Last-Modified", &date);
        }
        if let Some(value) = self.cache_control {
            put(response, "Cache-Control", value);
        }
        if self.varies {
            put(response, "Vary", "Accept-Encoding");
        }
    }
}

/// A short answer without a file.
pub(super) fn refuse(status: StatusCode) -> Response {
    let reason = match status {
        StatusCode::BAD_REQUEST => "the path is no path\n",
        StatusCode::FORBIDDEN => "forbidden\n",
        StatusCode::NOT_FOUND => "not found\n",
        StatusCode::METHOD_NOT_ALLOWED => "method not allowed\n",
        StatusCode::PRECONDITION_FAILED => "the file is in another state\n",
        StatusCode::RANGE_NOT_SATISFIABLE => "the file has no such range\n",
        StatusCode::SERVICE_UNAVAILABLE => "the file cannot be opened at the moment\n",
        _ => "the file cannot be read\n",
    };
    (status, reason).into_response()
}

/// RFC 9110 §15.4.2. The path is the request's own, as sent; its query stays. What a browser takes for a slash must not make
/// an authority of the path's beginning, so backslashes are encoded.
pub(super) fn redirect(path: &str, query: Option<&str>) -> Response {
    let path = path.replace('\\', "%5C");
    let location = match query {
        Some(query) => format!("{path}/?{query}"),
        None => format!("{path}/"),
    };
    let mut response = Response::new(StatusCode::MOVED_PERMANENTLY);
    put(&mut response, "Location", &location);
    response
}

/// Adds a field of which only the value can be wrong; what has been checked, or made here, is not.
pub(super) fn put(response: &mut Response, name: &str, value: &str) {
    let put = response.set_header(name, value);
    debug_assert!(put.is_ok(), "{name}: {value:?}");
}

/// One span of a file: at once where it is short.
async fn send(file: OwnedFd, span: Span) -> io::Result<Response> {
    if span.bytes() <= PIECE_BYTES as u64 {
        return Ok(Response::bytes("", read_whole(file, span).await?));
    }
    Ok(streamed(file, vec![Part::Span(span)], span.bytes()))
}

fn streamed(file: OwnedFd, parts: Vec<Part>, bytes: u64) -> Response {
    Response::stream_of_length("", bytes, Pieces::new(file, parts))
}

fn content_range(span: Span, size: u64) -> String {
    format!("bytes {}-{}/{size}", span.first, span.last)
}

/// What no file has in it, as nobody knows it beforehand: 128 random bits.
fn boundary() -> String {
    let random = || RandomState::new().hash_one(0);
    format!("{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_the_host() {
        let location = |path, query| {
            let response = redirect(path, query);
            let value = response.field("Location").unwrap_or_default();
            String::from_utf8_lossy(value).into_owned()
        };
        assert_eq!(location("/a/b", None), "/a/b/");
        assert_eq!(location("/a%20b", Some("x=1&y")), "/a%20b/?x=1&y");
        assert_eq!(location("/\\host", None), "/%5Chost/");
    }

    #[test]
    fn boundaries_differ() {
        assert_eq!(boundary().len(), 32);
        assert_ne!(boundary(), boundary());
    }
}
