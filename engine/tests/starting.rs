//! Starting: what is reported when it works, and what is said when it does not.

mod support;

use std::time::Duration;

use ringlane::{Config, Cores, Error, Request, Server};
use support::{TestServer, allowed_cores};

fn config() -> Config {
    let mut config = Config::default();
    config.cores = Cores::List(allowed_cores()[..1].to_vec());
    config
}

/// What `serve` says of a server that cannot start.
fn refusal(address: &str, config: Config) -> Error {
    let server = Server::bind(address)
        .config(config)
        .without_signals()
        .on_ready(|_| panic!("a server is ready that cannot be"));
    server
        .serve(|_| async |_: Request| "never")
        .expect_err("the server cannot start")
}

#[test]
fn a_server_says_where_it_is_and_how_it_is_set() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut config = config();
    config.idle_timeout = Duration::from_secs(7);
    let server = Server::bind("localhost:0")
        .config(config.clone())
        .without_signals()
        .on_ready(move |ready| sender.send(ready.clone()).unwrap());
    let handle = server.handle();
    let thread = std::thread::spawn(move || server.serve(|_| async |_: Request| "here"));
    let ready = receiver.recv_timeout(support::LIMIT).unwrap();
    handle.stop();
    assert!(ready.local_addr().ip().is_loopback());
    assert_ne!(ready.local_addr().port(), 0);
    assert_eq!(Cores::List(ready.cores().to_vec()), config.cores);
    assert_eq!(*ready.config(), config);
    assert_eq!(
        ready.to_string(),
        format!("listening on http://{} on cores {}", ready.local_addr(), config.cores)
    );
    thread.join().unwrap().unwrap();
}

#[test]
fn a_taken_address_is_an_error() {
    let server = TestServer::start(|_| {}, |_| async |_: Request| "first");
    let error = refusal(&server.address().to_string(), config());
    assert!(
        matches!(error, Error::Bind { address, .. } if address == server.address()),
        "{error}"
    );
    assert_eq!(server.connect().get("/").is(), (200, "first"));
}

#[test]
fn a_port_may_be_shared_where_that_is_wanted() {
    let first = TestServer::start(|config| config.share_port = true, |_| async |_: Request| "first");
    let mut config = config();
    config.share_port = true;
    let address = first.address();
    let second = TestServer::serve(Server::bind(address.to_string()).config(config), |_| {
        async |_: Request| "second"
    });
    let ask = |_| support::Client::connect(address).get("/").text().to_owned();
    let answers: Vec<String> = (0..64).map(ask).collect();
    // By a hash of the client's port: that 64 of them meet one of two does not happen.
    assert!(answers.iter().any(|answer| answer == "first") && answers.iter().any(|answer| answer == "second"));
    first.stop().unwrap();
    assert!((0..20).map(ask).all(|answer| answer == "second"));
    drop(second);
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_started() {
    let error = refusal("nowhere", config());
    assert!(matches!(error, Error::Address { .. }), "{error}");
    let error = refusal("192.0.2.1:0", config());
    assert!(matches!(error, Error::Bind { .. }), "{error}");
    let mut absent = config();
    absent.cores = Cores::List(vec![9999]);
    let error = refusal("127.0.0.1:0", absent);
    assert!(matches!(error, Error::CoreUnavailable { core: 9999, .. }), "{error}");
    let mut wrong = config();
    wrong.buffer_bytes = 5000;
    let error = refusal("127.0.0.1:0", wrong);
    assert!(matches!(error, Error::Config { .. }), "{error}");
}

/// A factory that panics ends the server, with all its cores, and not the process.
#[test]
fn a_service_that_cannot_be_made_ends_the_server() {
    let mut config = config();
    config.cores = Cores::List(allowed_cores().into_iter().take(2).collect());
    let cores = allowed_cores();
    let server = Server::bind("127.0.0.1:0").config(config).without_signals();
    let error = server
        .serve(|core| {
            assert_ne!(core.index(), 0, "expected by the test");
            async |_: Request| "never"
        })
        .expect_err("the server cannot start");
    assert!(
        matches!(error, Error::CorePanicked { core } if core == cores[0]),
        "{error}"
    );
}
