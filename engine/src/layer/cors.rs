//! Which other sites' scripts may call a server, and read what it answers (CORS, the Fetch standard §3.2).

use std::time::Duration;

use http::{Method, StatusCode};

use super::{Layer, Next, RequestHead, vary};
use crate::error::Error;
use crate::request::Request;
use crate::response::Response;

/// Lets scripts of other origins call the server and read its responses, as the Fetch standard's CORS protocol says.
///
/// A preflight (`OPTIONS` with `Origin` and `Access-Control-Request-Method`) is answered here, and the service within not
/// called: 204, or 403 where the origin is not allowed. To every other request's response the fields are added that let
/// the browser hand it to the script; for an origin that is not allowed there are none, and the request is answered all
/// the same: CORS keeps scripts from reading, and is no protection against requests.
///
/// Put it around the whole router: around some methods of a path alone it would not see the preflights.
///
/// What is not said is not allowed: without [`Cors::methods`] only GET, HEAD and POST, without [`Cors::headers`] only
/// the fields that need no permission.
///
/// ```no_run
/// use std::time::Duration;
/// use ringlane::layer::Cors;
/// use ringlane::router::Router;
/// use ringlane::{Method, Request, Server};
///
/// Server::bind("127.0.0.1:8080").serve(|_core| {
///     let cors = Cors::origins(["https://app.example.com", "http://localhost:3000"])
///         .methods([Method::GET, Method::PUT, Method::DELETE])
///         .headers(["Content-Type", "Authorization"])
///         .expose(["X-Request-Id"])
///         .credentials()
///         .max_age(Duration::from_secs(3600));
///     Router::new().get("/", async |_: Request| "Hello, World!").layer(cors)
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
pub struct Cors {
    origins: Origins,
    /// The value of `Access-Control-Allow-Methods`.
    methods: String,
    /// The value of `Access-Control-Allow-Headers`; none if empty, and so below.
    headers: String,
    exposed: String,
    credentials: bool,
    max_age: Option<Duration>,
}

enum Origins {
    Any,
    List(Vec<String>),
    If(Box<dyn Fn(&str) -> bool>),
}

impl Cors {
    /// Allows these origins, written as browsers write them: `https://example.com`, with a port only where it is not the
    /// scheme's, and nothing behind it. `null`, which is what documents without an origin send, is a word that anyone
    /// can make a browser send.
    pub fn origins<O: Into<String>>(origins: impl IntoIterator<Item = O>) -> Cors {
        Cors::of(Origins::List(origins.into_iter().map(Into::into).collect()))
    }

    /// Allows every origin: for what is public anyway.
    pub fn any_origin() -> Cors {
        Cors::of(Origins::Any)
    }

    /// Allows the origins for which a function says so. Compare whole hosts: `ends_with("example.com")` is also true of
    /// `https://evil-example.com`.
    pub fn origins_if(allows: impl Fn(&str) -> bool + 'static) -> Cors {
        Cors::of(Origins::If(Box::new(allows)))
    }

    fn of(origins: Origins) -> Cors {
        Cors {
            origins,
            methods: "GET, HEAD, POST".to_owned(),
            headers: String::new(),
            exposed: String::new(),
            credentials: false,
            max_age: None,
        }
    }

    /// The methods that are allowed. Default: GET, HEAD and POST, which browsers send without asking.
    #[must_use]
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Cors {
        self.methods = list(methods.into_iter().map(|method| method.to_string()));
        self
    }

    /// The request's fields that are allowed, beyond those that need no permission (`Accept`, `Accept-Language`,
    /// `Content-Language`, and `Content-Type` for forms and plain text). `*` is any but `Authorization`. Default: none.
    #[must_use]
    pub fn headers<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Cors {
        self.headers = list(names.into_iter().map(Into::into));
        self
    }

    /// The response's fields that scripts may read, beyond the usual ones (such as `Content-Type` and `Cache-Control`).
    /// `*` is any. Default: none.
    #[must_use]
    pub fn expose<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Cors {
        self.exposed = list(names.into_iter().map(Into::into));
        self
    }

    /// Allows requests with credentials: cookies, HTTP authentication, client certificates. With this, `*` of origins,
    /// headers or exposed fields means nothing to browsers, and keeps the server from starting.
    #[must_use]
    pub fn credentials(mut self) -> Cors {
        self.credentials = true;
        self
    }

    /// How long a browser may remember a preflight's answer, in whole seconds. Browsers have bounds of their own, two hours
    /// and less. Default: not said, which is five seconds.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Cors {
        self.max_age = Some(age);
        self
    }

    /// The value of `Access-Control-Allow-Origin` for a request, if its origin is allowed.
    fn allow_origin<'a>(&self, request: &'a RequestHead) -> Option<&'a str> {
        match &self.origins {
            // Whoever asks: a cache may give the answer to somebody else (the Fetch standard, "CORS protocol and HTTP caches").
            Origins::Any => Some("*"),
            Origins::List(origins) => origin(request).filter(|origin| origins.iter().any(|allowed| allowed == origin)),
            Origins::If(allows) => origin(request).filter(|origin| allows(origin)),
        }
    }

    fn preflight(&self, request: &RequestHead) -> Response {
        let Some(origin) = self.allow_origin(request) else {
            let mut response = Response::text("the origin is not allowed\n").with_status(StatusCode::FORBIDDEN);
            self.vary(&mut response);
            return response;
        };
        let mut response = Response::new(StatusCode::NO_CONTENT);
        self.allow(&mut response, origin);
        set(&mut response, "Access-Control-Allow-Methods", &self.methods);
        set(&mut response, "Access-Control-Allow-Headers", &self.headers);
        if let Some(age) = self.max_age {
            set(&mut response, "Access-Control-Max-Age", &age.as_secs().to_string());
        }
        response
    }

    /// What preflights and other responses to allowed origins have in common.
    fn allow(&self, response: &mut Response, origin: &str) {
        set(response, "Access-Control-Allow-Origin", origin);
        if self.credentials {
            set(response, "Access-Control-Allow-Credentials", "true");
        }
        self.vary(response);
    }

    /// Whatever the origin, a cache must know that it matters (the Fetch standard §3.2.5).
    fn vary(&self, response: &mut Response) {
        if !matches!(self.origins, Origins::Any) {
            vary::add(response, "Origin");
        }
    }
}

impl Layer for Cors {
    async fn call(&self, request: Request, next: &Next) -> Response {
        let head = request.head();
        if is_preflight(&head) {
            return self.preflight(&head);
        }
        let mut response = next.run(request).await;
        match self.allow_origin(&head) {
            Some(origin) => {
                self.allow(&mut response, origin);
                set(&mut response, "Access-Control-Expose-Headers", &self.exposed);
            }
            None => self.vary(&mut response),
        }
        response
    }

    fn check(&self) -> Result<(), Error> {
        let problem = |problem: String| Err(Error::Service { problem });
        let is_any = |list: &String| list.split(", ").any(|element| element == "*");
        if self.credentials && matches!(self.origins, Origins::Any) {
            return problem(
                "CORS with credentials for any origin would let every site act as its visitors, and browsers refuse it: \
                 list the origins, or leave credentials out"
                    .to_owned(),
            );
        }
        if self.credentials && [&self.headers, &self.exposed].into_iter().any(is_any) {
            return problem(
                "CORS with credentials takes * for the name of a field and not for any: list the fields' names"
                    .to_owned(),
            );
        }
        if let Origins::List(origins) = &self.origins
            && let Some(origin) = origins.iter().find(|origin| !is_origin(origin))
        {
            return problem(format!(
                "{origin:?} is not what a browser sends as an origin: write scheme://host in lower case, with :port where \
                 it is not the scheme's, and nothing behind it"
            ));
        }
        let names = self
            .methods
            .split(", ")
            .chain(names(&self.headers))
            .chain(names(&self.exposed));
        if let Some(name) = names.into_iter().find(|name| !is_token(name)) {
            return problem(format!("CORS names {name:?}, which is no field or method: correct it"));
        }
        Ok(())
    }
}

/// The Fetch standard §3.2.2: what a browser asks before a request that needs permission.
fn is_preflight(request: &RequestHead) -> bool {
    *request.method() == Method::OPTIONS
        && request.header("origin").is_some()
        && request.header("access-control-request-method").is_some()
}

/// The request's one origin, if it is text.
fn origin(request: &RequestHead) -> Option<&str> {
    let mut origins = request
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case("origin"))
        .map(|(_, value)| value);
    let origin = origins.next()?;
    let is_text = !origin.is_empty() && origin.iter().all(u8::is_ascii_graphic);
    if !is_text || origins.next().is_some() {
        return None;
    }
    std::str::from_utf8(origin).ok()
}

/// Whether this is an origin as browsers write it (RFC 6454 §6.2), or `null`.
fn is_origin(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text == "null";
    };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte));
    // The colons of an IPv6 address stand within brackets.
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let is_default = matches!((scheme, port), ("http", Some("80")) | ("https", Some("443")));
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|number| number.to_string() == port));
    let is_host = match host.strip_prefix('[') {
        Some(address) => address.ends_with(']') && address.bytes().all(|byte| b"0123456789abcdef:.]".contains(&byte)),
        None => !host.is_empty() && host.bytes().all(is_host_byte),
    };
    is_scheme && is_host && is_port && !is_default
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte)
}

/// Names of fields are tokens, as methods are (RFC 9110 §5.1, §9.1).
fn is_token(text: &str) -> bool {
    Method::from_bytes(text.as_bytes()).is_ok()
}

fn list(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn names(list: &str) -> impl Iterator<Item = &str> {
    list.split(", ").filter(move |_| !list.is_empty())
}

/// Sets a field that has a value; the values are checked at the start, or are what the engine took from a field.
fn set(response: &mut Response, name: &str, value: &str) {
    if !value.is_empty() {
        let set = response.set_header(name, value);
        debug_assert!(set.is_ok(), "{name}: {value:?}");
    }
}
