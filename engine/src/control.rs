//! Stopping a server from outside its cores: by handle or by signal.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::error::Error;

/// What the cores have been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    Run,
    /// Answer what has been accepted, then stop.
    Drain,
    /// Stop at once.
    Cut,
}

/// Shared by a server's cores, its handles and its signal handlers.
#[derive(Default)]
pub(crate) struct Control {
    order: AtomicU8,
    /// One eventfd per core, readable from the first order on.
    wakers: OnceLock<Vec<OwnedFd>>,
}

impl Control {
    /// Gives each core an eventfd to watch.
    pub(crate) fn open(&self, cores: usize) -> Result<(), Error> {
        let wakers: Vec<OwnedFd> = (0..cores).map(|_| eventfd()).collect::<Result<_, _>>()?;
        // A server is served once: `serve` takes it.
        let _ = self.wakers.set(wakers);
        if self.order() != Order::Run {
            self.wake();
        }
        Ok(())
    }

    pub(crate) fn waker(&self, core: usize) -> Option<RawFd> {
        self.wakers.get()?.get(core).map(AsRawFd::as_raw_fd)
    }

    pub(crate) fn order(&self) -> Order {
        match self.order.load(Ordering::Acquire) {
            0 => Order::Run,
            1 => Order::Drain,
            _ => Order::Cut,
        }
    }

    /// Gives an order, unless a stronger one has been given. Safe to call in a signal handler (signal-safety(7)): it
    /// stores an atomic and writes to descriptors.
    pub(crate) fn give(&self, order: Order) {
        self.order.fetch_max(order as u8, Ordering::AcqRel);
        self.wake();
    }

    /// The first call drains, a second one cuts.
    pub(crate) fn stop(&self) {
        self.give(if self.order() == Order::Run {
            Order::Drain
        } else {
            Order::Cut
        });
    }

    fn wake(&self) {
        for waker in self.wakers.get().into_iter().flatten() {
            let one = 1_u64;
            // SAFETY: the descriptor is open as long as `self`, and `one` is eight readable bytes, which is what an eventfd
            // takes (eventfd(2)).
            unsafe { libc::write(waker.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
        }
    }
}

/// Takes the count out of a readable eventfd, so that it can be watched again.
pub(crate) fn clear_eventfd(eventfd: RawFd) {
    let mut count = 0_u64;
    // SAFETY: `count` is eight writable bytes. The descriptor has just been reported readable, so this does not block; were
    // it closed, the call would fail.
    unsafe { libc::read(eventfd, (&raw mut count).cast(), size_of::<u64>()) };
}

/// A new blocking eventfd with a count of zero.
pub(crate) fn eventfd() -> Result<OwnedFd, Error> {
    // SAFETY: the call takes no memory; the descriptor is checked before it is owned, and nobody else owns it.
    unsafe {
        let descriptor = libc::eventfd(0, libc::EFD_CLOEXEC);
        if descriptor < 0 {
            return Err(Error::system("making an eventfd")(std::io::Error::last_os_error()));
        }
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_only_grow() {
        let control = Control::default();
        control.stop();
        assert_eq!(control.order(), Order::Drain);
        control.give(Order::Drain);
        assert_eq!(control.order(), Order::Drain);
        control.stop();
        assert_eq!(control.order(), Order::Cut);
        control.give(Order::Drain);
        assert_eq!(control.order(), Order::Cut);
    }

    #[test]
    fn an_order_before_the_start_is_seen_at_the_start() {
        let control = Control::default();
        control.stop();
        control.open(1).unwrap();
        clear_eventfd(control.waker(0).unwrap()); // Would block were it not readable.
    }
}
