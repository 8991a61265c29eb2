//! Slot tables whose keys go stale when their entry is removed.

use slab::Slab;

/// Generations take 24 bits, so that a key and one byte for something else fit into 64 bits.
const GENERATION_MASK: u32 = (1 << 24) - 1;

/// Names one entry of a [`Slots`], and no later entry at the same index.
///
/// The generation of an index advances with every removal and wraps after 2²⁴ of them; only a key kept for that long
/// could be mistaken.
///
/// ```
/// use ringlane_pool::Key;
///
/// // Packed into 64 bits beside one byte of one's own, and back.
/// let key = Key::from_parts(7, 3);
/// let packed = 0xA5 << 56 | u64::from(key.generation()) << 32 | u64::from(key.index());
/// assert_eq!(Key::from_parts(packed as u32, (packed >> 32) as u32), key);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    index: u32,
    /// At most `GENERATION_MASK`.
    generation: u32,
}

impl Key {
    /// Puts a key together again. Of `generation` only the lower 24 bits count.
    #[inline]
    pub const fn from_parts(index: u32, generation: u32) -> Key {
        Key {
            index,
            generation: generation & GENERATION_MASK,
        }
    }

    /// Where in the table the entry is: less than the most entries that the table ever held at once.
    #[inline]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// How often an entry at this index was removed before, in 24 bits.
    #[inline]
    pub const fn generation(self) -> u32 {
        self.generation
    }
}

/// A table of entries, each named by the [`Key`] it was given at insertion.
///
/// Indices are small and reused, the last freed first. A key whose entry was removed finds nothing, whoever has the
/// index now. The table grows as entries are inserted, to at most 2³² of them, and keeps its memory.
///
/// ```
/// use ringlane_pool::Slots;
///
/// let mut connections = Slots::new();
/// let first = connections.insert("first");
/// assert_eq!(connections.remove(first), Some("first"));
///
/// let second = connections.insert("second");
/// assert_eq!(second.index(), first.index());
/// assert_eq!(connections.get(first), None);
/// assert_eq!(connections.get(second), Some(&"second"));
/// ```
#[derive(Debug)]
pub struct Slots<T> {
    entries: Slab<T>,
    /// By index: how often an entry there was removed, in 24 bits. Covers every index that was ever occupied.
    generations: Vec<u32>,
}

impl<T> Slots<T> {
    /// A table without entries, which allocates at the first insertion.
    pub const fn new() -> Slots<T> {
        Slots {
            entries: Slab::new(),
            generations: Vec::new(),
        }
    }

    /// A table that holds `capacity` entries before it allocates again.
    pub fn with_capacity(capacity: usize) -> Slots<T> {
        Slots {
            entries: Slab::with_capacity(capacity),
            generations: Vec::with_capacity(capacity),
        }
    }

    /// Adds an entry. Its key is the one that [`vacant_key`](Slots::vacant_key) told.
    ///
    /// # Panics
    ///
    /// With 2³² entries in the table.
    #[inline]
    pub fn insert(&mut self, value: T) -> Key {
        let entry = self.entries.vacant_entry();
        let index = entry.key();
        if index == self.generations.len() {
            assert!(u32::try_from(index).is_ok(), "a slot table holds at most 2^32 entries");
            self.generations.push(0);
        }
        let key = Key {
            index: index as u32,
            generation: self.generations[index],
        };
        entry.insert(value);
        key
    }

    /// The key that the next insertion will give, for an entry that must know its own.
    #[inline]
    pub fn vacant_key(&self) -> Key {
        let index = self.entries.vacant_key();
        Key {
            index: index as u32,
            generation: self.generations.get(index).copied().unwrap_or(0),
        }
    }

    /// The entry, or `None` when it was removed.
    #[inline]
    pub fn get(&self, key: Key) -> Option<&T> {
        if self.is_current(key) { self.at(key.index) } else { None }
    }

    /// The entry for changing, or `None` when it was removed.
    #[inline]
    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        if self.is_current(key) {
            self.at_mut(key.index)
        } else {
            None
        }
    }

    /// Takes the entry out and makes its key stale; `None` when it was removed before.
    #[inline]
    pub fn remove(&mut self, key: Key) -> Option<T> {
        let generation = self.generations.get_mut(key.index as usize)?;
        if *generation != key.generation {
            return None;
        }
        let value = self.entries.try_remove(key.index as usize)?;
        *generation = (*generation + 1) & GENERATION_MASK;
        Some(value)
    }

    /// Whether the entry is still there.
    #[inline]
    pub fn contains(&self, key: Key) -> bool {
        self.is_current(key) && self.entries.contains(key.index as usize)
    }

    /// The number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no entries.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries with their keys, by index.
    pub fn iter(&self) -> impl Iterator<Item = (Key, &T)> {
        let generations = &self.generations;
        self.entries.iter().map(|(index, value)| {
            (
                Key {
                    index: index as u32,
                    generation: generations[index],
                },
                value,
            )
        })
    }

    /// The entries for changing, with their keys, by index.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        let generations = &self.generations;
        self.entries.iter_mut().map(|(index, value)| {
            (
                Key {
                    index: index as u32,
                    generation: generations[index],
                },
                value,
            )
        })
    }

    /// The key of the entry that is at `index` now, or `None` when there is none.
    #[inline]
    pub fn key_at(&self, index: u32) -> Option<Key> {
        let generation = *self.generations.get(index as usize)?;
        if self.entries.contains(index as usize) {
            Some(Key { index, generation })
        } else {
            None
        }
    }

    /// The entry that is at `index` now, or `None` when there is none.
    #[inline]
    pub fn at(&self, index: u32) -> Option<&T> {
        self.entries.get(index as usize)
    }

    /// The entry that is at `index` now, for changing, or `None` when there is none.
    #[inline]
    pub fn at_mut(&mut self, index: u32) -> Option<&mut T> {
        self.entries.get_mut(index as usize)
    }

    /// Whether the index is at the key's generation. Its entry may be yet to come.
    #[inline]
    fn is_current(&self, key: Key) -> bool {
        self.generations.get(key.index as usize) == Some(&key.generation)
    }
}

impl<T> Default for Slots<T> {
    fn default() -> Slots<T> {
        Slots::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::random::Random;

    #[test]
    fn keys_of_removed_entries_are_stale_for_ever_but_the_wrap() {
        let mut slots = Slots::new();
        let first = slots.insert(0);
        assert_eq!(slots.remove(first), Some(0));
        assert_eq!(slots.remove(first), None);
        // Keys of the vacancy, whatever their origin, find nothing either.
        assert!(!slots.contains(slots.vacant_key()));
        assert_eq!(slots.get(slots.vacant_key()), None);
        assert_eq!(slots.remove(slots.vacant_key()), None);

        slots.generations[0] = GENERATION_MASK;
        let last = slots.insert(1);
        assert_eq!(last.generation(), GENERATION_MASK);
        assert_eq!(slots.remove(last), Some(1));
        let wrapped = slots.insert(2);
        assert_eq!(wrapped, first);
        assert_eq!(slots.get(last), None);
    }

    #[test]
    fn a_key_keeps_24_bits_of_generation() {
        let key = Key::from_parts(u32::MAX, 0xFF00_0001);
        assert_eq!((key.index(), key.generation()), (u32::MAX, 1));
        assert_eq!(size_of::<Key>(), 8);
    }

    #[test]
    fn keys_from_nowhere_find_nothing() {
        let mut slots = Slots::with_capacity(4);
        slots.insert('a');
        for key in [
            Key::from_parts(1, 0),
            Key::from_parts(0, 1),
            Key::from_parts(u32::MAX, 0),
        ] {
            assert_eq!(slots.get(key), None);
            assert_eq!(slots.get_mut(key), None);
            assert_eq!(slots.remove(key), None);
            assert!(!slots.contains(key));
        }
        assert_eq!(slots.key_at(1), None);
        assert_eq!(slots.at(u32::MAX), None);
        assert_eq!(slots.len(), 1);
    }

    /// Every key that was ever given, stale ones too, against a map that forgets nothing.
    #[test]
    fn agrees_with_a_map_that_never_reuses_a_key() {
        let (seeds, steps) = if cfg!(miri) { (1, 300) } else { (20, 2_000) };
        for seed in 1..=seeds {
            let mut random = Random::new(seed);
            let mut slots = Slots::new();
            let mut model: HashMap<Key, usize> = HashMap::new();
            let mut given: Vec<Key> = Vec::new();
            for step in 0..steps {
                let old = if given.is_empty() {
                    Key::from_parts(0, 0)
                } else {
                    given[random.below(given.len())]
                };
                match random.below(5) {
                    0 | 1 => {
                        let expected = slots.vacant_key();
                        let key = slots.insert(step);
                        assert_eq!(key, expected);
                        assert!(!given.contains(&key), "a key was given twice");
                        given.push(key);
                        model.insert(key, step);
                    }
                    2 => assert_eq!(slots.remove(old), model.remove(&old)),
                    3 => {
                        if let Some(value) = slots.get_mut(old) {
                            *value += 1;
                        }
                        if let Some(value) = model.get_mut(&old) {
                            *value += 1;
                        }
                    }
                    _ => {
                        let key = slots.key_at(old.index());
                        assert_eq!(key.and_then(|key| model.get(&key)), slots.at(old.index()));
                        assert_eq!(slots.at_mut(old.index()).copied(), slots.at(old.index()).copied());
                    }
                }
                assert_eq!(slots.get(old), model.get(&old));
                assert_eq!(slots.contains(old), model.contains_key(&old));
                assert_eq!((slots.len(), slots.is_empty()), (model.len(), model.is_empty()));
            }
            for key in &given {
                assert_eq!(slots.get(*key), model.get(key));
            }
            assert!(slots.iter().map(|(key, _)| key.index()).is_sorted());
            assert_eq!(
                slots
                    .iter()
                    .map(|(key, value)| (key, *value))
                    .collect::<HashMap<_, _>>(),
                model
            );
            slots.iter_mut().for_each(|(_, value)| *value += 1);
            assert!(slots.iter().all(|(key, value)| *value == model[&key] + 1));
        }
    }
}
