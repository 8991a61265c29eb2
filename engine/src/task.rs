//! Tasks on the core's glommio executor that end when their handle is dropped.
//!
//! They are not cancelled by glommio's own handles: in 0.9, cancelling a task that waits counts it twice and never frees
//! it, so that every client that vanishes during a request would cost its memory for good. Here a task is told to end,
//! and does so on its next turn.

use std::cell::Cell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::shared::Shared;

/// A running task. Dropping it has the executor drop the task's future on its next turn.
pub(crate) struct Task {
    fate: Rc<Fate>,
    shared: Rc<Shared>,
}

/// What a task and its handle know of each other.
#[derive(Default)]
struct Fate {
    /// The handle is gone.
    let_go: Cell<bool>,
    /// Wakes the task while it waits. While it has this, glommio takes the task for wanted.
    waker: Cell<Option<Waker>>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.shared.count_task(-1);
        self.fate.let_go.set(true);
        if let Some(waker) = self.fate.waker.take() {
            waker.wake();
        }
    }
}

/// Runs a future that does not panic, or is [`Contained`]; it is polled once before this returns.
pub(crate) fn spawn(shared: &Rc<Shared>, future: impl Future<Output = ()> + 'static) -> Task {
    shared.count_task(1);
    let fate = Rc::<Fate>::default();
    let run = run(future, Rc::clone(&fate), WakeOnDrop(Rc::clone(shared)));
    glommio::spawn_local(run).detach();
    Task {
        fate,
        shared: Rc::clone(shared),
    }
}

/// Polls a task's future until it ends or is let go of, and drops it then.
async fn run(future: impl Future<Output = ()>, fate: Rc<Fate>, _wake: WakeOnDrop) {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        if fate.let_go.get() || future.as_mut().poll(context).is_ready() {
            fate.waker.take();
            return Poll::Ready(());
        }
        let waker = fate.waker.take().filter(|waker| waker.will_wake(context.waker()));
        fate.waker.set(waker.or_else(|| Some(context.waker().clone())));
        Poll::Pending
    })
    .await;
}

/// Has a parked core look at what it holds, once a task has let go of its part.
struct WakeOnDrop(Rc<Shared>);

impl Drop for WakeOnDrop {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// Runs a user's future, or one that runs a user's; its panics end nothing else.
pub(crate) fn spawn_contained(shared: &Rc<Shared>, future: Pin<Box<dyn Future<Output = ()>>>) -> Task {
    let contained = Contained::new(future);
    spawn(shared, async move {
        let _ = contained.await;
    })
}

/// Drops what is a user's; a panic in that ends nothing else. Its message has been printed.
pub(crate) fn let_go<T>(users: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(users)));
}

/// A user's future, whose panics end only itself: in a poll, and in its drop, which the executor would else not survive.
pub(crate) struct Contained(Option<Pin<Box<dyn Future<Output = ()>>>>);

/// What a contained future comes to where it panics; the panic's message has been printed.
#[derive(Debug)]
pub(crate) struct Panicked;

impl Contained {
    pub(crate) fn new(future: Pin<Box<dyn Future<Output = ()>>>) -> Contained {
        Contained(Some(future))
    }

    fn end(&mut self) -> Result<(), Panicked> {
        let future = self.0.take();
        catch_unwind(AssertUnwindSafe(|| drop(future))).map_err(|_| Panicked)
    }
}

impl Future for Contained {
    type Output = Result<(), Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else {
            return Poll::Ready(Err(Panicked));
        };
        let poll = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
        let polled = match poll {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(())) => Ok(()),
            Err(_) => Err(Panicked),
        };
        let ended = self.end();
        Poll::Ready(polled.and(ended))
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    struct PanicsInDrop;

    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            panic!("expected by the test");
        }
    }

    #[test]
    fn panics_end_only_the_future() {
        let mut context = Context::from_waker(Waker::noop());
        let mut poll =
            |future: Pin<Box<dyn Future<Output = ()>>>| Pin::new(&mut Contained::new(future)).poll(&mut context);
        assert!(matches!(poll(Box::pin(async {})), Poll::Ready(Ok(()))));
        assert!(matches!(
            poll(Box::pin(async { panic!("expected by the test") })),
            Poll::Ready(Err(Panicked))
        ));
        let held = async {
            let _held = PanicsInDrop;
            std::future::pending::<()>().await;
        };
        assert!(poll(Box::pin(held)).is_pending()); // And dropped right behind it.
    }
}
