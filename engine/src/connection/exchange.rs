//! An exchange: a request being received, its handler, and its response being sent.
//!
//! ```text
//!                    a whole head                 the response is there
//!   Head ────────────────────────▶ Handling ─────────────────────────────▶ Streaming ──┐ last chunk
//!    ▲                                 │   (not streamed: straight on)                  ▼
//!    │                                 └──────────────────────────────────────▶ Discarding
//!    │            the request's body is used up, and the connection is kept             │
//!    └──────────────────────────────────────────────────────────────────────────────────┤
//!                                                                                       ▼ is not kept
//!   Upgraded ──────────────── its task has let go of it ─────────────────────────────▶ Ending ──▶ Lingering
//! ```
//!
//! `reading` has what comes in (the stages up to the handler), `responding` what goes out; here is what both share: the
//! stage, the deadlines, and the end.

use std::rc::Rc;

use http::StatusCode;
use ringlane_protocol::body::Decoder;

use super::Fate;
use super::input::Input;
use super::output::Output;
use super::patience::Patience;
use super::socket::Socket;
use crate::body::BodyError;
use crate::chunk::Chunk;
use crate::context::Context;
use crate::counters::Began;
use crate::pipe::{End, Pipe};
use crate::ring::{Errno, Ring, Sending, Transmission};
use crate::shared::News;
use crate::supply::Supply;
use crate::task::{self, Task};
use crate::timers::Millis;

/// What a connection holds while it is not idle.
#[derive(Default)]
pub(crate) struct Exchange {
    pub(super) stage: Stage,
    pub(super) input: Input,
    pub(super) output: Output,
    /// The request's body, from its head on until it is used up.
    pub(super) inbound: Option<Inbound>,
    /// What a task makes for the peer: a streamed response, or an upgraded connection's output.
    pub(super) outbound: Option<Outbound>,
    /// The handler, the pump of a streamed response, or an upgraded connection's handler.
    pub(super) task: Option<Task>,
    /// What the response must know of its request.
    pub(super) request: Traits,
    /// When it was complete, for the counters.
    pub(super) began: Began,
    /// The connection's first request is awaited, or coming.
    pub(super) is_first: bool,
    /// The protocols that the request offers to switch to.
    pub(super) offered: Vec<u8>,
    /// Before the connection is closed the peer gets time to read what was sent.
    pub(super) linger: bool,
    /// The end of the connection has to be a reset, since a plain one would look like the end of the body.
    pub(super) reset_at_end: bool,
    /// Since when the peer has been waited for, where `awaited` says that it is; none once it has sent what that was.
    pub(super) waiting_since: Option<Millis>,
    /// With the body of this request.
    pub(super) patience: Patience,
    /// Requests handled in this round.
    pub(super) handled: u32,
    /// It has more to do in the next round.
    pub(super) is_put_off: bool,
    /// No further request is read before some of the output has been sent.
    pub(super) held_back: bool,
    /// The last answer is in the socket and waits for the end of sending, so that both leave in one segment.
    pub(super) keeps_back: bool,
    pub(super) sending: Option<Sending>,
    /// With the send under way: what is left of it, since when, and what the peer had acknowledged by then, if that was
    /// looked at.
    pub(super) send_patience: Patience,
    pub(super) send_since: Millis,
    pub(super) acknowledged: Option<u64>,
    /// Bytes thrown away: of the request's body while discarding, of anything while lingering.
    pub(super) discarded: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// A head is awaited, or is coming.
    #[default]
    Head,
    /// The handler has not answered yet.
    Handling,
    /// The response's head is queued and a task makes its body.
    Streaming,
    /// The response is queued; the rest of the request's body is thrown away.
    Discarding,
    /// The connection belongs to an upgrade's task.
    Upgraded,
    /// What is queued is sent; then the connection ends.
    Ending,
    /// All is sent, and the peer knows; what it still sends is thrown away until it has read that.
    Lingering,
}

/// What a response must know of its request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    /// The client keeps the connection open, and so may we (RFC 9112 §9.3).
    pub(super) keep_alive: bool,
    /// The client closes the connection, too, and sends nothing behind this request.
    pub(super) is_last: bool,
    /// HTTP/1.0: no chunked coding, and persistence has to be said.
    pub(super) is_1_0: bool,
    /// HEAD: the response ends with its head.
    pub(super) head_only: bool,
    /// `100 Continue` is awaited and has not been sent.
    pub(super) expects_continue: bool,
}

/// A request's body on its way in, or an upgraded connection's input.
pub(super) struct Inbound {
    /// None for an upgraded connection: all input is data.
    pub(super) decoder: Option<Decoder>,
    pub(super) pipe: Rc<Pipe>,
}

impl Inbound {
    pub(super) fn is_done(&self) -> bool {
        self.decoder.as_ref().is_some_and(Decoder::is_done)
    }
}

/// A streamed response on its way out, or an upgraded connection's output.
pub(super) struct Outbound {
    pub(super) pipe: Rc<Pipe>,
    pub(super) coding: Coding,
    /// It has no end of its own, and gets one when the server stops.
    ends_on_stop: bool,
}

impl Outbound {
    pub(super) fn new(pipe: Rc<Pipe>, coding: Coding, ends_on_stop: bool) -> Outbound {
        pipe.shared().count_stream(1);
        Outbound {
            pipe,
            coding,
            ends_on_stop,
        }
    }

    /// The server stops.
    pub(super) fn handle_drain(&self) {
        if self.ends_on_stop {
            self.pipe.end_with(End::Finished);
        }
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        self.pipe.shared().count_stream(-1);
    }
}

/// How a streamed body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Chunked,
    /// This many bytes are still to come.
    Length(u64),
    /// By the end of the connection.
    Raw,
}

impl Exchange {
    /// A request is being handled, or its response is not sent yet.
    pub(super) fn is_busy(&self) -> bool {
        !matches!(self.stage, Stage::Head | Stage::Lingering) || self.sending.is_some() || !self.output.is_empty()
    }

    /// The server stops: an upgraded connection's input ends, so that its task can say goodbye; a stream without an end
    /// of its own ends.
    pub(super) fn handle_drain(&mut self) {
        if self.stage == Stage::Upgraded
            && let Some(inbound) = &self.inbound
        {
            inbound.pipe.end_with(End::Finished);
        }
        if let Some(outbound) = &self.outbound {
            outbound.handle_drain();
        }
    }

    /// How many pooled buffers wait on this connection to be used, at the most.
    pub(super) fn buffers_held(&self) -> usize {
        match &self.inbound {
            // What a task still holds of a body whose rest is thrown away does not grow.
            Some(inbound) if self.stage != Stage::Discarding => self.input.buffers() + inbound.pipe.chunks(),
            _ => self.input.buffers(),
        }
    }

    /// No request has begun, and all is sent.
    pub(super) fn is_idle(&self) -> bool {
        self.stage == Stage::Head && self.sending.is_none() && self.input.is_blank() && self.output.is_empty()
    }

    /// What the peer still sends is of any interest.
    pub(super) fn receives(&self) -> bool {
        self.stage != Stage::Ending || self.linger
    }

    /// There is nothing left for which an exchange is needed.
    pub(super) fn is_over(&self) -> bool {
        self.is_idle() && self.is_used_up()
    }

    /// All that has come is used.
    pub(super) fn is_used_up(&self) -> bool {
        self.input.is_empty()
    }

    /// The end of a round: sends what is queued; once all is sent an ending connection lingers or is closed.
    pub(super) fn settle<R: Ring>(&mut self, socket: &mut Socket, context: &mut Context<R>) -> Fate {
        (self.handled, self.is_put_off) = (0, false);
        // Between two requests an answer that was gathered in one block is gone with the next entry into the kernel, and there
        // is nothing to wait for. The same for the last one, which waits in the socket for the end of sending in the next round,
        // when it is known whether all of it was taken: both leave in one segment, and cost one way through TCP. Where the
        // connection goes on only when an answer is sent, the send's completion is needed.
        let at_once = match self.stage {
            Stage::Head => !self.held_back && !socket.ended && !context.draining,
            stage => stage == Stage::Ending,
        };
        if self.sending.is_some() {
            return Fate::Open;
        }
        if at_once && let Some(block) = self.output.take_only_block() {
            context.counters.count_sent_at_once(block.len());
            self.keeps_back = self.stage == Stage::Ending && !self.reset_at_end;
            let (descriptor, key) = (socket.descriptor(), socket.key);
            context.ring.send_at_once(descriptor, key, block, self.keeps_back);
            if self.stage == Stage::Ending {
                self.put_off(socket, context);
            }
            return Fate::Open;
        }
        if let Some(transmission) = self.output.take(&mut context.supply) {
            self.sending = Some(context.ring.send(socket.descriptor(), socket.key, transmission));
            self.send_patience = Patience::new(context.limits.write.timeout);
            self.send_since = context.clock.now();
            self.acknowledged = None;
            return Fate::Open;
        }
        match self.stage {
            Stage::Head => Fate::Open,
            _ => self.settle_sent(socket, context),
        }
    }

    /// All that was queued is sent: an ending connection lingers, or is closed.
    fn settle_sent<R: Ring>(&mut self, socket: &Socket, context: &mut Context<R>) -> Fate {
        match self.stage {
            Stage::Ending if !self.reset_at_end => {
                // Before it is looked for what is unread: what comes now is answered by a reset, but the answer has left.
                context.ring.finish_sending(socket.descriptor());
                self.keeps_back = false;
                // Who has sent on and on while we lingered is not waited for once more.
                let lingers = self.discarded <= context.limits.close_bytes_max;
                let linger = self.linger || lingers && context.ring.has_unread(socket.descriptor());
                if socket.ended || !linger {
                    return Fate::Closed;
                }
                self.linger = true;
                self.stage = Stage::Lingering;
                self.waiting_since = None;
                Fate::Open
            }
            Stage::Ending => {
                context.ring.reset_on_close(socket.descriptor());
                Fate::Closed
            }
            Stage::Lingering if socket.ended => Fate::Closed,
            // The upgrade's task has closed its direction.
            Stage::Upgraded if self.outbound.is_none() => {
                context.ring.finish_sending(socket.descriptor());
                Fate::Open
            }
            _ => Fate::Open,
        }
    }

    /// A send is over; an error means that the connection is.
    pub(super) fn handle_sent<R>(
        &mut self,
        outcome: Result<usize, Errno>,
        mut transmission: Box<Transmission>,
        context: &mut Context<R>,
    ) -> Result<(), Errno> {
        self.sending = None;
        match outcome {
            Ok(sent) if sent >= transmission.bytes() => {
                context.supply.recycle(transmission);
                Ok(())
            }
            Ok(0) => Err(Errno(libc::EPIPE)),
            Ok(sent) => {
                transmission.consume(sent);
                self.output.put_back(transmission, &mut context.supply);
                Ok(())
            }
            // Interrupted before anything was sent: once more (send(2)).
            Err(Errno(libc::EINTR | libc::EAGAIN)) => {
                self.output.put_back(transmission, &mut context.supply);
                Ok(())
            }
            Err(error) => {
                context.supply.recycle(transmission);
                Err(error)
            }
        }
    }

    /// What was to be sent at once was not, or not all of it; an error means that the connection is over.
    pub(super) fn handle_unsent<R>(
        &mut self,
        outcome: Result<usize, Errno>,
        mut block: Chunk,
        context: &mut Context<R>,
    ) -> Result<(), Errno> {
        match outcome {
            Ok(sent) => block.advance(sent.min(block.len())),
            Err(Errno(libc::EINTR | libc::EAGAIN)) => {}
            Err(error) => return Err(error),
        }
        let mut rest = context.supply.transmission();
        rest.push(block);
        self.output.put_back(rest, &mut context.supply);
        Ok(())
    }

    pub(super) fn handle_news<R: Ring>(&mut self, news: News, socket: &mut Socket, context: &mut Context<R>) {
        for pipe in self
            .inbound
            .iter()
            .map(|inbound| &inbound.pipe)
            .chain(self.outbound.iter().map(|out| &out.pipe))
        {
            pipe.handle_news();
        }
        match news {
            News::Finished(outcome) if self.stage == Stage::Handling => {
                self.task = None;
                self.conclude(outcome, socket, context);
            }
            News::Finished(outcome) => task::let_go(outcome),
            News::Moved => {}
        }
    }

    /// So much output is queued that it is waited for being sent: as much as is allowed, or as this connection's share of
    /// the memory is. A block is always allowed.
    #[inline(always)]
    pub(super) fn queues_enough<R>(&self, context: &Context<R>) -> bool {
        let bytes = self.output.bytes();
        bytes > 0
            && (bytes >= context.limits.output_bytes_max
                || bytes >= context.supply.pool().buffer_bytes() && bytes >= context.supply.share_bytes())
    }

    /// The request cannot be carried on: answers with an error where the response has not begun, else ends visibly.
    pub(super) fn fail<R>(
        &mut self,
        error: BodyError,
        status: StatusCode,
        reason: &'static str,
        context: &mut Context<R>,
    ) {
        if matches!(self.stage, Stage::Head | Stage::Handling) {
            self.drop_pipes(error);
            self.refuse(status, reason, context);
        } else {
            self.end_visibly(error);
        }
    }

    /// Lets go of everything, for a connection that is cut.
    pub(super) fn abandon<R: Ring>(&mut self, socket: &Socket, context: &mut Context<R>) {
        if let Some(sending) = self.sending.take() {
            context.ring.reset_on_close(socket.descriptor());
            context.ring.cancel_send(sending);
        }
        self.drop_pipes(BodyError::Closed);
    }

    /// Ends the task, and tells whoever still holds the body or the stream.
    pub(super) fn drop_pipes(&mut self, error: BodyError) {
        if let Some(inbound) = self.inbound.take() {
            inbound.pipe.end_with(End::Failed(error));
        }
        if let Some(outbound) = self.outbound.take() {
            outbound.pipe.end_with(End::Failed(BodyError::Closed));
        }
        self.task = None;
    }

    /// Makes one that is over as good as new: there is nothing left in it but what was waited for.
    pub(crate) fn reset_over(&mut self) {
        debug_assert!(self.is_over() && !self.linger && !self.reset_at_end && !self.held_back && !self.is_put_off);
        debug_assert!(self.inbound.is_none() && self.outbound.is_none() && self.task.is_none());
        debug_assert!(self.handled == 0 && self.discarded == 0 && !self.request.keep_alive);
        (self.waiting_since, self.is_first) = (None, false);
    }

    /// Makes it as good as new; its vectors keep their memory.
    pub(crate) fn reset(&mut self, supply: &mut Supply) {
        debug_assert!(
            self.sending.is_none(),
            "the ring still gives a transmission back to this exchange"
        );
        self.drop_pipes(BodyError::Closed);
        // Field by field, none forgotten: this is on every request's way, and a whole new one would be moved about.
        let Exchange {
            stage,
            input,
            output,
            inbound: _,
            outbound: _,
            task: _,
            request,
            began,
            is_first,
            offered,
            linger,
            reset_at_end,
            waiting_since,
            patience: _,
            handled,
            is_put_off,
            held_back,
            keeps_back,
            sending: _,
            send_patience: _,
            send_since: _,
            acknowledged: _,
            discarded,
        } = self;
        input.clear(supply);
        output.clear(supply);
        (*stage, *request, *began) = (Stage::Head, Traits::default(), Began::default());
        (*is_first, *offered) = (false, Vec::new());
        (*linger, *reset_at_end) = (false, false);
        (*waiting_since, *discarded) = (None, 0);
        (*handled, *is_put_off) = (0, false);
        (*held_back, *keeps_back) = (false, false);
    }
}
