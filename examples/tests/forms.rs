//! The guest book: its query, form, JSON, cookie, redirects and errors.

mod support;

use support::client::{Client, Response};
use support::process::Server;
use support::procfs::allowed_cores;

fn start() -> Server {
    Server::start("forms", &["--cores", &allowed_cores()[0].to_string()])
}

fn post(client: &mut Client, path: &str, content_type: &str, body: &str) -> Response {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    );
    client.send(format!("{head}{body}").as_bytes()).unwrap();
    client.read_response().unwrap()
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

#[test]
fn a_browser_signs_and_is_remembered() {
    let server = start();
    let mut client = Client::connect(server.address).unwrap();
    let signed = post(&mut client, "/", FORM, "name=Ada&text=%3Cb%3E+hello");
    assert_eq!((signed.status, signed.field("Location")), (303, Some("/")));
    let cookie = signed.field("Set-Cookie").unwrap();
    assert_eq!(cookie, "name=Ada; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000");
    client
        .send(b"GET / HTTP/1.1\r\nHost: test\r\nCookie: other=1; name=Ada\r\n\r\n")
        .unwrap();
    let page = client.read_response().unwrap().text();
    assert!(page.contains("<li>Ada: &lt;b> hello"), "{page}");
    assert!(page.contains("name=name value=\"Ada\""), "{page}");
    let forgotten = post(&mut client, "/forget", FORM, "");
    assert!(
        forgotten
            .field("Set-Cookie")
            .unwrap()
            .starts_with("name=; Path=/; Max-Age=0")
    );
    let moved = client.get("/book").unwrap();
    assert_eq!((moved.status, moved.field("Location")), (308, Some("/")));
}

#[test]
fn a_program_uses_the_api() {
    let server = start();
    let mut client = Client::connect(server.address).unwrap();
    for (number, name) in ["Ada", "Bob", "Cleo"].into_iter().enumerate() {
        let body = format!("{{\"name\":\"{name}\",\"text\":\"hi\"}}");
        let added = post(&mut client, "/api", JSON, &body);
        assert_eq!((added.status, added.text()), (201, (number + 1).to_string()));
    }
    let page = client.get("/api?from=1&count=1").unwrap();
    assert_eq!(page.field("Content-Type"), Some("application/json"));
    assert_eq!(page.text(), r#"[{"name":"Bob","text":"hi"}]"#);
    assert_eq!(client.get("/api/2").unwrap().text(), r#"{"name":"Cleo","text":"hi"}"#);
}

#[test]
fn each_error_has_its_status() {
    let server = start();
    let mut client = Client::connect(server.address).unwrap();
    assert_eq!(client.get("/?from=x").unwrap().status, 400);
    assert_eq!(client.get("/api/x").unwrap().status, 400);
    assert_eq!(client.get("/api/7").unwrap().status, 404);
    assert_eq!(post(&mut client, "/", JSON, "{}").status, 415);
    assert_eq!(post(&mut client, "/", FORM, "name=Ada").status, 422);
    assert_eq!(post(&mut client, "/api", JSON, "{").status, 400);
    assert_eq!(post(&mut client, "/api", JSON, "{}").status, 422);
    let broken = client.get("/api/broken").unwrap();
    assert_eq!((broken.status, broken.text().as_str()), (500, ""));
    let long = format!("name=Ada&text={}", "x".repeat(9000));
    assert_eq!(post(&mut client, "/", FORM, &long).status, 413);

    server.signal(libc::SIGTERM);
    let ending = server.wait(std::time::Duration::from_secs(10));
    assert!(ending.status.success(), "{}", ending.stderr);
    assert!(
        ending.stderr.contains("GET /api/broken: No such file or directory"),
        "{}",
        ending.stderr
    );
}
