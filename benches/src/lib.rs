//! What the measuring programs share. `ringloop` and `epollloop` are the limit that a server is compared with: they
//! find the end of each request's head and answer it, and know no other rule of HTTP.

pub mod child;
pub mod connecting;
pub mod content;
pub mod process;
pub mod random;
pub mod served;

use std::io;
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use httparse::Status;
use socket2::{Domain, Socket, Type};

/// The most that a connection may send without the end of a head in it.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The most fields in a head.
const FIELDS_MAX: usize = 64;

/// Ends a program, with what went wrong as one sentence on standard error.
pub fn exit(outcome: io::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Pins the calling thread and listens, as `--addr HOST:PORT` and `--core N` say. Prints where, in one line.
///
/// # Errors
///
/// Bad options, a core that is not there, and what the system says to listening.
pub fn listen() -> io::Result<TcpListener> {
    let (mut address, mut core) = (SocketAddr::from(([127, 0, 0, 1], 8080)), 0);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().unwrap_or_default();
        let bad = || io::Error::other(format!("{name} {value:?}: write --addr 127.0.0.1:8080 --core 0"));
        match name.as_str() {
            "--addr" => address = value.parse().map_err(|_| bad())?,
            "--core" => core = value.parse().map_err(|_| bad())?,
            _ => return Err(bad()),
        }
    }
    if !core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
        return Err(io::Error::other(format!(
            "core {core} is not one that this process may use"
        )));
    }
    raise_descriptor_limit()?;
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?; // Accepted sockets inherit it.
    socket
        .bind(&address.into())
        .and_then(|()| socket.listen(4096))
        .map_err(|error| io::Error::other(format!("cannot listen on {address}: {error}")))?;
    let listener = TcpListener::from(socket);
    println!("listening on http://{} on cores {core}", listener.local_addr()?);
    Ok(listener)
}

/// Raises the soft limit on descriptors to the hard one, which is returned.
///
/// # Errors
///
/// What the system says.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls take a pointer to a whole rlimit, which `limit` is.
    let done = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0
        }
    };
    if done {
        Ok(limit.rlim_max)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The one answer, byte for byte that of the `hello` example.
#[derive(Debug, Default)]
pub struct Answer {
    bytes: Vec<u8>,
    second: libc::time_t,
}

/// What was received is no HTTP, or a head without an end.
#[derive(Debug)]
pub struct Malformed;

impl Answer {
    /// Brings the Date up to date; to be called once a round.
    pub fn tick(&mut self) {
        // SAFETY: a null pointer is allowed (time(2)).
        let now = unsafe { libc::time(std::ptr::null_mut()) };
        if now != self.second {
            self.second = now;
            let date = date(now);
            self.bytes = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\nDate: {date}\r\n\r\nHello, World!"
            )
            .into_bytes();
        }
    }

    /// Appends an answer to `output` for each head that `received` completes. What is left lies in `unread`, which
    /// holds what was left before.
    ///
    /// # Errors
    ///
    /// Where no answer can be given.
    pub fn answer(&self, unread: &mut Vec<u8>, received: &[u8], output: &mut Vec<u8>) -> Result<(), Malformed> {
        if unread.is_empty() {
            let used = self.answer_heads(received, output)?;
            unread.extend_from_slice(&received[used..]);
        } else {
            unread.extend_from_slice(received);
            let used = self.answer_heads(unread, output)?;
            unread.drain(..used);
        }
        if unread.len() > HEAD_BYTES_MAX {
            return Err(Malformed);
        }
        Ok(())
    }

    /// Returns how many bytes the whole heads at the beginning of `input` have.
    fn answer_heads(&self, input: &[u8], output: &mut Vec<u8>) -> Result<usize, Malformed> {
        let mut used = 0;
        while used < input.len() {
            let mut fields = [MaybeUninit::uninit(); FIELDS_MAX];
            let mut request = httparse::Request::new(&mut []);
            match request.parse_with_uninit_headers(&input[used..], &mut fields) {
                Ok(Status::Complete(bytes)) => used += bytes,
                Ok(Status::Partial) => break,
                Err(_) => return Err(Malformed),
            }
            output.extend_from_slice(&self.bytes);
        }
        Ok(used)
    }
}

/// A moment as RFC 9110 §5.6.7 writes it.
fn date(moment: libc::time_t) -> String {
    const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    // SAFETY: an all-zero tm is a valid one, and gmtime_r(3) writes to it alone.
    let time = unsafe {
        let mut time = MaybeUninit::<libc::tm>::zeroed();
        libc::gmtime_r(&raw const moment, time.as_mut_ptr());
        time.assume_init()
    };
    format!(
        "{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
        DAYS[time.tm_wday as usize],
        time.tm_mday,
        MONTHS[time.tm_mon as usize],
        1900 + time.tm_year,
        time.tm_hour,
        time.tm_min,
        time.tm_sec
    )
}
