//! glommio with its own `TcpStream`: an executor and a listener on each core that the process may use, httparse.

use std::io;
use std::net::SocketAddr;

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::net::{TcpListener, TcpStream};
use glommio::{LocalExecutorBuilder, Placement};
use peer_loop::Exchange;

const BUFFER_BYTES: usize = 16 << 10;

fn main() {
    let (address, threads) = peer_loop::arguments();
    let cores = core_affinity::get_core_ids().expect("the cores that the process may use");
    let executors: Vec<_> = cores
        .into_iter()
        .take(threads)
        .map(|core| {
            LocalExecutorBuilder::new(Placement::Fixed(core.id))
                .spawn(move || async move { run(address).await.expect("serves") })
                .expect("starts an executor")
        })
        .collect();
    for executor in executors {
        executor.join().expect("an executor serves for ever");
    }
}

async fn run(address: SocketAddr) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    loop {
        let stream = listener.accept().await?;
        stream.set_nodelay(true)?;
        glommio::spawn_local(serve(stream)).detach();
    }
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut exchange = Exchange::default();
    let mut buffer = [0; BUFFER_BYTES];
    let (mut received, mut out) = (Vec::with_capacity(BUFFER_BYTES), Vec::with_capacity(BUFFER_BYTES));
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        received.extend_from_slice(&buffer[..read]);
        let stays = exchange.answer(&mut received, &mut out);
        stream.write_all(&out).await?;
        if !stays {
            return stream.close().await;
        }
        out.clear();
    }
}
