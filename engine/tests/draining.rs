//! Stopping: what was accepted is answered, nothing new is taken, and then it is over.

mod support;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::stream;
use glommio::timer::Timer;
use ringlane::{Config, Cores, Error, Request, Response, Server, ServerHandle};
use support::content::{self, Check};
use support::requests::get;
use support::{Client, Count, Gate, LIMIT, OnDrop, TestServer, allowed_cores};

/// Waits until the server takes no connections any more, which also tells that it has seen the order to stop.
#[track_caller]
fn wait_until_refused(address: SocketAddr) {
    let began = Instant::now();
    loop {
        match Client::try_connect(address) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return,
            _ => assert!(began.elapsed() < LIMIT, "connections are still taken"),
        }
    }
}

/// Echoes the path; `/gate` once the gate is open.
struct Bench {
    server: TestServer,
    entered: Count,
    gate: Gate,
    dropped: Gate,
}

fn bench(configure: impl FnOnce(&mut Config)) -> Bench {
    let (entered, gate, dropped) = (Count::default(), Gate::default(), Gate::default());
    let gates = (entered.clone(), gate.clone(), dropped.clone());
    let server = TestServer::start(configure, move |_| {
        let (entered, gate, dropped) = gates.clone();
        async move |request: Request| {
            if request.path() == "/gate" {
                let _guard = OnDrop(dropped.clone());
                entered.add();
                gate.passed().await;
            }
            let body = request.body().bytes(1000).await.unwrap_or_default();
            format!("{} {}", request.path(), String::from_utf8_lossy(&body))
        }
    });
    Bench {
        server,
        entered,
        gate,
        dropped,
    }
}

/// One client among many while the server stops: asks on and on, and holds every answer to what was promised.
struct Customer {
    address: SocketAddr,
    number: usize,
    stopping: Arc<AtomicBool>,
    asked: Count,
}

impl Customer {
    /// Returns how many connections were closed on it unanswered, which only those may be that came after the stop.
    fn run(&self) -> usize {
        let mut turned_away = 0;
        for visit in 0.. {
            let Ok(client) = Client::try_connect(self.address) else {
                assert!(self.stopping.load(Ordering::SeqCst), "refused before the stop");
                return turned_away;
            };
            let came_in_time = !self.stopping.load(Ordering::SeqCst);
            match self.visit(client, visit) {
                Ok(()) => {}
                Err(error) => {
                    assert!(
                        !came_in_time,
                        "a request on a connection from before the stop got no answer: {error}"
                    );
                    turned_away += 1;
                }
            }
        }
        turned_away
    }

    /// Asks until the server says that it was the last time. An error is one before the first answer's first byte.
    fn visit(&self, mut client: Client, visit: usize) -> io::Result<()> {
        for request in 0.. {
            let path = format!("/{}/{visit}/{request}", self.number);
            let sent = client.try_send(get(&path));
            let answer = match sent.and_then(|()| client.try_head()) {
                Err(error) if request == 0 => return Err(error),
                Err(error) => panic!("a request on a kept connection got no answer: {error}"),
                Ok(head) => head,
            };
            self.asked.add();
            let mut body = Vec::new();
            client
                .try_body(&answer, |piece| body.extend_from_slice(piece))
                .expect("an answer that was begun is whole");
            assert_eq!((answer.status, &body[..]), (200, path.as_bytes()));
            if answer.closes() {
                client.assert_closed();
                return Ok(());
            }
            // Now and then a client comes anew.
            if request == 20 + self.number {
                return Ok(());
            }
        }
        Ok(())
    }
}

/// Stops the server, also where the test fails before it would have: else its clients would go on for ever.
struct StopOnDrop(ServerHandle);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// No request that was sent in time goes unanswered, and none is answered in part.
fn stop_under_load(cores: usize) {
    let server = TestServer::start(
        |config| {
            config.cores = Cores::List(allowed_cores()[..cores].to_vec());
            config.drain_idle_timeout = Duration::from_secs(5); // Longer than a client is ever kept waiting.
        },
        |_| {
            async |request: Request| {
                let path = request.path();
                if path.ends_with('3') {
                    Timer::new(Duration::from_millis(1)).await;
                }
                path.to_owned()
            }
        },
    );
    let (stopping, asked) = (Arc::new(AtomicBool::new(false)), Count::default());
    thread::scope(|scope| {
        let customers: Vec<_> = (0..12)
            .map(|number| {
                let customer = Customer {
                    address: server.address(),
                    number,
                    stopping: Arc::clone(&stopping),
                    asked: asked.clone(),
                };
                scope.spawn(move || customer.run())
            })
            .collect();
        let stop = StopOnDrop(server.handle());
        asked.wait_for(1000);
        stopping.store(true, Ordering::SeqCst);
        drop(stop);
        for customer in customers {
            customer.join().expect("a client was let down");
        }
    });
    server.join().expect("the server ends well");
}

#[test]
fn a_stop_under_load_leaves_no_request_unanswered() {
    for _ in 0..5 {
        stop_under_load(1);
    }
}

#[test]
fn a_stop_under_load_on_two_cores_leaves_no_request_unanswered() {
    if allowed_cores().len() < 2 {
        support::skip("the process may use one core only");
        return;
    }
    for _ in 0..3 {
        stop_under_load(2);
    }
}

#[test]
fn a_pending_handler_finishes_and_its_connection_ends() {
    let bench = bench(|config| config.drain_timeout = Duration::from_secs(60));
    let mut client = bench.server.connect();
    client.send([get("/gate"), get("/behind")].concat());
    bench.entered.wait_for(1);
    bench.server.handle().stop();
    wait_until_refused(bench.server.address());
    assert!(client.is_silent());
    bench.gate.open();
    let answer = client.answer();
    assert_eq!(answer.is(), (200, "/gate "));
    assert!(answer.closes());
    client.assert_closed();
    drop(client); // The server waits a while for its clients' ends.
    bench.server.join().expect("the server ends well");
}

/// Heads and bodies that are under way may come to their end.
#[test]
fn a_request_that_is_being_sent_is_answered() {
    let bench = bench(|_| {});
    let parts = [
        ("G", "ET /head HTTP/1.1\r\nHost: test\r\n\r\n", "/head "),
        ("GET /fields HTTP/1.1\r\nHo", "st: test\r\n\r\n", "/fields "),
        (
            "POST /body HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhello",
            "world",
            "/body helloworld",
        ),
        (
            "POST /chunks HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
            "llo\r\n0\r\n\r\n",
            "/chunks hello",
        ),
    ];
    let mut clients: Vec<Client> = parts.iter().map(|_| bench.server.connect()).collect();
    for (client, (begin, _, _)) in clients.iter_mut().zip(parts) {
        client.send(begin);
    }
    bench.server.connect().get("/other"); // The server has received all of that by now.
    let mut idle = bench.server.connect();
    assert_eq!(idle.get("/idle").status, 200);
    bench.server.handle().stop();
    idle.assert_closed(); // And now the time of idle connections is over.
    for (mut client, (_, end, expected)) in clients.into_iter().zip(parts) {
        client.send(end);
        let answer = client.answer();
        assert_eq!(answer.is(), (200, expected));
        assert!(answer.closes(), "{expected}");
        client.assert_closed();
    }
    bench.server.join().expect("the server ends well");
}

/// Whoever has been let in by the system, though not by the server, has not been refused: those are answered, too.
#[test]
fn connections_that_wait_in_the_queue_are_answered() {
    let bench = bench(|config| config.connections_max = NonZeroU32::new(2));
    let mut served: Vec<Client> = (0..2).map(|_| bench.server.connect()).collect();
    for client in &mut served {
        assert_eq!(client.get("/served").status, 200);
    }
    let mut waiting: Vec<Client> = (0..5).map(|_| bench.server.connect()).collect();
    for client in &mut waiting {
        client.send(get("/waiting"));
    }
    assert_eq!(served[0].get("/served").status, 200);
    assert!(waiting.iter().all(Client::is_silent));
    bench.server.handle().stop();
    for mut client in waiting {
        let answer = client.answer();
        assert_eq!(answer.is(), (200, "/waiting "));
        assert!(answer.closes());
        client.assert_closed();
    }
    drop(served);
    bench.server.join().expect("the server ends well");
}

#[test]
fn an_idle_connection_may_still_ask_and_gets_its_last_answer() {
    let bench = bench(|config| {
        config.drain_timeout = Duration::from_secs(60);
        config.drain_idle_timeout = Duration::from_secs(60);
    });
    let mut used = bench.server.connect();
    assert!(!used.get("/before").closes());
    let unused = bench.server.connect();
    bench.server.handle().stop();
    wait_until_refused(bench.server.address());
    for mut client in [used, unused] {
        let answer = client.get("/after");
        assert_eq!(answer.is(), (200, "/after "));
        assert!(answer.closes());
        client.assert_closed();
    }
    bench.server.join().expect("the server ends well");
}

#[test]
fn an_idle_connection_is_closed_after_a_while() {
    let bench = bench(|config| {
        config.drain_timeout = Duration::from_secs(60);
        config.drain_idle_timeout = Duration::from_millis(200);
    });
    let mut used = bench.server.connect();
    assert_eq!(used.get("/").status, 200);
    let mut unused = bench.server.connect();
    let began = Instant::now();
    bench.server.handle().stop();
    used.assert_closed();
    unused.assert_closed();
    assert!(began.elapsed() >= Duration::from_millis(200), "closed before its time");
    bench.server.join().expect("the server ends well");
}

/// A response that was begun before the stop, and so does not say that it is the last, comes whole; its connection is
/// closed then, and does not hold the server up until the drain's limit.
#[test]
fn a_response_under_way_comes_whole_and_its_connection_ends() {
    let gate = Gate::default();
    let server = TestServer::start(
        |config| {
            config.drain_timeout = Duration::from_secs(60);
            config.send_buffer_bytes = Some(64 << 10);
        },
        {
            let gate = gate.clone();
            move |_| {
                let gate = gate.clone();
                async move |request: Request| match request.path() {
                    "/large" => Response::bytes("text/plain", content::bytes(4 << 20)),
                    "/stream" => {
                        let gate = gate.clone();
                        let last = stream::once_future(async move {
                            gate.passed().await;
                            Ok::<_, io::Error>("the end")
                        });
                        Response::stream("text/plain", last)
                    }
                    _ => Response::text("fine"),
                }
            }
        },
    );
    let mut large = Client::connect_narrow(server.address(), 64 << 10);
    large.send(get("/large"));
    let large_head = large.head();
    let mut streamed = server.connect();
    streamed.send(get("/stream"));
    let streamed_head = streamed.head();
    let mut idle = server.connect();
    assert_eq!(idle.get("/idle").status, 200);
    server.handle().stop();
    idle.assert_closed(); // The time of idle connections is over.
    gate.open();
    let mut check = Check::default();
    large
        .try_body(&large_head, |piece| check.push(piece))
        .expect("the response is whole");
    assert_eq!(check.seen(), 4 << 20);
    let mut seen = Vec::new();
    streamed
        .try_body(&streamed_head, |piece| seen.extend_from_slice(piece))
        .expect("the stream is whole");
    assert_eq!(seen, b"the end");
    large.assert_closed();
    streamed.assert_closed();
    server.join().expect("the server ends well");
}

/// The connection has ended, and without an answer.
#[track_caller]
fn assert_cut(client: &mut Client) {
    let outcome = client.try_answer().map_err(|error| error.kind());
    let ends = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
    assert!(matches!(outcome, Err(kind) if ends.contains(&kind)), "{outcome:?}");
}

#[test]
fn what_is_not_done_in_time_is_cut() {
    let bench = bench(|config| {
        config.drain_timeout = Duration::from_millis(300);
        config.drain_idle_timeout = Duration::from_millis(300);
    });
    let mut clients: Vec<Client> = (0..3).map(|_| bench.server.connect()).collect();
    for client in &mut clients {
        client.send(get("/gate"));
    }
    let mut idle = bench.server.connect();
    assert_eq!(idle.get("/").status, 200);
    bench.entered.wait_for(3);
    let outcome = bench.server.stop();
    assert!(
        matches!(outcome, Err(Error::DrainTimeout { connections: 3 })),
        "{outcome:?}"
    );
    assert!(bench.dropped.is_open(), "the handlers are still there");
    clients.iter_mut().for_each(assert_cut);
}

#[test]
fn a_second_stop_cuts_at_once() {
    let bench = bench(|config| {
        config.drain_timeout = Duration::from_secs(600);
        config.drain_idle_timeout = Duration::from_secs(600);
    });
    let mut client = bench.server.connect();
    client.send(get("/gate"));
    let mut idle = bench.server.connect();
    assert_eq!(idle.get("/").status, 200);
    bench.entered.wait_for(1);
    bench.server.handle().stop();
    wait_until_refused(bench.server.address());
    assert!(client.is_silent() && idle.is_silent());
    let began = Instant::now();
    let outcome = bench.server.stop();
    assert!(began.elapsed() < LIMIT / 2, "the second order was not heard");
    assert!(
        matches!(outcome, Err(Error::DrainTimeout { connections: 1 })),
        "{outcome:?}"
    );
    assert!(bench.dropped.is_open(), "the handler is still there");
    assert_cut(&mut client);
    assert!(idle.rest().is_ok_and(|rest| rest.is_empty()));
}

/// Where nothing is unanswered, nothing is lost by it.
#[test]
fn a_second_stop_of_an_idle_server_is_no_failure() {
    let bench = bench(|config| {
        config.drain_timeout = Duration::from_secs(600);
        config.drain_idle_timeout = Duration::from_secs(600);
    });
    let mut idle = bench.server.connect();
    assert_eq!(idle.get("/").status, 200);
    bench.server.handle().stop();
    bench.server.stop().expect("nothing was unanswered");
    assert!(idle.rest().is_ok_and(|rest| rest.is_empty()));
}

#[test]
fn a_server_that_is_stopped_before_it_starts_returns_at_once() {
    for stops in [1, 2] {
        let mut config = Config::default();
        config.cores = Cores::List(allowed_cores()[..1].to_vec());
        config.drain_timeout = Duration::from_secs(600);
        config.drain_idle_timeout = Duration::from_secs(600);
        let server = Server::bind("127.0.0.1:0").config(config);
        for _ in 0..stops {
            server.handle().stop();
        }
        TestServer::serve(server, |_| async |_: Request| "never")
            .join()
            .expect("nothing was unanswered");
    }
}

/// A restart finds its port free, also with connections of the server before in TIME_WAIT.
#[test]
fn the_port_can_be_bound_again_at_once() {
    let mut config = Config::default();
    config.cores = Cores::List(allowed_cores()[..1].to_vec());
    let mut address = "127.0.0.1:0".parse().unwrap();
    for _ in 0..5 {
        let server = Server::bind(SocketAddr::to_string(&address)).config(config.clone());
        let server = TestServer::serve(server, |_| async |_: Request| Response::text("here").with_close());
        address = server.address();
        for _ in 0..5 {
            let mut client = server.connect();
            assert_eq!(client.get("/").is(), (200, "here"));
            client.assert_closed();
        }
        server.stop().expect("the server ends well");
        let refused = Client::try_connect(address).err().map(|error| error.kind());
        assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));
    }
}
