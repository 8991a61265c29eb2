//! What reaches a server's cores from outside, and what they let be seen: orders to stop, gauges and counters.

use std::io::{PipeReader, PipeWriter, Read};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use crate::counters::Tally;
use crate::error::Error;
use crate::usage::{Gauges, Usage};

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
    /// One pipe per core, readable while an order has not been heard.
    ///
    /// Not an eventfd: its wake-up would have to signal the ring's own eventfd from within, which Linux puts off
    /// (`eventfd_signal_allowed`), and which 6.18 was seen to do once for a ring and never again.
    wakers: OnceLock<Vec<(PipeReader, PipeWriter)>>,
    /// What each core holds, by its index.
    gauges: OnceLock<Vec<Gauges>>,
    /// What each core counts, by its index.
    tallies: OnceLock<Vec<Tally>>,
    /// All cores accept connections.
    is_up: AtomicBool,
}

impl Control {
    /// Gives each core, by the system's number, a pipe to watch and its gauges.
    pub(crate) fn open(&self, cores: &[usize]) -> Result<(), Error> {
        let failed = Error::system("making a pipe");
        let wakers: Vec<_> = cores
            .iter()
            .map(|_| std::io::pipe())
            .collect::<Result<_, _>>()
            .map_err(failed)?;
        // A server is served once: `serve` takes it.
        let _ = self.wakers.set(wakers);
        let _ = self.gauges.set(cores.iter().map(|&core| Gauges::new(core)).collect());
        let _ = self.tallies.set(cores.iter().map(|_| Tally::default()).collect());
        if self.order() != Order::Run {
            self.wake();
        }
        Ok(())
    }

    pub(crate) fn waker(&self, core: usize) -> Option<RawFd> {
        self.wakers.get()?.get(core).map(|(reader, _)| reader.as_raw_fd())
    }

    /// A core has found its pipe readable: empties it, so that it can be watched again.
    pub(crate) fn hear(&self, core: usize) {
        if let Some((reader, _)) = self.wakers.get().and_then(|wakers| wakers.get(core)) {
            let mut reader = reader;
            let _ = reader.read(&mut [0; 64]);
        }
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

    /// Where a core says what it holds.
    pub(crate) fn gauges(&self, core: usize) -> Option<&Gauges> {
        self.gauges.get()?.get(core)
    }

    /// What each core holds; nothing before the server is started.
    pub(crate) fn usage(&self) -> Vec<Usage> {
        self.gauges.get().into_iter().flatten().map(Gauges::usage).collect()
    }

    /// What a core counts.
    pub(crate) fn tally(&self, core: usize) -> Option<&Tally> {
        self.tallies.get()?.get(core)
    }

    /// All cores accept connections.
    pub(crate) fn set_up(&self) {
        self.is_up.store(true, Ordering::Release);
    }

    pub(crate) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Acquire)
    }

    fn wake(&self) {
        for (_, writer) in self.wakers.get().into_iter().flatten() {
            let byte = 1_u8;
            // SAFETY: the descriptor is open as long as `self`, and `byte` is one readable byte. write(2) is called directly
            // because it is known to be async-signal-safe (signal-safety(7)).
            unsafe { libc::write(writer.as_raw_fd(), (&raw const byte).cast(), 1) };
        }
    }
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
        control.open(&[0]).unwrap();
        control.hear(0); // Would block were it not readable.
    }
}
