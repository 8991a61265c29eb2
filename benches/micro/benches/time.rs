//! Time of each operation, by the clock. A core's includes the simulated ring, which copies and allocates.

use divan::{Bencher, black_box};
use ringlane_micro::{inputs, operations};
use ringlane_protocol::date::Date;
use ringlane_protocol::response::FieldLines;

fn main() {
    divan::main();
}

#[divan::bench(args = ["minimal", "wrk", "browser", "unfinished", "rejected"])]
fn parse(bencher: Bencher<'_, '_>, name: &str) {
    let input = match name {
        "minimal" => inputs::MINIMAL.to_vec(),
        "wrk" => inputs::WRK.to_vec(),
        "browser" => inputs::BROWSER.to_vec(),
        "unfinished" => inputs::BROWSER[..400].to_vec(),
        _ => inputs::rejected(),
    };
    bencher.bench_local(|| operations::parse(&input));
}

#[divan::bench(args = ["small_chunks", "big_chunk"])]
fn decode(bencher: Bencher<'_, '_>, name: &str) {
    let body = match name {
        "small_chunks" => inputs::chunks_small(),
        _ => inputs::chunk_big(),
    };
    bencher.bench_local(|| operations::decode(&body));
}

#[divan::bench(args = ["hello", "five_more_fields"])]
fn encode(bencher: Bencher<'_, '_>, name: &str) {
    let fields = match name {
        "hello" => FieldLines::default(),
        _ => inputs::five_fields(),
    };
    let (head, mut out) = (inputs::hello_head(fields.as_bytes()), [0; 1024]);
    bencher.bench_local(|| operations::encode_head(&head, black_box(&mut out)));
}

#[divan::bench]
fn date_next_second(bencher: Bencher<'_, '_>) {
    let date = Date::new(784_111_777);
    bencher.bench_local(|| operations::date_next(black_box(date.clone())));
}

#[divan::bench]
fn date_same_second_100_times(bencher: Bencher<'_, '_>) {
    let date = Date::new(784_111_777);
    bencher.bench_local(|| operations::date_same(black_box(date.clone())));
}

#[divan::bench]
fn pool_take_and_give_100_times(bencher: Bencher<'_, '_>) {
    let pool = inputs::pool();
    bencher.bench_local(|| operations::take_and_give(pool.clone()));
}

#[divan::bench]
fn view_clone_and_drop_100_times(bencher: Bencher<'_, '_>) {
    let view = inputs::view();
    bencher.bench_local(|| operations::clone_and_drop(view.clone()));
}

#[divan::bench]
fn slots_insert_and_remove_100_times(bencher: Bencher<'_, '_>) {
    let mut slots = Some(inputs::slots());
    bencher.bench_local(|| slots = slots.take().map(operations::insert_and_remove));
}

#[divan::bench]
fn slots_look_up_100_times(bencher: Bencher<'_, '_>) {
    let mut slots = Some(inputs::slots());
    bencher.bench_local(|| slots = slots.take().map(operations::look_up));
}

#[divan::bench(args = ["hello", "browser", "pipelined_16", "body_16_kib_discarded"])]
fn core_with_ring(bencher: Bencher<'_, '_>, name: &str) {
    let requests = match name {
        "hello" => inputs::WRK.to_vec(),
        "browser" => inputs::BROWSER.to_vec(),
        "pipelined_16" => inputs::WRK.repeat(16),
        _ => inputs::upload(),
    };
    let mut core = inputs::hello(&requests);
    inputs::settle(&mut core);
    bencher.bench_local(|| {
        core.send(&requests);
        inputs::settle(&mut core);
        core.take_answers()
    });
}
