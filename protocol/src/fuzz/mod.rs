//! Fuzz bodies and the naive twins they compare with. Not part of the public API: it is public because the fuzz targets
//! and the tests, which run the same bodies over the seed corpora, are crates of their own.

pub mod naive;
mod requests;

pub use requests::{Ending, Request, Sequence, check_requests, requests};

use crate::body::{Decoder, Framing};
use crate::head::{self, Head};
use crate::{Error, Limits};

/// Prefixes up to this length are all tried; more would make a run quadratic.
const PREFIXES_MAX: usize = 400;

/// What a decoder made of some input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The data of all steps.
    pub data: Vec<u8>,
    /// How it ended.
    pub end: End,
}

/// How decoding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The body took so many bytes of input.
    Done(usize),
    /// The input was used up before.
    More,
    /// An error.
    Refused(Error),
}

/// Any bytes as a head: both ways through the rules agree, no cut changes anything, and what is taken is well-formed.
pub fn head(input: &[u8]) {
    check_head(input, &Limits::default());
    check_head(
        input,
        &Limits {
            target_bytes_max: 16,
            head_bytes_max: 128,
            fields_max: 3,
        },
    );
}

/// Any bytes as a chunked body; the first two choose the limit and the cuts.
pub fn chunked(input: &[u8]) {
    let Some((&[limit, cut], body)) = input.split_first_chunk::<2>() else {
        return;
    };
    let body_bytes_max = u64::from(limit) * 16;
    let whole = decode_cut(body, Framing::Chunked, body_bytes_max, |left| left);
    let bytewise = decode_cut(body, Framing::Chunked, body_bytes_max, |_| 1);
    let stride = usize::from(cut).max(1);
    let striding = decode_cut(body, Framing::Chunked, body_bytes_max, |left| left.min(stride));
    assert_eq!(whole, bytewise);
    assert_eq!(whole, striding);
    assert!(whole.data.len() as u64 <= body_bytes_max);
    compare_with_naive(body, body_bytes_max, &whole);
}

/// Any bytes as the fields of a request and what follows it: framing is taken from unambiguous fields only, and the body
/// it announces is found.
pub fn framing(input: &[u8]) {
    let message = [b"POST / HTTP/1.1\r\nHost: a\r\n", input].concat();
    check_head(&message, &Limits::default());
    let Ok(Some(head)) = head::parse(&message, &Limits::default()) else {
        return;
    };
    assert_eq!(head.framing(), naive::framing(&message[..head.len()]));
    let body = &message[head.len()..];
    match (head.framing(), Decoder::new(head.framing(), 4096)) {
        (Framing::Length(length), Err(error)) => assert!(length > 4096 && error == Error::BodyTooLarge),
        (_, Err(error)) => panic!("{error}"),
        (framing, Ok(_)) => {
            let whole = decode_cut(body, framing, 4096, |left| left);
            assert_eq!(whole, decode_cut(body, framing, 4096, |_| 1));
        }
    }
}

/// Decodes `input`, handed over in pieces whose lengths `cut` chooses by the number of bytes left.
///
/// # Panics
///
/// If the decoder breaks its contract: it takes too much, makes no progress, or forgets an error or the end.
pub fn decode_cut(input: &[u8], framing: Framing, body_bytes_max: u64, mut cut: impl FnMut(usize) -> usize) -> Decoded {
    let mut decoder = match Decoder::new(framing, body_bytes_max) {
        Ok(decoder) => decoder,
        Err(error) => {
            return Decoded {
                data: Vec::new(),
                end: End::Refused(error),
            };
        }
    };
    let (mut at, mut data) = (0, Vec::new());
    while !decoder.is_done() {
        if at == input.len() {
            return Decoded { data, end: End::More };
        }
        let piece = &input[at..at + cut(input.len() - at)];
        match decoder.decode(piece) {
            Ok(step) => {
                assert!(step.consumed > 0 || step.done, "no progress");
                assert!(
                    step.consumed <= piece.len() && step.data.end <= step.consumed,
                    "took too much"
                );
                assert_eq!(step.done, decoder.is_done());
                data.extend_from_slice(&piece[step.data]);
                at += step.consumed;
            }
            Err(error) => {
                assert_eq!(decoder.decode(b"0\r\n\r\n"), Err(error), "the error was forgotten");
                return Decoded {
                    data,
                    end: End::Refused(error),
                };
            }
        }
    }
    assert_eq!(
        decoder.decode(input).map(|step| (step.consumed, step.done)),
        Ok((0, true)),
        "the end was forgotten"
    );
    assert_eq!(decoder.remaining(), Some(0));
    Decoded {
        data,
        end: End::Done(at),
    }
}

/// The naive decoder judges whole lines only; the real one may refuse an unfinished line.
///
/// # Panics
///
/// If the two disagree.
pub fn compare_with_naive(body: &[u8], body_bytes_max: u64, real: &Decoded) {
    let naive = naive::decode_chunked(body, body_bytes_max);
    assert_eq!(real.data, naive.data);
    match (real.end, naive.end) {
        (End::Refused(real), End::Refused(naive)) => assert_eq!(real.status(), naive.status(), "{real:?}, {naive:?}"),
        (End::Refused(_), End::More) => {}
        (real, naive) => assert_eq!(real, naive),
    }
}

/// # Panics
///
/// If the parser breaks its contract for this input.
pub fn check_head(input: &[u8], limits: &Limits) {
    let whole = head::parse(input, limits);
    assert_eq!(
        whole,
        head::parse_strictly(input, limits),
        "the two ways through the rules differ"
    );
    let mut is_settled = false;
    for end in 0..input.len().min(PREFIXES_MAX) {
        let part = head::parse(&input[..end], limits);
        assert!(!is_settled || part != Ok(None), "undecided again at {end}");
        is_settled = part != Ok(None);
        match (&part, &whole) {
            (Ok(Some(part)), Ok(Some(whole))) => assert!(part == whole && end >= whole.len()),
            (Ok(Some(_)), _) | (_, Ok(Some(_))) => assert_eq!(part, Ok(None), "cut at {end}"),
            (Ok(None), _) => {}
            (Err(_), _) => assert_eq!(part, whole, "cut at {end}"),
        }
    }
    match whole {
        Ok(Some(head)) => check_valid(input, &head, limits),
        Ok(None) => assert!(input.len() < limits.head_bytes_max + 4),
        Err(_) => {}
    }
}

/// What must hold for every head that is taken.
fn check_valid(input: &[u8], head: &Head, limits: &Limits) {
    let bytes = &input[..head.len()];
    let naive = naive::Head::new(bytes);
    assert_eq!(head.method().as_str(), naive.method);
    assert_eq!(head.target(input), naive.target);
    assert!(naive.target.len() <= limits.target_bytes_max && bytes.len() <= limits.head_bytes_max + 4);
    let fields: Vec<_> = head.fields(input).collect();
    assert_eq!(fields, naive.fields);
    assert!(fields.len() <= limits.fields_max);
    assert_eq!(
        head.fields(bytes).count(),
        fields.len(),
        "accessors need no more than the head"
    );
    for (name, _) in &fields {
        let first = fields
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|field| field.1);
        assert_eq!(head.field(input, name), first);
    }
    let (path, query) = (head.path(input), head.query(input));
    let suffix = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    assert!(naive.target.ends_with(&suffix) || path == "/");
    assert_eq!(
        head.is_known_version(naive.version),
        head::is_fast(input, limits),
        "{}",
        naive.version
    );
}

impl Head {
    /// Whether this version is one that the fast way knows.
    fn is_known_version(&self, version: &str) -> bool {
        matches!(
            (self.version(), version),
            (http::Version::HTTP_11, "HTTP/1.1") | (http::Version::HTTP_10, "HTTP/1.0")
        )
    }
}
