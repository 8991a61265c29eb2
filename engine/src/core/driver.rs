//! The task that drives a core under its executor: it waits in the core's own ring while that is busy, and parks under
//! glommio while it is not.
//!
//! ```text
//!          a round in which something happened
//!        ┌────────────────────────────────────┐
//!        ▼                                    │
//!   Hot: enter the ring, wait a slice ────────┘       the executor gets its turn when its preemption timer says so
//!        │ a slice without anything, or other tasks are to run
//!        ▼
//!   Parked: the eventfd signals completions; glommio sleeps until that, or the handlers' news, or a timer
//! ```

use std::cell::Cell;
use std::future::Future;
use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use glommio::io::BufferedFile;
use glommio::timer::Timer;

use super::Core;
use crate::error::Error;
use crate::ring::{Ring, Wait};
use crate::shared::Shared;

/// How long a hot core waits in its own ring. glommio's timers and wake-ups from other threads wait that long at most.
const SLICE: Duration = Duration::from_millis(1);

/// Runs a core until it has stopped. Returns how many connections it had to cut.
pub(crate) async fn drive<R: Ring>(core: &mut Core<R>, mut parking: Parking) -> Result<usize, Error> {
    let failed = |source| Error::System {
        step: "entering a core's io_uring",
        source,
    };
    loop {
        let wait = match core.next_wait() {
            _ if core.shared().has_news() || core.shared().tasks() > 0 => Wait::No,
            None => Wait::UpTo(SLICE),
            Some(next) => Wait::UpTo(next.min(SLICE)),
        };
        let happened = core.turn(wait).map_err(failed)?;
        if let Some(cut) = core.stopped() {
            return Ok(cut);
        }
        if happened {
            if core.shared().tasks() > 0 {
                yield_now().await;
            } else {
                glommio::yield_if_needed().await;
            }
            continue;
        }
        core.prepare_to_park();
        core.signal(true);
        // What came before the signal was on would wake nobody: one more look, and another where that left work undone.
        if !core.turn(Wait::No).map_err(failed)? && core.is_quiet() {
            parking.park(core).await;
        }
        core.signal(false);
    }
}

/// Lets every other task of the executor that is ready run once.
pub(super) async fn yield_now() {
    let yielded = Cell::new(false);
    std::future::poll_fn(|context| {
        if yielded.replace(true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// The executor's end of a ring's eventfd: a task that reads it, again and again, and notes that it was signalled.
///
/// A ring with `DEFER_TASKRUN` must not be polled itself: nobody would run the deferred work that makes it readable.
pub(crate) struct Parking {
    signalled: Rc<Cell<bool>>,
    _reader: glommio::Task<()>,
}

impl Parking {
    /// `eventfd` must be blocking, or glommio would not wait for it.
    pub(crate) fn new(eventfd: RawFd, shared: Rc<Shared>) -> Result<Parking, Error> {
        // SAFETY: the caller's descriptor is open, and only borrowed for being duplicated.
        let eventfd = unsafe { BorrowedFd::borrow_raw(eventfd) };
        let own = eventfd
            .try_clone_to_owned()
            .map_err(Error::system("duplicating an eventfd"))?;
        // SAFETY: the duplicate is open and owned by nobody else; the file closes it.
        let file = unsafe { <BufferedFile as std::os::fd::FromRawFd>::from_raw_fd(own.into_raw_fd()) };
        let signalled = Rc::new(Cell::new(false));
        let note = Rc::clone(&signalled);
        // One task polls each read once and is woken once. A read that the driver polled with every parking would collect
        // a waker each time, of which a glommio task has only 32,767.
        let reader = glommio::spawn_local(async move {
            while file.read_at(0, size_of::<u64>()).await.is_ok() {
                note.set(true);
                shared.wake();
            }
        });
        Ok(Parking {
            signalled,
            _reader: reader,
        })
    }

    /// Sleeps until the ring completes something, the handlers' side has news, or a timer of the core is due.
    async fn park<R: Ring>(&mut self, core: &Core<R>) {
        let mut timer = core.next_wait().map(Timer::new);
        std::future::poll_fn(|context| {
            if self.signalled.take() || core.shared().has_news() {
                return Poll::Ready(());
            }
            core.shared().park(context.waker().clone());
            match timer.as_mut().map(|timer| Pin::new(timer).poll(context)) {
                Some(Poll::Ready(_)) => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
        core.shared().unpark();
    }
}
