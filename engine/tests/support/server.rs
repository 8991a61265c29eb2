//! A server of a test's own, which stops with it.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ringlane::{Config, Core, Cores, Error, Server, ServerHandle, Service};

use super::client::{Client, LIMIT};

/// A running server on 127.0.0.1. Dropping it stops it and asserts that it ended well.
pub struct TestServer {
    address: SocketAddr,
    cores: Vec<usize>,
    handle: ServerHandle,
    outcome: mpsc::Receiver<Result<(), Error>>,
    thread: Option<JoinHandle<()>>,
}

impl TestServer {
    /// Starts a server on the first allowed core, with defaults that suit tests and `configure`'s changes to them.
    pub fn start<S: Service>(
        configure: impl FnOnce(&mut Config),
        factory: impl Fn(Core) -> S + Send + Sync + 'static,
    ) -> TestServer {
        let mut config = Config::default();
        config.cores = Cores::List(allowed_cores()[..1].to_vec());
        config.drain_timeout = LIMIT;
        config.drain_idle_timeout = Duration::from_millis(100);
        configure(&mut config);
        TestServer::serve(Server::bind("127.0.0.1:0").config(config), factory)
    }

    /// Serves a server that is configured in full.
    pub fn serve<S: Service>(server: Server, factory: impl Fn(Core) -> S + Send + Sync + 'static) -> TestServer {
        let (report, outcome) = mpsc::channel();
        let (readiness, ready) = mpsc::channel();
        let server = server.without_signals().on_ready(move |ready| {
            let _ = readiness.send(ready.clone());
        });
        let handle = server.handle();
        let thread = thread::spawn(move || {
            let _ = report.send(server.serve(factory));
        });
        let Ok(ready) = ready.recv_timeout(LIMIT) else {
            panic!("the server did not start: {:?}", outcome.recv_timeout(LIMIT));
        };
        TestServer {
            address: ready.local_addr(),
            cores: ready.cores().to_vec(),
            handle,
            outcome,
            thread: Some(thread),
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn cores(&self) -> &[usize] {
        &self.cores
    }

    pub fn handle(&self) -> ServerHandle {
        self.handle.clone()
    }

    /// A connection to the server.
    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Waits until `serve` has returned, on its own or because the handle was used.
    pub fn join(mut self) -> Result<(), Error> {
        self.end()
    }

    /// Stops the server and waits until `serve` has returned.
    pub fn stop(self) -> Result<(), Error> {
        self.handle.stop();
        self.join()
    }

    fn end(&mut self) -> Result<(), Error> {
        let outcome = self.outcome.recv_timeout(3 * LIMIT);
        let thread = self.thread.take();
        match outcome {
            Ok(result) => {
                thread
                    .map(JoinHandle::join)
                    .transpose()
                    .expect("the server's thread panicked");
                result
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => panic!("serve panicked"),
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("serve does not return"),
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if self.thread.is_none() {
            return;
        }
        self.handle.stop();
        if thread::panicking() {
            self.handle.stop(); // The test has failed: no need to drain.
            let _ = self.outcome.recv_timeout(LIMIT);
        } else {
            self.end().expect("the server ended with an error");
        }
    }
}

/// The cores that the process may use.
pub fn allowed_cores() -> Vec<usize> {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    assert!(!cores.is_empty(), "the process's cores could not be found out");
    cores.iter().map(|core| core.id).collect()
}
