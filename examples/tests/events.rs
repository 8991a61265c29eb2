//! The clock, to plain clients and to a browser, and the long table.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use support::client::{Chunked, Client};
use support::process::Server;
use support::procfs::allowed_cores;
use support::skip;

const BROWSER: &str = "/usr/bin/chromium";

fn start() -> Server {
    Server::start("events", &["--cores", &allowed_cores()[0].to_string()])
}

/// The lines of the next event.
fn event(stream: &mut impl BufRead) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        assert!(
            stream.read_line(&mut line).unwrap() > 0,
            "the stream has ended behind {lines:?}"
        );
        match line.trim_end() {
            "" => return lines,
            line => lines.push(line.to_owned()),
        }
    }
}

#[test]
fn the_clock_ticks_for_all_and_ends_with_the_server() {
    let server = start();
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(server.address).unwrap()).collect();
    for client in &mut clients {
        client.ask("GET", "/clock").unwrap();
        let head = client.read_head().unwrap();
        assert_eq!(
            (head.status, head.field("Content-Type"), head.field("Cache-Control")),
            (200, Some("text/event-stream"), Some("no-store"))
        );
    }
    let mut ids = Vec::new();
    for client in &mut clients {
        let mut stream = BufReader::new(Chunked::new(&mut client.stream));
        let [first, second] = [event(&mut stream), event(&mut stream)];
        assert!(first[0].starts_with("data: ") && first[1] == "event: tick", "{first:?}");
        assert_eq!(first[3], "retry: 1000");
        let [first, second] =
            [&first[2], &second[2]].map(|line| line.strip_prefix("id: ").unwrap().parse::<u64>().unwrap());
        assert_eq!(second, first + 1);
        ids.push(first);
    }
    assert_eq!(ids.len(), 3);
    server.signal(libc::SIGTERM);
    let ending = server.wait(Duration::from_secs(10));
    assert!(ending.status.success(), "{}", ending.stderr);
}

#[test]
fn a_long_table_is_made_row_by_row() {
    let server = start();
    let mut client = Client::connect(server.address).unwrap();
    client.ask("GET", "/table?rows=100000").unwrap();
    assert!(client.read_head().unwrap().is_chunked());
    let mut table = String::new();
    Chunked::new(&mut client.stream).read_to_string(&mut table).unwrap();
    assert_eq!(table.lines().count(), 100_001);
    assert_eq!(table.lines().last(), Some("99999,9999800001"));
    assert_eq!(client.get("/table").unwrap().status, 400);
}

/// A browser on a new profile, which says where its DevTools listen, and is ended with its profile.
struct Browser {
    child: Child,
    profile: PathBuf,
}

impl Browser {
    fn dump(server: &Server) -> Browser {
        let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chromium-{}", server.pid()));
        fs::create_dir_all(&profile).unwrap();
        let child = Command::new(BROWSER)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .arg(format!("--user-data-dir={}", profile.display()))
            .args(["--timeout=4000", "--dump-dom"])
            .arg(format!("http://{}/", server.address))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser can be started");
        Browser { child, profile }
    }

    fn output(&mut self) -> String {
        let mut page = String::new();
        let mut stdout = self.child.stdout.take().expect("it is piped");
        stdout.read_to_string(&mut page).expect("the page is text");
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended by itself.
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

#[test]
fn a_browser_listens() {
    if !PathBuf::from(BROWSER).exists() {
        return skip(&format!("{BROWSER} is not there to listen to events"));
    }
    let server = start();
    let page = Browser::dump(&server).output();
    let ticks = page
        .split_once("<output id=\"ticks\">")
        .and_then(|(_, rest)| rest.split_once('<'))
        .and_then(|(ticks, _)| ticks.parse::<u32>().ok());
    assert!(ticks.is_some_and(|ticks| ticks > 1), "{page}");
    assert!(page.contains("data-last-id=\""), "{page}");
}
