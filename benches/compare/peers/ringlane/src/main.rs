//! Ringlane, with every default: what the comparison is about.

use bytes::Bytes;
use ringlane::{Config, Error, IntoResponse, Request, Response, Server};

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("the first argument is the address");
    let threads: usize = arguments
        .next()
        .map_or(1, |n| n.parse().expect("the second argument is a number"));
    let config = Config::from_env()?;
    assert!(
        threads >= 1,
        "the runner pins the process; the engine takes the cores that it may use"
    );
    Server::bind(address).config(config).serve(|_core| {
        let (small, large) = (Bytes::from(vec![b'x'; 16 << 10]), Bytes::from(vec![b'x'; 1 << 20]));
        async move |request: Request| match request.path() {
            "/16k" => Response::bytes("text/plain; charset=utf-8", small.clone()),
            "/1m" => Response::bytes("text/plain; charset=utf-8", large.clone()),
            "/upload" => {
                let mut body = request.body();
                while let Some(chunk) = body.next().await {
                    if let Err(error) = chunk {
                        return error.into_response();
                    }
                }
                Response::text("Hello, World!")
            }
            _ => Response::text("Hello, World!"),
        }
    })
}
