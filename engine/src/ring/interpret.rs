//! What the kernel's completions mean.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use io_uring::cqueue;
use ringlane_pool::Key;
use slab::Slab;

use super::buffers::Buffers;
use super::token::Token;
use super::{Completion, Errno, Transmission};

/// Puts the completion of a receive into words.
#[inline(always)]
pub(super) fn received(
    key: Key,
    entry: &cqueue::Entry,
    buffers: &mut Buffers,
    ahead: &mut Vec<Completion>,
) -> Completion {
    let flags = entry.flags();
    let outcome = outcome(entry);
    // Whatever else it says: a completion that names a buffer gives it back.
    let view = match cqueue::buffer_select(flags) {
        None => None,
        Some(index) if outcome.unwrap_or(0) <= buffers.bytes_of(index) => {
            buffers.take_back(index, outcome.unwrap_or(0))
        }
        Some(index) => return spread(key, entry, index, buffers, ahead),
    };
    Completion::Received {
        key,
        outcome: outcome.map(|bytes| view.filter(|_| bytes > 0)),
        more: cqueue::more(flags),
    }
}

/// Makes one completion of each buffer of a bundle. Returns the first; the others come ahead of everything else.
#[cold]
#[inline(never)]
fn spread(
    key: Key,
    entry: &cqueue::Entry,
    first: u16,
    buffers: &mut Buffers,
    ahead: &mut Vec<Completion>,
) -> Completion {
    let received = |view, more| Completion::Received {
        key,
        outcome: Ok(view),
        more,
    };
    let ends_at = ahead.len();
    buffers.take_bundle_back(first, outcome(entry).unwrap_or(0), |view| {
        ahead.push(received(Some(view), true));
    });
    let more_follow = cqueue::more(entry.flags());
    if let Some(Completion::Received { more, .. }) = ahead[ends_at..].last_mut() {
        *more = more_follow;
    }
    ahead[ends_at..].reverse();
    debug_assert!(ahead.len() > ends_at, "a bundle has at least one buffer");
    ahead.pop().unwrap_or(received(None, more_follow))
}

/// Puts any completion but a receive's into words; none for those that nobody waits for.
#[inline(never)]
pub(super) fn interpret(entry: &cqueue::Entry, lent: &mut Slab<(Key, Box<Transmission>)>) -> Option<Completion> {
    let more = cqueue::more(entry.flags());
    let outcome = outcome(entry);
    match Token::from_bits(entry.user_data()) {
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
        Token::Receive(_) | Token::SendAtOnce(_) | Token::Unattended => None,
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

    use crate::ring::{Completion, Ring, Uring, Wait};

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
                ring.receive(server.as_raw_fd(), key);
                let mut received = Vec::new();
                let mut armed = true;
                while received.len() < length {
                    if !std::mem::replace(&mut armed, true) {
                        ring.receive(server.as_raw_fd(), key);
                    }
                    ring.enter(Wait::UpTo(std::time::Duration::from_secs(5))).unwrap();
                    while let Some(completion) = ring.next_completion() {
                        let Completion::Received { outcome, more, .. } = completion else {
                            continue;
                        };
                        assert!(armed || !more, "something comes behind the last completion");
                        armed = more;
                        if let Ok(Some(view)) = outcome {
                            received.extend_from_slice(&view);
                        }
                    }
                }
                assert!(received == sent, "{length} bytes in {buffers_max} buffers");
                assert_eq!(pool.counts().held, 0);
                if armed {
                    ring.cancel_receive(key);
                    while armed {
                        ring.enter(Wait::UpTo(std::time::Duration::from_secs(5))).unwrap();
                        while let Some(completion) = ring.next_completion() {
                            armed &= !matches!(completion, Completion::Received { more: false, .. });
                        }
                    }
                }
            }
            drop(ring);
            assert_eq!(pool.counts().lent, 0, "a buffer was lost");
        }
    }
}
