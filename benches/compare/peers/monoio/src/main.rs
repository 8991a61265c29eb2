//! monoio on io_uring: a runtime and a listener on each core that the process may use, httparse.

use std::io;
use std::net::SocketAddr;

use core_affinity::CoreId;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{ListenerOpts, TcpListener, TcpStream};
use monoio::{IoUringDriver, RuntimeBuilder};
use peer_loop::Exchange;

const LISTEN_BACKLOG: i32 = 4096;
const RING_ENTRIES: u32 = 4096;
const BUFFER_BYTES: usize = 16 << 10;

fn main() {
    let (address, threads) = peer_loop::arguments();
    let cores = core_affinity::get_core_ids().expect("the cores that the process may use");
    let threads: Vec<_> = cores
        .into_iter()
        .take(threads)
        .map(|core| std::thread::spawn(move || run(core, address).expect("serves")))
        .collect();
    for thread in threads {
        thread.join().expect("a thread serves for ever");
    }
}

fn run(core: CoreId, address: SocketAddr) -> io::Result<()> {
    core_affinity::set_for_current(core);
    let options = ListenerOpts::new().reuse_port(true).backlog(LISTEN_BACKLOG);
    RuntimeBuilder::<IoUringDriver>::new()
        .with_entries(RING_ENTRIES)
        .build()?
        .block_on(async {
            let listener = TcpListener::bind_with_config(address, &options)?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                monoio::spawn(serve(stream));
            }
        })
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut exchange = Exchange::default();
    let mut buffer = Vec::with_capacity(BUFFER_BYTES);
    let (mut received, mut out) = (Vec::with_capacity(BUFFER_BYTES), Vec::with_capacity(BUFFER_BYTES));
    loop {
        let read;
        (read, buffer) = stream.read(buffer).await;
        let read = read?;
        if read == 0 {
            return Ok(());
        }
        received.extend_from_slice(&buffer[..read]);
        let stays = exchange.answer(&mut received, &mut out);
        let written;
        (written, out) = stream.write_all(out).await;
        written?;
        if !stays {
            return Ok(());
        }
        out.clear();
    }
}
