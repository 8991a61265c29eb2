//! State without locks: each core counts its own requests, in a cell that its closure owns.

use std::cell::Cell;

use ringlane::{Error, Request};

fn main() -> Result<(), Error> {
    ringlane_examples::server(|_| {})?.serve(|core| {
        let served = Cell::new(0_u64);
        async move |_request: Request| {
            served.set(served.get() + 1);
            format!("request {} of core {}\n", served.get(), core.number())
        }
    })
}
