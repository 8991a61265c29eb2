//! The type of a file, by the end of its name (RFC 9110 §8.3).

use std::borrow::Cow;

const UNKNOWN: &str = "application/octet-stream";

/// The value of `Content-Type` for a file of this name. Text is said to be UTF-8.
pub(super) fn content_type(path: &[u8]) -> Cow<'static, str> {
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let dot = name.iter().rposition(|&byte| byte == b'.');
    let extension = dot.and_then(|dot| std::str::from_utf8(&name[dot + 1..]).ok());
    let known = extension.and_then(|extension| mime_guess::from_ext(extension).first_raw());
    match known {
        None => Cow::Borrowed(UNKNOWN),
        Some("text/html") => Cow::Borrowed("text/html; charset=utf-8"),
        Some("text/css") => Cow::Borrowed("text/css; charset=utf-8"),
        // RFC 9239 §6: the other name of it is obsolete.
        Some("text/javascript" | "application/javascript") => Cow::Borrowed("text/javascript; charset=utf-8"),
        Some("text/plain") => Cow::Borrowed("text/plain; charset=utf-8"),
        Some(known) if known.starts_with("text/") => Cow::Owned(format!("{known}; charset=utf-8")),
        Some(known) => Cow::Borrowed(known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_follow_the_last_extension() {
        for (path, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("a/b/style.css", "text/css; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("app.mjs", "text/javascript; charset=utf-8"),
            ("README.TXT", "text/plain; charset=utf-8"),
            ("notes.md", "text/markdown; charset=utf-8"),
            ("data.json", "application/json"),
            ("picture.PNG", "image/png"),
            ("picture.svg", "image/svg+xml"),
            ("module.wasm", "application/wasm"),
            ("archive.tar.gz", "application/gzip"),
            ("a.html/plain", UNKNOWN),
            ("Makefile", UNKNOWN),
            ("ends.", UNKNOWN),
            ("x.unheard-of", UNKNOWN),
            ("", UNKNOWN),
        ] {
            assert_eq!(content_type(path.as_bytes()), expected, "{path}");
        }
        assert_eq!(content_type(b"x.\xff"), UNKNOWN);
    }
}
