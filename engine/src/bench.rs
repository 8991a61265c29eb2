//! A core on the simulated ring, for the project's own benchmarks (`benches/micro`).
//!
//! Not part of the public API; it may change in any release. The ring's part of a round and the core's are apart, so that
//! a benchmark can count the engine's instructions without those of the simulation.

use std::os::fd::RawFd;

use crate::core::harness::Harness;
use crate::service::Service;

/// One core and one connected client.
pub struct Simulation {
    harness: Harness,
    client: RawFd,
}

impl Simulation {
    /// A core with a client that it has accepted. The service has to answer without waiting: there is no executor.
    ///
    /// # Panics
    ///
    /// If `buffer_bytes` is not what a pool takes.
    pub fn new(service: impl Service, buffer_bytes: usize) -> Simulation {
        let harness = Harness::new(service, |config| config.buffer_bytes = buffer_bytes);
        let client = harness.ring.connect();
        let mut simulation = Simulation { harness, client };
        simulation.complete();
        simulation.work();
        simulation
    }

    /// The client sends bytes, which arrive in one receive if they fit in a buffer, and in several if not.
    pub fn send(&mut self, bytes: &[u8]) {
        self.harness.ring.write(self.client, bytes);
    }

    /// The ring's part of a round: one receive, if the client has sent anything, and all sends complete.
    pub fn complete(&mut self) {
        self.harness.enter();
    }

    /// The core's part of a round: it works off what has completed. True where anything had.
    pub fn work(&mut self) -> bool {
        self.harness.work(0)
    }

    /// What the client has received since this was called last.
    pub fn take_answers(&mut self) -> Vec<u8> {
        self.harness.ring.read(self.client)
    }
}
