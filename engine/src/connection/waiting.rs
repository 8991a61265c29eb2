//! How long an exchange waits for its peer, and what happens when that has been long enough.

use http::StatusCode;

use super::Fate;
use super::exchange::{Exchange, Stage};
use super::socket::Socket;
use crate::body::BodyError;
use crate::context::{Context, Limits};
use crate::event::{Event, TimeoutKind};
use crate::ring::Ring;
use crate::timers::Millis;

/// How often in its timeout the progress of a send is looked at.
const LOOKS: Millis = 4;

impl Exchange {
    /// Notes since when the peer is waited for, where it is.
    pub(super) fn await_peer<R>(&mut self, is_starved: bool, context: &Context<R>) {
        match self.awaited(&context.limits) {
            None => {
                // A handler that waits no longer for its body may do so again: its client has had that time.
                if let Some(since) = self.waiting_since.take()
                    && matches!(self.stage, Stage::Handling | Stage::Streaming)
                    && !is_starved
                {
                    self.patience.pass(context.clock.now() - since, 0, context.limits.body);
                }
            }
            Some(_) if self.waiting_since.is_none() => self.waiting_since = Some(context.clock.now()),
            Some(_) => {}
        }
    }

    /// When the exchange has waited long enough; none while only the handler is awaited, or a buffer to receive with.
    pub(super) fn deadline(&self, is_starved: bool, limits: &Limits) -> Option<Millis> {
        let sent = self.sending.map(|_| {
            let look = (limits.write.timeout / LOOKS).max(1);
            self.send_since + self.send_patience.left().min(look)
        });
        let peer = self.peer_deadline(limits).filter(|_| !is_starved);
        match (sent, peer) {
            (Some(sent), Some(peer)) => Some(sent.min(peer)),
            (sent, peer) => sent.or(peer),
        }
    }

    fn peer_deadline(&self, limits: &Limits) -> Option<Millis> {
        self.awaited(limits)
            .zip(self.waiting_since)
            .map(|(timeout, since)| since + timeout)
    }

    /// For how long the peer's next bytes may be awaited, where they are.
    fn awaited(&self, limits: &Limits) -> Option<Millis> {
        match self.stage {
            // Not while it is we who read no further.
            Stage::Head if self.input.is_empty() || self.held_back => None,
            // RFC 9112 §2.2: empty lines are no request.
            Stage::Head if self.input.is_blank() && !self.is_first => Some(limits.idle_timeout),
            Stage::Head => Some(limits.head_timeout),
            Stage::Handling | Stage::Streaming | Stage::Discarding if self.body_is_waited_for() => {
                Some(self.patience.left())
            }
            Stage::Lingering => Some(limits.close_timeout),
            _ => None,
        }
    }

    fn body_is_waited_for(&self) -> bool {
        let Some(inbound) = &self.inbound else { return false };
        inbound.decoder.is_some()
            && !inbound.is_done()
            && (self.stage == Stage::Discarding
                || inbound.pipe.is_waited_for()
                // Who was not told to continue need not send what nobody will take (RFC 9110 §10.1.1).
                || inbound.pipe.is_abandoned() && !self.request.expects_continue)
    }

    /// The deadline has passed. `Closed` where nothing can be said any more.
    pub(super) fn handle_timeout<R: Ring>(&mut self, socket: &mut Socket, context: &mut Context<R>) -> Fate {
        let now = context.clock.now();
        if self.sending.is_some() && !self.look_at_send(socket, context) {
            context.report(&Event::TimedOut(TimeoutKind::Write));
            return Fate::Closed;
        }
        if self
            .peer_deadline(&context.limits)
            .is_none_or(|deadline| deadline > now || socket.is_starved())
        {
            return Fate::Open;
        }
        match self.stage {
            Stage::Lingering => {
                context.report(&Event::TimedOut(TimeoutKind::Close));
                return Fate::Closed;
            }
            Stage::Head if self.input.is_blank() => {
                let first = self.is_first;
                context.report(&Event::TimedOut(if first {
                    TimeoutKind::Head
                } else {
                    TimeoutKind::Idle
                }));
                return Fate::Closed;
            }
            Stage::Head => {
                context.report(&Event::TimedOut(TimeoutKind::Head));
                self.refuse_head(StatusCode::REQUEST_TIMEOUT, "the request head took too long", context);
            }
            _ => self.time_body_out(context),
        }
        Fate::Open
    }

    fn time_body_out<R>(&mut self, context: &mut Context<R>) {
        context.report(&Event::TimedOut(TimeoutKind::Body));
        let reason = "the request body stalled, or came too slowly";
        self.fail(BodyError::TimedOut, StatusCode::REQUEST_TIMEOUT, reason, context);
    }

    /// Looks how the send under way gets on; false where the peer has been waited for long enough.
    fn look_at_send<R: Ring>(&mut self, socket: &Socket, context: &mut Context<R>) -> bool {
        let now = context.clock.now();
        let acknowledged = context.ring.acknowledged(socket.descriptor());
        let before = self.acknowledged.replace(acknowledged);
        let gained = before.map_or(0, |before| acknowledged.saturating_sub(before));
        self.send_patience
            .pass(now - self.send_since, gained, context.limits.write);
        self.send_since = now;
        self.send_patience.left() > 0
    }

    /// The peer has sent some of what was waited for, if it is a body that is; where that was too little, the body has
    /// timed out.
    #[inline]
    pub(super) fn handle_progress<R>(&mut self, bytes: usize, context: &mut Context<R>) {
        if matches!(self.stage, Stage::Handling | Stage::Streaming | Stage::Discarding) {
            self.handle_body_progress(bytes, context);
        }
    }

    fn handle_body_progress<R>(&mut self, bytes: usize, context: &mut Context<R>) {
        // What comes while nobody waits makes up for what was waited before.
        let waited = self.waiting_since.take().map(|since| context.clock.now() - since);
        self.patience
            .pass(waited.unwrap_or(0), bytes as u64, context.limits.body);
        if waited.is_some() && self.patience.left() == 0 {
            self.time_body_out(context);
        }
    }
}
