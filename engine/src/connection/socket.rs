//! A connection's socket and its receiving: all that remains of a connection while it is idle.

use std::os::fd::{IntoRawFd, OwnedFd, RawFd};

use ringlane_pool::Key;

use crate::context::Context;
use crate::ring::Ring;

/// One accepted socket.
pub(crate) struct Socket {
    pub(super) key: Key,
    descriptor: RawFd,
    /// Requests answered or being answered.
    pub(super) served: u32,
    receiving: Receiving,
    /// It has brought a long body: several buffers are received at a time.
    in_bundles: bool,
    /// Its receive is armed for that.
    is_bundled: bool,
    /// The peer has sent its last byte.
    pub(super) ended: bool,
    /// Its reset is watched for, as nobody would see it while it is not received from.
    watched: bool,
    /// It is in the round's list of touched connections.
    touched: bool,
}

/// Where the receive of a socket stands: the first is for once, those behind it are multishot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiving {
    Off,
    Armed,
    /// It was cancelled, and its last completion has not come.
    Ending,
    /// The same, but only to be armed again for bundles.
    Turning,
    /// It ended for want of a buffer, and the socket is on the core's list of those.
    Starved,
}

impl Socket {
    pub(super) fn open<R: Ring>(key: Key, descriptor: OwnedFd, context: &mut Context<R>) -> Socket {
        // The ring closes it, in order with what was queued for it before.
        let descriptor = descriptor.into_raw_fd();
        context.shared.open(key, descriptor);
        context.ring.receive_once(descriptor, key);
        Socket {
            key,
            descriptor,
            served: 0,
            receiving: Receiving::Armed,
            in_bundles: false,
            is_bundled: false,
            ended: false,
            watched: false,
            touched: false,
        }
    }

    pub(super) fn descriptor(&self) -> RawFd {
        self.descriptor
    }

    /// Notes that something happened: the connection gets its turn at the end of the round.
    pub(super) fn touch<R>(&mut self, context: &mut Context<R>) {
        if !std::mem::replace(&mut self.touched, true) {
            context.touched.push(self.key);
        }
    }

    pub(super) fn is_touched(&self) -> bool {
        self.touched
    }

    pub(super) fn untouch(&mut self) {
        self.touched = false;
    }

    /// The receive has had its last completion.
    pub(super) fn handle_receive_ended<R>(&mut self, context: &mut Context<R>) {
        self.receiving = Receiving::Off;
        self.give_bundle_back(context);
    }

    fn give_bundle_back<R>(&mut self, context: &mut Context<R>) {
        if std::mem::take(&mut self.is_bundled) {
            context.supply.give_bundle_back();
        }
    }

    /// The receive ended because the kernel had no buffer.
    pub(super) fn handle_starved<R: Ring>(&mut self, context: &mut Context<R>) {
        self.receiving = Receiving::Starved;
        context.counters.count_starved();
        context.ring.lend_more();
        context.starved.push_back((self.key, context.clock.now()));
    }

    /// There are buffers again.
    pub(super) fn handle_buffers(&mut self) {
        if self.is_starved() {
            self.receiving = Receiving::Off;
        }
    }

    /// It waits for a buffer to receive with: what the peer has sent may lie unread.
    pub(super) fn is_starved(&self) -> bool {
        self.receiving == Receiving::Starved
    }

    /// A long body comes: several buffers are received at a time from now on. That costs the kernel a little more for each
    /// receive, so that who sends none is spared it.
    pub(super) fn receive_in_bundles<R: Ring>(&mut self, context: &mut Context<R>) {
        if self.in_bundles || !context.supply.has_bundle() {
            return;
        }
        self.in_bundles = true;
        if self.receiving == Receiving::Armed {
            context.ring.cancel_receive(self.key);
            self.receiving = Receiving::Turning;
        }
    }

    /// Receives on while fewer buffers are held than the connection may, and again from half of that.
    #[inline]
    pub(super) fn pace<R: Ring>(&mut self, held: usize, context: &mut Context<R>) {
        if held > 0 || self.receiving != Receiving::Armed {
            self.pace_held(held, context);
        }
    }

    fn pace_held<R: Ring>(&mut self, held: usize, context: &mut Context<R>) {
        let limit = match held {
            0 => context.limits.input_buffers_max,
            _ => context.limits.input_buffers_max.min(context.supply.share().max(1)),
        };
        match self.receiving {
            Receiving::Armed if held >= limit => {
                context.ring.cancel_receive(self.key);
                self.receiving = Receiving::Ending;
            }
            Receiving::Off if held <= limit / 2 && !self.ended => {
                self.is_bundled = self.in_bundles && context.supply.take_bundle();
                context.ring.receive(self.descriptor, self.key, self.is_bundled);
                self.receiving = Receiving::Armed;
            }
            _ => {}
        }
        let held_back = matches!(self.receiving, Receiving::Off | Receiving::Ending);
        // Behind the end of the peer's input as well: who awaits an answer may yet vanish.
        if held_back && !std::mem::replace(&mut self.watched, true) {
            context.ring.watch_hang_up(self.descriptor, self.key);
        }
    }

    /// The kernel does not watch for its reset any more.
    pub(super) fn handle_watch_ended(&mut self) {
        self.watched = false;
    }

    /// Closes the socket; what is received from now on belongs to nobody.
    pub(super) fn close<R: Ring>(&mut self, context: &mut Context<R>) {
        if self.receiving == Receiving::Armed {
            context.ring.cancel_receive(self.key);
        }
        if self.watched {
            context.ring.cancel_hang_up(self.key);
        }
        self.give_bundle_back(context);
        context.shared.close(self.key);
        context.timers.clear(self.key.index());
        context.ring.close(self.descriptor);
    }
}
