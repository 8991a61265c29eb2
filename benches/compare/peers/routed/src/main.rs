//! Ringlane behind its router, with metrics on: what these cost, beside the bare engine.

use ringlane::metrics::Metrics;
use ringlane::router::Router;
use ringlane::{Config, Error, Request, Response, Server};

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("the first argument is the address");
    let threads: usize = arguments
        .next()
        .map_or(1, |n| n.parse().expect("the second argument is a number"));
    assert!(
        threads >= 1,
        "the runner pins the process; the engine takes the cores that it may use"
    );
    let server = Server::bind(address).config(Config::from_env()?);
    let handle = server.handle();
    server.serve(move |_core| {
        Router::new()
            .get("/", async |_: Request| Response::text("Hello, World!"))
            .get("/users/{id}", async |request: Request| {
                request.param::<u64>("id").map(|id| id.to_string())
            })
            .get("/files/{*path}", async |request: Request| {
                request.param::<String>("path")
            })
            .get("/metrics", Metrics::new(handle.clone()))
    })
}
