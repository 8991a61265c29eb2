//! How a request is written as a line.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::Version;
use ringlane_protocol::date::Date;

use crate::layer::{RequestHead, json};

/// How much of a field or a target is written, in bytes.
const FIELD_BYTES_MAX: usize = 2048;

/// How the lines of an [`AccessLog`](super::AccessLog) look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// The Common Log Format: `127.0.0.1 - - [06/Nov/1994:08:49:37 +0000] "GET / HTTP/1.1" 200 13`. What is not known is
    /// `-`; quotes, backslashes and what is no printable ASCII are written as `\xHH`.
    Common,
    /// Common, and `"referer" "user agent"`.
    Combined,
    /// Combined, and the duration in seconds and the request's id: `0.000153 "9f1c2a9b3d4e5f60-1a"`.
    Extended,
    /// One JSON object per line: `time` (RFC 3339, in milliseconds), `peer`, `method`, `target`, `version`, `status`,
    /// `bytes`, `duration_us`, `referer`, `user_agent`, `request_id`. What is not known is not there.
    Json,
}

/// What a line says.
pub(super) struct Line<'a> {
    pub(super) head: &'a RequestHead,
    pub(super) peer: Option<SocketAddr>,
    pub(super) time: SystemTime,
    pub(super) duration: Duration,
    pub(super) status: Option<u16>,
    pub(super) bytes: Option<u64>,
    pub(super) id: Option<&'a [u8]>,
}

/// Writes lines of one format. Writing to memory cannot fail.
pub(super) struct Formatter {
    format: LogFormat,
    date: Date,
}

impl Formatter {
    pub(super) fn new(format: LogFormat) -> Formatter {
        Formatter {
            format,
            date: Date::new(0),
        }
    }

    pub(super) fn push(&mut self, out: &mut Vec<u8>, line: &Line<'_>) {
        match self.format {
            LogFormat::Json => self.push_json(out, line),
            LogFormat::Common | LogFormat::Combined | LogFormat::Extended => self.push_text(out, line),
        }
        out.push(b'\n');
    }

    /// Says that lines are missing.
    pub(super) fn push_lost(&self, out: &mut Vec<u8>, lines: u64) {
        let _ = match self.format {
            LogFormat::Json => writeln!(out, "{{\"lost\":{lines}}}"),
            LogFormat::Common | LogFormat::Combined | LogFormat::Extended => {
                writeln!(
                    out,
                    "# {lines} lines are missing here: the log could not be written fast enough"
                )
            }
        };
    }

    /// Moves to a time, and returns its day, month, year and time of day, and its milliseconds.
    fn moment(&mut self, time: SystemTime) -> (Moment<'_>, u32) {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.date.update(since.as_secs());
        (Moment(self.date.as_bytes()), since.subsec_millis())
    }

    fn push_text(&mut self, out: &mut Vec<u8>, line: &Line<'_>) {
        let (moment, _) = self.moment(line.time);
        match line.peer {
            Some(peer) => drop(write!(out, "{} - - [", peer.ip())),
            None => out.extend_from_slice(b"- - - ["),
        }
        push_all(
            out,
            &[
                moment.day(),
                b"/",
                moment.month(),
                b"/",
                moment.year(),
                b":",
                moment.time(),
            ],
        );
        push_all(out, &[b" +0000] \"", line.head.method().as_str().as_bytes(), b" "]);
        push_escaped(out, line.head.target().as_bytes());
        push_all(out, &[b" ", version(line.head.version()), b"\" "]);
        match line.status {
            Some(status) => drop(write!(out, "{status} ")),
            None => out.extend_from_slice(b"- "),
        }
        match line.bytes {
            Some(bytes) => drop(write!(out, "{bytes}")),
            None => out.push(b'-'),
        }
        if self.format == LogFormat::Common {
            return;
        }
        for name in ["referer", "user-agent"] {
            push_quoted(out, line.head.header(name));
        }
        if self.format == LogFormat::Extended {
            let _ = write!(out, " {}.{:06}", line.duration.as_secs(), line.duration.subsec_micros());
            push_quoted(out, line.id);
        }
    }

    fn push_json(&mut self, out: &mut Vec<u8>, line: &Line<'_>) {
        let (moment, millis) = self.moment(line.time);
        push_all(
            out,
            &[
                b"{\"time\":\"",
                moment.year(),
                b"-",
                moment.month_digits(),
                b"-",
                moment.day(),
            ],
        );
        push_all(out, &[b"T", moment.time()]);
        let _ = write!(out, ".{millis:03}Z\"");
        if let Some(peer) = line.peer {
            let _ = write!(out, ",\"peer\":\"{peer}\"");
        }
        let method = line.head.method().as_str().as_bytes();
        push_member(out, "method", Some(method));
        push_member(out, "target", Some(line.head.target().as_bytes()));
        push_member(out, "version", Some(version(line.head.version())));
        if let Some(status) = line.status {
            let _ = write!(out, ",\"status\":{status}");
        }
        if let Some(bytes) = line.bytes {
            let _ = write!(out, ",\"bytes\":{bytes}");
        }
        let _ = write!(out, ",\"duration_us\":{}", line.duration.as_micros());
        push_member(out, "referer", line.head.header("referer"));
        push_member(out, "user_agent", line.head.header("user-agent"));
        push_member(out, "request_id", line.id);
        out.push(b'}');
    }
}

/// An IMF-fixdate (RFC 9110 §5.6.7), by its parts.
struct Moment<'a>(&'a [u8; 29]);

impl<'a> Moment<'a> {
    fn day(&self) -> &'a [u8] {
        &self.0[5..7]
    }

    fn month(&self) -> &'a [u8] {
        &self.0[8..11]
    }

    fn month_digits(&self) -> &'static [u8] {
        match self.month() {
            b"Jan" => b"01",
            b"Feb" => b"02",
            b"Mar" => b"03",
            b"Apr" => b"04",
            b"May" => b"05",
            b"Jun" => b"06",
            b"Jul" => b"07",
            b"Aug" => b"08",
            b"Sep" => b"09",
            b"Oct" => b"10",
            b"Nov" => b"11",
            _ => b"12",
        }
    }

    fn year(&self) -> &'a [u8] {
        &self.0[12..16]
    }

    fn time(&self) -> &'a [u8] {
        &self.0[17..25]
    }
}

fn version(version: Version) -> &'static [u8] {
    if version == Version::HTTP_10 {
        b"HTTP/1.0"
    } else {
        b"HTTP/1.1"
    }
}

fn push_all(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// The beginning of a field, as much of it as is written, and what tells that there was more.
fn cut(bytes: &[u8]) -> (&[u8], &'static [u8]) {
    match bytes.split_at_checked(FIELD_BYTES_MAX) {
        Some((beginning, rest)) if !rest.is_empty() => (beginning, b"..."),
        _ => (bytes, b""),
    }
}

fn push_quoted(out: &mut Vec<u8>, value: Option<&[u8]>) {
    out.extend_from_slice(b" \"");
    push_escaped(out, value.unwrap_or(b"-"));
    out.push(b'"');
}

fn push_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let (bytes, more) = cut(bytes);
    for &byte in bytes {
        if matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\' {
            out.push(byte);
        } else {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out.extend_from_slice(more);
}

fn push_member(out: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    if let Some(value) = value {
        let (value, more) = cut(value);
        push_all(out, &[b",\"", name.as_bytes(), b"\":"]);
        json::push_string(out, value);
        if !more.is_empty() {
            out.pop(); // The quote that ended it.
            push_all(out, &[more, b"\""]);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    impl Line<'_> {
        /// A line of which little is known.
        pub(in super::super) fn plain(head: &RequestHead, time: SystemTime) -> Line<'_> {
            Line {
                head,
                peer: None,
                time,
                duration: Duration::ZERO,
                status: None,
                bytes: None,
                id: None,
            }
        }
    }

    pub(in super::super) fn head(bytes: &'static [u8]) -> RequestHead {
        let head = ringlane_protocol::head::parse(bytes, &ringlane_protocol::Limits::default());
        RequestHead::new(head.unwrap().unwrap(), bytes.into())
    }

    fn text(format: LogFormat, line: &Line<'_>) -> String {
        let mut out = Vec::new();
        Formatter::new(format).push(&mut out, line);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn formats_are_what_they_say() {
        let head = head(b"GET /a?b HTTP/1.1\r\nHost: x\r\nReferer: \"\\\t\xe9\r\nUser-Agent: a\r\n\r\n");
        let full = Line {
            peer: Some("[::1]:80".parse().unwrap()),
            duration: Duration::from_micros(1_000_153),
            status: Some(200),
            bytes: Some(13),
            id: Some(b"7"),
            ..Line::plain(&head, UNIX_EPOCH + Duration::from_millis(784_111_777_042))
        };
        let common = "::1 - - [06/Nov/1994:08:49:37 +0000] \"GET /a?b HTTP/1.1\" 200 13";
        let combined = format!("{common} \"\\x22\\x5c\\x09\\xe9\" \"a\"");
        assert_eq!(text(LogFormat::Common, &full), format!("{common}\n"));
        assert_eq!(text(LogFormat::Combined, &full), format!("{combined}\n"));
        assert_eq!(text(LogFormat::Extended, &full), format!("{combined} 1.000153 \"7\"\n"));
        assert_eq!(
            text(LogFormat::Json, &full),
            "{\"time\":\"1994-11-06T08:49:37.042Z\",\"peer\":\"[::1]:80\",\"method\":\"GET\",\"target\":\"/a?b\",\
             \"version\":\"HTTP/1.1\",\"status\":200,\"bytes\":13,\"duration_us\":1000153,\
             \"referer\":\"\\\"\\\\\\u0009\u{fffd}\",\"user_agent\":\"a\",\"request_id\":\"7\"}\n"
        );
        let bare = self::head(b"PUT / HTTP/1.0\r\n\r\n");
        let bare = Line::plain(&bare, UNIX_EPOCH);
        assert_eq!(
            text(LogFormat::Extended, &bare),
            "- - - [01/Jan/1970:00:00:00 +0000] \"PUT / HTTP/1.0\" - - \"-\" \"-\" 0.000000 \"-\"\n"
        );
        assert_eq!(
            text(LogFormat::Json, &bare),
            "{\"time\":\"1970-01-01T00:00:00.000Z\",\"method\":\"PUT\",\"target\":\"/\",\"version\":\"HTTP/1.0\",\
             \"duration_us\":0}\n"
        );
    }

    #[test]
    fn long_fields_are_cut() {
        let bytes = [
            b"GET / HTTP/1.1\r\nHost: x\r\nUser-Agent: ".to_vec(),
            vec![b'"'; 8000],
            b"\r\n\r\n".to_vec(),
        ]
        .concat();
        let head = head(Box::leak(bytes.into_boxed_slice()));
        let line = Line::plain(&head, UNIX_EPOCH);
        for (format, escaped) in [(LogFormat::Combined, "\\x22"), (LogFormat::Json, "\\\"")] {
            let text = text(format, &line);
            assert_eq!(text.matches(escaped).count(), FIELD_BYTES_MAX, "{text}");
            assert!(text.contains(&format!("{escaped}...\"")) && text.lines().count() == 1);
        }
    }
}
