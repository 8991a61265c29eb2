//! Requests behind one another on one connection: in order, each once, however they are cut (RFC 9112 §9.3).

mod support;

use std::io::Write;
use std::time::Duration;

use glommio::timer::Timer;
use ringlane::{Core, Cores, IntoResponse, Method, Request, Response, StatusCode};
use support::content::{self, Random};
use support::requests::get;
use support::{Client, Count, Gate, TestServer, allowed_cores};

/// Answers with what was asked; `/slow/N` after N milliseconds, `/close` as the last response.
async fn mirror(request: Request) -> Response {
    if let Some(milliseconds) = request.path().strip_prefix("/slow/") {
        Timer::new(Duration::from_millis(milliseconds.parse().unwrap_or(1))).await;
    }
    let body = match request.body().bytes(1 << 20).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    let answer = format!(
        "{} {} {}",
        request.method(),
        request.target(),
        String::from_utf8_lossy(&body)
    );
    let answer = Response::text(answer);
    if request.path() == "/close" {
        answer.with_close()
    } else {
        answer
    }
}

fn mirror_server() -> TestServer {
    TestServer::start(|_| {}, |_| mirror)
}

#[test]
fn a_thousand_requests_in_one_write_are_answered_in_order() {
    let server = mirror_server();
    let mut client = server.connect();
    let requests: String = (0..1000).map(|number| get(&format!("/{number}"))).collect();
    client.send(requests);
    for number in 0..1000 {
        assert_eq!(client.answer().is(), (200, format!("GET /{number} ").as_str()));
    }
    assert_eq!(client.get("/last").is(), (200, "GET /last "));
}

#[test]
fn requests_of_every_kind_follow_one_another() {
    let server = mirror_server();
    let mut client = server.connect();
    let round = "GET /a?b=c HTTP/1.1\r\nHost: test\r\n\r\n\
         POST /b HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello\
         \r\n\
         PUT /c HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3;a=\"b\"\r\nabc\r\n2\r\nde\r\n0\r\nX-T: t\r\n\r\n\
         HEAD /d HTTP/1.1\r\nHost: test\r\n\r\n\
         \r\n\r\n\
         DELETE /e HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n\
         OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n\
         GET http://test/f HTTP/1.1\r\nHost: test\r\n\r\n\
         GET /g HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
    client.send(round.repeat(20));
    for _ in 0..20 {
        assert_eq!(client.answer().is(), (200, "GET /a?b=c "));
        assert_eq!(client.answer().is(), (200, "POST /b hello"));
        assert_eq!(client.answer().is(), (200, "PUT /c abcde"));
        let head = client.head();
        assert_eq!((head.status, head.field("content-length")), (200, Some("8")));
        assert_eq!(client.answer().is(), (200, "DELETE /e "));
        assert_eq!(client.answer().is(), (200, "OPTIONS * "));
        assert_eq!(client.answer().is(), (200, "GET http://test/f "));
        let answer = client.answer();
        assert_eq!(answer.is(), (200, "GET /g "));
        assert_eq!(answer.field("connection"), Some("keep-alive"));
    }
    assert!(client.is_silent());
}

#[test]
fn heads_and_bodies_lie_across_buffers_as_they_fall() {
    let server = mirror_server();
    let mut random = Random(0x5eed);
    let mut client = server.connect();
    let (mut requests, mut expected) = (String::new(), Vec::new());
    for number in 0..400 {
        let padding = "p".repeat(random.below(3000) as usize);
        let body = "b".repeat(random.below(3000) as usize);
        match random.below(3) {
            0 => {
                requests += &format!("GET /{number} HTTP/1.1\r\nHost: test\r\nX-Padding: {padding}\r\n\r\n");
                expected.push(format!("GET /{number} "));
            }
            1 => {
                let length = body.len();
                requests += &format!(
                    "POST /{number} HTTP/1.1\r\nX-Padding: {padding}\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}"
                );
                expected.push(format!("POST /{number} {body}"));
            }
            _ => {
                let coded = String::from_utf8(content::chunked(body.as_bytes(), &[1, 700, 33])).unwrap();
                requests += &format!(
                    "PUT /{number} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\nX-Padding: {padding}\r\n\r\n{coded}"
                );
                expected.push(format!("PUT /{number} {body}"));
            }
        }
    }
    let mut writer = client.writer();
    std::thread::scope(|scope| {
        scope.spawn(move || writer.write_all(requests.as_bytes()).unwrap());
        for expected in &expected {
            assert_eq!(client.answer().is(), (200, expected.as_str()));
        }
    });
    assert!(client.is_silent());
}

#[test]
fn answers_stay_in_order_when_earlier_handlers_are_slower() {
    let server = mirror_server();
    let mut client = server.connect();
    let paths = ["/slow/60", "/a", "/slow/30", "/slow/1", "/b", "/c", "/slow/10", "/d"];
    client.send(paths.map(get).concat());
    for path in paths {
        assert_eq!(client.answer().is(), (200, format!("GET {path} ").as_str()));
    }
}

/// The handlers of one connection run one after the other; those of others do not wait for them.
#[test]
fn a_request_is_begun_when_the_one_before_it_is_answered() {
    let (gate, entered, calls) = (Gate::default(), Gate::default(), Count::default());
    let server = TestServer::start(|_| {}, {
        let (gate, entered, calls) = (gate.clone(), entered.clone(), calls.clone());
        move |_| {
            let (gate, entered, calls) = (gate.clone(), entered.clone(), calls.clone());
            async move |request: Request| {
                match request.path() {
                    "/first" => {
                        entered.open();
                        gate.passed().await;
                    }
                    "/behind" => drop(calls.add()),
                    _ => {}
                }
                request.path().to_owned()
            }
        }
    });
    let mut client = server.connect();
    client.send([get("/first"), get("/behind"), get("/behind")].concat());
    entered.wait();
    let mut other = server.connect();
    for _ in 0..50 {
        assert_eq!(other.get("/other").is(), (200, "/other"));
    }
    assert_eq!(calls.get(), 0, "a request was begun before its turn");
    assert!(client.is_silent());
    gate.open();
    assert_eq!(client.answer().is(), (200, "/first"));
    assert_eq!(client.answer().is(), (200, "/behind"));
    assert_eq!(client.answer().is(), (200, "/behind"));
    assert_eq!(calls.get(), 2);
}

/// RFC 9112 §9.6: nothing behind the last request is executed; and the last answer is readable all the same.
#[test]
fn requests_behind_the_last_one_are_never_executed() {
    let calls = Count::default();
    let server = TestServer::start(
        |config| config.requests_per_connection_max = std::num::NonZeroU32::new(3),
        {
            let calls = calls.clone();
            move |_| {
                let calls = calls.clone();
                async move |request: Request| {
                    match request.path() {
                        "/never" => drop(calls.add()),
                        "/close" => return Response::text("last").with_close(),
                        "/close-later" => {
                            Timer::new(Duration::from_millis(20)).await;
                            return Response::text("last").with_close();
                        }
                        "/panic" => panic!("expected by the test"),
                        _ => {}
                    }
                    Response::text("last")
                }
            }
        },
    );
    let last = [
        ("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n", 200),
        (
            "GET / HTTP/1.1\r\nHost: test\r\nConnection: keep-alive, Close\r\n\r\n",
            200,
        ),
        (
            "POST / HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc",
            200,
        ),
        ("GET / HTTP/1.0\r\n\r\n", 200),
        ("GET /close HTTP/1.1\r\nHost: test\r\n\r\n", 200),
        ("GET /close-later HTTP/1.1\r\nHost: test\r\n\r\n", 200),
        ("GET /panic HTTP/1.1\r\nHost: test\r\n\r\n", 500),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET /\x01 HTTP/1.1\r\nHost: test\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            400,
        ),
        ("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999\r\n\r\n", 413),
        ("BREW / HTTP/1.1\r\nHost: test\r\n\r\n", 501),
    ];
    for (request, status) in last {
        let mut client = server.connect();
        client.send([request, &get("/never").repeat(50)].concat());
        let answer = client.answer();
        assert_eq!(answer.status, status, "{request}");
        assert!(
            answer.closes(),
            "{request}: the answer does not say that it is the last"
        );
        client.assert_closed();
    }
    // The third request is the last that this server answers on a connection.
    let mut client = server.connect();
    client.send([get("/"), get("/"), get("/"), get("/never")].concat());
    assert!(!client.answer().closes());
    assert!(!client.answer().closes());
    assert!(client.answer().closes());
    client.assert_closed();
    assert_eq!(calls.get(), 0, "a request behind the last one was executed");
}

/// A request before a bad one is answered, also where its handler takes its time.
#[test]
fn requests_before_a_bad_one_are_answered() {
    let server = mirror_server();
    for first in ["/a", "/slow/20"] {
        let mut client = server.connect();
        client.send([&get(first), "GET /b HTTP/1.1\r\nHost : test\r\n\r\n"].concat());
        assert_eq!(client.answer().is(), (200, format!("GET {first} ").as_str()));
        let answer = client.answer();
        assert_eq!(answer.status, 400);
        assert!(answer.closes());
        client.assert_closed();
    }
}

/// Requests that between them have every part that a request can have.
const WHOLE: [&str; 3] = [
    "POST /a?b HTTP/1.1\r\nHost: test\r\nContent-Length: 12\r\nX-Field:  value \r\n\r\nhello world!",
    "\r\nPUT /b HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n6;x=y\r\nhello \r\n06\r\nworld!\r\n0\r\nX-T: t\r\n\r\n",
    "POST /c HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 12\r\n\r\nhello world!",
];

fn is_mirrored(client: &mut Client, request: &str) -> bool {
    let answer = client.answer();
    let line: Vec<&str> = request.trim_start().split(' ').collect();
    answer.status == 200 && answer.text() == format!("{} {} hello world!", line[0], line[1])
}

#[test]
fn a_request_may_be_cut_at_every_byte() {
    let server = mirror_server();
    let mut other = server.connect();
    for request in WHOLE {
        let mut client = server.connect();
        for at in 1..request.len() {
            client.send(&request[..at]);
            // The server is through with what came before this is answered.
            assert_eq!(other.get("/other").status, 200);
            assert!(client.is_silent(), "answered before the request was whole, cut at {at}");
            client.send(&request[at..]);
            assert!(is_mirrored(&mut client, request), "cut at {at} of {request:?}");
        }
    }
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let server = mirror_server();
    let mut other = server.connect();
    let mut client = server.connect();
    for request in WHOLE {
        for byte in request.as_bytes() {
            assert!(client.is_silent(), "answered before the request was whole");
            client.send([*byte]);
            assert_eq!(other.get("/other").status, 200);
        }
        assert!(is_mirrored(&mut client, request), "{request:?}");
    }
    let all = WHOLE.concat();
    for byte in all.as_bytes() {
        client.send([*byte]);
    }
    for request in WHOLE {
        assert!(is_mirrored(&mut client, request), "{request:?}");
    }
}

#[test]
fn every_core_has_connections_of_its_own() {
    let cores = allowed_cores();
    if cores.len() < 2 {
        support::skip("the process may use one core only");
        return;
    }
    let server = TestServer::start(
        |config| config.cores = Cores::List(allowed_cores()[..2].to_vec()),
        |core: Core| {
            async move |request: Request| {
                if *request.method() == Method::POST {
                    return StatusCode::METHOD_NOT_ALLOWED.into_response();
                }
                let running_on = core_affinity::get_core_ids().unwrap_or_default();
                assert_eq!(running_on.len(), 1, "a core's thread is not pinned");
                assert_eq!(running_on[0].id, core.number());
                Response::text(format!("{} {}", core.index(), request.path()))
            }
        },
    );
    assert_eq!(server.cores(), &cores[..2]);
    // The kernel spreads connections by a hash of their ports: that all of 64 meet one core does not happen.
    let mut clients: Vec<Client> = (0..64).map(|_| server.connect()).collect();
    let requests: String = (0..20).map(|number| get(&format!("/{number}"))).collect();
    for client in &mut clients {
        client.send(&requests);
    }
    let mut connections = [0, 0];
    for client in &mut clients {
        let mut served_by = Vec::new();
        for number in 0..20 {
            let answer = client.answer();
            let (core, path) = answer.text().split_once(' ').unwrap();
            assert_eq!(path, format!("/{number}"));
            served_by.push(core.parse::<usize>().unwrap());
        }
        assert!(
            served_by.iter().all(|core| *core == served_by[0]),
            "a connection changed its core"
        );
        connections[served_by[0]] += 1;
    }
    assert!(connections.iter().all(|count| *count > 0), "{connections:?}");
}
