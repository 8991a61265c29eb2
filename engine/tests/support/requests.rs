//! Requests that many tests send.

use super::content::chunked;

pub fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n")
}

/// A request with a body of a known length.
pub fn with_length(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A request with a body in chunks of various sizes.
pub fn in_chunks(path: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let sizes = [1, 4095, 70_000, 16, 4096, 4097, 255];
    [head.as_bytes(), &chunked(body, &sizes)].concat()
}

pub const EXPECTING: &str = "POST /bytes HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
