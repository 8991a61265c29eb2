//! The service that the cases ask. It sends back what it was given, and keeps a log: the one proves what was executed,
//! the other what was not.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use futures_lite::stream;

use super::case::Call;
use super::{FieldError, IntoResponse, Request, Response, StatusCode, Upgraded};

/// More than any case sends.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What the handlers were called with, connection by connection. Clones are one log.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<HashMap<Option<SocketAddr>, Vec<Seen>>>>);

/// A call, and whether its handler has got the whole body.
#[derive(Debug)]
pub struct Seen {
    pub call: Call,
    pub is_whole: bool,
}

impl Log {
    /// What a client's requests have led to since it was last asked; a simulated client has no address.
    pub fn take(&self, client: Option<SocketAddr>) -> Vec<Seen> {
        self.0.lock().unwrap().remove(&client).unwrap_or_default()
    }

    fn enter(&self, client: Option<SocketAddr>, call: Call) {
        let seen = Seen { call, is_whole: false };
        self.0.lock().unwrap().entry(client).or_default().push(seen);
    }

    /// The handlers of a connection run one after the other: it is the last one that has its body now.
    fn complete(&self, client: Option<SocketAddr>, body: &[u8]) {
        if let Some(seen) = self
            .0
            .lock()
            .unwrap()
            .get_mut(&client)
            .and_then(|calls| calls.last_mut())
        {
            seen.call.body = body.to_vec();
            seen.is_whole = true;
        }
    }
}

/// Answers with method, target, and, behind a line feed, the body. What it does besides is said by the path's beginning:
/// `/later` makes it wait a turn, `/ignore` leave the body unread, `/stream` answer in chunks, `/close` end the
/// connection, `/upgrade` leave HTTP; `/status/N` answers with status N.
pub async fn answer(log: &Log, request: Request) -> Response {
    let client = request.peer_addr().ok();
    let call = Call {
        method: request.method().to_string(),
        target: request.target().to_owned(),
        body: Vec::new(),
    };
    log.enter(client, call.clone());
    let path = request.path();
    if path.starts_with("/later") {
        yield_once().await;
    }
    let body = if path.starts_with("/ignore") {
        Vec::new()
    } else {
        match request.body().bytes(BODY_BYTES_MAX).await {
            Ok(body) => body.to_vec(),
            Err(error) => return error.into_response(),
        }
    };
    log.complete(client, &body);
    let echo = [call.method.as_bytes(), b" ", call.target.as_bytes(), b"\n", &body].concat();
    let response = if path.starts_with("/stream") {
        let chunks = [Ok::<_, String>(call.method), Ok(format!(" {}\n", call.target))];
        let chunks = chunks
            .into_iter()
            .map(|chunk| chunk.map(String::into_bytes))
            .chain([Ok(body)]);
        Response::stream("text/plain", stream::iter(chunks))
    } else if path.starts_with("/upgrade") {
        Response::upgrade("echo", echo_bytes)
    } else {
        Response::bytes("text/plain", echo)
    };
    let response = match path.strip_prefix("/status/").and_then(|status| status.parse().ok()) {
        Some(status) => response.with_status(StatusCode::from_u16(status).unwrap_or_default()),
        None if path.starts_with("/close") => response.with_close(),
        None => response,
    };
    with_fields(response, &request).into_response()
}

/// What the request was taken for, beyond what the body says: for the cases that look at it.
fn with_fields(response: Response, request: &Request) -> Result<Response, FieldError> {
    let mut response = response
        .header("X-Version", format!("{:?}", request.version()))?
        .header("X-Path", request.path())?;
    if let Some(query) = request.query() {
        response = response.header("X-Query", query)?;
    }
    if let Some(value) = request.header("x-test") {
        response = response.header("X-Test", value)?;
    }
    Ok(response)
}

/// Pending once: the handler becomes a task.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn echo_bytes(mut stream: Upgraded) {
    while let Some(Ok(chunk)) = stream.next().await {
        if stream.send(chunk).await.is_err() {
            break;
        }
    }
}
