//! Work on a Tokio runtime: results, cancellation, bounds, panics, threads, and that no wake-up of a core is lost.
#![cfg(feature = "bridge")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future::{block_on, poll_once};
use ringlane::bridge::{Bridge, BridgeError};
use ringlane::{Cores, Error, IntoResponse, Request, Response, StatusCode};
use support::{Client, Gate, LIMIT, OnDrop, TestServer, allowed_cores};

/// A server on all cores, each of which has the bridge. Paths say what a handler does with it.
fn server(bridge: &Bridge, begun: &Gate, ended: &Gate) -> TestServer {
    let (bridge, begun, ended) = (bridge.clone(), begun.clone(), ended.clone());
    TestServer::start(
        |config| config.cores = Cores::All,
        move |core| {
            let (bridge, begun, ended) = (bridge.clone(), begun.clone(), ended.clone());
            async move |request: Request| {
                let path = request.path().to_owned();
                let (begun, ended) = (begun.clone(), ended.clone());
                let answer = bridge.run(async move {
                    let number: usize = path.trim_matches('/').parse().unwrap_or(0);
                    match path.as_str() {
                        "/for-ever" => {
                            let _guard = OnDrop(ended);
                            begun.open();
                            std::future::pending::<()>().await;
                        }
                        "/panic" => panic!("expected by the test"),
                        _ if number % 3 == 1 => tokio::task::yield_now().await,
                        _ if number % 3 == 2 => tokio::time::sleep(Duration::from_micros(number as u64 % 700)).await,
                        _ => {}
                    }
                    path
                });
                Ok::<_, BridgeError>(format!("{} on {}", answer.await?, core.number()))
            }
        },
    )
}

/// Waits until nothing is under way on a bridge any more.
fn wait_until_empty(bridge: &Bridge) {
    let until = Instant::now() + LIMIT;
    while bridge.in_flight() > 0 {
        assert!(Instant::now() < until, "{bridge:?}");
        thread::yield_now();
    }
}

#[test]
fn of_many_runs_on_two_cores_none_is_lost() {
    const CLIENTS: usize = 48;
    const REQUESTS: usize = 200;
    let bridge = Bridge::builder().threads(2).build().unwrap();
    let server = server(&bridge, &Gate::default(), &Gate::default());
    let on_cores: Vec<AtomicUsize> = (0..1024).map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        for first in 0..CLIENTS {
            let (address, on_cores) = (server.address(), &on_cores);
            scope.spawn(move || {
                let mut client = Client::connect(address);
                for number in 0..REQUESTS {
                    let path = format!("/{}", first * REQUESTS + number);
                    let answer = client.get(&path);
                    let text = answer.text();
                    let (said, core) = text.split_once(" on ").unwrap_or((text, "0"));
                    assert_eq!((answer.status, said), (200, path.as_str()));
                    on_cores[core.parse::<usize>().unwrap()].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let answered: Vec<usize> = on_cores.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    assert_eq!(answered.iter().sum::<usize>(), CLIENTS * REQUESTS);
    // The kernel spreads connections over the cores by their ports.
    let busy = answered.iter().filter(|count| **count > 0).count();
    assert!(busy >= server.cores().len().min(2), "only {busy} core has answered");
    wait_until_empty(&bridge);
}

#[test]
fn one_handler_may_have_many_runs_at_once() {
    let bridge = Bridge::builder().threads(2).in_flight_max(2000).build().unwrap();
    let server = TestServer::start(
        |_| {},
        move |_| {
            let bridge = bridge.clone();
            async move |_: Request| {
                let runs: Vec<_> = (0..2000_u64).map(|number| bridge.run(async move { number })).collect();
                let mut sum = 0;
                for run in runs {
                    sum += run.await?;
                }
                Ok::<_, BridgeError>(sum.to_string())
            }
        },
    );
    assert_eq!(server.connect().get("/").text(), "1999000");
}

#[test]
fn a_client_that_goes_ends_the_work() {
    let bridge = Bridge::new().unwrap();
    let (begun, ended) = (Gate::default(), Gate::default());
    let server = server(&bridge, &begun, &ended);
    let mut client = server.connect();
    client.send("GET /for-ever HTTP/1.1\r\nHost: test\r\n\r\n");
    begun.wait();
    assert_eq!(bridge.in_flight(), 1);
    client.reset();
    ended.wait();
    wait_until_empty(&bridge);
}

#[test]
fn what_is_beyond_the_bound_is_told_to_try_again() {
    let bridge = Bridge::builder().in_flight_max(1).build().unwrap();
    let (begun, ended) = (Gate::default(), Gate::default());
    let server = server(&bridge, &begun, &ended);
    let mut first = server.connect();
    first.send("GET /for-ever HTTP/1.1\r\nHost: test\r\n\r\n");
    begun.wait();
    let answer = server.connect().get("/");
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")));
    first.reset();
    wait_until_empty(&bridge);
    assert_eq!(server.connect().get("/").status, 200);
}

#[test]
fn a_panic_is_a_500_and_frees_its_place() {
    let bridge = Bridge::builder().in_flight_max(1).build().unwrap();
    let server = server(&bridge, &Gate::default(), &Gate::default());
    let mut client = server.connect();
    for _ in 0..3 {
        assert_eq!(client.get("/panic").status, 500);
        assert_eq!(client.get("/").status, 200);
    }
}

#[test]
fn after_a_shutdown_there_is_an_error() {
    let bridge = Bridge::new().unwrap();
    let (begun, ended) = (Gate::default(), Gate::default());
    let server = server(&bridge, &begun, &ended);
    let mut waiting = server.connect();
    waiting.send("GET /for-ever HTTP/1.1\r\nHost: test\r\n\r\n");
    begun.wait();
    bridge.shut_down(LIMIT);
    ended.wait();
    assert_eq!(waiting.answer().status, 503);
    let answer = waiting.get("/");
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")));
    bridge.shut_down(LIMIT); // Nothing is left to shut down.
    assert_eq!(bridge.in_flight(), 0);
}

#[test]
fn the_last_clone_ends_the_runtime_wherever_it_is_dropped() {
    let bridge = Bridge::new().unwrap();
    let ended = Gate::default();
    let guard = OnDrop(ended.clone());
    bridge.handle().spawn(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    });
    // On the runtime itself, by a task that holds the last clone.
    let own = bridge.clone();
    let go = Gate::default();
    let wait = go.clone();
    bridge.handle().spawn(async move {
        wait.passed().await;
        drop(own);
    });
    drop(bridge);
    assert!(!ended.is_open());
    go.open();
    ended.wait();
}

#[test]
fn dropping_a_run_ends_it_and_errors_are_responses() {
    let bridge = Bridge::builder().in_flight_max(1).build().unwrap();
    let (begun, ended) = (Gate::default(), Gate::default());
    let (open, guard) = (begun.clone(), OnDrop(ended.clone()));
    let mut run = bridge.run(async move {
        let _guard = guard;
        open.open();
        std::future::pending::<()>().await;
    });
    assert_eq!(block_on(poll_once(&mut run)), None);
    begun.wait();
    let mut refused = bridge.run(async {});
    assert_eq!(block_on(poll_once(&mut refused)), Some(Err(BridgeError::Busy)));
    drop(run);
    ended.wait();
    let statuses = [BridgeError::Busy, BridgeError::Panicked, BridgeError::ShutDown].map(|error| {
        let response: Response = error.into_response();
        response.status()
    });
    let unavailable = StatusCode::SERVICE_UNAVAILABLE;
    assert_eq!(statuses, [unavailable, StatusCode::INTERNAL_SERVER_ERROR, unavailable]);
}

#[test]
fn blocking_functions_wait_for_their_turn_and_may_be_given_up_before() {
    let bridge = Bridge::builder()
        .blocking_threads_max(1)
        .in_flight_max(3)
        .build()
        .unwrap();
    let (begun, go) = (Gate::default(), Gate::default());
    let (open, wait) = (begun.clone(), go.clone());
    let first = bridge.run_blocking(move || {
        open.open();
        wait.wait();
        1
    });
    begun.wait();
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    let given_up = bridge.run_blocking(move || count.fetch_add(1, Ordering::SeqCst));
    let third = bridge.run_blocking(|| 3);
    drop(given_up);
    go.open();
    assert_eq!((block_on(first), block_on(third)), (Ok(1), Ok(3)));
    let panicked = bridge.run_blocking(|| panic!("expected by the test"));
    assert_eq!(block_on(panicked), Err(BridgeError::Panicked));
    wait_until_empty(&bridge);
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

/// The name of a thread of the bridge, and the cores on which it may run.
fn thread_of(bridge: &Bridge) -> (String, Vec<usize>) {
    let look = || (thread::current().name().unwrap_or_default().to_owned(), allowed_cores());
    block_on(bridge.run(async move { look() })).unwrap()
}

#[test]
fn threads_run_on_all_cores_or_on_those_that_are_chosen() {
    let allowed = allowed_cores();
    let pinned = thread::spawn({
        let first = allowed[0];
        move || {
            assert!(core_affinity::set_for_current(core_affinity::CoreId { id: first }));
            Bridge::new().unwrap() // As in the factory of a core, whose thread is pinned.
        }
    });
    let (name, cores) = thread_of(&pinned.join().unwrap());
    assert!(name.starts_with("bridge-"), "{name}");
    assert_eq!(cores, allowed);

    let last = *allowed.last().unwrap();
    let chosen = Bridge::builder()
        .threads(1)
        .cores(Cores::List(vec![last]))
        .build()
        .unwrap();
    assert_eq!(thread_of(&chosen), ("bridge-0".to_owned(), vec![last]));
    let blocking = block_on(chosen.run_blocking(allowed_cores));
    assert_eq!(blocking, Ok(vec![last]));
}

#[test]
fn what_cannot_be_built_is_said() {
    for builder in [
        Bridge::builder().threads(0),
        Bridge::builder().in_flight_max(0),
        Bridge::builder().blocking_threads_max(0),
        Bridge::builder().cores(Cores::List(Vec::new())),
    ] {
        let error = builder.build().unwrap_err();
        assert!(matches!(error, Error::Config { .. }), "{error}");
    }
    let error = Bridge::builder().cores(Cores::List(vec![1023])).build().unwrap_err();
    assert!(matches!(error, Error::CoreUnavailable { core: 1023, .. }), "{error}");
}

#[test]
fn pools_are_opened_before_the_server_starts() {
    let bridge = Bridge::new().unwrap();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    {
        let _guard = bridge.enter();
        tokio::spawn(async move { sender.send("spawned where a runtime is asked for") });
    }
    assert_eq!(bridge.block_on(receiver), Ok("spawned where a runtime is asked for"));
}
