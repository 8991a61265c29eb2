//! The tests' ring: plays the kernel's part in memory, step by step, with faults where a test wants them.

mod kernel;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use ringlane_pool::{Key, Pool};

use super::{Completion, Errno, Received, Ring, Sending, Transmission, Wait};
use crate::chunk::Chunk;
use kernel::{AtOnce, Cancellation, Kernel, Peer};

pub(crate) use kernel::Faults;

/// A ring whose other side the test holds too.
#[derive(Clone)]
pub(crate) struct Simulated(Rc<RefCell<Kernel>>);

/// How the server has ended a connection, as the client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    No,
    /// No more comes, but it still reads.
    Finished,
    Closed,
    Reset,
}

/// The client's side.
impl Simulated {
    pub(crate) fn new(pool: Pool) -> Simulated {
        Simulated(Rc::new(RefCell::new(Kernel::new(pool))))
    }

    fn with<T>(&self, look: impl FnOnce(&mut Kernel) -> T) -> T {
        look(&mut self.0.borrow_mut())
    }

    pub(crate) fn faults(&self, change: impl FnOnce(&mut Faults)) {
        self.with(|kernel| change(&mut kernel.faults));
    }

    /// A client connects. Its name is good until another one connects after it was closed.
    pub(crate) fn connect(&self) -> RawFd {
        // Any descriptor will do: the core only hands it back.
        let socket = crate::control::eventfd().expect("a descriptor for a test");
        let descriptor = socket.as_raw_fd();
        self.with(|kernel| {
            kernel.sockets.insert(descriptor, Peer::default());
            match &mut kernel.backlog {
                Some(backlog) => backlog.push_back(socket),
                None => kernel.completions.push_back(Completion::Accepted {
                    outcome: Ok(socket),
                    more: true,
                }),
            }
        });
        descriptor
    }

    /// The client sends bytes that arrive in one receive.
    pub(crate) fn write(&self, client: RawFd, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.with(|kernel| kernel.peer(client).pieces.push_back(bytes.to_vec()));
        }
    }

    /// The client ends its side, or its connection with an error.
    pub(crate) fn end(&self, client: RawFd, end: Result<(), Errno>) {
        self.with(|kernel| kernel.peer(client).end = Some(end));
    }

    /// The client acknowledges bytes of a send that is under way.
    pub(crate) fn acknowledge(&self, client: RawFd, bytes: u64) {
        self.with(|kernel| kernel.peer(client).acknowledged += bytes);
    }

    /// The client takes nothing more, or takes again.
    pub(crate) fn stall(&self, client: RawFd, stalls: bool) {
        self.with(|kernel| kernel.peer(client).stalls = stalls);
    }

    /// Takes what the server has sent.
    pub(crate) fn read(&self, client: RawFd) -> Vec<u8> {
        self.with(|kernel| std::mem::take(&mut kernel.peer(client).sent))
    }

    pub(crate) fn ended(&self, client: RawFd) -> Ended {
        self.with(|kernel| match kernel.peer(client) {
            Peer {
                closed: true,
                reset: true,
                ..
            } => Ended::Reset,
            Peer { closed: true, .. } => Ended::Closed,
            Peer { finished: true, .. } => Ended::Finished,
            _ => Ended::No,
        })
    }

    pub(crate) fn is_closed(&self, client: RawFd) -> bool {
        self.with(|kernel| kernel.peer(client).closed)
    }

    pub(crate) fn is_receiving(&self, client: RawFd) -> bool {
        self.with(|kernel| kernel.peer(client).receiving.is_some())
    }

    pub(crate) fn is_receiving_in_bundles(&self, client: RawFd) -> bool {
        self.with(|kernel| kernel.peer(client).receiving.is_some() && kernel.peer(client).in_bundles)
    }

    /// Whether the core accepts connections.
    pub(crate) fn is_accepting(&self) -> bool {
        self.with(|kernel| kernel.accepting)
    }

    /// The receive from a client ends for want of a buffer before there are bytes: the kernel looks for both in this order.
    pub(crate) fn starve(&self, client: RawFd) {
        self.with(|kernel| {
            if let Some(key) = kernel.peer(client).receiving.take() {
                kernel.completions.push_back(Completion::NothingReceived {
                    key,
                    outcome: Err(Errno(libc::ENOBUFS)),
                    more: false,
                });
            }
        });
    }

    /// Injects a completion of the test's own making.
    pub(crate) fn complete(&self, completion: Completion) {
        self.with(|kernel| kernel.completions.push_back(completion));
    }

    /// The key under which the client's reset is watched for.
    pub(crate) fn watched(&self, client: RawFd) -> Option<Key> {
        self.with(|kernel| kernel.peer(client).watched)
    }

    /// How often that watch was set.
    pub(crate) fn watches(&self, client: RawFd) -> usize {
        self.with(|kernel| kernel.peer(client).watches)
    }

    /// The key under which the server knows a client.
    pub(crate) fn key(&self, client: RawFd) -> Option<Key> {
        self.with(|kernel| kernel.peer(client).receiving)
    }

    /// Whether nothing of the server's is left with the kernel.
    pub(crate) fn is_empty(&self) -> bool {
        self.with(|kernel| {
            kernel.ghosts.is_empty()
                && kernel.sends.is_empty()
                && kernel.at_once.is_empty()
                && kernel.sockets.values().all(|peer| peer.closed)
        })
    }

    /// Whether the kernel has nothing left to do: everything that the clients sent has been received as far as the server
    /// receives, and everything that the server sent is through.
    pub(crate) fn is_quiet(&self) -> bool {
        self.with(|kernel| {
            kernel.completions.is_empty()
                && kernel.at_once.is_empty()
                && kernel.cancellations.is_empty()
                && kernel.sends.iter().all(|(_, (socket, ..))| kernel.stalls(*socket))
                && (!kernel.accepting || kernel.backlog.as_ref().is_none_or(VecDeque::is_empty))
                && kernel
                    .sockets
                    .values()
                    .all(|peer| peer.receiving.is_none() || (peer.pieces.is_empty() && peer.end.is_none()))
        })
    }
}

impl Ring for Simulated {
    fn accept(&mut self, _listener: RawFd) {
        self.with(|kernel| {
            kernel.backlog.get_or_insert_default();
            assert!(
                !std::mem::replace(&mut kernel.accepting, true),
                "an accept was armed twice"
            );
        });
    }

    fn cancel_accept(&mut self) {
        self.with(|kernel| kernel.cancel_soon(Cancellation::Accept));
    }

    fn receive(&mut self, socket: RawFd, key: Key, in_bundles: bool) {
        self.with(|kernel| {
            let peer = kernel.peer(socket);
            assert!(!peer.closed, "a closed socket is received from");
            let before = peer.receiving.replace(key);
            assert!(before.is_none(), "a receive was armed twice");
            peer.receiving_once = false;
            peer.in_bundles = in_bundles;
        });
    }

    fn receive_once(&mut self, socket: RawFd, key: Key) {
        self.receive(socket, key, false);
        self.with(|kernel| kernel.peer(socket).receiving_once = true);
    }

    fn cancel_receive(&mut self, key: Key) {
        self.with(|kernel| kernel.cancel_soon(Cancellation::Receive(key)));
    }

    fn watch_hang_up(&mut self, socket: RawFd, key: Key) {
        self.with(|kernel| {
            kernel.peer(socket).watched = Some(key);
            kernel.peer(socket).watches += 1;
        });
    }

    fn cancel_hang_up(&mut self, key: Key) {
        self.with(|kernel| {
            for peer in kernel.sockets.values_mut().filter(|peer| peer.watched == Some(key)) {
                peer.watched = None;
            }
        });
    }

    fn send(&mut self, socket: RawFd, key: Key, transmission: Box<Transmission>) -> Sending {
        self.with(|kernel| {
            assert!(
                kernel.sends.iter().all(|(_, (other, ..))| *other != socket),
                "a second send is under way on one socket"
            );
            let peer = kernel.peer(socket);
            assert!(!peer.closed && !peer.finished, "a send comes behind the end");
            Sending(kernel.sends.insert((socket, key, transmission)) as u32)
        })
    }

    fn send_at_once(&mut self, socket: RawFd, key: Key, block: Chunk, is_last: bool) {
        self.with(|kernel| {
            let is_other = |other: &RawFd| *other != socket;
            assert!(
                kernel.sends.iter().all(|(_, (other, ..))| is_other(other))
                    && kernel.at_once.iter().all(|block| is_other(&block.socket)),
                "a second send is under way on one socket"
            );
            let peer = kernel.peer(socket);
            assert!(!peer.closed && !peer.finished, "a send comes behind the end");
            kernel.at_once.push(AtOnce {
                socket,
                key,
                block,
                is_last,
            });
        });
    }

    fn is_blocked(&self) -> bool {
        self.with(|kernel| kernel.blocked)
    }

    fn cancel_send(&mut self, sending: Sending) {
        // At once: behind a lag its number could be another send's, which cannot happen in the kernel's queue.
        self.with(|kernel| {
            let index = sending.0 as usize;
            let goes = kernel
                .sends
                .get(index)
                .is_some_and(|(socket, ..)| !kernel.stalls(*socket));
            if kernel.faults.cancel_lag > 0 && goes {
                kernel.send_one(index); // It was quicker.
            } else if let Some((_, key, transmission)) = kernel.sends.try_remove(index) {
                kernel.completions.push_back(Completion::Sent {
                    key,
                    outcome: Err(Errno(libc::ECANCELED)),
                    transmission,
                });
            }
        });
    }

    fn acknowledged(&self, socket: RawFd) -> u64 {
        self.with(|kernel| kernel.peer(socket).acknowledged)
    }

    fn finish_sending(&mut self, socket: RawFd) {
        self.with(|kernel| kernel.peer(socket).finish());
    }

    fn has_unread(&self, socket: RawFd) -> bool {
        self.with(|kernel| !kernel.peer(socket).pieces.is_empty())
    }

    fn reset_on_close(&mut self, socket: RawFd) {
        self.with(|kernel| kernel.peer(socket).reset = true);
    }

    fn close(&mut self, socket: RawFd) {
        self.with(|kernel| {
            let peer = kernel.peer(socket);
            peer.close();
            // What is under way knows the connection, not the descriptor, which another connection may get.
            let ghost = peer.receiving.take();
            peer.watched = None;
            kernel.ghosts.extend(ghost);
            for (_, (socket_of_send, ..)) in &mut kernel.sends {
                if *socket_of_send == socket {
                    *socket_of_send = -1;
                }
            }
        });
        // SAFETY: `connect` made the descriptor, the core owned it, and by closing it here hands it back.
        drop(unsafe { OwnedFd::from_raw_fd(socket) });
    }

    fn watch(&mut self, _descriptor: RawFd) {}

    fn enter(&mut self, _wait: Wait) -> io::Result<()> {
        self.with(|kernel| {
            kernel.step();
            kernel.taken_over.append(&mut kernel.completions);
        });
        Ok(())
    }

    fn next_received(&mut self) -> Option<Received> {
        self.with(|kernel| match kernel.taken_over.pop_front()? {
            Completion::Received(received) => Some(received),
            other => {
                kernel.taken_over.push_front(other);
                None
            }
        })
    }

    fn next_completion(&mut self) -> Option<Completion> {
        self.with(|kernel| kernel.taken_over.pop_front())
    }

    fn is_quiet(&mut self) -> bool {
        Simulated::is_quiet(self)
    }

    fn spare_buffers(&self) -> usize {
        self.with(|kernel| kernel.pool.buffers_max() - kernel.pool.counts().held)
    }

    fn overflows(&self) -> u64 {
        0
    }

    fn lend_more(&mut self) {}

    fn lend_less(&mut self) {}

    fn tick(&mut self, _on: bool) {}

    fn signal(&mut self, _on: bool) {}
}
