//! What is measured.

use std::hint::black_box;

use ringlane::bench::Simulation;
use ringlane_pool::{Key, Pool, Slots, View};
use ringlane_protocol::body::{Decoder, Framing};
use ringlane_protocol::date::Date;
use ringlane_protocol::head::{self, Head};
use ringlane_protocol::response::{self, encode};
use ringlane_protocol::{Error, Limits};

/// How often operations of a few instructions are repeated, so that calling them does not count for much.
pub const TIMES: usize = 100;

/// Parses a head.
pub fn parse(input: &[u8]) -> Result<Option<Head>, Error> {
    head::parse(black_box(input), &Limits::default())
}

/// Decodes a whole chunked body; the bytes of data in it.
pub fn decode(body: &[u8]) -> usize {
    let mut decoder = Decoder::new(Framing::Chunked, 1 << 20).expect("no length, no limit");
    let (mut at, mut data) = (0, 0);
    loop {
        let step = decoder.decode(black_box(&body[at..])).expect("a valid body");
        at += step.consumed;
        data += step.data.len();
        if step.done {
            return data;
        }
    }
}

/// Encodes a response's head.
pub fn encode_head(head: &response::Head<'_>, out: &mut [u8]) -> usize {
    encode(black_box(head), out).expect("it fits")
}

/// Moves the date to the next second, which formats it.
pub fn date_next(mut date: Date) -> Date {
    date.update(black_box(784_111_778));
    date
}

/// Moves the date to the second that it is at, [`TIMES`] times.
pub fn date_same(mut date: Date) -> Date {
    for _ in 0..TIMES {
        date.update(black_box(784_111_777));
    }
    date
}

/// Takes a buffer from a pool and gives it back, [`TIMES`] times.
pub fn take_and_give(pool: Pool) -> Pool {
    for _ in 0..TIMES {
        drop(black_box(pool.take()));
    }
    pool
}

/// Clones a view and drops the clone, [`TIMES`] times.
pub fn clone_and_drop(view: View) -> View {
    for _ in 0..TIMES {
        drop(black_box(view.clone()));
    }
    view
}

/// Inserts into a table and removes again, [`TIMES`] times.
pub fn insert_and_remove((mut slots, key): (Slots<u64>, Key)) -> (Slots<u64>, Key) {
    for number in 0..TIMES as u64 {
        let new = slots.insert(black_box(number));
        black_box(slots.remove(black_box(new)));
    }
    (slots, key)
}

/// Looks up a key, [`TIMES`] times.
pub fn look_up((slots, key): (Slots<u64>, Key)) -> (Slots<u64>, Key) {
    for _ in 0..TIMES {
        black_box(slots.get(black_box(key)));
    }
    (slots, key)
}

/// The core's part of a round.
pub fn work(mut core: Simulation) -> Simulation {
    black_box(core.work());
    core
}
