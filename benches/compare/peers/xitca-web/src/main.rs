//! xitca-web's server with a bare service (no router), as TechEmpower runs it: io_uring, a worker for each core.

use std::io;
use std::pin::pin;

use xitca_web::HttpServer;
use xitca_web::body::{BodyExt, ResponseBody};
use xitca_web::bytes::Bytes;
use xitca_web::error::BodyError;
use xitca_web::http::const_header_value::TEXT_UTF8;
use xitca_web::http::header::CONTENT_TYPE;
use xitca_web::http::{WebRequest, WebResponse};
use xitca_web::service::fn_service;

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LISTEN_BACKLOG: u32 = 4096;

static LARGE: [u8; 1 << 20] = [b'x'; 1 << 20];

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("ADDRESS THREADS");
    let threads: usize = arguments.next().and_then(|n| n.parse().ok()).expect("ADDRESS THREADS");
    HttpServer::serve(fn_service(answer))
        .worker_threads(threads)
        .backlog(LISTEN_BACKLOG)
        .enable_io_uring()
        .bind(address)?
        .run()
        .wait()
}

async fn answer(request: WebRequest) -> Result<WebResponse, BodyError> {
    let (head, body) = request.into_parts();
    let answer: &'static [u8] = match head.uri.path() {
        "/16k" => &LARGE[..16 << 10],
        "/1m" => &LARGE,
        "/upload" => {
            let (_, mut body) = body.replace_body(());
            while let Some(chunk) = pin!(&mut body).data().await {
                chunk?;
            }
            b"Hello, World!"
        }
        _ => b"Hello, World!",
    };
    let mut response = WebResponse::new(ResponseBody::from(Bytes::from_static(answer)));
    response.headers_mut().insert(CONTENT_TYPE, TEXT_UTF8);
    Ok(response)
}
