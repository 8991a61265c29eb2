//! The database example: what is written is read back, by other cores and after a restart.

#[path = "../../tests/support/mod.rs"]
mod support;

use std::fs;
use std::path::PathBuf;
use std::thread;

use support::client::{Client, Response};
use support::process::Server;

const LIMIT: std::time::Duration = std::time::Duration::from_secs(20);

/// A file of a test's own, which does not exist yet.
fn file(name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&directory); // From an earlier run, if there was one.
    fs::create_dir_all(&directory).unwrap();
    directory.join("notes.db")
}

fn add(client: &mut Client, text: &str) -> Response {
    let head = format!(
        "POST /notes HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n",
        text.len()
    );
    client.send(format!("{head}{text}").as_bytes()).unwrap();
    client.read_response().unwrap()
}

#[test]
fn notes_are_kept_over_a_restart() {
    let database = file("kept");
    let database = database.to_str().unwrap();
    let server = Server::start("database", &["--database", database]);
    let mut client = Client::connect(server.address).unwrap();
    assert_eq!(client.get("/notes").unwrap().text(), "");
    let added = add(&mut client, "buy milk");
    assert_eq!((added.status, added.field("Location")), (201, Some("/notes/1")));
    let injection = "'); DROP TABLE notes; --";
    assert_eq!(add(&mut client, injection).field("Location"), Some("/notes/2"));
    assert_eq!(add(&mut client, "").field("Location"), Some("/notes/3"));
    client.ask("DELETE", "/notes/3").unwrap();
    assert_eq!(client.read_response().unwrap().status, 204);
    drop(client);
    server.signal(libc::SIGTERM);
    let ending = server.wait(LIMIT);
    assert!(ending.status.success(), "{}", ending.stderr);

    let server = Server::start("database", &["--database", database]);
    let mut client = Client::connect(server.address).unwrap();
    assert_eq!(
        client.get("/notes").unwrap().text(),
        format!("1: buy milk\n2: {injection}\n")
    );
    assert_eq!(client.get("/notes/2").unwrap().text(), injection);
    assert_eq!(client.get("/notes/3").unwrap().status, 404);
    assert_eq!(client.get("/notes/x").unwrap().status, 400);
}

#[test]
fn many_clients_write_at_once() {
    const CLIENTS: usize = 16;
    const NOTES: usize = 20;
    for options in [
        vec![],
        vec!["--database".to_owned(), file("many").display().to_string()],
    ] {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let server = Server::start("database", &options);
        thread::scope(|scope| {
            for client in 0..CLIENTS {
                let address = server.address;
                scope.spawn(move || {
                    let mut connection = Client::connect(address).unwrap();
                    for note in 0..NOTES {
                        let text = format!("note {note} of client {client}");
                        let added = add(&mut connection, &text);
                        assert_eq!(added.status, 201, "{}", added.text());
                        let path = added.field("Location").unwrap().to_owned();
                        assert_eq!(connection.get(&path).unwrap().text(), text);
                    }
                });
            }
        });
        let all = Client::connect(server.address).unwrap().get("/notes").unwrap().text();
        assert_eq!(all.lines().count(), CLIENTS * NOTES);
    }
}

#[test]
fn what_is_no_note_is_refused() {
    let server = Server::start("database", &[]);
    let mut client = Client::connect(server.address).unwrap();
    client
        .send(b"POST /notes HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n\xff\xfe")
        .unwrap();
    assert_eq!(client.read_response().unwrap().status, 400);
    let long = "x".repeat(64 * 1024 + 1);
    assert_eq!(add(&mut client, &long).status, 413);
}

/// What the runtime and the core do while nothing is asked of them: nothing.
#[test]
fn after_the_work_the_server_is_idle() {
    let server = Server::start("database", &[]);
    let mut client = Client::connect(server.address).unwrap();
    for _ in 0..100 {
        assert_eq!(add(&mut client, "work").status, 201);
    }
    let is_idle = || {
        let before = support::procfs::cpu_ticks(server.pid());
        thread::sleep(std::time::Duration::from_secs(1));
        support::procfs::cpu_ticks(server.pid()) == before
    };
    assert!((0..20).any(|_| is_idle()), "the server is never idle for a second");
    assert_eq!(client.get("/notes/100").unwrap().text(), "work");
}
