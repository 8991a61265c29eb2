//! hyper, as its authors measure it: a current-thread Tokio runtime and a listener for each thread.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
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
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(
            http1::Builder::new()
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(stream), service_fn(answer)),
        );
    }
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let body = match request.uri().path() {
        "/16k" => &LARGE[..16 << 10],
        "/1m" => &LARGE,
        "/upload" => {
            while let Some(Ok(_)) = request.body_mut().frame().await {}
            b"Hello, World!"
        }
        _ => b"Hello, World!",
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
}
