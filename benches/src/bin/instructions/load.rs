//! The load of a measurement: a fixed number of requests on each of some connections, all driven by one thread.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Duration;

use ringlane_benches::connecting::connect;

/// What wrk sends.
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n";
/// How long the server may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// How many connections there are, how many requests each sends in a write, and how many writes.
pub struct Load {
    pub connections: usize,
    pub depth: usize,
    pub writes: usize,
}

struct Client {
    stream: TcpStream,
    writes_left: usize,
    bytes_left: usize,
}

impl Load {
    /// Sends all requests and reads all answers; each connection writes again when it has read what it is due.
    pub fn run(&self, address: SocketAddr) -> io::Result<()> {
        let request = REQUEST.repeat(self.depth);
        let answer_bytes = answer_bytes(address)?;
        let mut clients = Vec::new();
        for number in 0..self.connections {
            let stream = connect(address, number)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            clients.push(Client {
                stream,
                writes_left: self.writes,
                bytes_left: 0,
            });
        }
        let mut polled: Vec<libc::pollfd> = clients
            .iter()
            .map(|client| libc::pollfd {
                fd: client.stream.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            })
            .collect();
        for client in &mut clients {
            client.write(&request, self.depth * answer_bytes)?;
        }
        let mut busy = clients.len();
        while busy > 0 {
            // SAFETY: the pointer and the length are those of a slice that lives as long as the call.
            let ready = unsafe {
                libc::poll(
                    polled.as_mut_ptr(),
                    polled.len() as libc::nfds_t,
                    SILENCE.as_millis() as i32,
                )
            };
            match ready {
                0 => return Err(io::Error::other("the server does not answer")),
                ..0 => return Err(io::Error::last_os_error()),
                _ => {}
            }
            for (client, polled) in clients.iter_mut().zip(&polled) {
                if polled.revents == 0 || !client.read()? {
                    continue;
                }
                if client.writes_left > 0 {
                    client.write(&request, self.depth * answer_bytes)?;
                } else {
                    busy -= 1;
                }
            }
        }
        Ok(())
    }
}

impl Client {
    fn write(&mut self, request: &[u8], answers_bytes: usize) -> io::Result<()> {
        self.stream.write_all(request)?; // It fits: nothing else is on its way.
        self.writes_left -= 1;
        self.bytes_left = answers_bytes;
        Ok(())
    }

    /// True where all answers that are due have been read by this.
    fn read(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        let bytes = self.stream.read(&mut buffer)?;
        if bytes == 0 || bytes > self.bytes_left {
            return Err(io::Error::other("the server has not sent the answers that were due"));
        }
        self.bytes_left -= bytes;
        Ok(self.bytes_left == 0)
    }
}

/// How long an answer is; every one is as long as the first.
fn answer_bytes(address: SocketAddr) -> io::Result<usize> {
    let mut stream = connect(address, 0)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.write_all(REQUEST)?;
    let mut buffer = [0; 4096];
    let bytes = stream.read(&mut buffer)?;
    if buffer.starts_with(b"HTTP/1.1 200 ") {
        Ok(bytes)
    } else {
        Err(io::Error::other("the server did not answer 200"))
    }
}
