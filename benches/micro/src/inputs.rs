//! What the operations work on.

use http::StatusCode;
use ringlane::bench::Simulation;
use ringlane::{Request, Response};
use ringlane_pool::{Key, Options, Pool, Slots, View};
use ringlane_protocol::response::{FieldLines, FieldValue, Framing, Head, Persistence};

/// The least that HTTP/1.1 takes.
pub const MINIMAL: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// What wrk sends.
pub const WRK: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";

/// What a browser sends: 15 fields.
pub const BROWSER: &[u8] = b"GET /articles/2024/thread-per-core?page=2&sort=new HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    Connection: keep-alive\r\n\
    sec-ch-ua: \"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\"\r\n\
    sec-ch-ua-mobile: ?0\r\n\
    sec-ch-ua-platform: \"Linux\"\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-User: ?1\r\n\
    Sec-Fetch-Dest: document\r\n\
    Referer: https://www.example.com/articles\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Cookie: session=6f1c2a9be07d4d35; theme=dark\r\n\
    \r\n";

/// A buffer of a pool by default.
pub const BUFFER_BYTES: usize = 4096;

/// The body of the requests that have one.
pub const BODY_BYTES: usize = 16 * 1024;

/// The browser's head with a bare LF behind its last field: the fast way does not take it, the strict way refuses it.
pub fn rejected() -> Vec<u8> {
    let mut head = BROWSER.to_vec();
    head.remove(head.len() - 4);
    head
}

/// 1 KiB in chunks of 16 bytes.
pub fn chunks_small() -> Vec<u8> {
    let mut body = b"10\r\n0123456789abcdef\r\n".repeat(64);
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

/// 16 KiB in one chunk.
pub fn chunk_big() -> Vec<u8> {
    [b"4000\r\n".as_slice(), &[b'x'; BODY_BYTES], b"\r\n0\r\n\r\n"].concat()
}

/// Five fields, as a service might add them.
pub fn five_fields() -> FieldLines {
    let mut lines = FieldLines::default();
    for (name, value) in [
        ("Cache-Control", "public, max-age=3600"),
        ("ETag", "\"33a64df551425fcc55e4d42a148795d9f25f89d4\""),
        ("Vary", "Accept-Encoding"),
        ("Strict-Transport-Security", "max-age=63072000"),
        ("X-Request-Id", "0f8fad5b-d9cb-469f-a165-70867728950e"),
    ] {
        lines.push(name, value.as_bytes()).expect("valid fields");
    }
    lines
}

/// The head of hello's answer, with further fields.
pub fn hello_head(fields: &[u8]) -> Head<'_> {
    Head {
        status: StatusCode::OK,
        content_type: FieldValue::new("text/plain; charset=utf-8"),
        fields,
        framing: Framing::Length(13),
        persistence: Persistence::KeepAlive,
        upgrade: None,
        date: b"Sun, 06 Nov 1994 08:49:37 GMT",
    }
}

/// A pool that has grown already.
pub fn pool() -> Pool {
    let options = Options {
        buffer_bytes: BUFFER_BYTES,
        buffers_max: 64,
        buffers_step: 16,
    };
    let pool = Pool::new(options).expect("memory for a benchmark");
    drop(pool.take());
    pool
}

/// A view of a filled buffer.
pub fn view() -> View {
    let mut buffer = pool().take().expect("a pool that has just been made");
    buffer.extend_from_slice(WRK).expect("it fits");
    buffer.freeze()
}

/// A table in which some slots are taken, with one of their keys.
pub fn slots() -> (Slots<u64>, Key) {
    let mut slots = Slots::new();
    let keys: Vec<Key> = (0..64).map(|number| slots.insert(number)).collect();
    slots.remove(keys[7]);
    (slots, keys[40])
}

/// A core of hello with bytes that have been received, once it has answered a request like this before.
pub fn hello(requests: &[u8]) -> Simulation {
    received(
        Simulation::new(async |_: Request| Response::text("Hello, World!"), BUFFER_BYTES),
        requests,
    )
}

/// As [`hello`], with an answer that is on its way: its send has completed.
pub fn hello_answered(requests: &[u8]) -> Simulation {
    let mut core = hello(requests);
    core.work();
    core.complete();
    core
}

/// A core whose service reads the whole body, in buffers that hold it.
pub fn reader() -> Simulation {
    let service = async |request: Request| match request.body().bytes(BODY_BYTES).await {
        Ok(body) => Response::text(body.len().to_string()),
        Err(error) => Response::text(error.to_string()),
    };
    received(Simulation::new(service, 8 * BUFFER_BYTES), &upload())
}

/// A core of hello, which does not read the body, in buffers of the usual size: each with a receive of its own.
pub fn discarder() -> Simulation {
    hello(&upload())
}

/// A request with a body.
pub fn upload() -> Vec<u8> {
    let mut request = b"POST / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: 16384\r\n\r\n".to_vec();
    request.resize(request.len() + BODY_BYTES, b'x');
    request
}

fn received(mut core: Simulation, requests: &[u8]) -> Simulation {
    core.send(requests);
    settle(&mut core);
    assert!(
        core.take_answers().starts_with(b"HTTP/1.1 200 OK\r\n"),
        "hello answers 200"
    );
    core.send(requests);
    for _ in 0..requests.len().div_ceil(BUFFER_BYTES) {
        core.complete();
    }
    core
}

/// Rounds until nothing happens.
pub fn settle(core: &mut Simulation) {
    core.complete();
    while core.work() {
        core.complete();
    }
}
