//! HTTP/1.1 (RFC 9110, RFC 9112) as strict pure functions: bytes in, decisions out.
//!
//! Nothing here reads a socket or a clock, and nothing on a request's path allocates. Where the RFC leaves a server the
//! choice between repairing a message and refusing it, this crate refuses: leniency is what request smuggling is made of.
//!
//! | module | subject |
//! |---|---|
//! | [`head`] | request line and fields, and what they mean for framing and persistence |
//! | [`body`] | the incremental decoder of `Content-Length` and chunked bodies |
//! | [`response`] | the encoder of response heads and chunk frames, and validated field lines |
//! | [`date`] | the cached `Date` value |
//!
//! Results never depend on how the network cut the bytes: every prefix of a message yields either "more needed" or
//! exactly what the whole message yields.
//!
//! ```
//! use ringlane_protocol::{Limits, body::Decoder, head};
//!
//! let input = b"POST /upload?to=disk HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello";
//! let head = head::parse(input, &Limits::default())?.expect("the head is complete");
//! assert_eq!(head.path(input), "/upload");
//!
//! let body = &input[head.len()..];
//! let step = Decoder::new(head.framing(), 1024)?.decode(body)?;
//! assert_eq!(&body[step.data], b"hello");
//! assert!(step.done);
//! # Ok::<(), ringlane_protocol::Error>(())
//! ```

#![forbid(unsafe_code)]

pub mod body;
pub mod date;
mod error;
#[doc(hidden)]
pub mod fuzz;
pub mod head;
mod limits;
pub mod response;
mod token;
mod word;

pub use error::Error;
pub use limits::Limits;
