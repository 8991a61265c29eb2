//! One connection: what its completions, its handlers' news and its timer do to it.
//!
//! A connection is a [`Socket`], and an [`Exchange`] from the first byte of a request to the last byte of its response.
//! Between exchanges nothing but the socket is kept, which is what makes idle connections cheap.

mod block;
mod exchange;
mod input;
mod output;
mod patience;
mod reading;
mod responding;
mod socket;
mod waiting;

use std::os::fd::OwnedFd;

use ringlane_pool::{Key, View};

use crate::chunk::Chunk;
use crate::context::Context;
use crate::event::{Event, TimeoutKind};
use crate::ring::{Errno, Ring, Transmission};
use crate::shared::News;
use crate::task;
use crate::timers::Millis;

pub(crate) use exchange::Exchange;
pub(crate) use patience::Terms;
pub(crate) use socket::Socket;

/// One accepted connection.
pub(crate) struct Connection {
    socket: Socket,
    /// Since when it has been idle.
    idle_since: Millis,
    /// None while it is idle.
    exchange: Option<Box<Exchange>>,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Fate {
    Open,
    /// Its socket is being closed; its slot is free.
    Closed,
}

impl Connection {
    /// Takes over an accepted socket.
    pub(crate) fn open<R: Ring>(key: Key, descriptor: OwnedFd, context: &mut Context<R>) -> Connection {
        let connection = Connection {
            socket: Socket::open(key, descriptor, context),
            idle_since: context.clock.now(),
            exchange: None,
        };
        connection.set_timer(context);
        context.report(&Event::ConnectionOpened);
        connection
    }

    /// No request has begun.
    pub(crate) fn is_idle(&self) -> bool {
        self.exchange.as_ref().is_none_or(|exchange| exchange.is_idle())
    }

    /// A request is being handled, or its response is not sent yet.
    pub(crate) fn is_busy(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.is_busy())
    }

    /// The server begins to stop.
    pub(crate) fn handle_drain<R: Ring>(&mut self, context: &mut Context<R>) {
        if let Some(exchange) = &mut self.exchange {
            exchange.handle_drain();
            self.socket.touch(context);
        }
    }

    /// Bytes have come; without `more` the receive has ended.
    #[inline(always)]
    pub(crate) fn handle_received<R: Ring>(&mut self, view: View, more: bool, context: &mut Context<R>) {
        if !more {
            self.socket.handle_receive_ended(context);
        }
        context.counters.count_received(view.len());
        let exchange = self.exchange.get_or_insert_with(|| {
            let mut exchange = context.take_exchange();
            // The first head has its time from the accept on.
            exchange.is_first = self.socket.served == 0;
            exchange.waiting_since = exchange.is_first.then_some(self.idle_since);
            exchange
        });
        exchange.receive(view, context);
        self.socket.touch(context);
    }

    /// The end of the stream has come, or an error; without `more` the receive has ended.
    pub(crate) fn handle_nothing_received<R: Ring>(
        &mut self,
        outcome: Result<(), Errno>,
        more: bool,
        context: &mut Context<R>,
    ) -> Fate {
        if !more {
            self.socket.handle_receive_ended(context);
        }
        match outcome {
            Ok(()) => {
                self.socket.ended = true;
            }
            Err(Errno(libc::ENOBUFS)) => self.socket.handle_starved(context),
            Err(Errno(libc::ECANCELED | libc::EINTR | libc::EAGAIN)) => {}
            Err(_) => return self.cut(context),
        }
        self.socket.touch(context);
        Fate::Open
    }

    /// The connection was reset while it was not received from.
    pub(crate) fn handle_hung_up<R: Ring>(&mut self, context: &mut Context<R>) -> Fate {
        self.cut(context)
    }

    /// The kernel does not watch for a reset any more.
    pub(crate) fn handle_watch_ended<R: Ring>(&mut self, context: &mut Context<R>) {
        self.socket.handle_watch_ended();
        self.socket.touch(context);
    }

    /// A send has ended and gives its transmission back.
    pub(crate) fn handle_sent<R: Ring>(
        &mut self,
        outcome: Result<usize, Errno>,
        transmission: Box<Transmission>,
        context: &mut Context<R>,
    ) -> Fate {
        let Some(exchange) = &mut self.exchange else {
            debug_assert!(false, "a send belongs to an exchange");
            context.supply.recycle(transmission);
            return Fate::Open;
        };
        match exchange.handle_sent(outcome, transmission, context) {
            Ok(()) => {
                self.socket.touch(context);
                Fate::Open
            }
            Err(_) => self.cut(context),
        }
    }

    /// A block that was to be sent at once was not, or not all of it: the rest goes the way of everything else.
    pub(crate) fn handle_unsent<R: Ring>(
        &mut self,
        outcome: Result<usize, Errno>,
        block: Chunk,
        context: &mut Context<R>,
    ) -> Fate {
        let exchange = self.exchange.get_or_insert_with(|| context.take_exchange());
        match exchange.handle_unsent(outcome, block, context) {
            Ok(()) => {
                self.socket.touch(context);
                Fate::Open
            }
            Err(_) => self.cut(context),
        }
    }

    /// The handlers' side has news.
    pub(crate) fn handle_news<R: Ring>(&mut self, news: News, context: &mut Context<R>) {
        if let Some(exchange) = &mut self.exchange {
            exchange.handle_news(news, &mut self.socket, context);
            self.socket.touch(context);
        } else {
            task::let_go(news);
        }
    }

    /// The connection had more to do than one round allows; here is its next one. A last answer that was kept back leaves at
    /// once, before any handler of this round is called.
    pub(crate) fn handle_turn<R: Ring>(&mut self, context: &mut Context<R>) -> Fate {
        let keeps_back = self.exchange.as_ref().is_some_and(|exchange| exchange.keeps_back);
        if keeps_back && !self.socket.is_touched() && !context.ring.is_blocked() {
            return self.handle_round_end(context);
        }
        self.socket.touch(context);
        Fate::Open
    }

    /// There are receive buffers again, as there were not since then.
    pub(crate) fn handle_buffers<R: Ring>(&mut self, since: Millis, context: &mut Context<R>) {
        // So long it was us who were waited for.
        let now = context.clock.now();
        self.idle_since = put_off(self.idle_since, since, now);
        if let Some(exchange) = &mut self.exchange {
            exchange.waiting_since = exchange.waiting_since.map(|waiting| put_off(waiting, since, now));
        }
        self.socket.handle_buffers();
        self.socket.touch(context);
    }

    /// The timer has fired; the deadline may have been put off since it was set.
    pub(crate) fn handle_timer<R: Ring>(&mut self, context: &mut Context<R>) -> Fate {
        if self
            .deadline(context)
            .is_none_or(|deadline| deadline > context.clock.now())
        {
            self.set_timer(context);
            return Fate::Open;
        }
        match &mut self.exchange {
            None => {
                let first = self.socket.served == 0;
                context.report(&Event::TimedOut(if first {
                    TimeoutKind::Head
                } else {
                    TimeoutKind::Idle
                }));
                self.close(context)
            }
            Some(exchange) => match exchange.handle_timeout(&mut self.socket, context) {
                Fate::Open => {
                    self.socket.touch(context);
                    Fate::Open
                }
                Fate::Closed => self.cut(context),
            },
        }
    }

    /// The end of a round in which something happened: sends what is there, receives on, and rests or ends where the
    /// exchange is over.
    pub(crate) fn handle_round_end<R: Ring>(&mut self, context: &mut Context<R>) -> Fate {
        self.socket.untouch();
        let Some(exchange) = &mut self.exchange else {
            if self.socket.ended {
                return self.close(context);
            }
            self.socket.pace(0, context);
            self.set_timer(context); // There is none where it was due while there was no buffer to hear the client with.
            return Fate::Open;
        };
        exchange.advance(&mut self.socket, context);
        if exchange.settle(&mut self.socket, context) == Fate::Closed {
            return self.close(context);
        }
        if exchange.is_idle() {
            if self.socket.ended || context.closes_idle {
                return self.close(context);
            }
            if exchange.is_used_up() {
                self.rest(context);
                return Fate::Open;
            }
        }
        exchange.await_peer(self.socket.is_starved(), context);
        if exchange.receives() {
            let held = exchange.buffers_held();
            self.socket.pace(held, context);
        }
        self.set_timer(context);
        Fate::Open
    }

    /// The exchange is over, and nothing of it is kept: the connection is idle.
    #[inline(always)]
    fn rest<R: Ring>(&mut self, context: &mut Context<R>) {
        self.idle_since = context.clock.now();
        if let Some(exchange) = self.exchange.take() {
            context.recycle_over(exchange);
        }
        self.set_timer(context);
        self.socket.pace(0, context);
    }

    /// Closes the socket without waiting for anything: the peer is gone, or too slow, or the server stops.
    pub(crate) fn cut<R: Ring>(&mut self, context: &mut Context<R>) -> Fate {
        if let Some(exchange) = &mut self.exchange {
            exchange.abandon(&self.socket, context);
        }
        self.close(context)
    }

    fn close<R: Ring>(&mut self, context: &mut Context<R>) -> Fate {
        self.socket.close(context);
        context.report(&Event::ConnectionClosed);
        if let Some(exchange) = self.exchange.take() {
            context.recycle_exchange(exchange);
        }
        Fate::Closed
    }

    fn deadline<R>(&self, context: &Context<R>) -> Option<Millis> {
        let is_starved = self.socket.is_starved();
        match &self.exchange {
            Some(exchange) => exchange.deadline(is_starved, &context.limits),
            None if is_starved => None,
            // RFC 9112 §9.5 leaves the times to the server; the first request must come sooner than a further one.
            None if self.socket.served == 0 => Some(self.idle_since + context.limits.head_timeout),
            None => Some(self.idle_since + context.limits.idle_timeout),
        }
    }

    fn set_timer<R>(&self, context: &mut Context<R>) {
        if let Some(deadline) = self.deadline(context) {
            context.timers.set(self.socket.key.index(), deadline);
        }
    }
}

/// The beginning of a wait, which may lie within the time that does not count.
fn put_off(waiting_since: Millis, without_since: Millis, now: Millis) -> Millis {
    (waiting_since + (now - without_since)).min(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_small() {
        assert!(size_of::<Connection>() <= 48, "{} bytes", size_of::<Connection>());
    }
}
