//! The encoders of the codings behind one interface: bytes in, and whenever there are any, bytes out.

use std::io::{self, Write};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use flate2::write::GzEncoder;

use crate::coding::Coding;

/// How far back a stream's encoder looks, as a power of two: what bounds its memory. 256 KiB.
const WINDOW_LOG: u32 = 18;

/// The memory through which brotli's writer passes its output on.
const BROTLI_BUFFER_BYTES: usize = 4096;

/// How hard each coding compresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Levels {
    gzip: u32,
    br: u32,
    zstd: u32,
}

impl Default for Levels {
    fn default() -> Levels {
        Levels {
            gzip: 6,
            br: 4,
            zstd: 3,
        }
    }
}

impl Levels {
    pub(super) fn set(&mut self, coding: Coding, level: u32) {
        match coding {
            Coding::Gzip => self.gzip = level,
            Coding::Br => self.br = level,
            Coding::Zstd => self.zstd = level,
        }
    }

    /// A sentence about the first level that there is not.
    pub(super) fn check(&self) -> Result<(), String> {
        for (name, level, least, most) in [
            ("gzip", self.gzip, 1, 9),
            ("br", self.br, 0, 11),
            ("zstd", self.zstd, 1, 19),
        ] {
            if !(least..=most).contains(&level) {
                return Err(format!(
                    "{name} has no level {level} here: choose one from {least} to {most}"
                ));
            }
        }
        Ok(())
    }
}

/// A body being compressed.
pub(super) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Br(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// An encoder for a body of this length in bytes, if that is known.
    pub(super) fn new(coding: Coding, levels: &Levels, length: Option<usize>) -> io::Result<Encoder> {
        // A window that is longer than the body would only take memory.
        let needed = length.map_or(WINDOW_LOG, |length| length.max(1).ilog2() + 1);
        let window_log = needed.clamp(10, WINDOW_LOG);
        Ok(match coding {
            Coding::Gzip => Encoder::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::new(levels.gzip))),
            Coding::Br => {
                let params = BrotliEncoderParams {
                    quality: levels.br as i32,
                    lgwin: window_log as i32,
                    size_hint: length.unwrap_or(0),
                    ..BrotliEncoderParams::default()
                };
                let writer = CompressorWriter::with_params(Vec::new(), BROTLI_BUFFER_BYTES, &params);
                Encoder::Br(Box::new(writer))
            }
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), levels.zstd as i32)?;
                encoder.window_log(window_log)?;
                encoder.set_pledged_src_size(length.map(|length| length as u64))?;
                Encoder::Zstd(encoder)
            }
        })
    }

    /// A whole body, compressed.
    pub(super) fn whole(coding: Coding, levels: &Levels, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut encoder = Encoder::new(coding, levels, Some(bytes.len()))?;
        encoder.write(bytes)?;
        encoder.finish()
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Encoder::Gzip(encoder) => encoder.write_all(bytes),
            Encoder::Br(encoder) => encoder.write_all(bytes),
            Encoder::Zstd(encoder) => encoder.write_all(bytes),
        }
    }

    /// Makes everything that was written decodable from the output so far.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Encoder::Gzip(encoder) => encoder.flush(),
            Encoder::Br(encoder) => encoder.flush(),
            Encoder::Zstd(encoder) => encoder.flush(),
        }
    }

    /// The output since the last time.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(match self {
            Encoder::Gzip(encoder) => encoder.get_mut(),
            Encoder::Br(encoder) => encoder.get_mut(),
            Encoder::Zstd(encoder) => encoder.get_mut(),
        })
    }

    /// How much output there is.
    pub(super) fn ready(&self) -> usize {
        match self {
            Encoder::Gzip(encoder) => encoder.get_ref().len(),
            Encoder::Br(encoder) => encoder.get_ref().len(),
            Encoder::Zstd(encoder) => encoder.get_ref().len(),
        }
    }

    /// Ends the body, and returns the rest of the output.
    pub(super) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Encoder::Gzip(encoder) => encoder.finish(),
            Encoder::Br(encoder) => Ok(encoder.into_inner()),
            Encoder::Zstd(encoder) => encoder.finish(),
        }
    }
}
