//! The `files` example: its three mounts, hostile paths, large files for slow clients, files that change or are none.

mod support;

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;

use support::client::{Client, Response};
use support::directory::{Directory, SECRET, content};
use support::eventually;
use support::process::Server;
use support::procfs::memory_kib;

fn start(directory: &Directory) -> Server {
    let root = directory.root();
    Server::start("files", &["--root", root.to_str().expect("it is named in UTF-8")])
}

fn ask(server: &Server, target: &str, fields: &str) -> Response {
    let mut client = Client::connect(server.address).unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nHost: test\r\n{fields}\r\n");
    client.send(request.as_bytes()).unwrap();
    client.read_response().unwrap()
}

#[test]
fn each_mount_has_its_own_rules() {
    let directory = Directory::new("files-mounts");
    let server = start(&directory);
    for (target, status) in [
        ("/plain.txt", 200),
        ("/assets/plain.txt", 200),
        ("/%61ssets/plain.txt", 200),
        ("/all/plain.txt", 200),
        ("/inside.txt", 403),
        ("/assets/inside.txt", 200),
        ("/assets/inside/note.txt", 200),
        ("/assets/outside.txt", 403),
        ("/assets/relative.txt", 403),
        ("/assets/outside/secret.txt", 403),
        ("/assets/magic/etc/passwd", 403),
        ("/assets/circle", 403),
        ("/assets/dangling", 404),
        ("/.hidden", 404),
        ("/all/.hidden", 200),
        ("/all/.dir/file.txt", 200),
        ("/all/..dots.txt", 200),
        ("/all/..", 404),
        ("/assets/", 200),
        ("/all/sub/", 403),
        ("/all/", 404),
        ("/assetsplain.txt", 404),
    ] {
        assert_eq!(ask(&server, target, "").status, status, "{target}");
    }
    let moved = ask(&server, "/assets?a=b", "");
    assert_eq!((moved.status, moved.field("Location")), (301, Some("/assets/?a=b")));
    let moved = ask(&server, "/all/sub", "");
    assert_eq!((moved.status, moved.field("Location")), (301, Some("/all/sub/")));
    let plain = ask(&server, "/plain.txt", "");
    assert_eq!((plain.field("Cache-Control"), plain.field("Vary")), (None, None));
    assert_eq!(plain.field("Accept-Ranges"), Some("bytes"));
}

#[test]
fn other_methods_are_refused_and_told_what_is_allowed() {
    let directory = Directory::new("files-methods");
    let server = start(&directory);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"] {
        let mut client = Client::connect(server.address).unwrap();
        client.ask(method, "/plain.txt").unwrap();
        let response = client.read_response().unwrap();
        assert_eq!(
            (response.status, response.field("Allow")),
            (405, Some("GET, HEAD")),
            "{method}"
        );
    }
}

#[test]
fn the_client_chooses_among_compressed_files() {
    let directory = Directory::new("files-codings");
    let server = start(&directory);
    for (accepted, coding, body) in [
        ("", None, "<title>page</title>"),
        ("Accept-Encoding: gzip\r\n", Some("gzip"), "not really gzip"),
        ("Accept-Encoding: gzip, br\r\n", Some("br"), "not really br"),
        (
            "Accept-Encoding: gzip\r\nAccept-Encoding: br;q=0.5\r\n",
            Some("gzip"),
            "not really gzip",
        ),
        ("Accept-Encoding: zstd\r\n", None, "<title>page</title>"),
        ("Accept-Encoding: *\r\n", Some("br"), "not really br"),
        ("Accept-Encoding: identity, gzip;q=0.1\r\n", None, "<title>page</title>"),
    ] {
        let response = ask(&server, "/assets/page.html", accepted);
        assert_eq!(
            (response.status, response.field("Content-Encoding")),
            (200, coding),
            "{accepted}"
        );
        assert_eq!(response.text(), body, "{accepted}");
        assert_eq!(response.field("Vary"), Some("Accept-Encoding"), "{accepted}");
        assert_eq!(
            response.field("Content-Type"),
            Some("text/html; charset=utf-8"),
            "{accepted}"
        );
        let coded = coding.map(|coding| format!("-{coding}")).unwrap_or_default();
        let tag = format!("\"5f5e1000-{:x}{coded}\"", body.len());
        assert_eq!(response.field("ETag"), Some(&*tag), "{accepted}");
        assert_eq!(
            response.field("Cache-Control"),
            Some("public, max-age=3600"),
            "{accepted}"
        );
    }
    let part = ask(
        &server,
        "/assets/page.html",
        "Accept-Encoding: gzip\r\nRange: bytes=0-2\r\n",
    );
    assert_eq!(
        (part.status, &*part.text(), part.field("Content-Encoding")),
        (206, "not", Some("gzip"))
    );
    let parts = ask(
        &server,
        "/assets/page.html",
        "Accept-Encoding: gzip\r\nRange: bytes=0-2,5-6\r\n",
    );
    assert_eq!((parts.status, &*parts.text()), (200, "not really gzip"));
    let unchanged = ask(
        &server,
        "/assets/page.html",
        "Accept-Encoding: br\r\nIf-None-Match: \"5f5e1000-d-br\"\r\n",
    );
    assert_eq!(
        (unchanged.status, unchanged.field("Vary")),
        (304, Some("Accept-Encoding"))
    );
}

/// A small generator of pseudo-random numbers (xorshift64), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

const MOUNTS: [&str; 3] = ["/", "/assets/", "/all/"];

#[test]
fn hostile_paths_never_leave_the_root() {
    let directory = Directory::new("files-hostile");
    let server = start(&directory);
    let absolute = directory.path().join("secret.txt");
    let absolute = absolute.to_str().unwrap();
    let mut targets: Vec<String> = [
        "../secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "%2e%2e%2fsecret.txt",
        "..%5csecret.txt",
        "..\\secret.txt",
        "sub/../../secret.txt",
        "sub/..%2f..%2fsecret.txt",
        "%252e%252e/secret.txt",
        "..%c0%afsecret.txt",
        "%c0%ae%c0%ae/secret.txt",
        "..;/secret.txt",
        ".../secret.txt",
        "....//secret.txt",
        "..%00/secret.txt",
        "plain.txt%00/../../secret.txt",
        "outside/secret.txt",
        "outside.txt",
        "relative.txt",
        "sub/deep/../../../secret.txt",
        "./../secret.txt",
        "magic/proc/self/cwd",
        "%2e%2e%5csecret.txt",
        "..%u2215secret.txt",
        "sub/%2e%2e/%2e%2e/secret.txt",
    ]
    .iter()
    .map(|path| (*path).to_owned())
    .collect();
    targets.extend([
        format!("/{absolute}"),
        absolute.to_owned(),
        format!("%2f{}", &absolute[1..]),
    ]);
    let pieces = [
        "..",
        ".",
        "/",
        "//",
        "%2e",
        "%2E%2e",
        "%2f",
        "%5c",
        "\\",
        "%00",
        "%25",
        "%252e",
        "sub",
        "deep",
        "inside",
        "outside",
        "outside.txt",
        "relative.txt",
        "secret.txt",
        "plain.txt",
        "magic",
        "root",
        "er",
        ";",
        "%c0%ae",
        "..%2f",
        "../",
        "/../",
        "secret",
        ".txt",
        "%ff",
        "circle",
        "?",
    ];
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..3000 {
        let count = 1 + random.below(8);
        targets.push((0..count).map(|_| pieces[random.below(pieces.len())]).collect());
    }
    let mut found = 0;
    let mut client = Client::connect(server.address).unwrap();
    for (number, path) in targets.iter().enumerate() {
        let target = format!("{}{path}", MOUNTS[number % MOUNTS.len()]);
        client.ask("GET", &target).unwrap();
        let response = client.read_response().unwrap();
        assert!(!response.text().contains(SECRET), "{target}");
        assert!(
            matches!(response.status, 200 | 301 | 400 | 403 | 404),
            "{target}: {}",
            response.status
        );
        if let Some(location) = response.field("Location") {
            assert!(
                !location.starts_with("//") && !location.contains('\\'),
                "{target} to {location}"
            );
        }
        found += u32::from(response.status == 200);
        if response.closes() {
            client = Client::connect(server.address).unwrap();
        }
    }
    assert!(found > 10, "the generator has to find something, too: {found}");
}

#[test]
fn what_is_no_file_is_not_waited_for() {
    let directory = Directory::new("files-fifo");
    for (name, kind) in [("fifo", libc::S_IFIFO), ("socket", libc::S_IFSOCK)] {
        let path = CString::new(directory.root().join(name).as_os_str().as_bytes()).unwrap();
        // SAFETY: the path is a string that ends with NUL.
        assert_eq!(unsafe { libc::mknod(path.as_ptr(), kind | 0o600, 0) }, 0, "{name}");
    }
    let server = start(&directory);
    assert_eq!(ask(&server, "/fifo", "").status, 404);
    assert_eq!(ask(&server, "/fifo/", "").status, 404);
    assert_eq!(ask(&server, "/socket", "").status, 404);
    assert_eq!(ask(&server, "/plain.txt", "").status, 200);
}

/// Has the kernel forget what it holds of a file in memory, as far as it can.
fn forget(directory: &Directory, name: &str) {
    let file = File::open(directory.root().join(name)).unwrap();
    file.sync_all().unwrap();
    // SAFETY: the call takes numbers only, and the descriptor is open.
    unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
}

#[test]
fn files_that_are_not_in_memory_are_sent_as_well() {
    let directory = Directory::new("files-cold");
    let server = start(&directory);
    for (name, bytes) in [
        ("plain.txt", b"abcdefghijklmnopqrstuvwxyz".to_vec()),
        ("large.bin", content(300_000)),
    ] {
        forget(&directory, name);
        assert!(ask(&server, &format!("/{name}"), "").body == bytes, "{name}");
        forget(&directory, name);
        let part = ask(&server, &format!("/{name}"), "Range: bytes=3-\r\n");
        assert!(part.status == 206 && part.body == bytes[3..], "{name}");
    }
    forget(&directory, "large.bin");
    let parts = ask(&server, "/large.bin", "Range: bytes=5-100004,200000-200001\r\n");
    let whole = content(300_000);
    let has = |bytes: &[u8]| parts.body.windows(bytes.len()).any(|window| window == bytes);
    assert!(has(&whole[5..=100_004]) && has(&whole[200_000..=200_001]));
}

#[test]
fn a_gibibyte_for_slow_clients_takes_little_memory() {
    const SIZE: u64 = 1 << 30;
    const GROWTH_KIB_MAX: u64 = 48 << 10;
    let directory = Directory::new("files-large");
    let sparse = File::create(directory.root().join("sparse.bin")).unwrap();
    sparse.set_len(SIZE).unwrap();
    let server = start(&directory);
    assert_eq!(ask(&server, "/large.bin", "").status, 200);
    let before = memory_kib(server.pid(), "VmHWM");
    // Those that stop reading in the middle hold what the kernel's buffers and two or three pieces take.
    let mut stalled: Vec<Client> = (0..16).map(|_| Client::connect(server.address).unwrap()).collect();
    for client in &mut stalled {
        client.ask("GET", "/sparse.bin").unwrap();
        assert_eq!(client.read_head().unwrap().content_length(), Some(SIZE as usize));
        client.stream.read_exact(&mut vec![0; 100_000]).unwrap();
    }
    let mut client = Client::connect(server.address).unwrap();
    client.ask("GET", "/sparse.bin").unwrap();
    client.read_head().unwrap();
    let (mut bytes, mut piece, zeros) = (0, vec![1; 256 << 10], vec![0; 256 << 10]);
    while bytes < SIZE {
        let count = client.stream.read(&mut piece).unwrap();
        assert!(count > 0, "the body ends after {bytes} bytes");
        assert!(piece[..count] == zeros[..count]);
        bytes += count as u64;
    }
    let growth = memory_kib(server.pid(), "VmHWM") - before;
    assert!(growth < GROWTH_KIB_MAX, "{growth} KiB more");
    assert_eq!(client.get("/plain.txt").unwrap().status, 200);
    drop(stalled);
}

#[test]
fn a_file_that_is_cut_short_ends_its_connection() {
    const SIZE: u64 = 256 << 20;
    let directory = Directory::new("files-cut");
    let path = directory.root().join("sparse.bin");
    let sparse = File::create(&path).unwrap();
    sparse.set_len(SIZE).unwrap();
    let server = start(&directory);
    let mut client = Client::connect(server.address).unwrap();
    client.ask("GET", "/sparse.bin").unwrap();
    assert_eq!(client.read_head().unwrap().content_length(), Some(SIZE as usize));
    client.stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
    sparse.set_len(1 << 10).unwrap();
    let mut rest = Vec::new();
    let _ = client.stream.read_to_end(&mut rest); // Whether it ends orderly or with a reset is the same here.
    assert!((rest.len() as u64) < SIZE - (1 << 20), "{} bytes", rest.len());
    assert!(rest.iter().all(|&byte| byte == 0));
    assert_eq!(ask(&server, "/sparse.bin", "").body.len(), 1 << 10);
}

#[test]
fn descriptors_are_given_back_whatever_becomes_of_the_client() {
    let directory = Directory::new("files-descriptors");
    File::create(directory.root().join("sparse.bin"))
        .unwrap()
        .set_len(64 << 20)
        .unwrap();
    let server = start(&directory);
    assert_eq!(ask(&server, "/plain.txt", "").status, 200);
    assert!(ask(&server, "/large.bin", "").status == 200);
    // The root is open once on each core, and nothing else of the directory.
    let root = fs::canonicalize(directory.root()).unwrap();
    let is_ours = |link: std::io::Result<std::path::PathBuf>| link.is_ok_and(|link| link.starts_with(&root));
    let open = || {
        let entries = fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap();
        entries
            .filter(|entry| entry.as_ref().is_ok_and(|entry| is_ours(fs::read_link(entry.path()))))
            .count()
    };
    let idle = server_cores(&server) * ROOTS;
    assert!(eventually(|| open() == idle), "{} are open", open());
    for number in 0..40 {
        let mut client = Client::connect(server.address).unwrap();
        client
            .ask(if number % 4 == 0 { "HEAD" } else { "GET" }, "/sparse.bin")
            .unwrap();
        if number % 2 == 0 {
            client.read_head().unwrap();
        }
    }
    for target in [
        "/missing",
        "/sub",
        "/sub/",
        "/bare/",
        "/assets/page.html",
        "/outside.txt",
    ] {
        ask(&server, target, "Accept-Encoding: br\r\n");
    }
    assert!(eventually(|| open() == idle), "{} are open", open());
}

/// How often the example mounts the directory.
const ROOTS: usize = 3;

fn server_cores(server: &Server) -> usize {
    let parts = server.cores.split(',');
    parts
        .map(|part| match part.split_once('-') {
            Some((first, last)) => last.parse::<usize>().unwrap() - first.parse::<usize>().unwrap() + 1,
            None => 1,
        })
        .sum()
}
