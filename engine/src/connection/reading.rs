//! What comes in: bytes become a head, the head a request, the request a call; what follows is its body.

use std::rc::Rc;

use http::StatusCode;
use ringlane_pool::View;
use ringlane_protocol::body::Decoder;
use ringlane_protocol::head::{Framing, Head};

use super::exchange::{Exchange, Inbound, Stage, Traits};
use super::input::HeadError;
use super::patience::Patience;
use super::socket::Socket;
use crate::body::{Body, BodyError};
use crate::chunk::Chunk;
use crate::context::Context;
use crate::handler::{self, Outcome, Started};
use crate::pipe::End;
use crate::request::{self, Request};
use crate::ring::Ring;
use crate::shared::News;
use crate::task::{self, Panicked};

/// How many requests of one connection are handled in one round; the rest waits until others have had their turn.
const REQUESTS_PER_ROUND: u32 = 64;

impl Exchange {
    /// Bytes have come.
    #[inline(always)]
    pub(super) fn receive<R>(&mut self, view: View, context: &mut Context<R>) {
        self.handle_progress(view.len(), context);
        if self.stage == Stage::Head && !self.is_first && self.input.is_blank() {
            self.waiting_since = None; // What was waited for was a request's beginning; now it is the rest of its head.
        }
        match self.stage {
            // What comes in now is thrown away: left in the socket it would turn the close into a reset, which may take the
            // answer along (RFC 9112 §9.6).
            Stage::Ending | Stage::Lingering => {
                self.discarded += view.len() as u64;
                self.linger = self.discarded <= context.limits.close_bytes_max;
                if !self.linger {
                    self.stage = Stage::Ending;
                }
            }
            _ => self.input.push(view),
        }
    }

    /// Goes on as far as what has been received, handled and sent allows. Once a round, when all that came in it is here: a
    /// handler then finds its body there, and need not wait for it as a task.
    // A function of its own, with the parser within: so what is read of a head stays in registers until it is a request.
    #[inline(never)]
    pub(super) fn advance<R: Ring>(&mut self, socket: &mut Socket, context: &mut Context<R>) {
        loop {
            let goes_on = match self.stage {
                Stage::Head if self.handled >= REQUESTS_PER_ROUND => {
                    self.put_off(socket, context);
                    false
                }
                Stage::Head => self.read_head(socket, context),
                _ => self.advance_body(socket, context),
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Goes on between a head and the next one.
    #[inline(never)]
    fn advance_body<R: Ring>(&mut self, socket: &mut Socket, context: &mut Context<R>) -> bool {
        match self.stage {
            Stage::Handling => self.read_body(socket, context),
            Stage::Streaming => self.read_body(socket, context) || self.write_stream(context),
            Stage::Discarding => self.discard_body(socket, context),
            Stage::Upgraded => self.relay(socket, context),
            Stage::Head | Stage::Ending | Stage::Lingering => false,
        }
    }

    /// Reads a head and calls the service; pauses while too much output is queued.
    #[inline(always)]
    fn read_head<R: Ring>(&mut self, socket: &mut Socket, context: &mut Context<R>) -> bool {
        if self.input.is_exhausted() && !socket.ended {
            self.held_back = false;
            return false;
        }
        self.held_back = self.queues_enough(context);
        if self.held_back {
            return false;
        }
        let memory = context.shared.take_request();
        let request = match self.input.take_plain_head(&context.limits.head) {
            Some((head, bytes)) => {
                let mut request = self.admit(memory, head, bytes.into(), socket, context);
                if context.supply.is_short() {
                    request.copy_bytes(&context.supply);
                }
                request
            }
            None => match self.read_other_head(memory, socket, context) {
                Ok(request) => request,
                Err(goes_on) => return goes_on,
            },
        };
        self.call(request, socket, context);
        true
    }

    /// Reads a head that is not plain. Where there is none, tells whether the exchange goes on all the same.
    #[cold]
    fn read_other_head<R: Ring>(
        &mut self,
        memory: Box<request::Inner>,
        socket: &mut Socket,
        context: &mut Context<R>,
    ) -> Result<Request, bool> {
        let none_or_error = match self.input.take_head(&context.limits.head, &mut context.supply) {
            Ok(Some((head, bytes))) => return Ok(self.admit(memory, head, bytes, socket, context)),
            other => other.map(drop),
        };
        context.shared.recycle_request(memory);
        if none_or_error.is_ok() && !socket.ended {
            return Err(false);
        }
        Err(self.handle_no_head(none_or_error, context))
    }

    /// There is no head and there will be none: the input has ended, or is refused.
    fn handle_no_head<R>(&mut self, outcome: Result<(), HeadError>, context: &mut Context<R>) -> bool {
        match outcome {
            // RFC 9112 §8: a request that the client ended early is incomplete.
            Ok(()) if !self.input.is_blank() => {
                match self.input.check_partial(&context.limits.head) {
                    Ok(()) => {
                        let reason = "the connection ended within the request head";
                        self.refuse_head(StatusCode::BAD_REQUEST, reason, context);
                    }
                    Err(error) => self.refuse_invalid_head(error, context),
                }
                true
            }
            // The end between two requests is no error, and neither are empty lines in front of it (RFC 9112 §2.2); a
            // connection that is not idle closes once its output is sent.
            Ok(()) => {
                self.input.clear(&mut context.supply);
                let sent_all = self.is_over();
                if !sent_all {
                    self.stage = Stage::Ending;
                }
                !sent_all
            }
            Err(HeadError::Invalid(error)) => {
                self.refuse_invalid_head(error, context);
                true
            }
            Err(HeadError::NoMemory) => {
                let reason = "the server has no memory left for long request heads";
                self.refuse_head(StatusCode::SERVICE_UNAVAILABLE, reason, context);
                true
            }
        }
    }

    /// Has the connection go on in the next round.
    pub(super) fn put_off<R: Ring>(&mut self, socket: &Socket, context: &mut Context<R>) {
        if !std::mem::replace(&mut self.is_put_off, true) {
            context.put_off.push(socket.key);
        }
    }

    /// Makes a request of a head, and keeps what the response must know of it.
    #[inline(always)]
    fn admit<R>(
        &mut self,
        memory: Box<request::Inner>,
        head: Head,
        bytes: Chunk,
        socket: &mut Socket,
        context: &mut Context<R>,
    ) -> Request {
        (self.waiting_since, self.is_first) = (None, false);
        self.began = context.counters.begin(&context.clock);
        self.handled += 1;
        socket.served = socket.served.saturating_add(1);
        self.request = Traits {
            is_last: !head.keep_alive(),
            keep_alive: head.keep_alive() && socket.served < context.limits.requests_max,
            is_1_0: head.version() == http::Version::HTTP_10,
            head_only: *head.method() == http::Method::HEAD,
            expects_continue: head.expects_continue(),
        };
        let wants_upgrade = head.upgrade();
        let request = Request::new(memory, head, bytes, socket.key, &context.shared);
        if wants_upgrade || !self.offered.is_empty() {
            self.offered = offered(&request);
        }
        request
    }

    /// Calls the service with a request, after its body has been let in as far as it is here.
    #[inline(always)]
    fn call<R: Ring>(&mut self, mut request: Request, socket: &mut Socket, context: &mut Context<R>) {
        let framing = request.framing();
        if framing != Framing::None && !self.open_body(framing, &mut request, socket, context) {
            return;
        }
        match context.handler.start(request) {
            Started::Ready => {
                let answer = context.answer.clone();
                answer.consume(|response| self.respond(response, socket, context));
            }
            Started::Panicked => self.conclude(Outcome::Panicked, socket, context),
            Started::Pending(call) => {
                self.stage = Stage::Handling;
                let (shared, key) = (Rc::clone(&context.shared), socket.key);
                let answer = context.answer.clone();
                self.task = Some(task::spawn(&context.shared, async move {
                    let outcome = handler::finish(call, answer).await;
                    shared.tell(key, News::Finished(outcome));
                }));
            }
        }
    }

    /// Readies a request's body; false where it is refused.
    fn open_body<R: Ring>(
        &mut self,
        framing: Framing,
        request: &mut Request,
        socket: &mut Socket,
        context: &mut Context<R>,
    ) -> bool {
        let limit = match context.handler.body_bytes_max(request) {
            Ok(limit) => limit.unwrap_or(context.limits.body_bytes_max),
            Err(Panicked) => {
                self.conclude(Outcome::Panicked, socket, context);
                return false;
            }
        };
        let decoder = match Decoder::new(framing, limit) {
            Ok(decoder) => decoder,
            Err(error) => {
                self.refuse_error(error, context);
                return false;
            }
        };
        let pipe = context.take_pipe(socket.key);
        let length = match framing {
            Framing::Length(length) => Some(length),
            _ => None,
        };
        if length.is_none_or(|bytes| bytes > context.supply.pool().buffer_bytes() as u64) {
            socket.receive_in_bundles(context);
        }
        request.set_body(Body::new(Rc::clone(&pipe), length));
        self.patience = Patience::new(context.limits.body.timeout);
        self.inbound = Some(Inbound {
            decoder: Some(decoder),
            pipe,
        });
        // A broken body that is here already is refused before the service is called.
        self.read_body(socket, context);
        self.inbound.is_some()
    }

    /// Passes the body on as far as it is here. True where that ended the exchange early.
    fn read_body<R: Ring>(&mut self, socket: &mut Socket, context: &mut Context<R>) -> bool {
        let Some(Inbound {
            decoder: Some(decoder),
            pipe,
        }) = &mut self.inbound
        else {
            return false;
        };
        // Not more chunks than buffers are let in at a time, since the smallest take far more memory than they hold.
        let limit = context.limits.input_buffers_max;
        if decoder.is_done() || pipe.chunks() >= limit {
            return false;
        }
        if !self.input.is_empty() {
            self.request.expects_continue = false;
        }
        let give = |data: View| {
            if !pipe.is_abandoned() {
                pipe.give(context.supply.pass_on(data));
            }
            pipe.chunks() < limit
        };
        match self.input.take_body(decoder, give) {
            Ok(_) if decoder.is_done() => pipe.end_with(End::Finished),
            Ok(_) if socket.ended && self.input.is_empty() => {
                // RFC 9112 §8: fewer bytes than announced.
                let reason = "the connection ended within the request body";
                self.fail(BodyError::Closed, StatusCode::BAD_REQUEST, reason, context);
                return true;
            }
            Ok(_) => {
                if self.request.expects_continue && pipe.is_waited_for() && self.stage == Stage::Handling {
                    self.push_continue(context);
                }
            }
            Err(error) => {
                let kind = match error.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => BodyError::TooLarge,
                    _ => BodyError::Malformed,
                };
                if matches!(self.stage, Stage::Head | Stage::Handling) {
                    self.drop_pipes(kind);
                    self.refuse_error(error, context);
                } else {
                    context.report_refusal(error.status(), &error.to_string());
                    self.fail(kind, error.status(), "", context);
                }
                return true;
            }
        }
        false
    }

    /// The response is queued: throws the rest of the request's body away, within its limit, and turns to the next request.
    fn discard_body<R: Ring>(&mut self, socket: &mut Socket, context: &mut Context<R>) -> bool {
        if let Some(Inbound {
            decoder: Some(decoder),
            pipe,
        }) = &mut self.inbound
        {
            if !decoder.is_done() {
                pipe.end_with(End::Failed(BodyError::Closed)); // For a task that still holds it.
            }
            let taken = self.input.take_body(decoder, |_| true);
            self.discarded += taken.unwrap_or(0) as u64;
            match taken {
                Ok(_) if decoder.is_done() => {}
                Ok(_)
                    if self.request.keep_alive
                        && !socket.ended
                        && self.discarded <= context.limits.discard_bytes_max =>
                {
                    return false;
                }
                // It is broken or too much, or the connection ends anyway: the response is its last.
                Ok(_) | Err(_) => {
                    if let Err(error) = taken {
                        context.report_refusal(error.status(), &error.to_string());
                    }
                    self.request.keep_alive = false;
                    self.linger = true;
                }
            }
        }
        if let Some(inbound) = self.inbound.take() {
            context.recycle_pipe(inbound.pipe);
        }
        if self.request.keep_alive {
            self.turn_to_next();
        } else {
            self.task = None;
            self.discarded = 0;
            // Pipelined requests behind the last one are not executed (RFC 9112 §9.6).
            self.linger |= !self.input.is_empty() || !self.request.is_last;
            self.input.clear(&mut context.supply);
            self.stage = Stage::Ending;
        }
        true
    }

    /// Turns to the next request: nothing of this one's body is left.
    #[inline]
    pub(super) fn turn_to_next(&mut self) {
        if self.task.is_some() {
            self.task = None; // Few have one, and dropping none is a call, too.
        }
        self.discarded = 0;
        self.request = Traits::default();
        self.stage = Stage::Head;
    }

    /// Passes an upgraded connection's input and output on, as far as they are here.
    fn relay<R: Ring>(&mut self, socket: &mut Socket, context: &mut Context<R>) -> bool {
        if let Some(inbound) = &self.inbound {
            while let Some(piece) = self.input.pop() {
                if !inbound.pipe.is_abandoned() {
                    inbound.pipe.give(context.supply.pass_on(piece));
                }
            }
            if socket.ended {
                inbound.pipe.end_with(End::Finished);
            }
        }
        let over = self.write_stream(context);
        if self.outbound.is_none() && self.inbound.as_ref().is_none_or(|inbound| inbound.pipe.is_abandoned()) {
            self.drop_pipes(BodyError::Closed);
            self.linger = true;
            self.stage = Stage::Ending;
        }
        over
    }
}

/// The protocols that a request offers to switch to: the values of its Upgrade fields, each with a comma behind it.
#[cold]
fn offered(request: &Request) -> Vec<u8> {
    let mut offered = Vec::new();
    if request.wants_upgrade() {
        for (_, value) in request
            .headers()
            .filter(|(name, _)| name.eq_ignore_ascii_case("upgrade"))
        {
            offered.extend_from_slice(value);
            offered.push(b',');
        }
    }
    offered
}
