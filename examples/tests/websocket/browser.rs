//! The example's page in headless Chromium, which is asked about it by the DevTools protocol: itself a WebSocket.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::support::browser;
use crate::support::client::Client;
use crate::support::frames::{FIN, TEXT, WebSocket, frame, handshake};
use crate::support::process::Server;
use crate::support::{eventually, skip};

/// How long the browser may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);
/// What the page shows: the echo, how its connection was closed, and what the room said.
const EXPRESSION: &str = "(() => { const echo = document.getElementById('echo'); \
    return [echo.textContent, echo.dataset.closed, document.getElementById('room').textContent].join('|'); })()";

/// A browser with a profile of its own, both gone with it.
struct Browser {
    child: Child,
    profile: PathBuf,
    devtools: SocketAddr,
}

impl Browser {
    fn open(page: &str) -> Option<Browser> {
        let profile = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("chromium-{}", std::process::id()));
        let _ = fs::remove_dir_all(&profile); // There may be none.
        fs::create_dir_all(&profile).expect("the directory can be made");
        let mut child = browser::command(&profile)
            .args(["--remote-allow-origins=*", page])
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let stderr = child.stderr.take().expect("it is piped");
        let (sender, found) = mpsc::channel();
        thread::spawn(move || {
            // Read to its end, so that the browser never waits for it.
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("DevTools listening on ws://")
                    && let Some((address, _)) = address.split_once('/')
                {
                    let _ = sender.send(address.to_owned());
                }
            }
        });
        let devtools = found
            .recv_timeout(START_LIMIT)
            .ok()
            .and_then(|address| address.parse().ok());
        let mut browser = Browser {
            child,
            profile,
            devtools: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        browser.devtools = devtools?;
        Some(browser)
    }

    /// The path at which the page can be asked.
    fn page(&self) -> Option<String> {
        let mut client = Client::connect(self.devtools).ok()?;
        client
            .send(b"GET /json/list HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .ok()?;
        let list = client.read_response().ok()?.text();
        let page = list.split('{').find(|target| target.contains("\"type\": \"page\""))?;
        let (_, path) = page.split_once("/devtools/page/")?;
        let (id, _) = path.split_once('"')?;
        Some(format!("/devtools/page/{id}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended by itself.
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile); // Its helpers may still be writing.
    }
}

#[test]
fn a_browser_shows_the_echo_and_enters_the_room() {
    if !Path::new(browser::PROGRAM).exists() {
        return skip("there is no chromium");
    }
    let server = Server::start("websocket", &[]);
    let Some(browser) = Browser::open(&format!("http://{}/", server.address)) else {
        return skip("chromium does not start");
    };
    let mut path = None;
    assert!(
        eventually(|| {
            path = browser.page();
            path.is_some()
        }),
        "the browser has no page"
    );
    let asking = handshake(&path.unwrap_or_default()).replace("Host: test", "Host: localhost");
    let mut devtools = WebSocket::offer(browser.devtools, &asking).unwrap();
    assert!(devtools.head().unwrap().starts_with("HTTP/1.1 101 "));
    let mut shown = String::new();
    let question = format!(r#"{{"id":1,"method":"Runtime.evaluate","params":{{"expression":"{EXPRESSION}"}}}}"#);
    let complete = eventually(|| {
        devtools.send(&frame(FIN | TEXT, question.as_bytes()));
        shown = devtools.text();
        shown.contains(r"h\u00e9llo|1000 true|You are guest 1 of core")
    });
    assert!(complete, "{shown}");
}
