//! Pooled buffers with reference-counted views, and generational slot tables, for one thread.
//!
//! A [`Pool`] owns one reservation of address space, cut into buffers of equal size. A buffer is at any time in one of
//! three states, and whoever has it knows which by the type in hand:
//!
//! ```text
//!      ┌────────────────────── lend ───────────────────┐
//!      │         take                                  ▼
//!     free ───────────────▶ held ◀────── reclaim ───── lent
//!      ▲                Buffer, View                   Lent
//!      └── the last drop ───┘
//! ```
//!
//! - **free**: on the pool's stack, the most recently used on top, so that few buffers do most of the work and stay in
//!   the cache. At the bottom lie the buffers that have no memory behind them: never used, or [trimmed](Pool::trim).
//! - **held**: by one [`Buffer`], which appends to it, or by any number of [`View`]s, which share its filled part.
//! - **lent**: to the kernel, which writes to it until it says that it is done.
//!
//! [`Slots`] is a table whose [`Key`]s go stale when their entry is removed, so that a late completion for a closed
//! connection never reaches the connection that took its place.
//!
//! Pools, buffers and views stay on the thread that made them. Nothing here uses an atomic operation or a lock.
//! Taking, lending, reclaiming, sharing and dropping buffers never allocates.
//!
//! ```
//! use ringlane_pool::{Options, Pool};
//!
//! let pool = Pool::new(Options { buffer_bytes: 4096, buffers_max: 64, buffers_step: 8 })?;
//! let mut buffer = pool.take().expect("63 more where this came from");
//! buffer.extend_from_slice(b"GET / HTTP/1.1\r\n")?;
//!
//! let mut rest = buffer.freeze();
//! let method = rest.split_to(3);
//! assert_eq!(method, b"GET");
//! assert_eq!(rest, b" / HTTP/1.1\r\n");
//! assert_eq!(pool.counts().held, 1); // two views, one buffer
//!
//! drop((method, rest));
//! assert_eq!(pool.counts().held, 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod buffers;
mod error;
mod region;
mod slots;

#[cfg(test)]
mod random;

pub use buffers::{Buffer, Counts, Full, Lent, Options, Pool, View};
pub use error::Error;
pub use slots::{Key, Slots};
