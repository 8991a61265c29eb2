//! Calling a service: the first poll in place, in memory that is used again; only what stays pending is given away.

use std::cell::RefCell;
use std::future::Future;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use crate::event::Event;
use crate::request::Request;
use crate::response::Response;
use crate::service::Service;
use crate::task::{Contained, Panicked};

/// A core's service behind one object, so that everything else is compiled once, whatever the service.
pub(crate) trait Handler {
    /// The service's word on the size of this request's body.
    fn body_bytes_max(&self, request: &Request) -> Result<Option<u64>, Panicked>;

    /// Calls the service and polls it once. A response that is there at once lies in [`Handler::answer`].
    fn start(&mut self, request: Request) -> Started;

    /// Where the service's calls leave their responses.
    fn answer(&self) -> &Answer;

    /// Tells the service of an event, and contains its panics.
    fn handle_event(&self, event: &Event<'_>);
}

/// Where the calls of a core leave their responses: one place for all of them, as each response is used before the next call
/// is polled. It is written by the call and used where it lies, since copying what has just been written in smaller pieces
/// stalls the processor.
#[derive(Clone, Default)]
pub(crate) struct Answer(Rc<RefCell<Option<Response>>>);

impl Answer {
    #[inline(always)]
    fn put(&self, response: Response) {
        // Nothing is dropped here, neither a response that is in the way nor, where the place is in use, this one: there is no
        // such case, and looking for it would have the response in memory before it gets to its place.
        match self.0.try_borrow_mut() {
            Ok(mut place) => {
                debug_assert!(place.is_none(), "a response is used before the next one is there");
                std::mem::forget(place.replace(response));
            }
            Err(_) => {
                debug_assert!(false, "no call is polled while a response is used");
                std::mem::forget(response);
            }
        }
    }

    /// Uses the response that a call has left, and lets go of it.
    #[inline(always)]
    pub(crate) fn consume(&self, consume: impl FnOnce(&mut Response)) {
        let mut place = self.0.borrow_mut();
        if let Some(response) = &mut *place {
            consume(response);
        }
        match &*place {
            Some(response) if response.owns_nothing() => std::mem::forget(place.take()),
            _ => clear(&mut place),
        }
    }

    fn take(&self) -> Option<Response> {
        self.0.borrow_mut().take()
    }
}

/// Drops a response where it lies. A panic in that ends nothing else.
#[inline(never)]
fn clear(place: &mut Option<Response>) {
    let _ = catch_unwind(AssertUnwindSafe(|| *place = None));
}

/// A call after its first poll.
pub(crate) enum Started {
    /// Its response lies in the [`Answer`].
    Ready,
    Panicked,
    Pending(Call),
}

/// A call that leaves its response in the [`Answer`].
pub(crate) type Call = Pin<Box<dyn Future<Output = ()>>>;

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Response(Response),
    Panicked,
}

/// Makes the handler of a service. `make` only names the call's future type, which no type can spell.
pub(crate) fn handler<S: Service>(service: S) -> Box<dyn Handler> {
    let make = |served: Rc<Served<S>>, request| async move { served.answer.put(served.service.call(request).await) };
    Box::new(ServiceHandler {
        served: Rc::new(Served {
            service,
            answer: Answer::default(),
        }),
        make,
        place: Place(None),
    })
}

/// A service, and where its calls leave their responses.
struct Served<S> {
    service: S,
    answer: Answer,
}

struct ServiceHandler<S, M, F> {
    served: Rc<Served<S>>,
    make: M,
    place: Place<F>,
}

impl<S, M, F> Handler for ServiceHandler<S, M, F>
where
    S: Service,
    M: Fn(Rc<Served<S>>, Request) -> F,
    F: Future<Output = ()> + 'static,
{
    fn body_bytes_max(&self, request: &Request) -> Result<Option<u64>, Panicked> {
        catch_unwind(AssertUnwindSafe(|| self.served.service.body_bytes_max(request))).map_err(|_| Panicked)
    }

    fn start(&mut self, request: Request) -> Started {
        let (make, served) = (&self.make, &self.served);
        match self.place.poll(|| make(Rc::clone(served), request)) {
            Polled::Ready => Started::Ready,
            Polled::Pending(call) => Started::Pending(call),
            Polled::Panicked => {
                // Where the call ended and its drop panicked, there is a response all the same.
                drop(self.served.answer.take());
                Started::Panicked
            }
        }
    }

    fn answer(&self) -> &Answer {
        &self.served.answer
    }

    fn handle_event(&self, event: &Event<'_>) {
        // The panic's message has been printed, and nothing depends on what the service makes of it.
        let _ = catch_unwind(AssertUnwindSafe(|| self.served.service.handle_event(event)));
    }
}

/// Memory in which futures of one type get their first poll, one after the other; uninitialised between them.
struct Place<F>(Option<Box<MaybeUninit<F>>>);

enum Polled<F> {
    Ready,
    /// Given away with its memory; the next future gets a new place.
    Pending(Pin<Box<F>>),
    Panicked,
}

impl<F: Future<Output = ()>> Place<F> {
    /// Polls a future once, and drops it where that was all. It is made where it is polled: moving it there would copy all the
    /// room that it has for its later states.
    #[inline(always)]
    fn poll(&mut self, make: impl FnOnce() -> F) -> Polled<F> {
        let mut place = self.0.take().unwrap_or_else(Box::new_uninit);
        place.write(make());
        let mut is_dropped = false;
        let is_ready = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the future was written just above. It is boxed and is not moved from here on until it is dropped in
            // place, here or below, or the box is given away as a pinned one.
            let future = unsafe { Pin::new_unchecked(place.assume_init_mut()) };
            if future.poll(&mut Context::from_waker(Waker::noop())).is_pending() {
                return false;
            }
            is_dropped = true;
            // SAFETY: the future is initialised, is dropped here once, and is not used again: the memory is kept as
            // uninitialised. Where its drop panics, it counts as dropped all the same.
            unsafe { place.assume_init_drop() };
            true
        }));
        match is_ready {
            Ok(true) => {
                self.0 = Some(place);
                Polled::Ready
            }
            // SAFETY: the future is initialised and, having returned `Pending`, has not been dropped.
            Ok(false) => Polled::Pending(Box::into_pin(unsafe { place.assume_init() })),
            Err(_) => {
                if !is_dropped {
                    // SAFETY: the poll has panicked: the future is initialised and not yet dropped, and is not used again.
                    let dropped = catch_unwind(AssertUnwindSafe(|| unsafe { place.assume_init_drop() }));
                    drop(dropped); // A second panic says nothing new.
                }
                self.0 = Some(place);
                Polled::Panicked
            }
        }
    }
}

/// A pending call to its end.
pub(crate) async fn finish(call: Call, answer: Answer) -> Outcome {
    let ended = Contained::new(call).await;
    match (ended, answer.take()) {
        (Ok(()), Some(response)) => Outcome::Response(response),
        _ => Outcome::Panicked,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Counts its drops, and panics in one of them where it is told to.
    struct Dropped<'a>(&'a Cell<u32>, bool);

    impl Drop for Dropped<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            assert!(!self.1, "expected by the test");
        }
    }

    async fn call(drops: &Cell<u32>, lies_at: &Cell<usize>, pending: bool, panics: bool, drop_panics: bool) {
        let held = Dropped(drops, drop_panics);
        if pending {
            std::future::pending::<()>().await;
        }
        assert!(!panics, "expected by the test");
        lies_at.set((&raw const held).addr());
    }

    #[test]
    fn ready_calls_share_one_place_and_pending_ones_take_theirs_along() {
        let (drops, lies_at) = (Cell::new(0), Cell::new(0));
        let mut place = Place(None);
        let mut poll =
            |pending, panics, drop_panics| place.poll(|| call(&drops, &lies_at, pending, panics, drop_panics));
        assert!(matches!(poll(false, false, false), Polled::Ready));
        let first = lies_at.get();
        assert!(matches!(poll(false, false, false), Polled::Ready));
        assert_eq!((first, drops.get()), (lies_at.get(), 2));
        let Polled::Pending(taken) = poll(true, false, false) else {
            panic!("not pending")
        };
        assert!(matches!(poll(false, false, false), Polled::Ready));
        let third = lies_at.get();
        assert_ne!(first, third);
        assert_eq!(drops.get(), 3);
        drop(taken);
        assert_eq!(drops.get(), 4);
        assert!(matches!(poll(false, true, false), Polled::Panicked));
        assert_eq!(drops.get(), 5);
        assert!(matches!(poll(false, false, true), Polled::Panicked));
        assert_eq!(drops.get(), 6);
        assert!(matches!(poll(false, false, false), Polled::Ready));
        assert_eq!(third, lies_at.get());
    }
}
