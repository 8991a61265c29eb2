//! Metrics for Prometheus, health for whoever restarts the process, and a span for each request on standard error.
//!
//! Orders are traced; `/`, metrics and health are not, since nobody would read that.

use ringlane::layer::Next;
use ringlane::metrics::Metrics;
use ringlane::router::{ParamError, Router};
use ringlane::trace::{Trace, TraceContext};
use ringlane::{Error, Event, Request, Response, StatusCode, health};
use tracing_subscriber::fmt::format::FmtSpan;

async fn order(request: Request) -> Result<Response, ParamError> {
    let id = request.param::<u64>("id")?;
    if id == 0 {
        return Ok(Response::new(StatusCode::NOT_FOUND));
    }
    tracing::info!(id, "looked up"); // Within the request's span.
    // What a request to the next server would carry.
    let context = request.value::<TraceContext>();
    let parent = context.map(TraceContext::traceparent).unwrap_or_default();
    let state = context.and_then(TraceContext::tracestate).unwrap_or_default();
    Ok(Response::text(format!("order {id}\n{parent}\n{state}\n")))
}

fn orders() -> Router {
    Router::new()
        .get("/{id}", order)
        .get("/broken", async |_: Request| -> Response {
            panic!("this order breaks everything")
        })
        .layer(Trace::new())
}

fn main() -> Result<(), Error> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_span_events(FmtSpan::CLOSE)
        .init();
    let server = ringlane_examples::server(|_| {})?;
    let handle = server.handle();
    server.serve(move |core| {
        Router::new()
            .get("/", async |_: Request| "Hello, World!\n")
            .nest("/orders", orders())
            .get("/metrics", Metrics::new(handle.clone()))
            .get("/live", health::live())
            .get("/ready", health::ready(handle.clone()))
            .on_event(move |event| {
                if let Event::Refused { status, reason } = event {
                    tracing::info!(core = core.number(), "refused with {status}: {reason}");
                }
            })
            .layer(async |request: Request, next: &Next| next.run(request).await.header("Server", "ringlane"))
    })
}
