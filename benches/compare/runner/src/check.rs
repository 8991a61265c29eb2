//! Whether a participant answers what a scenario asks for as peers.toml demands, before it is measured.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::Duration;

use crate::http::{ask, connect, request};
use crate::load::wrk::Manner;
use crate::scenario::{BODY_BYTES, Load, Scenario};

/// How long a server may take to end a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Asks a server.
///
/// # Errors
///
/// What is wrong with it, in words.
pub fn check(scenario: &Scenario, address: SocketAddr) -> io::Result<()> {
    match scenario.load {
        Load::Wrk(wrk) => match (wrk.manner, wrk.path) {
            (Manner::Body(_), path) => bodies(address, path, BODY_BYTES, 13),
            (Manner::Close, _) => closes(
                address,
                "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            ),
            (_, "/16k") => bodies(address, "/16k", 0, 16 << 10),
            (_, "/1m") => bodies(address, "/1m", 0, 1 << 20),
            (_, path) => bodies(address, path, 0, 13),
        },
        Load::Ab(ab) if ab.keep_alive => keeps(address),
        Load::Ab(_) => closes(address, "GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"),
        Load::FixedRate(_) | Load::Idle => Ok(()),
    }
}

/// Two answers on one connection have the right body.
fn bodies(address: SocketAddr, path: &str, sent: usize, expected: usize) -> io::Result<()> {
    let mut stream = connect(address, 0)?;
    for _ in 0..2 {
        let body = ask(&mut stream, &request(path, sent))?.body;
        let is_right = match expected {
            13 => body == b"Hello, World!",
            _ => body.len() == expected,
        };
        if !is_right {
            let bytes = body.len();
            return Err(io::Error::other(format!(
                "{path} should have {expected} bytes and has {bytes}, or others"
            )));
        }
    }
    Ok(())
}

/// It ends a connection after the answer.
fn closes(address: SocketAddr, request: &str) -> io::Result<()> {
    let mut stream = connect(address, 0)?;
    ask(&mut stream, request.as_bytes())?;
    stream.set_read_timeout(Some(CLOSE_TIMEOUT))?;
    match stream.read(&mut [0; 16]) {
        Ok(0) => Ok(()),
        Ok(_) => Err(io::Error::other("more follows its answer")),
        Err(_) => Err(io::Error::other("it does not end a connection after the last answer")),
    }
}

/// It tells an HTTP/1.0 client that a connection stays open, and has it stay open.
fn keeps(address: SocketAddr) -> io::Result<()> {
    let mut stream = connect(address, 0)?;
    for _ in 0..2 {
        let answer = ask(
            &mut stream,
            b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: localhost\r\n\r\n",
        )?;
        if !answer.head.to_ascii_lowercase().contains("keep-alive") {
            return Err(io::Error::other(
                "it does not say Connection: keep-alive to HTTP/1.0, without which ab waits for the connection's end",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::scenario::Scenario;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::thread;

    /// A server that gives one answer to everything; it may end connections after it.
    fn server(answer: &'static str, closes: bool) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                while stream.read(&mut [0; 512]).unwrap_or(0) > 0 {
                    let _ = stream.write_all(answer.as_bytes());
                    if closes {
                        break;
                    }
                }
            }
        });
        address
    }

    const ANSWER: &str = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 13\r\n\r\nHello, World!";
    const SILENT: &str = "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\nHello, World!";

    #[test]
    fn answers_are_looked_at() {
        for (name, answer, closes, is_right) in [
            ("keep-alive-64", SILENT, false, true),
            ("keep-alive-64", SILENT, true, false),
            ("ab-keep-alive-64", ANSWER, false, true),
            ("ab-keep-alive-64", SILENT, false, false),
            ("close", SILENT, true, true),
            ("ab-close", SILENT, true, true),
            ("close", SILENT, false, false),
            ("large-16k", SILENT, false, false),
        ] {
            let scenario = Scenario::named(name).unwrap();
            let outcome = check(scenario, server(answer, closes));
            assert_eq!(outcome.is_ok(), is_right, "{name}: {outcome:?}");
        }
    }
}
