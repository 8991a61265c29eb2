//! Connections that leave HTTP behind (RFC 9110 §7.8).

mod support;

use std::io::{self, Write};
use std::thread;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::timer::Timer;
use ringlane::{Config, Request, Response, Upgraded};
use support::content::{self, Check};
use support::{Client, Count, Gate, OnDrop, TestServer};

/// Offers every protocol of these tests, in all the ways in which a list may be written (RFC 9110 §5.6.1, §7.8).
const UPGRADE: &str = "GET /echo HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\n\
    Upgrade: Echo,, copy/1.0\r\nUpgrade: test ,pair\r\n\r\n";
const MIB: usize = 1 << 20;

/// Sends back what comes, chunk by chunk and without a copy.
async fn echo(mut stream: Upgraded) {
    while let Some(Ok(chunk)) = stream.next().await {
        if stream.send(chunk).await.is_err() {
            break;
        }
    }
}

/// The same through the traits of the `futures` crates, with a small buffer.
async fn copy(mut stream: Upgraded) {
    let mut bytes = [0; 777];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        if stream.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
    let _ = stream.write_all(b", and that was all").await;
    let _ = stream.close().await;
}

async fn service(request: Request) -> Response {
    match request.path() {
        "/echo" => Response::upgrade("echo", echo),
        "/copy" => Response::upgrade("copy/1.0", copy),
        "/version" => Response::upgrade("echo", echo)
            .header("X-Version", "7")
            .unwrap_or_else(|_| Response::text("no")),
        _ => Response::text("plain"),
    }
}

fn server(configure: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start(configure, |_| service)
}

/// An upgraded connection.
fn upgraded(server: &TestServer, path: &str) -> Client {
    let mut client = server.connect();
    client.send(UPGRADE.replace("/echo", path));
    assert_eq!(client.head().status, 101);
    client
}

#[test]
fn an_upgrade_is_answered_with_101_and_what_it_upgrades_to() {
    let server = server(|_| {});
    for (path, protocol) in [("/echo", "echo"), ("/copy", "copy/1.0"), ("/version", "echo")] {
        let mut client = server.connect();
        client.send(UPGRADE.replace("/echo", path));
        let head = client.head();
        assert_eq!(head.status, 101);
        assert_eq!(
            head.field("connection").map(str::to_ascii_lowercase).as_deref(),
            Some("upgrade")
        );
        assert_eq!(head.field("upgrade"), Some(protocol));
        // RFC 9110 §8.6, RFC 9112 §6.1: no framing in a 1xx.
        assert_eq!(
            (head.field("content-length"), head.field("transfer-encoding")),
            (None, None)
        );
        assert_eq!(head.field("x-version"), (path == "/version").then_some("7"));
    }
}

#[test]
fn what_is_sent_behind_the_head_arrives() {
    let server = server(|_| {});
    for path in ["/echo", "/copy"] {
        let mut client = server.connect();
        client.send([&UPGRADE.replace("/echo", path), "early bytes"].concat());
        assert_eq!(client.head().status, 101);
        assert_eq!(client.exactly(11), b"early bytes");
        client.send("later bytes");
        assert_eq!(client.exactly(11), b"later bytes");
    }
    // Much of it, and as the last of pipelined requests.
    let early = content::bytes(30_000);
    let mut client = server.connect();
    let plain = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    client.send([plain.as_bytes(), plain.as_bytes(), UPGRADE.as_bytes(), &early].concat());
    assert_eq!(client.answer().is(), (200, "plain"));
    assert_eq!(client.answer().is(), (200, "plain"));
    assert_eq!(client.head().status, 101);
    assert!(client.exactly(30_000) == early);
}

#[test]
fn megabytes_go_both_ways_at_once() {
    let server = server(|_| {});
    for path in ["/echo", "/copy"] {
        let mut client = upgraded(&server, path);
        let mut writer = client.writer();
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut at = 0;
                while at < 8 * MIB {
                    let piece = content::piece(at as u64, 50_000.min(8 * MIB - at));
                    writer.write_all(piece).unwrap();
                    at += piece.len();
                }
            });
            let mut check = Check::default();
            while check.seen() < 8 * MIB as u64 {
                check.push(&client.exactly(MIB as u64 / 2));
            }
        });
        assert!(client.is_silent());
    }
}

/// Backpressure, both ways: an echo whose client does not read stops reading.
#[test]
fn a_side_that_falls_behind_holds_the_other_one_back() {
    let server = server(|config| {
        config.receive_buffer_bytes = Some(64 << 10);
        config.send_buffer_bytes = Some(64 << 10);
    });
    let mut client = Client::connect_narrow(server.address(), 64 << 10);
    client.send(UPGRADE);
    assert_eq!(client.head().status, 101);
    let mut writer = client.writer();
    writer
        .set_write_timeout(Some(std::time::Duration::from_millis(300)))
        .unwrap();
    let mut sent = 0;
    while sent < 64 * MIB
        && let Ok(count) = writer.write(content::piece(sent as u64, 10_000))
    {
        sent += count;
    }
    // What the kernel holds on four sides, twice over, and what the server does: far less than was to be sent.
    assert!(
        sent < 4 * MIB,
        "{sent} bytes were taken from a client that reads nothing"
    );
    client.half_close();
    let mut check = Check::default();
    check.push(&client.rest().unwrap());
    assert_eq!(check.seen(), sent as u64);
}

/// The client's half-close ends the reading, and no more than that.
#[test]
fn a_half_close_ends_the_reading_only() {
    let server = server(|_| {});
    let mut client = upgraded(&server, "/copy");
    client.send("something");
    client.half_close();
    assert_eq!(client.rest().unwrap(), b"something, and that was all");
    // Behind the head at once, too.
    let mut client = server.connect();
    client.send(UPGRADE.replace("/echo", "/copy"));
    client.half_close();
    assert_eq!(client.head().status, 101);
    assert_eq!(client.rest().unwrap(), b", and that was all");
}

/// Dropping the stream sends what was written, and closes.
#[test]
fn a_dropped_upgrade_is_sent_to_its_end() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |_: Request| {
                Response::upgrade("test", |mut stream| async move {
                    for offset in (0..2 * MIB).step_by(100_000) {
                        let end = (offset + 100_000).min(2 * MIB);
                        let mut at = offset;
                        while at < end {
                            let piece = content::piece(at as u64, end - at);
                            stream.send(piece).await.unwrap();
                            at += piece.len();
                        }
                    }
                })
            }
        },
    );
    let mut client = server.connect();
    client.send(UPGRADE);
    assert_eq!(client.head().status, 101);
    let mut check = Check::default();
    check.push(&client.rest().unwrap());
    assert_eq!(check.seen(), 2 * MIB as u64);
}

/// The answer can be read to its end although the client goes on sending to nobody.
#[test]
fn a_dropped_upgrade_is_readable_behind_unread_input() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |_: Request| {
                Response::upgrade("test", |mut stream| async move {
                    let _ = stream.write_all(b"goodbye").await;
                })
            }
        },
    );
    let mut client = server.connect();
    client.send([UPGRADE.as_bytes(), &content::bytes(MIB)].concat());
    assert_eq!(client.head().status, 101);
    assert_eq!(client.rest().unwrap(), b"goodbye");
}

/// RFC 9110 §15.5.22: what was not asked for cannot be switched to, only named.
#[test]
fn a_request_that_does_not_ask_gets_426() {
    let (server, runs) = {
        let runs = Count::default();
        let counted = runs.clone();
        let server = TestServer::start(
            |_| {},
            move |_| {
                let runs = counted.clone();
                async move |_: Request| {
                    let runs = runs.clone();
                    Response::upgrade("echo", move |stream| {
                        runs.add();
                        echo(stream)
                    })
                }
            },
        );
        (server, runs)
    };
    let mut client = server.connect();
    for request in [
        "GET / HTTP/1.1\r\nHost: test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: echo\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: echo/1.0, echoes\r\n\r\n",
        "GET / HTTP/1.0\r\nConnection: upgrade, keep-alive\r\nUpgrade: echo\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: echo\r\nContent-Length: 5\r\n\r\nhello",
    ] {
        let answer = client.ask(request);
        assert_eq!(answer.status, 426, "{request}");
        assert_eq!(answer.field("upgrade"), Some("echo"), "{request}");
        let options = answer.field("connection").unwrap_or_default().to_ascii_lowercase();
        assert!(
            options.split(", ").any(|option| option == "upgrade"),
            "{request}: Connection: {options}"
        );
        assert!(!answer.closes(), "{request}");
    }
    assert_eq!(runs.get(), 0, "an upgrade ran that was not asked for");
    let mut client = upgraded(&server, "/echo");
    client.send("hello");
    assert_eq!(client.exactly(5), b"hello");
}

/// A request that offers an upgrade may be answered as any other.
#[test]
fn an_offer_may_be_declined() {
    let server = server(|_| {});
    let mut client = server.connect();
    for _ in 0..3 {
        let answer = client.ask(UPGRADE.replace("/echo", "/plain"));
        assert_eq!(answer.is(), (200, "plain"));
        assert_eq!(answer.field("upgrade"), None);
    }
}

/// No clock of HTTP runs on an upgraded connection.
#[test]
fn an_upgraded_connection_may_be_silent() {
    let brief = std::time::Duration::from_millis(100);
    let server = TestServer::start(
        |config| {
            config.head_timeout = brief;
            config.idle_timeout = brief;
            config.body_timeout = brief;
            config.write_timeout = brief;
        },
        |_| {
            async |_: Request| {
                Response::upgrade("test", |mut stream| async move {
                    Timer::new(std::time::Duration::from_millis(700)).await;
                    let _ = stream.send("still here").await;
                    echo(stream).await;
                })
            }
        },
    );
    let mut client = upgraded(&server, "/");
    assert_eq!(client.exactly(10), b"still here");
    client.send("so am I");
    assert_eq!(client.exactly(7), b"so am I");
}

/// Each side learns when the other one is gone.
#[test]
fn an_upgrade_whose_client_vanishes_ends() {
    let (entered, dropped) = (Gate::default(), Gate::default());
    let errors = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let server = TestServer::start(|_| {}, {
        let (entered, dropped, errors) = (entered.clone(), dropped.clone(), errors.clone());
        move |_| {
            let (entered, dropped, errors) = (entered.clone(), dropped.clone(), errors.clone());
            async move |_: Request| {
                let (entered, guard, errors) = (entered.clone(), OnDrop(dropped.clone()), errors.clone());
                Response::upgrade("test", move |mut stream| async move {
                    let _guard = guard;
                    entered.open();
                    let read = stream.read(&mut [0; 10]).await.map_err(|error| error.kind());
                    errors.lock().unwrap().push(read);
                    let write = stream.send("to nobody").await.map_err(|error| error.kind());
                    errors.lock().unwrap().push(write.map(|()| 0));
                })
            }
        }
    });
    let client = upgraded(&server, "/");
    entered.wait();
    client.reset();
    dropped.wait();
    // It is told, or it is dropped where it stands: but it never reads an end that looks like a good one.
    let errors = errors.lock().unwrap();
    assert!(
        errors.iter().all(|error| *error == Err(io::ErrorKind::BrokenPipe)),
        "{errors:?}"
    );
}

/// Two upgraded connections of one core, tied together by their handlers.
#[test]
fn upgraded_connections_may_talk_to_one_another() {
    let server = TestServer::start(
        |_| {},
        |_| {
            let waiting = std::rc::Rc::new(std::cell::RefCell::new(None::<Upgraded>));
            async move |_: Request| {
                let waiting = std::rc::Rc::clone(&waiting);
                Response::upgrade("pair", move |mut mine| async move {
                    let Some(mut other) = waiting.borrow_mut().take() else {
                        let _ = mine.send("first").await;
                        *waiting.borrow_mut() = Some(mine);
                        return;
                    };
                    while let Some(Ok(chunk)) = mine.next().await {
                        let _ = other.send(chunk).await;
                    }
                })
            }
        },
    );
    let mut first = upgraded(&server, "/");
    assert_eq!(first.exactly(5), b"first");
    let mut second = upgraded(&server, "/");
    second.send(content::bytes(100_000));
    assert!(first.exactly(100_000) == content::bytes(100_000));
    second.half_close();
    second.assert_closed();
    first.assert_closed();
}

/// The end of both directions is no reason to end the handler: it may have work left, or input that it has not read.
#[test]
fn a_handler_may_outlast_both_directions() {
    let (closed, dropped, go_on, finished) = (Gate::default(), Gate::default(), Gate::default(), Gate::default());
    let server = TestServer::start(|_| {}, {
        let gates = (closed.clone(), dropped.clone(), go_on.clone(), finished.clone());
        move |_| {
            let gates = gates.clone();
            async move |request: Request| {
                let (closed, dropped, go_on, finished) = gates.clone();
                if request.path() == "/plain" {
                    return Response::text("plain");
                }
                Response::upgrade("test", move |mut stream| async move {
                    let _guard = OnDrop(dropped);
                    let _ = stream.close().await;
                    closed.open();
                    go_on.passed().await;
                    let mut bytes = 0;
                    while let Some(Ok(chunk)) = stream.next().await {
                        bytes += chunk.len();
                    }
                    if bytes == MIB {
                        finished.open();
                    }
                })
            }
        }
    });
    let mut client = server.connect();
    client.send(UPGRADE);
    assert_eq!(client.head().status, 101);
    closed.wait();
    let mut writer = client.writer();
    let sender = thread::spawn(move || {
        writer.write_all(&content::bytes(MIB)).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    // The server has looked at what there is some rounds later.
    let mut other = server.connect();
    for _ in 0..20 {
        other.ask("GET /plain HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    assert!(!dropped.is_open(), "the handler was ended");
    go_on.open();
    finished.wait();
    sender.join().unwrap();
    dropped.wait();
}
