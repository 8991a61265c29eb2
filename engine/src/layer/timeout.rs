//! A bound on the time that a handler may take.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use glommio::timer::Timer;
use http::StatusCode;

use super::{Layer, Next};
use crate::error::Error;
use crate::request::Request;
use crate::response::{IntoResponse, Response};

/// Answers 504 where what is within has not answered in time (RFC 9110 §15.6.5), and drops its future.
///
/// It bounds the time from the request's head to the response, reading the request's body included. It does not bound what
/// comes after: a streamed body, an upgraded connection, and sending itself (that is `write_timeout`). Time that a handler
/// spends without awaiting anything holds the core, and no timer can end it.
///
/// A handler that answers on its first poll costs nothing: the timer, which is allocated, is made when that has not
/// happened.
///
/// ```no_run
/// use std::time::Duration;
/// use glommio::timer::Timer;
/// use ringlane::layer::{Timeout, layered};
/// use ringlane::{Request, Server};
///
/// Server::bind("127.0.0.1:8080").serve(|_core| {
///     let slow = async |_: Request| {
///         Timer::new(Duration::from_secs(60)).await;
///         "nobody waits for this"
///     };
///     layered(slow).layer(Timeout::new(Duration::from_secs(10)))
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timeout {
    limit: Duration,
}

impl Timeout {
    /// Bounds the time until the response; it is kept to the millisecond or so.
    pub fn new(limit: Duration) -> Timeout {
        Timeout { limit }
    }
}

impl Layer for Timeout {
    async fn call(&self, request: Request, next: &Next) -> Response {
        let mut call = pin!(next.run(request));
        let mut timer = None;
        poll_fn(|context| {
            if let Poll::Ready(response) = call.as_mut().poll(context) {
                return Poll::Ready(response);
            }
            let timer = timer.get_or_insert_with(|| Timer::new(self.limit));
            Pin::new(timer).poll(context).map(|_| timed_out())
        })
        .await
    }

    fn check(&self) -> Result<(), Error> {
        if self.limit.is_zero() {
            return Err(Error::Service {
                problem: "a Timeout of zero lets no handler wait for anything: give it a longer one".to_owned(),
            });
        }
        Ok(())
    }
}

fn timed_out() -> Response {
    let reason = "the server did not make the response in time\n";
    (StatusCode::GATEWAY_TIMEOUT, reason).into_response()
}
