//! Errors of any type as a handler's result: the engine's own with their status, all others as 500.

use std::any::Any;
use std::error::Error;
use std::fmt;

use http::StatusCode;

use crate::body::BodyError;
use crate::response::{IntoResponse, Response};

/// What a handler returns where it does not answer as asked; `?` makes it of any error.
///
/// An error that this crate made of what the client has sent (a parameter, a query, a form, JSON, a broken body) becomes
/// the response that it is by itself: 4xx, or 500 for a parameter whose name the route does not have. So does one of the
/// bridge to Tokio: 503, or 500 where the work panicked. Every other error is the server's: the client gets 500 and not a
/// word of it, and the response keeps it for layers ([`Response::error`]), which may write it to a log. Anything else
/// becomes a rejection by [`Reject::new`].
///
/// ```no_run
/// use ringlane::{Reject, Request, Response, Server, StatusCode};
///
/// async fn show(request: Request) -> Result<Response, Reject> {
///     if request.header("authorization").is_none() {
///         return Err(Reject::new((StatusCode::FORBIDDEN, "who are you?\n")));
///     }
///     let whole = request.body().bytes(1 << 20).await?; // 413 and the like.
///     let motd = std::fs::read_to_string("/etc/motd")?; // 500, and the response keeps the io::Error.
///     Ok(Response::text(format!("{} bytes; {motd}", whole.len())).header("X-Read", "both")?)
/// }
///
/// Server::bind("127.0.0.1:8080").serve(|_core| show)?;
/// # Ok::<(), ringlane::Error>(())
/// ```
///
/// It is no [`Error`] itself, since it is made of all of those. For errors with statuses of your own, return an enum that
/// is [`IntoResponse`], or turn them by `.map_err(Reject::new)`.
pub struct Reject(Response);

impl Reject {
    /// Rejects with a response: a status, a status with a text, an error that is [`IntoResponse`].
    pub fn new(answer: impl IntoResponse) -> Reject {
        Reject(answer.into_response())
    }

    /// Rejects with 500 for what `?` does not take: a `Box<dyn Error>`, the like of it, or a text. The client does not
    /// see it.
    ///
    /// ```
    /// use ringlane::{IntoResponse, Reject};
    ///
    /// let response = Reject::internal("the stock is out of order").into_response();
    /// assert_eq!((response.status().as_u16(), response.body()), (500, Some(&b""[..])));
    /// assert_eq!(response.error().unwrap().to_string(), "the stock is out of order");
    /// ```
    pub fn internal(error: impl Into<Box<dyn Error>>) -> Reject {
        Reject(failed(error))
    }

    /// The response that it will be.
    pub fn response(&self) -> &Response {
        &self.0
    }
}

impl<E: Error + 'static> From<E> for Reject {
    fn from(error: E) -> Reject {
        let mut error = Some(error);
        let own = OWN.iter().find_map(|answer| answer(&mut error));
        let response = own.or_else(|| error.map(|error| failed(error)));
        Reject(response.unwrap_or_else(|| Response::new(StatusCode::INTERNAL_SERVER_ERROR)))
    }
}

impl From<Response> for Reject {
    fn from(response: Response) -> Reject {
        Reject(response)
    }
}

impl IntoResponse for Reject {
    fn into_response(self) -> Response {
        self.0
    }
}

impl fmt::Debug for Reject {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.error() {
            Some(error) => write!(out, "Reject({}, {error:?})", self.0.status()),
            None => write!(out, "Reject({})", self.0.status()),
        }
    }
}

/// `None` is 404, for what was looked up and not found.
impl<R: IntoResponse> IntoResponse for Option<R> {
    fn into_response(self) -> Response {
        match self {
            Some(response) => response.into_response(),
            None => Response::new(StatusCode::NOT_FOUND),
        }
    }
}

/// 500 that keeps its error.
pub(crate) fn failed(error: impl Into<Box<dyn Error>>) -> Response {
    Response::new(StatusCode::INTERNAL_SERVER_ERROR).with_error(error)
}

/// Makes the response of an error, `Option<E>`, where it is of a certain type.
type Answer = fn(&mut dyn Any) -> Option<Response>;

/// For the errors that tell what is wrong with a request.
const OWN: &[Answer] = &[
    answer::<BodyError>,
    #[cfg(feature = "bridge")]
    answer::<crate::bridge::BridgeError>,
    #[cfg(any(feature = "form", feature = "json"))]
    answer::<crate::extract::ContentError>,
    #[cfg(feature = "form")]
    answer::<crate::extract::QueryError>,
    #[cfg(feature = "router")]
    answer::<crate::router::ParamError>,
];

fn answer<E: IntoResponse + 'static>(error: &mut dyn Any) -> Option<Response> {
    let error = error.downcast_mut::<Option<E>>()?;
    error.take().map(E::into_response)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::FieldError;

    fn rejected<E>(error: E) -> Response
    where
        Reject: From<E>,
    {
        Reject::from(error).into_response()
    }

    #[test]
    fn the_engines_errors_keep_their_status() {
        let response = rejected(BodyError::TooLarge);
        assert_eq!(response.status(), 413);
        assert!(response.error().is_none());
        assert_eq!(rejected(BodyError::TimedOut).status(), 408);
        assert_eq!(rejected(StatusCode::CONFLICT.into_response()).status(), 409);
        assert_eq!(Reject::new((StatusCode::GONE, "gone")).response().status(), 410);
    }

    #[test]
    fn other_errors_are_kept_and_not_told() {
        let response = rejected(io::Error::other("the password is 1234"));
        assert_eq!((response.status().as_u16(), response.body()), (500, Some(&b""[..])));
        let error = response.error().expect("it is kept");
        assert_eq!(
            error.downcast_ref::<io::Error>().unwrap().to_string(),
            "the password is 1234"
        );
        assert_eq!(
            rejected(FieldError::Reserved).error().unwrap().to_string(),
            FieldError::Reserved.to_string()
        );
        // A body of a layer's own does not lose it.
        assert!(response.with_body("sorry").error().is_some());
    }

    #[test]
    fn nothing_is_not_found() {
        assert_eq!(None::<&str>.into_response().status(), 404);
        assert_eq!(Some("here").into_response().status(), 200);
    }

    #[test]
    fn it_says_what_it_is() {
        assert_eq!(format!("{:?}", Reject::new(StatusCode::GONE)), "Reject(410 Gone)");
        let debug = format!("{:?}", Reject::internal("why"));
        assert_eq!(debug, "Reject(500 Internal Server Error, \"why\")");
    }
}
