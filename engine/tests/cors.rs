//! The CORS layer: what other origins' scripts may do (the Fetch standard §3.2).
#![cfg(feature = "layers")]

mod support;

use std::time::Duration;

use ringlane::layer::{Cors, Layer, layered};
use ringlane::router::{Router, put};
use ringlane::{Method, Request, Response, StatusCode};
use support::{Answer, TestServer};

fn server(cors: fn() -> Cors) -> TestServer {
    TestServer::start(
        |_| {},
        move |_| {
            let hello = async |_: Request| Response::text("hello").header("Access-Control-Allow-Origin", "handler's");
            Router::new()
                .get("/", hello)
                .route("/thing", put(async |_: Request| StatusCode::NO_CONTENT))
                .layer(cors())
        },
    )
}

fn listed() -> Cors {
    Cors::origins(["https://a.example", "http://localhost:3000"])
        .methods([Method::GET, Method::PUT])
        .headers(["Content-Type", "Authorization"])
        .expose(["X-One", "X-Two"])
        .credentials()
        .max_age(Duration::from_millis(600_900))
}

/// The fields of an answer that CORS is about, in the order of their names.
fn fields(answer: &Answer) -> String {
    let of_cors = |name: &str| name.starts_with("Access-Control-") || name == "Vary";
    let mut fields: Vec<_> = answer.fields.iter().filter(|(name, _)| of_cors(name)).collect();
    fields.sort();
    let fields = fields
        .into_iter()
        .map(|(name, value)| format!("{}={value}", name.trim_start_matches("Access-Control-")));
    format!("{} {}", answer.status, fields.collect::<Vec<_>>().join("; "))
}

fn ask(server: &TestServer, method: &str, path: &str, lines: &str) -> String {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{lines}\r\n");
    fields(&server.connect().ask(request))
}

#[test]
fn listed_origins_may_call_and_read() {
    let server = server(listed);
    let allowed = "Allow-Credentials=true; Allow-Origin=https://a.example; Expose-Headers=X-One, X-Two; Vary=Origin";
    let preflight = "204 Allow-Credentials=true; Allow-Headers=Content-Type, Authorization; Allow-Methods=GET, PUT; \
                     Allow-Origin=http://localhost:3000; Max-Age=600; Vary=Origin";
    let table = [
        ("GET", "/", "Origin: https://a.example\r\n", format!("200 {allowed}")),
        (
            "PUT",
            "/thing",
            "Origin: https://a.example\r\n",
            format!("204 {allowed}"),
        ),
        (
            "GET",
            "/nowhere",
            "Origin: https://a.example\r\n",
            format!("404 {allowed}"),
        ),
        // Not allowed: answered, but not to be read.
        ("PUT", "/thing", "", "204 Vary=Origin".into()),
        (
            "PUT",
            "/thing",
            "Origin: https://b.example\r\n",
            "204 Vary=Origin".into(),
        ),
        (
            "PUT",
            "/thing",
            "Origin: https://a.example.evil\r\n",
            "204 Vary=Origin".into(),
        ),
        (
            "PUT",
            "/thing",
            "Origin: http://a.example\r\n",
            "204 Vary=Origin".into(),
        ),
        (
            "PUT",
            "/thing",
            "Origin: https://A.example\r\n",
            "204 Vary=Origin".into(),
        ),
        ("PUT", "/thing", "Origin: null\r\n", "204 Vary=Origin".into()),
        ("PUT", "/thing", "Origin:\r\n", "204 Vary=Origin".into()),
        (
            "PUT",
            "/thing",
            "Origin: https://a.example\r\nOrigin: https://a.example\r\n",
            "204 Vary=Origin".into(),
        ),
        // Preflights, for whatever path and method.
        (
            "OPTIONS",
            "/thing",
            "Origin: http://localhost:3000\r\nAccess-Control-Request-Method: PUT\r\n",
            preflight.into(),
        ),
        (
            "OPTIONS",
            "/nowhere",
            "Origin: http://localhost:3000\r\nAccess-Control-Request-Method: PATCH\r\n",
            preflight.into(),
        ),
        (
            "OPTIONS",
            "/thing",
            "Origin: https://b.example\r\nAccess-Control-Request-Method: PUT\r\n",
            "403 Vary=Origin".into(),
        ),
        // OPTIONS that are none: the router's own answer.
        (
            "OPTIONS",
            "/thing",
            "Origin: https://a.example\r\n",
            format!("204 {allowed}"),
        ),
        (
            "OPTIONS",
            "/thing",
            "Access-Control-Request-Method: PUT\r\n",
            "204 Vary=Origin".into(),
        ),
    ];
    for (method, path, lines, expected) in table {
        assert_eq!(ask(&server, method, path, lines), expected, "{method} {path} {lines:?}");
    }
}

#[test]
fn any_origin_is_a_star_and_does_not_vary() {
    let server = server(Cors::any_origin);
    for (origin, expected) in [
        ("https://a.example", "204 Allow-Origin=*"),
        ("null", "204 Allow-Origin=*"),
        ("\u{e9}", "204 Allow-Origin=*"),
    ] {
        let lines = format!("Origin: {origin}\r\n");
        assert_eq!(ask(&server, "PUT", "/thing", &lines), expected, "{origin}");
    }
    // What was asked without an origin may be in a cache when a script asks for it.
    assert_eq!(ask(&server, "PUT", "/thing", ""), "204 Allow-Origin=*");
    let lines = "Origin: null\r\nAccess-Control-Request-Method: GET\r\n";
    let expected = "204 Allow-Methods=GET, HEAD, POST; Allow-Origin=*";
    assert_eq!(ask(&server, "OPTIONS", "/", lines), expected);
}

#[test]
fn a_function_may_decide() {
    let server = server(|| Cors::origins_if(|origin| origin.strip_suffix(".example").is_some()).headers(["*"]));
    assert_eq!(
        ask(&server, "PUT", "/thing", "Origin: http://a.example\r\n"),
        "204 Allow-Origin=http://a.example; Vary=Origin"
    );
    assert_eq!(
        ask(&server, "PUT", "/thing", "Origin: http://a.test\r\n"),
        "204 Vary=Origin"
    );
    let lines = "Origin: http://b.example\r\nAccess-Control-Request-Method: GET\r\n";
    let expected = "204 Allow-Headers=*; Allow-Methods=GET, HEAD, POST; Allow-Origin=http://b.example; Vary=Origin";
    assert_eq!(ask(&server, "OPTIONS", "/", lines), expected);
}

#[test]
fn a_handlers_own_word_is_replaced_where_the_layer_has_one() {
    let server = server(listed);
    assert_eq!(
        ask(&server, "GET", "/", "Origin: http://localhost:3000\r\n"),
        "200 Allow-Credentials=true; Allow-Origin=http://localhost:3000; Expose-Headers=X-One, X-Two; Vary=Origin"
    );
    assert_eq!(ask(&server, "GET", "/", ""), "200 Allow-Origin=handler's; Vary=Origin");
}

#[test]
fn what_browsers_would_refuse_is_refused_at_the_start() {
    let problem = |cors: Cors| cors.check().err().map_or_else(String::new, |error| error.to_string());
    assert!(problem(Cors::any_origin().credentials()).starts_with("CORS with credentials for any origin"));
    let listed = || Cors::origins(["https://a.example"]);
    assert!(problem(listed().credentials().headers(["*"])).starts_with("CORS with credentials takes *"));
    assert!(problem(listed().credentials().expose(["*"])).starts_with("CORS with credentials takes *"));
    assert!(problem(listed().headers(["a b"])).starts_with("CORS names \"a b\""));
    assert!(problem(listed().expose(["a\r\nb"])).starts_with("CORS names"));
    assert_eq!(problem(listed().credentials().headers(["A", "B"]).expose(["C"])), "");
    assert_eq!(problem(Cors::any_origin().headers(["*"]).expose(["*"])), "");
    for origin in [
        "http://a",
        "https://a.example",
        "http://localhost:3000",
        "http://127.0.0.1:8080",
        "http://[::1]:81",
        "null",
        "http://[::1]",
        "app-x.y+z://host_1",
    ] {
        assert_eq!(problem(Cors::origins([origin])), "");
    }
    for origin in [
        "",
        "*",
        "a.example",
        "https://a.example/",
        "https://A.example",
        "HTTPS://a",
        "https://a:443",
        "http://a:80",
        "http://a:",
        "http://a:x",
        "http://a:99999",
        "http://a:08",
        "http://a b",
        "http://",
        "https://a?b",
        "://a",
        "http://u@a",
        "http://*.a",
    ] {
        let said = problem(Cors::origins([origin]));
        assert!(
            said.contains("is not what a browser sends as an origin"),
            "{origin:?}: {said}"
        );
    }
    // And so does the server not start.
    let error = ringlane::Service::check(&layered(async |_: Request| "").layer(Cors::any_origin().credentials()));
    assert!(error.is_err());
}
