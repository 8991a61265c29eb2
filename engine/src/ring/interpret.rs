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
        // A reset sets POLLERR. The end of one direction is reported as well, and so is that of both (POLLHUP, tcp(7)): they
        // are none, and the watch goes on.
        Token::HangUp(key) => match outcome {
            Ok(events) if events as i32 & i32::from(libc::POLLERR) != 0 => Some(Completion::HungUp { key }),
            Ok(_) if !more => Some(Completion::WatchEnded { key }),
            Ok(_) | Err(_) => None,
        },
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
