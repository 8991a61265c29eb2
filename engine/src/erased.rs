//! Services of any type behind one: what routers and layers are made of.
//!
//! A call is polled for the first time in memory that its service uses again and again, so that a call that answers at once
//! allocates nothing, however many services it goes through. Only a call that has to wait is given away, with its memory.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::error::Error;
use crate::event::Event;
use crate::request::Request;
use crate::response::Response;
use crate::service::Service;

/// A service whose type is forgotten. Clones are the same service.
#[derive(Clone)]
pub(crate) struct AnyService(Rc<dyn Erased>);

trait Erased {
    /// Calls the service and polls it once. What is pending then is returned.
    fn start(&self, request: Request, context: &mut Context<'_>, response: &mut Option<Response>) -> Option<Call>;

    fn body_bytes_max(&self, request: &Request) -> Option<u64>;

    fn check(&self) -> Result<(), Error>;

    fn handle_event(&self, event: &Event<'_>);
}

type Call = Pin<Box<dyn Future<Output = Response>>>;

impl AnyService {
    pub(crate) fn new<S: Service>(service: S) -> AnyService {
        let make = |service: Rc<S>, request| async move { service.call(request).await };
        AnyService(Rc::new(ErasedService {
            service: Rc::new(service),
            make,
            place: Place::default(),
        }))
    }
}

impl Service for AnyService {
    async fn call(&self, request: Request) -> Response {
        let mut request = Some(request);
        let mut pending: Option<Call> = None;
        poll_fn(|context| {
            if let Some(call) = &mut pending {
                return call.as_mut().poll(context);
            }
            let mut response = None;
            if let Some(request) = request.take() {
                pending = self.0.start(request, context, &mut response);
            }
            match response {
                Some(response) => Poll::Ready(response),
                None => Poll::Pending,
            }
        })
        .await
    }

    fn body_bytes_max(&self, request: &Request) -> Option<u64> {
        self.0.body_bytes_max(request)
    }

    fn check(&self) -> Result<(), Error> {
        self.0.check()
    }

    fn handle_event(&self, event: &Event<'_>) {
        self.0.handle_event(event);
    }
}

/// `make` only names the call's future type, which no type can spell.
struct ErasedService<S, M, F> {
    service: Rc<S>,
    make: M,
    place: Place<F>,
}

impl<S, M, F> Erased for ErasedService<S, M, F>
where
    S: Service,
    M: Fn(Rc<S>, Request) -> F,
    F: Future<Output = Response> + 'static,
{
    fn start(&self, request: Request, context: &mut Context<'_>, response: &mut Option<Response>) -> Option<Call> {
        let make = || (self.make)(Rc::clone(&self.service), request);
        let call = self.place.poll(make, context, response)?;
        Some(call)
    }

    fn body_bytes_max(&self, request: &Request) -> Option<u64> {
        self.service.body_bytes_max(request)
    }

    fn check(&self) -> Result<(), Error> {
        self.service.check()
    }

    fn handle_event(&self, event: &Event<'_>) {
        self.service.handle_event(event);
    }
}

/// Memory in which futures of one type get their first poll, one after the other; uninitialised between them.
struct Place<F>(Cell<Option<Box<MaybeUninit<F>>>>);

impl<F> Default for Place<F> {
    fn default() -> Place<F> {
        Place(Cell::new(None))
    }
}

impl<F: Future> Place<F> {
    /// Polls a future once. One that is ready leaves its output and is dropped; one that is pending is returned, with the
    /// memory. A service that calls itself meanwhile finds no memory here, and takes its own.
    fn poll(
        &self,
        make: impl FnOnce() -> F,
        context: &mut Context<'_>,
        output: &mut Option<F::Output>,
    ) -> Option<Pin<Box<F>>> {
        let mut place = self.0.take().unwrap_or_else(Box::new_uninit);
        place.write(make());
        // From here on the future is dropped where it lies, also where its poll panics.
        let mut made = Made(Some(place));
        match made.as_mut().poll(context) {
            Poll::Pending => made.give_away(),
            Poll::Ready(ready) => {
                *output = Some(ready);
                self.0.set(made.end());
                None
            }
        }
    }
}

/// A future that has been written into its place, and is pinned there; `None` once it has been given away or has ended.
struct Made<F>(Option<Box<MaybeUninit<F>>>);

impl<F> Made<F> {
    fn as_mut(&mut self) -> Pin<&mut F> {
        let place = self.0.as_mut().expect("it is polled before it is given away");
        // SAFETY: a `Made` is made of initialised memory alone. The future is boxed, and is not moved until it is dropped in
        // place, or the box is given away as a pinned one.
        unsafe { Pin::new_unchecked(place.assume_init_mut()) }
    }

    fn give_away(mut self) -> Option<Pin<Box<F>>> {
        // SAFETY: the memory is initialised, and with the box taken nothing here drops the future.
        self.0.take().map(|place| Box::into_pin(unsafe { place.assume_init() }))
    }

    /// Drops the future and returns its memory.
    fn end(mut self) -> Option<Box<MaybeUninit<F>>> {
        let mut place = self.0.take()?;
        // SAFETY: the memory is initialised; with the box taken the future is dropped here once, and where its drop panics,
        // not again.
        unsafe { place.assume_init_drop() };
        Some(place)
    }
}

impl<F> Drop for Made<F> {
    fn drop(&mut self) {
        if let Some(place) = &mut self.0 {
            // SAFETY: the memory is initialised, and the future has been neither given away nor dropped.
            unsafe { place.assume_init_drop() };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    struct Counted<'a>(&'a Cell<u32>);

    impl Drop for Counted<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    async fn call(drops: &Cell<u32>, pending: bool, panics: bool) -> usize {
        let held = Counted(drops);
        if pending {
            std::future::pending::<()>().await;
        }
        assert!(!panics, "expected by the test");
        (&raw const held).addr()
    }

    #[test]
    fn ready_calls_share_one_place_pending_ones_take_it_along_and_all_are_dropped_once() {
        let drops = Cell::new(0);
        let place = Place::default();
        let poll = |pending, panics| {
            let mut output = None;
            let mut context = Context::from_waker(Waker::noop());
            let call = place.poll(|| call(&drops, pending, panics), &mut context, &mut output);
            (call, output)
        };
        let (None, Some(first)) = poll(false, false) else {
            panic!("not ready")
        };
        let (None, Some(second)) = poll(false, false) else {
            panic!("not ready")
        };
        assert_eq!((first, drops.get()), (second, 2));
        let (Some(taken), None) = poll(true, false) else {
            panic!("not pending")
        };
        assert!(poll(false, false).1.is_some_and(|third| third != first));
        assert_eq!(drops.get(), 3);
        drop(taken);
        assert_eq!(drops.get(), 4);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(false, true)));
        assert!(panicked.is_err());
        assert_eq!(drops.get(), 5);
        assert!(poll(false, false).1.is_some());
        assert_eq!(drops.get(), 6);
    }
}
