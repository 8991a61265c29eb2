//! A name for each request, to find it again in logs and in reports of users.

use std::cell::Cell;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::rc::Rc;

use super::{Layer, Next};
use crate::request::Request;
use crate::response::Response;

/// The longest id that is taken over from a request, in bytes.
const ID_BYTES_MAX: usize = 128;

/// The id of a request, found by handlers as `request.value::<RequestId>()`. Clones share their text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Rc<str>);

impl RequestId {
    /// The id: 1 to 128 characters of a token (RFC 9110 §5.6.2).
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Gives each request a [`RequestId`], and tells it in the response's `X-Request-Id`.
///
/// Ids are unique within a run of the server and very likely beyond: 64 random bits of the core and a count, such as
/// `9f1c2a9b3d4e5f60-1a`. They are no secrets, and their order shows. A request costs some small allocations: the value's,
/// the text's and the field's.
///
/// ```no_run
/// use ringlane::layer::{RequestId, SetRequestId, layered};
/// use ringlane::{Request, Server};
///
/// Server::bind("127.0.0.1:8080").serve(|_core| {
///     let show = async |request: Request| match request.value::<RequestId>() {
///         Some(id) => format!("this is request {}\n", id.as_str()),
///         None => "this request has no id\n".to_owned(),
///     };
///     layered(show).layer(SetRequestId::new())
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
#[derive(Debug)]
pub struct SetRequestId {
    takes_over: bool,
    seed: u64,
    count: Cell<u64>,
}

impl SetRequestId {
    /// Gives every request an id of its own.
    pub fn new() -> SetRequestId {
        SetRequestId {
            takes_over: false,
            seed: RandomState::new().build_hasher().finish(),
            count: Cell::new(0),
        }
    }

    /// Takes over the id that a request brings in `X-Request-Id`: behind a proxy that sets it. One that is longer than 128
    /// bytes, is no token (RFC 9110 §5.6.2) or is there twice is ignored, and a new one made.
    ///
    /// Without such a proxy clients choose the ids, and may choose one twice.
    #[must_use]
    pub fn take_over(mut self) -> SetRequestId {
        self.takes_over = true;
        self
    }

    fn id(&self, request: &Request) -> RequestId {
        if self.takes_over
            && let Some(id) = incoming(request)
        {
            return RequestId(id.into());
        }
        self.count.set(self.count.get() + 1);
        RequestId(format!("{:016x}-{:x}", self.seed, self.count.get()).into())
    }
}

impl Default for SetRequestId {
    fn default() -> SetRequestId {
        SetRequestId::new()
    }
}

impl Layer for SetRequestId {
    async fn call(&self, mut request: Request, next: &Next) -> Response {
        let id = self.id(&request);
        request.set_value(id.clone());
        let mut response = next.run(request).await;
        let set = response.set_header("X-Request-Id", id.as_str());
        debug_assert!(set.is_ok(), "a token is a valid value");
        response
    }
}

/// The id that a request brings, if it is a valid one.
fn incoming(request: &Request) -> Option<&str> {
    let mut values = request
        .headers()
        .filter(|(name, _)| name.eq_ignore_ascii_case("x-request-id"))
        .map(|(_, value)| value);
    let value = values.next().filter(|value| is_id(value))?;
    if values.next().is_some() {
        return None;
    }
    std::str::from_utf8(value).ok()
}

fn is_id(value: &[u8]) -> bool {
    let is_token_byte = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    (1..=ID_BYTES_MAX).contains(&value.len()) && value.iter().all(is_token_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_tokens_of_bounded_length() {
        let longest = [b'a'; ID_BYTES_MAX];
        let ids: [&[u8]; 4] = [b"7", b"0af7651916cd43dd8448eb211c80319c", b"a.b-c_d~!", &longest];
        for id in ids {
            assert!(is_id(id), "{}", id.escape_ascii());
        }
        let too_long = [b'a'; ID_BYTES_MAX + 1];
        let others: [&[u8]; 7] = [b"", b"a b", b"a,b", b"a\"b", b"\xc3\xa9", b"a=b", &too_long];
        for other in others {
            assert!(!is_id(other), "{}", other.escape_ascii());
        }
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(SetRequestId::new().seed, SetRequestId::new().seed);
    }
}
