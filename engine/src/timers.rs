//! One timer per connection, on one wheel per core; time comes in as an argument.
//!
//! The wheel has six levels of 64 buckets. A bucket of level 0 is one tick of 8 ms wide, and each level's buckets are
//! eight times as wide as those below. A timer goes into the level in which its wait spans less than 64 buckets, and
//! stays there: it fires when its bucket is over, late by an eighth of its wait at the most and never early. So a
//! thousand connections that were served at different moments and wait 75 s share a few buckets of 4 s, and waking for
//! them costs next to nothing.
//!
//! Setting a deadline at or after the end of the timer's bucket is one store: the timer stays where it is, and moves when
//! the bucket is over. This is what a kept-alive connection does with every request, whose deadlines take turns.

use std::time::Duration;

/// The width of a level-0 bucket in milliseconds.
const TICK: u64 = 8;
const LEVELS: usize = 6;
const BUCKETS: usize = 64;
/// Each level's buckets are 2 to the power of this as wide as those of the level below.
const SCALE_BITS: u32 = 3;
/// The longest wait in ticks that the highest level can hold, about 4.6 h; longer ones are looked at again then.
const WAIT_MAX: u64 = (BUCKETS as u64 - 1) << (SCALE_BITS * (LEVELS as u32 - 1));

/// Marks the end of a bucket's list, and a timer that is in no bucket.
const NONE: u32 = u32::MAX;

/// A moment on the core's own clock: milliseconds since the core started.
pub(crate) type Millis = u64;

/// The timers of a core's connections, by the connections' slot numbers.
pub(crate) struct Timers {
    /// The first timer of each bucket.
    buckets: Box<[[u32; BUCKETS]; LEVELS]>,
    /// For each level, which buckets are not empty.
    occupied: [u64; LEVELS],
    /// The first tick that has not been worked off.
    now: u64,
    links: Vec<Link>,
}

/// A timer's place: in the list of its bucket, or nowhere (`bucket` is `NONE`).
#[derive(Clone, Copy)]
struct Link {
    deadline: Millis,
    /// The tick at which its bucket is over; never, while it is in none.
    over: u64,
    /// Neighbours in the bucket's list; the first one's `previous` is `NONE`.
    previous: u32,
    next: u32,
    /// Level times 64 plus bucket.
    bucket: u32,
}

const UNLINKED: Link = Link {
    deadline: 0,
    over: Millis::MAX / TICK,
    previous: NONE,
    next: NONE,
    bucket: NONE,
};

impl Timers {
    pub(crate) fn new() -> Timers {
        Timers {
            buckets: Box::new([[NONE; BUCKETS]; LEVELS]),
            occupied: [0; LEVELS],
            now: 0,
            links: Vec::new(),
        }
    }

    /// Sets the timer of a slot, or moves it.
    #[inline]
    pub(crate) fn set(&mut self, slot: u32, deadline: Millis) {
        match self.links.get_mut(slot as usize) {
            Some(link) if deadline >= link.over * TICK => link.deadline = deadline,
            _ => self.place(slot, deadline),
        }
    }

    /// Puts the timer of a slot where it belongs.
    fn place(&mut self, slot: u32, deadline: Millis) {
        if self.links.len() <= slot as usize {
            self.links.resize(slot as usize + 1, UNLINKED);
        }
        self.unlink(slot);
        self.links[slot as usize].deadline = deadline;
        self.link(slot);
    }

    /// Takes the timer of a slot off.
    pub(crate) fn clear(&mut self, slot: u32) {
        if self.links.get(slot as usize).is_some_and(|link| link.bucket != NONE) {
            self.unlink(slot);
        }
    }

    /// Moves the clock forward and appends the slots whose deadlines have passed to `due`; their timers are off.
    pub(crate) fn expire(&mut self, now: Millis, due: &mut Vec<u32>) {
        let now_tick = now / TICK;
        while let Some(tick) = self.next_tick().filter(|tick| *tick <= now_tick) {
            self.now = tick;
            for level in 0..LEVELS {
                let shift = SCALE_BITS * level as u32;
                if tick & ((1 << shift) - 1) != 0 {
                    break;
                }
                self.expire_bucket(level, (tick >> shift) as usize % BUCKETS, now, due);
            }
            self.now = tick + 1;
        }
        self.now = self.now.max(now_tick + 1);
    }

    /// How long until a bucket is over, from `now`; none while there is no timer.
    pub(crate) fn next_wait(&self, now: Millis) -> Option<Duration> {
        self.next_tick()
            .map(|tick| Duration::from_millis((tick * TICK).saturating_sub(now)))
    }

    /// The tick at which the next occupied bucket is over.
    fn next_tick(&self) -> Option<u64> {
        let mut next = None::<u64>;
        for (level, occupied) in self.occupied.iter().enumerate().filter(|(_, occupied)| **occupied != 0) {
            let shift = SCALE_BITS * level as u32;
            // The first boundary of this level at or after the clock, in this level's units.
            let first = (self.now + (1 << shift) - 1) >> shift;
            let ahead = occupied.rotate_right((first % BUCKETS as u64) as u32).trailing_zeros();
            let tick = (first + u64::from(ahead)) << shift;
            next = Some(next.map_or(tick, |next| next.min(tick)));
        }
        next
    }

    fn expire_bucket(&mut self, level: usize, bucket: usize, now: Millis, due: &mut Vec<u32>) {
        let mut slot = std::mem::replace(&mut self.buckets[level][bucket], NONE);
        self.occupied[level] &= !(1 << bucket);
        // Relinking below never goes into this bucket: it is over, and a wait reaches at most 63 buckets ahead.
        while slot != NONE {
            let link = &mut self.links[slot as usize];
            let next = link.next;
            *link = Link {
                deadline: link.deadline,
                ..UNLINKED
            };
            if link.deadline <= now {
                due.push(slot);
            } else {
                self.link(slot);
            }
            slot = next;
        }
    }

    /// Puts a timer into the bucket that is over at or after its deadline.
    fn link(&mut self, slot: u32) {
        let deadline = self.links[slot as usize].deadline.div_ceil(TICK).max(self.now + 1);
        let wait = (deadline - self.now).min(WAIT_MAX);
        let mut level = 0;
        while wait > ((BUCKETS as u64 - 1) << (SCALE_BITS * level)) {
            level += 1;
        }
        let shift = SCALE_BITS * level;
        // Rounded up, so that no timer fires early; at most 63 buckets ahead of the clock's own.
        let boundary = (self.now + wait + (1 << shift) - 1) >> shift;
        let (level, bucket) = (level as usize, boundary as usize % BUCKETS);
        let first = std::mem::replace(&mut self.buckets[level][bucket], slot);
        self.occupied[level] |= 1 << bucket;
        if first != NONE {
            self.links[first as usize].previous = slot;
        }
        let link = &mut self.links[slot as usize];
        link.over = boundary << shift;
        link.previous = NONE;
        link.next = first;
        link.bucket = (level * BUCKETS + bucket) as u32;
    }

    fn unlink(&mut self, slot: u32) {
        let Link {
            previous, next, bucket, ..
        } = self.links[slot as usize];
        if bucket == NONE {
            return;
        }
        let (level, bucket) = (bucket as usize / BUCKETS, bucket as usize % BUCKETS);
        if next != NONE {
            self.links[next as usize].previous = previous;
        }
        if previous != NONE {
            self.links[previous as usize].next = next;
        } else {
            self.buckets[level][bucket] = next;
            if next == NONE {
                self.occupied[level] &= !(1 << bucket);
            }
        }
        let link = &mut self.links[slot as usize];
        *link = Link {
            deadline: link.deadline,
            ..UNLINKED
        };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn due(timers: &mut Timers, now: Millis) -> Vec<u32> {
        let mut due = Vec::new();
        timers.expire(now, &mut due);
        due.sort_unstable();
        due
    }

    #[test]
    fn fires_late_by_an_eighth_at_most_and_never_early() {
        for start in [0, 1, 7, 8, 511, 512, 4095, 123_456_789] {
            for wait in [
                1, 8, 9, 100, 500, 504, 505, 2_000, 4_031, 4_032, 10_000, 30_000, 75_000, 3_600_000, 40_000_000,
            ] {
                let mut timers = Timers::new();
                assert!(due(&mut timers, start).is_empty());
                timers.set(3, start + wait);
                let latest = start + wait + wait / 7 + 4 * TICK;
                assert!(
                    due(&mut timers, start + wait - 1).is_empty(),
                    "{start}+{wait} fired early"
                );
                assert_eq!(due(&mut timers, latest), [3], "{start}+{wait} did not fire by {latest}");
                assert_eq!(timers.next_wait(latest), None);
            }
        }
    }

    #[test]
    fn next_wait_leads_to_every_timer() {
        let mut timers = Timers::new();
        let mut now = 1000;
        due(&mut timers, now);
        for slot in 0..100 {
            timers.set(slot, now + 37 * u64::from(slot) * u64::from(slot));
        }
        let mut fired = 0;
        while let Some(wait) = timers.next_wait(now) {
            now += wait.as_millis() as u64;
            fired += due(&mut timers, now).len();
        }
        assert_eq!(fired, 100);
    }

    #[test]
    fn putting_off_costs_no_move_and_holds() {
        let mut timers = Timers::new();
        timers.set(0, 10_000);
        let bucket = timers.links[0].bucket;
        for step in 1..100 {
            timers.set(0, 75_000 + step * 100);
            timers.set(0, 20_000 + step * 100);
            assert_eq!(timers.links[0].bucket, bucket);
        }
        assert!(due(&mut timers, 29_899).is_empty());
        assert_eq!(due(&mut timers, 34_000), [0]);
    }

    #[test]
    fn a_thousand_idle_connections_wake_the_core_less_than_once_a_second() {
        let mut timers = Timers::new();
        for slot in 0..1000 {
            due(&mut timers, u64::from(slot));
            timers.set(slot, u64::from(slot) + 75_000);
        }
        let (mut now, mut wakes) = (1000, 0);
        while let Some(wait) = timers.next_wait(now) {
            now += wait.as_millis() as u64;
            wakes += 1;
            due(&mut timers, now);
        }
        assert!(wakes <= 3, "{wakes} wake-ups in {now} ms");
    }

    #[test]
    fn agrees_with_a_table_of_deadlines() {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move |below: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % below
        };
        let (mut timers, mut twin, mut now) = (Timers::new(), HashMap::new(), 0);
        for _ in 0..50_000 {
            let slot = next(50) as u32;
            match next(10) {
                0..=5 => {
                    let wait = 1 << next(22);
                    let deadline = now + 1 + next(wait);
                    timers.set(slot, deadline);
                    twin.insert(slot, deadline);
                }
                6 => {
                    timers.clear(slot);
                    twin.remove(&slot);
                }
                _ => {
                    let step = 1 << next(15);
                    now += next(step);
                    for slot in due(&mut timers, now) {
                        let deadline: u64 = twin.remove(&slot).expect("a timer fired that is not set");
                        assert!(deadline <= now, "a timer fired early");
                    }
                    for (slot, deadline) in &twin {
                        // Late by an eighth of the longest wait that was ever set, at the most.
                        assert!(now < deadline + (1 << 22) / 7 + 4 * TICK, "timer {slot} is overdue");
                    }
                }
            }
        }
    }
}
