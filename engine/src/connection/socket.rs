//! A connection's socket and its receiving: all that remains of a connection while it is idle.

use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd, RawFd};

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
    /// The peer has sent its last byte.
    pub(super) ended: bool,
    /// Its reset is watched for, as nobody would see it while it is not received from.
    watched: bool,
    /// It is in the round's list of touched connections.
    touched: bool,
}

/// Where the one multishot receive of a socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Receiving {
    Off,
    Armed,
    /// It was cancelled, and its last completion has not come.
    Ending,
    /// It ended for want of a buffer, and the socket is on the core's list of those.
    Starved,
}

impl Socket {
    pub(super) fn open<R: Ring>(key: Key, descriptor: OwnedFd, context: &mut Context<R>) -> Socket {
        // The ring closes it, in order with what was queued for it before.
        let descriptor = descriptor.into_raw_fd();
        context.shared.open(key, descriptor);
        context.ring.receive(descriptor, key);
        Socket {
            key,
            descriptor,
            served: 0,
            receiving: Receiving::Armed,
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

    pub(super) fn untouch(&mut self) {
        self.touched = false;
    }

    /// The receive has had its last completion.
    pub(super) fn handle_receive_ended(&mut self) {
        self.receiving = Receiving::Off;
    }

    /// The receive ended because the kernel had no buffer.
    pub(super) fn handle_starved<R: Ring>(&mut self, context: &mut Context<R>) {
        self.receiving = Receiving::Starved;
        context.ring.lend_more();
        context.starved.push(self.key);
    }

    /// There are buffers again.
    pub(super) fn handle_buffers(&mut self) {
        if self.receiving == Receiving::Starved {
            self.receiving = Receiving::Off;
        }
    }

    /// Receives on while fewer buffers are held than the connection may, and again from half of that.
    pub(super) fn pace<R: Ring>(&mut self, held: usize, context: &mut Context<R>) {
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
                context.ring.receive(self.descriptor, self.key);
                self.receiving = Receiving::Armed;
            }
            _ => {}
        }
        let held_back = matches!(self.receiving, Receiving::Off | Receiving::Ending);
        if held_back && !self.ended && !std::mem::replace(&mut self.watched, true) {
            context.ring.watch_hang_up(self.descriptor, self.key);
        }
    }

    /// Closes the socket; what is received from now on belongs to nobody.
    pub(super) fn close<R: Ring>(&mut self, context: &mut Context<R>) {
        if self.receiving == Receiving::Armed {
            context.ring.cancel_receive(self.key);
        }
        if self.watched {
            context.ring.cancel_hang_up(self.key);
        }
        context.shared.close(self.key);
        context.timers.clear(self.key.index());
        context.ring.close(self.descriptor);
    }

    /// Has the close reset the connection, so that the peer cannot take what it got for the whole.
    pub(super) fn reset_on_close(&self) {
        let _ = self.option(|socket| socket.set_linger(Some(std::time::Duration::ZERO)));
    }

    /// Says that no more will be sent (shutdown(2)).
    pub(super) fn finish_sending(&self) {
        let _ = self.option(|socket| socket.shutdown(std::net::Shutdown::Write));
    }

    /// How many bytes the peer has acknowledged (`tcpi_bytes_acked` of `TCP_INFO`, tcp(7)).
    pub(super) fn acknowledged(&self) -> u64 {
        /// `struct tcp_info` up to and with `tcpi_bytes_acked`: 8 bytes, 24 words of 32 bits, and three of 64.
        #[repr(C)]
        struct TcpInfo {
            bytes: [u8; 8],
            words: [u32; 24],
            pacing_rate: u64,
            max_pacing_rate: u64,
            bytes_acked: u64,
        }
        let mut info = TcpInfo {
            bytes: [0; 8],
            words: [0; 24],
            pacing_rate: 0,
            max_pacing_rate: 0,
            bytes_acked: 0,
        };
        let mut length = size_of::<TcpInfo>() as libc::socklen_t;
        // SAFETY: `info` is `length` bytes of plain integers, of which the kernel fills as many as it has.
        unsafe {
            libc::getsockopt(
                self.descriptor,
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                (&raw mut info).cast(),
                &raw mut length,
            )
        };
        info.bytes_acked
    }

    fn option<T>(&self, use_socket: impl FnOnce(socket2::SockRef<'_>) -> T) -> T {
        // SAFETY: the descriptor is open: `close` is the last thing that is done to a socket.
        let borrowed = unsafe { BorrowedFd::borrow_raw(self.descriptor) };
        use_socket(socket2::SockRef::from(&borrowed))
    }
}
