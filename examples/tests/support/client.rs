//! A plain HTTP/1.1 client on a blocking socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// No answer takes that long; a test that waits longer has failed.
const LIMIT: Duration = Duration::from_secs(10);

pub struct Client {
    pub stream: BufReader<TcpStream>,
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    /// The status line and the fields.
    pub head: String,
    pub body: Vec<u8>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Client {
            stream: BufReader::new(stream),
        })
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Sends a request without a body.
    pub fn ask(&mut self, method: &str, target: &str) -> io::Result<()> {
        self.send(format!("{method} {target} HTTP/1.1\r\nHost: test\r\n\r\n").as_bytes())
    }

    pub fn get(&mut self, target: &str) -> io::Result<Response> {
        self.ask("GET", target)?;
        self.read_response()
    }

    /// Reads the answer to anything but HEAD.
    pub fn read_response(&mut self) -> io::Result<Response> {
        let mut response = self.read_head()?;
        if response.is_chunked() {
            Chunked::new(&mut self.stream).read_to_end(&mut response.body)?;
        } else {
            response.body = vec![0; response.content_length().unwrap_or(0)];
            self.stream.read_exact(&mut response.body)?;
        }
        Ok(response)
    }

    /// Reads the answer up to its body.
    pub fn read_head(&mut self) -> io::Result<Response> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("the connection ended after {head:?}"),
                ));
            }
        }
        let status = head
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.get(..3)?.parse().ok());
        Ok(Response {
            status: status.ok_or_else(|| io::Error::other(format!("this is no status line: {head}")))?,
            head,
            body: Vec::new(),
        })
    }

    /// Whether the server ends the connection, orderly and without another byte.
    pub fn is_ended(&mut self) -> bool {
        matches!(self.stream.fill_buf(), Ok([]))
    }
}

impl Response {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines
            .find(|(field, _)| field.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    pub fn content_length(&self) -> Option<usize> {
        self.field("Content-Length")?.parse().ok()
    }

    pub fn is_chunked(&self) -> bool {
        self.field("Transfer-Encoding") == Some("chunked")
    }

    /// Whether the server said that it closes the connection.
    pub fn closes(&self) -> bool {
        self.field("Connection") == Some("close")
    }
}

/// Reads the body of a chunked message (RFC 9112 §7.1), of which it knows neither extensions nor trailers.
pub struct Chunked<R> {
    inner: R,
    rest: u64,
    ended: bool,
}

impl<R: BufRead> Chunked<R> {
    pub fn new(inner: R) -> Chunked<R> {
        Chunked {
            inner,
            rest: 0,
            ended: false,
        }
    }

    fn read_crlf(&mut self) -> io::Result<()> {
        let mut end = [0; 2];
        self.inner.read_exact(&mut end)?;
        if end == *b"\r\n" {
            Ok(())
        } else {
            Err(io::Error::other("a chunk does not end where it should"))
        }
    }

    fn read_size(&mut self) -> io::Result<u64> {
        let mut line = String::new();
        self.inner.read_line(&mut line)?;
        u64::from_str_radix(line.trim_end(), 16).map_err(|_| io::Error::other(format!("bad chunk size: {line:?}")))
    }
}

impl<R: BufRead> Read for Chunked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.ended {
            return Ok(0);
        }
        if self.rest == 0 {
            self.rest = self.read_size()?;
            if self.rest == 0 {
                self.ended = true;
                self.read_crlf()?;
                return Ok(0);
            }
        }
        let wanted = out.len().min(usize::try_from(self.rest).unwrap_or(usize::MAX));
        let count = self.inner.read(&mut out[..wanted])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.rest -= count as u64;
        if self.rest == 0 {
            self.read_crlf()?;
        }
        Ok(count)
    }
}
