//! WebSocket: an echo, and a room whose members are on any core.
//!
//! Open `http://localhost:8080` in two windows.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use futures_lite::StreamExt;
use futures_lite::future::or;
use glommio::channels::channel_mesh::{Full, MeshBuilder, Senders};
use glommio::channels::local_channel::{self, LocalSender};
use glommio::sync::Semaphore;
use ringlane::router::Router;
use ringlane::websocket::{Message, Options, Socket, Text};
use ringlane::{Core, Error, Request, Response};

/// How many messages a member, or another core, may be behind; it misses what is more.
const BEHIND_MAX: usize = 64;

/// A queue from each core to each other one. The first core to come makes it, at start; after that nothing is locked.
type Mesh = Mutex<Option<MeshBuilder<Text, Full>>>;

/// One core's part of the room.
struct Room {
    core: usize,
    came: Cell<u64>,
    members: RefCell<HashMap<u64, LocalSender<Text>>>,
    /// The queues to the other cores, once all of them are there.
    others: RefCell<Option<Senders<Text>>>,
    /// Has a permit from then on: whoever comes before that waits for it.
    is_open: Semaphore,
}

impl Room {
    fn open(core: Core, mesh: &Mesh) -> Rc<Room> {
        let room = Rc::new(Room {
            core: core.number(),
            came: Cell::new(0),
            members: RefCell::default(),
            others: RefCell::default(),
            is_open: Semaphore::new(0),
        });
        let mut mesh = mesh.lock().unwrap_or_else(PoisonError::into_inner);
        let mesh = mesh
            .get_or_insert_with(|| MeshBuilder::full(core.count(), BEHIND_MAX))
            .clone();
        glommio::spawn_local(join(Rc::clone(&room), mesh)).detach();
        room
    }

    /// Tells the members on all cores.
    fn say(&self, text: &Text) {
        self.tell(text);
        if let Some(others) = &*self.others.borrow() {
            for core in (0..others.nr_consumers()).filter(|core| *core != others.peer_id()) {
                let _ = others.try_send_to(core, text.clone()); // A core that is behind misses it.
            }
        }
    }

    /// Tells the members on this core.
    fn tell(&self, text: &Text) {
        for member in self.members.borrow().values() {
            let _ = member.try_send(text.clone()); // So does a member.
        }
    }
}

/// Ties a core's part of the room to the others.
async fn join(room: Rc<Room>, mesh: MeshBuilder<Text, Full>) {
    let Ok((senders, mut receivers)) = mesh.join().await else {
        return; // Another core did not come up, and the server ends.
    };
    *room.others.borrow_mut() = Some(senders);
    for (_, mut heard) in receivers.streams() {
        let room = Rc::clone(&room);
        glommio::spawn_local(async move {
            while let Some(text) = heard.next().await {
                room.tell(&text);
            }
        })
        .detach();
    }
    room.is_open.signal(1);
}

/// Somebody in the room; leaves it when dropped, by whatever way the connection ends.
struct Member {
    room: Rc<Room>,
    number: u64,
}

impl Member {
    fn new(room: Rc<Room>, queue: LocalSender<Text>) -> Member {
        let number = room.came.get() + 1;
        room.came.set(number);
        room.members.borrow_mut().insert(number, queue);
        Member { room, number }
    }

    async fn talk(&self, socket: Socket, queue: &local_channel::LocalReceiver<Text>) {
        drop(self.room.is_open.acquire_permit(1).await);
        let (mut sender, mut receiver) = socket.split();
        let name = format!("guest {} of core {}", self.number, self.room.core);
        if sender.send(format!("You are {name}.")).await.is_err() {
            return;
        }
        let hear = async {
            while let Some(Ok(message)) = receiver.next().await {
                if let Message::Text(text) = message {
                    self.room.say(&format!("{name}: {text}").into());
                }
            }
        };
        let speak = async {
            while let Some(text) = queue.recv().await {
                if sender.send(text).await.is_err() {
                    break;
                }
            }
        };
        or(hear, speak).await;
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.room.members.borrow_mut().remove(&self.number);
    }
}

async fn echo(mut socket: Socket) {
    while let Some(Ok(message)) = socket.next().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

fn main() -> Result<(), Error> {
    let mesh = Mesh::default();
    ringlane_examples::server(|_| {})?.serve(|core| {
        let room = Room::open(core, &mesh);
        let options = Options::new().message_bytes_max(64 << 10);
        let echo_options = options.clone();
        Router::new()
            .get("/", async |_: Request| {
                Response::bytes("text/html; charset=utf-8", include_str!("websocket.html"))
            })
            .get("/echo", async move |request: Request| {
                echo_options.upgrade(&request, echo)
            })
            .get("/room", async move |request: Request| {
                let room = Rc::clone(&room);
                options.upgrade(&request, |socket| async move {
                    let (queue, heard) = local_channel::new_bounded(BEHIND_MAX);
                    Member::new(room, queue).talk(socket, &heard).await;
                })
            })
    })
}
