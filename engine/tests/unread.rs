//! Short answers to a client that does not read: what its socket does not take at once arrives all the same.

mod support;

use ringlane::{Request, Response};
use support::{Client, Count, TestServer};

/// How many requests are sent before the first answer is read: less than `output_bytes_max` of answers, and far more than
/// the two sockets' buffers hold.
const REQUESTS: usize = 60;

/// An answer that is copied behind its head, so that both are one block; of lengths that fill a buffer at various places.
fn answer(path: &str) -> String {
    let number: usize = path.trim_start_matches('/').parse().unwrap_or_default();
    format!("{path} {}", "x".repeat(500 + number * 7))
}

/// Sends one request after another without reading, each when the one before has been handled, and then reads all.
fn ask_all_then_read(last_field: &str) {
    let handled = Count::default();
    let count = handled.clone();
    let server = TestServer::start(
        |config| config.send_buffer_bytes = Some(4608),
        move |_| {
            let count = count.clone();
            async move |request: Request| {
                count.add();
                Response::text(answer(request.path()))
            }
        },
    );
    let mut client = Client::connect_narrow(server.address(), 4096);
    for number in 1..=REQUESTS {
        let field = if number == REQUESTS { last_field } else { "" };
        client.send(format!("GET /{number} HTTP/1.1\r\nHost: test\r\n{field}\r\n"));
        handled.wait_for(number);
    }
    for number in 1..=REQUESTS {
        assert_eq!(client.answer().is(), (200, answer(&format!("/{number}")).as_str()));
    }
    if last_field.is_empty() {
        assert_eq!(client.get("/61").is(), (200, answer("/61").as_str()));
    } else {
        client.assert_closed();
    }
}

#[test]
fn answers_that_the_socket_had_no_room_for_follow() {
    ask_all_then_read("");
}

#[test]
fn a_connection_ends_behind_its_last_answer_whenever_that_is_taken() {
    ask_all_then_read("Connection: close\r\n");
}
