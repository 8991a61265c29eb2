//! The ways in which a case is run: how its bytes are cut, and what stands before and behind them.

use std::fmt;

use super::case::{Case, Expected, Part};

/// Up to this length a case is cut at every byte. A longer one is cut where something may go wrong: near its ends, near
/// the line ends of its head, and near the ends of buffers, of which the limits are multiples.
pub const CUT_EVERYWHERE_BYTES_MAX: usize = 600;
const NEAR_END_BYTES: usize = 40;
const NEAR_LINE_END_BYTES: usize = 12;
/// Bytes of line ends, two each, that a head of a long case has at the most, unless it is one of very short lines.
const LINE_ENDS: usize = 16;
const BUFFER_BYTES: usize = 4096;

/// The good request before a case, behind which the case's own answers have to be the same.
pub const FIRST: &[u8] = b"GET /first HTTP/1.1\r\nHost: test\r\n\r\n";

/// The good request behind a case, which is answered where the connection is kept and nowhere else.
pub const PROBE: &[u8] = b"GET /probe HTTP/1.1\r\nHost: test\r\n\r\n";

/// What is sent over a connection that has been upgraded, and has to come back: a request, if it were one.
pub const PING: &[u8] = b"GET /ping HTTP/1.1\r\nHost: test\r\n\r\n";

/// What is shown of bytes.
const SHOWN_BYTES_MAX: usize = 500;

/// One way to run a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In one write, as far as the case waits for nothing.
    Whole,
    Bytewise,
    /// In two, in front of this byte.
    Split(usize),
    /// Behind a good request, in one write with it.
    Pipelined,
    /// With a mebibyte behind it that nobody will read.
    Flooded,
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Whole => out.write_str("whole"),
            Kind::Bytewise => out.write_str("byte by byte"),
            Kind::Split(at) => write!(out, "split at {at}"),
            Kind::Pipelined => out.write_str("behind a good request"),
            Kind::Flooded => out.write_str("with 1 MiB behind it"),
        }
    }
}

/// A case to be run in one way.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub case: &'a Case,
    pub kind: Kind,
}

impl<'a> Run<'a> {
    /// The writes in which a part of the case is sent.
    pub fn pieces(&self, part: usize) -> Vec<Vec<u8>> {
        let before: usize = self.case.parts[..part].iter().map(|part| part.sent.len()).sum();
        let sent = &self.case.parts[part].sent;
        match self.kind {
            Kind::Pipelined if part == 0 => vec![[FIRST, sent].concat()],
            Kind::Whole | Kind::Pipelined | Kind::Flooded => vec![sent.clone()],
            Kind::Split(at) => split(sent, [at.saturating_sub(before)]),
            Kind::Bytewise => split(sent, cuts(self.case).into_iter().map(|at| at.saturating_sub(before))),
        }
    }

    pub fn parts(&self) -> &'a [Part] {
        &self.case.parts
    }

    /// All that is to be known of a run that has failed.
    pub fn describe(&self, problem: &str, received: &[u8]) -> String {
        let Case { name, rule, place, .. } = self.case;
        let mut text = format!("\n{place}: {name} ({rule}), {}\n  wrong: {problem}\n", self.kind);
        for (number, part) in self.parts().iter().enumerate() {
            let pieces = self.pieces(number);
            if pieces.len() <= 2 {
                text.extend(pieces.iter().map(|piece| format!("  sent: \"{}\"\n", show(piece))));
            } else {
                text += &format!("  sent in {} pieces: \"{}\"\n", pieces.len(), show(&part.sent));
            }
            for Expected {
                status, origin, checks, ..
            } in &part.answers
            {
                text += &format!("  expected: {status} by {origin:?} with {checks:?}\n");
            }
        }
        text += &format!(
            "  expected fate: {:?}\n  came: \"{}\"\n",
            self.case.fate,
            show(received)
        );
        text
    }
}

fn show(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(SHOWN_BYTES_MAX)].escape_ascii().to_string()
}

/// The pieces between these places; empty ones are left out.
fn split(bytes: &[u8], places: impl IntoIterator<Item = usize>) -> Vec<Vec<u8>> {
    let (mut pieces, mut start) = (Vec::new(), 0);
    for place in places.into_iter().chain([bytes.len()]) {
        let place = place.min(bytes.len());
        if place > start {
            pieces.push(bytes[start..place].to_vec());
            start = place;
        }
    }
    pieces
}

/// Where a case is cut, in order.
pub fn cuts(case: &Case) -> Vec<usize> {
    let (sent, length) = (case.sent(), case.length());
    let line_ends = sent
        .iter()
        .enumerate()
        .filter(|(_, byte)| matches!(byte, b'\r' | b'\n'));
    let line_ends: Vec<usize> = line_ends.map(|(at, _)| at).take(LINE_ENDS).collect();
    let near_line_end = |at: usize| line_ends.iter().any(|end| end.abs_diff(at) <= NEAR_LINE_END_BYTES);
    let near_buffer_end = |at: usize| matches!(at % BUFFER_BYTES, 0 | 1) || at % BUFFER_BYTES == BUFFER_BYTES - 1;
    (1..length)
        .filter(|at| {
            length <= CUT_EVERYWHERE_BYTES_MAX
                || *at <= NEAR_END_BYTES
                || *at + NEAR_END_BYTES >= length
                || near_buffer_end(*at)
                || near_line_end(*at)
        })
        .collect()
}

/// All runs of a case. Between its parts it is cut in any case, and what is empty cannot be cut.
pub fn all(case: &Case) -> Vec<Run<'_>> {
    let mut kinds = vec![Kind::Whole, Kind::Pipelined];
    if case.is_error() && !case.half_close {
        kinds.push(Kind::Flooded);
    }
    let cuts = cuts(case);
    if !cuts.is_empty() {
        kinds.push(Kind::Bytewise);
    }
    kinds.extend(cuts.into_iter().map(Kind::Split));
    kinds.into_iter().map(|kind| Run { case, kind }).collect()
}
