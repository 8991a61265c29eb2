//! Calling a service: the first poll in place, in memory that is used again; only what stays pending is given away.

use std::future::Future;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::event::Event;
use crate::request::Request;
use crate::response::Response;
use crate::service::Service;
use crate::task::Contained;

/// A core's service behind one object, so that everything else is compiled once, whatever the service.
pub(crate) trait Handler {
    /// The service's word on the size of this request's body.
    fn body_bytes_max(&self, request: &Request) -> Option<u64>;

    /// Calls the service and polls it once. A response that is there at once is put into `response`, which saves it from being
    /// moved through what is in between.
    fn start(&mut self, request: Request, response: &mut Option<Response>) -> Started;

    /// Tells the service of an event, and contains its panics.
    fn handle_event(&self, event: &Event<'_>);
}

/// A call after its first poll.
pub(crate) enum Started {
    Ended,
    Panicked,
    Pending(Pin<Box<dyn Future<Output = Response>>>),
}

/// How a call ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    Response(Response),
    Panicked,
}

/// Makes the handler of a service. `make` only names the call's future type, which no type can spell.
pub(crate) fn handler<S: Service>(service: S) -> Box<dyn Handler> {
    let make = |service: Rc<S>, request| async move { service.call(request).await };
    Box::new(ServiceHandler {
        service: Rc::new(service),
        make,
        place: Place(None),
    })
}

struct ServiceHandler<S, M, F> {
    service: Rc<S>,
    make: M,
    place: Place<F>,
}

impl<S, M, F> Handler for ServiceHandler<S, M, F>
where
    S: Service,
    M: Fn(Rc<S>, Request) -> F,
    F: Future<Output = Response> + 'static,
{
    fn body_bytes_max(&self, request: &Request) -> Option<u64> {
        self.service.body_bytes_max(request)
    }

    fn start(&mut self, request: Request, response: &mut Option<Response>) -> Started {
        let (make, service) = (&self.make, &self.service);
        match self.place.poll(|| make(Rc::clone(service), request), response) {
            Polled::Ready => Started::Ended,
            Polled::Pending(call) => Started::Pending(call),
            Polled::Panicked => Started::Panicked,
        }
    }

    fn handle_event(&self, event: &Event<'_>) {
        // The panic's message has been printed, and nothing depends on what the service makes of it.
        let _ = catch_unwind(AssertUnwindSafe(|| self.service.handle_event(event)));
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

impl<F: Future> Place<F> {
    /// Polls a future once, and drops it where that was all. It is made where it is polled: moving it there would copy all the
    /// room that it has for its later states.
    #[inline(always)]
    fn poll(&mut self, make: impl FnOnce() -> F, output: &mut Option<F::Output>) -> Polled<F> {
        let mut place = self.0.take().unwrap_or_else(Box::new_uninit);
        debug_assert!(output.is_none());
        place.write(make());
        let is_ready = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the future was written just above. It is boxed and is not moved from here on until it is dropped in
            // place, here or below, or the box is given away as a pinned one.
            let future = unsafe { Pin::new_unchecked(place.assume_init_mut()) };
            let Poll::Ready(ready) = future.poll(&mut Context::from_waker(Waker::noop())) else {
                return false;
            };
            // There is nothing to be dropped, which an assignment would look for with the output in its hands.
            std::mem::forget(output.replace(ready));
            // SAFETY: the future is initialised, is dropped here once, and is not used again: the memory is kept as
            // uninitialised. Where its drop panics, it counts as dropped all the same; then there is an output.
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
                if output.take().is_none() {
                    // SAFETY: without an output the poll has panicked: the future is initialised and not yet dropped, and is
                    // not used again.
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
pub(crate) async fn finish(call: Pin<Box<dyn Future<Output = Response>>>) -> Outcome {
    Contained::new(call).await.map_or(Outcome::Panicked, Outcome::Response)
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

    async fn call(drops: &Cell<u32>, pending: bool, panics: bool, drop_panics: bool) -> usize {
        let held = Dropped(drops, drop_panics);
        if pending {
            std::future::pending::<()>().await;
        }
        assert!(!panics, "expected by the test");
        (&raw const held).addr()
    }

    #[test]
    fn ready_calls_share_one_place_and_pending_ones_take_theirs_along() {
        let drops = Cell::new(0);
        let mut place = Place(None);
        let mut poll = |pending, panics, drop_panics| {
            let mut output = None;
            let polled = place.poll(|| call(&drops, pending, panics, drop_panics), &mut output);
            (polled, output)
        };
        let (Polled::Ready, Some(first)) = poll(false, false, false) else {
            panic!("not ready")
        };
        let (Polled::Ready, Some(second)) = poll(false, false, false) else {
            panic!("not ready")
        };
        assert_eq!((first, drops.get()), (second, 2));
        let (Polled::Pending(taken), None) = poll(true, false, false) else {
            panic!("not pending")
        };
        let (Polled::Ready, Some(third)) = poll(false, false, false) else {
            panic!("not ready")
        };
        assert_ne!(first, third);
        assert_eq!(drops.get(), 3);
        drop(taken);
        assert_eq!(drops.get(), 4);
        assert!(matches!(poll(false, true, false), (Polled::Panicked, None)));
        assert_eq!(drops.get(), 5);
        assert!(matches!(poll(false, false, true), (Polled::Panicked, None)));
        assert_eq!(drops.get(), 6);
        let (Polled::Ready, Some(fourth)) = poll(false, false, false) else {
            panic!("not ready")
        };
        assert_eq!(third, fourth);
    }
}
