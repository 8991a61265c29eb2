//! axum on hyper, with hyper's fast settings, which axum's own `serve` does not give: a current-thread Tokio runtime and a
//! listener for each thread.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use futures_util::StreamExt;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

static LARGE: [u8; 1 << 20] = [b'x'; 1 << 20];

fn main() {
    let (address, threads) = peer_loop::arguments();
    let threads: Vec<_> = (0..threads)
        .map(|_| std::thread::spawn(move || run(address).expect("serves")))
        .collect();
    for thread in threads {
        thread.join().expect("a thread serves for ever");
    }
}

fn run(address: SocketAddr) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(serve(peer_loop::listen(address)?))
}

async fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    let router = Router::new()
        .route("/", get(async || text(b"Hello, World!")))
        .route("/16k", get(async || text(&LARGE[..16 << 10])))
        .route("/1m", get(async || text(&LARGE)))
        .route("/upload", post(upload));
    let service = TowerToHyperService::new(router);
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(
            http1::Builder::new()
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(stream), service.clone()),
        );
    }
}

async fn upload(body: Body) -> Result<Response<Body>, StatusCode> {
    let mut body = body.into_data_stream();
    while let Some(chunk) = body.next().await {
        chunk.map_err(|_| StatusCode::BAD_REQUEST)?;
    }
    Ok(text(b"Hello, World!"))
}

fn text(body: &'static [u8]) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::from_static(body)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
