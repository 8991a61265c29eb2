//! Random ids of traces and spans.

use std::cell::Cell;
use std::hash::BuildHasher;
use std::hash::RandomState;

/// A keyed hash of a counter: the key comes from the system, so that no two cores and no two processes make the same ids, and
/// nothing has to be asked of the system again.
#[derive(Debug, Default)]
pub(super) struct Ids {
    key: RandomState,
    next: Cell<u64>,
}

impl Ids {
    /// Not all zero, which is no id (Trace Context §3.2.2.3).
    pub(super) fn trace(&self) -> u128 {
        u128::from(self.word()) << 64 | u128::from(self.span())
    }

    /// Not zero, which is no id (Trace Context §3.2.2.4).
    pub(super) fn span(&self) -> u64 {
        match self.word() {
            0 => 1,
            id => id,
        }
    }

    fn word(&self) -> u64 {
        let count = self.next.get();
        self.next.set(count.wrapping_add(1));
        self.key.hash_one(count)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_within_a_generator_and_between_them() {
        let mut seen = HashSet::new();
        for ids in [
            Ids::default(),
            Ids::default(),
            std::thread::spawn(Ids::default).join().unwrap(),
        ] {
            for _ in 0..1000 {
                assert!(seen.insert(u128::from(ids.span())));
                assert!(seen.insert(ids.trace()));
            }
        }
    }
}
