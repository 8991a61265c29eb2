//! The tests' ring: plays the kernel's part in memory, step by step, with faults where a test wants them.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use ringlane_pool::{Key, Pool};
use slab::Slab;

use super::{Completion, Errno, Ring, Sending, Transmission, Wait};
use crate::chunk::Chunk;

/// A ring whose other side the test holds too.
#[derive(Clone)]
pub(crate) struct Simulated(Rc<RefCell<Kernel>>);

/// What goes wrong, and when. Each number counts down as it is used up.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    /// The most bytes that one send gets away with.
    pub(crate) send_bytes_max: usize,
    /// Sends that are interrupted before they have sent anything (`EINTR`).
    pub(crate) sends_interrupted: usize,
    /// Steps in which the kernel takes no blocks that are to be sent at once.
    pub(crate) steps_blocked: usize,
    /// Receives that find no buffer.
    pub(crate) buffers_missing: usize,
    /// Receives whose bytes are the last of their multishot, as after an overflow of the completion queue.
    pub(crate) receives_ending: usize,
    /// Receives that are interrupted (`EINTR`).
    pub(crate) receives_interrupted: usize,
    /// The most buffers that one receive fills with what came in one piece.
    pub(crate) bundle_buffers_max: usize,
    /// Accepts that find no descriptor.
    pub(crate) descriptors_missing: usize,
    /// For how many steps a cancellation is under way, while what it is to cancel goes on.
    pub(crate) cancel_lag: u64,
}

impl Default for Faults {
    fn default() -> Faults {
        Faults {
            send_bytes_max: usize::MAX,
            sends_interrupted: 0,
            steps_blocked: 0,
            buffers_missing: 0,
            receives_ending: 0,
            receives_interrupted: 0,
            bundle_buffers_max: 8,
            descriptors_missing: 0,
            cancel_lag: 0,
        }
    }
}

/// What the kernel knows.
pub(crate) struct Kernel {
    pool: Pool,
    pub(crate) faults: Faults,
    /// How many steps there have been.
    now: u64,
    /// Connections that are not accepted yet; none where the core does not accept: it is given them.
    backlog: Option<VecDeque<OwnedFd>>,
    accepting: bool,
    sockets: BTreeMap<RawFd, Peer>,
    /// Receives of sockets that are closed, until their cancellation.
    ghosts: Vec<Key>,
    sends: Slab<(RawFd, Key, Box<Transmission>)>,
    /// Blocks to be sent in the next step or given back, in order.
    at_once: Vec<(RawFd, Key, Chunk)>,
    /// The last step left them.
    blocked: bool,
    /// Each with the step in which it takes effect.
    cancellations: Vec<(u64, Cancellation)>,
    completions: VecDeque<Completion>,
    /// Those that the last `enter` took over.
    taken_over: VecDeque<Completion>,
}

#[derive(Clone, Copy, Debug)]
enum Cancellation {
    Accept,
    Receive(Key),
}

/// The client's end of a simulated connection.
#[derive(Default)]
struct Peer {
    receiving: Option<Key>,
    /// Only the next piece.
    receiving_once: bool,
    /// Its reset is watched for.
    watched: Option<Key>,
    /// Bytes on their way to the server, one receive each.
    pieces: VecDeque<Vec<u8>>,
    /// What comes behind them.
    end: Option<Result<(), Errno>>,
    sent: Vec<u8>,
    /// It takes nothing: sends to it do not complete.
    stalls: bool,
    acknowledged: u64,
    finished: bool,
    reset: bool,
    closed: bool,
}

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
        Simulated(Rc::new(RefCell::new(Kernel {
            pool,
            faults: Faults::default(),
            now: 0,
            backlog: None,
            accepting: false,
            sockets: BTreeMap::new(),
            ghosts: Vec::new(),
            sends: Slab::new(),
            at_once: Vec::new(),
            blocked: false,
            cancellations: Vec::new(),
            completions: VecDeque::new(),
            taken_over: VecDeque::new(),
        })))
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Kernel) -> T) -> T {
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

    /// Whether the core accepts connections.
    pub(crate) fn is_accepting(&self) -> bool {
        self.with(|kernel| kernel.accepting)
    }

    /// Injects a completion of the test's own making.
    pub(crate) fn complete(&self, completion: Completion) {
        self.with(|kernel| kernel.completions.push_back(completion));
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

impl Kernel {
    fn peer(&mut self, socket: RawFd) -> &mut Peer {
        self.sockets.get_mut(&socket).expect("a socket of this test")
    }

    fn stalls(&self, socket: RawFd) -> bool {
        self.sockets.get(&socket).is_some_and(|peer| peer.stalls)
    }

    /// One step of everything: an accept, a receive of one piece for each connection, a share of each send, and what is
    /// to be cancelled by now.
    fn step(&mut self) {
        self.now += 1;
        self.blocked = !self.at_once.is_empty() && used_up(&mut self.faults.steps_blocked);
        if !self.blocked {
            for (socket, key, block) in std::mem::take(&mut self.at_once) {
                self.send_at_once(socket, key, block);
            }
        }
        self.accept_one();
        let sockets: Vec<RawFd> = self.sockets.keys().copied().collect();
        for socket in sockets {
            let mut bundled = 1;
            while self.receive_one(socket, bundled) {
                bundled += 1;
            }
        }
        let going = self.sends.iter().filter(|(_, (socket, ..))| !self.stalls(*socket));
        let going: Vec<usize> = going.map(|(index, _)| index).collect();
        for index in going {
            self.send_one(index);
        }
        let now = self.now;
        let due: Vec<(u64, Cancellation)> = self.cancellations.extract_if(.., |(at, _)| *at <= now).collect();
        for (_, cancellation) in due {
            self.cancel(cancellation);
        }
    }

    fn accept_one(&mut self) {
        let Some(backlog) = self.backlog.as_mut().filter(|backlog| !backlog.is_empty()) else {
            return;
        };
        if !self.accepting {
            return;
        }
        let outcome = if used_up(&mut self.faults.descriptors_missing) {
            self.accepting = false;
            Err(Errno(libc::EMFILE))
        } else {
            backlog.pop_front().ok_or(Errno(libc::EAGAIN))
        };
        let more = self.accepting;
        self.completions.push_back(Completion::Accepted { outcome, more });
    }

    /// Receives one buffer, `behind` others of the same bundle; true where the next one is filled along with it.
    fn receive_one(&mut self, socket: RawFd, behind: usize) -> bool {
        let mut goes_on = false;
        let Kernel {
            pool, faults, sockets, ..
        } = self;
        let Some(peer) = sockets.get_mut(&socket) else {
            return false;
        };
        if let (None, Some(Err(_)), Some(key)) = (peer.receiving, peer.end, peer.watched) {
            peer.watched = None;
            self.completions.push_back(Completion::HungUp { key });
            return false;
        }
        let Some(key) = peer.receiving else { return false };
        let outcome = if let Some(piece) = peer.pieces.front_mut() {
            if used_up(&mut faults.receives_interrupted) {
                Err(Errno(libc::EINTR))
            } else if used_up(&mut faults.buffers_missing) {
                Err(Errno(libc::ENOBUFS))
            } else if let Some(mut buffer) = pool.take() {
                let count = piece.len().min(buffer.capacity());
                let fits = buffer.extend_from_slice(&piece[..count]);
                debug_assert!(fits.is_ok());
                piece.drain(..count);
                if piece.is_empty() {
                    peer.pieces.pop_front();
                } else if !peer.receiving_once && behind < faults.bundle_buffers_max {
                    goes_on = true;
                }
                Ok(Some(buffer.freeze()))
            } else {
                Err(Errno(libc::ENOBUFS))
            }
        } else {
            match peer.end.take() {
                None => return false,
                Some(end) => end.map(|()| None),
            }
        };
        let more = matches!(outcome, Ok(Some(_))) && !peer.receiving_once && !used_up(&mut faults.receives_ending);
        if !more {
            peer.receiving = None;
        }
        self.completions.push_back(Completion::Received { key, outcome, more });
        more && goes_on
    }

    fn send_one(&mut self, index: usize) {
        let Some((socket, key, transmission)) = self.sends.try_remove(index) else {
            return;
        };
        let outcome = match self.sockets.get_mut(&socket) {
            Some(peer) if !peer.closed => {
                if used_up(&mut self.faults.sends_interrupted) {
                    Err(Errno(libc::EINTR))
                } else {
                    let share = transmission.bytes().min(self.faults.send_bytes_max);
                    peer.sent.extend(transmission.first(share));
                    peer.acknowledged += share as u64;
                    Ok(share)
                }
            }
            _ => Err(Errno(libc::EPIPE)),
        };
        self.completions.push_back(Completion::Sent {
            key,
            outcome,
            transmission,
        });
    }

    /// Sends a block, or completes with what was not sent of it.
    fn send_at_once(&mut self, socket: RawFd, key: Key, block: Chunk) {
        let stalls = self.stalls(socket);
        let outcome = match self.sockets.get_mut(&socket) {
            Some(_) if stalls => Err(Errno(libc::EAGAIN)),
            Some(_) if used_up(&mut self.faults.sends_interrupted) => Err(Errno(libc::EINTR)),
            Some(peer) if !peer.closed => {
                let share = block.len().min(self.faults.send_bytes_max);
                peer.sent.extend(&block[..share]);
                peer.acknowledged += share as u64;
                Ok(share)
            }
            _ => Err(Errno(libc::EPIPE)),
        };
        if outcome != Ok(block.len()) {
            self.completions.push_back(Completion::Unsent { key, outcome, block });
        }
    }

    fn cancel_soon(&mut self, cancellation: Cancellation) {
        match self.faults.cancel_lag {
            0 => self.cancel(cancellation),
            lag => self.cancellations.push((self.now + lag, cancellation)),
        }
    }

    /// Cancels what is still under way; else the cancellation has come too late.
    fn cancel(&mut self, cancellation: Cancellation) {
        let cancelled = Errno(libc::ECANCELED);
        match cancellation {
            Cancellation::Accept => {
                if std::mem::take(&mut self.accepting) {
                    self.completions.push_back(Completion::Accepted {
                        outcome: Err(cancelled),
                        more: false,
                    });
                }
            }
            Cancellation::Receive(key) => {
                let peer = self.sockets.values_mut().find(|peer| peer.receiving == Some(key));
                let ghost = self.ghosts.iter().position(|ghost| *ghost == key);
                if let Some(peer) = peer {
                    peer.receiving = None;
                } else if let Some(ghost) = ghost {
                    self.ghosts.remove(ghost);
                } else {
                    return;
                }
                self.completions.push_back(Completion::Received {
                    key,
                    outcome: Err(cancelled),
                    more: false,
                });
            }
        }
    }
}

/// Counts down; true while there was something to count.
fn used_up(count: &mut usize) -> bool {
    let some = *count > 0;
    *count -= usize::from(some);
    some
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

    fn receive(&mut self, socket: RawFd, key: Key) {
        self.with(|kernel| {
            let peer = kernel.peer(socket);
            assert!(!peer.closed, "a closed socket is received from");
            let before = peer.receiving.replace(key);
            assert!(before.is_none(), "a receive was armed twice");
            peer.receiving_once = false;
        });
    }

    fn receive_once(&mut self, socket: RawFd, key: Key) {
        self.receive(socket, key);
        self.with(|kernel| kernel.peer(socket).receiving_once = true);
    }

    fn cancel_receive(&mut self, key: Key) {
        self.with(|kernel| kernel.cancel_soon(Cancellation::Receive(key)));
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
            let peer = kernel.peer(socket);
            assert!(!peer.closed && !peer.finished, "a send comes behind the end");
            Sending(kernel.sends.insert((socket, key, transmission)) as u32)
        })
    }

    fn send_at_once(&mut self, socket: RawFd, key: Key, block: Chunk) {
        self.with(|kernel| {
            let is_other = |other: &RawFd| *other != socket;
            assert!(
                kernel.sends.iter().all(|(_, (other, ..))| is_other(other))
                    && kernel.at_once.iter().all(|(other, ..)| is_other(other)),
                "a second send is under way on one socket"
            );
            let peer = kernel.peer(socket);
            assert!(!peer.closed && !peer.finished, "a send comes behind the end");
            kernel.at_once.push((socket, key, block));
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
        self.with(|kernel| kernel.peer(socket).finished = true);
    }

    fn reset_on_close(&mut self, socket: RawFd) {
        self.with(|kernel| kernel.peer(socket).reset = true);
    }

    fn close(&mut self, socket: RawFd) {
        self.with(|kernel| {
            let peer = kernel.peer(socket);
            assert!(!std::mem::replace(&mut peer.closed, true), "a socket was closed twice");
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

    fn next_completion(&mut self) -> Option<Completion> {
        self.with(|kernel| kernel.taken_over.pop_front())
    }

    fn is_quiet(&mut self) -> bool {
        Simulated::is_quiet(self)
    }

    fn spare_buffers(&self) -> usize {
        self.with(|kernel| kernel.pool.buffers_max() - kernel.pool.counts().held)
    }

    fn lend_more(&mut self) {}

    fn lend_less(&mut self) {}

    fn tick(&mut self, _on: bool) {}

    fn signal(&mut self, _on: bool) {}
}
