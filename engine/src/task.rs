//! Tasks on the core's glommio executor that end when their handle is dropped.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use crate::shared::Shared;

/// A running task. Dropping it has the executor drop the task's future on its next turn.
pub(crate) struct Task {
    _task: glommio::Task<()>,
    shared: Rc<Shared>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.shared.count_task(-1);
    }
}

/// Runs a future that does not panic; it is polled once before this returns.
pub(crate) fn spawn(shared: &Rc<Shared>, future: impl Future<Output = ()> + 'static) -> Task {
    shared.count_task(1);
    Task {
        _task: glommio::spawn_local(future),
        shared: Rc::clone(shared),
    }
}

/// A user's future to its end, or to its panic, which ends only itself.
pub(crate) async fn contained(mut future: Pin<Box<dyn Future<Output = ()>>>) {
    std::future::poll_fn(|context| {
        catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))).unwrap_or(Poll::Ready(()))
    })
    .await;
    let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
}
