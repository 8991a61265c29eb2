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
//! Handlers run under a glommio executor and may use it: timers, files, tasks, channels between cores. A program that does
//! so has to depend on glommio 0.9, as the engine does: the timers, files and tasks of another version look for an executor
//! of that version, find none, and panic.
//!
//! Requirements: Linux 6.1 or later with io_uring allowed, and 512 KiB of lockable memory (`ulimit -l`).
//!
//! # Features
//!
//! Each is off unless asked for; `full` is all of them.
//!
//! | feature | modules, and what they are for |
//! |---|---|
//! | `router` | `router`, `layer`: routes by method and path, functions around services, values of a request's own |
//! | `layers` | in `layer`: timeouts, request ids, access log, CORS, limits, error pages |
//! | `compression` | `layer::Compression`: responses in gzip, br and zstd |
//! | `form`, `json`, `cookies` | `extract`: queries, forms, JSON and cookies as types of one's own |
//! | `sse` | `sse`: server-sent events |
//! | `websocket` | `websocket`: WebSocket connections |
//! | `files` | `files`: directories of files |
//! | `metrics` | `metrics`, `health`: counters and histograms of each core, and whether the server is ready |
//! | `trace` | `trace`: a span for each request, W3C trace context |
//! | `bridge` | `bridge`: work on a Tokio runtime |

#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod bench;
mod body;
#[cfg(feature = "bridge")]
pub mod bridge;
mod chunk;
#[cfg(any(feature = "compression", feature = "files"))]
mod coding;
mod config;
mod connection;
mod context;
mod control;
mod core;
mod counters;
#[cfg(feature = "router")]
mod erased;
mod error;
mod event;
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
#[cfg(feature = "metrics")]
pub mod health;
#[cfg(feature = "router")]
pub mod layer;
mod listener;
#[cfg(feature = "metrics")]
pub mod metrics;
mod pipe;
mod produce;
mod redirect;
mod reject;
mod request;
mod response;
#[cfg(feature = "router")]
mod rewrite;
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
#[cfg(any(feature = "compression", feature = "files"))]
pub use coding::Coding;
pub use config::{Config, Cores};
pub use error::Error;
pub use event::{Event, TimeoutKind};
pub use produce::Sender;
pub use reject::Reject;
pub use request::Request;
pub use response::{IntoResponse, Response};
pub use server::{Core, Ready, Server, ServerHandle};
pub use service::Service;
pub use upgrade::Upgraded;
pub use usage::Usage;

/// The guide's programs are compiled like those of the documentation.
#[cfg(all(doctest, feature = "full"))]
mod guide {
    #[doc = include_str!("../../docs/first-server.md")]
    mod first_server {}
    #[doc = include_str!("../../docs/state.md")]
    mod state {}
    #[doc = include_str!("../../docs/routing.md")]
    mod routing {}
    #[doc = include_str!("../../docs/layers.md")]
    mod layers {}
    #[doc = include_str!("../../docs/extraction.md")]
    mod extraction {}
    #[doc = include_str!("../../docs/errors.md")]
    mod errors {}
    #[doc = include_str!("../../docs/streaming.md")]
    mod streaming {}
    #[doc = include_str!("../../docs/websocket.md")]
    mod websocket {}
    #[doc = include_str!("../../docs/files.md")]
    mod files {}
    #[doc = include_str!("../../docs/calling-out.md")]
    mod calling_out {}
    #[doc = include_str!("../../docs/observability.md")]
    mod observability {}
    #[doc = include_str!("../../docs/testing.md")]
    mod testing {}
    #[doc = include_str!("../../docs/porting.md")]
    mod porting {}
}
