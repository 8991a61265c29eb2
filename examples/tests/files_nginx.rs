//! The same files by the example and by nginx: the same answers, save where RFC 9110 wants others.

mod support;

use std::fmt::Write as _;
use std::net::SocketAddr;

use support::client::Client;
use support::directory::Directory;
use support::nginx::Nginx;
use support::process::Server;
use support::skip;

const ETAG: &str = "\"5f5e1000-1a\"";
const BEFORE: &str = "Sun, 13 Sep 2020 12:26:39 GMT";
const EXACT: &str = "Sun, 13 Sep 2020 12:26:40 GMT";
const AFTER: &str = "Sun, 13 Sep 2020 12:26:41 GMT";

const A_LINK: &str = "RFC 9110 §15.5.4: refused, as a link to a file is; nginx finds no directory there";
const DOTS: &str = "RFC 3986 §5.2.4: the client resolves dot segments; none is let through here";
const EMPTY: &str = "RFC 3986 §3.3: an empty segment is one of its own, and names nothing";
const ENCODED: &str = "RFC 3986 §2.2: an encoded delimiter is not the delimiter";
const TAGS: &str = "RFC 9110 §8.8.3.3: no two codings share a strong tag";
const FOR_GET: &str = "RFC 9110 §14.2: ranges are defined for GET alone";

/// What nginx is told to do as `Files` does, or does not do, of itself.
fn directives(root: &str) -> String {
    format!(
        "root {root}; charset utf-8; charset_types text/plain text/css text/javascript;
         types {{ text/html html; text/plain txt; text/css css; text/javascript js; application/json json; application/gzip gz; }}
         default_type application/octet-stream;
         index index.html; if_modified_since before; max_ranges 16; absolute_redirect off;
         disable_symlinks on from=$document_root;
         location ~ /\\. {{ return 404; }}
         location /all/ {{ alias {root}/; index none; }}
         location /assets/ {{ alias {root}/; disable_symlinks off; gzip_static on; gzip_vary on;
             add_header Cache-Control \"public, max-age=3600\"; }}"
    )
}

/// A request and what is expected of its answers.
struct Row {
    method: &'static str,
    target: &'static str,
    fields: Vec<(&'static str, String)>,
    /// Where the answers differ on purpose: our status, and why.
    differs: Option<(u16, &'static str)>,
}

impl Row {
    fn with(mut self, name: &'static str, value: impl Into<String>) -> Row {
        self.fields.push((name, value.into()));
        self
    }

    fn ours(mut self, status: u16, reason: &'static str) -> Row {
        self.differs = Some((status, reason));
        self
    }

    fn bytes(&self) -> String {
        let mut bytes = format!(
            "{} {} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n",
            self.method, self.target
        );
        for (name, value) in &self.fields {
            let _ = write!(bytes, "{name}: {value}\r\n"); // A String takes everything.
        }
        bytes + "\r\n"
    }
}

fn get(target: &'static str) -> Row {
    request("GET", target)
}

fn head(target: &'static str) -> Row {
    request("HEAD", target)
}

fn request(method: &'static str, target: &'static str) -> Row {
    Row {
        method,
        target,
        fields: Vec::new(),
        differs: None,
    }
}

fn range(value: &'static str) -> Row {
    get("/plain.txt").with("Range", value)
}

/// What is compared of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    fields: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

fn ask(address: SocketAddr, row: &Row) -> Answer {
    let mut client = Client::connect(address).expect("the server listens");
    client.send(row.bytes().as_bytes()).expect("a request can be sent");
    let response = match row.method {
        "HEAD" => client.read_head(),
        _ => client.read_response(),
    };
    let response = response.unwrap_or_else(|error| panic!("{} {}: {error}", row.method, row.target));
    let compared: &[&str] = match response.status {
        200 | 206 => &[
            "Content-Length",
            "Content-Type",
            "Content-Range",
            "Content-Encoding",
            "ETag",
            "Last-Modified",
            "Cache-Control",
        ],
        301 => &["Location"],
        304 => &["ETag", "Last-Modified", "Content-Length", "Cache-Control"],
        416 => &["Content-Range"],
        _ => &[],
    };
    let fields = compared
        .iter()
        .filter_map(|&name| Some((name, response.field(name)?.to_owned())));
    let mut answer = Answer {
        status: response.status,
        fields: fields.collect(),
        body: response.body.clone(),
    };
    if !matches!(response.status, 200 | 206) {
        answer.body.clear();
    }
    without_boundary(&mut answer);
    answer
}

/// Replaces the boundary of a multipart body by `BOUNDARY`, and with it the length.
fn without_boundary(answer: &mut Answer) {
    let mut fields = answer.fields.iter_mut();
    let Some((_, value)) = fields.find(|(name, value)| *name == "Content-Type" && value.starts_with("multipart/"))
    else {
        return;
    };
    let (kind, boundary) = value
        .split_once("boundary=")
        .expect("a multipart type names its boundary");
    let body = String::from_utf8_lossy(&answer.body).replace(boundary, "BOUNDARY");
    *value = format!("{kind}boundary=BOUNDARY");
    let length = answer.body.len().to_string();
    answer.body = body.into_bytes();
    for (name, value) in &mut answer.fields {
        if *name == "Content-Length" {
            assert_eq!(*value, length);
            value.clear();
        }
    }
}

/// Types, the index, redirects, what is not there.
fn files() -> Vec<Row> {
    vec![
        get("/"),
        head("/"),
        get("/index.html"),
        get("/plain.txt"),
        head("/plain.txt"),
        get("/plain.txt?query=1"),
        get("/empty.txt"),
        head("/empty.txt"),
        get("/data.json"),
        get("/style.css"),
        get("/app.js"),
        get("/Makefile"),
        get("/large.bin"),
        head("/large.bin"),
        get("/sub"),
        head("/sub"),
        get("/sub?a=b"),
        get("/sub/"),
        get("/sub/note.txt"),
        get("/sub/deep/er/file.txt"),
        get("/sub/deep"),
        get("/bare"),
        get("/bare/"),
        head("/bare/"),
        get("/sp%20ace.txt"),
        get("/caf%C3%A9.txt"),
        get("/100%25.txt"),
        get("/plus+and&.txt"),
        get("/back%5Cslash.txt"),
        get("/%70lain.txt"),
        get("/missing"),
        head("/missing"),
        get("/missing/"),
        get("/missing/deep/er"),
        get("/plain.txt/"),
        get("/plain.txt/x"),
        get("/.hidden"),
        get("/.dir/file.txt"),
        get("/inside.txt"),
        get("/inside/note.txt").ours(403, A_LINK),
        get("/outside.txt"),
        get("/outside/secret.txt").ours(403, A_LINK),
        get("/magic/etc/passwd").ours(403, A_LINK),
        get("/circle"),
        get("/all/plain.txt"),
        get("/all/sub/"),
        get("/all/sub"),
        get("/assets/inside.txt"),
        get("/assets/sub"),
        get("/assets/"),
        request("POST", "/plain.txt"),
        request("DELETE", "/plain.txt"),
        request("OPTIONS", "/plain.txt"),
    ]
}

fn odd_paths() -> Vec<Row> {
    vec![
        get("/../plain.txt").ours(404, DOTS),
        get("/sub/../plain.txt").ours(404, DOTS),
        get("/sub/./note.txt").ours(404, DOTS),
        get("/%2e%2e/%2e%2e/etc/passwd").ours(404, DOTS),
        get("/sub/%2e%2e/plain.txt").ours(404, DOTS),
        get("//plain.txt").ours(404, EMPTY),
        get("/sub//note.txt").ours(404, EMPTY),
        get("/sub%2Fnote.txt").ours(404, ENCODED),
        get("/plain.txt%00"),
        get("/%zz"),
        get("/%"),
    ]
}

fn ranges() -> Vec<Row> {
    let mut rows: Vec<Row> = [
        "bytes=0-0",
        "bytes=0-25",
        "bytes=5-9",
        "bytes=25-25",
        "bytes=20-",
        "bytes=0-",
        "bytes=-1",
        "bytes=-26",
        "bytes=-27",
        "bytes=20-99",
        "bytes= 1-2",
        "BYTES=1-2",
        "bytes=26-",
        "bytes=26-30",
        "bytes=-0",
        "bytes=9-5",
        "bytes=",
        "bytes=a-b",
        "bytes=1",
        "items=0-1",
        "bytes",
        "bytes=0-1,4-5",
        "bytes=4-5, 0-1",
        "bytes=0-1,-2",
        "bytes=0-1,30-",
        "bytes=30-,40-",
        "bytes=0-9,5-14",
        "bytes=0-20,5-25",
        "bytes=0-,0-0",
        "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,25-25,23-23,21-21",
        "bytes=0-0,2-2,4-4,6-6,8-8,10-10,12-12,14-14,16-16,18-18,20-20,22-22,24-24,25-25,23-23,21-21,19-19",
    ]
    .into_iter()
    .map(range)
    .collect();
    rows.push(range("bytes=0-1,9-5").ours(
        416,
        "RFC 9110 §14.2: a set with an invalid range is ignored or rejected",
    ));
    rows.push(
        range("bytes=0-99999999999999999999").ours(206, "RFC 9110 §14.1.2: a last position behind the end is the end"),
    );
    rows.push(range("bytes=0-1,,4-5").ours(206, "RFC 9110 §5.6.1.2: empty members of a list are ignored"));
    rows.push(get("/large.bin").with("Range", "bytes=1000-200999"));
    rows.push(get("/large.bin").with("Range", "bytes=0-99,100000-199999,-1"));
    rows.push(
        get("/empty.txt")
            .with("Range", "bytes=0-")
            .ours(416, "RFC 9110 §14.2: what is unsatisfiable is answered 416"),
    );
    rows.push(get("/empty.txt").with("Range", "bytes=-5"));
    rows.push(get("/index.html").with("Range", "bytes=0-2,5-7"));
    rows.push(get("/missing").with("Range", "bytes=0-2"));
    rows.push(head("/plain.txt").with("Range", "bytes=0-2").ours(200, FOR_GET));
    rows.push(head("/plain.txt").with("Range", "bytes=99-").ours(200, FOR_GET));
    rows
}

fn conditions() -> Vec<Row> {
    let plain = |fields: &[(&'static str, &str)]| {
        fields
            .iter()
            .fold(get("/plain.txt"), |row, &(name, value)| row.with(name, value))
    };
    let weak = format!("W/{ETAG}");
    let listed = format!("\"x\", {ETAG}");
    vec![
        plain(&[("If-None-Match", ETAG)]),
        plain(&[("If-None-Match", &weak)]),
        plain(&[("If-None-Match", &listed)]),
        plain(&[("If-None-Match", "*")]),
        plain(&[("If-None-Match", "\"x\"")]),
        plain(&[("If-Match", ETAG)]),
        plain(&[("If-Match", &weak)]),
        plain(&[("If-Match", &listed)]),
        plain(&[("If-Match", "*")]),
        plain(&[("If-Match", "\"x\"")]),
        plain(&[("If-Modified-Since", BEFORE)]),
        plain(&[("If-Modified-Since", EXACT)]),
        plain(&[("If-Modified-Since", AFTER)]),
        plain(&[("If-Modified-Since", "soon")]),
        plain(&[("If-Unmodified-Since", BEFORE)]),
        plain(&[("If-Unmodified-Since", EXACT)]),
        plain(&[("If-Unmodified-Since", AFTER)]),
        plain(&[("If-Unmodified-Since", "soon")]).ours(200, "RFC 9110 §13.1.4: what is no date is ignored"),
        plain(&[("If-Match", ETAG), ("If-None-Match", ETAG)]),
        plain(&[("If-Match", "\"x\""), ("If-None-Match", ETAG)]),
        plain(&[("If-Match", ETAG), ("If-Unmodified-Since", EXACT)]),
        plain(&[("If-Match", ETAG), ("If-Unmodified-Since", BEFORE)])
            .ours(200, "RFC 9110 §13.1.4: ignored beside If-Match"),
        plain(&[("If-None-Match", ETAG), ("If-Modified-Since", EXACT)]),
        plain(&[("If-None-Match", "\"x\""), ("If-Modified-Since", EXACT)]),
        plain(&[("If-None-Match", ETAG), ("If-Modified-Since", BEFORE)])
            .ours(304, "RFC 9110 §13.1.3: ignored beside If-None-Match"),
        plain(&[("If-Unmodified-Since", BEFORE), ("If-None-Match", ETAG)]),
        head("/plain.txt").with("If-None-Match", ETAG),
        head("/plain.txt").with("If-Match", "\"x\""),
        head("/plain.txt").with("If-Modified-Since", EXACT),
        get("/missing").with("If-None-Match", "*"),
        get("/assets/plain.txt").with("If-None-Match", ETAG),
        get("/assets/plain.txt").with("Range", "bytes=0-3"),
    ]
}

/// Conditions and ranges together.
fn conditional_ranges() -> Vec<Row> {
    let part = |name, value: &str| range("bytes=0-4").with(name, value);
    let weak = format!("W/{ETAG}");
    vec![
        part("If-Range", ETAG),
        part("If-Range", "\"x\""),
        part("If-Range", &weak),
        part("If-Range", EXACT),
        part("If-Range", BEFORE),
        part("If-Range", AFTER),
        part("If-Range", "soon"),
        part("If-None-Match", ETAG),
        part("If-None-Match", "\"x\""),
        part("If-Match", ETAG),
        part("If-Match", "\"x\""),
        part("If-Modified-Since", EXACT),
        part("If-Unmodified-Since", BEFORE),
        part("If-Unmodified-Since", EXACT),
        range("bytes=99-").with("If-Range", ETAG),
        range("bytes=99-").with("If-Range", "\"x\""),
        range("bytes=99-").with("If-Match", "\"x\""),
        range("bytes=99-").with("If-None-Match", ETAG),
        range("bytes=0-1,4-5").with("If-Range", ETAG),
        range("bytes=0-1,4-5").with("If-Range", "\"x\""),
        get("/plain.txt").with("If-Range", ETAG),
    ]
}

fn codings() -> Vec<Row> {
    let page = |value: &'static str| get("/assets/page.html").with("Accept-Encoding", value);
    vec![
        get("/assets/page.html"),
        page("gzip").ours(200, TAGS),
        page("gzip;q=0.5").ours(200, TAGS),
        page("gzip;q=0"),
        page("deflate"),
        page("gzip").with("If-None-Match", "\"5f5e1000-f\"").ours(200, TAGS),
        page("gzip")
            .with("If-None-Match", "\"5f5e1000-f-gzip\"")
            .ours(304, TAGS),
        get("/assets/plain.txt").with("Accept-Encoding", "gzip"),
        get("/page.html").with("Accept-Encoding", "gzip"),
        get("/page.html.gz"),
    ]
}

#[test]
fn answers_are_those_of_nginx_or_of_rfc_9110() {
    let directory = Directory::new("files-nginx");
    let root = directory.root();
    let root = root.to_str().expect("the target directory is named in UTF-8");
    let nginx = match Nginx::start(directory.path(), &directives(root)) {
        Ok(nginx) => nginx,
        Err(reason) => return skip(&reason),
    };
    let server = Server::start("files", &["--root", root]);
    let tables = [
        files(),
        odd_paths(),
        ranges(),
        conditions(),
        conditional_ranges(),
        codings(),
    ];
    let rows: Vec<Row> = tables.into_iter().flatten().collect();
    assert!(rows.len() >= 60);
    let mut problems = String::new();
    for row in &rows {
        let ours = ask(server.address, row);
        let theirs = ask(nginx.address, row);
        let holds = match row.differs {
            None => ours == theirs,
            Some((status, _)) => ours.status == status && ours != theirs,
        };
        if !holds {
            let _ = writeln!(
                problems,
                "{}ours: {ours:?}\nnginx: {theirs:?}\n{:?}\n",
                row.bytes(),
                row.differs
            );
        }
    }
    assert!(problems.is_empty(), "{problems}");
}
