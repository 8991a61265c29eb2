//! The shipped layers around services, over real sockets.
#![cfg(feature = "layers")]

mod support;

use std::cell::Cell;
use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringlane::layer::{
    AccessLog, BodyLimit, ConcurrencyLimit, LogFormat, LogWriter, MapErrors, Next, RequestHead, RequestId,
    SetRequestId, Timeout, layered,
};
use ringlane::router::{Router, get, post};
use ringlane::{Error, IntoResponse, Request, Response, Server, StatusCode};
use support::requests::with_length;
use support::{Gate, OnDrop, TestServer};

/// What keeps a server with this service from starting.
fn refusal<S: ringlane::Service>(factory: impl Fn() -> S + Send + Sync) -> String {
    let mut config = ringlane::Config::default();
    config.cores = ringlane::Cores::List(support::allowed_cores()[..1].to_vec());
    let server = Server::bind("127.0.0.1:0").config(config).without_signals();
    let result: Result<(), Error> = server.serve(move |_| factory());
    result.expect_err("the server has started").to_string()
}

#[test]
fn a_handler_that_takes_too_long_is_dropped_and_answered_for() {
    let dropped = Gate::default();
    let gate = dropped.clone();
    let server = TestServer::start(
        |_| {},
        move |_| {
            let gate = gate.clone();
            let slow = async move |request: Request| {
                if request.path() == "/slow" {
                    let _guard = OnDrop(gate.clone());
                    std::future::pending::<()>().await;
                }
                "in time"
            };
            layered(slow).layer(Timeout::new(Duration::from_millis(20)))
        },
    );
    let mut client = server.connect();
    assert_eq!(client.get("/").is(), (200, "in time"));
    let answer = client.get("/slow");
    assert_eq!((answer.status, answer.closes()), (504, false));
    dropped.wait();
    assert_eq!(client.get("/").is(), (200, "in time"));
}

#[test]
fn more_requests_than_may_be_under_way_are_told_to_come_again() {
    let (entered, open) = (Gate::default(), Gate::default());
    let gates = (entered.clone(), open.clone());
    let server = TestServer::start(
        |_| {},
        move |_| {
            let (entered, open) = gates.clone();
            let service = async move |request: Request| {
                if request.path() == "/wait" {
                    entered.open();
                    open.passed().await;
                }
                "done"
            };
            layered(service).layer(ConcurrencyLimit::new(1).retry_after(Duration::from_millis(6001)))
        },
    );
    let mut first = server.connect();
    first.send(support::requests::get("/wait"));
    entered.wait();
    let mut second = server.connect();
    let refused = second.get("/");
    assert_eq!((refused.status, refused.field("retry-after")), (503, Some("7")));
    open.open();
    assert_eq!(first.answer().is(), (200, "done"));
    assert_eq!(second.get("/").is(), (200, "done"));
    // One whose client goes away counts no more.
    drop(first);
    assert_eq!(second.get("/wait").is(), (200, "done"));
}

#[test]
fn bodies_are_bounded_and_routes_may_say_otherwise() {
    let server = TestServer::start(
        |_| {},
        |_| {
            let length = async |request: Request| match request.body().bytes(1000).await {
                Ok(bytes) => bytes.len().to_string().into_response(),
                Err(error) => error.into_response(),
            };
            Router::new()
                .post("/", length)
                .route("/more", post(length).layer(BodyLimit::new(100)))
                .route("/less", post(length).layer(BodyLimit::new(1)))
                .layer(BodyLimit::new(10))
        },
    );
    for (path, bytes, status) in [
        ("/", 10, 200),
        ("/", 11, 413),
        ("/more", 100, 200),
        ("/more", 101, 413),
        ("/less", 1, 200),
        ("/less", 2, 413),
    ] {
        let answer = server.connect().ask(with_length(path, &vec![b'x'; bytes]));
        assert_eq!(answer.status, status, "{bytes} to {path}");
    }
}

#[test]
fn every_request_has_an_id() {
    let server = TestServer::start(
        |_| {},
        |_| {
            let show = async |request: Request| request.value::<RequestId>().map(|id| id.as_str().to_owned()).unwrap();
            Router::new()
                .get("/", show)
                .route("/proxied", get(show).layer(SetRequestId::new().take_over()))
                .layer(SetRequestId::new())
        },
    );
    let mut client = server.connect();
    let mut seen = HashSet::new();
    for _ in 0..10 {
        let answer = client.ask("GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\n\r\n");
        assert_eq!(answer.field("x-request-id"), Some(answer.text()));
        assert!(seen.insert(answer.text().to_owned()), "{seen:?}");
    }
    for (fields, id) in [
        ("X-Request-Id: mine\r\n", Some("mine")),
        ("x-request-id:  7 \r\n", Some("7")),
        ("", None),
        ("X-Request-Id: a\r\nX-Request-Id: a\r\n", None),
        ("X-Request-Id: a b\r\n", None),
        ("X-Request-Id: \"a\"\r\n", None),
        ("X-Request-Id:\r\n", None),
    ] {
        let answer = client.ask(format!("GET /proxied HTTP/1.1\r\nHost: x\r\n{fields}\r\n"));
        match id {
            Some(id) => assert_eq!(answer.text(), id),
            None => assert!(seen.insert(answer.text().to_owned()), "{fields:?}: {}", answer.text()),
        }
    }
}

fn page(request: &RequestHead, response: Response) -> Response {
    let text = format!(
        "{} {}: {}",
        request.method(),
        request.path(),
        response.status().as_u16()
    );
    response.with_body(text)
}

#[test]
fn errors_of_routers_and_handlers_are_rewritten() {
    let server = TestServer::start(
        |_| {},
        |_| {
            let odd = async |request: Request| match request.path() {
                "/conflict" => (StatusCode::CONFLICT, "it is \"there\"\n").into_response(),
                "/json" => Response::bytes("application/json", "{}").with_status(StatusCode::GONE),
                "/empty" => Response::new(StatusCode::BAD_GATEWAY),
                _ => request.body().bytes(1).await.into_response(),
            };
            Router::new()
                .nest(
                    "/problem",
                    Router::new()
                        .get("/here", odd)
                        .fallback(async |_: Request| StatusCode::NOT_FOUND),
                )
                .get("/conflict", odd)
                .get("/json", odd)
                .get("/empty", odd)
                .post("/body", odd)
                .layer(MapErrors::problem_json())
        },
    );
    let mut client = server.connect();
    let missing = client.get("/nowhere");
    assert_eq!(
        missing.is(),
        (
            404,
            "{\"status\":404,\"title\":\"Not Found\",\"detail\":\"not found\"}\n"
        )
    );
    assert_eq!(missing.field("content-type"), Some("application/problem+json"));
    let refused = client.ask("DELETE /json HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(
        (refused.status, refused.field("allow")),
        (405, Some("GET, HEAD, OPTIONS"))
    );
    assert!(refused.text().contains("\"status\":405"));
    assert_eq!(
        client.get("/conflict").text(),
        "{\"status\":409,\"title\":\"Conflict\",\"detail\":\"it is \\\"there\\\"\"}\n"
    );
    assert_eq!(client.get("/json").is(), (410, "{}"));
    assert_eq!(
        client.get("/empty").text(),
        "{\"status\":502,\"title\":\"Bad Gateway\"}\n"
    );
    let large = client.ask(with_length("/body", b"hello"));
    assert_eq!(large.status, 413);
    assert!(
        large.text().contains("\"title\":\"Payload Too Large\""),
        "{}",
        large.text()
    );
}

#[test]
fn only_the_chosen_statuses_are_rewritten() {
    let server = TestServer::start(
        |_| {},
        |_| {
            Router::new()
                .get("/", async |_: Request| "fine")
                .get("/busy", async |_: Request| StatusCode::SERVICE_UNAVAILABLE)
                .layer(MapErrors::new(page).of(|status| status.is_server_error()))
        },
    );
    let mut client = server.connect();
    assert_eq!(client.get("/").text(), "fine");
    assert_eq!(client.get("/busy").is(), (503, "GET /busy: 503"));
    assert_eq!(client.get("/nowhere").is(), (404, "not found\n"));
}

/// Where the tests' logs are written.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What requests leave in a log of a format, once the server has been stopped.
/// The gates tell that a request of /pending has been begun, and let go of.
fn logged(format: LogFormat, talk: impl FnOnce(&TestServer, &(Gate, Gate))) -> String {
    let gates = (Gate::default(), Gate::default());
    let memory = Memory::default();
    let log = Arc::new(LogWriter::new(memory.clone()).unwrap());
    let writer = Arc::clone(&log);
    let (entered, dropped) = gates.clone();
    let server = TestServer::start(
        |_| {},
        move |_| {
            let (entered, dropped) = (entered.clone(), dropped.clone());
            let service = async move |request: Request| match request.path() {
                "/panic" => panic!("expected by the test"),
                "/pending" => {
                    let _guard = OnDrop(dropped.clone());
                    entered.open();
                    std::future::pending().await
                }
                _ => Response::text("hello"),
            };
            layered(service)
                .layer(SetRequestId::new().take_over())
                .layer(AccessLog::new(&writer, format))
        },
    );
    talk(&server, &gates);
    server.stop().unwrap();
    log.flush();
    let text = memory.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}

#[test]
fn every_request_has_its_line_when_the_server_has_stopped() {
    let text = logged(LogFormat::Extended, |server, _| {
        let mut client = server.connect();
        for number in 0..1000 {
            let answer = client.ask(format!(
                "GET /{number} HTTP/1.1\r\nHost: x\r\nX-Request-Id: id-{number}\r\nReferer: http://x/\r\nUser-Agent: a\"b\r\n\r\n"
            ));
            assert_eq!(answer.status, 200);
        }
    });
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 1000);
    for (number, line) in lines.iter().enumerate() {
        assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
        let middle = format!("+0000] \"GET /{number} HTTP/1.1\" 200 5 \"http://x/\" \"a\\x22b\" 0.");
        assert!(
            line.contains(&middle) && line.ends_with(&format!(" \"id-{number}\"")),
            "{line}"
        );
    }
}

#[test]
fn requests_without_a_response_have_their_line_too() {
    let text = logged(LogFormat::Common, |server, (entered, dropped)| {
        assert_eq!(server.connect().get("/panic").status, 500);
        let mut client = server.connect();
        client.send(with_length("/pending", b"hi"));
        entered.wait();
        client.reset();
        dropped.wait();
        let head = server.connect().ask("GET / HTTP/1.0\r\n\r\n");
        assert_eq!(head.status, 200);
    });
    assert!(text.contains("\"GET /panic HTTP/1.1\" 500 -\n"), "{text}");
    assert!(text.contains("\"POST /pending HTTP/1.1\" - -\n"), "{text}");
    assert!(text.contains("\"GET / HTTP/1.0\" 200 5\n"), "{text}");
}

#[test]
fn a_log_that_cannot_be_opened_says_so() {
    let error = LogWriter::to_file("/nowhere/at/all").unwrap_err().to_string();
    assert!(
        error.starts_with("the access log /nowhere/at/all cannot be opened (No such file") && error.contains("check"),
        "{error}"
    );
}

#[test]
fn layers_that_cannot_be_used_keep_the_server_from_starting() {
    let hello = async |_: Request| "hello";
    assert!(refusal(|| layered(hello).layer(Timeout::new(Duration::ZERO))).starts_with("a Timeout of zero"));
    assert!(refusal(|| layered(hello).layer(ConcurrencyLimit::new(0))).starts_with("a ConcurrencyLimit of 0"));
    // Wherever they are: around a router, around one in a router, and around the methods of a path.
    let bad = || Timeout::new(Duration::ZERO);
    assert!(refusal(|| Router::new().get("/", hello).layer(bad())).starts_with("a Timeout"));
    assert!(refusal(|| Router::new().nest("/a", Router::new().get("/", hello).layer(bad()))).starts_with("a Timeout"));
    assert!(refusal(|| Router::new().route("/", get(hello).layer(bad()))).starts_with("a Timeout"));
    assert!(refusal(|| Router::new().fallback(layered(hello).layer(bad()))).starts_with("a Timeout"));
}

/// The head of a request can be kept while the request is passed on.
#[test]
fn heads_outlive_their_requests() {
    let server = TestServer::start(
        |_| {},
        |_| {
            let count = Cell::new(0);
            layered(async |_: Request| "hello").layer(async move |request: Request, next: &Next| {
                count.set(count.get() + 1);
                let head = request.head();
                let response = next.run(request).await;
                let fields = head.headers().count();
                let line = (head.method(), head.target(), head.path(), head.query(), head.version());
                response.with_body(format!("{} {line:?} {fields} {:?}", count.get(), head.header("host")))
            })
        },
    );
    assert_eq!(
        server.connect().get("/a?b").text(),
        "1 (GET, \"/a?b\", \"/a\", Some(\"b\"), HTTP/1.1) 1 Some([116, 101, 115, 116])"
    );
}
