//! System calls on a connection's socket that do not go through the ring: they neither block nor take long.

use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;

use socket2::SockRef;

/// How many bytes the peer has acknowledged (`tcpi_bytes_acked` of `TCP_INFO`, tcp(7)).
pub(super) fn acknowledged(socket: RawFd) -> u64 {
    /// `struct tcp_info` up to and with `tcpi_bytes_acked`: 8 bytes, 24 words of 32 bits, and three of 64.
    #[repr(C)]
    struct TcpInfo {
        bytes: [u8; 8],
        words: [u32; 24],
        pacing_rate: u64,
        max_pacing_rate: u64,
        bytes_acked: u64,
    }
    let mut info = TcpInfo {
        bytes: [0; 8],
        words: [0; 24],
        pacing_rate: 0,
        max_pacing_rate: 0,
        bytes_acked: 0,
    };
    let mut length = size_of::<TcpInfo>() as libc::socklen_t;
    // SAFETY: `info` is `length` bytes of plain integers, of which the kernel fills as many as it has.
    unsafe {
        libc::getsockopt(
            socket,
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        )
    };
    info.bytes_acked
}

/// Says that no more will be sent (shutdown(2)).
pub(super) fn finish_sending(socket: RawFd) {
    let _ = with(socket, |socket| socket.shutdown(std::net::Shutdown::Write));
}

/// Whether bytes lie in the socket that have not been received (`FIONREAD`, tcp(7)).
pub(super) fn has_unread(socket: RawFd) -> bool {
    let mut bytes: libc::c_int = 0;
    // SAFETY: `FIONREAD` writes one int, which `bytes` is; the descriptor is a number to the kernel.
    unsafe { libc::ioctl(socket, libc::FIONREAD, &raw mut bytes) };
    bytes > 0
}

/// Has the close reset the connection (`SO_LINGER`, socket(7)).
pub(super) fn reset_on_close(socket: RawFd) {
    let _ = with(socket, |socket| socket.set_linger(Some(Duration::ZERO)));
}

fn with<T>(socket: RawFd, call: impl FnOnce(SockRef<'_>) -> T) -> T {
    // SAFETY: the descriptor is open: a connection's close is the last thing that is queued for it, and nothing is called
    // for it after that.
    let borrowed = unsafe { BorrowedFd::borrow_raw(socket) };
    call(SockRef::from(&borrowed))
}
