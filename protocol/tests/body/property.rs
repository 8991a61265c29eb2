//! The chunked decoder and its naive twin hold on random bodies, valid ones and ones with some bytes changed.

use ringlane_protocol::body::Framing;
use ringlane_protocol::fuzz::{self, End};
use ringlane_protocol::response::{CHUNK_LAST, CHUNK_SUFFIX, chunk_prefix};

/// xorshift64* (Marsaglia, Vigna): enough to choose test cases, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % end as u64) as usize
    }

    fn choose<'a>(&mut self, from: &[&'a [u8]]) -> &'a [u8] {
        from[self.below(from.len())]
    }
}

const EXTENSIONS: &[&[u8]] = &[b"", b"", b";a", b";a=b", b" ;a = \"b\\\"c\"", b";a;b"];
const TRAILERS: &[&[u8]] = &[b"", b"", b"A: b\r\n", b"A:\r\nB: c\r\n", b"Hosts: x\r\n"];
const WRONG: &[u8] = b"\r\n\0 \t;=\"\\:0fgA\x7f\x80";

/// A valid body and its data.
fn body(random: &mut Random) -> (Vec<u8>, Vec<u8>) {
    let (mut encoded, mut data) = (Vec::new(), Vec::new());
    for _ in 0..random.below(5) {
        let chunk: Vec<u8> = (0..=random.below(40)).map(|_| random.below(256) as u8).collect();
        let prefix = chunk_prefix(chunk.len(), &mut [0; 18])
            .strip_suffix(CHUNK_SUFFIX)
            .unwrap()
            .to_vec();
        for part in [&prefix, random.choose(EXTENSIONS), CHUNK_SUFFIX, &chunk, CHUNK_SUFFIX] {
            encoded.extend_from_slice(part);
        }
        data.extend_from_slice(&chunk);
    }
    let last = CHUNK_LAST.strip_suffix(CHUNK_SUFFIX).unwrap();
    for part in [last, random.choose(TRAILERS), CHUNK_SUFFIX] {
        encoded.extend_from_slice(part);
    }
    (encoded, data)
}

/// RFC 9112 §7.1.
#[test]
fn random_bodies_are_decoded_as_the_naive_twin_does() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..20_000 {
        let (mut encoded, data) = body(&mut random);
        let decoded = fuzz::decode_cut(&encoded, Framing::Chunked, 4096, |left| 1 + random.below(left));
        assert_eq!((&decoded.data, decoded.end), (&data, End::Done(encoded.len())));
        fuzz::compare_with_naive(&encoded, 4096, &decoded);

        for _ in 0..=random.below(2) {
            let at = random.below(encoded.len());
            encoded[at] = WRONG[random.below(WRONG.len())];
        }
        let body_bytes_max = random.below(200) as u64;
        let decoded = fuzz::decode_cut(&encoded, Framing::Chunked, body_bytes_max, |left| left);
        fuzz::compare_with_naive(&encoded, body_bytes_max, &decoded);
        let cut = fuzz::decode_cut(&encoded, Framing::Chunked, body_bytes_max, |left| {
            1 + random.below(left)
        });
        assert_eq!(cut, decoded);
    }
}
