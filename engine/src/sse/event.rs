//! One event, written as it is sent.

use std::fmt;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};

use crate::reject;
use crate::response::{IntoResponse, Response};

/// One event of a stream. It is written once; clones share its bytes.
///
/// ```
/// use ringlane::sse::Event;
///
/// let event = Event::data("two\nlines").event("note")?.id("7")?;
/// assert_eq!(event.as_bytes(), b"data: two\ndata: lines\nevent: note\nid: 7\n\n");
/// # Ok::<(), ringlane::sse::EventError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// Whole lines, and an empty one behind them.
    text: Bytes,
}

impl Event {
    /// An event with data. Lines may end in LF, CR or CRLF; the client gets LF.
    pub fn data(data: impl AsRef<str>) -> Event {
        Event::lines("data: ", data.as_ref())
    }

    /// A comment, which the client passes over: no event for its scripts.
    pub fn comment(text: impl AsRef<str>) -> Event {
        Event::lines(": ", text.as_ref())
    }

    /// The name of the event, for which a script listens; without one it is `message`.
    ///
    /// # Errors
    ///
    /// Where it has CR or LF, which would end its line.
    pub fn event(self, name: impl AsRef<str>) -> Result<Event, EventError> {
        let name = name.as_ref();
        if name.contains(['\r', '\n']) {
            return Err(EventError { field: Field::Event });
        }
        Ok(self.with_line("event: ", name))
    }

    /// The id of the event, which the client sends back where it reconnects
    /// ([`Request::last_event_id`](crate::Request::last_event_id)).
    ///
    /// # Errors
    ///
    /// Where it has CR or LF, which would end its line, or NUL, for which clients pass it over.
    pub fn id(self, id: impl AsRef<str>) -> Result<Event, EventError> {
        let id = id.as_ref();
        if id.contains(['\r', '\n', '\0']) {
            return Err(EventError { field: Field::Id });
        }
        Ok(self.with_line("id: ", id))
    }

    /// How long the client is to wait before it reconnects, from now on; in whole milliseconds.
    #[must_use]
    pub fn retry(self, wait: Duration) -> Event {
        self.with_line("retry: ", &wait.as_millis().to_string())
    }

    /// The event as it is sent.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    pub(super) fn into_bytes(self) -> Bytes {
        self.text
    }

    fn lines(name: &str, text: &str) -> Event {
        let mut written = BytesMut::with_capacity(name.len() + text.len() + 2);
        let mut rest = Some(text);
        while let Some(text) = rest {
            let (line, behind) = match text.split_once(['\r', '\n']) {
                // One end of a line, not two.
                Some((line, behind)) if text[line.len()..].starts_with("\r\n") => (line, Some(&behind[1..])),
                Some((line, behind)) => (line, Some(behind)),
                None => (text, None),
            };
            put_line(&mut written, name, line);
            rest = behind;
        }
        written.put_u8(b'\n');
        Event { text: written.freeze() }
    }

    fn with_line(self, name: &str, value: &str) -> Event {
        let mut text = BytesMut::from(self.text); // Copied only where there is a clone of it.
        text.truncate(text.len() - 1);
        put_line(&mut text, name, value);
        text.put_u8(b'\n');
        Event { text: text.freeze() }
    }
}

fn put_line(text: &mut BytesMut, name: &str, value: &str) {
    for part in [name, value, "\n"] {
        text.put_slice(part.as_bytes());
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Event(\"{}\")", self.text.escape_ascii())
    }
}

/// A name or an id that an event cannot have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventError {
    field: Field,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Event,
    Id,
}

impl fmt::Display for EventError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self.field {
            Field::Event => "the name of the event has CR or LF, which would end its line; leave them out",
            Field::Id => "the id of the event has CR, LF or NUL; leave them out or encode it",
        })
    }
}

impl std::error::Error for EventError {}

impl IntoResponse for EventError {
    fn into_response(self) -> Response {
        reject::failed(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_split_at_its_lines() {
        for (data, text) in [
            ("", "data: \n\n"),
            ("a", "data: a\n\n"),
            (" a ", "data:  a \n\n"),
            ("a\nb", "data: a\ndata: b\n\n"),
            ("a\r\nb", "data: a\ndata: b\n\n"),
            ("a\rb", "data: a\ndata: b\n\n"),
            ("a\n\rb", "data: a\ndata: \ndata: b\n\n"),
            ("a\n", "data: a\ndata: \n\n"),
            ("\r\n\r\n", "data: \ndata: \ndata: \n\n"),
            ("a\n\nevent: b", "data: a\ndata: \ndata: event: b\n\n"),
            ("caf\u{e9}", "data: caf\u{e9}\n\n"),
        ] {
            assert_eq!(Event::data(data).as_bytes(), text.as_bytes(), "{data:?}");
        }
        assert_eq!(Event::comment("a\nb").as_bytes(), b": a\n: b\n\n");
    }

    #[test]
    fn fields_follow_each_other() {
        let event = Event::data("a").event("tick").and_then(|event| event.id(""));
        let event = event.expect("both can be").retry(Duration::from_micros(2_500_700));
        assert_eq!(event.as_bytes(), b"data: a\nevent: tick\nid: \nretry: 2500\n\n");
        let other = event.clone().retry(Duration::ZERO);
        assert_eq!(event.as_bytes().len() + "retry: 0\n".len(), other.as_bytes().len());
    }

    #[test]
    fn no_name_ends_its_line() {
        for name in ["a\nb", "a\rb", "\n"] {
            assert!(Event::data("").event(name).is_err(), "{name:?}");
            assert!(Event::data("").id(name).is_err(), "{name:?}");
        }
        assert!(Event::data("").id("a\0b").is_err());
        assert!(Event::data("").event("a\0b").is_ok());
    }
}
