//! Services that many tests ask.

use std::io;

use futures_lite::stream;
use ringlane::{Bytes, Config, IntoResponse, Request, Response};

use super::content;
use super::gate::{Gate, OnDrop};
use super::server::TestServer;

pub const TYPE: &str = "application/octet-stream";

/// Sends the body back, in one of the ways that there are.
pub async fn echo(request: Request) -> Response {
    let mut body = request.body();
    match request.path() {
        "/length" => Response::stream_of_length(TYPE, body.length().unwrap_or(0), body),
        "/stream" => Response::stream(TYPE, body),
        "/bytes" => match body.bytes(16 << 20).await {
            Ok(bytes) => bytes.into_response(),
            Err(error) => error.into_response(),
        },
        "/next" => {
            let mut all = Vec::new();
            while let Some(chunk) = body.next().await {
                match chunk {
                    Ok(chunk) => all.extend_from_slice(&chunk),
                    Err(error) => return error.into_response(),
                }
            }
            all.into_response()
        }
        _ => Response::text("ignored"),
    }
}

pub fn echo_server(configure: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start(configure, |_| echo)
}

/// A handler that reads its body to the end, and three gates: it has begun, it is gone, it has seen an end.
pub struct Reader {
    pub server: TestServer,
    pub entered: Gate,
    pub dropped: Gate,
    pub ended: Gate,
}

impl Reader {
    pub fn start(configure: impl FnOnce(&mut Config)) -> Reader {
        let (entered, dropped, ended) = (Gate::default(), Gate::default(), Gate::default());
        let gates = (entered.clone(), dropped.clone(), ended.clone());
        let server = TestServer::start(configure, move |_| {
            let (entered, dropped, ended) = gates.clone();
            async move |request: Request| {
                if request.path() == "/other" {
                    return Response::text("other");
                }
                let _guard = OnDrop(dropped.clone());
                entered.open();
                if request.path() == "/pending" {
                    std::future::pending::<()>().await;
                }
                let mut body = request.body();
                while let Some(Ok(_)) = body.next().await {}
                ended.open();
                Response::text("the handler saw an end")
            }
        });
        Reader {
            server,
            entered,
            dropped,
            ended,
        }
    }
}

/// A stream of the content's first bytes, in chunks of a size.
pub fn content_stream(length: usize, chunk_bytes: usize) -> impl stream::Stream<Item = io::Result<Bytes>> {
    stream::unfold(0, move |at| {
        let chunk = (at < length).then(|| content::piece(at as u64, chunk_bytes.min(length - at)));
        std::future::ready(chunk.map(|chunk| (Ok(Bytes::from_static(chunk)), at + chunk.len())))
    })
}
