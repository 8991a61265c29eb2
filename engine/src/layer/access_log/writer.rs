//! The one thread that writes what all cores have to log.

use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::error::Error;

/// How many batches may be queued for the thread.
const BATCHES_MAX: usize = 64;

/// Writes the lines of all cores' [`AccessLog`](super::AccessLog)s, on a thread of its own.
///
/// Make one before the server is started, and keep it until the server has been stopped: dropping it waits until all lines
/// that came by then are written. At most 64 batches are queued for the thread, each of 32 KiB as a rule and of 300 KiB at
/// the most.
///
/// Where writing fails, the lines of that batch are lost; it is told on standard error, once for each time that it begins,
/// and in the log when it can be written again.
#[derive(Debug)]
pub struct LogWriter {
    queue: SyncSender<Message>,
}

/// What the thread is sent.
pub(super) enum Message {
    Lines(Vec<u8>),
    /// Everything before this is to be written; then the sender of it is let go of.
    Flush(SyncSender<()>),
}

impl fmt::Debug for Message {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Message::Lines(lines) => write!(out, "Lines({} bytes)", lines.len()),
            Message::Flush(_) => out.write_str("Flush"),
        }
    }
}

impl LogWriter {
    /// Appends to a file, which is made where it is missing. Programs that rotate logs must copy and truncate it.
    ///
    /// # Errors
    ///
    /// Where the file cannot be opened or the thread not be started.
    pub fn to_file(path: impl AsRef<Path>) -> Result<LogWriter, Error> {
        let path = path.as_ref();
        let file = OpenOptions::new().append(true).create(true).open(path);
        let file = file.map_err(|error| Error::Service {
            problem: format!(
                "the access log {} cannot be opened ({error}): check that its directory exists and can be written to",
                path.display()
            ),
        })?;
        LogWriter::new(file)
    }

    /// Writes to standard output.
    ///
    /// # Errors
    ///
    /// Where the thread cannot be started.
    pub fn to_stdout() -> Result<LogWriter, Error> {
        LogWriter::new(io::stdout())
    }

    /// Writes to anything. Each batch is whole lines, and one `write_all`.
    ///
    /// # Errors
    ///
    /// Where the thread cannot be started.
    pub fn new(out: impl Write + Send + 'static) -> Result<LogWriter, Error> {
        let (queue, messages) = sync_channel(BATCHES_MAX);
        thread::Builder::new()
            .name("ringlane-log".to_owned())
            .spawn(move || write(&messages, out))
            .map_err(Error::system("starting the thread of the access log"))?;
        Ok(LogWriter { queue })
    }

    /// Waits until everything is written that the cores have handed over. Not for handlers: it blocks.
    pub fn flush(&self) {
        let (done, is_done) = sync_channel(1);
        if self.queue.send(Message::Flush(done)).is_ok() {
            let _ = is_done.recv(); // It ends with an error, when the other side is let go of.
        }
    }

    pub(super) fn queue(&self) -> SyncSender<Message> {
        self.queue.clone()
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Writes until nobody is left who could send.
fn write(messages: &Receiver<Message>, mut out: impl Write) {
    let mut lost = 0;
    for message in messages {
        match message {
            Message::Lines(lines) => write_lines(&mut out, &lines, &mut lost),
            Message::Flush(done) => {
                if let Err(error) = out.flush() {
                    complain(&error);
                }
                drop(done);
            }
        }
    }
}

/// `lost` counts the lines that could not be written since the last that could.
fn write_lines(out: &mut impl Write, lines: &[u8], lost: &mut u64) {
    let mut result = Ok(());
    if *lost > 0 {
        // What failed may have been written in part: a line of its own.
        result = writeln!(out, "\n# {lost} lines are missing here: they could not be written");
    }
    match result.and_then(|()| out.write_all(lines)) {
        Ok(()) => *lost = 0,
        Err(error) => {
            if *lost == 0 {
                complain(&error);
            }
            *lost += lines.iter().filter(|byte| **byte == b'\n').count() as u64;
        }
    }
}

/// A log that cannot be written can say so nowhere else.
fn complain(error: &io::Error) {
    let _ = writeln!(
        io::stderr(),
        "the access log cannot be written ({error}): its lines are lost until it can"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes what is written while it has room, and fails meanwhile.
    #[derive(Default)]
    struct Disk {
        written: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.written.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_said() {
        let (mut disk, mut lost) = (Disk::default(), 0);
        for (room, lines) in [(100, "a\nb\n"), (1, "c\nd\n"), (0, "e\n"), (100, "f\n"), (100, "g\n")] {
            disk.room = room;
            write_lines(&mut disk, lines.as_bytes(), &mut lost);
        }
        assert_eq!(
            disk.written.escape_ascii().to_string(),
            "a\\nb\\nc\\n# 3 lines are missing here: they could not be written\\nf\\ng\\n"
        );
    }
}
