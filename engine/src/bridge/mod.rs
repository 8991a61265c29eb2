//! Work on a Tokio runtime of its own threads, for handlers that need what lives there: database drivers, HTTP and gRPC
//! clients, computations that take long.
//!
//! A handler runs on its core's executor, where nothing of Tokio's works. It gives such work to a [`Bridge`] and waits for
//! the result, while its core goes on with other requests:
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use ringlane::bridge::{Bridge, BridgeError};
//! use ringlane::{Error, Request, Server};
//!
//! fn main() -> Result<(), Error> {
//!     let bridge = Bridge::new()?;
//!     Server::bind("127.0.0.1:8080").serve(move |_core| {
//!         let bridge = bridge.clone();
//!         async move |request: Request| {
//!             let path = request.path().to_owned(); // A request stays on its core.
//!             let answer = bridge.run(async move {
//!                 tokio::time::sleep(Duration::from_millis(20)).await;
//!                 format!("{path} took its time\n")
//!             });
//!             Ok::<_, BridgeError>(answer.await?)
//!         }
//!     })
//! }
//! ```
//!
//! Timers and files need no bridge: `glommio::timer` and `glommio::io` work in a handler as they are.

mod builder;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::StatusCode;
use tokio::runtime::{EnterGuard, Handle, Runtime};
use tokio::task::{JoinError, JoinHandle};

pub use builder::Builder;

use crate::error::Error;
use crate::response::{IntoResponse, Response};

/// A Tokio runtime on threads of its own. Clones are the same bridge; each core's factory takes one.
///
/// When the last clone is dropped, what still runs is dropped at its next await, and the threads end.
#[derive(Clone)]
pub struct Bridge(Arc<Shared>);

/// What the clones of a bridge have in common.
struct Shared {
    handle: Handle,
    in_flight: Arc<InFlight>,
    /// None once it has been shut down. Not locked on a request's path.
    runtime: Mutex<Option<Runtime>>,
}

impl Bridge {
    /// A bridge with the defaults of [`Builder`].
    ///
    /// # Errors
    ///
    /// [`Error::System`] where its threads cannot be started.
    pub fn new() -> Result<Bridge, Error> {
        Bridge::builder().build()
    }

    /// Begins a bridge of one's own choices.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn of(runtime: Runtime, in_flight_max: usize) -> Bridge {
        Bridge(Arc::new(Shared {
            handle: runtime.handle().clone(),
            in_flight: Arc::new(InFlight {
                count: AtomicUsize::new(0),
                max: in_flight_max,
            }),
            runtime: Mutex::new(Some(runtime)),
        }))
    }

    /// Runs a future on the bridge's threads. It begins at once; what is returned waits for its output.
    ///
    /// Dropping that ends the work: the future is dropped on the bridge, at its next await. So it is where the handler is
    /// dropped, because its client has gone or a timeout has passed.
    ///
    /// The result is `Err` with [`BridgeError::Busy`] where too much is under way, with [`BridgeError::Panicked`] where the
    /// future panics, and with [`BridgeError::ShutDown`] where the bridge has been shut down.
    pub fn run<F>(&self, future: F) -> Run<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.start(|permit, handle| {
            handle.spawn(async move {
                let _permit = permit;
                future.await
            })
        })
    }

    /// Runs a function that computes or waits for long, on a thread where it holds nothing up. At most
    /// [`Builder::blocking_threads_max`] run at once; more of them wait for their turn.
    ///
    /// Dropping what is returned keeps a function from beginning. One that has begun runs to its end, since nothing can
    /// stop it, and counts as in flight for so long. The errors are those of [`Bridge::run`].
    pub fn run_blocking<T: Send + 'static>(&self, function: impl FnOnce() -> T + Send + 'static) -> Run<T> {
        self.start(|permit, handle| {
            handle.spawn_blocking(move || {
                let _permit = permit;
                function()
            })
        })
    }

    fn start<T>(&self, spawn: impl FnOnce(Permit, &Handle) -> JoinHandle<T>) -> Run<T> {
        let permit = InFlight::enter(&self.0.in_flight).ok_or(BridgeError::Busy);
        Run(permit.map(|permit| spawn(permit, &self.0.handle)))
    }

    /// How many runs are under way at the moment, on all cores together.
    pub fn in_flight(&self) -> usize {
        self.0.in_flight.count.load(Ordering::Relaxed)
    }

    /// The runtime, for whatever takes a Tokio handle. Tasks that are spawned by it are not bounded and not ended with a
    /// request.
    pub fn handle(&self) -> &Handle {
        &self.0.handle
    }

    /// Makes this thread one of the runtime's for as long as the guard lives, for constructors that have to be called "in
    /// a runtime", such as those of connection pools.
    pub fn enter(&self) -> EnterGuard<'_> {
        self.0.handle.enter()
    }

    /// Runs a future and blocks this thread until it is done: for opening pools before the server starts, and closing them
    /// afterwards. In a handler it would keep the whole core waiting.
    ///
    /// # Panics
    ///
    /// On a thread of a Tokio runtime, as [`Handle::block_on`].
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.handle.block_on(future)
    }

    /// Shuts the runtime down for all clones: futures are dropped at their next await, and blocking functions are waited
    /// for, `limit` at the most. Whatever runs or is run afterwards comes to [`BridgeError::ShutDown`]. Without this the
    /// same happens when the last clone is dropped, but nothing is waited for.
    ///
    /// # Panics
    ///
    /// On a thread of a Tokio runtime, where `limit` is not zero: it may not block.
    pub fn shut_down(&self, limit: Duration) {
        let runtime = self.0.runtime.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_timeout(limit);
        }
    }
}

impl Drop for Shared {
    /// Waits for nothing: the last clone may be dropped on a core, or on the runtime itself.
    fn drop(&mut self) {
        let runtime = self.runtime.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let InFlight { max, .. } = *self.0.in_flight;
        write!(out, "Bridge({} of {max} runs in flight)", self.in_flight())
    }
}

/// How many runs are under way, and how many may be.
struct InFlight {
    count: AtomicUsize,
    max: usize,
}

impl InFlight {
    fn enter(this: &Arc<InFlight>) -> Option<Permit> {
        // The number orders nothing else: the result reaches its core by the task's own synchronisation.
        let one_more = |count| (count < this.max).then_some(count + 1);
        let entered = this.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        entered.ok().map(|_| Permit(Arc::clone(this)))
    }
}

/// One run that is under way. It lies with the work itself, which may outlive the handler that waited for it.
struct Permit(Arc<InFlight>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Work under way on a [`Bridge`]; a future of its output. Dropping it ends the work.
#[must_use = "dropping this ends the work: await it"]
pub struct Run<T>(Result<JoinHandle<T>, BridgeError>);

impl<T> Future for Run<T> {
    type Output = Result<T, BridgeError>;

    /// The join handle keeps one waker, that of the latest poll, and none of an equal one: a glommio task counts its wakers
    /// in 16 bits.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Ok(handle) => Pin::new(handle)
                .poll(context)
                .map_err(|error| BridgeError::from_join(&error)),
            Err(error) => Poll::Ready(Err(*error)),
        }
    }
}

impl<T> Drop for Run<T> {
    fn drop(&mut self) {
        if let Ok(handle) = &self.0 {
            handle.abort(); // Nothing, where it is over.
        }
    }
}

impl<T> fmt::Debug for Run<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(handle) if handle.is_finished() => out.write_str("Run(finished)"),
            Ok(_) => out.write_str("Run(under way)"),
            Err(error) => write!(out, "Run({error})"),
        }
    }
}

/// Why there is no result.
///
/// As a response it is 503 with `Retry-After`, or 500 for a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BridgeError {
    /// [`Builder::in_flight_max`] runs are under way; nothing was begun.
    Busy,
    /// The work panicked. The panic's message has been printed, as that of any thread.
    Panicked,
    /// The bridge has been shut down.
    ShutDown,
}

impl BridgeError {
    fn from_join(error: &JoinError) -> BridgeError {
        if error.is_panic() {
            BridgeError::Panicked
        } else {
            BridgeError::ShutDown // Nobody else cancels: whoever drops the run does not see this.
        }
    }
}

impl fmt::Display for BridgeError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            BridgeError::Busy => "too many calls to other services are under way: try again",
            BridgeError::Panicked => "a call to another service panicked",
            BridgeError::ShutDown => "calls to other services have been shut down",
        })
    }
}

impl std::error::Error for BridgeError {}

impl IntoResponse for BridgeError {
    fn into_response(self) -> Response {
        match self {
            // RFC 9110 §15.6.4, §10.2.3.
            BridgeError::Busy | BridgeError::ShutDown => (StatusCode::SERVICE_UNAVAILABLE, self.to_string())
                .into_response()
                .header("Retry-After", "1")
                .into_response(),
            BridgeError::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response(),
        }
    }
}
