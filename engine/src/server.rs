//! Starting a server on its cores, and bringing it to an end.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread;

use glommio::{CpuSet, GlommioError, LocalExecutor, LocalExecutorBuilder, Placement, PoolPlacement};
use ringlane_pool::{Options, Pool};
use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::config::{Config, Cores};
use crate::control::{Control, Order, eventfd};
use crate::core::{self, Parking};
#[cfg(feature = "metrics")]
use crate::counters::Tally;
use crate::error::Error;
use crate::handler::handler;
use crate::listener::Listener;
use crate::ring::Uring;
use crate::service::Service;
use crate::shared::Shared;
use crate::system::{self, Allowance};
use crate::usage::Usage;

/// glommio's own buffers, which only its files use: its minimum.
const EXECUTOR_BYTES: usize = 64 * 1024;
/// The length of glommio's rings; sockets do not go through them.
const EXECUTOR_RING: usize = 64;
/// How many buffers a pool grows by.
const POOL_STEP: usize = 64;

/// What is called once a server is ready.
type OnReady = Box<dyn FnOnce(&Ready) + Send>;

/// A server that has not been started yet.
///
/// ```no_run
/// use ringlane::{Config, Request, Response, Server};
///
/// let mut config = Config::from_env()?;
/// config.body_bytes_max = 16 * 1024 * 1024;
/// let server = Server::bind("127.0.0.1:8080").config(config).on_ready(|ready| println!("{ready}"));
/// let handle = server.handle();
/// std::thread::spawn(move || {
///     std::thread::sleep(std::time::Duration::from_secs(60));
///     handle.stop();
/// });
/// server.serve(|_core| async |_request: Request| Response::text("open for a minute"))?;
/// # Ok::<(), ringlane::Error>(())
/// ```
#[must_use = "a server does nothing until it is served"]
pub struct Server {
    address: String,
    config: Option<Config>,
    on_ready: Option<OnReady>,
    signals: bool,
    control: Arc<Control>,
}

impl Server {
    /// A server for an address, `host:port`; port 0 lets the system choose. Everything that can fail does so in
    /// [`Server::serve`].
    pub fn bind(address: impl Into<String>) -> Server {
        Server {
            address: address.into(),
            config: None,
            on_ready: None,
            signals: true,
            control: Arc::default(),
        }
    }

    /// Sets the configuration. Without it, it is [`Config::from_env`].
    pub fn config(mut self, config: Config) -> Server {
        self.config = Some(config);
        self
    }

    /// Has a function called once all cores accept connections.
    pub fn on_ready(mut self, call: impl FnOnce(&Ready) + Send + 'static) -> Server {
        self.on_ready = Some(Box::new(call));
        self
    }

    /// Leaves SIGTERM and SIGINT alone. Without it, either of them drains the server as [`ServerHandle::stop`] does.
    pub fn without_signals(mut self) -> Server {
        self.signals = false;
        self
    }

    /// A handle to stop the server from another thread, and to look at what it holds.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle {
            control: Arc::clone(&self.control),
        }
    }

    /// Serves until stopped: one pinned thread per core, on each of which `factory` makes the service.
    ///
    /// # Errors
    ///
    /// Everything that keeps a server from starting, before any request is accepted; [`Error::DrainTimeout`] where
    /// requests were left unanswered at the end.
    pub fn serve<S: Service>(self, factory: impl Fn(Core) -> S + Send + Sync) -> Result<(), Error> {
        let Server {
            address,
            config,
            on_ready,
            signals,
            control,
        } = self;
        let config = config.map_or_else(Config::from_env, |config| config.validate().map(|()| config))?;
        let address = resolve(&address)?;
        let Allowance { cores, connections_max } = system::check(&config)?;
        let (address, listeners) = Listener::bind(address, cores.len(), &config)?;
        control.open(&cores)?;
        let _signals = if signals {
            Some(Signals::install(&control)?)
        } else {
            None
        };

        let (config, control, factory) = (&config, &control, &factory);
        thread::scope(|scope| {
            let (report, reports) = mpsc::channel();
            let mut threads = Vec::new();
            let mut outcome = Ok(0);
            for (index, (&core, listener)) in cores.iter().zip(listeners).enumerate() {
                let report = report.clone();
                let seat = Seat {
                    core: Core {
                        index,
                        core,
                        count: cores.len(),
                    },
                    config,
                    control,
                    connections_max,
                };
                let thread = thread::Builder::new().name(format!("ringlane-{core}"));
                let spawned = thread.spawn_scoped(scope, move || {
                    let stop = StopOnExit(seat.control);
                    let ready = move || {
                        let _ = report.send(()); // Nobody listens any more where another core has failed.
                    };
                    let result = run(&seat, listener, factory, ready);
                    drop(stop);
                    result
                });
                match spawned {
                    Ok(thread) => threads.push((core, thread)),
                    Err(error) => {
                        control.give(Order::Cut);
                        outcome = Err(Error::system("starting a core's thread")(error));
                        break;
                    }
                }
            }
            drop(report);
            // Ends early, and with fewer, where a core does not come up.
            let stop = StopOnExit(control); // Where `on_ready` panics.
            if reports.iter().take(cores.len()).count() == cores.len() {
                control.set_up();
                if let Some(on_ready) = on_ready {
                    on_ready(&Ready {
                        address,
                        cores: cores.clone(),
                        config: config.clone(),
                    });
                }
            }
            std::mem::forget(stop);
            for (core, thread) in threads {
                let result = thread.join().unwrap_or(Err(Error::CorePanicked { core }));
                outcome = match (outcome, result) {
                    (Ok(cut), Ok(more)) => Ok(cut + more),
                    (Err(error), _) | (_, Err(error)) => Err(error),
                };
            }
            match outcome {
                Ok(0) => Ok(()),
                Ok(connections) => Err(Error::DrainTimeout { connections }),
                Err(error) => Err(error),
            }
        })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Server({})", self.address)
    }
}

/// Stops a server, and tells what it holds; may be cloned and sent to other threads.
#[derive(Clone)]
pub struct ServerHandle {
    control: Arc<Control>,
}

impl ServerHandle {
    /// Drains the server: the listening sockets are closed, what has been accepted is answered, with
    /// `Connection: close`, and idle connections are closed after `drain_idle_timeout`. What is not done after
    /// `drain_timeout` is cut. A second call cuts at once. [`Server::serve`] returns when all is done.
    pub fn stop(&self) {
        self.control.stop();
    }

    /// What each core holds at the moment, in the order of [`Ready::cores`]; nothing before the server is started. It
    /// neither waits nor slows the cores down, and may be called from handlers.
    pub fn usage(&self) -> Vec<Usage> {
        self.control.usage()
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn tally(&self, core: usize) -> Option<&Tally> {
        self.control.tally(core)
    }

    /// Whether all cores accept connections: from shortly before [`Server::on_ready`]'s function is called until the server
    /// begins to stop.
    pub fn is_ready(&self) -> bool {
        self.control.is_up() && !self.is_stopping()
    }

    /// Whether the server has begun to stop, by [`ServerHandle::stop`], by a signal, or because a core has failed.
    pub fn is_stopping(&self) -> bool {
        self.control.order() != Order::Run
    }
}

impl fmt::Debug for ServerHandle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ServerHandle({:?})", self.control.order())
    }
}

/// The core on which a service is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Core {
    index: usize,
    core: usize,
    count: usize,
}

impl Core {
    /// The place of this core among the server's, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The system's number of this core.
    pub fn number(&self) -> usize {
        self.core
    }

    /// How many cores the server runs on; each gets its service.
    pub fn count(&self) -> usize {
        self.count
    }
}

/// A server that accepts connections on all its cores. `Display` says where, in one line.
#[derive(Clone, Debug)]
pub struct Ready {
    address: SocketAddr,
    cores: Vec<usize>,
    config: Config,
}

impl Ready {
    /// The address it listens on, with the port that the system chose where it was to choose one.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// The system's numbers of its cores.
    pub fn cores(&self) -> &[usize] {
        &self.cores
    }

    /// The configuration in effect; prints in one line.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "listening on http://{} on cores {}",
            self.address,
            Cores::List(self.cores.clone())
        )
    }
}

/// What one core's thread starts with.
struct Seat<'a> {
    core: Core,
    config: &'a Config,
    control: &'a Arc<Control>,
    connections_max: usize,
}

/// One core's thread, from its executor to its end. Returns how many connections had to be cut.
fn run<S: Service>(
    seat: &Seat<'_>,
    listener: Listener,
    factory: impl Fn(Core) -> S,
    ready: impl FnOnce(),
) -> Result<usize, Error> {
    let Seat {
        core,
        config,
        control,
        connections_max,
    } = *seat;
    let executor = executor(core)?;
    executor.run(async {
        let pool = Pool::new(Options {
            buffer_bytes: config.buffer_bytes,
            buffers_max: config.buffers_max as usize,
            buffers_step: POOL_STEP,
        })?;
        let ring = Uring::new(config.ring_entries, pool.clone(), eventfd()?)?;
        let shared = Rc::<Shared>::default();
        let parking = Parking::new(ring.eventfd(), Rc::clone(&shared))?;
        let service = factory(core);
        service.check()?;
        let mut engine = core::Core::new(ring, pool, handler(service), shared, config, connections_max);
        engine.start(listener, Arc::clone(control), core.index);
        ready();
        core::drive(&mut engine, parking).await
    })
}

/// A core's executor; pins the calling thread. With it comes a thread for blocking work, which shares the core and has a
/// name of its own.
fn executor(core: Core) -> Result<LocalExecutor, Error> {
    let failed = |error: GlommioError<()>| Error::Executor {
        problem: error.to_string(),
    };
    let same_core = CpuSet::online().map_err(failed)?.filter(|cpu| cpu.cpu == core.core);
    name_thread(&format!("blocking-{}", core.core)); // Threads inherit their maker's name.
    let executor = LocalExecutorBuilder::new(Placement::Fixed(core.core))
        .io_memory(EXECUTOR_BYTES)
        .ring_depth(EXECUTOR_RING)
        .preempt_timer(core::PREEMPTION)
        .spin_before_park(core::SPIN)
        .blocking_thread_pool_placement(PoolPlacement::Custom(vec![same_core]))
        .make()
        .map_err(failed);
    name_thread(&format!("ringlane-{}", core.core));
    executor
}

/// Names the calling thread for the system's tools (at most 15 bytes, prctl(2)).
fn name_thread(name: &str) {
    let mut bytes = [0_u8; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    // SAFETY: PR_SET_NAME reads a string of at most 16 bytes, and `bytes` ends with a zero.
    unsafe { libc::prctl(libc::PR_SET_NAME, bytes.as_ptr()) };
}

/// Stops the other cores when one comes to its end, however it does.
struct StopOnExit<'a>(&'a Arc<Control>);

impl Drop for StopOnExit<'_> {
    fn drop(&mut self) {
        self.0.give(Order::Drain);
    }
}

/// SIGTERM and SIGINT, as long as a server runs.
struct Signals(Vec<SigId>);

impl Signals {
    fn install(control: &Arc<Control>) -> Result<Signals, Error> {
        let mut installed = Signals(Vec::new());
        for signal in [SIGTERM, SIGINT] {
            let control = Arc::clone(control);
            // SAFETY: `stop` is async-signal-safe: it does atomic operations and write(2) (signal-safety(7)).
            let id = unsafe { signal_hook::low_level::register(signal, move || control.stop()) }
                .map_err(Error::system("installing a signal handler"))?;
            installed.0.push(id);
        }
        Ok(installed)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.0.drain(..) {
            signal_hook::low_level::unregister(id);
        }
    }
}

fn resolve(address: &str) -> Result<SocketAddr, Error> {
    let failed = |source| Error::Address {
        address: address.to_owned(),
        source,
    };
    let nothing = || failed(std::io::Error::other("the name has no address"));
    address.to_socket_addrs().map_err(failed)?.next().ok_or_else(nothing)
}
