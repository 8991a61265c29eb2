//! Accepting connections: on, paused at a limit, or ended for good.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;

use crate::listener::Listener;
use crate::ring::{Errno, Ring};
use crate::timers::Millis;

/// After how long accepting is tried again when the system was out of descriptors or memory.
const RETRY: Millis = 100;

/// How long a stopping core waits for handshakes that have begun.
const LAST_HANDSHAKES: Millis = 50;

/// A core's accepting.
pub(super) struct Accepting {
    listener: Option<Listener>,
    state: State,
    connections_max: usize,
    /// Connections that the kernel accepted beyond the limit: a multishot accept takes all that there are.
    waiting: VecDeque<OwnedFd>,
    /// It ends for good: at this moment, or once the last completion of its accept is there.
    stopping: Option<Millis>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The multishot accept is armed.
    On,
    /// It was cancelled, or has been asked to be, and its last completion has not come.
    Ending,
    /// It has ended, and is armed again when there is room.
    Full,
    /// It has ended for want of a resource, and is armed again at this moment.
    Retry(Millis),
    /// It has ended for good.
    Over,
}

impl Accepting {
    pub(super) fn new(connections_max: usize) -> Accepting {
        Accepting {
            listener: None,
            state: State::Over,
            connections_max,
            waiting: VecDeque::new(),
            stopping: None,
        }
    }

    pub(super) fn start(&mut self, listener: Listener, ring: &mut impl Ring) {
        ring.accept(listener.descriptor());
        self.listener = Some(listener);
        self.state = State::On;
    }

    /// An accept has completed; without `more` it was the last.
    pub(super) fn handle(&mut self, outcome: Result<OwnedFd, Errno>, more: bool, now: Millis) {
        if !more {
            self.state = match &outcome {
                // An overflow of completions, a cancellation, or a connection that was gone before it was accepted.
                Ok(_) | Err(Errno(libc::ECANCELED | libc::ECONNABORTED | libc::EINTR)) => State::Full,
                // Out of descriptors or of memory, for the most part (accept(2)): the connection stays in the queue.
                Err(_) => State::Retry(now + RETRY),
            };
        }
        self.waiting.extend(outcome);
    }

    /// The next connection that may be served beside so many.
    pub(super) fn next(&mut self, connections: usize) -> Option<OwnedFd> {
        if connections < self.connections_max {
            self.waiting.pop_front()
        } else {
            None
        }
    }

    /// Ends accepting for now where the limit is reached. True where that was now.
    pub(super) fn pause_if_full(&mut self, connections: usize, ring: &mut impl Ring) -> bool {
        let pauses = self.state == State::On && connections >= self.connections_max;
        if pauses {
            ring.cancel_accept();
            self.state = State::Ending;
        }
        pauses
    }

    /// Accepts again where it may.
    pub(super) fn resume(&mut self, connections: usize, now: Millis, ring: &mut impl Ring) {
        if let State::Retry(at) = self.state
            && now >= at
        {
            self.state = State::Full; // From here on it is room that is waited for, not a moment.
        }
        let may = self.state == State::Full
            && self.stopping.is_none()
            && connections + self.waiting.len() < self.connections_max;
        if let Some(listener) = self.listener.as_ref().filter(|_| may) {
            ring.accept(listener.descriptor());
            self.state = State::On;
        }
    }

    /// When accepting is tried again, or ended, where that does not depend on a connection's end.
    pub(super) fn due_at(&self) -> Option<Millis> {
        match (self.state, self.stopping) {
            (State::Ending | State::Over, _) => None,
            (State::Retry(at), None) => Some(at),
            (_, stopping) => stopping,
        }
    }

    /// Prepares to end accepting for good: nobody new is let in, and those who are just connecting have a moment.
    pub(super) fn stop(&mut self, now: Millis) {
        self.stopping = Some(now + LAST_HANDSHAKES);
        if let Some(listener) = &self.listener {
            listener.ignore_newcomers();
        }
    }

    /// Ends accepting for good when its moment has come: takes over what waits in the socket's queue, and closes it.
    pub(super) fn finish(&mut self, now: Millis, ring: &mut impl Ring) {
        if self.stopping.is_none_or(|at| now < at) {
            return;
        }
        match self.state {
            State::On => {
                ring.cancel_accept();
                self.state = State::Ending;
            }
            State::Ending => {}
            State::Full | State::Retry(_) | State::Over => {
                self.state = State::Over;
                if let Some(listener) = self.listener.take() {
                    self.waiting.extend(std::iter::from_fn(|| listener.accept_waiting()));
                }
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over && self.waiting.is_empty()
    }
}
