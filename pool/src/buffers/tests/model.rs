//! A pool and its naive twin do the same random things, and must agree after each.

use super::super::{Buffer, Counts, Lent, Options, Pool, View};
use crate::random::Random;

/// What the twin knows of one buffer.
#[derive(Clone, Copy, PartialEq, Debug)]
enum State {
    /// Free or not yet grown to, and zero.
    Empty,
    Free,
    Lent,
    /// How many handles there are.
    Held(usize),
}

/// A pool as one would write it who has time: all it knows are the states and the order of the free ones.
struct Twin {
    options: Options,
    page_bytes: usize,
    states: Vec<State>,
    free: Vec<usize>,
    total: usize,
}

impl Twin {
    fn take(&mut self) -> Option<usize> {
        self.pop(State::Held(1))
    }

    fn lend(&mut self) -> Option<usize> {
        self.pop(State::Lent)
    }

    fn pop(&mut self, state: State) -> Option<usize> {
        if self.free.is_empty() {
            let end = (self.total + self.options.buffers_step).min(self.options.buffers_max);
            self.free.extend((self.total..end).rev());
            self.total = end;
        }
        let index = self.free.pop()?;
        self.states[index] = state;
        Some(index)
    }

    fn share(&mut self, index: usize) {
        let State::Held(handles) = self.states[index] else {
            panic!("sharing {:?}", self.states[index])
        };
        self.states[index] = State::Held(handles + 1);
    }

    fn release(&mut self, index: usize) {
        match self.states[index] {
            State::Held(1) => {
                self.states[index] = State::Free;
                self.free.push(index);
            }
            State::Held(handles) => self.states[index] = State::Held(handles - 1),
            state => panic!("releasing {state:?}"),
        }
    }

    fn reclaim(&mut self, index: usize, len: usize) -> bool {
        let lent = self.states.get(index) == Some(&State::Lent) && len <= self.options.buffer_bytes;
        if lent {
            self.states[index] = State::Held(1);
        }
        lent
    }

    /// Byte by byte, a page is given back when each byte's buffer is empty or to be trimmed, and one is to be trimmed.
    /// A buffer is given back when all its pages are.
    fn trim(&mut self, keep: usize) -> usize {
        let end = self.free.len().saturating_sub(keep);
        let candidates: Vec<usize> = self.free[..end]
            .iter()
            .copied()
            .filter(|&index| self.states[index] == State::Free)
            .collect();
        let buffers_of = |page: usize| {
            let bytes = page * self.page_bytes..(page + 1) * self.page_bytes;
            let first = bytes.start / self.options.buffer_bytes;
            first
                ..bytes
                    .end
                    .div_ceil(self.options.buffer_bytes)
                    .min(self.options.buffers_max)
        };
        let pages = (self.options.buffers_max * self.options.buffer_bytes).div_ceil(self.page_bytes);
        let given: Vec<usize> = (0..pages)
            .filter(|&page| {
                buffers_of(page).any(|index| candidates.contains(&index))
                    && buffers_of(page).all(|index| candidates.contains(&index) || self.states[index] == State::Empty)
            })
            .collect();
        let mut emptied: Vec<usize> = candidates
            .into_iter()
            .filter(|index| given.iter().any(|&page| buffers_of(page).contains(index)))
            .collect();
        emptied.sort_unstable();
        emptied.reverse();
        let old_empty = self
            .free
            .iter()
            .filter(|&&index| self.states[index] == State::Empty)
            .count();
        self.free.retain(|index| !emptied.contains(index));
        for (place, &index) in emptied.iter().enumerate() {
            self.states[index] = State::Empty;
            self.free.insert(old_empty + place, index);
        }
        given.len() * self.page_bytes
    }

    fn counts(&self) -> Counts {
        let grown = &self.states[..self.total];
        let count = |wanted: fn(&State) -> bool| grown.iter().filter(|state| wanted(state)).count();
        Counts {
            total: self.total,
            free: self.free.len(),
            lent: count(|state| *state == State::Lent),
            held: count(|state| matches!(state, State::Held(_))),
            resident: count(|state| *state != State::Empty),
        }
    }
}

/// The pool, its twin, and every handle with the bytes it must show.
struct Bench {
    pool: Pool,
    twin: Twin,
    buffers: Vec<(Buffer, Vec<u8>)>,
    /// With the index of the buffer.
    views: Vec<(View, Vec<u8>, usize)>,
    lent: Vec<Lent>,
    random: Random,
    /// Whether less is taken than let go at present.
    quiet: bool,
}

impl Bench {
    fn new(options: &Options, seed: u64) -> Bench {
        let pool = Pool::new(options.clone()).expect("address space for a test");
        let twin = Twin {
            options: options.clone(),
            page_bytes: pool.shared.region().page_bytes(),
            states: vec![State::Empty; options.buffers_max],
            free: Vec::new(),
            total: 0,
        };
        let (buffers, views, lent) = (Vec::new(), Vec::new(), Vec::new());
        Bench {
            pool,
            twin,
            buffers,
            views,
            lent,
            random: Random::new(seed),
            quiet: false,
        }
    }

    /// A random place in a list of `len`, if it has any.
    fn place(&mut self, len: usize) -> Option<usize> {
        (len > 0).then(|| self.random.below(len))
    }

    /// Short mostly, so that an interpreter is done with it before long; sometimes up to a whole buffer.
    fn length(&mut self) -> usize {
        let bound = if self.random.below(16) == 0 {
            self.pool.buffer_bytes() + 2
        } else {
            40
        };
        self.random.below(bound)
    }

    fn take(&mut self) {
        let was_empty = self
            .twin
            .free
            .last()
            .is_none_or(|&index| self.twin.states[index] == State::Empty);
        let (taken, expected) = (self.pool.take(), self.twin.take());
        assert_eq!(taken.as_ref().map(|buffer| usize::from(buffer.index())), expected);
        if let Some(mut buffer) = taken {
            assert_eq!(buffer.remaining(), self.pool.buffer_bytes());
            if was_empty {
                let zeros = vec![0; buffer.remaining()];
                assert_eq!(buffer.spare_mut(), zeros, "an empty buffer is zero");
            }
            self.buffers.push((buffer, Vec::new()));
        }
    }

    fn fill(&mut self) {
        let (length, value) = (self.length(), self.random.below(256) as u8);
        let Some(place) = self.place(self.buffers.len()) else {
            return;
        };
        let (buffer, bytes) = &mut self.buffers[place];
        let more = vec![value; length];
        let fits = bytes.len() + length <= buffer.capacity();
        match value % 8 {
            0 => {
                buffer.clear();
                bytes.clear();
            }
            1..4 if fits => {
                buffer.spare_mut()[..length].copy_from_slice(&more);
                buffer.advance(length);
                bytes.extend(more);
            }
            _ => {
                assert_eq!(buffer.extend_from_slice(&more).is_ok(), fits);
                if fits {
                    bytes.extend(more);
                }
            }
        }
    }

    fn drop_or_freeze(&mut self) {
        let Some(place) = self.place(self.buffers.len()) else {
            return;
        };
        let (buffer, bytes) = self.buffers.swap_remove(place);
        let index = usize::from(buffer.index());
        if self.random.below(2) == 0 {
            drop(buffer);
            self.twin.release(index);
        } else {
            self.views.push((buffer.freeze(), bytes, index));
        }
    }

    fn cut(&mut self) {
        let Some(place) = self.place(self.views.len()) else {
            return;
        };
        let index = self.views[place].2;
        let end = self.random.below(self.views[place].1.len() + 1);
        let begin = self.random.below(end + 1);
        let how = self.random.below(5);
        let (view, bytes, _) = &mut self.views[place];
        let new = match how {
            0 => (view.clone(), bytes.clone()),
            1 => (view.slice(begin..end), bytes[begin..end].to_vec()),
            2 => (view.split_to(end), bytes.drain(..end).collect()),
            3 => {
                view.advance(begin);
                bytes.drain(..begin);
                return;
            }
            _ => {
                view.truncate(end);
                bytes.truncate(end);
                return;
            }
        };
        self.twin.share(index);
        self.views.push((new.0, new.1, index));
    }

    fn drop_view(&mut self) {
        let Some(place) = self.place(self.views.len()) else {
            return;
        };
        let (_, _, index) = self.views.swap_remove(place);
        self.twin.release(index);
    }

    fn lend(&mut self) {
        let (lent, expected) = (self.pool.lend(), self.twin.lend());
        assert_eq!(lent.as_ref().map(|lent| usize::from(lent.index)), expected);
        self.lent.extend(lent);
    }

    /// As a kernel would, and sometimes as it never should.
    fn reclaim(&mut self) {
        let (length, value) = (self.length(), self.random.below(256) as u8);
        let lent = self.place(self.lent.len()).filter(|_| value > 50);
        let index = lent.map_or(value.into(), |place| self.lent[place].index);
        let known = self.lent.iter().find(|lent| lent.index == index);
        if let Some(lent) = known.filter(|lent| length <= lent.bytes) {
            // SAFETY: the buffer is lent to this test, and `length` within its size.
            unsafe { lent.address.write_bytes(value, length) };
        }
        let back = self.pool.reclaim(index, length);
        assert_eq!(back.is_some(), self.twin.reclaim(index.into(), length));
        if let Some(buffer) = back {
            assert_eq!(buffer.index(), index);
            self.lent.retain(|lent| lent.index != index);
            self.buffers.push((buffer, vec![value; length]));
        }
    }

    fn step(&mut self) {
        // Busy times reach the limit, quiet ones leave whole pages free.
        if self.random.below(40) == 0 {
            self.quiet = !self.quiet;
        }
        match self.random.below(32) {
            0..6 if self.quiet => self.drop_view(),
            0..7 => self.take(),
            7..13 => self.fill(),
            13..17 => self.drop_or_freeze(),
            17..20 => self.cut(),
            20..24 => self.drop_view(),
            24..27 => self.lend(),
            27..31 => self.reclaim(),
            _ => {
                let keep = self.random.below(4);
                assert_eq!(self.pool.trim(keep), self.twin.trim(keep));
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.pool.counts(), self.twin.counts());
        self.pool.shared.assert_consistent();
        for (buffer, bytes) in &self.buffers {
            assert_eq!(**buffer, **bytes);
        }
        for (view, bytes, _) in &self.views {
            assert_eq!(view, bytes);
        }
    }
}

fn agree(options: &Options, seeds: u64, steps: usize) {
    for seed in 1..=seeds {
        let mut bench = Bench::new(options, seed);
        for _ in 0..steps {
            bench.step();
            bench.check();
        }
        // Whatever was lent comes back, everything is dropped, and all memory can be given back.
        let Bench {
            pool,
            buffers,
            views,
            lent,
            ..
        } = bench;
        lent.iter().for_each(|lent| drop(pool.reclaim(lent.index, 0)));
        drop((buffers, views));
        pool.trim(0);
        let total = pool.counts().total;
        assert_eq!(
            pool.counts(),
            Counts {
                total,
                free: total,
                lent: 0,
                held: 0,
                resident: 0
            }
        );
    }
}

fn iterations(seeds: u64, steps: usize) -> (u64, usize) {
    if cfg!(miri) { (1, 150) } else { (seeds, steps) }
}

#[test]
fn agrees_where_several_buffers_share_a_page() {
    let (seeds, steps) = iterations(8, 2_000);
    agree(
        &Options {
            buffer_bytes: 1024,
            buffers_max: 27,
            buffers_step: 5,
        },
        seeds,
        steps,
    );
}

#[test]
fn agrees_where_buffers_have_their_own_pages() {
    let (seeds, steps) = iterations(4, 2_000);
    agree(
        &Options {
            buffer_bytes: 4096,
            buffers_max: 20,
            buffers_step: 3,
        },
        seeds,
        steps,
    );
    agree(
        &Options {
            buffer_bytes: 16_384,
            buffers_max: 4,
            buffers_step: 100,
        },
        seeds,
        steps / 4,
    );
}
