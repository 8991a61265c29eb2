//! Tokio with a loop written by hand, as published comparisons have it: it looks for the ends of heads and answers the
//! same to all of them. A current-thread runtime and a listener for each thread.

use std::io;
use std::net::SocketAddr;

use peer_loop::Heads;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const BUFFER_BYTES: usize = 16 << 10;

fn main() {
    let (address, threads) = peer_loop::arguments();
    let threads: Vec<_> = (0..threads)
        .map(|_| std::thread::spawn(move || run(address).expect("serves")))
        .collect();
    for thread in threads {
        thread.join().expect("a thread serves for ever");
    }
}

fn run(address: SocketAddr) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(async {
            let listener = TcpListener::from_std(peer_loop::listen(address)?)?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                tokio::spawn(serve(stream));
            }
        })
}

async fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut heads = Heads::default();
    let (mut received, mut out) = (Vec::with_capacity(BUFFER_BYTES), Vec::with_capacity(BUFFER_BYTES));
    while stream.read_buf(&mut received).await? > 0 {
        heads.answer(&mut received, &mut out);
        stream.write_all(&out).await?;
        out.clear();
    }
    Ok(())
}
