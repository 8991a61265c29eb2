//! What each core has counted, and a service that tells it to Prometheus.
//!
//! ```no_run
//! use ringlane::metrics::Metrics;
//! use ringlane::router::Router;
//! use ringlane::{Request, Server};
//!
//! let server = Server::bind("127.0.0.1:8080");
//! let handle = server.handle();
//! server.serve(move |_core| {
//!     Router::new()
//!         .get("/", async |_: Request| "Hello, World!")
//!         .get("/metrics", Metrics::new(handle.clone()))
//! })?;
//! # Ok::<(), ringlane::Error>(())
//! ```
//!
//! Each core counts for itself, in memory that others only read, and the figures of all cores are put together when they are
//! asked for: counting takes no lock, allocates nothing, and reads the clock once per request. Figures of one core may be of
//! two moments of its round.

mod collector;
mod exposition;
mod snapshot;

use std::fmt;
use std::sync::Arc;

use http::StatusCode;
pub use prometheus_client;
use prometheus_client::registry::Registry;

pub use collector::CoreCollector;
pub use snapshot::{CoreMetrics, Latencies, Refusals, Timeouts};

use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::server::ServerHandle;
use crate::service::Service;

/// A service that answers with metrics in text: in the OpenMetrics format where the request's `Accept` names it, else in the
/// Prometheus text format.
///
/// It tells everything to everyone who can reach its route: what is not for the public belongs behind a layer, or on a server
/// of its own.
pub struct Metrics {
    registry: Arc<Registry>,
}

impl Metrics {
    /// The metrics of a server's cores: those of [`CoreCollector`].
    pub fn new(server: ServerHandle) -> Metrics {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(CoreCollector::new(server)));
        Metrics::with_registry(Arc::new(registry))
    }

    /// The metrics of a registry, which may hold one's own beside those of the cores.
    ///
    /// ```no_run
    /// use std::sync::Arc;
    ///
    /// use ringlane::metrics::prometheus_client::metrics::counter::Counter;
    /// use ringlane::metrics::prometheus_client::registry::Registry;
    /// use ringlane::metrics::{CoreCollector, Metrics};
    /// use ringlane::router::Router;
    /// use ringlane::{Request, Server};
    ///
    /// let server = Server::bind("127.0.0.1:8080");
    /// let greetings = Counter::<u64>::default();
    /// let mut registry = Registry::default();
    /// registry.register_collector(Box::new(CoreCollector::new(server.handle())));
    /// registry.register("greetings", "Greetings said", greetings.clone());
    /// let registry = Arc::new(registry);
    ///
    /// server.serve(move |_core| {
    ///     let greetings = greetings.clone();
    ///     let greet = async move |_: Request| {
    ///         greetings.inc();
    ///         "Hello, World!"
    ///     };
    ///     Router::new().get("/", greet).get("/metrics", Metrics::with_registry(Arc::clone(&registry)))
    /// })?;
    /// # Ok::<(), ringlane::Error>(())
    /// ```
    pub fn with_registry(registry: Arc<Registry>) -> Metrics {
        Metrics { registry }
    }
}

impl Service for Metrics {
    async fn call(&self, request: Request) -> Response {
        let accept = request
            .headers()
            .filter(|(name, _)| name.eq_ignore_ascii_case("accept"));
        let format = exposition::negotiate(accept.map(|(_, value)| value));
        match format.encode(&self.registry) {
            Ok(text) => Response::bytes(format.content_type(), text)
                .header("Vary", "Accept")
                .and_then(|response| response.header("Cache-Control", "no-store"))
                .into_response(),
            Err(fmt::Error) => {
                let reason = "a metric of the registry could not be written as text\n";
                (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response()
            }
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Metrics")
    }
}
