//! Responses that tell of errors, rewritten in one place.

use http::StatusCode;

use super::{Layer, Next, RequestHead, json};
use crate::request::Request;
use crate::response::{Response, ResponseBody};

/// How much of a response's text becomes the detail of a problem, in bytes; longer ones are left out.
const DETAIL_BYTES_MAX: usize = 1024;

/// Has a function rewrite the responses that tell of errors: those of a status from 400 on, unless said otherwise.
///
/// Around a router it sees the router's own answers too: 404, 405 and 400. It does not see what the engine answers before
/// a service is called, or in place of one: heads that are malformed, bodies that are too long for `body_bytes_max`, too
/// slow or broken, and panics. These end their connections and are a line of plain text each.
///
/// Fields that the status needs should stay: `Allow` of a 405, `WWW-Authenticate` of a 401, `Retry-After` of a 503. To set
/// a body, use [`Response::with_body`] and set `Content-Type`.
///
/// ```no_run
/// use ringlane::layer::{MapErrors, RequestHead};
/// use ringlane::router::Router;
/// use ringlane::{Request, Response, Server};
///
/// fn page(request: &RequestHead, response: Response) -> Response {
///     if request.header("accept").is_some_and(|types| !types.starts_with(b"text/html")) {
///         return response;
///     }
///     let page = format!("<!doctype html><title>{0}</title><h1>{0}</h1>", response.status());
///     let mut response = response.with_body(page);
///     match response.set_header("Content-Type", "text/html; charset=utf-8") {
///         Ok(()) => response,
///         Err(_) => Response::new(ringlane::StatusCode::INTERNAL_SERVER_ERROR),
///     }
/// }
///
/// Server::bind("127.0.0.1:8080").serve(|_core| {
///     Router::new().get("/", async |_: Request| "Hello, World!").layer(MapErrors::new(page))
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
pub struct MapErrors {
    of: Box<dyn Fn(StatusCode) -> bool>,
    map: Map,
}

type Map = Box<dyn Fn(&RequestHead, Response) -> Response>;

impl MapErrors {
    /// Rewrites every response of a status from 400 on.
    pub fn new(map: impl Fn(&RequestHead, Response) -> Response + 'static) -> MapErrors {
        MapErrors {
            of: Box::new(|status| status.as_u16() >= 400),
            map: Box::new(map),
        }
    }

    /// Turns errors of plain text, or without a body, into `application/problem+json` (RFC 9457): `status`, its phrase as
    /// `title`, and the text as `detail` where it has 1 KiB at the most. Other types are left as they are.
    ///
    /// ```no_run
    /// use ringlane::layer::MapErrors;
    /// use ringlane::router::Router;
    /// use ringlane::Server;
    ///
    /// Server::bind("127.0.0.1:8080").serve(|_core| Router::new().layer(MapErrors::problem_json()))?;
    /// # Ok::<(), ringlane::Error>(())
    /// ```
    pub fn problem_json() -> MapErrors {
        MapErrors::new(problem)
    }

    /// Rewrites the responses of these statuses alone, be they errors or not.
    #[must_use]
    pub fn of(mut self, of: impl Fn(StatusCode) -> bool + 'static) -> MapErrors {
        self.of = Box::new(of);
        self
    }
}

impl Layer for MapErrors {
    async fn call(&self, request: Request, next: &Next) -> Response {
        let head = request.head();
        let response = next.run(request).await;
        if (self.of)(response.status()) {
            (self.map)(&head, response)
        } else {
            response
        }
    }
}

/// RFC 9457 §3.1, §4.2.1: of the type `about:blank`, which is what no type means.
fn problem(_: &RequestHead, mut response: Response) -> Response {
    let ResponseBody::Whole(text) = &response.body else {
        return response;
    };
    let is_plain = match response.field("content-type") {
        None => text.is_empty(),
        Some(value) => value.split(|byte| *byte == b';').next() == Some(b"text/plain"),
    };
    if !is_plain || response.field("content-encoding").is_some() {
        return response;
    }
    let status = response.status();
    let mut body = b"{\"status\":".to_vec();
    body.extend_from_slice(status.as_str().as_bytes());
    if let Some(title) = status.canonical_reason() {
        body.extend_from_slice(b",\"title\":");
        json::push_string(&mut body, title.as_bytes());
    }
    let detail = text.trim_ascii();
    if !detail.is_empty() && detail.len() <= DETAIL_BYTES_MAX {
        body.extend_from_slice(b",\"detail\":");
        json::push_string(&mut body, detail);
    }
    body.extend_from_slice(b"}\n");
    if response.set_header("Content-Type", "application/problem+json").is_err() {
        return response;
    }
    response.with_body(body)
}
