//! As much of a client as looking at a server takes: one request, one answer, on a connection that stays open.

use std::io::{self, Read, Write};
use std::mem::size_of;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How many connections come from each of the addresses 127.0.0.1, 127.0.0.2, …, so that ports do not run out.
const CONNECTIONS_PER_ADDRESS: usize = 10_000;
/// The longest head of an answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status line and its fields, without the empty line.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

impl Answer {
    /// All its bytes.
    pub fn bytes(&self) -> usize {
        self.head.len() + 4 + self.body.len()
    }

    /// How many fields its head has.
    pub fn fields(&self) -> usize {
        self.head.lines().count() - 1
    }
}

/// A request for a path; with a body it is a POST.
pub fn request(path: &str, body_bytes: usize) -> Vec<u8> {
    if body_bytes == 0 {
        return format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
    }
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: {body_bytes}\r\n\r\n"
    );
    let mut request = head.into_bytes();
    request.resize(request.len() + body_bytes, b'x');
    request
}

/// Sends a request and reads its whole answer, which must be a 200 with a Content-Length.
///
/// # Errors
///
/// What the system says, and an answer that is none.
pub fn ask(stream: &mut TcpStream, request: &[u8]) -> io::Result<Answer> {
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(request)?;
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if let Some((head_bytes, whole)) = extent(&received)?
            && received.len() >= whole
        {
            let head = String::from_utf8_lossy(&received[..head_bytes - 4]).into_owned();
            return Ok(Answer {
                head,
                body: received.split_off(head_bytes),
            });
        }
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::Error::other("it closed the connection instead of answering")),
            Ok(bytes) => received.extend_from_slice(&buffer[..bytes]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::other("it did not answer in time"));
            }
            Err(error) => return Err(error),
        }
    }
}

/// How many bytes the head of an answer has, with its empty line, and how many the whole answer. None where the head is
/// not yet there.
///
/// # Errors
///
/// What is no 200, has no Content-Length, or too long a head.
pub fn extent(received: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let Some(end) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return match received.len() {
            ..=HEAD_BYTES_MAX => Ok(None),
            _ => Err(io::Error::other("its answer's head has no end")),
        };
    };
    let head = String::from_utf8_lossy(&received[..end]);
    if !(head.starts_with("HTTP/1.1 200 ") || head.starts_with("HTTP/1.0 200 ")) {
        let line = head.lines().next().unwrap_or_default();
        return Err(io::Error::other(format!("it answered {line:?} instead of 200")));
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if !name.eq_ignore_ascii_case("content-length") {
            return None;
        }
        value.trim().parse::<usize>().ok()
    });
    let length = length.ok_or_else(|| io::Error::other("its answer has no Content-Length"))?;
    Ok(Some((end + 4, end + 4 + length)))
}

/// Makes the connection of a number, counted from 0. It is reset when it is dropped, so that nothing of it lingers in
/// TIME_WAIT.
///
/// # Errors
///
/// What the system says.
pub fn connect(address: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let SocketAddr::V4(to) = address else {
        return Err(io::Error::other("only IPv4 is measured"));
    };
    // SAFETY: the call takes numbers; the descriptor that it returns is nobody else's.
    let socket = unsafe {
        let descriptor = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        OwnedFd::from_raw_fd(descriptor)
    };
    // The port is chosen when the socket connects, not when it is bound: then it need only be new to this server (ip(7)).
    set_option(&socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, &1i32)?;
    let reset = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    set_option(&socket, libc::SOL_SOCKET, libc::SO_LINGER, &reset)?;
    let from = Ipv4Addr::new(127, 0, 0, 1 + (number / CONNECTIONS_PER_ADDRESS % 200) as u8);
    let (from, to) = (ipv4(from, 0), ipv4(*to.ip(), to.port()));
    let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
    // SAFETY: both addresses are whole sockaddr_in of the length that is passed.
    let done = unsafe {
        libc::bind(socket.as_raw_fd(), (&raw const from).cast(), length) == 0
            && libc::connect(socket.as_raw_fd(), (&raw const to).cast(), length) == 0
    };
    if done {
        Ok(TcpStream::from(socket))
    } else {
        Err(io::Error::last_os_error())
    }
}

fn set_option<T>(socket: &OwnedFd, level: i32, name: i32, value: &T) -> io::Result<()> {
    // SAFETY: the value is a whole T, and its size is passed; callers choose T as ip(7) and socket(7) say.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            (&raw const *value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

fn ipv4(address: Ipv4Addr, port: u16) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: port.to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(address).to_be(),
        },
        sin_zero: [0; 8],
    }
}

#[cfg(test)]
mod tests {
    use super::{ask, connect, extent, request};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let answer = b"HTTP/1.1 200 OK\r\nX: y\r\ncontent-length: 3\r\n\r\nabc";
        let head = answer.len() - 3;
        for received in 0..head {
            assert_eq!(extent(&answer[..received]).unwrap(), None);
        }
        assert_eq!(extent(answer).unwrap(), Some((head, answer.len())));
    }

    #[test]
    fn what_is_no_plain_200_is_an_error() {
        for answer in [
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
        ] {
            assert!(extent(answer.as_bytes()).is_err(), "{answer}");
        }
    }

    #[test]
    fn a_request_with_a_body_is_a_post() {
        let text = String::from_utf8(request("/upload", 4)).unwrap();
        assert!(text.starts_with("POST /upload ") && text.ends_with("Content-Length: 4\r\n\r\nxxxx"));
    }

    #[test]
    fn a_server_is_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, from) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 100]).unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
                .unwrap();
            from.ip().to_string()
        });
        let mut stream = connect(address, 10_000).unwrap();
        let answer = ask(&mut stream, &request("/", 0)).unwrap();
        assert_eq!((answer.bytes(), answer.fields()), (40, 1));
        assert_eq!(server.join().unwrap(), "127.0.0.2");
    }
}
