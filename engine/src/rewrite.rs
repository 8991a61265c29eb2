//! Requests with another target or other fields: for layers that rewrite paths, or add what a proxy would.

use std::fmt;

use http::{Method, StatusCode, Version};
use ringlane_protocol::response::{FieldError, is_field_value};
use ringlane_protocol::{Limits, head};

use crate::request::Request;
use crate::response::{IntoResponse, Response};

/// What frames the request or concerns the connection on which it came (RFC 9112 §6, RFC 9110 §7.6.1, §7.8, §10.1.1):
/// the engine has acted upon it already.
const FIXED: [&str; 10] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "proxy-connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "http2-settings",
    "expect",
];

/// The configured limits were for the peer. These are the parser's own.
const LIMITS: Limits = Limits {
    target_bytes_max: usize::MAX,
    head_bytes_max: usize::MAX,
    fields_max: usize::MAX,
};

/// Changing what a request says, before it is passed on.
impl Request {
    /// The same request with another target. The head is written anew and validated by the rules that hold for what a
    /// peer sends. What a router has found out already stays: parameters are those of the old path. To change which
    /// route is taken, put the layer around the router ([`layered`](crate::layer::layered)).
    ///
    /// ```no_run
    /// use ringlane::layer::{Next, layered};
    /// use ringlane::router::Router;
    /// use ringlane::{IntoResponse, Request, Server};
    ///
    /// Server::bind("127.0.0.1:8080").serve(|_core| {
    ///     let router = Router::new().get("/v2/hello", async |_: Request| "Hello, World!");
    ///     layered(router).layer(async |request: Request, next: &Next| {
    ///         let Some(rest) = request.target().strip_prefix("/v1/") else {
    ///             return next.run(request).await;
    ///         };
    ///         let target = format!("/v2/{rest}");
    ///         match request.with_target(&target) {
    ///             Ok(request) => next.run(request).await,
    ///             Err(error) => error.into_response(),
    ///         }
    ///     })
    /// })?;
    /// # Ok::<(), ringlane::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RewriteError::Invalid`] where the target is none (RFC 9112 §3.2), or does not go with the method.
    pub fn with_target(mut self, target: &str) -> Result<Request, RewriteError> {
        let bytes = write(&self, target, None);
        self.read(bytes, target, target)?;
        Ok(self)
    }

    /// The same request with one field of this name, in place of all that it had. The head is written anew and validated
    /// by the rules that hold for what a peer sends.
    ///
    /// ```no_run
    /// use ringlane::layer::{Next, layered};
    /// use ringlane::{IntoResponse, Request, Server};
    ///
    /// Server::bind("127.0.0.1:8080").serve(|_core| {
    ///     let hello = async |request: Request| format!("Hello, {:?}!", request.header("x-real-ip"));
    ///     layered(hello).layer(async |request: Request, next: &Next| {
    ///         let peer = request.peer_addr().map_or_else(|_| String::new(), |peer| peer.ip().to_string());
    ///         match request.with_header("X-Real-IP", peer) {
    ///             Ok(request) => next.run(request).await,
    ///             Err(error) => error.into_response(),
    ///         }
    ///     })
    /// })?;
    /// # Ok::<(), ringlane::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RewriteError::Fixed`] for a field that frames the request or concerns its connection;
    /// [`RewriteError::Invalid`] for a name that is no token, a value with control bytes, a `Host` that is none, and
    /// where the request would have more than 256 fields.
    pub fn with_header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Request, RewriteError> {
        if let Some(name) = FIXED.iter().find(|fixed| fixed.eq_ignore_ascii_case(name)) {
            return Err(RewriteError::Fixed(name));
        }
        // Names of fields are tokens, as methods are (RFC 9110 §5.1, §9.1). Neither may end the line.
        let invalid = |reason| Err(RewriteError::invalid(name, reason));
        if Method::from_bytes(name.as_bytes()).is_err() {
            return invalid(FieldError::NameInvalid.to_string());
        }
        if !is_field_value(value.as_ref()) {
            return invalid(FieldError::ValueInvalid.to_string());
        }
        let target = self.target().to_owned();
        let bytes = write(&self, &target, Some((name, value.as_ref())));
        self.read(bytes, &target, name)?;
        Ok(self)
    }

    /// Takes over what has been written, where that is one whole head with this target, and says of the body what the old
    /// one said. `part` is what has been changed.
    fn read(&mut self, bytes: Vec<u8>, target: &str, part: &str) -> Result<(), RewriteError> {
        let invalid = |reason| Err(RewriteError::invalid(part, reason));
        let head = match head::parse(&bytes, &LIMITS) {
            Ok(Some(head)) => head,
            Ok(None) => return invalid("it has no end".to_owned()),
            Err(error) => return invalid(error.to_string()),
        };
        let (before, _) = self.head_parts();
        let is_same = head.len() == bytes.len()
            && head.target(&bytes) == target
            && head.method() == before.method()
            && head.framing() == before.framing()
            && head.upgrade() == before.upgrade();
        if !is_same {
            return invalid("it would be another request".to_owned());
        }
        if self.extras().matched.has_route() {
            let path = self.path().to_owned();
            self.extras_mut().matched.keep_path(path);
        }
        self.set_head_parts(head, bytes.into());
        Ok(())
    }
}

/// How much of a target or a name an error repeats.
const PART_CHARS_MAX: usize = 200;

/// The head as bytes, with one field set.
fn write(request: &Request, target: &str, set: Option<(&str, &[u8])>) -> Vec<u8> {
    let (head, bytes) = request.head_parts();
    let version = match head.version() {
        Version::HTTP_10 => "HTTP/1.0",
        _ => "HTTP/1.1",
    };
    let mut written = Vec::with_capacity(bytes.len() + target.len() + 64);
    let mut push = |parts: [&[u8]; 4]| parts.iter().for_each(|part| written.extend_from_slice(part));
    push([head.method().as_str().as_bytes(), b" ", target.as_bytes(), b" "]);
    push([version.as_bytes(), b"\r\n", b"", b""]);
    for (name, value) in head.fields(bytes) {
        if set.is_none_or(|(other, _)| !other.eq_ignore_ascii_case(name)) {
            push([name.as_bytes(), b": ", value, b"\r\n"]);
        }
    }
    if let Some((name, value)) = set {
        push([name.as_bytes(), b": ", value, b"\r\n"]);
    }
    push([b"\r\n", b"", b"", b""]);
    written
}

/// Why a request could not be changed; it has been dropped. As a response it is an empty 500: not the peer was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RewriteError {
    /// The field frames the request or concerns its connection, and was acted upon already.
    Fixed(&'static str),
    /// The request would not be valid, or would be another one.
    Invalid {
        /// The target, or the field's name; its beginning where it is long.
        part: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl RewriteError {
    fn invalid(part: &str, reason: String) -> RewriteError {
        RewriteError::Invalid {
            part: part.chars().take(PART_CHARS_MAX).flat_map(char::escape_debug).collect(),
            reason,
        }
    }
}

impl fmt::Display for RewriteError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RewriteError::Fixed(name) => write!(
                out,
                "the request's field {name} cannot be set: it frames the request or concerns its connection, and the \
                 server has acted upon it already"
            ),
            RewriteError::Invalid { part, reason } => {
                write!(out, "the request cannot be changed to have \"{part}\": {reason}")
            }
        }
    }
}

impl std::error::Error for RewriteError {}

impl IntoResponse for RewriteError {
    fn into_response(self) -> Response {
        Response::new(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::harness::{Harness, run};

    const REQUEST: &[u8] = b"POST /a/b?c HTTP/1.1\r\nHost: x\r\nX-One: 1\r\nContent-Length: 2\r\nx-one: 2\r\n\r\nhi";

    /// What a request looks like once it was changed by `change`.
    fn changed(change: impl Fn(Request) -> Result<Request, RewriteError> + 'static) -> String {
        let service = async move |request: Request| {
            let request = match change(request) {
                Ok(request) => request,
                Err(error) => return format!("error: {error}"),
            };
            let body = request.body().bytes(10).await.unwrap();
            let fields = request
                .headers()
                .map(|(name, value)| format!("{name}={}", value.escape_ascii()));
            let fields = fields.collect::<Vec<_>>().join(" ");
            let (path, query) = (request.path(), request.query());
            format!("{} {path} {query:?} {fields} {}", request.target(), body.escape_ascii())
        };
        let mut body = String::new();
        run(async || {
            let answer = Harness::new(service, |_| {}).answer(&[REQUEST]).await;
            let answer = String::from_utf8(answer).unwrap();
            body = answer.split_once("\r\n\r\n").unwrap().1.to_owned();
        });
        body
    }

    #[test]
    fn targets_are_replaced() {
        assert_eq!(
            changed(|request| request.with_target("/d%20/e?")),
            "/d%20/e? /d%20/e Some(\"\") Host=x X-One=1 Content-Length=2 x-one=2 hi"
        );
    }

    #[test]
    fn fields_are_replaced_in_whatever_case_or_added() {
        assert_eq!(
            changed(|request| request.with_header("X-ONE", "\t3 ")?.with_header("X-Two", [0xe9])),
            "/a/b?c /a/b Some(\"c\") Host=x Content-Length=2 X-ONE=3 X-Two=\\xe9 hi"
        );
        assert!(changed(|request| request.with_header("Host", "other:80")).contains("Host=other:80"));
    }

    /// RFC 9112 §3, §11.2: nothing that is passed in can end a line, or add a field or a request.
    #[test]
    fn what_would_be_invalid_or_another_request_is_refused() {
        let targets = [
            "",
            "a",
            "*",
            "/ b",
            "/\r\nX: y",
            "/#",
            "/\0",
            "/é",
            "/ HTTP/1.1\r\nHost: x\r\n\r\n",
            "/ HTTP/1.1\r\nX: y",
            "http://u@x/",
        ];
        for target in targets {
            let said = changed(move |request| request.with_target(target));
            assert!(
                said.starts_with("error: the request cannot be changed"),
                "{target:?}: {said}"
            );
        }
        let fields: [(&str, &[u8]); 12] = [
            ("", b"a"),
            ("a b", b"a"),
            ("a:", b"a"),
            ("a\r\nb", b"a"),
            ("a", b"b\r\nc: d"),
            ("a", b"b\r\n\r\nGET / HTTP/1.1"),
            ("a", b"\0"),
            ("a", b"\n"),
            ("Date", b"b\r\nc: d"),
            ("content-length:2\r\na", b"b"),
            ("X: y\r\nTransfer-Encoding", b"chunked"),
            ("host", b"a b"),
        ];
        for (name, value) in fields {
            let said = changed(move |request| request.with_header(name, value));
            assert!(
                said.starts_with("error: the request cannot be changed"),
                "{name:?}: {said}"
            );
        }
    }

    #[test]
    fn framing_and_connection_stay_what_they_are() {
        for name in FIXED {
            let said = changed(move |request| request.with_header(&name.to_uppercase(), "1"));
            assert!(
                said.starts_with(&format!("error: the request's field {name} cannot be set")),
                "{said}"
            );
        }
    }

    #[test]
    fn parameters_stay_those_of_the_path_that_was_routed() {
        use crate::layer::Next;
        use crate::router::Router;
        run(async || {
            let router = Router::new()
                .get("/users/{name}", async |request: Request| {
                    let name = request.param::<String>("name").unwrap();
                    format!("{} {name} {:?}", request.path(), request.route())
                })
                .layer(async |request: Request, next: &Next| match request.with_target("/x") {
                    Ok(request) => next.run(request).await,
                    Err(error) => error.into_response(),
                });
            let mut harness = Harness::new(router, |_| {});
            for (path, name) in [("/users/ada", "ada"), ("/users/caf%C3%A9", "café")] {
                let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
                let answer = String::from_utf8(harness.answer(&[request.as_bytes()]).await).unwrap();
                assert!(
                    answer.ends_with(&format!("/x {name} Some(\"/users/{{name}}\")")),
                    "{answer}"
                );
            }
        });
    }
}
