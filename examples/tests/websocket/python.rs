//! The example as Python's `websockets` sees it, which is a client of others' making.

use std::process::{Command, Stdio};

use crate::support::process::Server;
use crate::support::skip;

/// Echoes, with fragments and a ping, and a room with two members.
const DIALOGUE: &str = r#"
import sys
from websockets.sync.client import connect

base = sys.argv[1]
with connect(base + "/echo", proxy=None) as socket:
    for message in ["héllo", "", b"\x00\xff", "x" * 60_000]:
        socket.send(message)
        assert socket.recv(timeout=20) == message
    socket.send(["in ", "three ", "parts"])
    assert socket.recv(timeout=20) == "in three parts"
    assert socket.ping("payload").wait(20)
assert (socket.close_code, socket.protocol.close_rcvd_then_sent) == (1000, False)

with connect(base + "/room", proxy=None) as one, connect(base + "/room", proxy=None) as other:
    assert one.recv(timeout=20).startswith("You are guest ")
    assert other.recv(timeout=20).startswith("You are guest ")
    one.send("good morning")
    assert one.recv(timeout=20).endswith(": good morning")
    assert other.recv(timeout=20).endswith(": good morning")
print("all is well")
"#;

#[test]
fn pythons_websockets_gets_along_with_it() {
    let import = Command::new("python3")
        .args(["-c", "import websockets.sync.client"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !import.is_ok_and(|status| status.success()) {
        return skip("python3 has no package `websockets`");
    }
    let server = Server::start("websocket", &[]);
    let output = Command::new("python3")
        .args(["-c", DIALOGUE, &format!("ws://{}", server.address)])
        .output()
        .expect("python3 can be started");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("all is well"),
        "{said}{errors}"
    );
}
