//! A core's listening socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use socket2::{Domain, Protocol, SockFilter, Socket, TcpKeepalive, Type};

use crate::config::Config;
use crate::error::Error;

/// A listening socket; its options pass on to the sockets that it accepts (tcp(7), socket(7)).
#[derive(Debug)]
pub(crate) struct Listener(Socket);

impl Listener {
    /// Makes the listening sockets of `count` cores, one each, on one address (`SO_REUSEPORT`, socket(7)).
    pub(crate) fn bind(
        address: SocketAddr,
        count: usize,
        config: &Config,
    ) -> Result<(SocketAddr, Vec<Listener>), Error> {
        let failed = |source| Error::Bind { address, source };
        if !config.share_port {
            // SO_REUSEPORT would let a second server join a first one in silence. A socket without it finds out.
            let probe = new_socket(address).map_err(failed)?;
            probe.bind(&address.into()).map_err(failed)?;
        }
        let mut bound = address;
        let mut listeners = Vec::with_capacity(count);
        for _ in 0..count {
            let listener = Listener::open(bound, config).map_err(failed)?;
            bound = listener.local_addr().map_err(failed)?; // Port 0 is chosen with the first.
            listeners.push(listener);
        }
        Ok((bound, listeners))
    }

    fn open(address: SocketAddr, config: &Config) -> io::Result<Listener> {
        let socket = new_socket(address)?;
        socket.set_reuse_port(true)?;
        socket.set_tcp_nodelay(config.nodelay)?;
        if config.linger.is_some() {
            socket.set_linger(config.linger)?;
        }
        if let Some(ttl) = config.ttl {
            match address {
                SocketAddr::V4(_) => socket.set_ttl_v4(ttl.get())?,
                SocketAddr::V6(_) => socket.set_unicast_hops_v6(ttl.get())?,
            }
        }
        if let Some(bytes) = config.receive_buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = config.send_buffer_bytes {
            socket.set_send_buffer_size(bytes)?;
        }
        if let Some(bytes) = config.unsent_bytes_max {
            socket.set_tcp_notsent_lowat(u32::try_from(bytes).unwrap_or(u32::MAX))?;
        }
        if let Some(time) = config.keepalive {
            socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(time))?;
        }
        if let Some(length) = config.fast_open {
            set_tcp_option(&socket, libc::TCP_FASTOPEN, length.get() as libc::c_int)?;
        }
        if let Some(wait) = config.defer_accept {
            let seconds = wait.as_millis().div_ceil(1000).clamp(1, i32::MAX as u128) as libc::c_int;
            set_tcp_option(&socket, libc::TCP_DEFER_ACCEPT, seconds)?;
        }
        socket.bind(&address.into())?;
        socket.listen(config.backlog as i32)?;
        Ok(Listener(socket))
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EAFNOSUPPORT))
    }

    pub(crate) fn descriptor(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Accepts one more connection where the queue holds one; for the sweep before the socket is closed.
    pub(crate) fn accept_waiting(&self) -> Option<OwnedFd> {
        self.0.set_nonblocking(true).ok()?;
        self.0.accept().ok().map(|(socket, _)| socket.into())
    }

    /// Ignores those who begin to connect from here on; who has begun may finish. A connection that completed just before
    /// the socket is closed would be reset, though its client believes it accepted; one that has not begun is tried
    /// again by its kernel a second later, and then refused.
    pub(crate) fn ignore_newcomers(&self) {
        const SYN: u32 = 0x02;
        const SYN_AND_ACK: u32 = 0x12;
        let op = |code: u32, yes: u8, no: u8, k: u32| SockFilter::new(code as u16, yes, no, k);
        // What a filter sees of TCP begins with the header, whose 14th byte holds the flags (RFC 9293 §3.1).
        let filter = [
            op(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS, 0, 0, 13),
            op(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, SYN_AND_ACK),
            op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, SYN),
            op(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
            op(libc::BPF_RET | libc::BPF_K, 0, 0, u32::MAX),
        ];
        // Without the filter a moment remains in which a connection can be lost: no reason not to stop.
        let _ = self.0.attach_filter(&filter);
    }
}

fn new_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // A restart must not wait for the connections of the server before to leave TIME_WAIT.
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn set_tcp_option(socket: &Socket, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the option takes an int (tcp(7)), which `value` is, of the length that is passed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            option,
            (&raw const value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_share_a_port_and_servers_do_not() {
        let config = Config::default();
        let (address, listeners) = Listener::bind("127.0.0.1:0".parse().unwrap(), 3, &config).unwrap();
        assert!(
            listeners
                .iter()
                .all(|listener| listener.local_addr().unwrap() == address)
        );
        let taken = Listener::bind(address, 1, &config).unwrap_err().to_string();
        assert!(taken.starts_with(&format!("cannot listen on {address}")), "{taken}");
        assert!(taken.contains("another socket has it"), "{taken}");
        let mut sharing = Config::default();
        sharing.share_port = true;
        assert!(Listener::bind(address, 1, &sharing).is_ok());
        drop(listeners);
        assert!(Listener::bind(address, 1, &config).is_ok());
    }

    #[test]
    fn accepted_sockets_inherit_the_options() {
        let mut config = Config::default();
        config.linger = Some(std::time::Duration::from_secs(3));
        config.ttl = std::num::NonZeroU32::new(33);
        config.keepalive = Some(std::time::Duration::from_secs(77));
        config.receive_buffer_bytes = Some(20_000);
        config.send_buffer_bytes = Some(30_000);
        config.unsent_bytes_max = Some(50_000);
        config.fast_open = std::num::NonZeroU32::new(16);
        let (address, listeners) = Listener::bind("127.0.0.1:0".parse().unwrap(), 1, &config).unwrap();
        let _client = std::net::TcpStream::connect(address).unwrap();
        let (accepted, _) = listeners[0].0.accept().unwrap();
        assert!(accepted.tcp_nodelay().unwrap());
        assert_eq!(accepted.linger().unwrap(), config.linger);
        assert_eq!(accepted.ttl_v4().unwrap(), 33);
        assert!(accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_keepalive_time().unwrap().as_secs(), 77);
        assert_eq!(accepted.recv_buffer_size().unwrap(), 40_000);
        assert_eq!(accepted.send_buffer_size().unwrap(), 60_000);
        assert_eq!(accepted.tcp_notsent_lowat().unwrap(), 50_000);
    }
}
