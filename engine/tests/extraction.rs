//! Queries, forms, JSON and cookies over a real socket: what is taken, what is refused and with what status.
#![cfg(all(feature = "cookies", feature = "form", feature = "json", feature = "router"))]

mod support;

use ringlane::extract::{Cookie, Json};
use ringlane::layer::Next;
use ringlane::router::Router;
use ringlane::{Reject, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use support::{Client, TestServer};

#[derive(Deserialize, Serialize)]
struct Note {
    text: String,
    #[serde(default)]
    mark: Vec<u8>,
}

/// Keeps to 64 KiB what it has in hand, whatever its connection's limit.
const LIMIT: usize = 64 << 10;

fn router() -> Router {
    Router::new()
        .get("/query", async |request: Request| {
            let note: Note = request.query_as()?;
            Ok::<_, Reject>(Json(note))
        })
        .post("/form", async |request: Request| {
            let note: Note = request.form().await?;
            Ok::<_, Reject>(Json(note))
        })
        .post("/short-form", async |request: Request| {
            let note: Note = request.form_within(LIMIT).await?;
            Ok::<_, Reject>(Json(note))
        })
        .post("/json", async |request: Request| {
            let note: Note = request.json().await?;
            Ok::<_, Reject>(Json(note))
        })
        .post("/short-json", async |request: Request| {
            let note: Note = request.json_within(LIMIT).await?;
            Ok::<_, Reject>(Json(note))
        })
        .get("/cookies", async |request: Request| {
            let pairs = request.cookies().map(|cookie| format!("{cookie}\n"));
            pairs.collect::<String>()
        })
        .get("/session", async |request: Request| {
            let Some(before) = request.cookie("session") else {
                let cookie = Cookie::build(("session", "new")).path("/").http_only(true);
                return Ok(Response::text("welcome").with_cookie(cookie)?);
            };
            let response = Response::see_other(format!("/bye?{}\r\nX-Evil: 1", before.value()));
            Ok::<_, Reject>(response.without_cookie(Cookie::build("session").path("/"))?)
        })
        .get("/number/{number}", async |request: Request| {
            let number: u8 = request.param("number")?;
            let odd = (number % 2 == 1).then(|| format!("{number} is odd"));
            Ok::<_, Reject>(odd)
        })
        .get("/broken", async |_: Request| {
            Ok::<_, Reject>(std::fs::read("/nonexistent")?)
        })
        .layer(async |request: Request, next: &Next| {
            let response = next.run(request).await;
            let error = response.error().map(ToString::to_string);
            match error {
                Some(error) => response.header("X-Kept", error),
                None => Ok(response),
            }
        })
}

fn server() -> TestServer {
    TestServer::start(|config| config.body_bytes_max = 1 << 20, |_| router())
}

fn post(path: &str, fields: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\n{fields}Content-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\n";
const JSON: &str = "Content-Type: application/json\r\n";

#[track_caller]
fn assert_answers(client: &mut Client, request: Vec<u8>, status: u16, body: &str) {
    assert_eq!(client.ask(request).is(), (status, body));
}

#[test]
fn queries_become_values() {
    let server = server();
    let mut client = server.connect();
    for (query, status, body) in [
        ("?text=a", 200, r#"{"text":"a","mark":[]}"#),
        (
            "?mark=1&text=a+b%2B%C3%A9&mark=2",
            200,
            "{\"text\":\"a b+\u{e9}\",\"mark\":[1,2]}",
        ),
        ("", 400, "the query is not what was asked for: missing field `text`"),
        (
            "?text=a&mark=256",
            400,
            "the query is not what was asked for: mark[0]: number too large to fit in target type",
        ),
        (
            "?text=a&text=b",
            400,
            "the query is not what was asked for: text: it is there more than once",
        ),
        (
            "?text=%C3%28",
            400,
            "the query is not what was asked for: what it decodes to is not UTF-8",
        ),
    ] {
        assert_eq!(client.get(&format!("/query{query}")).is(), (status, body), "{query}");
    }
    let many = format!("/query?text=a{}", "&b".repeat(1000));
    assert_eq!(client.get(&many).status, 400);
}

#[test]
fn forms_become_values() {
    let server = server();
    let mut client = server.connect();
    assert_answers(
        &mut client,
        post("/form", FORM, b"text=a&mark=7"),
        200,
        r#"{"text":"a","mark":[7]}"#,
    );
    let typed = "content-type: Application/X-WWW-Form-URLencoded ; charset=utf-8\r\n";
    assert_answers(
        &mut client,
        post("/form", typed, b"text="),
        200,
        r#"{"text":"","mark":[]}"#,
    );
    let wrong = "the body is not what was asked for: missing field `text`";
    assert_answers(&mut client, post("/form", FORM, b""), 422, wrong);
    let malformed = "the body is malformed: what it decodes to is not UTF-8";
    for body in [&b"text=\xff"[..], b"text=%ff", b"%C3%28"] {
        assert_answers(&mut client, post("/form", FORM, body), 400, malformed);
    }
    let crowded = format!("text=a{}", "&b=c".repeat(1000));
    assert_answers(
        &mut client,
        post("/form", FORM, crowded.as_bytes()),
        413,
        "there are more than 1000 fields",
    );
    let chunked = format!(
        "POST /form HTTP/1.1\r\nHost: test\r\n{FORM}Transfer-Encoding: chunked\r\n\r\n4\r\ntext\r\n2\r\n=a\r\n0\r\n\r\n"
    );
    assert_answers(&mut client, chunked.into_bytes(), 200, r#"{"text":"a","mark":[]}"#);
}

#[test]
fn other_types_are_refused() {
    let server = server();
    let mut client = server.connect();
    let plain = "Content-Type: text/plain\r\n";
    for (path, fields, problem) in [
        (
            "/form",
            "",
            "the body has to be application/x-www-form-urlencoded, and the request has no Content-Type",
        ),
        (
            "/form",
            plain,
            "the body has to be application/x-www-form-urlencoded, and is text/plain",
        ),
        (
            "/json",
            FORM,
            "the body has to be application/json, and is application/x-www-form-urlencoded",
        ),
        ("/json", plain, "the body has to be application/json, and is text/plain"),
    ] {
        assert_answers(&mut client, post(path, fields, b"text=a"), 415, problem);
    }
    let coded = client.ask(post("/json", &format!("{JSON}Content-Encoding: gzip\r\n"), b"\x1f\x8b"));
    assert_eq!((coded.status, coded.field("accept-encoding")), (415, Some("identity")));
}

/// Within the engine's limit and within the handler's own, whether the length is announced or not.
#[test]
fn what_is_too_long_is_refused() {
    let server = server();
    let long = [b"text=", &[b'a'; LIMIT][..]].concat();
    let huge = vec![b'a'; (1 << 20) + 1];
    for (path, fields, body) in [
        ("/short-form", FORM, &long),
        ("/short-json", JSON, &long),
        ("/form", FORM, &huge),
        ("/json", JSON, &huge),
    ] {
        let announced = server.connect().ask(post(path, fields, body));
        assert_eq!(announced.status, 413, "{path}");
        let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\n{fields}Transfer-Encoding: chunked\r\n\r\n");
        let mut client = server.connect();
        client.send(head);
        client.send(support::content::chunked(body, &[60_000]));
        let answer = client.answer();
        assert_eq!((answer.status, answer.closes()), (413, true), "{path}, chunked");
    }
    let largest = [b"text=", &vec![b'a'; (1 << 20) - 5][..]].concat();
    assert_eq!(server.connect().ask(post("/form", FORM, &largest)).status, 200);
}

#[test]
fn json_becomes_values_and_back() {
    let server = server();
    let mut client = server.connect();
    let answer = client.ask(post("/json", JSON, br#"{"mark":[1],"text":"\u00e9","other":{}}"#));
    assert_eq!(answer.is(), (200, "{\"text\":\"\u{e9}\",\"mark\":[1]}"));
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let patch = "Content-Type: application/merge-patch+json; charset=utf-8\r\n";
    assert_eq!(client.ask(post("/json", patch, br#"{"text":""}"#)).status, 200);
    for (body, status, problem) in [
        (
            &b""[..],
            400,
            "the body is malformed: EOF while parsing a value (line 1, column 0)",
        ),
        (
            b"{\"text\":\n7,}",
            422,
            "text: invalid type: integer `7`, expected a string (line 2, column 1)",
        ),
        (
            b"{\"text\":\"a\"\n,}",
            400,
            "the body is malformed: trailing comma (line 2, column 2)",
        ),
        (
            br#"{"text":"a","text":"b"}"#,
            422,
            "the body is not what was asked for: duplicate field `text` (line 1, column 18)",
        ),
    ] {
        let answer = client.ask(post("/json", JSON, body));
        assert_eq!(answer.status, status, "{}", body.escape_ascii());
        assert!(answer.text().ends_with(problem), "{}", answer.text());
    }
}

#[test]
fn hostile_json_is_refused_and_costs_nothing_else() {
    let server = server();
    let mut client = server.connect();
    let deep = [br#"{"text":"#, &vec![b'['; 1 << 19][..]].concat();
    let objects = r#"{"other":"#.repeat(100_000);
    for body in [
        &deep[..],
        objects.as_bytes(),
        b"\xff\xfe",
        b"{\"text\":\"\xc3\x28\"}",
        b"\0\0\0\0",
    ] {
        let answer = client.ask(post("/json", JSON, body));
        assert!(matches!(answer.status, 400 | 422), "{}", answer.status);
        assert!(answer.body.len() < 500);
    }
    let long = format!(r#"{{"mark":"{}"}}"#, "x".repeat(1 << 19));
    let answer = client.ask(post("/json", JSON, long.as_bytes()));
    assert_eq!(answer.status, 422);
    assert!(answer.body.len() < 500, "what was sent is not sent back whole");
    assert_eq!(client.get("/query?text=a").status, 200);
}

#[test]
fn cookies_come_and_go() {
    let server = server();
    let mut client = server.connect();
    let with = |fields: &str| format!("GET /cookies HTTP/1.1\r\nHost: test\r\n{fields}\r\n");
    let answer = client.ask(with("Cookie: a=b; =x; c; d=e=f;; g=\"h\"\r\nCOOKIE: a=2\r\n"));
    assert_eq!(answer.is(), (200, "a=b\nd=e=f\ng=\"h\"\na=2\n"));
    let bomb = format!("Cookie: {}\r\n", "a=b;".repeat(1500));
    assert_eq!(client.ask(with(&bomb)).body.len(), 1500 * "a=b\n".len());
    assert_eq!(
        client
            .ask([&b"GET /cookies HTTP/1.1\r\nHost: test\r\nCookie: \xff=\xff; a=b\r\n\r\n"[..]].concat())
            .text(),
        "a=b\n"
    );

    let welcome = client.get("/session");
    assert_eq!(welcome.field("set-cookie"), Some("session=new; HttpOnly; Path=/"));
    let bye = client.ask("GET /session HTTP/1.1\r\nHost: test\r\nCookie: session=new\r\n\r\n");
    assert_eq!((bye.status, bye.field("x-evil")), (303, None));
    assert_eq!(bye.field("location"), Some("/bye?new%0D%0AX-Evil:%201"));
    let removal = bye.field("set-cookie").expect("it is removed");
    assert!(
        removal.starts_with("session=; Path=/; Max-Age=0; Expires="),
        "{removal}"
    );
}

#[test]
fn errors_of_all_kinds_meet_in_one() {
    let server = server();
    let mut client = server.connect();
    assert_eq!(client.get("/number/7").is(), (200, "7 is odd"));
    assert_eq!(client.get("/number/8").status, 404);
    assert_eq!(
        client.get("/number/x").is(),
        (400, "the path's \"number\" is no u8: \"x\"")
    );
    let broken = client.get("/broken");
    assert_eq!(broken.is(), (StatusCode::INTERNAL_SERVER_ERROR.as_u16(), ""));
    assert_eq!(broken.field("x-kept"), Some("No such file or directory (os error 2)"));
    assert!(!broken.closes());
}
