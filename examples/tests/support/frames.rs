//! A WebSocket client that writes and reads single frames, also wrong ones (RFC 6455 §5.2).

use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xa;
/// The last frame of its message.
pub const FIN: u8 = 0x80;

/// No answer takes that long; a test that waits longer has failed.
const LIMIT: Duration = Duration::from_secs(20);
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A masked frame: flags and opcode, and its payload.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The header of a masked frame that announces a payload of this length.
pub fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = unmasked_header(first, length);
    bytes[1] |= 0x80;
    bytes.extend(MASK);
    bytes
}

/// The header of a frame as only a server may send it.
pub fn unmasked_header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..=125 => bytes.push(length as u8),
        126..=0xffff => {
            bytes.push(126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes
}

/// A Close frame.
pub fn close(code: u16, reason: &[u8]) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason].concat())
}

/// A handshake that is to be granted.
pub fn handshake(path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
}

/// A frame as it came from the server.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of a Close; none where it has none, or is no Close.
    pub fn code(&self) -> Option<u16> {
        let code = self.payload.first_chunk().filter(|_| self.first == FIN | CLOSE);
        code.map(|code| u16::from_be_bytes(*code))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.payload).into_owned()
    }
}

pub struct WebSocket {
    stream: io::BufReader<TcpStream>,
}

impl WebSocket {
    pub fn connect(address: SocketAddr, path: &str) -> WebSocket {
        let mut socket = WebSocket::offer(address, &handshake(path)).expect("the server listens");
        let head = socket.head().expect("there is an answer");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(
            head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            "{head}"
        );
        socket
    }

    /// Connects, and sends a handshake of the caller's own.
    pub fn offer(address: SocketAddr, handshake: &str) -> io::Result<WebSocket> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        let mut socket = WebSocket {
            stream: io::BufReader::new(stream),
        };
        socket.try_send(handshake.as_bytes())?;
        Ok(socket)
    }

    /// The head of the answer to the handshake.
    pub fn head(&mut self) -> io::Result<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(head)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("the server takes it");
    }

    /// Sends what the server may refuse to take.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    pub fn read(&mut self) -> io::Result<Frame> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length)?;
                usize::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.stream.read_exact(&mut length)?;
                u64::from_be_bytes(length) as usize
            }
            length => usize::from(length), // With its mask bit it would be no length that a server may send.
        };
        assert!(head[1] <= 127 && length < 1 << 24, "the server sent {head:?}");
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        Ok(Frame {
            first: head[0],
            payload,
        })
    }

    pub fn expect(&mut self, first: u8, payload: &[u8]) {
        let frame = self.read().expect("the server answers");
        assert!(
            frame.first == first && frame.payload == payload,
            "{:#x} {}",
            frame.first,
            frame.text()
        );
    }

    /// The text of the next frame, which is a message of its own.
    pub fn text(&mut self) -> String {
        let frame = self.read().expect("the server sends something");
        assert_eq!(frame.first, FIN | TEXT, "{}", frame.text());
        frame.text()
    }

    /// Waits for Close and the end behind it, and throws away what comes before. None where the end came without Close.
    pub fn ending(&mut self) -> Option<u16> {
        loop {
            match self.read() {
                Ok(frame) if frame.first == FIN | CLOSE => {
                    let code = frame.code();
                    assert!(self.is_ended(), "the server goes on behind its Close");
                    return code;
                }
                Ok(_) => {}
                Err(error) => {
                    let waited = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
                    assert!(!waited, "the server neither closes nor ends");
                    return None;
                }
            }
        }
    }

    /// Whether the server ends the connection without another byte.
    pub fn is_ended(&mut self) -> bool {
        match self.stream.fill_buf() {
            Ok(bytes) => bytes.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Sends no more.
    pub fn half_close(&mut self) {
        let _ = self.stream.get_ref().shutdown(Shutdown::Write); // The server may be gone.
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        let linger = libc::linger {
            l_onoff: 1,
            l_linger: 0,
        };
        // SAFETY: the descriptor is open, and the option is a `linger` of that size.
        let set = unsafe {
            libc::setsockopt(
                std::os::fd::AsRawFd::as_raw_fd(self.stream.get_ref()),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                size_of::<libc::linger>() as libc::socklen_t,
            )
        };
        assert_eq!(set, 0);
    }
}
