//! A request's place in its trace: `traceparent` and `tracestate` (W3C Trace Context, Level 1).

use super::state;

/// The flag that the caller may have recorded the trace (Trace Context §3.2.2.5.1), the only one that version 00 knows.
const SAMPLED: u8 = 1;

/// The place of a request in its trace, attached to the request by [`Trace`](crate::trace::Trace):
/// `request.value::<TraceContext>()`.
///
/// The trace is the client's, where its `traceparent` is valid; else it begins here. A clone can be kept for what is done
/// when the request is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace: u128,
    parent: Option<u64>,
    span: u64,
    flags: u8,
    state: Option<Box<str>>,
}

impl TraceContext {
    /// The beginning of a new trace.
    pub(super) fn root(trace: u128, span: u64) -> TraceContext {
        TraceContext {
            trace,
            parent: None,
            span,
            flags: SAMPLED,
            state: None,
        }
    }

    /// The continuation of the trace that a request's fields name; none where they name none, or not as they have to.
    pub(super) fn from_headers<'a, I>(headers: impl Fn() -> I, span: u64) -> Option<TraceContext>
    where
        I: Iterator<Item = (&'a str, &'a [u8])>,
    {
        let named = |wanted: &'static str| {
            let fields = headers().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
            fields.map(|(_, value)| value)
        };
        let mut parents = named("traceparent");
        let parent = Parent::parse(parents.next()?)?;
        if parents.next().is_some() {
            return None; // Nobody can tell which of them is meant.
        }
        Some(TraceContext {
            trace: parent.trace,
            parent: Some(parent.span),
            span,
            flags: parent.flags & SAMPLED,
            state: state::join(named("tracestate")),
        })
    }

    /// A further span within this one.
    pub(super) fn child(&self, span: u64) -> TraceContext {
        TraceContext {
            parent: Some(self.span),
            span,
            ..self.clone()
        }
    }

    /// The trace's id; as text it has 32 hexadecimal digits (`{:032x}`).
    pub fn trace_id(&self) -> u128 {
        self.trace
    }

    /// The id of this request's span; as text it has 16 hexadecimal digits (`{:016x}`).
    pub fn span_id(&self) -> u64 {
        self.span
    }

    /// The id of the span that this one is a part of: the client's.
    pub fn parent_id(&self) -> Option<u64> {
        self.parent
    }

    /// Whether the trace may be recorded by the client; a trace that begins here is.
    pub fn is_sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The `traceparent` for requests that are made on behalf of this one.
    pub fn traceparent(&self) -> String {
        format!("00-{:032x}-{:016x}-{:02x}", self.trace, self.span, self.flags)
    }

    /// The `tracestate` for those requests, which is what the client sent; none where it sent none, or an invalid one.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// The value of a `traceparent` (Trace Context §3.2).
struct Parent {
    trace: u128,
    span: u64,
    flags: u8,
}

impl Parent {
    /// `version "-" trace-id "-" parent-id "-" trace-flags`, in lower case. Of a later version only these are read, and only
    /// where nothing or a further `-` is behind them (§3.2.4).
    fn parse(value: &[u8]) -> Option<Parent> {
        let (known, rest) = value.split_at_checked(55)?;
        let version = hex(&known[..2])?;
        let dashes = [known[2], known[35], known[52]];
        let is_complete = match version {
            0x00 => rest.is_empty(),
            0xff => false,
            _ => rest.first().is_none_or(|byte| *byte == b'-'),
        };
        let parent = Parent {
            trace: hex(&known[3..35])?,
            span: hex(&known[36..52])? as u64,
            flags: hex(&known[53..])? as u8,
        };
        let is_valid = dashes == *b"---" && is_complete && parent.trace != 0 && parent.span != 0;
        is_valid.then_some(parent)
    }
}

/// At most 32 digits in lower case.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    fn read(headers: &[(&str, &str)]) -> Option<TraceContext> {
        TraceContext::from_headers(|| headers.iter().map(|(name, value)| (*name, value.as_bytes())), 7)
    }

    fn parent(value: &str) -> Option<TraceContext> {
        read(&[("TraceParent", value)])
    }

    #[test]
    fn a_valid_parent_is_continued() {
        for (version, flags, rest, sampled) in [
            ("00", "01", "", true),
            ("00", "00", "", false),
            ("00", "fe", "", false),
            ("00", "ff", "", true),
            ("01", "01", "", true),
            ("cc", "01", "-", true),
            ("cc", "01", "-what-the-future-will-be-like", true),
            ("fe", "00", "-.", false),
        ] {
            let value = format!("{version}-{TRACE}-{PARENT}-{flags}{rest}");
            let context = parent(&value).unwrap_or_else(|| panic!("{value}"));
            assert_eq!(format!("{:032x}", context.trace_id()), TRACE);
            assert_eq!(
                context.parent_id().map(|id| format!("{id:016x}")).as_deref(),
                Some(PARENT)
            );
            assert_eq!((context.span_id(), context.is_sampled()), (7, sampled), "{value}");
            let flags = u8::from(sampled);
            assert_eq!(
                context.traceparent(),
                format!("00-{TRACE}-0000000000000007-{flags:02x}")
            );
        }
    }

    #[test]
    fn an_invalid_parent_is_ignored() {
        let valid = format!("00-{TRACE}-{PARENT}-01");
        let zeros = |value: &str| "0".repeat(value.len());
        let invalid = [
            String::new(),
            format!("{valid}-"),
            format!("{valid}-extra"),
            format!("{valid}."),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("cc-{TRACE}-{PARENT}-01.what"),
            format!("0-{TRACE}-{PARENT}-01"),
            format!(".0-{TRACE}-{PARENT}-01"),
            format!("0A-{TRACE}-{PARENT}-01"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{}-01", PARENT.to_uppercase()),
            format!("00-{TRACE}-{PARENT}-0A"),
            format!("00-{TRACE}-{PARENT}-.0"),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{}-{PARENT}-01", zeros(TRACE)),
            format!("00-{TRACE}-{}-01", zeros(PARENT)),
            format!("00-.{}-{PARENT}-01", &TRACE[1..]),
            format!("00-{TRACE}-{}+-01", &PARENT[1..]),
            format!("00_{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}_{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}_01"),
            format!("{valid},{valid}"),
        ];
        for value in &invalid {
            assert_eq!(parent(value), None, "{value:?}");
        }
        for length in 0..valid.len() {
            assert_eq!(parent(&valid[..length]), None);
        }
        assert_eq!(read(&[("traceparent", &valid), ("Traceparent", &valid)]), None);
    }

    #[test]
    fn the_state_is_passed_on_with_a_valid_parent_only() {
        let valid = format!("00-{TRACE}-{PARENT}-01");
        let both = [("tracestate", "a=1"), ("traceparent", &*valid), ("TraceState", "b=2")];
        assert_eq!(read(&both).unwrap().tracestate(), Some("a=1,b=2"));
        let broken = [("traceparent", &*valid), ("tracestate", "a=1,a")];
        assert_eq!(read(&broken).unwrap().tracestate(), None);
        assert_eq!(read(&[("tracestate", "a=1")]), None);
    }

    #[test]
    fn a_child_is_within_its_parent_and_a_root_within_none() {
        let root = TraceContext::root(5, 6);
        assert!(root.is_sampled() && root.parent_id().is_none());
        let child = root.child(7);
        assert_eq!((child.trace_id(), child.parent_id(), child.span_id()), (5, Some(6), 7));
    }
}
