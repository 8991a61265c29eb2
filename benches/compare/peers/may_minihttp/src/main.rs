//! may_minihttp, as TechEmpower runs it: workers that steal no work, mimalloc.

use std::io::{self, BufRead};

use may_minihttp::{HttpService, HttpServiceFactory, Request, Response};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

static LARGE: &str = {
    static BYTES: [u8; 1 << 20] = [b'x'; 1 << 20];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => unreachable!(),
    }
};

struct Hello;

impl HttpService for Hello {
    fn call(&mut self, request: Request, response: &mut Response) -> io::Result<()> {
        response.header("Content-Type: text/plain; charset=utf-8");
        match request.path() {
            "/16k" => response.body(&LARGE[..16 << 10]),
            "/1m" => response.body(LARGE),
            "/upload" => {
                let mut body = request.body();
                loop {
                    let length = body.fill_buf()?.len();
                    if length == 0 {
                        break;
                    }
                    body.consume(length);
                }
                response.body("Hello, World!");
            }
            _ => response.body("Hello, World!"),
        }
        Ok(())
    }
}

struct Factory;

impl HttpServiceFactory for Factory {
    type Service = Hello;

    fn new_service(&self, _id: usize) -> Hello {
        Hello
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("ADDRESS THREADS");
    let threads: usize = arguments.next().and_then(|n| n.parse().ok()).expect("ADDRESS THREADS");
    may::config()
        .set_pool_capacity(1000)
        .set_stack_size(0x1000)
        .set_workers(threads);
    Factory.start(address).expect("listens").join().expect("serves");
}
