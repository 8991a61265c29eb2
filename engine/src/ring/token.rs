//! How an operation is named to the kernel and recognised in its completion: 64 bits of user data.
//!
//! ```text
//!  63      56 55              32 31                            0
//! +----------+------------------+-------------------------------+
//! |   kind   |    generation    |        slot, or index         |
//! +----------+------------------+-------------------------------+
//! ```

use ringlane_pool::Key;

/// Which operation a completion belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// The one multishot accept.
    Accept,
    /// The multishot receive of a connection.
    Receive(Key),
    /// The watch for a connection's reset.
    HangUp(Key),
    /// A send, by its place in the table of lent transmissions.
    Send(u32),
    /// A send that is to be done at once, by its place among those of its round.
    SendAtOnce(u32),
    /// The watch on a descriptor.
    Watch,
    /// The tick.
    Tick,
    /// Cancels and closes: nobody waits for their completions, which come only when they fail.
    Unattended,
}

/// The kind of [`Token::SendAtOnce`].
const AT_ONCE: u64 = 6;

impl Token {
    pub(super) fn to_bits(self) -> u64 {
        let (kind, generation, index) = match self {
            Token::Unattended => (0, 0, 0),
            Token::Accept => (1, 0, 0),
            Token::Receive(key) => (2, key.generation(), key.index()),
            Token::Send(index) => (3, 0, index),
            Token::Watch => (4, 0, 0),
            Token::HangUp(key) => (5, key.generation(), key.index()),
            Token::SendAtOnce(index) => (AT_ONCE, 0, index),
            Token::Tick => (7, 0, 0),
        };
        debug_assert!(generation < 1 << 24);
        kind << 56 | u64::from(generation) << 32 | u64::from(index)
    }

    /// The index of a send that is to be done at once, where it is one.
    #[inline]
    pub(super) fn at_once(bits: u64) -> Option<u32> {
        (bits >> 56 == AT_ONCE).then_some(bits as u32)
    }

    #[inline]
    pub(super) fn from_bits(bits: u64) -> Token {
        let index = bits as u32;
        let generation = (bits >> 32) as u32 & 0x00ff_ffff;
        match bits >> 56 {
            1 => Token::Accept,
            2 => Token::Receive(Key::from_parts(index, generation)),
            3 => Token::Send(index),
            4 => Token::Watch,
            5 => Token::HangUp(Key::from_parts(index, generation)),
            AT_ONCE => Token::SendAtOnce(index),
            7 => Token::Tick,
            _ => Token::Unattended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_kernel() {
        for token in [
            Token::Accept,
            Token::Watch,
            Token::Tick,
            Token::Unattended,
            Token::Send(0),
            Token::Send(u32::MAX),
            Token::SendAtOnce(7),
            Token::Receive(Key::from_parts(0, 0)),
            Token::HangUp(Key::from_parts(7, 9)),
            Token::Receive(Key::from_parts(u32::MAX, 0x00ff_ffff)),
        ] {
            assert_eq!(Token::from_bits(token.to_bits()), token);
        }
    }
}
