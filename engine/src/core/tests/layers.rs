//! What the shipped layers do to a core: they allocate nothing for requests that are answered at once.

use std::time::Duration;

use super::allocations::allocations;
use super::*;
use crate::layer::{AccessLog, BodyLimit, ConcurrencyLimit, LogFormat, LogWriter, MapErrors, Timeout, layered};

/// How many allocations some requests cost on a connection that is kept, once everything has been used before.
async fn cost(service: impl crate::Service) -> u64 {
    let mut harness = Harness::new(service, |_| {});
    let client = harness.ring.connect();
    let mut before = 0;
    for round in 0..20 {
        if round == 10 {
            before = allocations();
        }
        harness.ring.write(client, b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        harness.run(0).await;
        assert!(harness.ring.read(client).ends_with(b"GET /a"));
    }
    allocations() - before
}

async fn hello(_: Request) -> Response {
    Response::text("GET /a")
}

#[test]
fn layers_add_no_allocation_to_a_request_that_is_answered_at_once() {
    harness::run(async || {
        let bare = cost(hello).await;
        let log = LogWriter::new(io::sink()).unwrap();
        let layers = layered(hello)
            .layer(Timeout::new(Duration::from_secs(1)))
            .layer(MapErrors::problem_json())
            .layer(BodyLimit::new(10))
            .layer(ConcurrencyLimit::new(10))
            .layer(AccessLog::new(&log, LogFormat::Json));
        assert_eq!(cost(layers).await, bare);
        #[cfg(feature = "compression")]
        assert_eq!(cost(layered(hello).layer(crate::layer::Compression::new())).await, bare);
    });
}
