//! The clock, to plain clients and to a browser, and the long table.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use support::browser;
use support::client::{Chunked, Client};
use support::process::Server;
use support::procfs::allowed_cores;
use support::{eventually, skip};

/// How often the browser is looked at for five seconds: it takes its time to start.
const BROWSER_LOOKS_MAX: usize = 12;

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

/// A browser on a profile of its own; it and its helpers are ended together.
struct Browser {
    child: Child,
    profile: PathBuf,
}

impl Browser {
    fn open(url: &str, name: &str) -> Browser {
        let profile = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&profile).unwrap();
        let child = browser::command(&profile)
            .arg(url)
            .process_group(0)
            .spawn()
            .expect("the browser can be started");
        Browser { child, profile }
    }

    /// What DevTools say of its pages; nothing before they listen, which a file in the profile tells.
    fn pages(&self) -> Option<String> {
        let port = fs::read_to_string(self.profile.join("DevToolsActivePort")).ok()?;
        let port: u16 = port.lines().next()?.parse().ok()?;
        let mut client = Client::connect(([127, 0, 0, 1], port).into()).ok()?;
        client
            .send(b"GET /json/list HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .ok()?;
        Some(client.read_response().ok()?.text())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // SAFETY: the call takes numbers only; the child leads a group of its own and has not been waited for, so the
        // number is still that group's.
        unsafe { libc::kill(-(self.child.id() as i32), libc::SIGKILL) };
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

/// The page counts the events that it has seen in its title, which the browser tells.
#[test]
fn a_browser_listens() {
    if !PathBuf::from(browser::PROGRAM).exists() {
        return skip(&format!("{} is not there to listen to events", browser::PROGRAM));
    }
    let server = start();
    let url = format!("http://{}/", server.address);
    let browser = Browser::open(&url, &format!("chromium-{}", server.pid()));
    let mut seen = None;
    let has_listened = (0..BROWSER_LOOKS_MAX).any(|_| {
        eventually(|| {
            seen = browser.pages();
            let pages = seen.as_deref().unwrap_or_default();
            let ticks = pages
                .split_once("\"Clock: ")
                .and_then(|(_, rest)| rest.split_once(" ticks"));
            ticks.is_some_and(|(ticks, _)| ticks.parse::<u32>().is_ok_and(|ticks| ticks > 1))
        })
    });
    assert!(has_listened, "{seen:?}");
}
