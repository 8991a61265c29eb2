//! The smallest server: every path answers "Hello, World!".

use ringlane::{Error, Request, Response};

fn main() -> Result<(), Error> {
    ringlane_examples::server(|_| {})?.serve(|_core| async |_request: Request| Response::text("Hello, World!"))
}
