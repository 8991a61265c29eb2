//! What goes out: heads, and bodies of every kind and size.

mod support;

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use ringlane::{Bytes, FieldError, IntoResponse, Request, Response, StatusCode};
use support::content::{self, Check};
use support::requests::get;
use support::services::{TYPE, content_stream};
use support::{Client, TestServer};

const MIB: usize = 1 << 20;

/// A number in a path, as in `/bytes/4096`.
fn number(request: &Request) -> usize {
    let number = request.path().rsplit('/').next();
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// Many kinds of responses, by path.
async fn kinds(request: Request) -> Result<Response, FieldError> {
    let path = request.path();
    Ok(match path {
        "/text" => Response::text("some text"),
        "/empty" => Response::text(""),
        "/stream" => Response::stream(TYPE, content_stream(10_000, 3000)),
        "/length" => Response::stream_of_length(TYPE, 10_000, content_stream(10_000, 3000)),
        "/no-content" => Response::text("not sent").with_status(StatusCode::NO_CONTENT),
        "/not-modified" => Response::text("not sent")
            .with_status(StatusCode::NOT_MODIFIED)
            .header("ETag", "\"a\"")?,
        "/no-content/stream" => Response::stream(TYPE, content_stream(100, 10)).with_status(StatusCode::NO_CONTENT),
        "/not-modified/length" => {
            Response::stream_of_length(TYPE, 100, content_stream(100, 10)).with_status(StatusCode::NOT_MODIFIED)
        }
        "/reset" => Response::text("not sent").with_status(StatusCode::RESET_CONTENT),
        "/reset/stream" => Response::stream(TYPE, content_stream(100, 10)).with_status(StatusCode::RESET_CONTENT),
        "/close" => Response::text("closes").with_close(),
        "/odd" => Response::text("odd").with_status(StatusCode::from_u16(599).unwrap()),
        "/type" => Response::text("{}").header("content-type", "application/json")?,
        "/fields" => Response::text("fields")
            .header("X-One", "1")?
            .header("x-two", "  two, too\t")?
            .header("Set-Cookie", "a=b")?
            .header("Set-Cookie", "c=d")?
            .header("X-Bytes", [b'\xe9', b'\t', b'!'])?
            .header("X-Empty", "")?,
        _ => Response::new(StatusCode::NOT_FOUND),
    })
}

fn kinds_server() -> TestServer {
    TestServer::start(|_| {}, |_| kinds)
}

#[test]
fn a_response_has_what_its_handler_gave_and_what_framing_needs() {
    let server = kinds_server();
    let mut client = server.connect();
    let answer = client.get("/text");
    assert_eq!(answer.is(), (200, "some text"));
    let names: Vec<String> = answer
        .fields
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    assert_eq!(names, ["date", "content-type", "content-length"]);
    assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.field("content-length"), Some("9"));

    let answer = client.get("/empty");
    assert_eq!((answer.is(), answer.field("content-length")), ((200, ""), Some("0")));

    let answer = client.get("/odd");
    assert_eq!(answer.is(), (599, "odd"));

    let answer = client.get("/type");
    let types: Vec<&str> = answer
        .fields
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(types, ["application/json"]);
}

#[test]
fn fields_arrive_as_they_were_given() {
    let server = kinds_server();
    let mut client = server.connect();
    client.send("GET /fields HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let all = client.rest().unwrap();
    let head = all.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let lines: Vec<&[u8]> = all[..head].split(|byte| *byte == b'\n').collect();
    let expected: [&[u8]; 6] = [
        b"X-One: 1\r",
        b"x-two: two, too\r",
        b"Set-Cookie: a=b\r",
        b"Set-Cookie: c=d\r",
        b"X-Bytes: \xe9\t!\r",
        b"X-Empty: ",
    ];
    let start = lines.iter().position(|line| line.starts_with(b"X-One")).unwrap();
    for (line, expected) in lines[start..].iter().zip(expected) {
        assert_eq!(
            line.escape_ascii().to_string().trim_end_matches("\\r"),
            expected.escape_ascii().to_string().trim_end_matches("\\r")
        );
    }
}

/// RFC 9110 §9.3.2: to HEAD the same head as to GET, and no body.
#[test]
fn head_gets_the_head_of_get() {
    let server = kinds_server();
    let mut client = server.connect();
    for path in [
        "/text",
        "/empty",
        "/length",
        "/stream",
        "/no-content",
        "/not-modified",
        "/fields",
        "/type",
        "/none",
    ] {
        client.send(get(path));
        let of_get = client.head();
        client.try_body(&of_get, |_| {}).unwrap();
        client.send(format!("HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let of_head = client.head();
        assert_eq!(of_head.status, of_get.status, "{path}");
        let without_date = |fields: &[(String, String)]| -> Vec<(String, String)> {
            fields.iter().filter(|(name, _)| name != "Date").cloned().collect()
        };
        assert_eq!(without_date(&of_head.fields), without_date(&of_get.fields), "{path}");
    }
    assert_eq!(client.get("/text").is(), (200, "some text"));
}

/// RFC 9110 §6.4.1, §8.6, §15.3.6, RFC 9112 §6.1.
#[test]
fn statuses_without_content_have_none() {
    let server = kinds_server();
    let mut client = server.connect();
    for (path, status) in [
        ("/no-content", 204),
        ("/not-modified", 304),
        ("/no-content/stream", 204),
        ("/not-modified/length", 304),
        ("/reset", 205),
        ("/reset/stream", 205),
    ] {
        let answer = client.get(path);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.field("transfer-encoding"), None, "{path}");
        match status {
            204 => assert_eq!(answer.field("content-length"), None, "{path}"),
            205 => assert_eq!(answer.field("content-length"), Some("0"), "{path}"),
            _ => {}
        }
        assert!(!answer.closes(), "{path}");
        // Were there a body, it would stand in the next answer's place.
        assert_eq!(client.get("/text").is(), (200, "some text"), "behind {path}");
    }
    assert_eq!(client.get("/not-modified").field("etag"), Some("\"a\""));
}

/// RFC 9110 §5.6.7, §6.6.1.
#[test]
fn every_response_has_a_date() {
    let server = kinds_server();
    for request in [
        get("/text"),
        get("/stream"),
        get("/none"),
        get("/no-content"),
        "nonsense\r\n".to_owned(),
        "GET /text HTTP/1.0\r\n\r\n".to_owned(),
    ] {
        let mut client = server.connect();
        let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let answer = client.ask(&request);
        let after = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let dates: Vec<&String> = answer
            .fields
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("date"))
            .map(|(_, value)| value)
            .collect();
        assert_eq!(dates.len(), 1, "{request}");
        let date = seconds(dates[0]).unwrap_or_else(|| panic!("{:?} is no IMF-fixdate", dates[0]));
        // The core reads its clock once a round, which may have begun in the second before.
        assert!((before - 1..=after).contains(&date), "{} is not now", dates[0]);
    }
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT` the slow way: by trying the days since 1970.
fn seconds(date: &str) -> Option<u64> {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (day, time) = (date.get(..17)?, date.get(17..)?);
    let (mut year, mut month, mut of_month) = (1970, 0, 1);
    for days in 0..40_000_u64 {
        if day == format!("{}, {of_month:02} {} {year} ", DAYS[days as usize % 7], MONTHS[month]) {
            let mut parts = time
                .strip_suffix(" GMT")?
                .split(':')
                .map(|part| (part.len() == 2).then(|| part.parse::<u64>().ok())?);
            let (hours, minutes, seconds) = (parts.next()??, parts.next()??, parts.next()??);
            let in_range = hours < 24 && minutes < 60 && seconds < 60 && parts.next().is_none();
            return in_range.then_some(days * 86_400 + hours * 3600 + minutes * 60 + seconds);
        }
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let length = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month];
        of_month += 1;
        if of_month > length {
            (of_month, month) = (1, month + 1);
        }
        if month == 12 {
            (month, year) = (0, year + 1);
        }
    }
    None
}

/// RFC 9112 §9.3: an HTTP/1.0 connection is kept where the client asks for it, and told so.
#[test]
fn http_1_0_connections_end_unless_they_are_to_be_kept() {
    let server = kinds_server();
    let mut client = server.connect();
    for path in ["/text", "/length", "/no-content", "/none"] {
        let answer = client.ask(format!("GET {path} HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
        assert_eq!(answer.field("connection"), Some("keep-alive"), "{path}");
        assert_eq!(answer.field("transfer-encoding"), None, "{path}");
    }
    let answer = client.ask("GET /text HTTP/1.0\r\n\r\n");
    assert_eq!(answer.is(), (200, "some text"));
    assert_eq!(answer.field("connection"), Some("close"));
    client.assert_closed();
    let mut client = server.connect();
    let answer = client.ask("GET /text HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n");
    assert!(answer.closes());
    client.assert_closed();
}

#[test]
fn a_field_that_could_split_the_response_is_refused() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| {
                let (name, value): (&str, &[u8]) = match request.path() {
                    "/value/cr" => ("X-A", b"a\rb"),
                    "/value/lf" => ("X-A", b"a\nb"),
                    "/value/crlf" => ("X-A", b"a\r\nX-B: b"),
                    "/value/nul" => ("X-A", b"a\0b"),
                    "/value/control" => ("X-A", b"a\x1bb"),
                    "/value/delete" => ("X-A", b"a\x7fb"),
                    "/name/empty" => ("", b"a"),
                    "/name/space" => ("X A", b"a"),
                    "/name/colon" => ("X:A", b"a"),
                    "/name/crlf" => ("X\r\nA", b"a"),
                    "/name/utf8" => ("X-É", b"a"),
                    "/reserved/length" => ("Content-Length", b"5"),
                    "/reserved/coding" => ("transfer-encoding", b"chunked"),
                    "/reserved/connection" => ("CONNECTION", b"close"),
                    "/reserved/date" => ("Date", b"now"),
                    "/reserved/upgrade" => ("Upgrade", b"h2c"),
                    _ => ("X-A", b"a"),
                };
                Response::text("not refused").header(name, value)
            }
        },
    );
    let mut client = server.connect();
    assert_eq!(client.get("/").is(), (200, "not refused"));
    for path in [
        "/value/cr",
        "/value/lf",
        "/value/crlf",
        "/value/nul",
        "/value/control",
        "/value/delete",
        "/name/empty",
        "/name/space",
        "/name/colon",
        "/name/crlf",
        "/name/utf8",
        "/reserved/length",
        "/reserved/coding",
        "/reserved/connection",
        "/reserved/date",
        "/reserved/upgrade",
    ] {
        let answer = client.get(path);
        assert_eq!(answer.status, 500, "{path}");
        assert_ne!(answer.text(), "not refused", "{path}");
    }
    assert_eq!(client.get("/").is(), (200, "not refused"));
}

#[test]
fn bodies_of_every_kind_and_size_arrive_as_they_were_given() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| {
                let length = number(&request);
                let kind = request.path().split('/').nth(1).unwrap_or_default();
                match kind {
                    "static" => Response::bytes(TYPE, content::piece(0, length)),
                    "bytes" => Response::bytes(TYPE, Bytes::from(content::bytes(length))),
                    "vec" => content::bytes(length).into_response(),
                    "string" => "ab".repeat(length / 2).into_response(),
                    "stream" => Response::stream(TYPE, content_stream(length, 10_000)),
                    "small" => Response::stream(TYPE, content_stream(length, 700)),
                    _ => Response::stream_of_length(TYPE, length as u64, content_stream(length, 100_000)),
                }
            }
        },
    );
    let mut client = server.connect();
    for kind in ["static", "bytes", "vec", "stream", "small", "length"] {
        for length in [
            1,
            1023,
            1024,
            1025,
            4095,
            4096,
            4097,
            64 << 10,
            65_537,
            300_000,
            MIB - 3,
            8 * MIB,
        ] {
            if matches!(kind, "static" | "small") && length > MIB {
                continue;
            }
            client.send(get(&format!("/{kind}/{length}")));
            let head = client.head();
            let mut check = Check::default();
            client.try_body(&head, |piece| check.push(piece)).unwrap();
            assert_eq!((head.status, check.seen()), (200, length as u64), "{kind} of {length}");
        }
    }
    for length in [2, 4096, 2 * MIB] {
        let answer = client.get(&format!("/string/{length}"));
        assert!(answer.text() == "ab".repeat(length / 2), "string of {length}");
    }
}

/// Small and large answers to pipelined requests: what is copied and what is sent in place keep their order.
#[test]
fn bodies_of_all_sizes_behind_one_another_keep_their_order() {
    let server = TestServer::start(|_| {}, |_| async |request: Request| content::bytes(number(&request)));
    let mut client = server.connect();
    let lengths: Vec<usize> = (0..120)
        .map(|step| (step * step * 37) % 9000 + step % 3 * 20_000)
        .collect();
    let requests: String = lengths.iter().map(|length| get(&format!("/{length}"))).collect();
    client.send(requests);
    for length in lengths {
        let answer = client.answer();
        assert!(answer.body == content::bytes(length), "{length} bytes");
    }
}

#[test]
fn a_head_may_be_larger_than_a_buffer() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| {
                let mut response = Response::text(request.path().to_owned());
                for index in 0..number(&request) {
                    response = response.header(&format!("X-Field-{index}"), format!("{index}-").repeat(20))?;
                }
                Ok::<Response, FieldError>(response)
            }
        },
    );
    let mut client = server.connect();
    for round in [1, 500, 30, 2000, 60] {
        let path = format!("/{round}");
        client.send(get(&path).repeat(3));
        for _ in 0..3 {
            let answer = client.answer();
            assert_eq!(answer.is(), (200, path.as_str()));
            for index in 0..round {
                let value = answer.field(&format!("x-field-{index}"));
                assert_eq!(value, Some(format!("{index}-").repeat(20).as_str()));
            }
        }
    }
}

#[test]
fn a_connection_ends_after_its_last_request() {
    let server = TestServer::start(
        |config| config.requests_per_connection_max = NonZeroU32::new(5),
        |_| kinds,
    );
    for pipelined in [false, true] {
        let mut client = server.connect();
        if pipelined {
            client.send(get("/text").repeat(7));
        }
        for request in 1..=5 {
            let answer = if pipelined {
                client.answer()
            } else {
                client.get("/text")
            };
            assert_eq!(answer.is(), (200, "some text"));
            assert_eq!(answer.closes(), request == 5, "request {request}");
        }
        client.assert_closed();
    }
}

#[test]
fn a_response_can_end_its_connection() {
    let server = kinds_server();
    let mut client = server.connect();
    assert!(!client.get("/text").closes());
    let answer = client.get("/close");
    assert_eq!(answer.is(), (200, "closes"));
    assert!(answer.closes());
    client.assert_closed();
}

/// A body that lies in the server's memory is shared between responses, and sent as often as it is asked for.
#[test]
fn one_body_may_answer_many_requests() {
    let server = TestServer::start(
        |_| {},
        |_| {
            let (body, served) = (Bytes::from(content::bytes(100_000)), Rc::new(Cell::new(0)));
            async move |_: Request| {
                served.set(served.get() + 1);
                (StatusCode::OK, body.clone())
            }
        },
    );
    let mut clients: Vec<Client> = (0..20).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/").repeat(5));
    }
    for client in &mut clients {
        for _ in 0..5 {
            assert!(client.answer().body == content::bytes(100_000));
        }
    }
}

#[test]
fn what_can_be_a_response_is_one() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| -> Result<Response, (StatusCode, String)> {
                Ok(match request.path() {
                    "/unit" => ().into_response(),
                    "/status" => StatusCode::IM_A_TEAPOT.into_response(),
                    "/informational" => StatusCode::CONTINUE.into_response(),
                    "/str" => "static".into_response(),
                    "/string" => String::from("owned").into_response(),
                    "/pair" => (StatusCode::ACCEPTED, "later").into_response(),
                    path => return Err((StatusCode::NOT_FOUND, format!("no {path}"))),
                })
            }
        },
    );
    let mut client = server.connect();
    assert_eq!(client.get("/unit").is(), (200, ""));
    assert_eq!(client.get("/status").is(), (418, ""));
    // RFC 9110 §15.2: no interim response can be the final one.
    assert_eq!(client.get("/informational").is(), (500, ""));
    assert_eq!(client.get("/str").is(), (200, "static"));
    assert_eq!(client.get("/string").is(), (200, "owned"));
    assert_eq!(client.get("/pair").is(), (202, "later"));
    assert_eq!(client.get("/else").is(), (404, "no /else"));
}
