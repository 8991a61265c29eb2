//! A `tracing` span for each request, with W3C trace context.
//!
//! ```no_run
//! use ringlane::router::Router;
//! use ringlane::trace::{Trace, TraceContext};
//! use ringlane::{Request, Server};
//!
//! Server::bind("127.0.0.1:8080").serve(|_core| {
//!     Router::new()
//!         .get("/orders/{id}", async |request: Request| {
//!             tracing::info!("looking the order up"); // Within the request's span.
//!             // For requests to other servers:
//!             request.value::<TraceContext>().map(TraceContext::traceparent).unwrap_or_default()
//!         })
//!         .layer(Trace::new())
//! })?;
//! # Ok::<(), ringlane::Error>(())
//! ```
//!
//! What becomes of the spans is up to the subscriber: without one they cost next to nothing.

mod context;
mod ids;
mod state;

use std::fmt;
use std::time::Instant;

use http::StatusCode;
use tracing::field::Empty;
use tracing::{Instrument, Span};

pub use context::TraceContext;

use crate::event::Event;
use crate::layer::{Layer, Next};
use crate::request::Request;
use crate::response::Response;
use ids::Ids;

/// A layer that opens a span for each request, at the level `INFO`, and attaches a [`TraceContext`] to it.
///
/// The span is called `request`. Its fields are named as OpenTelemetry names them:
///
/// | field | value |
/// |---|---|
/// | `otel.name`, `otel.kind` | method and route; `server` |
/// | `http.request.method` | the method |
/// | `url.path` | the path as sent; the query, which may hold secrets, is left out |
/// | `http.route` | the route's path, where the layer is on a router ([`Router::layer`](crate::router::Router::layer)) |
/// | `network.protocol.version` | `1.1` or `1.0` |
/// | `trace_id`, `span_id`, `parent_span_id` | in hexadecimal |
/// | `http.response.status_code` | the status |
/// | `http.server.request.duration` | seconds from here to the response's head |
/// | `otel.status_code`, `error.type` | `ERROR` and the status, where that is 5xx |
///
/// The last three are recorded when the response is there; a request whose client left before has none of them. The span is
/// entered while the request's future is polled, and not in between. Events of the engine become events of `tracing`:
/// panics at `ERROR`, the others, which any peer can cause, at `DEBUG`.
#[derive(Debug, Default)]
pub struct Trace {
    ids: Ids,
}

impl Trace {
    /// A layer with a generator of ids of its own.
    pub fn new() -> Trace {
        Trace::default()
    }

    /// The request's place in its trace: within a layer of this kind that is further out, or where the client says, or at the
    /// beginning of a new trace.
    fn place(&self, request: &Request) -> TraceContext {
        let span = self.ids.span();
        if let Some(outer) = request.value::<TraceContext>() {
            return outer.child(span);
        }
        TraceContext::from_headers(|| request.headers(), span)
            .unwrap_or_else(|| TraceContext::root(self.ids.trace(), span))
    }
}

impl Layer for Trace {
    async fn call(&self, mut request: Request, next: &Next) -> Response {
        let context = self.place(&request);
        let span = span(&request, &context);
        request.set_value(context);
        let began = Instant::now();
        let run = async {
            let response = next.run(request).await;
            record(&Span::current(), response.status(), began);
            response
        };
        run.instrument(span).await
    }

    fn handle_event(&self, event: &Event<'_>) {
        match event {
            Event::HandlerPanicked => tracing::error!("a handler panicked"),
            Event::Refused { status, reason } => tracing::debug!(status = status.as_u16(), "refused: {reason}"),
            Event::Upgraded { protocol } => tracing::debug!("upgraded to {protocol}"),
            Event::TimedOut(kind) => tracing::debug!("timed out: {kind:?}"),
            Event::ConnectionOpened => tracing::trace!("connection opened"),
            Event::ConnectionClosed => tracing::trace!("connection closed"),
        }
    }
}

fn span(request: &Request, context: &TraceContext) -> Span {
    let name = Name {
        method: request.method().as_str(),
        route: request.route(),
    };
    let version = if request.version() == http::Version::HTTP_10 {
        "1.0"
    } else {
        "1.1"
    };
    tracing::info_span!(
        "request",
        otel.name = %name,
        otel.kind = "server",
        http.request.method = name.method,
        url.path = request.path(),
        http.route = name.route,
        network.protocol.version = version,
        trace_id = %format_args!("{:032x}", context.trace_id()),
        span_id = %format_args!("{:016x}", context.span_id()),
        parent_span_id = context.parent_id().map(|id| tracing::field::display(Hex(id))),
        http.response.status_code = Empty,
        http.server.request.duration = Empty,
        otel.status_code = Empty,
        error.type = Empty,
    )
}

fn record(span: &Span, status: StatusCode, began: Instant) {
    span.record("http.response.status_code", status.as_u16());
    span.record("http.server.request.duration", began.elapsed().as_secs_f64());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
        span.record("error.type", status.as_str());
    }
}

/// A span's name for people: few different ones, so not the path.
struct Name<'a> {
    method: &'a str,
    route: Option<&'a str>,
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.method)?;
        self.route.map_or(Ok(()), |route| write!(out, " {route}"))
    }
}

/// An id of a span as text.
struct Hex(u64);

impl fmt::Display for Hex {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.0)
    }
}
