//! An open WebSocket connection, whole or in two halves.

use std::cell::Ref;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::error::Error;
use super::link::{Limits, Link};
use super::message::{Close, CloseCode, Message};
use crate::upgrade::Upgraded;

/// An open WebSocket connection, given to the function of [`upgrade`](super::upgrade).
///
/// Its protocol is seen to while [`Socket::next`] is waited for: pings are answered, silent peers are pinged, and a Close is
/// answered with one. So a handler that only sends should wait for the next message beside that; see [`Socket::split`].
///
/// Dropping it closes the connection with 1000 (normal), or with 1011 where the handler panics.
pub struct Socket {
    sender: Sender,
    receiver: Receiver,
    protocol: Option<Rc<str>>,
}

impl Socket {
    pub(super) fn new(stream: Upgraded, limits: &Limits, protocol: Option<Rc<str>>) -> Socket {
        let link = Rc::new(Link::new(stream, limits));
        Socket {
            sender: Sender { link: Rc::clone(&link) },
            receiver: Receiver { link },
            protocol,
        }
    }

    /// The next message; none once the connection has ended: by the peer's Close or the end of its direction, by one's own Close
    /// and the answer to it, or because the server stops. In the last case the peer has been sent Close 1001 (going away).
    ///
    /// The future may be dropped at any time: no message is lost.
    ///
    /// # Errors
    ///
    /// What the peer did wrong, once; it has been told with Close 1002, 1007 or 1009. Or that it did not answer a ping, or that the
    /// connection broke. After an error the connection has ended.
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        self.receiver.next().await
    }

    /// Sends a message, as one frame. It waits until the connection has taken the message over, which it does as long as less
    /// than `output_bytes_max` is queued, so that a peer who reads slowly holds its sender back.
    ///
    /// Where the future is dropped, the message has been queued whole or not at all.
    ///
    /// # Errors
    ///
    /// [`Error::Closed`] once either side has closed; [`Error::Io`] where the connection is gone.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        self.sender.send(message).await
    }

    /// Closes the connection: sends Close, and throws away what the peer still sends until it answers, ends, or lets the close
    /// timeout pass. Of a reason 123 bytes are sent at the most.
    ///
    /// # Errors
    ///
    /// As [`Socket::send`].
    pub async fn close(mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        self.sender.close(code, reason).await?;
        while let Some(Ok(_)) = self.next().await {}
        Ok(())
    }

    /// The subprotocol that was agreed upon ([`Options::protocols`](super::Options::protocols)).
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// What the peer has closed the connection with; none where it has not.
    pub fn peer_close(&self) -> Option<Ref<'_, Close>> {
        self.receiver.peer_close()
    }

    /// Two halves, to be used at the same time: in one task, or in two of the same core.
    ///
    /// ```no_run
    /// # async fn run(socket: ringlane::websocket::Socket) {
    /// use futures_lite::future::or;
    ///
    /// let (mut sender, mut receiver) = socket.split();
    /// let hear = async {
    ///     while let Some(Ok(message)) = receiver.next().await {
    ///         println!("{message:?}");
    ///     }
    /// };
    /// let speak = async {
    ///     for number in 0..10_u32 {
    ///         if sender.send(number.to_string()).await.is_err() {
    ///             break;
    ///         }
    ///     }
    /// };
    /// or(hear, speak).await; // Whichever ends first ends the connection.
    /// # }
    /// ```
    pub fn split(self) -> (Sender, Receiver) {
        (self.sender, self.receiver)
    }
}

/// The half of a [`Socket`] that sends. The connection is closed when both halves are dropped.
pub struct Sender {
    link: Rc<Link>,
}

impl Sender {
    /// As [`Socket::send`].
    ///
    /// # Errors
    ///
    /// As [`Socket::send`].
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), Error> {
        let mut message = Some(message.into());
        let waiting = Waiting(&self.link);
        poll_fn(|context| waiting.0.poll_send(context, &mut message)).await
    }

    /// Sends Close; nothing can be sent behind it. The receiving half yields what the peer sent before its own Close, and ends
    /// with that, or when the close timeout has passed. Of a reason 123 bytes are sent at the most.
    ///
    /// # Errors
    ///
    /// As [`Socket::send`].
    pub async fn close(&mut self, code: CloseCode, reason: &str) -> Result<(), Error> {
        let mut words = Some((code, reason));
        let waiting = Waiting(&self.link);
        poll_fn(|context| waiting.0.poll_close(context, &mut words)).await
    }
}

/// One call of the sending half; when it ends, or is dropped, the receiving half sends on what is queued.
struct Waiting<'a>(&'a Link);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.handle_sender_gone();
    }
}

/// The half of a [`Socket`] that receives, and sees to the protocol meanwhile.
pub struct Receiver {
    link: Rc<Link>,
}

impl Receiver {
    /// As [`Socket::next`].
    ///
    /// # Errors
    ///
    /// As [`Socket::next`].
    pub async fn next(&mut self) -> Option<Result<Message, Error>> {
        poll_fn(|context| self.link.poll_receive(context)).await
    }

    /// As [`Socket::peer_close`].
    pub fn peer_close(&self) -> Option<Ref<'_, Close>> {
        self.link.peer_close()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.link.handle_receiver_gone();
    }
}

impl Stream for Receiver {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        self.link.poll_receive(context)
    }
}

impl Stream for Socket {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Message, Error>>> {
        self.receiver.link.poll_receive(context)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Socket(protocol {:?})", self.protocol)
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sender")
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Receiver(peer closed: {:?})", self.peer_close())
    }
}
