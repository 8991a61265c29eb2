//! What a handler sees, what it may do, and that none waits for another.

mod support;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_lite::StreamExt;
use glommio::timer::Timer;
use ringlane::{BodyError, Bytes, Core, Method, Request, Response, Service, StatusCode, Version};
use support::requests::get;
use support::{Client, Count, Gate, TestServer};

#[test]
fn a_request_shows_what_was_sent() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| {
                let headers: Vec<String> = request
                    .headers()
                    .map(|(name, value)| format!("{name}={}", value.escape_ascii()))
                    .collect();
                format!(
                    "{} {} {} {:?} {:?} {:?} {:?} [{}]",
                    request.method(),
                    request.target(),
                    request.path(),
                    request.query(),
                    request.version(),
                    request
                        .header("x-two")
                        .map(<[u8]>::escape_ascii)
                        .map(|value| value.to_string()),
                    request.header("absent").is_some(),
                    headers.join(", ")
                )
            }
        },
    );
    let mut client = server.connect();
    let answer =
        client.ask(b"PATCH /a/%20b?c=d&e?f HTTP/1.1\r\nHost: test\r\nX-One:1\r\nX-TWO:  \xe9 2\t\r\nx-two: 3\r\n\r\n");
    assert_eq!(
        answer.text(),
        "PATCH /a/%20b?c=d&e?f /a/%20b Some(\"c=d&e?f\") HTTP/1.1 Some(\"\\\\xe9 2\") false \
         [Host=test, X-One=1, X-TWO=\\xe9 2, x-two=3]"
    );
    let answer = client.ask("OPTIONS * HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(
        answer.text(),
        "OPTIONS * * None HTTP/1.0 None false [Connection=keep-alive]"
    );
    let answer = client.ask("GET http://test?q HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(
        answer.text(),
        "GET http://test?q / Some(\"q\") HTTP/1.1 None false [Host=test]"
    );
}

/// A request is its handler's: it may be kept across awaits, and beyond the response by a task.
#[test]
fn a_request_stays_what_it_is_as_long_as_it_is_held() {
    let held = Rc::<RefCell<Vec<Request>>>::default;
    let server = TestServer::start(
        |_| {},
        move |_| {
            let held = held();
            async move |request: Request| {
                if request.path() == "/all" {
                    let held = held.borrow();
                    return held
                        .iter()
                        .map(|request| request.query().unwrap_or_default().to_owned())
                        .collect::<String>();
                }
                Timer::new(Duration::from_millis(1)).await;
                let query = request.query().unwrap_or_default().to_owned();
                held.borrow_mut().push(request);
                query
            }
        },
    );
    let mut client = server.connect();
    let mut all = String::new();
    for number in 0..200 {
        assert_eq!(client.get(&format!("/?{number};")).text(), format!("{number};"));
        all += &format!("{number};");
    }
    assert_eq!(client.get("/all").text(), all);
}

#[test]
fn handlers_borrow_the_state_of_their_core() {
    let server = TestServer::start(
        |_| {},
        |core: Core| {
            let (calls, visits, name) = (
                Cell::new(0),
                RefCell::new(HashMap::<String, u32>::new()),
                format!("core {}", core.index()),
            );
            async move |request: Request| {
                calls.set(calls.get() + 1);
                let (name, calls_then) = (&name, calls.get());
                Timer::new(Duration::from_millis(1)).await;
                let mut visits = visits.borrow_mut();
                let visits = visits.entry(request.path().to_owned()).or_default();
                *visits += 1;
                format!("{name}, call {calls_then}, visit {visits}")
            }
        },
    );
    let (mut one, mut two) = (server.connect(), server.connect());
    assert_eq!(one.get("/a").text(), "core 0, call 1, visit 1");
    assert_eq!(two.get("/a").text(), "core 0, call 2, visit 2");
    assert_eq!(two.get("/b").text(), "core 0, call 3, visit 1");
    assert_eq!(one.get("/a").text(), "core 0, call 4, visit 3");
}

#[test]
fn a_type_of_ones_own_is_a_service() {
    struct Greeter {
        greeting: String,
        greeted: Cell<u32>,
    }

    impl Service for Greeter {
        async fn call(&self, request: Request) -> Response {
            self.greeted.set(self.greeted.get() + 1);
            Response::text(format!(
                "{} {}, number {}",
                self.greeting,
                request.path(),
                self.greeted.get()
            ))
        }
    }

    let server = TestServer::start(
        |_| {},
        |_| Greeter {
            greeting: "Hello".to_owned(),
            greeted: Cell::default(),
        },
    );
    let mut client = server.connect();
    assert_eq!(client.get("/a").text(), "Hello /a, number 1");
    assert_eq!(client.get("/b").text(), "Hello /b, number 2");
}

#[test]
fn a_handler_may_end_in_an_error() {
    #[derive(Debug)]
    enum Failure {
        Body(BodyError),
        Empty,
    }

    impl From<BodyError> for Failure {
        fn from(error: BodyError) -> Failure {
            Failure::Body(error)
        }
    }

    impl ringlane::IntoResponse for Failure {
        fn into_response(self) -> Response {
            match self {
                Failure::Body(error) => error.into_response(),
                Failure::Empty => (StatusCode::UNPROCESSABLE_ENTITY, "say something").into_response(),
            }
        }
    }

    async fn handler(request: Request) -> Result<Bytes, Failure> {
        let body = request.body().bytes(10).await?;
        if body.is_empty() { Err(Failure::Empty) } else { Ok(body) }
    }

    let server = TestServer::start(|_| {}, |_| handler);
    let mut client = server.connect();
    let post = |body: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    assert_eq!(client.ask(post("something")).is(), (200, "something"));
    assert_eq!(client.ask(post("")).is(), (422, "say something"));
    assert_eq!(client.ask(post("something longer")).status, 413);
}

#[test]
fn a_handler_knows_its_peer() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| {
                let before = request.peer_addr();
                Timer::new(Duration::from_millis(1)).await;
                format!("{} {}", before.unwrap(), request.peer_addr().unwrap())
            }
        },
    );
    let mut clients: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    for client in &mut clients {
        let address = client.local_addr();
        assert_eq!(client.get("/").text(), format!("{address} {address}"));
    }
}

/// Of a connection that is gone, a request says so, and does not name another one that has taken its place.
#[test]
fn a_request_of_a_connection_that_is_gone_knows_no_peer() {
    let (entered, gone) = (Gate::default(), Gate::default());
    let outcome = std::sync::Arc::new(std::sync::Mutex::new(None));
    let server = TestServer::start(|_| {}, {
        let (entered, gone, outcome) = (entered.clone(), gone.clone(), outcome.clone());
        move |_| {
            let (entered, gone, outcome) = (entered.clone(), gone.clone(), outcome.clone());
            async move |request: Request| {
                if request.path() != "/hold" {
                    return "other";
                }
                let (entered, gone, outcome) = (entered.clone(), gone.clone(), outcome.clone());
                glommio::spawn_local(async move {
                    entered.open();
                    gone.passed().await;
                    *outcome.lock().unwrap() = Some(request.peer_addr().map_err(|error| error.kind()));
                })
                .detach();
                "held"
            }
        }
    });
    let mut client = server.connect();
    client.send("GET /hold HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    entered.wait();
    assert_eq!(client.answer().text(), "held");
    client.assert_closed();
    drop(client);
    let mut others: Vec<Client> = (0..10).map(|_| server.connect()).collect();
    for other in &mut others {
        assert_eq!(other.get("/").text(), "other");
    }
    gone.open();
    while outcome.lock().unwrap().is_none() {
        assert_eq!(others[0].get("/").text(), "other"); // Each turn of the core is one of the task's, too.
    }
    assert_eq!(*outcome.lock().unwrap(), Some(Err(io::ErrorKind::NotConnected)));
}

#[test]
fn handlers_use_their_executor() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| match request.path() {
                "/spawn" => {
                    let task = glommio::spawn_local(async {
                        Timer::new(Duration::from_millis(5)).await;
                        42
                    });
                    task.await.to_string()
                }
                "/channel" => {
                    let (sender, receiver) = glommio::channels::local_channel::new_unbounded();
                    glommio::spawn_local(async move {
                        for number in 0..100 {
                            let _ = sender.try_send(number);
                            glommio::executor().yield_task_queue_now().await;
                        }
                    })
                    .detach();
                    StreamExt::fold(receiver.stream(), 0, |sum, number| sum + number)
                        .await
                        .to_string()
                }
                "/file" => {
                    let file = glommio::io::BufferedFile::open("/proc/self/comm").await.unwrap();
                    let bytes = file.read_at(0, 100).await.unwrap();
                    file.close().await.unwrap();
                    String::from_utf8_lossy(&bytes).into_owned()
                }
                "/blocking" => glommio::executor().spawn_blocking(|| 6 * 7).await.to_string(),
                _ => String::new(),
            }
        },
    );
    let mut client = server.connect();
    let comm = std::fs::read_to_string("/proc/self/comm").unwrap();
    for _ in 0..5 {
        assert_eq!(client.get("/spawn").text(), "42");
        assert_eq!(client.get("/channel").text(), "4950");
        assert_eq!(client.get("/file").text(), comm);
        assert_eq!(client.get("/blocking").text(), "42");
    }
}

/// Two requests of one core meet: one waits for what the other one brings.
#[test]
fn handlers_of_one_core_wake_one_another() {
    let entered = Count::default();
    let server = TestServer::start(|_| {}, {
        let entered = entered.clone();
        move |_| {
            let entered = entered.clone();
            let (sender, receiver) = glommio::channels::local_channel::new_unbounded::<String>();
            async move |request: Request| {
                if *request.method() == Method::POST {
                    let _ = sender.try_send(request.path().to_owned());
                    return "sent".to_owned();
                }
                entered.add();
                receiver.recv().await.unwrap_or_default()
            }
        }
    });
    let (mut waiting, mut bringing) = (server.connect(), server.connect());
    for round in 0..50 {
        waiting.send(get("/"));
        entered.wait_for(round + 1);
        let path = format!("/{round}");
        assert_eq!(
            bringing
                .ask(format!("POST {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
                .text(),
            "sent"
        );
        assert_eq!(waiting.answer().text(), path);
    }
}

/// 2,000 handlers are pending on one core: nobody else waits for them, and none of them is forgotten.
#[test]
fn pending_handlers_hold_nobody_up() {
    const CONNECTIONS: usize = 2000;
    let (gate, entered) = (Gate::default(), Count::default());
    let server = TestServer::start(|_| {}, {
        let (gate, entered) = (gate.clone(), entered.clone());
        move |_| {
            let (gate, entered) = (gate.clone(), entered.clone());
            async move |request: Request| {
                if request.path() != "/" {
                    entered.add();
                    gate.passed().await;
                }
                request.path().to_owned()
            }
        }
    });
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(get(&format!("/{number}")));
    }
    entered.wait_for(CONNECTIONS);
    let mut other = server.connect();
    for _ in 0..100 {
        assert_eq!(other.get("/").is(), (200, "/"));
    }
    assert!(clients.iter().all(Client::is_silent));
    gate.open();
    for (number, client) in clients.iter_mut().enumerate() {
        assert_eq!(client.answer().is(), (200, format!("/{number}").as_str()));
    }
}

#[test]
fn sleeping_handlers_sleep_at_the_same_time() {
    const CONNECTIONS: usize = 2000;
    const SLEEP: Duration = Duration::from_millis(300);
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| {
                if request.path() == "/sleep" {
                    Timer::new(SLEEP).await;
                }
                "awake"
            }
        },
    );
    let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    let began = Instant::now();
    for client in &mut clients {
        client.send(get("/sleep"));
    }
    let mut other = server.connect();
    while began.elapsed() < SLEEP {
        assert_eq!(other.get("/").is(), (200, "awake"));
    }
    for client in &mut clients {
        assert_eq!(client.answer().is(), (200, "awake"));
    }
    let took = began.elapsed();
    assert!(took >= SLEEP, "somebody has not slept");
    assert!(took < SLEEP * 50, "they slept one after the other: {took:?}"); // Which would take ten minutes.
}

/// The version of a request is its own, whatever the response is sent as.
#[test]
fn answers_are_http_1_1() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| {
                if request.version() == Version::HTTP_10 {
                    "old"
                } else {
                    "new"
                }
            }
        },
    );
    let mut client = server.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let all = client.rest().unwrap();
    assert!(
        all.starts_with(b"HTTP/1.1 200 OK\r\n") && all.ends_with(b"\r\n\r\nold"),
        "{}",
        all.escape_ascii()
    );
    assert_eq!(server.connect().get("/").text(), "new");
}
