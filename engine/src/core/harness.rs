//! A core on the simulated ring, driven by hand: what the tests of a whole core and its fuzzing stand on.

use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Arc;

use ringlane_pool::{Key, Options, Pool};

use super::{Core, driver};
use crate::config::Config;
use crate::control::{Control, Order};
use crate::handler::handler;
use crate::ring::{Completion, Ring, Simulated, Wait};
use crate::service::Service;
use crate::timers::Millis;

/// After so many turns without any news nothing moves any more. Handlers may take some to come to their end, and tasks that
/// were let go of take one to be dropped.
const QUIET_TURNS: usize = 6;

/// After so many turns it is taken for granted that it never comes to rest: more than there are bytes to send one by one.
const TURNS_MAX: usize = 2_000_000;

/// A core and its other side.
pub(crate) struct Harness {
    pub(crate) core: Core<Simulated>,
    pub(crate) ring: Simulated,
    pub(crate) pool: Pool,
}

impl Harness {
    pub(crate) fn new(service: impl Service, configure: impl FnOnce(&mut Config)) -> Harness {
        let mut config = Config::default();
        config.buffer_bytes = 1024;
        config.buffers_max = 256;
        configure(&mut config);
        config.validate().expect("a valid configuration");
        let pool = Pool::new(Options {
            buffer_bytes: config.buffer_bytes,
            buffers_max: config.buffers_max as usize,
            buffers_step: 16,
        })
        .expect("memory for a test");
        let ring = Simulated::new(pool.clone());
        let connections_max = config.connections_max.map_or(1000, |max| max.get() as usize);
        let core = Core::new(
            ring.clone(),
            pool.clone(),
            handler(service),
            Rc::default(),
            &config,
            connections_max,
        );
        Harness { core, ring, pool }
    }

    /// One round at one moment, and a turn of the executor. True where anything happened.
    pub(crate) async fn turn(&mut self, now: Millis) -> bool {
        driver::yield_now().await;
        self.enter();
        self.work(now)
    }

    /// The ring's part of a round.
    pub(crate) fn enter(&mut self) {
        let entered = self.core.context.ring.enter(Wait::No);
        debug_assert!(entered.is_ok(), "the simulated ring does not fail");
    }

    /// The core's part of a round.
    pub(crate) fn work(&mut self, now: Millis) -> bool {
        self.core.context.clock.set(now);
        self.core.work()
    }

    /// Rounds at one moment until nothing moves.
    pub(crate) async fn run(&mut self, now: Millis) {
        let mut quiet = 0;
        for _ in 0..TURNS_MAX {
            let happened = self.turn(now).await;
            quiet = if happened || !self.is_quiet() { 0 } else { quiet + 1 };
            if quiet == QUIET_TURNS {
                return;
            }
        }
        panic!("the core does not come to rest");
    }

    fn is_quiet(&self) -> bool {
        self.ring.is_quiet()
            && self.core.context.put_off.is_empty()
            && self.core.context.touched.is_empty()
            && !self.core.context.shared.has_news()
    }

    /// The server is told to stop.
    pub(crate) fn drain(&mut self) {
        let control = Arc::<Control>::default();
        control.give(Order::Drain);
        self.core.control = control;
        self.ring.complete(Completion::Readable);
    }

    /// Whether the core has a connection of this key.
    pub(crate) fn knows(&self, key: Key) -> bool {
        self.core.connections.get(key).is_some()
    }

    /// Everything that the server answers to these receives, followed by the end of the client's side.
    pub(crate) async fn answer(&mut self, pieces: &[&[u8]]) -> Vec<u8> {
        let client = self.ring.connect();
        for piece in pieces {
            self.ring.write(client, piece);
        }
        self.ring.end(client, Ok(()));
        self.run(0).await;
        assert!(self.ring.is_closed(client), "the connection is still open");
        self.ring.read(client)
    }

    /// What the server has sent by now, and whether it has closed the connection.
    pub(crate) async fn at(&mut self, client: RawFd, now: Millis) -> (String, bool) {
        self.run(now).await;
        (
            String::from_utf8_lossy(&self.ring.read(client)).into_owned(),
            self.ring.is_closed(client),
        )
    }

    /// Nothing is held any more, of whatever kind.
    pub(crate) fn assert_empty(&self) {
        let usage = self.core.usage();
        assert_eq!(usage, crate::Usage::default(), "something is still held");
        assert_eq!(self.core.context.supply.substitute_bytes(), 0, "and on the heap");
        assert!(
            self.ring.is_empty(),
            "the kernel still has something to do for the server"
        );
        assert!(
            self.core
                .context
                .timers
                .next_wait(self.core.context.clock.now())
                .is_none(),
            "a timer is set that belongs to nobody"
        );
    }
}

/// Runs a test of a core under an executor, which pending handlers need.
pub(crate) fn run(body: impl AsyncFnOnce()) {
    thread_local! {
        static EXECUTOR: glommio::LocalExecutor = glommio::LocalExecutorBuilder::new(glommio::Placement::Unbound)
            .io_memory(0)
            .make()
            .expect("an executor for a test");
    }
    EXECUTOR.with(|executor| executor.run(body()));
}

/// Responses without what depends on the moment: the lines of `Date`.
pub(crate) fn without_dates(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    text.split_inclusive("\r\n")
        .filter(|line| !line.starts_with("Date: "))
        .collect()
}
