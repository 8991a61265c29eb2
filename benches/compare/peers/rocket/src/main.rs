//! Rocket, without its log, its shield and its name.

use std::io::Cursor;
use std::net::SocketAddr;

use rocket::config::{Ident, LogLevel};
use rocket::data::{Data, ToByteUnit};
use rocket::http::ContentType;
use rocket::response::{self, Responder, Response};
use rocket::shield::Shield;
use rocket::tokio::io;
use rocket::{Build, Config, Request, Rocket, get, launch, post, routes};

const CHUNK_BYTES: usize = 64 << 10;
const UPLOAD_MEBIBYTES_MAX: u32 = 64;

static LARGE: [u8; 1 << 20] = [b'x'; 1 << 20];

#[launch]
fn rocket() -> Rocket<Build> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().and_then(|a| a.parse().ok()).expect("ADDRESS THREADS");
    let workers = arguments.next().and_then(|n| n.parse().ok()).expect("ADDRESS THREADS");
    let config = Config {
        address: address.ip(),
        port: address.port(),
        workers,
        log_level: LogLevel::Off,
        ident: Ident::none(),
        ..Config::release_default()
    };
    rocket::custom(config)
        .attach(Shield::new())
        .mount("/", routes![hello, large_16k, large_1m, upload])
}

#[get("/")]
fn hello() -> &'static str {
    "Hello, World!"
}

#[get("/16k")]
fn large_16k() -> Large {
    Large(&LARGE[..16 << 10])
}

#[get("/1m")]
fn large_1m() -> Large {
    Large(&LARGE)
}

/// A body that Rocket copies in parts of this size rather than of 4 KiB.
struct Large(&'static [u8]);

impl<'r> Responder<'r, 'static> for Large {
    fn respond_to(self, _: &'r Request<'_>) -> response::Result<'static> {
        Response::build()
            .header(ContentType::Plain)
            .sized_body(self.0.len(), Cursor::new(self.0))
            .max_chunk_size(CHUNK_BYTES)
            .ok()
    }
}

#[post("/upload", data = "<body>")]
async fn upload(body: Data<'_>) -> io::Result<&'static str> {
    body.open(UPLOAD_MEBIBYTES_MAX.mebibytes())
        .stream_to(io::sink())
        .await?;
    Ok("Hello, World!")
}
