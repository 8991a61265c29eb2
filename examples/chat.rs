//! An upgrade to a protocol of one's own: lines, each passed on to everybody else on the same core.
//!
//! Try it in two terminals, with `--cores 0`; what is typed in one is seen in the other:
//!
//!     (printf 'GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n'; cat) | nc 127.0.0.1 8080

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use futures_lite::{AsyncBufReadExt, AsyncWriteExt, StreamExt, io};
use glommio::channels::local_channel::{self, LocalSender};
use ringlane::{Error, Request, Response, Upgraded};

/// Who is here, by the number under which they came.
#[derive(Default)]
struct Room {
    came: u64,
    guests: HashMap<u64, LocalSender<String>>,
}

impl Room {
    /// Passes a line on; a guest who does not keep up misses it.
    fn say(&self, from: u64, line: &str) {
        for (_, guest) in self.guests.iter().filter(|(number, _)| **number != from) {
            let _ = guest.try_send(format!("{from}: {line}\n"));
        }
    }
}

async fn talk(room: Rc<RefCell<Room>>, connection: Upgraded) {
    let (reader, mut writer) = io::split(connection);
    let (sender, receiver) = local_channel::new_bounded(64);
    let number = {
        let mut room = room.borrow_mut();
        room.came += 1;
        let number = room.came;
        room.guests.insert(number, sender);
        number
    };
    let mut lines = io::BufReader::new(reader).lines();
    let hear = async {
        while let Some(line) = lines.next().await {
            let Ok(line) = line else { break };
            room.borrow().say(number, &line);
        }
        room.borrow_mut().guests.remove(&number); // Ends the receiver, and with it the writing.
    };
    let speak = async {
        while let Some(line) = receiver.recv().await {
            if writer.write_all(line.as_bytes()).await.is_err() {
                break;
            }
        }
    };
    futures_lite::future::zip(hear, speak).await;
}

fn main() -> Result<(), Error> {
    ringlane_examples::server(|_| {})?.serve(|_core| {
        let room = Rc::<RefCell<Room>>::default();
        async move |_request: Request| {
            let room = Rc::clone(&room);
            Response::upgrade("chat", move |connection| talk(room, connection))
        }
    })
}
