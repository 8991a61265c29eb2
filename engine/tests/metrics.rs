//! What the cores count is exactly what was asked and answered.
#![cfg(all(feature = "metrics", feature = "router"))]

mod support;

use ringlane::metrics::{CoreMetrics, Metrics};
use ringlane::router::Router;
use ringlane::{Config, Cores, Request, Response, Server, ServerHandle, health};
use support::{Client, Gate, LIMIT, TestServer, allowed_cores};

fn serve(configure: impl FnOnce(&mut Config)) -> (TestServer, Gate) {
    let mut config = Config::default();
    config.cores = Cores::List(allowed_cores()[..1].to_vec());
    (config.drain_timeout, config.drain_idle_timeout) = (LIMIT, LIMIT);
    configure(&mut config);
    let server = Server::bind("127.0.0.1:0").config(config);
    let (handle, gate) = (server.handle(), Gate::default());
    let waiting = gate.clone();
    let server = TestServer::serve(server, move |_| routes(&handle, &waiting));
    (server, gate)
}

fn routes(handle: &ServerHandle, gate: &Gate) -> Router {
    let gate = gate.clone();
    Router::new()
        .get("/", async |_: Request| "fine")
        .get("/panic", async |_: Request| -> Response {
            panic!("expected by the test")
        })
        .get("/gate", async move |_: Request| {
            gate.passed().await;
            "passed"
        })
        .get("/metrics", Metrics::new(handle.clone()))
        .get("/live", health::live())
        .get("/ready", health::ready(handle.clone()))
}

fn only(server: &TestServer) -> CoreMetrics {
    let mut all = server.handle().metrics();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

/// The status of a refusal and its count, where there was one.
fn refusals(metrics: &CoreMetrics) -> Vec<(Option<u16>, u64)> {
    let all = metrics.refusals.by_status.iter().copied();
    all.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn requests_are_counted_by_class() {
    let (server, _) = serve(|_| {});
    let mut client = server.connect();
    for path in ["/", "/", "/nothing", "/live", "/ready", "/"] {
        client.get(path);
    }
    assert_eq!(server.connect().get("/panic").status, 500);
    assert_eq!(server.connect().ask("GET / HTTP/1.1\r\n\r\n").status, 400);
    let text = client.get("/metrics");
    assert_eq!(text.status, 200);
    let metrics = only(&server);
    assert_eq!(metrics.requests, [0, 6, 0, 2, 1]);
    assert_eq!(
        metrics.latencies.count(),
        8,
        "what was refused before its head was whole took no time"
    );
    assert!(metrics.latencies.sum.as_nanos() > 0);
    assert_eq!(refusals(&metrics), [(Some(400), 1), (Some(500), 1)]);
    assert_eq!(
        (metrics.panics, metrics.upgrades, metrics.connections_opened),
        (1, 0, 3)
    );
    assert!(metrics.rounds > 0 && metrics.completions > 0 && metrics.pool_buffers > 0);
    let text = String::from_utf8(text.body).unwrap();
    let core = server.cores()[0];
    for line in [
        format!("ringlane_requests_total{{core=\"{core}\",class=\"2xx\"}} 5"),
        format!("ringlane_requests_total{{core=\"{core}\",class=\"4xx\"}} 2"),
        format!("ringlane_requests_total{{core=\"{core}\",class=\"5xx\"}} 1"),
        format!("ringlane_refusals_total{{core=\"{core}\",status=\"400\"}} 1"),
        format!("ringlane_request_duration_seconds_count{{core=\"{core}\"}} 7"),
        format!("ringlane_connections_opened_total{{core=\"{core}\"}} 3"),
    ] {
        assert!(text.lines().any(|is| is == line), "{line} is not in:\n{text}");
    }
}

/// On one core and one connection, where each answer was sent in a round before the next request's.
#[test]
fn bytes_are_counted_exactly() {
    let (server, _) = serve(|_| {});
    let mut client = server.connect();
    let request = "GET /gone HTTP/1.1\r\nHost: test\r\n\r\n";
    client.ask(request);
    let before = server_bytes(&mut client);
    let answer = client.ask(request);
    assert_eq!((answer.status, &answer.body[..]), (404, &b"not found\n"[..]));
    let fields = answer
        .fields
        .iter()
        .map(|(name, value)| name.len() + value.len() + ": \r\n".len());
    let length = "HTTP/1.1 404 Not Found\r\n\r\n".len() + fields.sum::<usize>() + answer.body.len();
    let after = server_bytes(&mut client);
    assert_eq!(after.0 - before.0, (request.len() + METRICS.len()) as u64);
    assert_eq!(after.1 - before.1, before.2 + length as u64);
}

const METRICS: &str = "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n";

/// Bytes received and sent before this answer, and the length of this answer.
fn server_bytes(client: &mut Client) -> (u64, u64, u64) {
    let answer = client.ask(METRICS);
    let fields = answer
        .fields
        .iter()
        .map(|(name, value)| name.len() + value.len() + ": \r\n".len());
    let length = "HTTP/1.1 200 OK\r\n\r\n".len() + fields.sum::<usize>() + answer.body.len();
    let text = String::from_utf8(answer.body).unwrap();
    let figure = |name: &str| {
        let line = text
            .lines()
            .find(|line| line.starts_with(name))
            .expect("the metric is there");
        line.rsplit_once(' ').expect("a figure").1.parse().expect("a number")
    };
    let (received, sent) = ("ringlane_received_bytes_total", "ringlane_sent_bytes_total");
    (figure(received), figure(sent), length as u64)
}

#[test]
fn a_client_chooses_its_format() {
    let (server, _) = serve(|_| {});
    let mut client = server.connect();
    let plain = client.get("/metrics");
    assert_eq!(
        plain.field("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let open = client.ask("GET /metrics HTTP/1.1\r\nHost: test\r\nAccept: application/openmetrics-text\r\n\r\n");
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((open.status, open.field("content-type")), (200, Some(kind)));
    assert!(open.body.ends_with(b"# EOF\n") && !plain.body.ends_with(b"# EOF\n"));
}

#[test]
fn a_server_that_stops_lives_and_is_not_ready() {
    let (server, gate) = serve(|_| {});
    let handle = server.handle();
    let mut clients: Vec<Client> = (0..2).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/ready").is(), (200, "ready\n"));
        assert_eq!(client.get("/live").is(), (200, "live\n"));
    }
    assert!(handle.is_ready() && !handle.is_stopping());
    let mut waiting = server.connect();
    waiting.send("GET /gate HTTP/1.1\r\nHost: test\r\n\r\n");
    handle.stop();
    assert!(!handle.is_ready() && handle.is_stopping());
    assert_eq!(clients[0].get("/ready").is(), (503, "stopping\n"));
    assert_eq!(clients[1].get("/live").is(), (200, "live\n"));
    gate.open();
    assert_eq!(waiting.answer().is(), (200, "passed"));
    server.join().unwrap();
}

#[test]
fn nothing_is_counted_before_the_start() {
    let server = Server::bind("127.0.0.1:0");
    assert!(server.handle().metrics().is_empty());
    assert!(!server.handle().is_ready());
}

#[test]
fn a_full_core_pauses_accepting() {
    let (server, _) = serve(|config| config.connections_max = std::num::NonZeroU32::new(2));
    let mut clients: Vec<Client> = (0..2).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").status, 200);
    }
    assert_eq!(clients[0].get("/").status, 200);
    assert!(only(&server).accept_pauses >= 1);
}
