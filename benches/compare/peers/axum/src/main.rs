//! axum with its own `serve`, as TechEmpower runs it: a current-thread Tokio runtime and a listener for each thread.

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use futures_util::StreamExt;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

const LISTEN_BACKLOG: i32 = 4096;

static LARGE: [u8; 1 << 20] = [b'x'; 1 << 20];

fn main() {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().and_then(|a| a.parse().ok()).expect("ADDRESS THREADS");
    let threads: usize = arguments.next().and_then(|n| n.parse().ok()).expect("ADDRESS THREADS");
    let threads: Vec<_> = (0..threads)
        .map(|_| std::thread::spawn(move || run(address).expect("serves")))
        .collect();
    for thread in threads {
        thread.join().expect("a thread serves for ever");
    }
}

fn run(address: SocketAddr) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let listener = TcpListener::from_std(listen(address)?)?.tap_io(|stream| {
                stream.set_nodelay(true).expect("a stream takes TCP_NODELAY");
            });
            let router = Router::new()
                .route("/", get(async || text(b"Hello, World!")))
                .route("/16k", get(async || text(&LARGE[..16 << 10])))
                .route("/1m", get(async || text(&LARGE)))
                .route("/upload", post(upload));
            axum::serve(listener, router).await
        })
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

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}
