//! What the example of metrics, health and tracing tells is what was asked of it.

mod support;

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use libc::SIGTERM;
use support::client::{Client, Response};
use support::process::{Server, example};
use support::{eventually, skip};

/// An end without anything to wait for comes within that.
const SOON: Duration = Duration::from_secs(5);

fn get(address: SocketAddr, target: &str) -> Response {
    Client::connect(address).unwrap().get(target).unwrap()
}

fn metrics(address: SocketAddr) -> String {
    let response = get(address, "/metrics");
    assert_eq!(response.status, 200);
    response.text()
}

/// The sum over all cores of a metric's samples that have a label of this value, or of all where that is empty.
fn sum(text: &str, name: &str, value: &str) -> u64 {
    let samples = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    let wanted = samples.filter(|line| value.is_empty() || line.contains(&format!("=\"{value}\"")));
    wanted
        .map(|line| {
            line.rsplit_once(' ')
                .expect("a figure")
                .1
                .parse::<u64>()
                .expect("a whole number")
        })
        .sum()
}

fn classes(text: &str) -> [u64; 5] {
    ["1xx", "2xx", "3xx", "4xx", "5xx"].map(|class| sum(text, "ringlane_requests_total", class))
}

#[test]
fn counters_agree_exactly_with_what_was_asked() {
    let server = Server::start("observed", &[]);
    for _ in 0..8 {
        let mut client = Client::connect(server.address).unwrap();
        for _ in 0..50 {
            assert_eq!(client.get("/").unwrap().status, 200);
        }
        for (target, status) in [
            ("/nothing", 404),
            ("/orders/x", 400),
            ("/orders/0", 404),
            ("/orders/7", 200),
        ] {
            assert_eq!(client.get(target).unwrap().status, status, "{target}");
        }
        assert_eq!(client.get("/orders/broken").unwrap().status, 500);
        let mut client = Client::connect(server.address).unwrap();
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").unwrap();
        assert_eq!(client.read_response().unwrap().status, 400);
    }
    let text = metrics(server.address);
    assert_eq!(classes(&text), [0, 8 * 51, 0, 8 * 4, 8], "{text}");
    assert_eq!(sum(&text, "ringlane_request_duration_seconds_count", ""), 8 * 55);
    assert_eq!(sum(&text, "ringlane_request_duration_seconds_bucket", "+Inf"), 8 * 55);
    assert_eq!(sum(&text, "ringlane_refusals_total", "400"), 8);
    assert_eq!(sum(&text, "ringlane_refusals_total", "500"), 8);
    assert_eq!(sum(&text, "ringlane_handler_panics_total", ""), 8);
    assert_eq!(sum(&text, "ringlane_connections_opened_total", ""), 17);
    // An answer is counted when it is queued: of the one above the next one tells.
    assert_eq!(classes(&metrics(server.address)), [0, 8 * 51 + 1, 0, 8 * 4, 8]);
    let all_closed = || {
        let text = metrics(server.address);
        let (opened, closed) = ("ringlane_connections_opened_total", "ringlane_connections_closed_total");
        // But for the one that asks.
        sum(&text, closed, "") + 1 == sum(&text, opened, "")
    };
    assert!(eventually(all_closed), "{}", metrics(server.address));
}

#[test]
fn counters_agree_with_what_wrk_has_asked() {
    const CONNECTIONS: u64 = 16;
    let server = Server::start("observed", &[]);
    let url = format!("http://{}/", server.address);
    let wrk = Command::new("wrk").args(["-t1", "-c16", "-d1s", &url]).output();
    let Ok(wrk) = wrk else {
        skip("wrk is not installed");
        return;
    };
    let said = String::from_utf8_lossy(&wrk.stdout);
    let line = said
        .lines()
        .find(|line| line.contains(" requests in "))
        .expect("a count of wrk's");
    let asked: u64 = line
        .split_whitespace()
        .next()
        .and_then(|count| count.parse().ok())
        .expect("a number");
    let answered = classes(&metrics(server.address));
    // What was in flight at its end wrk does not count.
    assert!(
        (asked..=asked + CONNECTIONS).contains(&answered[1]),
        "wrk counts {asked}, the server {answered:?}"
    );
    assert_eq!([answered[0], answered[2], answered[3], answered[4]], [0; 4]);
}

/// Feeds a program's standard input; none where it cannot be started.
fn feed(command: &mut Command, text: &str) -> Option<(bool, String)> {
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().ok()?;
    let written = child.stdin.take().expect("it is piped").write_all(text.as_bytes());
    let output = child.wait_with_output().expect("it can be waited for");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Some((output.status.success() && written.is_ok(), said))
}

#[test]
fn promtool_has_nothing_to_say() {
    let server = Server::start("observed", &[]);
    get(server.address, "/orders/7");
    let text = metrics(server.address);
    match feed(Command::new("promtool").args(["check", "metrics"]), &text) {
        None => skip("promtool is not installed"),
        Some((content, said)) => assert!(content && said.is_empty(), "{said}\n{text}"),
    }
}

/// Both formats, read by the client library of Prometheus for Python, which must find the same requests.
#[test]
fn python_reads_both_formats() {
    const SCRIPT: &str = "
import sys
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
plain, strict = sys.stdin.read().split('---\\n')
plain = list(parser.text_string_to_metric_families(plain))
strict = list(openmetrics.text_string_to_metric_families(strict))
assert [family.name for family in plain] == [family.name for family in strict]
assert [family.type for family in plain] == [family.type for family in strict]
for families in (plain, strict):
    for family in families:
        assert family.documentation and family.type in ('counter', 'gauge', 'histogram'), family
        assert family.samples and all('core' in sample.labels for sample in family.samples), family
    requests = next(family for family in families if family.name == 'ringlane_requests')
    print(int(sum(sample.value for sample in requests.samples)))
";
    let present = Command::new("python3")
        .args(["-c", "import prometheus_client"])
        .output();
    if !present.is_ok_and(|output| output.status.success()) {
        skip("python3 with prometheus_client is not installed");
        return;
    }
    let server = Server::start("observed", &[]);
    get(server.address, "/orders/7");
    let plain = metrics(server.address);
    let mut client = Client::connect(server.address).unwrap();
    let request = "GET /metrics HTTP/1.1\r\nHost: test\r\nAccept: application/openmetrics-text; version=1.0.0\r\n\r\n";
    client.send(request.as_bytes()).unwrap();
    let strict = client.read_response().unwrap().text();
    let both = format!("{plain}---\n{strict}");
    let (read, said) = feed(Command::new("python3").args(["-c", SCRIPT]), &both).expect("it was started before");
    assert!(read, "{said}");
    assert_eq!(said, "1\n2\n");
}

#[test]
fn a_server_that_stops_is_not_ready_and_lives() {
    let mut command = example("observed", &["--addr", "127.0.0.1:0"]);
    command.env("RINGLANE_DRAIN_IDLE_TIMEOUT", "20s");
    let server = Server::start_command(&mut command);
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(server.address).unwrap()).collect();
    for client in &mut clients {
        let response = client.get("/ready").unwrap();
        assert_eq!((response.status, response.text().as_str()), (200, "ready\n"));
    }
    server.signal(SIGTERM);
    assert!(eventually(|| Client::connect(server.address).is_err()));
    for (client, target, status) in [(0, "/ready", 503), (1, "/live", 200), (2, "/metrics", 200)] {
        let response = clients[client].get(target).unwrap();
        assert_eq!(
            (response.status, response.closes()),
            (status, true),
            "{target}: {response:?}"
        );
    }
    assert!(server.wait(SOON).status.success());
}

#[test]
fn a_trace_is_continued_and_printed() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let server = Server::start("observed", &[]);
    let mut client = Client::connect(server.address).unwrap();
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let fields = format!("traceparent: {parent}\r\ntracestate: congo=t61rcWkgMzE\r\n");
    client
        .send(format!("GET /orders/7 HTTP/1.1\r\nHost: test\r\n{fields}\r\n").as_bytes())
        .unwrap();
    let text = client.read_response().unwrap().text();
    let lines: Vec<&str> = text.lines().collect();
    let [order, own, state] = lines[..] else {
        panic!("{text}")
    };
    assert_eq!((order, state), ("order 7", "congo=t61rcWkgMzE"));
    let parts: Vec<&str> = own.split('-').collect();
    assert!(
        parts[..2] == ["00", TRACE] && parts[3] == "01" && own != parent,
        "{own}"
    );
    let span = parts[2].to_owned();

    // Without a valid parent a new trace begins, with none of the state.
    client
        .send(
            format!(
                "GET /orders/8 HTTP/1.1\r\nHost: test\r\n{}\r\n",
                fields.replace("00-", "ff-")
            )
            .as_bytes(),
        )
        .unwrap();
    let text = client.read_response().unwrap().text();
    assert!(
        text.starts_with("order 8\n00-") && !text.contains(TRACE) && text.ends_with("-01\n\n"),
        "{text}"
    );
    assert_eq!(client.get("/orders/x").unwrap().status, 400);

    server.signal(SIGTERM);
    let ending = server.wait(SOON);
    let closed: Vec<&str> = ending.stderr.lines().filter(|line| line.contains(": close ")).collect();
    assert_eq!(closed.len(), 3, "{}", ending.stderr);
    for part in [
        "otel.name=GET /orders/{id}",
        "http.route=\"/orders/{id}\"",
        "url.path=\"/orders/7\"",
        &format!("trace_id={TRACE} span_id={span} parent_span_id=00f067aa0ba902b7"),
        "http.response.status_code=200",
        "http.server.request.duration=",
    ] {
        assert!(closed[0].contains(part), "{part} is not in {}", closed[0]);
    }
    assert!(closed[2].contains("status_code=400"), "{}", closed[2]);
    let within = ending.stderr.lines().find(|line| line.contains("looked up id=7"));
    assert!(within.is_some_and(|line| line.contains(&span)), "{}", ending.stderr);
}
