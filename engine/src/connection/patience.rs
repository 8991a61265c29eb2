//! How long a peer is waited for: patience that waiting uses up and bytes restore.
//!
//! One rule ends those who send or take nothing and those who do it by drops. A transfer begins with patience for its
//! timeout. Each millisecond of waiting takes one away; each byte gives back the time that it may take at the slowest
//! rate allowed, up to the whole timeout again. Who transfers at that rate or faster is waited for forever, who stops is
//! so after the timeout, and who is slower is so in between.

use crate::timers::Millis;

/// What is left of one transfer's patience, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Patience(Millis);

impl Patience {
    /// For the whole timeout.
    pub(super) fn new(timeout: Millis) -> Patience {
        Patience(timeout)
    }

    /// How much longer the peer is waited for.
    pub(super) fn left(self) -> Millis {
        self.0
    }

    /// The peer was waited for, and transferred so many bytes. Patience that has come to its end stays there.
    pub(super) fn pass(&mut self, waited: Millis, bytes: u64, terms: Terms) {
        let restored = match terms.bytes_per_second_min {
            0 if bytes > 0 => terms.timeout,
            0 => 0,
            rate => bytes.saturating_mul(1000) / rate,
        };
        self.0 = match self.0.saturating_sub(waited) {
            0 => 0,
            left => left.saturating_add(restored).min(terms.timeout),
        };
    }
}

/// The terms on which a transfer is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) timeout: Millis,
    /// 0 where every byte restores all of the patience.
    pub(crate) bytes_per_second_min: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For how long a peer is waited for that transfers `bytes` every `every` milliseconds, up to ten minutes.
    fn endures(terms: Terms, bytes: u64, every: Millis) -> Millis {
        let mut patience = Patience::new(terms.timeout);
        let mut now = 0;
        while now < 600_000 {
            let left = patience.left();
            patience.pass(every, bytes, terms);
            if patience.left() == 0 {
                return now + left;
            }
            now += every;
        }
        Millis::MAX
    }

    #[test]
    fn the_slow_are_waited_for_a_while_the_silent_for_the_timeout_and_all_others_forever() {
        let terms = |bytes_per_second_min| Terms {
            timeout: 30_000,
            bytes_per_second_min,
        };
        let table = [
            (terms(240), 0, 1_000, 30_000),
            (terms(240), 1, 29_000, 30_004),
            (terms(240), 1, 1_000, 30_120),
            (terms(240), 120, 1_000, 60_000),
            (terms(240), 240, 1_000, Millis::MAX),
            (terms(240), 7_000, 29_000, Millis::MAX),
            (terms(240), 1 << 40, 31_000, 30_000),
            (terms(0), 1, 29_000, Millis::MAX),
            (terms(0), 0, 1_000, 30_000),
        ];
        for (terms, bytes, every, expected) in table {
            let endured = endures(terms, bytes, every);
            assert!(
                endured.abs_diff(expected) <= 1_000,
                "{terms:?}, {bytes} bytes each {every} ms: {endured} ms"
            );
        }
    }
}
