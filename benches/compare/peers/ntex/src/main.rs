//! ntex's HTTP service (no router) on its own runtime with the io_uring driver, a worker for each core.

use std::io;

use ntex::SharedCfg;
use ntex::http::body::Body;
use ntex::http::header::{CONTENT_TYPE, HeaderValue};
use ntex::http::{HttpService, HttpServiceConfig, KeepAlive, Request, Response, StatusCode};
use ntex::util::Bytes;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LISTEN_BACKLOG: i32 = 4096;

static LARGE: [u8; 1 << 20] = [b'x'; 1 << 20];

#[ntex::main]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("ADDRESS THREADS");
    let threads: usize = arguments.next().and_then(|n| n.parse().ok()).expect("ADDRESS THREADS");
    let http = HttpServiceConfig::new().set_keepalive(KeepAlive::Os);
    ntex::server::build()
        .workers(threads)
        .backlog(LISTEN_BACKLOG)
        .bind("hello", address, SharedCfg::new("hello").add(http), async |_| {
            HttpService::h1(answer)
        })?
        .run()
        .await
}

async fn answer(mut request: Request) -> io::Result<Response> {
    let body: &'static [u8] = match request.path() {
        "/16k" => &LARGE[..16 << 10],
        "/1m" => &LARGE,
        "/upload" => {
            while let Some(chunk) = request.payload().recv().await {
                chunk.map_err(io::Error::other)?;
            }
            b"Hello, World!"
        }
        _ => b"Hello, World!",
    };
    let mut response = Response::with_body(StatusCode::OK, Body::Bytes(Bytes::from_static(body)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}
