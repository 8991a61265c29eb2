//! What goes out: a response's head and body, streamed or whole, an upgrade, or a refusal.

use std::rc::Rc;

use http::StatusCode;
use ringlane_protocol::response::{self, FieldValue, Framing, Persistence};

use super::exchange::{Coding, Exchange, Inbound, Outbound, Stage};
use super::socket::Socket;
use crate::body::BodyError;
use crate::chunk::Chunk;
use crate::context::{Clock, Context};
use crate::event::Event;
use crate::handler::Outcome;
use crate::pipe::{End, Pipe};
use crate::response::{Chunks, Lines, Response, ResponseBody, UpgradeRun};
use crate::ring::Ring;
use crate::task;
use crate::upgrade::Upgraded;

impl Exchange {
    /// The handler has come to an end.
    pub(super) fn conclude<R: Ring>(&mut self, outcome: Outcome, socket: &mut Socket, context: &mut Context<R>) {
        match outcome {
            Outcome::Response(mut response) => {
                self.respond(&mut response, socket, context);
                task::let_go(response);
            }
            Outcome::Panicked => {
                context.report(&Event::HandlerPanicked);
                self.drop_pipes(BodyError::Closed);
                self.refuse(StatusCode::INTERNAL_SERVER_ERROR, "the handler panicked", context);
            }
        }
    }

    /// Queues a response, or its head where its body is still to be made. It is used where it lies: copied, it would be read
    /// while it is still on its way to memory.
    pub(super) fn respond<R: Ring>(&mut self, response: &mut Response, socket: &mut Socket, context: &mut Context<R>) {
        self.request.keep_alive &= !response.close && !context.draining;
        if response.lines.status == StatusCode::RESET_CONTENT {
            empty(response); // RFC 9110 §15.3.6: it has no content, which has to be said.
        }
        if self.inbound.is_some() && self.leaves_too_much(response, context) {
            self.request.keep_alive = false;
        }
        match &mut response.body {
            ResponseBody::Whole(chunk) => self.respond_whole(&response.lines, chunk, context),
            _ => self.respond_otherwise(response, socket, context),
        }
    }

    /// Queues the head of a response whose body is still to be made, or that changes the protocol.
    #[inline(never)]
    fn respond_otherwise<R: Ring>(&mut self, response: &mut Response, socket: &mut Socket, context: &mut Context<R>) {
        let body = std::mem::replace(&mut response.body, ResponseBody::Whole(Chunk::default()));
        match body {
            ResponseBody::Whole(_) => {}
            ResponseBody::Stream { stream, length } => {
                self.respond_stream(&response.lines, stream, length, response.ends_on_stop, socket, context);
            }
            ResponseBody::Upgrade { protocol, run } if self.is_offered(protocol.as_str()) && self.inbound.is_none() => {
                self.respond_upgrade(&response.lines, protocol, run, socket, context);
            }
            // RFC 9110 §15.5.22: what was not asked for cannot be switched to, only named.
            ResponseBody::Upgrade { protocol, run } => {
                task::let_go(run);
                response.lines.status = StatusCode::UPGRADE_REQUIRED;
                self.respond_required(&response.lines, protocol, Chunk::default(), context);
            }
            ResponseBody::UpgradeRequired(required) => {
                self.respond_required(&response.lines, required.protocol, required.body, context);
            }
        }
    }

    /// Queues a response that names a protocol, which nothing is switched to.
    fn respond_required<R>(
        &mut self,
        lines: &Lines,
        protocol: FieldValue<'static>,
        body: Chunk,
        context: &mut Context<R>,
    ) {
        let framing = match is_bodiless(lines.status) {
            true => Framing::None,
            false => Framing::Length(body.len() as u64),
        };
        self.push_head(lines, framing, Some(protocol), context);
        if framing != Framing::None && !self.request.head_only {
            self.output.push(body, &mut context.supply);
        }
        self.stage = Stage::Discarding;
    }

    /// RFC 9110 §7.8: only to what the client has named may be switched. Names of protocols have no case.
    fn is_offered(&self, protocol: &str) -> bool {
        let mut names = self.offered.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        names.any(|name| name.eq_ignore_ascii_case(protocol.as_bytes()))
    }

    /// Whether more of the request's body is to come than is worth reading for the sake of the connection. A streamed
    /// response may yet read it.
    fn leaves_too_much<R>(&self, response: &Response, context: &Context<R>) -> bool {
        let streams = matches!(response.body, ResponseBody::Stream { .. });
        let Some(
            inbound @ Inbound {
                decoder: Some(decoder), ..
            },
        ) = &self.inbound
        else {
            return false;
        };
        if streams && !inbound.pipe.is_abandoned() {
            return false;
        }
        // A client that was not told to continue may send the body or not (RFC 9110 §10.1.1): nobody can tell what
        // follows, so nothing may.
        self.request.expects_continue && !decoder.is_done()
            || decoder
                .remaining()
                .is_some_and(|bytes| bytes > context.limits.discard_bytes_max)
    }

    #[inline(always)]
    fn respond_whole<R>(&mut self, lines: &Lines, body: &mut Chunk, context: &mut Context<R>) {
        let bytes: &[u8] = body;
        let (framing, bytes) = match is_bodiless(lines.status) {
            true => (Framing::None, &[][..]),
            false if self.request.head_only => (Framing::Length(bytes.len() as u64), &[][..]),
            false => (Framing::Length(bytes.len() as u64), bytes),
        };
        let head = self.head(lines, framing, None, &context.clock);
        context
            .counters
            .count_response(lines.status, &mut self.began, &context.clock);
        if !self.output.copy_response(&head, bytes, &mut context.supply) {
            let body = if bytes.is_empty() {
                Chunk::default()
            } else {
                std::mem::take(body)
            };
            self.output.push_response(head, body, &mut context.supply);
        }
        self.stage = Stage::Discarding;
        if self.inbound.is_none() && self.request.keep_alive {
            self.turn_to_next();
        }
    }

    fn respond_stream<R: Ring>(
        &mut self,
        lines: &Lines,
        stream: std::pin::Pin<Box<dyn Chunks>>,
        length: Option<u64>,
        ends_on_stop: bool,
        socket: &mut Socket,
        context: &mut Context<R>,
    ) {
        let bodiless = is_bodiless(lines.status);
        let (framing, coding) = match length {
            _ if bodiless => (Framing::None, Coding::Raw),
            Some(length) => (Framing::Length(length), Coding::Length(length)),
            // RFC 9112 §6.1: HTTP/1.0 knows no chunks.
            None if self.request.is_1_0 => (Framing::UntilClose, Coding::Raw),
            None => (Framing::Chunked, Coding::Chunked),
        };
        if framing == Framing::UntilClose {
            self.request.keep_alive = false;
        }
        let has_body = !bodiless && !self.request.head_only;
        if has_body
            && self.request.expects_continue
            && self.inbound.as_ref().is_some_and(|body| !body.pipe.is_abandoned())
        {
            // The stream may read the body, and then it is too late: interim responses come first (RFC 9110 §15.2).
            self.push_continue(context);
        }
        self.push_head(lines, framing, None, context);
        if !has_body {
            task::let_go(stream);
            self.stage = Stage::Discarding;
            return;
        }
        let pipe = Pipe::new(Rc::clone(&context.shared), socket.key);
        let outbound = Outbound::new(Rc::clone(&pipe), coding, ends_on_stop);
        if context.draining {
            outbound.handle_drain();
        }
        self.outbound = Some(outbound);
        self.stage = Stage::Streaming;
        let pump = pump(stream, pipe);
        self.task = Some(task::spawn_contained(&context.shared, Box::pin(pump)));
    }

    fn respond_upgrade<R: Ring>(
        &mut self,
        lines: &Lines,
        protocol: FieldValue<'static>,
        run: UpgradeRun,
        socket: &mut Socket,
        context: &mut Context<R>,
    ) {
        let name = protocol.as_str();
        context.report(&Event::Upgraded { protocol: name });
        self.push_head(lines, Framing::None, Some(protocol), context);
        let input = Pipe::new(Rc::clone(&context.shared), socket.key);
        let output = Pipe::new(Rc::clone(&context.shared), socket.key);
        let upgraded = Upgraded::new(Rc::clone(&input), Rc::clone(&output));
        if context.draining {
            input.end_with(End::Finished);
        }
        self.inbound = Some(Inbound {
            decoder: None,
            pipe: input,
        });
        self.outbound = Some(Outbound::new(output, Coding::Raw, false));
        self.stage = Stage::Upgraded;
        let run = Box::pin(async move { run(upgraded).await });
        self.task = Some(task::spawn_contained(&context.shared, run));
    }

    /// Takes over what the stream has made, while not too much is queued. True once that was all.
    pub(super) fn write_stream<R>(&mut self, context: &mut Context<R>) -> bool {
        let Some(Outbound { pipe, coding, .. }) = &mut self.outbound else {
            return false;
        };
        while self.output.bytes() < context.shared.room() {
            let Some(mut chunk) = pipe.take() else {
                break;
            };
            match coding {
                Coding::Chunked => self.output.push_chunked(chunk, &mut context.supply),
                Coding::Raw => self.output.push(chunk, &mut context.supply),
                Coding::Length(rest) => {
                    let surplus = chunk.len() as u64 > *rest;
                    if surplus {
                        drop(chunk.split_off(*rest as usize));
                        self.request.keep_alive = false;
                        pipe.end_with(End::Failed(BodyError::TooLarge));
                        pipe.discard();
                    }
                    *rest -= chunk.len() as u64;
                    self.output.push(chunk, &mut context.supply);
                }
            }
        }
        if pipe.bytes() > 0 || pipe.end() == End::Open {
            return false;
        }
        let whole = match (pipe.end(), *coding) {
            (_, Coding::Length(rest)) => rest == 0,
            (End::Finished, Coding::Chunked) => {
                self.output.push_short(response::CHUNK_LAST, &mut context.supply);
                true
            }
            (end, _) => end == End::Finished,
        };
        self.end_stream(whole);
        true
    }

    /// Lets the client send the body that it has announced (RFC 9110 §10.1.1).
    pub(super) fn push_continue<R>(&mut self, context: &mut Context<R>) {
        self.request.expects_continue = false;
        self.output.push_short(response::CONTINUE, &mut context.supply);
    }

    /// The streamed body is queued, or will not be whole.
    fn end_stream(&mut self, whole: bool) {
        match self.stage {
            Stage::Upgraded => self.outbound = None,
            _ if whole => {
                self.outbound = None;
                self.stage = Stage::Discarding;
            }
            _ => self.end_visibly(BodyError::Closed),
        }
    }

    /// Ends the connection within a response, which the client has to see: by the missing last chunk, by the missing
    /// bytes, or by a reset where the end of the connection would mean the end of the body (RFC 9112 §8).
    pub(super) fn end_visibly(&mut self, error: BodyError) {
        self.reset_at_end = self
            .outbound
            .as_ref()
            .is_some_and(|outbound| outbound.coding == Coding::Raw);
        self.drop_pipes(error);
        self.linger = true;
        self.stage = Stage::Ending;
    }

    /// Answers with the status that a broken rule calls for, as the connection's last response.
    pub(super) fn refuse_error<R>(&mut self, error: ringlane_protocol::Error, context: &mut Context<R>) {
        self.push_refusal(error.status(), error.to_string().into(), context);
    }

    /// Refuses the head that the input begins with, or the beginning of one.
    pub(super) fn refuse_head<R>(&mut self, status: StatusCode, reason: &'static str, context: &mut Context<R>) {
        self.request.head_only = self.input.asks_with_head();
        self.refuse(status, reason, context);
    }

    /// As [`Exchange::refuse_head`], for a broken rule.
    pub(super) fn refuse_invalid_head<R>(&mut self, error: ringlane_protocol::Error, context: &mut Context<R>) {
        self.request.head_only = self.input.asks_with_head();
        self.refuse_error(error, context);
    }

    /// Answers with an error of the engine's own, as the connection's last response.
    pub(super) fn refuse<R>(&mut self, status: StatusCode, reason: &'static str, context: &mut Context<R>) {
        self.push_refusal(status, reason.into(), context);
    }

    fn push_refusal<R>(&mut self, status: StatusCode, reason: Chunk, context: &mut Context<R>) {
        self.request.keep_alive = false;
        context.report_refusal(status, &String::from_utf8_lossy(&reason));
        let mut response = Response::text(reason.clone()).with_status(status);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            // RFC 9110 §15.5.6: what is allowed must be said; here that is every method but CONNECT.
            let pushed = response
                .lines
                .fields
                .push("Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE");
            debug_assert!(pushed.is_ok());
        }
        self.push_head(&response.lines, Framing::Length(reason.len() as u64), None, context);
        if !self.request.head_only {
            self.output.push(reason, &mut context.supply);
        }
        self.input.clear(&mut context.supply);
        self.discarded = 0;
        self.linger = true;
        self.stage = Stage::Ending;
    }

    /// Queues the head of a response alone.
    fn push_head<R>(
        &mut self,
        lines: &Lines,
        framing: Framing,
        upgrade: Option<FieldValue<'static>>,
        context: &mut Context<R>,
    ) {
        let head = self.head(lines, framing, upgrade, &context.clock);
        context
            .counters
            .count_response(lines.status, &mut self.began, &context.clock);
        self.output.push_head(&head, &mut context.supply);
    }

    /// A response's head: what the response says of its own, and what the connection adds.
    #[inline(always)]
    fn head<'a>(
        &self,
        lines: &'a Lines,
        framing: Framing,
        upgrade: Option<FieldValue<'static>>,
        clock: &'a Clock,
    ) -> response::Head<'a> {
        response::Head {
            status: lines.status,
            content_type: lines.content_type,
            fields: lines.fields.as_bytes(),
            framing,
            persistence: match self.request.keep_alive {
                _ if lines.status == StatusCode::SWITCHING_PROTOCOLS => Persistence::Upgrade,
                false => Persistence::Close,
                true if self.request.is_1_0 => Persistence::KeepAliveExplicit,
                true => Persistence::KeepAlive,
            },
            upgrade,
            date: clock.date(),
        }
    }
}

/// Takes its content away.
#[cold]
fn empty(response: &mut Response) {
    let body = std::mem::replace(&mut response.body, ResponseBody::Whole(Chunk::default()));
    task::let_go(body);
}

/// RFC 9110 §6.4.1: these never have content.
#[inline(always)]
fn is_bodiless(status: StatusCode) -> bool {
    // Asked first, as it is what most are, and what the encoder asks too.
    status != StatusCode::OK
        && (matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) || status.is_informational())
}

/// Moves a stream's chunks into the pipe, as fast as the connection takes them.
async fn pump(mut stream: std::pin::Pin<Box<dyn Chunks>>, pipe: Rc<Pipe>) {
    // Where the stream panics, the pipe is closed as failed by this guard.
    let guard = CloseOnDrop(Rc::clone(&pipe));
    while std::future::poll_fn(|context| pipe.poll_room(context)).await.is_ok() {
        match std::future::poll_fn(|context| stream.as_mut().poll_chunk(context)).await {
            Some(Ok(chunk)) => pipe.send(chunk),
            Some(Err(_)) => break,
            None => {
                pipe.close(End::Finished);
                break;
            }
        }
    }
    drop(guard);
}

struct CloseOnDrop(Rc<Pipe>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close(End::Failed(BodyError::Closed));
    }
}
