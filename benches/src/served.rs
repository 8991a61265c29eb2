//! The server that is stormed and besieged: its service, and its half of the talk with the program that started it.
//!
//! It is that program once more, as a child with `--serve`. Knobs come by the environment. What the child prints first is
//! where it listens; then each line `usage` on its standard input is answered with a line of figures on its standard
//! output, since a question over HTTP would be a connection of its own. Where the input ends, the child does.

use std::convert::Infallible;
use std::io;
use std::process;
use std::thread;
use std::time::Duration;

use futures_lite::{AsyncReadExt, AsyncWriteExt, stream};
use glommio::timer::Timer;
use ringlane::{Body, Bytes, Config, IntoResponse, Request, Response, Server, ServerHandle, StatusCode, Upgraded};

use crate::content::{self, content};

const TYPE: &str = "application/octet-stream";
/// The longest that a handler pends.
const PENDING_MS_MAX: usize = 2000;
/// The largest body that is read whole.
const WHOLE_BYTES_MAX: usize = 1 << 20;

/// Serves on a port of the system's choice until it is told to stop.
///
/// # Errors
///
/// What the server says.
pub fn serve() -> io::Result<()> {
    let config = Config::from_env().map_err(io::Error::other)?;
    let server = Server::bind("127.0.0.1:0")
        .config(config)
        .on_ready(|ready| println!("{ready}"));
    let handle = server.handle();
    thread::spawn(move || tell(&handle));
    server.serve(|_core| answer).map_err(io::Error::other)
}

/// Answers questions until whoever asks is gone.
fn tell(handle: &ServerHandle) {
    for line in io::stdin().lines() {
        match line.as_deref() {
            Ok("usage") => {
                let cores = handle.usage().into_iter().map(|usage| {
                    format!(
                        "{} {} {} {} {} {}",
                        usage.core, usage.connections, usage.exchanges, usage.tasks, usage.buffers, usage.head_bytes
                    )
                });
                println!("usage {}", cores.collect::<Vec<_>>().join(", "));
            }
            _ => break,
        }
    }
    process::exit(1);
}

/// Answers with the `X-Id` of the request, so that answers cannot be mistaken for one another.
async fn answer(request: Request) -> Response {
    let response = respond(&request).await;
    match request.header("x-id") {
        Some(id) if id.iter().all(u8::is_ascii_graphic) => response.header("X-Id", id).into_response(),
        _ => response,
    }
}

async fn respond(request: &Request) -> Response {
    match request.path() {
        "/whole" => match request.body().bytes(WHOLE_BYTES_MAX).await {
            Ok(bytes) => Response::bytes(TYPE, bytes),
            Err(error) => error.into_response(),
        },
        "/count" => count(request.body()).await,
        "/stream" => {
            let body = request.body();
            match body.length() {
                Some(length) => Response::stream_of_length(TYPE, length, body),
                None => Response::stream(TYPE, body),
            }
        }
        "/chunks" => chunks(number(request, "n"), number(request, "size")),
        "/pending" => {
            let milliseconds = number(request, "ms").min(PENDING_MS_MAX);
            Timer::new(Duration::from_millis(milliseconds as u64)).await;
            Response::text("pending no more")
        }
        "/large" => Response::bytes(TYPE, Bytes::from_static(content(0, content::BYTES))),
        "/ignore" => Response::text("ignored"),
        "/upgrade" => Response::upgrade("echo", echo),
        path if path.starts_with("/small") => Response::text(format!("{} {}\n", request.method(), request.target())),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Reads a body without keeping it.
async fn count(mut body: Body) -> Response {
    let mut bytes = 0;
    while let Some(chunk) = body.next().await {
        match chunk {
            Ok(chunk) => bytes += chunk.len(),
            Err(error) => return error.into_response(),
        }
    }
    Response::text(format!("{bytes} bytes\n"))
}

/// A number out of the query; 0 where it has none of that name.
fn number(request: &Request, name: &str) -> usize {
    let mut pairs = request
        .query()
        .unwrap_or_default()
        .split('&')
        .filter_map(|pair| pair.split_once('='));
    pairs
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0)
}

/// The first bytes of the content in `count` chunks, each of which takes a turn of the executor.
fn chunks(count: usize, bytes: usize) -> Response {
    if count.saturating_mul(bytes) > content::BYTES {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let chunks = stream::unfold(0, move |at| async move {
        futures_lite::future::yield_now().await;
        (at < count).then(|| {
            (
                Ok::<_, Infallible>(Bytes::from_static(content(at * bytes, bytes))),
                at + 1,
            )
        })
    });
    Response::stream(TYPE, chunks)
}

async fn echo(mut connection: Upgraded) {
    let mut bytes = [0; 2048];
    while let Ok(count @ 1..) = connection.read(&mut bytes).await {
        if connection.write_all(&bytes[..count]).await.is_err() {
            break;
        }
    }
}
