//! The limit for a server on io_uring: one thread, one ring, multishot accept and receive, a ring of provided buffers.
//!
//! Options: `--addr 127.0.0.1:8080 --core 0`.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::types::{BufRingEntry, Fd};
use io_uring::{IoUring, cqueue, opcode, squeue};
use ringlane_benches::{Answer, exit, listen};

const RING_ENTRIES: u32 = 512;
const BUFFERS: u16 = 64;
const BUFFER_BYTES: usize = 4096;
const BUFFER_GROUP: u16 = 0;
const PAGE: usize = 4096;

/// What a completion belongs to: the upper half of its `user_data`. The lower half is the connection's descriptor.
const ACCEPT: u32 = 0;
const RECEIVE: u32 = 1;
const SEND: u32 = 2;

fn main() -> ExitCode {
    exit(serve())
}

fn serve() -> io::Result<()> {
    let listener = listen()?;
    let ring = IoUring::builder()
        .setup_cqsize(RING_ENTRIES * 8)
        .setup_submit_all()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .build(RING_ENTRIES)?;
    let buffers = Buffers::register(&ring)?;
    let mut server = Loop {
        ring,
        buffers,
        answer: Answer::default(),
        connections: Vec::new(),
        spare: Vec::new(),
    };
    server.accept(listener.as_raw_fd())?;
    let mut completions = Vec::new();
    loop {
        match server.ring.submit_and_wait(1) {
            Err(error) if !matches!(error.raw_os_error(), Some(libc::EINTR | libc::EBUSY)) => return Err(error),
            _ => server.answer.tick(),
        }
        completions.extend(server.ring.completion());
        for completion in completions.drain(..) {
            let descriptor = completion.user_data() as u32 as RawFd;
            match (completion.user_data() >> 32) as u32 {
                ACCEPT => server.handle_accepted(&completion, listener.as_raw_fd())?,
                RECEIVE => server.handle_received(&completion, descriptor)?,
                _ => server.handle_sent(&completion, descriptor)?,
            }
        }
        server.buffers.publish();
    }
}

/// A connection; its receive is armed until `ended`.
struct Connection {
    socket: OwnedFd,
    unread: Vec<u8>,
    /// What a send under way reads from; empty where none is.
    sending: Vec<u8>,
    /// What is sent after that.
    queued: Vec<u8>,
    ended: bool,
}

struct Loop {
    ring: IoUring,
    buffers: Buffers,
    answer: Answer,
    /// By descriptor.
    connections: Vec<Option<Connection>>,
    /// Empty vectors with memory, for output.
    spare: Vec<Vec<u8>>,
}

impl Loop {
    fn push(&mut self, entry: squeue::Entry, operation: u32, descriptor: RawFd) -> io::Result<()> {
        let entry = entry.user_data(u64::from(operation) << 32 | u64::from(descriptor as u32));
        // SAFETY: the only entry that points to memory is a send, whose bytes stay in `sending` until it has completed.
        while unsafe { self.ring.submission().push(&entry) }.is_err() {
            self.ring.submit()?;
        }
        Ok(())
    }

    fn accept(&mut self, listener: RawFd) -> io::Result<()> {
        self.push(opcode::AcceptMulti::new(Fd(listener)).build(), ACCEPT, listener)
    }

    fn receive(&mut self, descriptor: RawFd) -> io::Result<()> {
        let entry = opcode::RecvMulti::new(Fd(descriptor), BUFFER_GROUP).build();
        self.push(entry, RECEIVE, descriptor)
    }

    fn send_queued(&mut self, descriptor: RawFd) -> io::Result<()> {
        let Some(Some(connection)) = self.connections.get_mut(descriptor as usize) else {
            return Ok(());
        };
        if !connection.sending.is_empty() || connection.queued.is_empty() {
            return Ok(());
        }
        connection.sending = std::mem::take(&mut connection.queued);
        let bytes = &connection.sending;
        let entry = opcode::Send::new(Fd(descriptor), bytes.as_ptr(), bytes.len() as u32)
            .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build();
        self.push(entry, SEND, descriptor)
    }

    fn handle_accepted(&mut self, completion: &cqueue::Entry, listener: RawFd) -> io::Result<()> {
        if !cqueue::more(completion.flags()) {
            self.accept(listener)?;
        }
        let descriptor = completion.result();
        if descriptor < 0 {
            return Err(io::Error::from_raw_os_error(-descriptor));
        }
        if self.connections.len() <= descriptor as usize {
            self.connections.resize_with(descriptor as usize + 1, || None);
        }
        self.connections[descriptor as usize] = Some(Connection {
            // SAFETY: the result of a successful accept is a new descriptor that nobody else owns.
            socket: unsafe { OwnedFd::from_raw_fd(descriptor) },
            unread: Vec::new(),
            sending: Vec::new(),
            queued: Vec::new(),
            ended: false,
        });
        self.receive(descriptor)
    }

    fn handle_received(&mut self, completion: &cqueue::Entry, descriptor: RawFd) -> io::Result<()> {
        let Some(Some(connection)) = self.connections.get_mut(descriptor as usize) else {
            return Ok(());
        };
        let result = completion.result();
        if let Some(index) = cqueue::buffer_select(completion.flags()) {
            if connection.queued.capacity() == 0 {
                connection.queued = self.spare.pop().unwrap_or_default();
            }
            let received = self.buffers.received(index, result.max(0) as usize);
            let answered = self
                .answer
                .answer(&mut connection.unread, received, &mut connection.queued);
            self.buffers.give_back(index);
            if answered.is_err() {
                shut_down(connection);
            }
        }
        if cqueue::more(completion.flags()) {
            return self.send_queued(descriptor);
        }
        // All buffers that this round's completions named are back before a new receive is submitted.
        if result > 0 || result == -libc::ENOBUFS {
            self.receive(descriptor)?;
            return self.send_queued(descriptor);
        }
        connection.ended = true;
        if connection.sending.is_empty() {
            self.connections[descriptor as usize] = None;
        }
        Ok(())
    }

    fn handle_sent(&mut self, completion: &cqueue::Entry, descriptor: RawFd) -> io::Result<()> {
        let Some(Some(connection)) = self.connections.get_mut(descriptor as usize) else {
            return Ok(());
        };
        let mut sent = std::mem::take(&mut connection.sending);
        if completion.result() != sent.len() as i32 {
            shut_down(connection);
        }
        sent.clear();
        self.spare.push(sent);
        if connection.ended {
            self.connections[descriptor as usize] = None;
            return Ok(());
        }
        self.send_queued(descriptor)
    }
}

/// Ends a connection; its receive then completes for the last time.
fn shut_down(connection: &Connection) {
    // SAFETY: the call takes numbers only.
    unsafe { libc::shutdown(connection.socket.as_raw_fd(), libc::SHUT_RDWR) };
}

/// The buffers that the kernel receives into, and the ring in which they are lent to it. They are never freed.
struct Buffers {
    entries: *mut BufRingEntry,
    memory: *const u8,
    tail: u16,
}

impl Buffers {
    fn register(ring: &IoUring) -> io::Result<Buffers> {
        const { assert!(BUFFERS.is_power_of_two() && size_of::<BufRingEntry>() * BUFFERS as usize <= PAGE) };
        let bytes = PAGE + usize::from(BUFFERS) * BUFFER_BYTES;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choice aliases nothing; the result is checked.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the ring takes the first page of the mapping, which is page-aligned, zeroed and never unmapped.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(start as u64, BUFFERS, BUFFER_GROUP, 0)?;
        }
        let mut buffers = Buffers {
            entries: start.cast(),
            memory: start.cast::<u8>().wrapping_add(PAGE),
            tail: 0,
        };
        (0..BUFFERS).for_each(|index| buffers.give_back(index));
        buffers.publish();
        Ok(buffers)
    }

    fn address(&self, index: u16) -> *const u8 {
        debug_assert!(index < BUFFERS);
        self.memory.wrapping_add(usize::from(index % BUFFERS) * BUFFER_BYTES)
    }

    /// What the kernel has received into a buffer, which it has completed and not got back yet.
    fn received(&self, index: u16, bytes: usize) -> &[u8] {
        // SAFETY: the buffer lies in the mapping, is initialised, and is the kernel's again only after `give_back`.
        unsafe { std::slice::from_raw_parts(self.address(index), bytes.min(BUFFER_BYTES)) }
    }

    /// Puts a buffer at the ring's end; the kernel sees it from `publish` on.
    fn give_back(&mut self, index: u16) {
        let address = self.address(index);
        // SAFETY: the place is masked to the ring's length, and the kernel reads it only once the tail has passed it.
        let entry = unsafe { &mut *self.entries.add(usize::from(self.tail % BUFFERS)) };
        entry.set_addr(address as u64);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(index);
        self.tail = self.tail.wrapping_add(1);
    }

    fn publish(&mut self) {
        // SAFETY: the tail is the reserved field of the first entry, written by this thread alone.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}
