//! Instructions of each operation, under callgrind. Everything is set up, and has run once where that matters, before.

use gungraun::prelude::*;
use ringlane::bench::Simulation;
use ringlane_micro::{inputs, operations};
use ringlane_pool::{Key, Pool, Slots, View};
use ringlane_protocol::date::Date;
use ringlane_protocol::head;
use ringlane_protocol::response::FieldLines;

/// Has parsed before, so that what only the first time costs is not counted.
fn warm(input: &[u8]) -> Vec<u8> {
    let _ = operations::parse(inputs::BROWSER);
    input.to_vec()
}

#[library_benchmark]
#[bench::minimal(warm(inputs::MINIMAL))]
#[bench::wrk(warm(inputs::WRK))]
#[bench::browser(warm(inputs::BROWSER))]
#[bench::unfinished(warm(&inputs::BROWSER[..400]))]
#[bench::rejected(warm(&inputs::rejected()))]
fn parse(input: Vec<u8>) -> (Vec<u8>, Result<Option<head::Head>, ringlane_protocol::Error>) {
    let parsed = operations::parse(&input);
    (input, parsed)
}

#[library_benchmark]
#[bench::small_chunks(inputs::chunks_small())]
#[bench::big_chunk(inputs::chunk_big())]
fn decode(body: Vec<u8>) -> (Vec<u8>, usize) {
    let data = operations::decode(&body);
    (body, data)
}

#[library_benchmark]
#[bench::hello((FieldLines::default(), vec![0; 1024]))]
#[bench::five_more_fields((inputs::five_fields(), vec![0; 1024]))]
fn encode((fields, mut out): (FieldLines, Vec<u8>)) -> (FieldLines, Vec<u8>, usize) {
    let len = operations::encode_head(&inputs::hello_head(fields.as_bytes()), &mut out);
    (fields, out, len)
}

#[library_benchmark]
#[bench::next_second(Date::new(784_111_777))]
fn date(date: Date) -> Date {
    operations::date_next(date)
}

#[library_benchmark]
#[bench::same_second(Date::new(784_111_777))]
fn date_100_times(date: Date) -> Date {
    operations::date_same(date)
}

#[library_benchmark]
#[bench::take_and_give(inputs::pool())]
fn pool_100_times(pool: Pool) -> Pool {
    operations::take_and_give(pool)
}

#[library_benchmark]
#[bench::clone_and_drop(inputs::view())]
fn view_100_times(view: View) -> View {
    operations::clone_and_drop(view)
}

#[library_benchmark]
#[bench::insert_and_remove(inputs::slots())]
fn slots_100_times(slots: (Slots<u64>, Key)) -> (Slots<u64>, Key) {
    operations::insert_and_remove(slots)
}

#[library_benchmark]
#[bench::look_up(inputs::slots())]
fn lookup_100_times(slots: (Slots<u64>, Key)) -> (Slots<u64>, Key) {
    operations::look_up(slots)
}

#[library_benchmark]
#[bench::hello(inputs::hello(inputs::WRK))]
#[bench::hello_sent(inputs::hello_answered(inputs::WRK))]
#[bench::browser(inputs::hello(inputs::BROWSER))]
#[bench::pipelined_16(inputs::hello(&inputs::WRK.repeat(16)))]
#[bench::pipelined_16_sent(inputs::hello_answered(&inputs::WRK.repeat(16)))]
#[bench::body_16_kib_read(inputs::reader())]
#[bench::body_16_kib_discarded(inputs::discarder())]
fn core(core: Simulation) -> Simulation {
    operations::work(core)
}

library_benchmark_group!(
    name = protocol,
    benchmarks = [parse, decode, encode, date, date_100_times]
);
library_benchmark_group!(
    name = pool,
    benchmarks = [pool_100_times, view_100_times, slots_100_times, lookup_100_times]
);
library_benchmark_group!(name = engine, benchmarks = [core]);
main!(library_benchmark_groups = [protocol, pool, engine]);
