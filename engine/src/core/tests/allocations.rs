//! Keep-alive requests to a service that answers in place make no heap allocation, on a real ring over loopback.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc;

use ringlane_pool::{Options, Pool};

use super::super::*;
use crate::control::eventfd;
use crate::handler::handler;
use crate::request::Request;
use crate::response::Response;
use crate::ring::Uring;
use crate::service::Service;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static LIVE_BYTES: Cell<isize> = const { Cell::new(0) };
}

/// How many bytes this thread has allocated and not freed.
pub(super) fn live_bytes() -> isize {
    LIVE_BYTES.get()
}

/// How often this thread has allocated.
#[cfg(feature = "layers")]
pub(super) fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// The system's allocator, with counts for each thread.
struct Counting;

// SAFETY: every call is passed on to the system's allocator as it came; the count is a thread-local without a destructor
// or an allocation of its own.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        let _ = LIVE_BYTES.try_with(|bytes| bytes.set(bytes.get() + layout.size() as isize));
        // SAFETY: the caller's promises are those of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let _ = LIVE_BYTES.try_with(|bytes| bytes.set(bytes.get() - layout.size() as isize));
        // SAFETY: the caller's promises are those of `GlobalAlloc::dealloc`, and `memory` came from `System`.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONNECTIONS: usize = 8;
const WARM_UP: u64 = 2_000;
const REQUESTS: u64 = 100_000;
const GET: &[u8] = b"GET /hello/7 HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Sends a request on every connection and reads all the answers, over and over, with a word at the first round.
fn load(address: SocketAddr, request: &[u8], all_sent: &mpsc::Sender<()>) {
    let mut connections: Vec<TcpStream> = (0..CONNECTIONS).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut answer = [0; 1024];
    for _ in 0..(WARM_UP + REQUESTS) / CONNECTIONS as u64 {
        for connection in &mut connections {
            connection.write_all(request).unwrap();
        }
        let _ = all_sent.send(());
        for connection in &mut connections {
            let mut length = 0;
            while !answer[..length].ends_with(b"Hello, World!") {
                length += connection.read(&mut answer[length..]).unwrap();
            }
            assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
        }
    }
}

#[test]
fn keep_alive_requests_allocate_nothing() {
    assert_eq!(
        allocations_of(GET, async |_: Request| Response::text("Hello, World!")),
        0
    );
}

/// Neither do bodies that came with their heads.
#[test]
fn requests_with_bodies_allocate_nothing() {
    const BODY_BYTES: usize = 3000;
    let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
    let request: &'static [u8] = [head.as_bytes(), &[b'x'; BODY_BYTES]].concat().leak();
    let hello = async |request: Request| {
        let (mut body, mut bytes) = (request.body(), 0);
        while let Some(Ok(chunk)) = body.next().await {
            bytes += chunk.len();
        }
        assert_eq!(bytes, BODY_BYTES);
        Response::text("Hello, World!")
    };
    assert_eq!(allocations_of(request, hello), 0);
}

/// Neither do routes, parameters that are read as numbers, and layers that answer at once.
#[cfg(feature = "router")]
#[test]
fn routed_keep_alive_requests_allocate_nothing() {
    use crate::layer::Next;
    use crate::router::Router;

    let hello = async |request: Request| match request.param::<u32>("number") {
        Ok(7) => Response::text("Hello, World!"),
        _ => Response::text("another number"),
    };
    let pass = async |request: Request, next: &Next| next.run(request).await;
    let router = Router::new().get("/", async |_: Request| "no number");
    let router = router.get("/hello/{number}", hello).layer(pass).layer(pass);
    assert_eq!(allocations_of(GET, router), 0);
}

/// How many allocations so many such requests of a service make, after as many as it takes to get warm.
fn allocations_of(request: &'static [u8], service: impl Service) -> u64 {
    let config = Config::default();
    let (address, mut listeners) = Listener::bind("127.0.0.1:0".parse().unwrap(), 1, &config).unwrap();
    let (all_sent, first_round) = mpsc::channel();
    let client = std::thread::spawn(move || load(address, request, &all_sent));

    let served = Rc::new(Cell::new(0));
    let count = Rc::clone(&served);
    let service = Counted { service, count };
    let pool = Pool::new(Options {
        buffer_bytes: 4096,
        buffers_max: 1024,
        buffers_step: 64,
    })
    .unwrap();
    let ring = Uring::new(256, pool.clone(), eventfd().unwrap()).unwrap();
    let mut core = Core::new(ring, pool, handler(service), Rc::default(), &config, 100);
    core.start(listeners.remove(0), Arc::default(), 0);

    // All first requests are there before the first round: it is as busy as any later one can be.
    first_round.recv().unwrap();
    while served.get() < WARM_UP {
        core.turn(Wait::UpTo(Duration::from_millis(1))).unwrap();
    }
    let before = ALLOCATIONS.get();
    while served.get() < WARM_UP + REQUESTS {
        core.turn(Wait::UpTo(Duration::from_millis(1))).unwrap();
    }
    let allocations = ALLOCATIONS.get() - before;
    #[cfg(feature = "metrics")]
    {
        let counters = &core.context.counters;
        let counted: u64 = counters.tally().cells().latencies.buckets().iter().sum();
        let asked = WARM_UP + REQUESTS;
        assert!(counted >= asked, "{counted} of {asked} requests were counted meanwhile");
    }

    // The last answers leave with a further round.
    while !client.is_finished() {
        core.turn(Wait::UpTo(Duration::from_millis(1))).unwrap();
    }
    client.join().unwrap();
    allocations
}

/// Counts the calls of a service.
struct Counted<S> {
    service: S,
    count: Rc<Cell<u64>>,
}

impl<S: Service> Service for Counted<S> {
    async fn call(&self, request: Request) -> Response {
        self.count.set(self.count.get() + 1);
        self.service.call(request).await
    }
}
