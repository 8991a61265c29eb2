//! Hyperlane, as its quick start has it: a hook for each path, which builds the response and sends it.

use std::cell::RefCell;
use std::time::{Duration, SystemTime};

use hyperlane::{
    CLOSE, CONNECTION, CONTENT_TYPE, Context, DATE, HttpVersion, RequestConfig, Server, ServerConfig, ServerHook,
    Status, Stream,
};

const CONTENT_TYPE_TEXT: &str = "text/plain; charset=utf-8";

static LARGE: [u8; 1 << 20] = [b'x'; 1 << 20];

struct Hello;
struct Large16K;
struct Large1M;

impl ServerHook for Hello {
    async fn new(_: &mut Stream, _: &mut Context) -> Self {
        Self
    }

    async fn handle(self, stream: &mut Stream, context: &mut Context) -> Status {
        send(b"Hello, World!", stream, context).await
    }
}

impl ServerHook for Large16K {
    async fn new(_: &mut Stream, _: &mut Context) -> Self {
        Self
    }

    async fn handle(self, stream: &mut Stream, context: &mut Context) -> Status {
        send(&LARGE[..16 << 10], stream, context).await
    }
}

impl ServerHook for Large1M {
    async fn new(_: &mut Stream, _: &mut Context) -> Self {
        Self
    }

    async fn handle(self, stream: &mut Stream, context: &mut Context) -> Status {
        send(&LARGE, stream, context).await
    }
}

async fn send(body: &[u8], stream: &mut Stream, context: &mut Context) -> Status {
    let stays = context.get_request().is_enable_keep_alive();
    let response = context.get_mut_response();
    response
        .set_version(HttpVersion::Http1_1)
        .set_status_code(200)
        .set_header(CONTENT_TYPE, CONTENT_TYPE_TEXT)
        .set_header(DATE, date())
        .set_body(body);
    if !stays {
        response.set_header(CONNECTION, CLOSE);
    }
    if stream.try_send(response.build()).await.is_err() {
        stream.set_closed(true);
        return Status::Reject;
    }
    Status::Continue
}

/// The Date field's value, which Hyperlane leaves to the application: written once a second.
fn date() -> String {
    thread_local! {
        static WRITTEN: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    }
    let now = SystemTime::now();
    let second = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| Duration::as_secs(&since));
    WRITTEN.with_borrow_mut(|(written, text)| {
        if *written != second {
            (*written, *text) = (second, httpdate::fmt_http_date(now));
        }
        text.clone()
    })
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("ADDRESS THREADS");
    let threads = arguments.next().and_then(|n| n.parse().ok()).expect("ADDRESS THREADS");
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .expect("starts a runtime")
        .block_on(serve(&address));
}

async fn serve(address: &str) {
    let mut config = ServerConfig::default();
    config.set_address(address);
    config.set_nodelay(Some(true));
    let mut server = Server::default();
    server
        .server_config(config)
        .request_config(RequestConfig::low_security())
        .route::<Hello>("/")
        .route::<Large16K>("/16k")
        .route::<Large1M>("/1m")
        .route::<Hello>("/upload");
    server.run().await.expect("listens").wait().await;
}
