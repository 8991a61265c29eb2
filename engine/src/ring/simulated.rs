//! The tests' ring: plays the kernel's part in memory, step by step, with faults where a test wants them.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use ringlane_pool::{Key, Pool};
use slab::Slab;

use super::{Completion, Errno, Ring, Sending, Transmission, Wait};

/// A ring whose other side the test holds too.
#[derive(Clone)]
pub(crate) struct Simulated(Rc<RefCell<Kernel>>);

/// What the kernel knows.
pub(crate) struct Kernel {
    pool: Pool,
    sockets: HashMap<RawFd, Peer>,
    accepting: bool,
    sends: Slab<(RawFd, Key, Box<Transmission>)>,
    cancelled_sends: Vec<u32>,
    completions: VecDeque<Completion>,
    /// The most bytes that one send gets away with.
    pub(crate) send_bytes_max: usize,
    /// How many receives find no buffer from now on.
    pub(crate) buffers_missing: usize,
}

/// The client's end of a simulated connection.
#[derive(Default)]
struct Peer {
    receiving: Option<Key>,
    /// Its reset is watched for.
    watched: Option<Key>,
    /// Bytes on their way to the server, one receive each.
    pieces: VecDeque<Vec<u8>>,
    /// What comes behind them.
    end: Option<Result<(), Errno>>,
    sent: Vec<u8>,
    closed: bool,
}

impl Simulated {
    pub(crate) fn new(pool: Pool) -> Simulated {
        Simulated(Rc::new(RefCell::new(Kernel {
            pool,
            sockets: HashMap::new(),
            accepting: false,
            sends: Slab::new(),
            cancelled_sends: Vec::new(),
            completions: VecDeque::new(),
            send_bytes_max: usize::MAX,
            buffers_missing: 0,
        })))
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Kernel) -> T) -> T {
        look(&mut self.0.borrow_mut())
    }

    /// A client connects; names it for what follows.
    pub(crate) fn connect(&self) -> RawFd {
        // Any descriptor will do: the core only hands it back.
        let socket = crate::control::eventfd().expect("a descriptor for a test");
        let descriptor = socket.as_raw_fd();
        self.with(|kernel| {
            kernel.sockets.insert(descriptor, Peer::default());
            kernel.completions.push_back(Completion::Accepted {
                outcome: Ok(socket),
                more: true,
            });
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

    /// Takes what the server has sent.
    pub(crate) fn read(&self, client: RawFd) -> Vec<u8> {
        self.with(|kernel| std::mem::take(&mut kernel.peer(client).sent))
    }

    pub(crate) fn is_closed(&self, client: RawFd) -> bool {
        self.with(|kernel| kernel.peer(client).closed)
    }

    pub(crate) fn is_receiving(&self, client: RawFd) -> bool {
        self.with(|kernel| kernel.peer(client).receiving.is_some())
    }

    /// Injects a completion of the test's own making.
    pub(crate) fn complete(&self, completion: Completion) {
        self.with(|kernel| kernel.completions.push_back(completion));
    }

    /// The key under which the server knows a client.
    pub(crate) fn key(&self, client: RawFd) -> Option<Key> {
        self.with(|kernel| kernel.peer(client).receiving)
    }

    /// Whether everything that the clients sent has been received, and everything that the server sent is through.
    pub(crate) fn is_quiet(&self) -> bool {
        self.with(|kernel| {
            kernel.completions.is_empty()
                && kernel.sends.is_empty()
                && kernel.sockets.values().all(|peer| {
                    peer.closed || peer.receiving.is_none() || (peer.pieces.is_empty() && peer.end.is_none())
                })
        })
    }
}

impl Kernel {
    fn peer(&mut self, socket: RawFd) -> &mut Peer {
        self.sockets.get_mut(&socket).expect("a socket of this test")
    }

    /// One step of every connection: each receives one piece, and each send gets one share away.
    fn step(&mut self) {
        let sockets: Vec<RawFd> = self.sockets.keys().copied().collect();
        for socket in sockets {
            self.receive_one(socket);
        }
        let sends: Vec<usize> = self.sends.iter().map(|(index, _)| index).collect();
        for index in sends {
            let (socket, key, transmission) = self.sends.remove(index);
            let cancelled = self.cancelled_sends.contains(&(index as u32));
            let outcome = match self.sockets.get_mut(&socket) {
                _ if cancelled => Err(Errno(libc::ECANCELED)),
                Some(peer) if !peer.closed => {
                    let bytes = transmission.gather();
                    let share = bytes.len().min(self.send_bytes_max);
                    peer.sent.extend_from_slice(&bytes[..share]);
                    Ok(share)
                }
                _ => Err(Errno(libc::EPIPE)),
            };
            self.completions.push_back(Completion::Sent {
                key,
                outcome,
                transmission,
            });
        }
        self.cancelled_sends.clear();
    }

    fn receive_one(&mut self, socket: RawFd) {
        let pool = self.pool.clone();
        let missing = self.buffers_missing > 0;
        let peer = self.peer(socket);
        if let (None, Some(Err(_)), Some(key)) = (peer.receiving, peer.end, peer.watched) {
            peer.watched = None;
            self.completions.push_back(Completion::HungUp { key });
            return;
        }
        let Some(key) = peer.receiving else { return };
        let finish = |peer: &mut Peer, outcome| {
            peer.receiving = None;
            Completion::Received {
                key,
                outcome,
                more: false,
            }
        };
        let completion = if let Some(piece) = peer.pieces.front_mut() {
            match pool.take().filter(|_| !missing) {
                None => {
                    let completion = finish(peer, Err(Errno(libc::ENOBUFS)));
                    self.buffers_missing = self.buffers_missing.saturating_sub(1);
                    completion
                }
                Some(mut buffer) => {
                    let count = piece.len().min(buffer.capacity());
                    buffer
                        .extend_from_slice(&piece[..count])
                        .expect("it is not longer than the buffer");
                    piece.drain(..count);
                    if piece.is_empty() {
                        peer.pieces.pop_front();
                    }
                    Completion::Received {
                        key,
                        outcome: Ok(Some(buffer.freeze())),
                        more: true,
                    }
                }
            }
        } else {
            match peer.end.take() {
                None => return,
                Some(end) => finish(peer, end.map(|()| None)),
            }
        };
        self.completions.push_back(completion);
    }
}

impl Ring for Simulated {
    fn accept(&mut self, _listener: RawFd) {
        self.with(|kernel| kernel.accepting = true);
    }

    fn cancel_accept(&mut self) {
        self.with(|kernel| {
            if std::mem::take(&mut kernel.accepting) {
                let outcome = Err(Errno(libc::ECANCELED));
                kernel
                    .completions
                    .push_back(Completion::Accepted { outcome, more: false });
            }
        });
    }

    fn receive(&mut self, socket: RawFd, key: Key) {
        self.with(|kernel| {
            let before = kernel.peer(socket).receiving.replace(key);
            assert!(before.is_none(), "a receive was armed twice");
        });
    }

    fn cancel_receive(&mut self, key: Key) {
        self.with(|kernel| {
            if let Some(peer) = kernel.sockets.values_mut().find(|peer| peer.receiving == Some(key)) {
                peer.receiving = None;
                let outcome = Err(Errno(libc::ECANCELED));
                kernel.completions.push_back(Completion::Received {
                    key,
                    outcome,
                    more: false,
                });
            }
        });
    }

    fn watch_hang_up(&mut self, socket: RawFd, key: Key) {
        self.with(|kernel| kernel.peer(socket).watched = Some(key));
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
            Sending(kernel.sends.insert((socket, key, transmission)) as u32)
        })
    }

    fn cancel_send(&mut self, sending: Sending) {
        self.with(|kernel| kernel.cancelled_sends.push(sending.0));
    }

    fn close(&mut self, socket: RawFd) {
        self.with(|kernel| {
            let peer = kernel.peer(socket);
            assert!(!std::mem::replace(&mut peer.closed, true), "a socket was closed twice");
        });
        // SAFETY: `connect` made the descriptor, the core owned it, and by closing it here hands it back.
        drop(unsafe { OwnedFd::from_raw_fd(socket) });
    }

    fn watch(&mut self, _descriptor: RawFd) {}

    fn enter(&mut self, _wait: Wait, completions: &mut Vec<Completion>) -> io::Result<()> {
        self.with(|kernel| {
            kernel.step();
            completions.extend(kernel.completions.drain(..));
        });
        Ok(())
    }

    fn is_quiet(&mut self) -> bool {
        Simulated::is_quiet(self)
    }

    fn has_buffers(&self) -> bool {
        self.with(|kernel| !kernel.pool.is_exhausted())
    }

    fn lend_more(&mut self) {}

    fn lend_less(&mut self) {}

    fn signal(&mut self, _on: bool) {}
}
