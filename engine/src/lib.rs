//! Ringlane: a thread-per-core HTTP/1.1 server engine for Linux.
//!
//! One pinned thread per core, each with its own io_uring, its own listening socket, its own buffers and its own service:
//! nothing on a request's path is shared between cores.
//!
//! ```no_run
//! use ringlane::{Request, Response, Server};
//!
//! fn main() -> Result<(), ringlane::Error> {
//!     Server::bind("0.0.0.0:8080")
//!         .serve(|_core| async |_request: Request| Response::text("Hello, World!"))
//! }
//! ```
//!
//! - [`Server`] starts it, [`Config`] tunes it, [`ServerHandle`] stops it and tells its [`Usage`].
//! - [`Service`] is what answers; an `async` closure over a [`Request`] is one.
//! - [`Response`] is the answer: a whole body, a stream, or an upgrade to a raw byte stream ([`Upgraded`]).
//! - [`Body`] is what a request carries, read chunk by chunk ([`Chunk`]) without copying.
//!
//! A service is made once on each core and lives there alone, so its state needs no lock and its futures need not be
//! `Send`:
//!
//! ```no_run
//! use std::cell::Cell;
//! use ringlane::{Request, Server};
//!
//! Server::bind("127.0.0.1:8080").serve(|core| {
//!     let served = Cell::new(0_u64);
//!     async move |_: Request| {
//!         served.set(served.get() + 1);
//!         format!("request {} of core {}\n", served.get(), core.number())
//!     }
//! })?;
//! # Ok::<(), ringlane::Error>(())
//! ```
//!
//! Handlers run under a glommio executor and may use it: timers, files, tasks, channels between cores.
//!
//! Requirements: Linux 6.1 or later with io_uring allowed, and 512 KiB of lockable memory (`ulimit -l`).

#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod bench;
mod body;
#[cfg(feature = "bridge")]
pub mod bridge;
mod chunk;
mod config;
mod connection;
mod context;
mod control;
mod core;
#[cfg(feature = "router")]
mod erased;
mod error;
#[cfg(any(feature = "cookies", feature = "form", feature = "json"))]
pub mod extract;
#[cfg(feature = "router")]
mod extras;
#[cfg(feature = "files")]
pub mod files;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
#[cfg(all(test, not(fuzzing)))]
mod fuzz;
mod handler;
#[cfg(feature = "router")]
pub mod layer;
mod listener;
#[cfg(feature = "metrics")]
pub mod metrics;
mod pipe;
mod request;
mod response;
mod ring;
#[cfg(feature = "router")]
pub mod router;
mod server;
mod service;
mod shared;
#[cfg(feature = "sse")]
pub mod sse;
mod supply;
mod system;
mod task;
mod timers;
#[cfg(feature = "trace")]
pub mod trace;
mod upgrade;
mod usage;
#[cfg(feature = "websocket")]
pub mod websocket;

pub use bytes::Bytes;
pub use http::{Method, StatusCode, Version};
pub use ringlane_protocol::response::FieldError;

pub use body::{Body, BodyError};
pub use chunk::Chunk;
pub use config::{Config, Cores};
pub use error::Error;
pub use request::Request;
pub use response::{IntoResponse, Response};
pub use server::{Core, Ready, Server, ServerHandle};
pub use service::Service;
pub use upgrade::Upgraded;
pub use usage::Usage;

/// The guide's programs are compiled like those of the documentation.
#[cfg(all(doctest, feature = "full"))]
mod guide {
    #[doc = include_str!("../../docs/routing.md")]
    mod routing {}
    #[doc = include_str!("../../docs/websocket.md")]
    mod websocket {}
}
