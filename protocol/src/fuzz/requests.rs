//! Requests one after the other on one connection: the same ones, however the bytes are cut.

use super::{Decoded, End, compare_with_naive, naive};
use crate::body::{Decoder, Framing};
use crate::head::{self, Head};
use crate::{Error, Limits};

/// Up to here input is also read byte by byte. A head is parsed again with each of its bytes: more would be quadratic.
const BYTEWISE_MAX: usize = 1024;

/// What a connection's bytes were read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// The requests; only the last one's body may be unfinished or refused.
    pub requests: Vec<Request>,
    /// Why no further request was read.
    pub end: Ending,
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Its head.
    pub head: Head,
    /// The head's bytes.
    pub bytes: Vec<u8>,
    /// Its body, and how that ended.
    pub body: Decoded,
}

/// Why no further request was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The input was used up, perhaps within a request.
    More,
    /// An error, in a head or in the last request's body.
    Refused(Error),
    /// The last request said that it is the last one (RFC 9112 §9.6).
    Closed,
}

/// Any bytes as what a client sends on one connection; the first four choose the limits and the cuts.
pub fn requests(input: &[u8]) {
    let Some((&[choice, cuts @ ..], stream)) = input.split_first_chunk::<4>() else {
        return;
    };
    let limits = match choice & 1 {
        0 => Limits::default(),
        _ => Limits {
            target_bytes_max: 16,
            head_bytes_max: 128,
            fields_max: 3,
        },
    };
    let mut cuts = cuts.iter().cycle();
    check_requests(stream, &limits, u64::from(choice >> 1) * 32, |_| {
        cuts.next().map_or(1, |cut| usize::from(*cut) + 1)
    });
}

/// Reads `input` whole, byte by byte, and in pieces whose lengths `cut` chooses by the number of bytes left.
///
/// # Panics
///
/// If these differ from each other, or from what the naive twins make of the bytes.
pub fn check_requests(input: &[u8], limits: &Limits, body_bytes_max: u64, cut: impl FnMut(usize) -> usize) -> Sequence {
    let whole = read_cut(input, limits, body_bytes_max, |left| left);
    let bytewise = |left: usize| if input.len() - left < BYTEWISE_MAX { 1 } else { left };
    assert_eq!(whole, read_cut(input, limits, body_bytes_max, bytewise));
    assert_eq!(whole, read_cut(input, limits, body_bytes_max, cut));
    check_naively(input, limits, body_bytes_max, &whole);
    whole
}

/// Reads `input` as a connection does, handed over in pieces whose lengths `cut` chooses by the number of bytes left.
fn read_cut(input: &[u8], limits: &Limits, body_bytes_max: u64, mut cut: impl FnMut(usize) -> usize) -> Sequence {
    let mut reader = Reader {
        limits,
        body_bytes_max,
        partial: Vec::new(),
        decoder: None,
        body_bytes: 0,
        requests: Vec::new(),
    };
    let mut rest = input;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(cut(rest.len()).min(rest.len()));
        rest = after;
        if let Err(end) = reader.handle(piece) {
            let requests = reader.requests;
            return Sequence { requests, end };
        }
    }
    Sequence {
        requests: reader.requests,
        end: Ending::More,
    }
}

struct Reader<'a> {
    limits: &'a Limits,
    body_bytes_max: u64,
    /// The beginning of a head whose end has not come.
    partial: Vec<u8>,
    /// The decoder of the last request's body, while that is not done.
    decoder: Option<Decoder>,
    /// What that body took of the input so far.
    body_bytes: usize,
    requests: Vec<Request>,
}

impl Reader<'_> {
    /// Reads as far as the piece goes; an error ends the sequence.
    fn handle(&mut self, mut piece: &[u8]) -> Result<(), Ending> {
        while !piece.is_empty() {
            let consumed = match self.decoder.take() {
                Some(decoder) => self.body(decoder, piece)?,
                None => self.head(piece)?,
            };
            piece = &piece[consumed..];
        }
        Ok(())
    }

    fn head(&mut self, piece: &[u8]) -> Result<usize, Ending> {
        let before = self.partial.len();
        self.partial.extend_from_slice(piece);
        let Some(head) = head::parse(&self.partial, self.limits).map_err(Ending::Refused)? else {
            return Ok(piece.len());
        };
        assert!(head.len() > before, "a head that was whole before");
        let decoder = Decoder::new(head.framing(), self.body_bytes_max).map_err(Ending::Refused)?;
        let consumed = head.len() - before;
        let mut bytes = core::mem::take(&mut self.partial);
        bytes.truncate(head.len());
        let body = Decoded {
            data: Vec::new(),
            end: End::More,
        };
        self.requests.push(Request { head, bytes, body });
        self.go_on(decoder, 0)?;
        Ok(consumed)
    }

    fn body(&mut self, mut decoder: Decoder, piece: &[u8]) -> Result<usize, Ending> {
        let body = &mut self.requests.last_mut().expect("a body has a head").body;
        let step = decoder.decode(piece).map_err(|error| {
            body.end = End::Refused(error);
            Ending::Refused(error)
        })?;
        assert!(step.consumed > 0, "no progress");
        body.data.extend_from_slice(&piece[step.data]);
        self.go_on(decoder, step.consumed)?;
        Ok(step.consumed)
    }

    /// Goes on with the rest of the body, or with the next request, if there may be one.
    fn go_on(&mut self, decoder: Decoder, consumed: usize) -> Result<(), Ending> {
        self.body_bytes += consumed;
        if !decoder.is_done() {
            self.decoder = Some(decoder);
            return Ok(());
        }
        let request = self.requests.last_mut().expect("a body has a head");
        request.body.end = End::Done(core::mem::take(&mut self.body_bytes));
        if request.head.keep_alive() {
            Ok(())
        } else {
            Err(Ending::Closed)
        }
    }
}

/// The naive twins take no part in deciding what is refused. They find the same borders in what was taken.
fn check_naively(input: &[u8], limits: &Limits, body_bytes_max: u64, sequence: &Sequence) {
    let mut rest = input;
    let mut end = Ending::More;
    for Request { bytes, body, .. } in &sequence.requests {
        assert_eq!(end, Ending::More, "there is no request behind the last one");
        let (head, after_head) = rest.split_at(naive::head_len(rest).expect("the head is whole"));
        assert_eq!(bytes, head);
        match naive::framing(head) {
            Framing::None => assert_eq!((&body.data[..], body.end), (&b""[..], End::Done(0))),
            Framing::Chunked => compare_with_naive(after_head, body_bytes_max, body),
            Framing::Length(length) => {
                assert!(length <= body_bytes_max);
                let taken = after_head.len().min(length as usize);
                let is_whole = taken as u64 == length;
                assert_eq!(body.data, after_head[..taken]);
                assert_eq!(body.end, if is_whole { End::Done(taken) } else { End::More });
            }
        }
        end = match body.end {
            End::Done(taken) => {
                rest = &after_head[taken..];
                if naive::keep_alive(head) {
                    Ending::More
                } else {
                    Ending::Closed
                }
            }
            End::More => return assert_eq!(sequence.end, Ending::More),
            End::Refused(error) => Ending::Refused(error),
        };
    }
    match sequence.end {
        // The next head was refused, or its body before it began.
        Ending::Refused(_) if end == Ending::More => assert!(!rest.is_empty()),
        Ending::More => {
            assert_eq!(end, Ending::More);
            assert_eq!(naive::head_len(rest), None);
            assert!(rest.len() < limits.head_bytes_max + 4);
        }
        _ => assert_eq!(sequence.end, end),
    }
}
