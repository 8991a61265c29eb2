//! The same events to any number of clients of one core, each with a bounded queue of its own.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use slab::Slab;

use super::event::Event;

/// Passes events on to all that have subscribed, on one core.
///
/// It is not `Send`: each core has its own, made where its service is made. What all cores are to tell has to be sent to
/// each of them, by glommio's shared channels for example.
///
/// ```no_run
/// use std::rc::Rc;
/// use ringlane::sse::{self, Channel, Event, Overflow};
/// use ringlane::{IntoResponse, Method, Request, Response, Server};
///
/// Server::bind("127.0.0.1:8080").serve(|_core| {
///     let news = Rc::new(Channel::new(64, Overflow::DropOldest));
///     async move |request: Request| match *request.method() {
///         Method::GET => sse::stream(news.subscribe()),
///         _ => format!("sent to {}\n", news.send(&Event::data("something has happened"))).into_response(),
///     }
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
///
/// Its subscriptions end when it is dropped, each behind the events that it still has.
pub struct Channel {
    shared: Rc<Shared>,
    capacity: NonZeroUsize,
    overflow: Overflow,
    /// Kept for its memory; empty between two sends.
    wakers: Cell<Vec<Waker>>,
}

/// What becomes of a subscriber that takes events more slowly than they are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// It loses the oldest that it has not taken; [`Subscription::lost`] counts them.
    DropOldest,
    /// Its subscription ends behind those that it has: a client comes back and, with ids, says which it had last.
    End,
}

/// One subscriber's part: a stream of the events that are sent from here on. Dropping it ends it.
pub struct Subscription {
    shared: Rc<Shared>,
    key: usize,
}

#[derive(Default)]
struct Shared {
    queues: RefCell<Slab<Queue>>,
    /// The channel is gone.
    closed: Cell<bool>,
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    waker: Option<Waker>,
    lost: u64,
    /// No more will come.
    ended: bool,
}

impl Channel {
    /// A channel whose subscribers may each be `capacity` events behind, at least one. An event is held once, however many have it to take.
    pub fn new(capacity: usize, overflow: Overflow) -> Channel {
        Channel {
            shared: Rc::default(),
            capacity: NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN),
            overflow,
            wakers: Cell::default(),
        }
    }

    /// Subscribes: to events that are sent afterwards.
    pub fn subscribe(&self) -> Subscription {
        Subscription {
            shared: Rc::clone(&self.shared),
            key: self.shared.queues.borrow_mut().insert(Queue::default()),
        }
    }

    /// Sends an event to all subscribers, at once and without waiting for any. Returns how many will get it.
    pub fn send(&self, event: &Event) -> usize {
        let mut wakers = self.wakers.take();
        let mut reached = 0;
        for (_, queue) in self.shared.queues.borrow_mut().iter_mut() {
            reached += usize::from(queue.push(event, self.capacity, self.overflow));
            wakers.extend(queue.waker.take());
        }
        // When nothing is borrowed any more: who is woken may subscribe, or go.
        wakers.drain(..).for_each(Waker::wake);
        self.wakers.set(wakers);
        reached
    }

    /// How many have subscribed.
    pub fn subscribers(&self) -> usize {
        self.shared.queues.borrow().len()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.shared.closed.set(true);
        let queues = &self.shared.queues;
        let wakers: Vec<Waker> = queues
            .borrow_mut()
            .iter_mut()
            .filter_map(|(_, queue)| queue.waker.take())
            .collect();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Queue {
    /// Whether it takes the event.
    fn push(&mut self, event: &Event, capacity: NonZeroUsize, overflow: Overflow) -> bool {
        if self.ended {
            return false;
        }
        if self.events.len() >= capacity.get() {
            match overflow {
                Overflow::DropOldest => {
                    self.events.pop_front();
                    self.lost += 1;
                }
                Overflow::End => {
                    self.ended = true;
                    return false;
                }
            }
        }
        self.events.push_back(event.clone());
        true
    }
}

impl Subscription {
    /// How many events it has lost because it was too slow.
    pub fn lost(&self) -> u64 {
        self.shared.queues.borrow().get(self.key).map_or(0, |queue| queue.lost)
    }
}

impl Stream for Subscription {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        let mut queues = self.shared.queues.borrow_mut();
        let Some(queue) = queues.get_mut(self.key) else {
            return Poll::Ready(None);
        };
        match queue.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if queue.ended || self.shared.closed.get() => Poll::Ready(None),
            None => {
                queue.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let queue = self.shared.queues.borrow_mut().try_remove(self.key);
        drop(queue); // Apart, since it may hold the last part of whatever a waker belongs to.
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Channel({} subscribers)", self.subscribers())
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Subscription({} lost)", self.lost())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(subscription: &mut Subscription) -> Poll<Option<String>> {
        let mut context = Context::from_waker(Waker::noop());
        let event = Pin::new(subscription).poll_next(&mut context);
        event.map(|event| event.map(|event| String::from_utf8_lossy(event.as_bytes()).trim().to_owned()))
    }

    fn ready(number: u32) -> Poll<Option<String>> {
        Poll::Ready(Some(format!("data: {number}")))
    }

    fn event(number: u32) -> Event {
        Event::data(number.to_string())
    }

    #[test]
    fn all_subscribers_get_what_is_sent_afterwards() {
        let channel = Channel::new(4, Overflow::End);
        assert_eq!(channel.send(&event(0)), 0);
        let mut first = channel.subscribe();
        assert_eq!(channel.send(&event(1)), 1);
        let mut second = channel.subscribe();
        assert_eq!(channel.send(&event(2)), 2);
        assert_eq!(
            (next(&mut first), next(&mut first), next(&mut first)),
            (ready(1), ready(2), Poll::Pending)
        );
        assert_eq!((next(&mut second), next(&mut second)), (ready(2), Poll::Pending));
        drop(first);
        assert_eq!((channel.subscribers(), channel.send(&event(3))), (1, 1));
        drop(channel);
        assert_eq!((next(&mut second), next(&mut second)), (ready(3), Poll::Ready(None)));
    }

    #[test]
    fn a_slow_subscriber_loses_the_oldest() {
        let channel = Channel::new(2, Overflow::DropOldest);
        let mut slow = channel.subscribe();
        for number in 0..5 {
            assert_eq!(channel.send(&event(number)), 1);
        }
        assert_eq!(slow.lost(), 3);
        assert_eq!(
            (next(&mut slow), next(&mut slow), next(&mut slow)),
            (ready(3), ready(4), Poll::Pending)
        );
    }

    #[test]
    fn a_slow_subscriber_ends() {
        let channel = Channel::new(2, Overflow::End);
        let (mut slow, mut quick) = (channel.subscribe(), channel.subscribe());
        for number in 0..3 {
            channel.send(&event(number));
            assert_eq!(next(&mut quick), ready(number));
        }
        assert_eq!(
            (next(&mut slow), next(&mut slow), next(&mut slow)),
            (ready(0), ready(1), Poll::Ready(None))
        );
        assert_eq!(channel.send(&event(3)), 1, "it gets no more");
    }

    #[test]
    fn a_channel_without_room_has_room_for_one() {
        let channel = Channel::new(0, Overflow::DropOldest);
        let mut subscriber = channel.subscribe();
        channel.send(&event(0));
        channel.send(&event(1));
        assert_eq!(
            (next(&mut subscriber), next(&mut subscriber)),
            (ready(1), Poll::Pending)
        );
    }

    thread_local! {
        /// What `Restless` has subscribed to, and its subscription.
        static HELD: RefCell<Option<(Rc<Channel>, Subscription)>> = const { RefCell::new(None) };
    }

    /// Subscribes anew where it is woken, and drops its subscription.
    struct Restless;

    impl std::task::Wake for Restless {
        fn wake(self: std::sync::Arc<Self>) {
            HELD.with_borrow_mut(|held| {
                let (channel, subscription) = held.take().expect("it is set before");
                let anew = channel.subscribe();
                drop(subscription);
                *held = Some((channel, anew));
            });
        }
    }

    #[test]
    fn who_is_woken_may_come_and_go() {
        let channel = Rc::new(Channel::new(1, Overflow::End));
        let mut waiting = channel.subscribe();
        HELD.set(Some((Rc::clone(&channel), channel.subscribe())));
        let waker = Waker::from(std::sync::Arc::new(Restless));
        let pending = Pin::new(&mut waiting).poll_next(&mut Context::from_waker(&waker));
        assert!(pending.is_pending());
        assert_eq!(channel.send(&event(0)), 2);
        assert_eq!(channel.subscribers(), 2);
        assert_eq!(next(&mut waiting), ready(0));
        let (_, mut anew) = HELD.take().expect("it is there again");
        assert_eq!(next(&mut anew), Poll::Pending);
    }
}
