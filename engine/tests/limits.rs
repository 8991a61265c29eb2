//! Every limit of the configuration that a client can reach: what happens at it, and that it passes.

mod support;

use std::io::Write;
use std::num::NonZeroU32;
use std::thread;
use std::time::Duration;

use ringlane::{Config, IntoResponse, Request, Response, StatusCode};
use support::content::{self, Check};
use support::requests::get;
use support::{Client, Count, Gate, LIMIT, TestServer};

const MIB: usize = 1 << 20;

/// Lets the core take turns: what it has not done by the end of this, it is not about to do.
fn let_it_run(client: &mut Client) {
    for _ in 0..100 {
        assert_eq!(client.get("/other").status, 200);
    }
}

/// A service that counts its calls, and answers `/gate` once the gate is open.
fn gated(configure: impl FnOnce(&mut Config)) -> (TestServer, Count, Gate) {
    let (entered, gate) = (Count::default(), Gate::default());
    let gates = (entered.clone(), gate.clone());
    let server = TestServer::start(configure, move |_| {
        let (entered, gate) = gates.clone();
        async move |request: Request| {
            if request.path() != "/other" {
                entered.add();
            }
            if request.path() == "/gate" {
                gate.passed().await;
            }
            request.path().to_owned()
        }
    });
    (server, entered, gate)
}

#[test]
fn connections_beyond_the_limit_wait_for_their_turn() {
    let (server, entered, _) = gated(|config| config.connections_max = NonZeroU32::new(4));
    let mut clients: Vec<Client> = Vec::new();
    for _ in 0..4 {
        let mut client = server.connect();
        assert_eq!(client.get("/").is(), (200, "/"));
        clients.push(client);
    }
    let mut waiting: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send(get("/waiting"));
    }
    let_it_run(&mut clients[0]);
    assert_eq!(entered.get(), 4, "a connection beyond the limit was served");
    assert!(waiting.iter().all(Client::is_silent));
    // With each that goes, at least one may come; the first come first.
    for mut client in waiting {
        drop(clients.remove(0));
        assert_eq!(client.answer().is(), (200, "/waiting"));
        clients.push(client);
    }
}

/// The limit holds, too, where many connections have come before the core looks.
#[test]
fn a_burst_of_connections_stays_within_the_limit() {
    const LIMIT_OF_CONNECTIONS: u32 = 8;
    const BURST: usize = 200;
    let (blocked, go_on) = (Gate::default(), Gate::default());
    let (entered, gate) = (Count::default(), Gate::default());
    let gates = (blocked.clone(), go_on.clone(), entered.clone(), gate.clone());
    let server = TestServer::start(
        |config| config.connections_max = NonZeroU32::new(LIMIT_OF_CONNECTIONS),
        move |_| {
            let (blocked, go_on, entered, gate) = gates.clone();
            async move |request: Request| {
                match request.path() {
                    "/block" => {
                        blocked.open();
                        go_on.wait(); // The core stands still.
                    }
                    "/gate" => {
                        entered.add();
                        gate.passed().await;
                    }
                    _ => {}
                }
                request.path().to_owned()
            }
        },
    );
    let mut first = server.connect();
    first.send(get("/block"));
    blocked.wait();
    let mut burst: Vec<Client> = (0..BURST).map(|_| server.connect()).collect();
    for client in &mut burst {
        client.send("GET /gate HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    }
    go_on.open();
    assert_eq!(first.answer().is(), (200, "/block"));
    let_it_run(&mut first);
    let served = entered.get();
    assert!(served > 0);
    assert!(
        served < 2 * LIMIT_OF_CONNECTIONS as usize,
        "{served} connections are served at once"
    );
    gate.open();
    for client in &mut burst {
        assert_eq!(client.answer().is(), (200, "/gate"));
    }
}

#[test]
fn many_clients_are_served_one_after_the_other() {
    let (server, _, _) = gated(|config| config.connections_max = NonZeroU32::new(2));
    let address = server.address();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(move || {
                for _ in 0..25 {
                    let mut client = Client::connect(address);
                    client.send("GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
                    assert_eq!(client.answer().is(), (200, "/"));
                    client.assert_closed();
                }
            });
        }
    });
}

/// Few buffers for many connections: those that find none wait, and nobody is forgotten.
#[test]
fn few_buffers_serve_many_connections() {
    for buffers in [8, 16] {
        let server = TestServer::start(
            |config| {
                config.buffers_max = buffers;
                config.input_buffers_max = 4;
            },
            |_| {
                async |request: Request| match request.path() {
                    "/stream" => Response::stream("text/plain", request.body()),
                    _ => request.body().bytes(MIB).await.into_response(),
                }
            },
        );
        let mut clients: Vec<Client> = (0..100).map(|_| server.connect()).collect();
        for round in 0..5 {
            let body = content::bytes(20_000 + round);
            for (number, client) in clients.iter_mut().enumerate() {
                let path = ["/bytes", "/stream"][number % 2];
                let head = format!(
                    "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                client.send([head.as_bytes(), &body].concat());
            }
            for client in &mut clients {
                let answer = client.answer();
                assert_eq!(answer.status, 200);
                assert!(answer.body == body, "{} bytes came back", answer.body.len());
            }
        }
    }
}

/// Handlers hold the buffers in which their requests lie, but not the last ones: they are given copies then.
#[test]
fn requests_do_not_wait_for_buffers_that_handlers_hold() {
    let (server, entered, gate) = gated(|config| {
        config.buffers_max = 8;
        config.input_buffers_max = 4;
    });
    let mut clients: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(get("/gate"));
    }
    entered.wait_for(50);
    gate.open();
    for client in &mut clients {
        assert_eq!(client.answer().is(), (200, "/gate"));
    }
    for client in &mut clients {
        assert_eq!(client.get("/again").is(), (200, "/again"));
    }
}

/// Far more completions at a time than the completion queue holds: the kernel keeps them, ends what was to go on, and
/// nothing is lost.
#[test]
fn a_full_completion_queue_loses_nothing() {
    let (server, entered, gate) = gated(|config| config.ring_entries = 32);
    let mut clients: Vec<Client> = (0..600).map(|_| server.connect()).collect();
    for round in 0..3 {
        for client in &mut clients {
            client.send(get("/gate").repeat(2));
        }
        entered.wait_for(600 + round * 1200);
        gate.open();
        for client in &mut clients {
            assert_eq!(client.answer().is(), (200, "/gate"));
            assert_eq!(client.answer().is(), (200, "/gate"));
        }
    }
}

/// RFC 9112 has no word for it, but TCP does: a body that is not read holds its sender back.
#[test]
fn an_unread_body_holds_its_sender_back() {
    const LENGTH: usize = 32 * MIB;
    let (gate, entered) = (Gate::default(), Gate::default());
    let gates = (gate.clone(), entered.clone());
    let server = TestServer::start(
        |config| {
            config.body_bytes_max = 64 << 20;
            config.receive_buffer_bytes = Some(64 << 10);
        },
        move |_| {
            let (gate, entered) = gates.clone();
            async move |request: Request| {
                if request.path() == "/other" {
                    return Response::text("other");
                }
                entered.open();
                gate.passed().await;
                let (mut check, mut body) = (Check::default(), request.body());
                while let Some(chunk) = body.next().await {
                    match chunk {
                        Ok(chunk) => check.push(&chunk),
                        Err(error) => return error.into_response(),
                    }
                }
                Response::text(check.seen().to_string())
            }
        },
    );
    let mut client = Client::connect_narrow(server.address(), 64 << 10);
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {LENGTH}\r\n\r\n"
    ));
    entered.wait();
    let mut writer = client.writer();
    writer.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    let mut sent = 0;
    while sent < LENGTH
        && let Ok(count) = writer.write(content::piece(sent as u64, 10_000))
    {
        sent += count;
    }
    // Sixteen buffers of 4 KiB in the server, and what the kernel holds on both sides.
    assert!(sent < MIB, "{sent} bytes were taken that nobody reads");
    assert_eq!(server.connect().get("/other").is(), (200, "other"));
    gate.open();
    writer.set_write_timeout(Some(LIMIT)).unwrap();
    while sent < LENGTH {
        sent += writer.write(content::piece(sent as u64, LENGTH - sent)).unwrap();
    }
    assert_eq!(client.answer().is(), (200, LENGTH.to_string().as_str()));
}

/// So does a client that sends requests and reads no answers: no more are executed than can be held.
#[test]
fn unread_answers_hold_further_requests_back() {
    const REQUESTS: usize = 2000;
    const ANSWER: usize = 8 << 10;
    let calls = Count::default();
    let counted = calls.clone();
    let server = TestServer::start(
        |config| config.send_buffer_bytes = Some(64 << 10),
        move |_| {
            let calls = counted.clone();
            async move |request: Request| {
                if request.path() == "/other" {
                    return "other".to_owned();
                }
                let number = calls.add();
                format!("{number:ANSWER$}")
            }
        },
    );
    let mut client = Client::connect_narrow(server.address(), 64 << 10);
    let mut writer = client.writer();
    thread::scope(|scope| {
        scope.spawn(move || writer.write_all(get("/").repeat(REQUESTS).as_bytes()).unwrap());
        calls.wait_for(1);
        let mut other = server.connect();
        let mut calls_before = 0;
        while calls.get() != calls_before {
            calls_before = calls.get();
            let_it_run(&mut other);
        }
        // 64 KiB in the server, and what the kernel holds on both sides.
        assert!(
            calls_before * ANSWER < MIB,
            "{calls_before} requests were executed whose answers nobody reads"
        );
        for number in 0..REQUESTS {
            assert_eq!(client.answer().text(), format!("{number:ANSWER$}"));
        }
    });
    assert_eq!(calls.get(), REQUESTS);
}

/// A request whose head has exactly this length, in one long field.
fn head_of(length: usize) -> String {
    let head = |padding: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: test\r\nX-Padding: {}\r\n\r\n",
            "p".repeat(padding)
        )
    };
    head(length - head(0).len())
}

fn assert_limit(server: &TestServer, within: &str, beyond: &str, status: u16) {
    let mut client = server.connect();
    assert_eq!(client.ask(within).status, 200, "within the limit of {status}");
    assert_eq!(client.ask(within.repeat(3)).status, 200);
    for _ in 0..2 {
        assert_eq!(client.answer().status, 200);
    }
    let answer = client.ask(beyond);
    assert_eq!(answer.status, status);
    assert!(answer.closes());
    client.assert_closed();
}

#[test]
fn heads_have_limits_of_their_own() {
    let server = TestServer::start(
        |config| {
            config.target_bytes_max = 100;
            config.head_bytes_max = 1000;
            config.fields_max = 5;
        },
        |_| async |_: Request| StatusCode::OK,
    );
    let target = |length: usize| get(&format!("/{}", "t".repeat(length - 1)));
    let fields = |count: usize| {
        let fields: String = (1..count).map(|number| format!("X-{number}: a\r\n")).collect();
        format!("GET / HTTP/1.1\r\nHost: test\r\n{fields}\r\n")
    };
    assert_limit(&server, &target(100), &target(101), 414);
    assert_limit(&server, &head_of(1000), &head_of(1001), 431);
    assert_limit(&server, &fields(5), &fields(6), 431);
    // What is too long already is refused without its end.
    for (unfinished, status) in [
        (format!("GET /{}", "t".repeat(100)), 414),
        (head_of(1003)[..1001].to_owned(), 431),
        (format!("GET / HTTP/1.1\r\n{}", "X: a\r\n".repeat(6)), 431),
    ] {
        let mut client = server.connect();
        assert_eq!(client.ask(unfinished).status, status);
        client.assert_closed();
    }
}

#[test]
fn the_limits_of_heads_have_defaults() {
    let server = TestServer::start(|_| {}, |_| async |_: Request| StatusCode::OK);
    let target = |length: usize| get(&format!("/{}", "t".repeat(length - 1)));
    assert_limit(&server, &target(8 << 10), &target((8 << 10) + 1), 414);
    assert_limit(&server, &head_of(16 << 10), &head_of((16 << 10) + 1), 431);
}

/// A large head in the smallest buffers.
#[test]
fn a_head_may_span_many_buffers() {
    let server = TestServer::start(
        |config| {
            config.head_bytes_max = 128 << 10;
            config.buffer_bytes = 1 << 10;
        },
        |_| {
            async |request: Request| {
                let padding = request.header("x-padding").unwrap_or_default();
                format!("{} {}", padding.len(), padding.iter().all(|byte| *byte == b'p'))
            }
        },
    );
    let request = head_of(128 << 10);
    let padding = request.bytes().filter(|byte| *byte == b'p').count();
    let mut client = server.connect();
    let expected = format!("{padding} true");
    assert_eq!(client.ask(&request).is(), (200, expected.as_str()));
    assert_eq!(client.ask(head_of(2000)).status, 200);
}

/// A body that nobody reads is read for the sake of the connection, but not at any price.
#[test]
fn an_ignored_body_is_thrown_away_up_to_its_limit() {
    let server = TestServer::start(
        |config| config.discard_bytes_max = 1000,
        |_| async |_: Request| "ignored",
    );
    let post = |length: usize| format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n");
    let mut client = server.connect();
    let answer = client.ask(post(1000));
    assert_eq!(answer.is(), (200, "ignored"));
    assert!(!answer.closes());
    client.send(content::bytes(1000));
    let answer = client.ask(post(1001));
    assert_eq!(answer.is(), (200, "ignored"));
    assert!(answer.closes());
    client.assert_closed();
    // In chunks, whose sum only shows at the end.
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.answer().is(), (200, "ignored"));
    client.send(content::chunked(&content::bytes(1000), &[1000]));
    assert_eq!(
        client
            .ask("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
            .is(),
        (200, "ignored")
    );
    let coded = content::chunked(&content::bytes(1001), &[1001]);
    client.send(coded.strip_suffix(b"0\r\n\r\n").unwrap());
    client.assert_closed();
}
