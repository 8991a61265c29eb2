//! The lines of one core, on their way to the thread that writes them.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::task::{Poll, Waker};
use std::time::Duration;

use glommio::timer::Timer;

use super::line::{Formatter, Line, LogFormat};
use super::writer::Message;

/// With so many bytes a batch is handed over.
const BATCH_BYTES: usize = 32 << 10;
/// With so many bytes that cannot be handed over, further lines are lost.
const BUFFER_BYTES_MAX: usize = 256 << 10;
/// How long lines wait for more to come.
const FLUSH_AFTER: Duration = Duration::from_millis(250);

pub(super) struct Lane {
    queue: SyncSender<Message>,
    formatter: RefCell<Formatter>,
    /// Whole lines.
    lines: RefCell<Vec<u8>>,
    /// How many lines there was no room for since the last batch.
    lost: Cell<u64>,
    /// The task that flushes has been started.
    is_kept_flushed: Cell<bool>,
    /// Wakes that task while it waits for a first line.
    waker: Cell<Option<Waker>>,
}

impl Lane {
    pub(super) fn new(queue: SyncSender<Message>, format: LogFormat) -> Lane {
        Lane {
            queue,
            formatter: RefCell::new(Formatter::new(format)),
            lines: RefCell::default(),
            lost: Cell::new(0),
            is_kept_flushed: Cell::new(false),
            waker: Cell::new(None),
        }
    }

    /// Sees to it that no line waits for long; to be called under the core's executor.
    pub(super) fn keep_flushed(self: &Rc<Lane>) {
        if !self.is_kept_flushed.replace(true) {
            glommio::spawn_local(keep_flushed(Rc::downgrade(self))).detach();
        }
    }

    pub(super) fn push(&self, line: &Line<'_>) {
        if self.lines.borrow().len() >= BATCH_BYTES {
            self.hand_over();
        }
        let mut lines = self.lines.borrow_mut();
        if lines.len() >= BUFFER_BYTES_MAX {
            self.lost.set(self.lost.get() + 1);
            return;
        }
        if lines.capacity() == 0 {
            lines.reserve(BATCH_BYTES + BATCH_BYTES / 8); // Without growing, for the usual line behind the last.
        }
        self.formatter.borrow_mut().push(&mut lines, line);
        drop(lines);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Hands the lines over, or keeps them where the queue is full.
    fn hand_over(&self) {
        let mut lines = self.lines.borrow_mut();
        let length = lines.len();
        match self.queue.try_send(self.batch(&mut lines)) {
            Ok(()) => self.lost.set(0),
            Err(TrySendError::Full(Message::Lines(mut kept))) => {
                kept.truncate(length); // Without the word on what is lost: there may be more.
                *lines = kept;
            }
            // The thread has ended by a panic: nobody will ever write these.
            Err(TrySendError::Full(Message::Flush(_)) | TrySendError::Disconnected(_)) => {}
        }
    }

    fn batch(&self, lines: &mut Vec<u8>) -> Message {
        if self.lost.get() > 0 {
            self.formatter.borrow().push_lost(lines, self.lost.get());
        }
        Message::Lines(std::mem::take(lines))
    }

    fn is_empty(&self) -> bool {
        self.lines.borrow().is_empty()
    }
}

impl Drop for Lane {
    /// The core ends: now it may wait for the thread.
    fn drop(&mut self) {
        if !self.is_empty() {
            let batch = self.batch(&mut self.lines.borrow_mut());
            let _ = self.queue.send(batch); // It fails where the thread has panicked.
        }
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// Hands lines over some time after the first; ends with its lane.
async fn keep_flushed(lane: Weak<Lane>) {
    while has_lines(&lane).await {
        Timer::new(FLUSH_AFTER).await;
        if let Some(lane) = lane.upgrade() {
            lane.hand_over();
        }
    }
}

/// Waits for a line. False once the lane is gone.
async fn has_lines(lane: &Weak<Lane>) -> bool {
    poll_fn(|context| match lane.upgrade() {
        None => Poll::Ready(false),
        Some(lane) if !lane.is_empty() => Poll::Ready(true),
        Some(lane) => {
            lane.waker.set(Some(context.waker().clone()));
            Poll::Pending
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, sync_channel};
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::layer::access_log::line::tests::head;

    fn push(lane: &Lane, count: usize) {
        let head = head(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
        for _ in 0..count {
            lane.push(&Line::plain(&head, UNIX_EPOCH));
        }
    }

    fn received(messages: &Receiver<Message>) -> String {
        let mut text = Vec::new();
        for message in messages.try_iter() {
            match message {
                Message::Lines(lines) => text.extend_from_slice(&lines),
                Message::Flush(_) => panic!("nobody flushes"),
            }
        }
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn what_cannot_be_handed_over_is_counted_and_said() {
        const LINES: usize = 50_000;
        let (queue, messages) = sync_channel(2);
        let lane = Lane::new(queue, LogFormat::Common);
        push(&lane, LINES);
        assert!(lane.lost.get() > 0 && lane.lines.borrow().len() < BUFFER_BYTES_MAX + 100);
        let lost = lane.lost.get() as usize;
        let before = received(&messages);
        lane.hand_over();
        assert_eq!(lane.lost.get(), 0);
        push(&lane, 1);
        drop(lane);
        let text = before + &received(&messages);
        let said = format!("# {lost} lines are missing here: the log could not be written fast enough\n");
        assert_eq!(text.matches(&said).count(), 1);
        assert_eq!(
            text.lines().filter(|line| line.starts_with('-')).count(),
            LINES - lost + 1
        );
    }

    #[test]
    fn a_lane_without_a_writer_holds_nothing() {
        let (queue, messages) = sync_channel(1);
        drop(messages);
        let lane = Lane::new(queue, LogFormat::Json);
        push(&lane, 10_000);
        assert!(lane.lines.borrow().len() < BATCH_BYTES + 1000);
    }
}
