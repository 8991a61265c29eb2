//! actix-web, with its own runtime: a worker with a current-thread Tokio runtime for each core.

use actix_web::http::KeepAlive;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use actix_web::{App, HttpResponse, HttpServer, web};
use futures_util::StreamExt;

const LISTEN_BACKLOG: u32 = 4096;

static LARGE: [u8; 1 << 20] = [b'x'; 1 << 20];

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("ADDRESS THREADS");
    let threads: usize = arguments.next().and_then(|n| n.parse().ok()).expect("ADDRESS THREADS");
    HttpServer::new(|| {
        App::new()
            .route("/", web::get().to(async || text(b"Hello, World!")))
            .route("/16k", web::get().to(async || text(&LARGE[..16 << 10])))
            .route("/1m", web::get().to(async || text(&LARGE)))
            .route("/upload", web::post().to(upload))
    })
    .workers(threads)
    .backlog(LISTEN_BACKLOG)
    .keep_alive(KeepAlive::Os)
    .bind(address)?
    .run()
    .await
}

async fn upload(mut body: web::Payload) -> actix_web::Result<HttpResponse> {
    while let Some(chunk) = body.next().await {
        chunk?;
    }
    Ok(text(b"Hello, World!"))
}

fn text(body: &'static [u8]) -> HttpResponse {
    let mut response = HttpResponse::with_body(actix_web::http::StatusCode::OK, body);
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.map_into_boxed_body()
}
