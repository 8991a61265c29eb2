//! The standard library with a thread for each connection and the same loop as Tokio's peer: it looks for the ends of heads
//! and answers the same to all of them.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use peer_loop::Heads;

const BUFFER_BYTES: usize = 16 << 10;

fn main() -> io::Result<()> {
    let (address, _threads) = peer_loop::arguments();
    for stream in TcpListener::bind(address)?.incoming() {
        let stream = stream?;
        std::thread::spawn(move || serve(stream));
    }
    Ok(())
}

fn serve(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut heads = Heads::default();
    let mut buffer = [0; BUFFER_BYTES];
    let (mut received, mut out) = (Vec::with_capacity(BUFFER_BYTES), Vec::with_capacity(BUFFER_BYTES));
    loop {
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        received.extend_from_slice(&buffer[..read]);
        heads.answer(&mut received, &mut out);
        stream.write_all(&out)?;
        out.clear();
    }
}
