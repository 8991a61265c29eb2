//! The task that drives a core under its executor: it waits in the core's own ring while that is busy, and parks under
//! glommio while it is not.
//!
//! ```text
//!          a round in which something happened
//!        ┌────────────────────────────────────┐
//!        ▼                                    │
//!   Hot: enter the ring, wait a tick ─────────┘       every 10 ms the executor gets its turn
//!        │ two ticks without anything between them, or tasks are to run
//!        ▼
//!   Parked: the eventfd signals completions; glommio sleeps until that, or the handlers' news, or a timer
//! ```
//!
//! glommio 0.9 looks at its timers, files and other threads only between its task queues' turns, when no task is ready
//! or its preemption timer has fired. And it has a trap: where that timer fires before the first ready task has run (the
//! thread was off its CPU for that long, right then), it takes the queues for empty and sleeps, until a timer or an I/O
//! of its own wakes it. So the preemption timer is long here, the driver gives the executor its turns itself, and while
//! there is work a guard sees to it that a timer is always set.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, IntoRawFd, RawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use glommio::io::BufferedFile;
use glommio::timer::Timer;

use super::Core;
use crate::error::Error;
use crate::ring::{Ring, TICK, Wait};
use crate::shared::Shared;

/// How long a hot core goes on without a turn of the executor: while no handler is pending, and while some are. A turn
/// takes 10 to 50 µs, in which no request is looked at.
const TURN_EVERY: Duration = TICK;
const TURN_EVERY_PENDING: Duration = Duration::from_micros(500);

/// The timer of a turn: not over when it is set, and over soon.
const TURN: Duration = Duration::from_micros(2);

/// How long the executor looks for something to do before it sleeps: until a turn's timer is over, so that no turn can make
/// it sleep.
pub(crate) const SPIN: Duration = TURN;

/// glommio's preemption timer, which has to be longer than the thread is ever off its CPU, save for being stopped.
pub(crate) const PREEMPTION: Duration = Duration::from_millis(250);

/// How long the executor can sleep while there is work.
const GUARD: Duration = Duration::from_millis(100);

/// Runs a core until it has stopped. Returns how many connections it had to cut.
pub(crate) async fn drive<R: Ring>(core: &mut Core<R>, mut parking: Parking) -> Result<usize, Error> {
    let failed = |source| Error::System {
        step: "entering a core's io_uring",
        source,
    };
    let mut turned = Instant::now();
    let mut quiet = 0;
    loop {
        let pending = core.shared().tasks() > 0;
        // The round before a turn does not wait, so that the answers of the one before it have left by then.
        let turn_is_due = core.time() - turned > if pending { TURN_EVERY_PENDING } else { TURN_EVERY };
        let wait = if pending || turn_is_due || core.shared().has_news() {
            Wait::No
        } else {
            core.tick(true);
            Wait::UpTo(TICK)
        };
        let happened = core.turn(wait).map_err(failed)?;
        if let Some(cut) = core.stopped() {
            return Ok(cut);
        }
        if turn_is_due {
            Timer::new(TURN).await;
            turned = core.time();
        } else if pending && happened {
            yield_now().await;
        }
        if happened {
            quiet = 0;
            continue;
        }
        // A tick may come right behind the last completion: only the second one in a row ends a quiet spell.
        quiet += u32::from(!turn_is_due);
        if quiet < 2 && !pending {
            continue;
        }
        quiet = 0;
        core.prepare_to_park();
        // The end of the tick may take two rounds, and must not be what is signalled.
        core.tick(false);
        let mut happened = core.turn(Wait::No).map_err(failed)?;
        happened |= core.turn(Wait::No).map_err(failed)?;
        core.signal(true);
        // What came before the signal was on would wake nobody: one more look, and another where that left work undone.
        happened |= core.turn(Wait::No).map_err(failed)?;
        if !happened && core.is_quiet() {
            parking.park(core).await;
            if parking.broken.get() {
                return Err(Error::System {
                    step: "reading the eventfd of a core's io_uring",
                    source: io::Error::last_os_error(),
                });
            }
            turned = Instant::now();
        }
        core.signal(false);
    }
}

/// Lets every other task of the executor that is ready run once.
pub(crate) async fn yield_now() {
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
    /// The eventfd could not be read.
    broken: Rc<Cell<bool>>,
    guard: Rc<Guard>,
    _tasks: [glommio::Task<()>; 2],
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
        let broken = Rc::<Cell<bool>>::default();
        let note_broken = Rc::clone(&broken);
        // One task polls each read once and is woken once. A read that the driver polled with every parking would collect
        // a waker each time, of which a glommio task has only 32,767.
        let reader = glommio::spawn_local(async move {
            while file.read_at(0, size_of::<u64>()).await.is_ok() {
                note.set(true);
                shared.wake();
            }
            note_broken.set(true);
            shared.wake();
        });
        let guard = Rc::<Guard>::default();
        let watch = glommio::spawn_local(Rc::clone(&guard).run());
        Ok(Parking {
            signalled,
            broken,
            guard,
            _tasks: [reader, watch],
        })
    }

    /// Sleeps until the ring completes something, the handlers' side has news, or a timer of the core is due.
    async fn park<R: Ring>(&mut self, core: &Core<R>) {
        if core.shared().tasks() == 0 {
            self.guard.dismiss();
        }
        let mut timer = core.next_wait().map(Timer::new);
        std::future::poll_fn(|context| {
            if self.signalled.take() || self.broken.get() || core.shared().has_news() {
                return Poll::Ready(());
            }
            core.shared().park(context.waker().clone());
            core.publish(); // Tasks may have let go of something since the last round.
            match timer.as_mut().map(|timer| Pin::new(timer).poll(context)) {
                Some(Poll::Ready(_)) => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
        core.shared().unpark();
        self.guard.post();
    }
}

/// Keeps a timer set in the executor, so that it never sleeps for long while there is work.
#[derive(Default)]
struct Guard {
    dismissed: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl Guard {
    async fn run(self: Rc<Guard>) {
        loop {
            Timer::new(GUARD).await;
            std::future::poll_fn(|context| {
                if !self.dismissed.get() {
                    return Poll::Ready(());
                }
                self.waker.set(Some(context.waker().clone()));
                Poll::Pending
            })
            .await;
        }
    }

    /// There is no work: the guard's timer is not set again.
    fn dismiss(&self) {
        self.dismissed.set(true);
    }

    fn post(&self) {
        self.dismissed.set(false);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}
