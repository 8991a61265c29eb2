//! Signals between a test's thread and handlers, in both directions: nobody sleeps to wait for something.

use std::future::poll_fn;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Poll, Waker};

use super::client::LIMIT;

/// Closed until somebody opens it, then open for good. Clones are one gate.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    is_open: bool,
    wakers: Vec<Waker>,
}

impl Gate {
    pub fn open(&self) {
        let wakers = {
            let mut state = self.0.0.lock().unwrap();
            state.is_open = true;
            std::mem::take(&mut state.wakers)
        };
        self.0.1.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    pub fn is_open(&self) -> bool {
        self.0.0.lock().unwrap().is_open
    }

    /// For handlers: waits until it is open.
    pub async fn passed(&self) {
        poll_fn(|context| {
            let mut state = self.0.0.lock().unwrap();
            if state.is_open {
                return Poll::Ready(());
            }
            state.wakers.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// For the test's thread: waits until it is open, and fails where that takes too long.
    #[track_caller]
    pub fn wait(&self) {
        let state = self.0.0.lock().unwrap();
        let wait = self.0.1.wait_timeout_while(state, LIMIT, |state| !state.is_open);
        let is_open = wait.unwrap().0.is_open; // Unlocked before the assertion, which would poison it for the handler.
        assert!(is_open, "what was waited for did not happen");
    }
}

/// Opens its gate when it is dropped: a guard that tells when a handler's future is gone.
pub struct OnDrop(pub Gate);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.open();
    }
}

/// A number of events that can be waited for. Clones are one number.
#[derive(Clone, Default)]
pub struct Count(Arc<(Mutex<usize>, Condvar)>);

impl Count {
    /// Counts one more, and returns how many it were before.
    pub fn add(&self) -> usize {
        let mut count = self.0.0.lock().unwrap();
        *count += 1;
        self.0.1.notify_all();
        *count - 1
    }

    pub fn get(&self) -> usize {
        *self.0.0.lock().unwrap()
    }

    /// For the test's thread: waits until there are that many, and fails where that takes too long.
    #[track_caller]
    pub fn wait_for(&self, wanted: usize) {
        let count = self.0.0.lock().unwrap();
        let wait = self.0.1.wait_timeout_while(count, LIMIT, |count| *count < wanted);
        let count = *wait.unwrap().0;
        assert!(count >= wanted, "{count} of {wanted} happened");
    }
}
