//! Tests of pools, buffers and views; last the one that holds them to a naive twin.

mod model;

use std::mem::ManuallyDrop;
use std::rc::Rc;

use super::{Buffer, Counts, Full, Options, Pool, View};
use crate::Error;

fn pool(buffer_bytes: usize, buffers_max: usize, buffers_step: usize) -> Pool {
    Pool::new(Options {
        buffer_bytes,
        buffers_max,
        buffers_step,
    })
    .expect("address space for a test")
}

fn filled(pool: &Pool, bytes: &[u8]) -> Buffer {
    let mut buffer = pool.take().expect("a free buffer");
    buffer.extend_from_slice(bytes).expect("room");
    buffer
}

fn whole_pages(pool: &Pool, buffers: usize) -> usize {
    let bytes = buffers * pool.buffer_bytes();
    let page = pool.shared.region().page_bytes();
    assert_eq!(bytes % page, 0, "this test wants whole pages");
    bytes
}

#[test]
fn options_out_of_range_are_refused() {
    let make = |buffer_bytes, buffers_max, buffers_step| {
        Pool::new(Options {
            buffer_bytes,
            buffers_max,
            buffers_step,
        })
        .map(drop)
    };
    for bytes in [0, 1, 512, 1025, 3000, 2 * 1024 * 1024, usize::MAX] {
        assert!(matches!(make(bytes, 1, 1), Err(Error::BufferBytes { given }) if given == bytes));
    }
    for count in [0, 32_769, usize::MAX] {
        assert!(matches!(make(1024, count, 1), Err(Error::BuffersMax { given }) if given == count));
    }
    assert!(matches!(make(1024, 1, 0), Err(Error::BuffersStep)));
    assert!(make(1024, 1, usize::MAX).is_ok());
    assert!(make(1024 * 1024, 1, 1).is_ok());
}

#[test]
fn handles_are_small() {
    assert_eq!(size_of::<Buffer>(), 16);
    assert_eq!(size_of::<Option<Buffer>>(), 16);
    assert_eq!(size_of::<View>(), 24);
    assert_eq!(size_of::<Option<View>>(), 24);
}

#[test]
fn grows_by_steps_to_its_limit_and_no_further() {
    let pool = pool(1024, 5, 2);
    let mut taken = Vec::new();
    for total in [2, 2, 4, 4, 5] {
        taken.push(pool.take().expect("below the limit"));
        assert_eq!(pool.counts().total, total);
    }
    assert!(pool.take().is_none());
    assert_eq!(
        pool.counts(),
        Counts {
            total: 5,
            free: 0,
            lent: 0,
            held: 5,
            resident: 5
        }
    );
    assert_eq!(taken.iter().map(Buffer::index).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);

    drop(taken.pop());
    assert!(pool.take().is_some());
}

#[test]
#[cfg_attr(miri, ignore = "too much for an interpreter")]
fn the_largest_number_of_buffers_has_distinct_memory() {
    let pool = pool(1024, 32_768, 1000);
    let mut taken = Vec::new();
    while let Some(mut buffer) = pool.take() {
        let index = buffer.index().to_le_bytes();
        buffer.extend_from_slice(&index).expect("room");
        let end = buffer.remaining() - 1;
        buffer.spare_mut()[end] = 1;
        taken.push(buffer);
    }
    assert_eq!(taken.len(), 32_768);
    assert!(taken.iter().all(|buffer| **buffer == buffer.index().to_le_bytes()));
}

#[test]
fn the_most_recently_used_is_taken_first() {
    let pool = pool(4096, 8, 4);
    let (a, b, c) = (pool.take(), pool.take(), pool.take());
    let index = b.as_ref().map(Buffer::index);
    drop((a, c, b));
    assert_eq!(pool.take().as_ref().map(Buffer::index), index);
}

#[test]
fn a_buffer_is_filled_up_to_its_end() {
    let pool = pool(1024, 1, 1);
    let mut buffer = pool.take().expect("a free buffer");
    assert!(buffer.is_empty());
    assert_eq!((buffer.len(), buffer.remaining(), buffer.capacity()), (0, 1024, 1024));
    buffer.extend_from_slice(&[1; 1000]).expect("room");
    assert_eq!(buffer.extend_from_slice(&[2; 25]), Err(Full));
    assert_eq!(*buffer, [1; 1000]);
    buffer.extend_from_slice(&[3; 24]).expect("room");
    assert_eq!(buffer.spare_mut(), []);
    assert_eq!(buffer.extend_from_slice(&[4]), Err(Full));
    assert_eq!(buffer.extend_from_slice(&[]), Ok(()));
    assert_eq!((buffer.len(), buffer.remaining()), (1024, 0));
    assert_eq!(buffer[999..1001], [1, 3]);
    buffer.clear();
    assert_eq!(buffer.len(), 0);
    assert_eq!(format!("{buffer:?}"), "Buffer { index: 0, len: 0, capacity: 1024 }");
}

#[test]
#[should_panic(expected = "beyond its capacity")]
fn advancing_beyond_the_end_panics() {
    filled(&pool(1024, 1, 1), b"abc").advance(1022);
}

#[test]
#[should_panic(expected = "beyond its capacity")]
fn advancing_by_more_than_a_length_can_hold_panics() {
    filled(&pool(1024, 1, 1), b"abc").advance(usize::MAX);
}

#[test]
fn views_share_one_buffer_until_the_last_is_dropped() {
    let pool = pool(1024, 1, 1);
    let whole = filled(&pool, b"0123456789").freeze();
    assert_eq!(whole, *b"0123456789");
    let mut rest = whole.clone();
    let head = rest.split_to(3);
    rest.advance(1);
    rest.truncate(100);
    rest.truncate(5);
    assert_eq!((&*head, &*rest), (&b"012"[..], &b"45678"[..]));
    assert_eq!(rest.slice(1..=2), b"56");
    assert_eq!(rest.slice(..), rest);
    assert_eq!(
        rest.slice((std::ops::Bound::Excluded(0), std::ops::Bound::Unbounded)),
        "5678"
    );
    assert_eq!(rest.slice(5..), b"");
    assert_eq!(rest.as_ptr(), whole[4..].as_ptr());
    assert_eq!(
        format!("{head:?} {:?}", filled(&self::pool(1024, 1, 1), b"\r\n\xff").freeze()),
        r#"b"012" b"\r\n\xff""#
    );

    let empty = whole.slice(10..);
    drop((whole, head, rest));
    assert_eq!(pool.counts().held, 1);
    assert!(pool.take().is_none());
    drop(empty);
    assert_eq!(
        pool.counts(),
        Counts {
            total: 1,
            free: 1,
            lent: 0,
            held: 0,
            resident: 1
        }
    );
}

#[test]
fn ranges_beyond_a_view_panic_and_leave_it_alone() {
    let pool = pool(1024, 1, 1);
    let view = filled(&pool, b"0123").freeze();
    let attempts: [fn(&mut View); 8] = [
        |view| drop(view.slice(0..5)),
        |view| drop(view.slice(0..=4)),
        |view| drop(view.slice(5..)),
        |view| drop(view.slice(0..=usize::MAX)),
        |view| drop(view.slice((std::ops::Bound::Excluded(usize::MAX), std::ops::Bound::Unbounded))),
        #[expect(clippy::reversed_empty_ranges, reason = "it is to be refused")]
        |view| drop(view.slice(3..2)),
        |view| drop(view.split_to(5)),
        |view| view.advance(usize::MAX),
    ];
    for attempt in attempts {
        let mut view = view.clone();
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| attempt(&mut view)));
        assert!(tried.is_err());
        assert_eq!(view, b"0123");
    }
    drop(view);
    assert_eq!(pool.counts().held, 0);
}

#[test]
fn too_many_views_panic_instead_of_wrapping() {
    let pool = pool(1024, 1, 1);
    let view = filled(&pool, b"x").freeze();
    pool.shared.set_references(0, u32::MAX - 2);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| view.clone())).is_err());
    pool.shared.set_references(0, 1);
    drop(view);
    assert_eq!(pool.counts().free, 1);
}

#[test]
fn only_lent_buffers_are_reclaimed_and_only_once() {
    let pool = pool(1024, 4, 4);
    assert!(pool.reclaim(0, 0).is_none(), "not yet grown to");
    let lent = pool.lend().expect("a free buffer");
    let held = pool.take().expect("a free buffer");
    assert_eq!((lent.bytes, lent.index), (1024, 0));
    assert_eq!(
        pool.counts(),
        Counts {
            total: 4,
            free: 2,
            lent: 1,
            held: 1,
            resident: 2
        }
    );

    assert!(pool.reclaim(held.index(), 0).is_none(), "held");
    assert!(pool.reclaim(2, 0).is_none(), "free");
    assert!(pool.reclaim(4, 0).is_none(), "beyond the pool");
    assert!(pool.reclaim(u16::MAX, 0).is_none(), "beyond the pool");
    assert!(pool.reclaim(lent.index, 1025).is_none(), "more than it can hold");
    assert!(pool.reclaim(lent.index, usize::MAX).is_none(), "more than it can hold");
    assert_eq!(pool.counts().lent, 1);

    // SAFETY: the buffer is lent to this test, which writes within its size.
    unsafe { lent.address.write_bytes(9, lent.bytes) };
    let back = pool.reclaim(lent.index, 1024).expect("it is lent");
    assert_eq!(*back, [9; 1024]);
    assert_eq!(back.as_ptr(), lent.address.cast_const());
    assert!(pool.reclaim(lent.index, 0).is_none(), "reclaimed before");
    drop(back);
    assert!(pool.reclaim(lent.index, 0).is_none(), "free again");
}

#[test]
fn buffers_and_views_outlive_the_handles() {
    let pool = pool(1024, 2, 1);
    let (buffer, view) = (filled(&pool, b"buffer"), filled(&pool, b"view").freeze());
    let weak = Rc::downgrade(&pool.shared);
    drop(pool);
    assert_eq!((&*buffer, &*view), (&b"buffer"[..], &b"view"[..]));
    drop(buffer);
    assert_eq!(view, b"view");
    drop(view);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_pool_that_is_dropped_while_a_buffer_is_lent_stays_mapped() {
    let pool = pool(1024, 2, 1);
    let weak = Rc::downgrade(&pool.shared);
    let lent = pool.lend().expect("a free buffer");
    drop(pool);
    // SAFETY: the buffer is lent to this test.
    unsafe { lent.address.write_bytes(1, lent.bytes) };

    // A handle that only a test can get back, so that what was leaked on purpose is not reported.
    let pool = Pool {
        shared: weak.upgrade().expect("the lent buffer keeps it"),
    };
    assert_eq!(pool.reclaim(lent.index, 3).as_deref(), Some(&[1; 3][..]));
    drop(pool);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_forgotten_buffer_keeps_the_pool() {
    let pool = pool(1024, 2, 1);
    let mut forgotten = ManuallyDrop::new(filled(&pool, b"kept"));
    let weak = Rc::downgrade(&pool.shared);
    drop(pool);
    assert_eq!(**forgotten, *b"kept");
    assert!(weak.upgrade().is_some());
    // SAFETY: dropped here and not used again.
    unsafe { ManuallyDrop::drop(&mut forgotten) };
}

#[test]
fn trimmed_buffers_are_zero_and_used_last() {
    let pool = pool(64 * 1024, 8, 8);
    let page_run: Vec<Buffer> = (0..6).map(|_| filled(&pool, &[7; 64 * 1024])).collect();
    let recent: Vec<u16> = page_run.iter().map(Buffer::index).rev().take(2).collect();
    drop(page_run); // in order of index: the last two are the most recently used
    assert_eq!(pool.counts().resident, 6);

    assert_eq!(pool.trim(2), whole_pages(&pool, 4));
    assert_eq!(
        pool.counts(),
        Counts {
            total: 8,
            free: 8,
            lent: 0,
            held: 0,
            resident: 2
        }
    );
    assert_eq!(pool.trim(2), 0, "nothing is given back twice");
    assert_eq!(pool.trim(usize::MAX), 0);

    let mut taken: Vec<Buffer> = std::iter::from_fn(|| pool.take()).collect();
    assert_eq!(taken[..2].iter().map(Buffer::index).collect::<Vec<_>>(), recent);
    for (place, buffer) in taken.iter_mut().enumerate() {
        let expected = if place < 2 { 7 } else { 0 };
        assert!(buffer.spare_mut().iter().all(|&byte| byte == expected), "place {place}");
    }
    assert_eq!(pool.trim(0), 0, "none is free");
}

#[test]
fn trimming_leaves_held_and_lent_buffers_alone() {
    let pool = pool(64 * 1024, 4, 4);
    let first = filled(&pool, b"held");
    let lent = pool.lend().expect("a free buffer");
    // SAFETY: the buffer is lent to this test, which writes within its size.
    unsafe { lent.address.copy_from(b"lent".as_ptr(), 4) };
    drop(filled(&pool, b"free"));
    assert_eq!(pool.trim(0), whole_pages(&pool, 1));
    assert_eq!(*first, *b"held");
    assert_eq!(pool.reclaim(lent.index, 4).as_deref(), Some(&b"lent"[..]));
    drop(first);
    assert_eq!(pool.trim(0), whole_pages(&pool, 2));
}

/// A page that several buffers share is given back when the last of them is free.
#[test]
fn a_shared_page_is_given_back_as_a_whole() {
    let pool = pool(1024, 256, 1);
    let page = pool.shared.region().page_bytes();
    let mut taken: Vec<Buffer> = (0..page / 1024).map(|_| filled(&pool, &[7; 1024])).collect();
    let last = taken.pop();
    drop(taken);
    assert_eq!(pool.trim(0), 0);
    assert_eq!(last.as_deref(), Some(&[7; 1024][..]));
    drop(last);
    assert_eq!(pool.trim(0), page);
    assert_eq!(pool.counts().resident, 0);

    // Its neighbours have no memory of their own to give back, but do not stand in the way either.
    drop(pool.take());
    assert_eq!(pool.counts().resident, 1);
    assert_eq!(pool.trim(0), page);
    assert!(
        pool.take()
            .is_some_and(|mut buffer| buffer.spare_mut().iter().all(|&byte| byte == 0))
    );
}

#[test]
#[cfg(not(miri))]
fn memory_is_resident_only_where_it_was_used() {
    use crate::region::resident_pages;

    let pool = pool(64 * 1024, 1024, 16);
    let pages = |buffers| whole_pages(&pool, buffers) / pool.shared.region().page_bytes();
    let mut taken: Vec<Buffer> = (0..20).map_while(|_| pool.take()).collect();
    assert_eq!(resident_pages(pool.shared.region()), 0, "taking does not touch memory");
    taken.iter_mut().for_each(|buffer| buffer.spare_mut().fill(1));
    assert_eq!(resident_pages(pool.shared.region()), pages(20));
    taken.truncate(5);
    pool.trim(3);
    assert_eq!(resident_pages(pool.shared.region()), pages(8));
    assert_eq!(pool.counts().resident, 8);
}

#[test]
fn the_pool_tells_its_state() {
    let pool = pool(1024, 2, 1);
    let _buffer = pool.take();
    let text = format!("{pool:?}");
    assert!(text.contains("buffers_max: 2") && text.contains("held: 1"), "{text}");
}
