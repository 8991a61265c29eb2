//! The layers example, as a process: every layer is met once, and the log has it all in the end.

mod support;

use std::io;
use std::time::Duration;

use support::client::{Client, Response};
use support::process::Server;
use support::procfs::allowed_cores;

fn ask(client: &mut Client, line: &str, fields: &str, body: &str) -> io::Result<Response> {
    let length = match body.len() {
        0 => String::new(),
        length => format!("Content-Length: {length}\r\n"),
    };
    client.send(format!("{line} HTTP/1.1\r\nHost: test\r\n{fields}{length}\r\n{body}").as_bytes())?;
    client.read_response()
}

#[test]
fn every_layer_does_its_part() -> io::Result<()> {
    let server = Server::start("layers", &["--cores", &allowed_cores()[0].to_string()]);
    let mut client = Client::connect(server.address)?;

    let notes = ask(&mut client, "GET /notes", "Accept-Encoding: gzip, br\r\n", "")?;
    assert_eq!((notes.status, notes.field("Content-Encoding")), (200, Some("br")));
    assert!(notes.body.len() < 200, "{}", notes.body.len());
    let plain = client.get("/v1/notes")?;
    assert_eq!(plain.text(), "a note that compresses well\n".repeat(100));

    let id = ask(&mut client, "GET /id", "X-Request-Id: from-the-proxy\r\n", "")?;
    assert_eq!(
        (id.text().as_str(), id.field("X-Request-Id")),
        ("from-the-proxy\n", Some("from-the-proxy"))
    );

    let origin = "Origin: https://app.example.com\r\n";
    let preflight = format!("{origin}Access-Control-Request-Method: POST\r\n");
    let preflight = ask(&mut client, "OPTIONS /notes", &preflight, "")?;
    assert_eq!(
        (preflight.status, preflight.field("Access-Control-Allow-Methods")),
        (204, Some("GET, POST"))
    );
    let missing = ask(&mut client, "GET /missing", origin, "")?;
    assert_eq!(
        (missing.status, missing.field("Content-Type")),
        (404, Some("application/problem+json"))
    );
    assert_eq!(
        missing.field("Access-Control-Allow-Origin"),
        Some("https://app.example.com")
    );

    assert_eq!(client.get("/slow")?.status, 504);
    let film = "x".repeat(100_000);
    assert_eq!(ask(&mut client, "POST /films", "", &film)?.text(), "100000 bytes\n");
    assert_eq!(
        ask(
            &mut client,
            "POST /notes",
            "Expect: 100-continue\r\nContent-Length: 65537\r\n",
            ""
        )?
        .status,
        413
    );

    server.signal(libc::SIGTERM);
    let ending = server.wait(Duration::from_secs(20));
    assert!(ending.status.success(), "{}", ending.stderr);
    let log = ending.stdout.join("\n");
    // Not the 413, which the engine answers before any layer is called.
    assert_eq!(ending.stdout.len(), 7, "{log}");
    assert!(
        log.contains("\"request_id\":\"from-the-proxy\"") && log.contains("\"target\":\"/v1/notes\""),
        "{log}"
    );
    assert!(
        log.contains("\"status\":504") && log.contains("\"status\":204"),
        "{log}"
    );
    Ok(())
}
