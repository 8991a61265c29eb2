//! Compressed responses, decompressed again and compared.
#![cfg(feature = "compression")]

mod support;

use std::convert::Infallible;
use std::io::{Read, Write};

use futures_lite::stream;
use ringlane::layer::{Compression, Layer, layered};
use ringlane::{Coding, Request, Response, StatusCode};
use support::{Answer, Client, Gate, TestServer, content};

const CODINGS: [&str; 3] = ["gzip", "br", "zstd"];

/// Text of a length in which something repeats, and no two places are alike.
fn text(length: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(length + 32);
    for number in 0.. {
        if text.len() >= length {
            break;
        }
        let _ = writeln!(text, "line {number} of some");
    }
    text.truncate(length);
    text
}

fn decoded(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match coding {
        "gzip" => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap()),
        "br" => drop(brotli::Decompressor::new(bytes, 4096).read_to_end(&mut plain).unwrap()),
        "zstd" => plain = zstd::stream::decode_all(bytes).unwrap(),
        other => panic!("{other} is no coding"),
    }
    plain
}

/// A stream of chunks of a size.
fn chunks(bytes: &[u8], size: usize) -> impl stream::Stream<Item = Result<Vec<u8>, Infallible>> + use<> {
    let chunks: Vec<_> = bytes.chunks(size).map(|chunk| Ok(chunk.to_vec())).collect();
    stream::iter(chunks)
}

async fn service(request: Request) -> Response {
    let json = "application/json";
    let plain = |bytes| Response::text(text(bytes));
    let with = |name, value| plain(5000).header(name, value).unwrap();
    match request.path() {
        "/small" => plain(1023),
        "/enough" => plain(1024),
        "/json" => Response::bytes(json, text(20_000)),
        "/long" => plain(700_000),
        "/stream" => Response::stream(json, chunks(&text(300_000), 777)),
        "/tiny" => Response::stream(json, chunks(&text(3_000), 1)),
        "/length" => Response::stream_of_length(json, 100_000, chunks(&text(100_000), 50_000)),
        "/few" => Response::stream_of_length(json, 100_000, chunks(&text(50_000), 50_000)),
        "/many" => Response::stream_of_length(json, 50_000, chunks(&text(100_000), 50_000)),
        "/brief" => Response::stream_of_length(json, 100, chunks(&text(100), 50)),
        "/random" => Response::bytes(json, content::bytes(50_000)),
        "/none" => Response::stream(json, chunks(&[], 1)),
        "/png" => Response::bytes("image/png", text(5000)),
        "/upper" => Response::bytes("Text/HTML ; Charset=utf-8", text(5000)),
        "/untyped" => {
            let mut response = plain(5000);
            response.remove_header("content-type");
            response
        }
        "/encoded" => with("Content-Encoding", "gzip"),
        "/asked" => with("Cache-Control", "public, No-Transform"),
        "/range" => with("Content-Range", "bytes 0-4999/6000").with_status(StatusCode::PARTIAL_CONTENT),
        "/strong" => with("ETag", "\"abc\"").header("Accept-Ranges", "bytes").unwrap(),
        "/weak" => with("ETag", "W/\"abc\"").header("Vary", "Origin").unwrap(),
        "/unchanged" => Response::new(StatusCode::NOT_MODIFIED)
            .header("ETag", "\"abc\"")
            .unwrap(),
        "/error" => plain(5000).with_status(StatusCode::NOT_FOUND),
        "/empty" => Response::new(StatusCode::NO_CONTENT),
        path => Response::text(path.to_owned()),
    }
}

fn server() -> TestServer {
    TestServer::start(|_| {}, |_| layered(service).layer(Compression::new()))
}

fn ask(client: &mut Client, path: &str, accepted: &str) -> Answer {
    client.ask(format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {accepted}\r\n\r\n"
    ))
}

#[test]
fn what_is_compressed_is_the_same_when_decompressed() {
    let server = server();
    let mut client = server.connect();
    for coding in CODINGS {
        for (path, expected, has_length) in [
            ("/enough", text(1024), true),
            ("/json", text(20_000), true),
            ("/upper", text(5000), true),
            ("/error", text(5000), true),
            ("/strong", text(5000), true),
            ("/long", text(700_000), false),
            ("/stream", text(300_000), false),
            ("/tiny", text(3_000), false),
            ("/length", text(100_000), false),
            ("/none", Vec::new(), false),
        ] {
            let answer = ask(&mut client, path, coding);
            assert_eq!(answer.field("content-encoding"), Some(coding), "{path}");
            assert_eq!(answer.field("vary"), Some("Accept-Encoding"), "{path}");
            assert_eq!(answer.field("content-length").is_some(), has_length, "{path}");
            assert!(
                answer.body.len() < expected.len() / 2 || expected.is_empty(),
                "{path}: {}",
                answer.body.len()
            );
            assert!(decoded(coding, &answer.body) == expected, "{path} in {coding}");
        }
    }
}

#[test]
fn what_would_not_gain_or_must_not_change_is_left_as_it_is() {
    let server = server();
    let mut client = server.connect();
    // Path, and what Vary says: where another client might get it compressed.
    for (path, expected, varies) in [
        ("/small", text(1023), false),
        ("/brief", text(100), false),
        ("/random", content::bytes(50_000), true),
        ("/png", text(5000), false),
        ("/untyped", text(5000), false),
        ("/asked", text(5000), false),
        ("/range", text(5000), false),
        ("/empty", Vec::new(), false),
    ] {
        for coding in CODINGS {
            let answer = ask(&mut client, path, coding);
            assert_eq!(answer.field("content-encoding"), None, "{path}");
            assert_eq!(answer.field("vary").is_some(), varies, "{path}");
            assert!(answer.body == expected, "{path}");
        }
    }
    assert!(ask(&mut client, "/encoded", "br").body == text(5000));
    for accepted in ["", "identity", "gzip;q=0", "deflate", "gzip;q=0.1, identity"] {
        let answer = ask(&mut client, "/json", accepted);
        assert_eq!(
            (answer.field("content-encoding"), answer.field("vary")),
            (None, Some("Accept-Encoding"))
        );
        assert!(answer.body == text(20_000));
    }
    assert!(client.get("/json").body == text(20_000));
}

/// RFC 9112 §8: a body of another length than its response said must not look like the whole of it.
#[test]
fn a_stream_of_the_wrong_length_is_seen_to_be_incomplete() {
    let server = server();
    for path in ["/few", "/many"] {
        for accepted in ["gzip", "identity"] {
            let mut client = server.connect();
            client.send(format!(
                "GET {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {accepted}\r\n\r\n"
            ));
            let head = client.head();
            assert_eq!(head.field("content-encoding").is_some(), accepted == "gzip");
            let mut seen = Vec::new();
            let body = client.try_body(&head, |piece| seen.extend_from_slice(piece));
            // As it is a body that goes on is cut where it was to end; nobody can see more than that in it.
            let is_whole = path == "/many" && accepted == "identity";
            assert_eq!(body.is_ok(), is_whole, "{path} {accepted}");
            client.assert_closed();
        }
    }
}

/// RFC 9110 §12.5.3: whoever refuses identity gets everything coded that may be, and else what there is.
#[test]
fn identity_may_be_refused() {
    let server = server();
    let mut client = server.connect();
    for path in ["/small", "/brief", "/random", "/png", "/untyped"] {
        let plain = client.get(path).body;
        for accepted in ["br, identity;q=0", "br, *;q=0"] {
            let answer = ask(&mut client, path, accepted);
            assert_eq!(answer.field("content-encoding"), Some("br"), "{path}");
            assert!(decoded("br", &answer.body) == plain, "{path}");
        }
        let answer = ask(&mut client, path, "*;q=0");
        assert_eq!((answer.status, answer.field("content-encoding")), (200, None), "{path}");
        assert!(answer.body == plain, "{path}");
    }
    assert_eq!(ask(&mut client, "/asked", "br, *;q=0").field("content-encoding"), None);
}

/// RFC 9110 §8.8.3.3, §15.4.5.
#[test]
fn tags_are_weak_where_the_bytes_are_others() {
    let server = server();
    let mut client = server.connect();
    let strong = ask(&mut client, "/strong", "gzip");
    assert_eq!(
        (strong.field("etag"), strong.field("accept-ranges")),
        (Some("W/\"abc\""), None)
    );
    let plain = client.get("/strong");
    assert_eq!(
        (plain.field("etag"), plain.field("accept-ranges")),
        (Some("\"abc\""), Some("bytes"))
    );
    let weak = ask(&mut client, "/weak", "gzip");
    let vary: Vec<_> = weak
        .fields
        .iter()
        .filter(|(name, _)| name == "Vary")
        .map(|(_, value)| value.as_str())
        .collect();
    assert_eq!(
        (weak.field("etag"), vary),
        (Some("W/\"abc\""), vec!["Origin", "Accept-Encoding"])
    );
    for (asked, etag) in [
        ("W/\"abc\"", "W/\"abc\""),
        ("\"x\", W/\"abc\"", "W/\"abc\""),
        ("\"abc\"", "\"abc\""),
    ] {
        let answer = client.ask(format!(
            "GET /unchanged HTTP/1.1\r\nHost: x\r\nIf-None-Match: {asked}\r\n\r\n"
        ));
        assert_eq!(answer.status, 304);
        assert_eq!(
            (answer.field("etag"), answer.field("vary")),
            (Some(etag), Some("Accept-Encoding")),
            "{asked}"
        );
    }
}

/// RFC 9110 §9.3.2: the fields of HEAD are those of GET, but for what only the content's making would show.
#[test]
fn answers_to_head_say_what_get_would() {
    let server = server();
    let mut client = server.connect();
    for path in ["/json", "/long", "/stream", "/length"] {
        client.send(format!(
            "HEAD {path} HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n"
        ));
        let head = client.head();
        assert_eq!(
            (head.status, head.field("content-encoding")),
            (200, Some("gzip")),
            "{path}"
        );
        assert_eq!(head.field("content-length"), None, "{path}");
    }
    client.send("HEAD /small HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
    assert_eq!(client.head().field("content-length"), Some("1023"));
    assert_eq!(client.get("/after").text(), "/after");
}

/// A decoder that is fed as bytes come, and what it has made of them.
enum Partial {
    Gzip(flate2::write::GzDecoder<Vec<u8>>),
    Br(Box<brotli::DecompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Decoder<'static, Vec<u8>>),
}

impl Partial {
    fn new(coding: &str) -> Partial {
        match coding {
            "gzip" => Partial::Gzip(flate2::write::GzDecoder::new(Vec::new())),
            "br" => Partial::Br(Box::new(brotli::DecompressorWriter::new(Vec::new(), 4096))),
            _ => Partial::Zstd(zstd::stream::write::Decoder::new(Vec::new()).unwrap()),
        }
    }

    fn push(&mut self, bytes: &[u8]) -> &[u8] {
        match self {
            Partial::Gzip(decoder) => {
                decoder.write_all(bytes).unwrap();
                decoder.flush().unwrap();
                decoder.get_ref()
            }
            Partial::Br(decoder) => {
                decoder.write_all(bytes).unwrap();
                decoder.flush().unwrap();
                decoder.get_ref()
            }
            Partial::Zstd(decoder) => {
                decoder.write_all(bytes).unwrap();
                decoder.flush().unwrap();
                decoder.get_ref()
            }
        }
    }
}

/// Each event can be read before the next is made.
#[test]
fn what_a_stream_pauses_behind_is_not_held_back() {
    for coding in CODINGS {
        let gates: Vec<_> = (0..3).map(|_| Gate::default()).collect();
        let waits = gates.clone();
        let server = TestServer::start(
            |_| {},
            move |_| {
                let waits = waits.clone();
                let events = async move |_: Request| {
                    let events = stream::unfold(waits.clone().into_iter(), async |mut waits| {
                        let gate = waits.next()?;
                        gate.passed().await;
                        Some((Ok::<_, Infallible>(format!("data: event {}\n\n", waits.len())), waits))
                    });
                    Response::stream("text/event-stream", Box::pin(events))
                };
                layered(events).layer(Compression::new())
            },
        );
        let mut client = server.connect();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: {coding}\r\n\r\n"
        ));
        assert_eq!(client.head().field("content-encoding"), Some(coding));
        let mut decoder = Partial::new(coding);
        let mut expected = String::new();
        for (number, gate) in gates.iter().enumerate() {
            gate.open();
            expected += &format!("data: event {}\n\n", 2 - number);
            while decoder.push(b"") != expected.as_bytes() {
                let size = u64::from_str_radix(&client.line(), 16).unwrap();
                let chunk = client.exactly(size);
                client.line();
                decoder.push(&chunk);
            }
        }
    }
}

#[test]
fn streams_beyond_the_limit_are_sent_as_they_are() {
    let server = TestServer::start(|_| {}, |_| layered(service).layer(Compression::new().streams_max(0)));
    let mut client = server.connect();
    for path in ["/stream", "/long", "/length"] {
        let answer = ask(&mut client, path, "gzip");
        assert_eq!(answer.field("content-encoding"), None, "{path}");
        assert!(answer.body == client.get(path).body, "{path}");
    }
    assert_eq!(
        ask(&mut client, "/json", "gzip").field("content-encoding"),
        Some("gzip")
    );
}

#[test]
fn knobs_do_what_they_say() {
    let server = TestServer::start(
        |_| {},
        |_| {
            let compression = Compression::new()
                .codings([Coding::Gzip, Coding::Br])
                .level(Coding::Gzip, 1)
                .bytes_min(10)
                .at_once_bytes_max(2000)
                .types(|essence| essence == "image/png" || essence == "text/html");
            layered(service).layer(compression)
        },
    );
    let mut client = server.connect();
    assert_eq!(
        ask(&mut client, "/png", "zstd, br, gzip").field("content-encoding"),
        Some("gzip")
    );
    assert_eq!(ask(&mut client, "/png", "br").field("content-length"), None);
    assert_eq!(ask(&mut client, "/upper", "br").field("content-encoding"), Some("br"));
    assert_eq!(ask(&mut client, "/json", "br").field("content-encoding"), None);
    let level = |coding, level| Compression::new().level(coding, level).check();
    assert_eq!(
        level(Coding::Zstd, 20).unwrap_err().to_string(),
        "zstd has no level 20 here: choose one from 1 to 19"
    );
    assert!(level(Coding::Gzip, 0).is_err() && level(Coding::Br, 12).is_err() && level(Coding::Br, 0).is_ok());
}

/// Whatever is sent as Accept-Encoding, the answer is whole.
#[test]
fn hostile_fields_are_harmless() {
    let server = server();
    for accepted in [
        ",".repeat(8000),
        "gzip;q=1,".repeat(900),
        "br;q=0.".to_owned() + &"9".repeat(8000),
        ";;;;===q=q=q".to_owned(),
        "*;q=0.5;q=0".to_owned(),
        "\u{e9}gzip".to_owned(),
    ] {
        let answer = ask(&mut server.connect(), "/json", &accepted);
        assert_eq!(answer.status, 200);
        match answer.field("content-encoding") {
            None => assert!(answer.body == text(20_000)),
            Some(coding) => assert!(decoded(coding, &answer.body) == text(20_000)),
        }
    }
}
