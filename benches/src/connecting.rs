//! Connecting from this machine's many loopback addresses, so that ports do not run out.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;

use socket2::{Domain, Socket, Type};

/// How many connections come from each of the addresses 127.0.0.1, 127.0.0.2, …
const CONNECTIONS_PER_ADDRESS: usize = 10_000;
/// How many of those addresses are used; more connections begin again with the first.
const ADDRESSES: usize = 200;

/// Makes the connection of a number, counted from 0.
///
/// # Errors
///
/// What the system says.
pub fn connect(address: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let socket = socket(address, number)?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}

/// As [`connect`], with a receive buffer of a size (`SO_RCVBUF`, socket(7)), which has to be chosen before.
///
/// # Errors
///
/// What the system says.
pub fn connect_narrow(address: SocketAddr, number: usize, receive_buffer_bytes: usize) -> io::Result<TcpStream> {
    let socket = socket(address, number)?;
    socket.set_recv_buffer_size(receive_buffer_bytes)?;
    socket.connect(&address.into())?;
    Ok(socket.into())
}

fn socket(address: SocketAddr, number: usize) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv4() {
        choose_port_late(&socket)?;
        let source = Ipv4Addr::new(127, 0, 0, 1 + (number / CONNECTIONS_PER_ADDRESS % ADDRESSES) as u8);
        socket.bind(&SocketAddr::from((source, 0)).into())?;
    }
    Ok(socket)
}

/// Has the port chosen when the socket connects, and not when it is bound: then it need only be new to this server,
/// and those that linger in TIME_WAIT from a measurement before do not count (ip(7)).
fn choose_port_late(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, which `on` is, of the length that is passed.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_BIND_ADDRESS_NO_PORT,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
