//! What the two halves of a socket share: the protocol's state, and who waits for it.

use std::cell::{Cell, Ref, RefCell};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use glommio::timer::Timer;
use tungstenite::WebSocket;
use tungstenite::protocol::{Role, WebSocketConfig};

use super::error::Error;
use super::message::{Close, CloseCode, Message, close_frame};
use super::vigil::{Due, Patience, Vigil};
use super::wire::Wire;
use crate::upgrade::Upgraded;

/// What a connection may cost, and how long its peer is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) message_bytes_max: usize,
    pub(super) frame_bytes_max: usize,
    pub(super) patience: Patience,
}

/// Taken for as long as the connection is open. For larger frames it grows.
const READ_BUFFER_BYTES: usize = 1 << 10;
/// What the buffers may have grown to before they are given back.
const BUFFERS_BYTES_KEPT: usize = 4 << 10;

pub(super) struct Link {
    state: RefCell<State>,
    /// The halves that wait until output is taken over. The connection itself wakes only who used it last, so whoever is woken
    /// or gives up wakes the other one.
    receiver: Cell<Option<Waker>>,
    sender: Cell<Option<Waker>>,
}

struct State {
    /// None once the connection has ended: then its memory is free, whoever still holds a half.
    socket: Option<WebSocket<Wire>>,
    /// What the peer has closed with. From then on nothing is read, and its own Close is what is sent last.
    peer_close: Option<Close>,
    vigil: Vigil,
    alarm: Option<Alarm>,
    /// The protocol's buffers have grown for a large message.
    is_swollen: bool,
}

/// A timer that runs, perhaps to an earlier time than is wanted by now.
struct Alarm {
    /// Wakes as long as it is kept.
    _timer: Timer,
    at: Instant,
    waker: Waker,
}

type Received = Option<Result<Message, Error>>;

impl Link {
    pub(super) fn new(stream: Upgraded, limits: &Limits) -> Link {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_message_size(Some(limits.message_bytes_max))
            .max_frame_size(Some(limits.frame_bytes_max));
        Link {
            state: RefCell::new(State {
                socket: Some(WebSocket::from_raw_socket(
                    Wire::new(stream),
                    Role::Server,
                    Some(config),
                )),
                peer_close: None,
                vigil: Vigil::new(limits.patience, Instant::now()),
                alarm: None,
                is_swollen: false,
            }),
            receiver: Cell::new(None),
            sender: Cell::new(None),
        }
    }

    pub(super) fn peer_close(&self) -> Option<Ref<'_, Close>> {
        Ref::filter_map(self.state.borrow(), |state| state.peer_close.as_ref()).ok()
    }

    /// The next message; none once the connection has ended.
    pub(super) fn poll_receive(&self, context: &mut Context<'_>) -> Poll<Received> {
        let mut state = self.state.borrow_mut();
        let received = state.poll_receive(context);
        let waits_for_output = received.is_pending() && state.is_blocked();
        drop(state);
        if waits_for_output {
            self.receiver.set(Some(context.waker().clone()));
        }
        if !waits_for_output || received.is_ready() {
            wake(&self.sender);
        }
        received
    }

    /// Queues a message, once those before it are taken over, and then waits until it is so itself.
    pub(super) fn poll_send(
        &self,
        context: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), Error>> {
        let sent = self.state.borrow_mut().poll_send(context, message);
        if sent.is_pending() {
            self.sender.set(Some(context.waker().clone()));
        }
        sent
    }

    /// Queues Close, behind everything else, and then waits until it is taken over.
    pub(super) fn poll_close(
        &self,
        context: &mut Context<'_>,
        words: &mut Option<(CloseCode, &str)>,
    ) -> Poll<Result<(), Error>> {
        let closed = self.state.borrow_mut().poll_close(context, words);
        if closed.is_pending() {
            self.sender.set(Some(context.waker().clone()));
        } else {
            wake(&self.receiver); // It has less time from now on.
        }
        closed
    }

    /// The receiving half will not ask again.
    pub(super) fn handle_receiver_gone(&self) {
        wake(&self.sender);
    }

    /// The sending half does not wait any more, or not for now.
    pub(super) fn handle_sender_gone(&self) {
        wake(&self.receiver);
    }
}

impl Drop for Link {
    /// Whoever lets go of an open connection has said all.
    fn drop(&mut self) {
        let (code, reason) = if std::thread::panicking() {
            (CloseCode::INTERNAL_ERROR, "the handler panicked")
        } else {
            (CloseCode::NORMAL, "")
        };
        self.state.get_mut().end_with(code, reason);
    }
}

fn wake(waiting: &Cell<Option<Waker>>) {
    if let Some(waker) = waiting.take() {
        waker.wake();
    }
}

impl State {
    fn is_blocked(&self) -> bool {
        self.socket.as_ref().is_some_and(|socket| socket.get_ref().is_blocked())
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        loop {
            let Some(socket) = &mut self.socket else {
                return Poll::Ready(None);
            };
            socket.get_mut().set_waker(context.waker());
            let is_over = self.peer_close.is_some() || socket.get_ref().is_ended();
            if is_over || socket.get_ref().is_blocked() {
                // What is queued is sent on no matter which half asks; the sending one learns of errors by itself.
                let flushed = socket.flush();
                if is_over && !would_block(&flushed) {
                    self.end();
                    return Poll::Ready(None);
                }
            }
            if is_over {
                match ready!(self.poll_vigil(context)) {
                    Due::Nothing | Due::Ping => continue,
                    Due::End => self.end(),
                }
                return Poll::Ready(None);
            }
            let read = socket.read();
            match read {
                Ok(tungstenite::Message::Text(text)) => {
                    self.is_swollen |= text.len() > BUFFERS_BYTES_KEPT;
                    return Poll::Ready(Some(Ok(Message::Text(super::message::Text(text)))));
                }
                Ok(tungstenite::Message::Binary(bytes)) => {
                    self.is_swollen |= bytes.len() > BUFFERS_BYTES_KEPT;
                    return Poll::Ready(Some(Ok(Message::Binary(bytes))));
                }
                Ok(tungstenite::Message::Close(frame)) => {
                    self.peer_close = Some(Close::of(frame));
                    self.vigil.handle_close(Instant::now());
                }
                // A pong is sent by the next call.
                Ok(tungstenite::Message::Ping(_) | tungstenite::Message::Pong(_) | tungstenite::Message::Frame(_)) => {}
                blocked if would_block(&blocked) => match ready!(self.poll_silence(context)) {
                    Some(error) => return Poll::Ready(self.fail(error)),
                    None if self.socket.is_none() => return Poll::Ready(None),
                    None => {}
                },
                Err(error) => return Poll::Ready(self.fail(error.into())),
            }
        }
    }

    /// There is nothing to read: waits for the peer, as long as it has time. An error is how that ended; none where there may be
    /// something by now, or the connection has ended in good order.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<Option<Error>> {
        let Some(socket) = &mut self.socket else {
            return Poll::Ready(None);
        };
        if socket.get_ref().is_ended() {
            // The server stops, or the peer has ended its direction without Close: it is told so all the same.
            self.vigil.handle_close(Instant::now());
            let _ = socket.close(Some(close_frame(CloseCode::GOING_AWAY, ""))); // Whether it is sent, flushing tells.
            return Poll::Ready(None);
        }
        let is_open = socket.can_write();
        self.shrink();
        match ready!(self.poll_vigil(context)) {
            Due::Nothing => Poll::Ready(None),
            // Who takes nothing cannot answer either; how long that may last is the write timeout's business.
            Due::Ping | Due::End if is_open && self.is_blocked() => {
                self.vigil.handle_input(Instant::now());
                Poll::Ready(None)
            }
            Due::Ping => {
                self.write(tungstenite::Message::Ping(bytes::Bytes::new()));
                Poll::Ready(None)
            }
            Due::End if is_open => Poll::Ready(Some(Error::TimedOut)),
            Due::End => {
                self.end();
                Poll::Ready(None)
            }
        }
    }

    /// Waits for the time at which something is due.
    fn poll_vigil(&mut self, context: &mut Context<'_>) -> Poll<Due> {
        let heard = self.socket.as_mut().is_some_and(|socket| socket.get_mut().take_heard());
        if !heard && self.vigil.deadline().is_none() {
            return Poll::Pending;
        }
        let now = Instant::now();
        if heard {
            self.vigil.handle_input(now);
        }
        match self.vigil.handle_time(now) {
            Due::Nothing => {}
            due => {
                self.alarm = None;
                return Poll::Ready(due);
            }
        }
        let Some(deadline) = self.vigil.deadline() else {
            return Poll::Pending;
        };
        // One that runs out too early is set again then, and not at every message.
        let runs = |alarm: &Alarm| now < alarm.at && alarm.at <= deadline && alarm.waker.will_wake(context.waker());
        if self.alarm.as_ref().is_some_and(runs) {
            return Poll::Pending;
        }
        let mut timer = Timer::new(deadline - now);
        if Pin::new(&mut timer).poll(context).is_ready() {
            return Poll::Ready(Due::Nothing);
        }
        self.alarm = Some(Alarm {
            _timer: timer,
            at: deadline,
            waker: context.waker().clone(),
        });
        Poll::Pending
    }

    fn poll_send(&mut self, context: &Context<'_>, message: &mut Option<Message>) -> Poll<Result<(), Error>> {
        ready!(self.poll_flush(context))?;
        if let Some(message) = message.take() {
            if !self.write(message.into_frame()) {
                return Poll::Ready(Err(Error::Closed));
            }
            ready!(self.poll_flush(context))?;
        }
        self.shrink();
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, context: &Context<'_>, words: &mut Option<(CloseCode, &str)>) -> Poll<Result<(), Error>> {
        ready!(self.poll_flush(context))?;
        if let (Some((code, reason)), Some(socket)) = (words.take(), &mut self.socket) {
            self.vigil.handle_close(Instant::now());
            let closed = socket.close(Some(close_frame(code, reason)));
            if !would_block(&closed) {
                closed.map_err(Error::from)?;
            }
            ready!(self.poll_flush(context))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until everything is taken over. A connection that has ended is an error.
    fn poll_flush(&mut self, context: &Context<'_>) -> Poll<Result<(), Error>> {
        let Some(socket) = &mut self.socket else {
            return Poll::Ready(Err(Error::Closed));
        };
        socket.get_mut().set_waker(context.waker());
        match socket.flush() {
            flushed if would_block(&flushed) => Poll::Pending,
            flushed => Poll::Ready(flushed.map_err(Error::from)),
        }
    }

    /// Queues a frame; false where none may be sent any more.
    fn write(&mut self, frame: tungstenite::Message) -> bool {
        let Some(socket) = &mut self.socket else {
            return false;
        };
        self.is_swollen |= frame.len() > BUFFERS_BYTES_KEPT;
        let written = socket.write(frame);
        would_block(&written) || written.is_ok()
    }

    /// Gives grown buffers back, where nothing lies in them: between two messages, with everything sent. tungstenite keeps them
    /// otherwise, so that each client that has ever sent something large would hold that much for good.
    fn shrink(&mut self) {
        let is_empty = |socket: &mut WebSocket<Wire>| {
            let wire = socket.get_ref();
            socket.can_write() && !wire.is_blocked() && wire.is_between_messages()
        };
        if self.is_swollen
            && let Some(socket) = self.socket.take_if(is_empty)
        {
            let config = *socket.get_config();
            self.socket = Some(WebSocket::from_raw_socket(
                socket.into_inner(),
                Role::Server,
                Some(config),
            ));
            self.is_swollen = false;
        }
    }

    fn fail(&mut self, error: Error) -> Received {
        match (&error, error.code()) {
            (Error::Closed, _) => {
                self.end();
                return None;
            }
            (_, Some(code)) => self.end_with(code, &error.to_string()),
            (_, None) => self.end(),
        }
        Some(Err(error))
    }

    /// Says goodbye, if that is still possible and needs no waiting, and ends.
    fn end_with(&mut self, code: CloseCode, reason: &str) {
        if let Some(socket) = &mut self.socket
            && socket.can_write()
        {
            socket.get_mut().set_waker(Waker::noop());
            let _ = socket.close(Some(close_frame(code, reason))); // What cannot be said now is not said.
        }
        self.end();
    }

    fn end(&mut self) {
        (self.socket, self.alarm) = (None, None);
    }
}

fn would_block<T>(result: &tungstenite::Result<T>) -> bool {
    matches!(result, Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock)
}
