//! The kernel's io_uring behind the [`Ring`] interface: queues entries, enters, and turns completions into words.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{Ordering, fence};
use std::time::{Duration, Instant};

use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use ringlane_pool::{Key, Pool};
use slab::Slab;

use super::buffers::{Buffers, Bundle, GROUP};
use super::calls;
use super::interpret::{interpret, outcome, received};
use super::setup::{has_bundles, setup};
use super::token::Token;
use super::{BUNDLE_BYTES, Completion, Received, Ring, Sending, TICK, Transmission, Wait};
use crate::chunk::Chunk;
use crate::error::Error;

/// How long a closing ring waits for the kernel to give back what was lent to it.
const GIVE_BACK_LIMIT: Duration = Duration::from_millis(200);

/// How many completions a round has room for before it needs more memory.
const COMPLETIONS: usize = 256;

/// One core's io_uring.
///
/// Memory is lent to the kernel in three ways: buffers through [`Buffers`], the pieces of transmissions, and blocks that are
/// sent at once. The first two are freed only after the final completion that names them; `drop` sees to that, and leaks what
/// the kernel keeps. The kernel has no use for a block once it has been submitted.
pub(crate) struct Uring {
    ring: IoUring,
    buffers: Buffers,
    /// Transmissions that the kernel reads from, by the index in their token.
    lent: Slab<(Key, Box<Transmission>)>,
    /// Blocks to be sent at once, by the index in their token: until they have been submitted, and what was not sent of
    /// them has been taken over.
    at_once: Vec<(Key, Chunk)>,
    /// The last `enter` left some of them unsubmitted.
    blocked: bool,
    /// What the last `enter` took over from the completion queue, and how much of that has been taken.
    completed: Vec<cqueue::Entry>,
    taken: usize,
    /// The bundle that the next of them brings, where some of it has been taken.
    bundle: Option<Bundle>,
    /// What comes before all of them: blocks that were not sent.
    ahead: Vec<Completion>,
    /// The most bytes that one completion of a receive brings, in as many buffers; 0 where it is one buffer each.
    bundle_bytes: u32,
    /// Entries that found the submission queue full, oldest first.
    waiting: VecDeque<squeue::Entry>,
    tick: Tick,
    /// How often an overflow of the completion queue was met.
    overflows: u64,
    /// Signals completions to a parked core; kept open as long as the ring is.
    eventfd: OwnedFd,
}

/// Where the tick stands: a timeout that is set again each time it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tick {
    Off,
    On,
    /// Its removal is under way.
    Ending,
}

/// The width of a tick, as the kernel reads it when the timeout is submitted.
static TICK_SPEC: Timespec = Timespec::new().nsec(TICK.as_nanos() as u32);

impl Uring {
    /// Sets up the ring of the calling thread; `eventfd` is signalled while [`Ring::signal`] is on.
    pub(crate) fn new(entries: u32, pool: Pool, eventfd: OwnedFd) -> Result<Uring, Error> {
        let ring = setup(entries)?;
        let bundle_bytes = match has_bundles(&ring) {
            true => BUNDLE_BYTES.max(pool.buffer_bytes()) as u32,
            false => 0,
        };
        let buffers = Buffers::register(&ring, pool)?;
        ring.submitter()
            .register_eventfd(eventfd.as_raw_fd())
            .map_err(Error::ring("registering the ring's eventfd"))?;
        let mut uring = Uring {
            ring,
            buffers,
            lent: Slab::new(),
            at_once: Vec::new(),
            blocked: false,
            completed: Vec::with_capacity(COMPLETIONS),
            taken: 0,
            bundle: None,
            ahead: Vec::new(),
            bundle_bytes,
            waiting: VecDeque::new(),
            tick: Tick::Off,
            overflows: 0,
            eventfd,
        };
        uring.signal(false);
        Ok(uring)
    }

    /// The eventfd that a parked core reads.
    pub(crate) fn eventfd(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }

    /// Queues an entry; where the submission queue is full, behind those that wait already.
    #[inline(never)]
    fn push(&mut self, entry: squeue::Entry) {
        self.push_inline(entry);
    }

    /// The same, where it is worth being inlined: the entry is then made in the queue, and not copied while its parts are still
    /// on their way to memory.
    #[inline(always)]
    fn push_inline(&mut self, entry: squeue::Entry) {
        if !self.waiting.is_empty() {
            self.push_to_wait(entry);
            return;
        }
        // SAFETY: an entry that points into memory points into a transmission in `lent`, which stays there until its
        // completion, or into a block in `at_once`, which stays there until the entry has been submitted and, by its flags,
        // carried out; all other entries carry only numbers.
        if unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.push_to_wait(entry);
        }
    }

    #[cold]
    fn push_to_wait(&mut self, entry: squeue::Entry) {
        self.waiting.push_back(entry);
    }

    /// Moves entries that waited into the submission queue, as far as it has room.
    fn push_waiting(&mut self) {
        while let Some(entry) = self.waiting.front() {
            // SAFETY: as in `push`: the entry's memory is in `lent` or `at_once`.
            if unsafe { self.ring.submission().push(entry) }.is_err() {
                break;
            }
            self.waiting.pop_front();
        }
    }

    /// Where the vector has to grow; apart, so that otherwise what is pushed is in memory nowhere but there.
    #[cold]
    fn push_another_at_once(&mut self, key: Key, block: Chunk) {
        self.at_once.push((key, block));
    }

    fn push_unattended(&mut self, entry: squeue::Entry) {
        self.push(
            entry
                .flags(squeue::Flags::SKIP_SUCCESS)
                .user_data(Token::Unattended.to_bits()),
        );
    }

    fn cancel(&mut self, token: Token) {
        self.push_unattended(opcode::AsyncCancel::new(token.to_bits()).build());
    }

    fn push_tick(&mut self) {
        let entry = opcode::Timeout::new(&TICK_SPEC).build();
        self.push(entry.user_data(Token::Tick.to_bits()));
    }

    /// The timeout is over, or removed.
    fn handle_tick(&mut self) {
        match self.tick {
            Tick::On => self.push_tick(),
            Tick::Off | Tick::Ending => self.tick = Tick::Off,
        }
    }

    /// Enters the kernel, unless there is nothing to say and nothing to hear.
    fn submit(&mut self, wait: Wait) -> io::Result<()> {
        self.push_waiting();
        let (queued, deferred, overflow) = {
            let submission = self.ring.submission();
            (submission.len(), submission.taskrun(), submission.cq_overflow())
        };
        self.overflows += u64::from(overflow);
        let deferred = deferred || overflow;
        let completed = !self.ring.completion().is_empty();
        let result = match wait {
            Wait::UpTo(_) if !completed && self.waiting.is_empty() && self.tick == Tick::On => {
                self.ring.submit_and_wait(1)
            }
            Wait::UpTo(limit) if !completed && self.waiting.is_empty() => {
                let limit = Timespec::from(limit);
                self.ring
                    .submitter()
                    .submit_with_args(1, &SubmitArgs::new().timespec(&limit))
            }
            _ if queued == 0 && !deferred => return Ok(()),
            _ => self.ring.submit(),
        };
        match result {
            Ok(_) => Ok(()),
            // The wait ended (ETIME), a signal came (EINTR), or the kernel wants completions to be taken, or memory to be
            // freed, before it accepts more (EBUSY, EAGAIN): the entries stay queued for the next round.
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN) => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// The next buffer of the bundle that the next completion brings, which is taken with the last one.
    #[cold]
    #[inline(never)]
    fn next_of_bundle(&mut self) -> Option<Received> {
        let entry = self.completed.get(self.taken)?;
        let (key, first, bytes) = received(entry)?;
        let bundle = self.bundle.get_or_insert_with(|| self.buffers.bundle(first, bytes));
        let Some(view) = self.buffers.take_next_back(bundle) else {
            debug_assert!(false, "a bundle lies in buffers that are lent");
            self.bundle = None;
            return None;
        };
        let is_over = bundle.is_over();
        let more = !is_over || cqueue::more(entry.flags());
        if is_over {
            self.bundle = None;
            self.taken += 1;
        }
        Some(Received { key, view, more })
    }

    /// Takes over what has completed, and lets go of the blocks that were sent at once.
    fn collect(&mut self) {
        debug_assert!(
            self.taken == self.completed.len() && self.ahead.is_empty(),
            "completions of the last round are left"
        );
        self.completed.clear();
        self.taken = 0;
        for entry in self.ring.completion() {
            match Token::at_once(entry.user_data()) {
                None => self.completed.push(entry),
                Some(index) => {
                    if let Some((key, block)) = self.at_once.get_mut(index as usize) {
                        self.ahead.push(Completion::Unsent {
                            key: *key,
                            outcome: outcome(&entry),
                            block: std::mem::take(block),
                        });
                    }
                }
            }
        }
        if !self.at_once.is_empty() {
            let submission = self.ring.submission();
            // What was submitted was carried out then and there, and the completions of all that failed were taken just now.
            self.blocked = !submission.is_empty() || submission.cq_overflow() || !self.waiting.is_empty();
            drop(submission);
            if !self.blocked {
                self.at_once.clear();
            }
        }
    }
}

/// Bounds how many bytes a multishot receive takes at a time, for which the io-uring crate has no word.
fn bounded(mut entry: squeue::Entry, bytes: u32) -> squeue::Entry {
    /// The offset of `len` in `struct io_uring_sqe`, which is the kernel's interface.
    const LEN: usize = 24;
    const { assert!(size_of::<squeue::Entry>() == 64 && align_of::<squeue::Entry>() >= 4) };
    // SAFETY: an `Entry` is a `repr(C)` wrapper of the kernel's 64 bytes, aligned for the u32 that lies at this offset; it is
    // owned here, and every value is valid there.
    unsafe { (&raw mut entry).cast::<u8>().add(LEN).cast::<u32>().write(bytes) };
    entry
}

impl Ring for Uring {
    fn accept(&mut self, listener: RawFd) {
        let entry = opcode::AcceptMulti::new(Fd(listener)).flags(libc::SOCK_CLOEXEC).build();
        self.push(entry.user_data(Token::Accept.to_bits()));
    }

    fn cancel_accept(&mut self) {
        self.cancel(Token::Accept);
    }

    fn receive(&mut self, socket: RawFd, key: Key, in_bundles: bool) {
        let entry = match self.bundle_bytes {
            bytes if in_bundles && bytes > 0 => bounded(opcode::RecvMultiBundle::new(Fd(socket), GROUP).build(), bytes),
            _ => opcode::RecvMulti::new(Fd(socket), GROUP).build(),
        };
        self.push(entry.user_data(Token::Receive(key).to_bits()));
    }

    fn receive_once(&mut self, socket: RawFd, key: Key) {
        // The kernel takes a buffer of the group, and its length where it is given none.
        let entry = opcode::Recv::new(Fd(socket), std::ptr::null_mut(), 0)
            .buf_group(GROUP)
            .build()
            .flags(squeue::Flags::BUFFER_SELECT);
        self.push(entry.user_data(Token::Receive(key).to_bits()));
    }

    fn cancel_receive(&mut self, key: Key) {
        self.cancel(Token::Receive(key));
    }

    fn watch_hang_up(&mut self, socket: RawFd, key: Key) {
        // POLLERR, which a reset causes, is reported without being asked for (poll(2)).
        let entry = opcode::PollAdd::new(Fd(socket), 0).multi(true).build();
        self.push(entry.user_data(Token::HangUp(key).to_bits()));
    }

    fn cancel_hang_up(&mut self, key: Key) {
        self.cancel(Token::HangUp(key));
    }

    fn send(&mut self, socket: RawFd, key: Key, transmission: Box<Transmission>) -> Sending {
        const FLAGS: i32 = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
        let index = self.lent.insert((key, transmission));
        let transmission = &mut self.lent[index].1;
        let entry = match transmission.single() {
            Some(bytes) => {
                let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                opcode::Send::new(Fd(socket), bytes.as_ptr(), length)
                    .flags(FLAGS)
                    .build()
            }
            None => opcode::SendMsg::new(Fd(socket), transmission.message())
                .flags(FLAGS as u32)
                .build(),
        };
        self.push(entry.user_data(Token::Send(index as u32).to_bits()));
        Sending(index as u32)
    }

    fn send_at_once(&mut self, socket: RawFd, key: Key, block: Chunk, is_last: bool) {
        // `MSG_DONTWAIT` has the kernel complete it while it is submitted, and `MSG_WAITALL` has it fail where that was not
        // all: so where no completion comes, all of it is in the socket's buffer and the block is free.
        const FLAGS: i32 = libc::MSG_DONTWAIT | libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
        let more = if is_last { libc::MSG_MORE } else { 0 };
        let entry = opcode::Send::new(Fd(socket), block.as_ptr(), block.len() as u32)
            .flags(FLAGS | more)
            .build()
            .flags(squeue::Flags::SKIP_SUCCESS)
            .user_data(Token::SendAtOnce(self.at_once.len() as u32).to_bits());
        if self.at_once.len() < self.at_once.capacity() {
            self.at_once.push((key, block));
        } else {
            self.push_another_at_once(key, block);
        }
        self.push_inline(entry);
    }

    fn is_blocked(&self) -> bool {
        self.blocked
    }

    fn cancel_send(&mut self, sending: Sending) {
        self.cancel(Token::Send(sending.0));
    }

    fn acknowledged(&self, socket: RawFd) -> u64 {
        calls::acknowledged(socket)
    }

    fn finish_sending(&mut self, socket: RawFd) {
        calls::finish_sending(socket);
    }

    fn has_unread(&self, socket: RawFd) -> bool {
        calls::has_unread(socket)
    }

    fn reset_on_close(&mut self, socket: RawFd) {
        calls::reset_on_close(socket);
    }

    fn close(&mut self, socket: RawFd) {
        self.push_unattended(opcode::Close::new(Fd(socket)).build());
    }

    fn watch(&mut self, descriptor: RawFd) {
        let entry = opcode::PollAdd::new(Fd(descriptor), libc::POLLIN as u32).build();
        self.push(entry.user_data(Token::Watch.to_bits()));
    }

    fn enter(&mut self, wait: Wait) -> io::Result<()> {
        self.buffers.refill();
        self.submit(wait)?;
        // What found the queue full goes in now, unless the kernel takes no more.
        while !self.waiting.is_empty() && self.ring.submission().is_empty() {
            self.submit(Wait::No)?;
        }
        self.collect();
        Ok(())
    }

    #[inline(always)]
    fn next_received(&mut self) -> Option<Received> {
        if !self.ahead.is_empty() {
            return None;
        }
        let entry = self.completed.get(self.taken)?;
        let (key, index, bytes) = received(entry)?;
        if bytes > self.buffers.bytes_of(index) {
            return self.next_of_bundle();
        }
        let view = self.buffers.take_back(index, bytes)?;
        self.taken += 1;
        let more = cqueue::more(entry.flags());
        Some(Received { key, view, more })
    }

    fn next_completion(&mut self) -> Option<Completion> {
        if let Some(completion) = self.ahead.pop() {
            return Some(completion);
        }
        loop {
            if let Some(received) = self.next_received() {
                return Some(Completion::Received(received));
            }
            let entry = self.completed.get(self.taken)?;
            self.taken += 1;
            let completion = interpret(entry, &mut self.buffers, &mut self.lent);
            if let Some(Completion::Ticked) = completion {
                self.handle_tick();
            }
            if completion.is_some() {
                return completion;
            }
        }
    }

    fn is_quiet(&mut self) -> bool {
        // The signal is on before the flags are read, and the kernel sets its flags before it looks for the signal.
        fence(Ordering::SeqCst);
        let submission = self.ring.submission();
        let nothing_to_say = submission.is_empty() && self.waiting.is_empty();
        let nothing_to_hear = !submission.taskrun() && !submission.cq_overflow();
        drop(submission);
        nothing_to_say && nothing_to_hear && self.ring.completion().is_empty()
    }

    fn spare_buffers(&self) -> usize {
        self.buffers.spare()
    }

    fn overflows(&self) -> u64 {
        self.overflows
    }

    fn lend_more(&mut self) {
        self.buffers.lend_more();
    }

    fn lend_less(&mut self) {
        self.buffers.lend_less();
    }

    fn tick(&mut self, on: bool) {
        match self.tick {
            Tick::Off if on => {
                self.push_tick();
                self.tick = Tick::On;
            }
            Tick::On if !on => {
                self.push_unattended(opcode::TimeoutRemove::new(Token::Tick.to_bits()).build());
                self.tick = Tick::Ending;
            }
            _ => {}
        }
    }

    fn signal(&mut self, on: bool) {
        let completion = self.ring.completion();
        if on {
            completion.enable_eventfd();
        } else {
            completion.disable_eventfd();
        }
    }
}

impl Drop for Uring {
    /// Hands in what is queued, closes among it, ends what is under way, and waits for a bounded time until the kernel has
    /// given back every transmission; those that it keeps are leaked.
    fn drop(&mut self) {
        let until = Instant::now() + GIVE_BACK_LIMIT;
        let sends: Vec<u32> = self.lent.iter().map(|(index, _)| index as u32).collect();
        for index in sends {
            self.cancel(Token::Send(index));
        }
        // A pending accept would keep the port bound until the kernel gets to tearing the ring down.
        self.cancel(Token::Accept);
        while self.submit(Wait::No).is_ok() {
            self.collect();
            while self.next_completion().is_some() {}
            if (self.lent.is_empty() && self.waiting.is_empty()) || Instant::now() >= until {
                break;
            }
            let _ = self.submit(Wait::UpTo(Duration::from_millis(5)));
        }
        if !self.lent.is_empty() {
            std::mem::forget(std::mem::take(&mut self.lent));
        }
        // From here on the kernel writes into no buffer: receiving happens within this thread's own system calls, and
        // this ring makes no further one.
        if self.ring.submitter().unregister_buf_ring(GROUP).is_ok() {
            self.buffers.take_all_back();
        }
    }
}
