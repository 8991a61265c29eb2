//! What the kernel's completions mean.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use io_uring::cqueue;
use ringlane_pool::Key;
use slab::Slab;

use super::buffers::Buffers;
use super::token::Token;
use super::{Completion, Errno, Transmission};

/// What a receive has brought: for which connection, into which buffer, and how many bytes.
#[inline(always)]
pub(super) fn received(entry: &cqueue::Entry) -> Option<(Key, u16, usize)> {
    match (Token::from_bits(entry.user_data()), entry.result()) {
        (Token::Receive(key), bytes @ 1..) => Some((key, cqueue::buffer_select(entry.flags())?, bytes as usize)),
        _ => None,
    }
}

/// Puts a completion that brings no bytes into words; none for those that nobody waits for.
pub(super) fn interpret(
    entry: &cqueue::Entry,
    buffers: &mut Buffers,
    lent: &mut Slab<(Key, Box<Transmission>)>,
) -> Option<Completion> {
    let more = cqueue::more(entry.flags());
    let outcome = outcome(entry);
    match Token::from_bits(entry.user_data()) {
        Token::Receive(key) => {
            // Whatever else it says: a completion that names a buffer gives it back.
            if let Some(index) = cqueue::buffer_select(entry.flags()) {
                drop(buffers.take_back(index, 0));
            }
            let outcome = outcome.map(drop);
            Some(Completion::NothingReceived { key, outcome, more })
        }
        Token::Accept => {
            // SAFETY: a successful accept's result is a new descriptor that this process owns and nobody has seen yet.
            let outcome = outcome.map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor as RawFd) });
            Some(Completion::Accepted { outcome, more })
        }
        Token::Send(index) => {
            let (key, transmission) = lent.try_remove(index as usize)?;
            Some(Completion::Sent {
                key,
                outcome,
                transmission,
            })
        }
        // A half-close is reported as well, and is none; the watch goes on.
        Token::HangUp(key) => {
            let hung_up = outcome.is_ok_and(|events| events as i32 & i32::from(libc::POLLHUP | libc::POLLERR) != 0);
            hung_up.then_some(Completion::HungUp { key })
        }
        Token::Watch => Some(Completion::Readable),
        Token::Tick => Some(Completion::Ticked),
        Token::SendAtOnce(_) | Token::Unattended => None,
    }
}

#[inline]
pub(super) fn outcome(entry: &cqueue::Entry) -> Result<usize, Errno> {
    match entry.result() {
        error @ ..0 => Err(Errno(-error)),
        result => Ok(result as usize),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use ringlane_pool::{Options, Pool, Slots};

    use crate::ring::{Completion, Received, Ring, Uring, Wait};

    /// What lies in a socket comes in order, however many buffers a completion of the kernel's covers, and all buffers come
    /// back; also where the kernel has fewer than it wants.
    #[test]
    fn bundles_come_buffer_by_buffer() {
        for buffers_max in [4, 7, 64] {
            let options = Options {
                buffer_bytes: 1024,
                buffers_max,
                buffers_step: 1,
            };
            let pool = Pool::new(options).unwrap();
            let Ok(mut ring) = Uring::new(64, pool.clone(), crate::control::eventfd().unwrap()) else {
                eprintln!("skipped: there is no io_uring here");
                return;
            };
            let key = Slots::new().insert(());
            let (mut client, server) = UnixStream::pair().unwrap();
            for length in [1, 1024, 1025, 4096, 20_000, 70_001] {
                let sent: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
                client.write_all(&sent).unwrap();
                ring.receive(server.as_raw_fd(), key, true);
                let mut received = Vec::new();
                let mut armed = true;
                while received.len() < length {
                    if !std::mem::replace(&mut armed, true) {
                        ring.receive(server.as_raw_fd(), key, true);
                    }
                    ring.enter(Wait::UpTo(std::time::Duration::from_secs(5))).unwrap();
                    while let Some(completion) = ring.next_completion() {
                        let more = match completion {
                            Completion::Received(Received { view, more, .. }) => {
                                received.extend_from_slice(&view);
                                more
                            }
                            Completion::NothingReceived { more, .. } => more,
                            _ => continue,
                        };
                        assert!(armed || !more, "something comes behind the last completion");
                        armed = more;
                    }
                }
                assert!(received == sent, "{length} bytes in {buffers_max} buffers");
                assert_eq!(pool.counts().held, 0);
                if armed {
                    ring.cancel_receive(key);
                    while armed {
                        ring.enter(Wait::UpTo(std::time::Duration::from_secs(5))).unwrap();
                        while let Some(completion) = ring.next_completion() {
                            armed &= !matches!(completion, Completion::NothingReceived { more: false, .. });
                        }
                    }
                }
            }
            drop(ring);
            assert_eq!(pool.counts().lent, 0, "a buffer was lost");
        }
    }
}
