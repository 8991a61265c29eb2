//! Bodies in both directions: what is posted to /echo streams back without ever being held whole.
//!
//! `GET /` answers "ok", `/sleep?ms=N` answers after N milliseconds, `/panic` panics, and all else is not found.

use std::time::Duration;

use glommio::timer::Timer;
use ringlane::{Error, IntoResponse, Method, Request, Response, Service, StatusCode};

struct Echo;

impl Service for Echo {
    async fn call(&self, request: Request) -> Response {
        match (request.method(), request.path()) {
            (&Method::GET | &Method::HEAD, "/") => Response::text("ok"),
            (&Method::POST | &Method::PUT, "/echo") => echo(&request),
            (_, "/sleep") => sleep(&request).await,
            (_, "/panic") => panic!("asked to"),
            _ => StatusCode::NOT_FOUND.into_response(),
        }
    }

    /// What is echoed may have any length: it is passed through.
    fn body_bytes_max(&self, request: &Request) -> Option<u64> {
        (request.path() == "/echo").then_some(u64::MAX)
    }
}

fn echo(request: &Request) -> Response {
    const TYPE: &str = "application/octet-stream";
    let body = request.body();
    match body.length() {
        Some(length) => Response::stream_of_length(TYPE, length, body),
        None => Response::stream(TYPE, body),
    }
}

async fn sleep(request: &Request) -> Response {
    let query = request.query().and_then(|query| query.strip_prefix("ms="));
    let Some(milliseconds) = query.and_then(|number| number.parse().ok()) else {
        return (StatusCode::BAD_REQUEST, "write /sleep?ms=N\n").into_response();
    };
    Timer::new(Duration::from_millis(milliseconds)).await;
    Response::text("slept")
}

fn main() -> Result<(), Error> {
    ringlane_examples::server(|_| {})?.serve(|_core| Echo)
}
