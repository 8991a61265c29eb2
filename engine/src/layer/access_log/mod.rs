//! A line for each request, in a file or a stream.

mod lane;
mod line;
mod writer;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use http::{Method, StatusCode};

pub use line::LogFormat;
pub use writer::LogWriter;

use super::{Layer, Next, RequestHead, RequestId};
use crate::request::Request;
use crate::response::{Response, ResponseBody};
use lane::Lane;
use line::Line;

/// Writes a line for each request, when its response is made.
///
/// The lines of a core are gathered in memory of its own and handed to the one thread of a [`LogWriter`], when there are
/// 32 KiB of them, and a quarter of a second after the first. A core never waits for that: where the thread does not keep
/// up, the lines beyond what may be queued are left out, and a line in the log says how many they were. When the server has
/// been stopped, all lines are written before the [`LogWriter`] is dropped.
///
/// What a peer sends cannot make lines of its own, nor command a terminal: quotes, backslashes and control characters are
/// escaped. Of each field 2 KiB are written at the most.
///
/// A request whose handler is dropped, since its connection was reset or its body broken, has a line without a status; one
/// whose handler panics has one with 500. What the engine refuses before a service is called has none. The time that a
/// line gives is the request's, and its duration ends with the response's making: a streamed body takes longer, and has no
/// length.
///
/// Nothing is allocated for a request; the peer's address takes a system call (getpeername(2)).
///
/// ```no_run
/// use ringlane::layer::{AccessLog, LogFormat, LogWriter, layered};
/// use ringlane::{Request, Server};
///
/// let log = LogWriter::to_file("access.log")?;
/// Server::bind("127.0.0.1:8080").serve(|_core| {
///     layered(async |_: Request| "Hello, World!").layer(AccessLog::new(&log, LogFormat::Combined))
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
pub struct AccessLog {
    lane: Rc<Lane>,
}

impl AccessLog {
    /// A layer that has its lines written by `writer`, which one process needs once, and the layer on each core.
    pub fn new(writer: &LogWriter, format: LogFormat) -> AccessLog {
        AccessLog {
            lane: Rc::new(Lane::new(writer.queue(), format)),
        }
    }
}

impl Layer for AccessLog {
    async fn call(&self, request: Request, next: &Next) -> Response {
        self.lane.keep_flushed();
        let mut entry = Entry {
            lane: &self.lane,
            peer: request.peer_addr().ok(),
            id: request.value::<RequestId>().cloned(),
            head: request.head(),
            time: SystemTime::now(),
            begun: Instant::now(),
            is_written: false,
        };
        let response = next.run(request).await;
        entry.write(Some(&response));
        response
    }
}

/// A request under way; its line is written with its response, or when this is dropped without one.
struct Entry<'a> {
    lane: &'a Lane,
    head: RequestHead,
    peer: Option<SocketAddr>,
    /// Where a layer around this one has given it one.
    id: Option<RequestId>,
    time: SystemTime,
    begun: Instant,
    is_written: bool,
}

impl Entry<'_> {
    fn write(&mut self, response: Option<&Response>) {
        self.is_written = true;
        let status = match response {
            Some(response) => Some(response.status()),
            None if std::thread::panicking() => Some(StatusCode::INTERNAL_SERVER_ERROR),
            None => None,
        };
        let id = response.and_then(|response| response.field("x-request-id"));
        self.lane.push(&Line {
            head: &self.head,
            peer: self.peer,
            time: self.time,
            duration: self.begun.elapsed(),
            status: status.map(|status| status.as_u16()),
            bytes: response.and_then(|response| self.body_bytes(response)),
            id: id.or_else(|| self.id.as_ref().map(|id| id.as_str().as_bytes())),
        });
    }

    /// How long the response's body is on the wire, where that is known.
    fn body_bytes(&self, response: &Response) -> Option<u64> {
        let has_none = matches!(
            response.status(),
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
        );
        match &response.body {
            ResponseBody::Upgrade { .. } => None,
            _ if has_none || *self.head.method() == Method::HEAD => Some(0),
            ResponseBody::Whole(chunk) => Some(chunk.len() as u64),
            ResponseBody::UpgradeRequired(required) => Some(required.body.len() as u64),
            ResponseBody::Stream { length, .. } => *length,
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        if !self.is_written {
            self.write(None);
        }
    }
}
