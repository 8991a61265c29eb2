//! Rocket, without its log, its shield and its name.

use std::net::SocketAddr;

use rocket::config::{Ident, LogLevel};
use rocket::data::{Data, ToByteUnit};
use rocket::response::content::RawText;
use rocket::shield::Shield;
use rocket::tokio::io;
use rocket::{Build, Config, Rocket, get, launch, post, routes};

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
fn large_16k() -> RawText<&'static [u8]> {
    RawText(&LARGE[..16 << 10])
}

#[get("/1m")]
fn large_1m() -> RawText<&'static [u8]> {
    RawText(&LARGE)
}

#[post("/upload", data = "<body>")]
async fn upload(body: Data<'_>) -> io::Result<&'static str> {
    body.open(UPLOAD_MEBIBYTES_MAX.mebibytes())
        .stream_to(io::sink())
        .await?;
    Ok("Hello, World!")
}
