//! The simulated kernel: what it knows, and what it does in a step.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{OwnedFd, RawFd};

use ringlane_pool::{Key, Pool};
use slab::Slab;

use super::super::{Completion, Errno, Received, Transmission};
use crate::chunk::Chunk;

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
pub(in crate::ring) struct Kernel {
    pub(super) pool: Pool,
    pub(super) faults: Faults,
    /// How many steps there have been.
    pub(super) now: u64,
    /// Connections that are not accepted yet; none where the core does not accept: it is given them.
    pub(super) backlog: Option<VecDeque<OwnedFd>>,
    pub(super) accepting: bool,
    pub(super) sockets: BTreeMap<RawFd, Peer>,
    /// Receives of sockets that are closed, until their cancellation.
    pub(super) ghosts: Vec<Key>,
    pub(super) sends: Slab<(RawFd, Key, Box<Transmission>)>,
    /// Blocks to be sent in the next step or given back, in order.
    pub(super) at_once: Vec<AtOnce>,
    /// The last step left them.
    pub(super) blocked: bool,
    /// Each with the step in which it takes effect.
    pub(super) cancellations: Vec<(u64, Cancellation)>,
    pub(super) completions: VecDeque<Completion>,
    /// Those that the last `enter` took over.
    pub(super) taken_over: VecDeque<Completion>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Cancellation {
    Accept,
    Receive(Key),
}

/// A block to be sent at once.
pub(super) struct AtOnce {
    pub(super) socket: RawFd,
    pub(super) key: Key,
    pub(super) block: Chunk,
    pub(super) is_last: bool,
}

/// The client's end of a simulated connection.
#[derive(Default)]
pub(super) struct Peer {
    pub(super) receiving: Option<Key>,
    /// Only the next piece.
    pub(super) receiving_once: bool,
    pub(super) in_bundles: bool,
    /// Its reset is watched for.
    pub(super) watched: Option<Key>,
    /// How often that was asked for.
    pub(super) watches: usize,
    /// Bytes on their way to the server, one receive each.
    pub(super) pieces: VecDeque<Vec<u8>>,
    /// What comes behind them.
    pub(super) end: Option<Result<(), Errno>>,
    pub(super) sent: Vec<u8>,
    /// The last answer, which waits for the end of sending or the close.
    pub(super) kept: Vec<u8>,
    /// It takes nothing: sends to it do not complete.
    pub(super) stalls: bool,
    pub(super) acknowledged: u64,
    pub(super) finished: bool,
    pub(super) reset: bool,
    pub(super) closed: bool,
}

impl Kernel {
    pub(super) fn new(pool: Pool) -> Kernel {
        Kernel {
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
        }
    }

    pub(super) fn peer(&mut self, socket: RawFd) -> &mut Peer {
        self.sockets.get_mut(&socket).expect("a socket of this test")
    }

    pub(super) fn stalls(&self, socket: RawFd) -> bool {
        self.sockets.get(&socket).is_some_and(|peer| peer.stalls)
    }

    /// One step of everything: an accept, a receive of one piece for each connection, a share of each send, and what is
    /// to be cancelled by now.
    pub(super) fn step(&mut self) {
        self.now += 1;
        self.blocked = !self.at_once.is_empty() && used_up(&mut self.faults.steps_blocked);
        if !self.blocked {
            for block in std::mem::take(&mut self.at_once) {
                self.send_at_once(block);
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
                } else if peer.in_bundles && !peer.receiving_once && behind < faults.bundle_buffers_max {
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
        self.completions.push_back(match outcome {
            Ok(Some(view)) => Completion::Received(Received { key, view, more }),
            Ok(None) => Completion::NothingReceived {
                key,
                outcome: Ok(()),
                more,
            },
            Err(error) => Completion::NothingReceived {
                key,
                outcome: Err(error),
                more,
            },
        });
        more && goes_on
    }

    pub(super) fn send_one(&mut self, index: usize) {
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
    fn send_at_once(&mut self, at_once: AtOnce) {
        let AtOnce {
            socket,
            key,
            block,
            is_last,
        } = at_once;
        let stalls = self.stalls(socket);
        let outcome = match self.sockets.get_mut(&socket) {
            Some(_) if stalls => Err(Errno(libc::EAGAIN)),
            Some(_) if used_up(&mut self.faults.sends_interrupted) => Err(Errno(libc::EINTR)),
            Some(peer) if !peer.closed => {
                let share = block.len().min(self.faults.send_bytes_max);
                let kept = is_last && share == block.len();
                let into = if kept { &mut peer.kept } else { &mut peer.sent };
                into.extend(&block[..share]);
                peer.acknowledged += share as u64;
                Ok(share)
            }
            _ => Err(Errno(libc::EPIPE)),
        };
        if outcome != Ok(block.len()) {
            self.completions.push_back(Completion::Unsent { key, outcome, block });
        }
    }

    pub(super) fn cancel_soon(&mut self, cancellation: Cancellation) {
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
                self.completions.push_back(Completion::NothingReceived {
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

impl Peer {
    /// No more will be sent: what was kept back leaves.
    pub(super) fn finish(&mut self) {
        self.finished = true;
        self.sent.append(&mut self.kept);
    }

    /// The server closes its end. With something unread that is a reset, and what was kept back is gone.
    pub(super) fn close(&mut self) {
        assert!(!std::mem::replace(&mut self.closed, true), "a socket was closed twice");
        if self.pieces.is_empty() {
            self.sent.append(&mut self.kept);
        } else {
            self.reset = true;
        }
    }
}
