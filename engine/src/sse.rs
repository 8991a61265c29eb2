//! Server-sent events: a response that goes on for as long as its client listens (WHATWG HTML, "Server-sent events").
//!
//! ```no_run
//! use futures_lite::stream;
//! use ringlane::sse::{self, Event};
//! use ringlane::{Request, Server};
//!
//! Server::bind("127.0.0.1:8080").serve(|_core| async |request: Request| {
//!     // Where the client was before, if it comes back.
//!     let from = request.last_event_id().and_then(|id| id.parse().ok()).unwrap_or(0);
//!     let events = (from + 1..=10_u64).filter_map(|n| Event::data(format!("number {n}")).id(n.to_string()).ok());
//!     sse::stream(stream::iter(events))
//! })?;
//! # Ok::<(), ringlane::Error>(())
//! ```
//!
//! To send the same events to many clients, subscribe each of them to a [`Channel`].

mod channel;
mod event;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::Stream;
use glommio::timer::Timer;

use crate::chunk::Chunk;
use crate::request::Request;
use crate::response::Response;

pub use channel::{Channel, Overflow, Subscription};
pub use event::{Event, EventError};

/// After how long without an event a comment is sent, unless said otherwise: 15 seconds.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A timer that fires sooner would keep the core busy with nothing else.
const KEEP_ALIVE_MIN: Duration = Duration::from_millis(1);

/// A comment and the end of an event without data, which is none.
const COMMENT: &str = ":\n\n";

/// 200 with events, as they come: `text/event-stream`, not to be stored by caches (`Cache-Control: no-store`) or held back by
/// nginx (`X-Accel-Buffering: no`). Where no event has come for [`KEEP_ALIVE`], a comment is sent, which clients pass over.
///
/// The stream is asked for its next event while less than `output_bytes_max` is queued: a client that reads slowly holds
/// it back. It is dropped when its client is gone: at once where the connection is reset, else when what is sent next is refused, for
/// a client that only closes its end may still be reading. So with the comments a client's leaving shows within two of their
/// intervals.
///
/// Where the stream ends, so does the response, and the client comes back after its retry time; a 204 tells it not to. When the server
/// stops, the response ends behind what has been passed on.
pub fn stream<S>(events: S) -> Response
where
    S: Stream<Item = Event> + 'static,
{
    stream_with_keep_alive(events, Some(KEEP_ALIVE))
}

/// As [`stream`], with comments after another time, of a millisecond at least, or with none at all: then a client that vanishes is
/// noticed only when the next event is sent.
pub fn stream_with_keep_alive<S>(events: S, keep_alive: Option<Duration>) -> Response
where
    S: Stream<Item = Event> + 'static,
{
    let body = Body {
        events: Box::pin(events),
        idle: keep_alive.map(|interval| Idle {
            interval: interval.max(KEEP_ALIVE_MIN),
            timer: None,
            since: Instant::now(),
        }),
    };
    let mut response = Response::stream("text/event-stream", body);
    for (name, value) in [("Cache-Control", "no-store"), ("X-Accel-Buffering", "no")] {
        let added = response.add_header(name, value);
        debug_assert!(added.is_ok(), "both are constants that can be fields");
    }
    response.with_end_on_stop()
}

/// Server-sent events.
impl Request {
    /// The id of the last event that a client had before it came back (`Last-Event-ID`), which is what an event's
    /// [`Event::id`] was; none where it is new, or where it is not UTF-8. Anybody can send any id.
    pub fn last_event_id(&self) -> Option<&str> {
        std::str::from_utf8(self.header("last-event-id")?).ok()
    }
}

/// Events as the body of a response, with comments where there are none.
struct Body<S> {
    events: Pin<Box<S>>,
    idle: Option<Idle>,
}

/// The time since the last event.
struct Idle {
    interval: Duration,
    /// None before the first wait, which is under the executor.
    timer: Option<Timer>,
    since: Instant,
}

impl<S: Stream<Item = Event>> Stream for Body<S> {
    type Item = Result<Chunk, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match self.events.as_mut().poll_next(context) {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(event)) => {
                if let Some(idle) = &mut self.idle {
                    idle.since = Instant::now();
                }
                Poll::Ready(Some(Ok(event.into_bytes().into())))
            }
            Poll::Pending => match &mut self.idle {
                Some(idle) => idle.poll(context).map(|()| Some(Ok(COMMENT.into()))),
                None => Poll::Pending,
            },
        }
    }
}

impl Idle {
    /// Ready when the interval has passed since the last event. The timer is not set anew for each event: where it fires too early, it
    /// is set for what is left.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let timer = self.timer.get_or_insert_with(|| Timer::new(self.interval));
            if Pin::new(timer).poll(context).is_pending() {
                return Poll::Pending;
            }
            let left = self.interval.saturating_sub(self.since.elapsed());
            if left.is_zero() {
                self.timer = None;
                self.since = Instant::now();
                return Poll::Ready(());
            }
            self.timer = Some(Timer::new(left));
        }
    }
}
