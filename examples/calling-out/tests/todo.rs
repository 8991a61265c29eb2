//! The todo example over HTTP: accounts, isolation, changes told to other connections and cores, a restart.

#[path = "../../tests/support/mod.rs"]
mod support;

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use support::client::{Chunked, Client, Response};
use support::process::Server;

const LIMIT: Duration = Duration::from_secs(20);
const PASSWORD: &str = "correct horse";

/// One who uses the service, with a connection and a session.
struct Person {
    client: Client,
    cookie: String,
}

impl Person {
    fn new(server: &Server) -> Person {
        Person {
            client: Client::connect(server.address).unwrap(),
            cookie: String::new(),
        }
    }

    fn signed_up(server: &Server, name: &str) -> Person {
        let mut person = Person::new(server);
        assert_eq!(person.enter("/api/users", name, PASSWORD), 201);
        person
    }

    fn send(&mut self, method: &str, path: &str, content: Option<&Value>) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nCookie: {}\r\n", self.cookie);
        let content = content.map_or_else(String::new, Value::to_string);
        if !content.is_empty() {
            head += &format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                content.len()
            );
        }
        self.client.send(format!("{head}\r\n{content}").as_bytes()).unwrap();
    }

    fn ask(&mut self, method: &str, path: &str, content: Option<&Value>) -> Response {
        self.send(method, path, content);
        self.client.read_response().unwrap()
    }

    /// Signs up or logs in. Keeps the cookie where there is one, and returns the status.
    fn enter(&mut self, path: &str, name: &str, password: &str) -> u16 {
        let answer = self.ask("POST", path, Some(&json!({ "name": name, "password": password })));
        if let Some(cookie) = answer.field("Set-Cookie") {
            for attribute in ["HttpOnly", "SameSite=Strict", "Path=/"] {
                assert!(cookie.split("; ").any(|part| part == attribute), "{cookie}");
            }
            self.cookie = cookie.split(';').next().unwrap().to_owned();
        }
        answer.status
    }

    fn add(&mut self, text: &str) -> i64 {
        let added = self.ask("POST", "/api/todos", Some(&json!({ "text": text })));
        assert_eq!(added.status, 201, "{}", added.text());
        let todo: Value = serde_json::from_slice(&added.body).unwrap();
        todo["id"].as_i64().unwrap()
    }

    fn todos(&mut self) -> Value {
        let answer = self.ask("GET", "/api/todos", None);
        assert_eq!(answer.status, 200);
        serde_json::from_slice(&answer.body).unwrap()
    }
}

/// A page that waits for changes, on a connection of its own.
struct Page(Lines<BufReader<Chunked<BufReader<TcpStream>>>>);

impl Page {
    fn open(server: &Server, cookie: &str) -> Page {
        let mut person = Person::new(server);
        person.cookie = cookie.to_owned();
        person.send("GET", "/api/changes", None);
        let head = person.client.read_head().unwrap();
        assert_eq!(
            (head.status, head.field("Content-Type")),
            (200, Some("text/event-stream"))
        );
        Page(BufReader::new(Chunked::new(person.client.stream)).lines())
    }

    /// Reads events up to the one with these texts and states: a change may be told twice.
    fn wait_for(&mut self, awaited: &[(&str, bool)]) {
        for line in &mut self.0 {
            let line = line.expect("the events go on");
            let Some(data) = line.strip_prefix("data:") else {
                continue;
            };
            let todos: Vec<Value> = serde_json::from_str(data).unwrap();
            let found = todos
                .iter()
                .map(|todo| (todo["text"].as_str().unwrap(), todo["done"] == true));
            if found.eq(awaited.iter().copied()) {
                return;
            }
        }
        panic!("the events end before {awaited:?}");
    }

    /// Whether the events come to a proper end.
    fn ends(&mut self) -> bool {
        self.0.all(|line| line.is_ok())
    }
}

#[test]
fn accounts_are_made_and_entered_with_the_right_password_only() {
    let server = Server::start("todo", &[]);
    let mut ada = Person::signed_up(&server, "Ada");
    assert_eq!(ada.todos(), json!([]));
    let mut other = Person::new(&server);
    assert_eq!(other.enter("/api/users", "ada", PASSWORD), 409);
    assert_eq!(other.enter("/api/users", "Bob", "short"), 422);
    assert_eq!(other.enter("/api/users", " ", PASSWORD), 422);
    let wrong = other.ask(
        "POST",
        "/api/session",
        Some(&json!({ "name": "Ada", "password": "wrong horse" })),
    );
    let unknown = other.ask(
        "POST",
        "/api/session",
        Some(&json!({ "name": "Eve", "password": PASSWORD })),
    );
    assert_eq!((wrong.status, unknown.status), (401, 401));
    assert_eq!((wrong.text(), wrong.field("Set-Cookie")), (unknown.text(), None));
    for cookie in ["", "session=", "session=0000", "session=' OR 1=1; --"] {
        other.cookie = cookie.to_owned();
        assert_eq!(other.ask("GET", "/api/todos", None).status, 401, "{cookie}");
    }
    other
        .client
        .send(b"POST /api/session HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n{}")
        .unwrap();
    assert_eq!(other.client.read_response().unwrap().status, 415);
    assert_eq!(other.enter("/api/session", "Ada", PASSWORD), 204);
    assert_ne!(other.cookie, ada.cookie);
    assert_eq!(other.ask("DELETE", "/api/session", None).status, 204);
    assert_eq!(other.ask("GET", "/api/todos", None).status, 401);
    assert_eq!(ada.todos(), json!([])); // Her first session goes on.
}

#[test]
fn todos_belong_to_their_user() {
    let server = Server::start("todo", &[]);
    let (mut ada, mut bob) = (Person::signed_up(&server, "Ada"), Person::signed_up(&server, "Bob"));
    let milk = ada.add("buy milk");
    bob.add("sell milk");
    let path = format!("/api/todos/{milk}");
    assert_eq!(bob.ask("PATCH", &path, Some(&json!({ "done": true }))).status, 404);
    assert_eq!(bob.ask("DELETE", &path, None).status, 404);
    assert_eq!(ada.todos(), json!([{ "id": milk, "text": "buy milk", "done": false }]));
    assert_eq!(ada.ask("PATCH", &path, Some(&json!({ "done": true }))).status, 204);
    assert_eq!(ada.todos(), json!([{ "id": milk, "text": "buy milk", "done": true }]));
    assert_eq!(ada.ask("DELETE", &path, None).status, 204);
    assert_eq!(ada.ask("DELETE", &path, None).status, 404);
    assert_eq!(ada.todos(), json!([]));
    for (content, status) in [
        (json!({ "text": " " }), 422),
        (json!({ "text": "x".repeat(501) }), 422),
        (json!({}), 422),
    ] {
        assert_eq!(
            ada.ask("POST", "/api/todos", Some(&content)).status,
            status,
            "{content}"
        );
    }
    assert_eq!(
        ada.ask("PATCH", "/api/todos/x", Some(&json!({ "done": true }))).status,
        400
    );
}

/// The kernel spreads connections over the cores by their ports: of so many pages, some are on each.
#[test]
fn changes_reach_every_page_of_the_user_and_nobody_else() {
    let server = Server::start("todo", &[]);
    let (mut ada, mut bob) = (Person::signed_up(&server, "Ada"), Person::signed_up(&server, "Bob"));
    let mut pages: Vec<Page> = (0..16).map(|_| Page::open(&server, &ada.cookie)).collect();
    let mut bobs = Page::open(&server, &bob.cookie);
    for page in &mut pages {
        page.wait_for(&[]);
    }
    bobs.wait_for(&[]);
    let milk = ada.add("buy milk");
    for page in &mut pages {
        page.wait_for(&[("buy milk", false)]);
    }
    ada.ask("PATCH", &format!("/api/todos/{milk}"), Some(&json!({ "done": true })));
    for page in &mut pages {
        page.wait_for(&[("buy milk", true)]);
    }
    bob.add("sell milk");
    bobs.wait_for(&[("sell milk", false)]);
    // Without its session a page is told nothing more.
    assert_eq!(ada.ask("DELETE", "/api/session", None).status, 204);
    assert!(pages.iter_mut().all(Page::ends));
    bob.add("more");
    bobs.wait_for(&[("sell milk", false), ("more", false)]);
}

#[test]
fn everything_is_kept_over_a_restart() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("todo");
    let _ = fs::remove_dir_all(&directory); // From an earlier run, if there was one.
    fs::create_dir_all(&directory).unwrap();
    let database = directory.join("todo.db").display().to_string();
    let server = Server::start("todo", &["--database", &database]);
    let mut ada = Person::signed_up(&server, "Ada");
    ada.add("buy milk");
    let cookie = ada.cookie;
    drop(ada.client);
    server.signal(libc::SIGTERM);
    let ending = server.wait(LIMIT);
    assert!(ending.status.success(), "{}", ending.stderr);

    let server = Server::start("todo", &["--database", &database]);
    let mut ada = Person::new(&server);
    ada.cookie = cookie;
    assert_eq!(ada.todos()[0]["text"], "buy milk");
    assert_eq!(ada.enter("/api/session", "Ada", PASSWORD), 204);
    assert_eq!(ada.todos()[0]["text"], "buy milk");
}

#[test]
fn the_page_lets_only_its_own_scripts_run() {
    let server = Server::start("todo", &[]);
    let mut client = Client::connect(server.address).unwrap();
    let page = client.get("/").unwrap();
    assert!(page.text().contains("<script src=\"/page.js\">"));
    assert!(
        page.field("Content-Security-Policy")
            .is_some_and(|policy| policy.contains("default-src 'self'"))
    );
    assert_eq!(
        client.get("/page.js").unwrap().field("Content-Type"),
        Some("text/javascript")
    );
}
