//! Services that tell whoever looks after the process whether it lives, and whether it takes requests.
//!
//! ```no_run
//! use ringlane::router::Router;
//! use ringlane::{Request, Server, health};
//!
//! let server = Server::bind("127.0.0.1:8080");
//! let handle = server.handle();
//! server.serve(move |_core| {
//!     Router::new()
//!         .get("/", async |_: Request| "Hello, World!")
//!         .get("/live", health::live())
//!         .get("/ready", health::ready(handle.clone()))
//! })?;
//! # Ok::<(), ringlane::Error>(())
//! ```
//!
//! A stopping server accepts no connections: only who has kept one, or connects at the last moment, hears that it is not
//! ready. See `drain_idle_timeout` for how long it keeps those.

use http::StatusCode;

use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::server::ServerHandle;
use crate::service::Service;

/// A service that answers every request 200: its core runs.
pub fn live() -> impl Service {
    async |_: Request| answer(StatusCode::OK, "live\n")
}

/// A service that answers 200 while all cores accept connections, and 503 before that and from the beginning of a stop on
/// ([`ServerHandle::is_ready`]).
pub fn ready(server: ServerHandle) -> impl Service {
    async move |_: Request| {
        if server.is_ready() {
            answer(StatusCode::OK, "ready\n")
        } else if server.is_stopping() {
            answer(StatusCode::SERVICE_UNAVAILABLE, "stopping\n")
        } else {
            answer(StatusCode::SERVICE_UNAVAILABLE, "starting\n")
        }
    }
}

/// RFC 9111 §5.2.2.5: what is true now must not be told later.
fn answer(status: StatusCode, text: &'static str) -> Response {
    Response::text(text)
        .with_status(status)
        .header("Cache-Control", "no-store")
        .into_response()
}
