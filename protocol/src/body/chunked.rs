//! The chunked transfer coding (RFC 9112 §7.1), one framing byte at a time.
//!
//! ```text
//!  ┌─► Size ──► (extensions) ──► SizeEnd ──┬─► Data ──► DataCr ──► DataLf ─┐
//!  │                                       └─► (size 0) trailers ──► End   │
//!  └───────────────────────────────────────────────────────────────────────┘
//! ```

use super::trailer::NameMatch;
use super::{Step, take};
use crate::{Error, token};

/// Hexadecimal digits of a chunk size, leading zeros too: what 64 bits take.
const SIZE_DIGITS_MAX: u8 = 16;

/// Bytes between chunk sizes and their CRLF, in one body (RFC 9112 §7.1.1 asks for a limit).
const EXTENSION_BYTES_MAX: u16 = 16 * 1024;

/// Bytes of the trailer section, its last CRLF included.
const TRAILER_BYTES_MAX: u16 = 8 * 1024;

/// Where in the grammar the next byte is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// In the digits of a chunk size.
    Size,
    Extension(Extension),
    /// At the LF after a chunk size and its extensions.
    SizeEnd,
    /// In chunk data: the one phase whose bytes are not looked at.
    Data,
    /// At the CR, and at the LF, after chunk data.
    DataCr,
    DataLf,
    /// At the start of a trailer line or of the empty line that ends the body.
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    /// At the body's last LF.
    EndLf,
    End,
}

/// `chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )` (RFC 9112 §7.1.1). The bad whitespace has
/// to be taken (RFC 9110 §5.6.3), but only where the grammar has it: never in front of the CRLF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    /// In whitespace after a size or a value: a semicolon has to come.
    BeforeSemicolon,
    /// After a semicolon: whitespace, or a name's first byte.
    BeforeName,
    Name,
    /// In whitespace after a name: an equals sign or a semicolon has to come.
    AfterName,
    /// After an equals sign: whitespace, or a value's first byte.
    BeforeValue,
    Token,
    Quoted,
    /// After a backslash in a quoted string.
    QuotedPair,
    /// After a closing quote.
    AfterQuoted,
}

/// A chunked body in the middle.
#[derive(Clone, Debug)]
pub(super) struct Chunked {
    phase: Phase,
    /// In `Size` to `SizeEnd` the size so far, in `Data` the bytes still to come, at least one.
    left: u64,
    /// Bytes of data that later chunks may have.
    budget: u64,
    extension_bytes: u16,
    trailer_bytes: u16,
    size_digits: u8,
    trailer_name: NameMatch,
}

impl Chunked {
    pub(super) fn new(body_bytes_max: u64) -> Self {
        Self {
            phase: Phase::Size,
            left: 0,
            budget: body_bytes_max,
            extension_bytes: 0,
            trailer_bytes: 0,
            size_digits: 0,
            trailer_name: NameMatch::default(),
        }
    }

    /// Stops behind data, not behind the framing bytes after it: an error in these must not take data along.
    pub(super) fn decode(&mut self, input: &[u8]) -> Result<Step, Error> {
        let mut at = 0;
        while !matches!(self.phase, Phase::Data | Phase::End) {
            let Some(&byte) = input.get(at) else {
                return Ok(Step {
                    consumed: at,
                    data: at..at,
                    done: false,
                });
            };
            self.phase = self.next_phase(byte)?;
            at += 1;
        }
        if self.phase == Phase::End {
            return Ok(Step {
                consumed: at,
                data: at..at,
                done: true,
            });
        }
        let end = at + take(&mut self.left, &input[at..]);
        if self.left == 0 {
            self.phase = Phase::DataCr;
        }
        Ok(Step {
            consumed: end,
            data: at..end,
            done: false,
        })
    }

    fn next_phase(&mut self, byte: u8) -> Result<Phase, Error> {
        match (self.phase, byte) {
            (Phase::Size, _) => self.size(byte),
            (Phase::Extension(extension), _) => self.extension(extension, byte),
            (Phase::SizeEnd, b'\n') => self.size_end(),
            (Phase::DataCr, b'\r') => Ok(Phase::DataLf),
            (Phase::DataLf, b'\n') => {
                (self.left, self.size_digits) = (0, 0);
                Ok(Phase::Size)
            }
            // RFC 9112 §7.1: data that goes on is a size that was wrong, not a line end that was forgotten.
            (Phase::DataCr | Phase::DataLf, _) => Err(Error::ChunkEndMissing),
            (Phase::SizeEnd, _) => Err(Error::BareCr),
            (Phase::Data | Phase::End, _) => Ok(self.phase),
            (phase, _) => self.trailer(phase, byte),
        }
    }

    /// RFC 9112 §7.1: `chunk-size = 1*HEXDIG`; recipients must guard against overflow.
    fn size(&mut self, byte: u8) -> Result<Phase, Error> {
        if let Some(digit) = char::from(byte).to_digit(16) {
            if self.size_digits == SIZE_DIGITS_MAX {
                return Err(Error::ChunkSizeInvalid);
            }
            self.size_digits += 1;
            self.left = self.left * 16 + u64::from(digit);
            return Ok(Phase::Size);
        }
        match byte {
            b'\n' => Err(Error::BareLf),
            _ if self.size_digits == 0 => Err(Error::ChunkSizeInvalid),
            b'\r' => Ok(Phase::SizeEnd),
            b';' | b' ' | b'\t' => self.extension(Extension::BeforeSemicolon, byte),
            _ => Err(Error::ChunkSizeInvalid),
        }
    }

    /// RFC 9112 §7.1.1.
    fn extension(&mut self, extension: Extension, byte: u8) -> Result<Phase, Error> {
        use Extension::{
            AfterName, AfterQuoted, BeforeName, BeforeSemicolon, BeforeValue, Name, Quoted, QuotedPair, Token,
        };
        let is_token_byte = token::is_token_byte(byte);
        let next = match (extension, byte) {
            (_, b'\n') => return Err(Error::BareLf),
            (Name | Token | AfterQuoted, b'\r') => return Ok(Phase::SizeEnd),
            (BeforeSemicolon | Name | AfterName | Token | AfterQuoted, b';') => BeforeName,
            (BeforeSemicolon | Token | AfterQuoted, b' ' | b'\t') => BeforeSemicolon,
            (BeforeName, b' ' | b'\t') => BeforeName,
            (BeforeName | Name, _) if is_token_byte => Name,
            (Name | AfterName, b' ' | b'\t') => AfterName,
            (Name | AfterName, b'=') => BeforeValue,
            (BeforeValue, b' ' | b'\t') => BeforeValue,
            (BeforeValue, b'"') => Quoted,
            (BeforeValue | Token, _) if is_token_byte => Token,
            // RFC 9110 §5.6.4: quoted-string. Its bytes and those behind a backslash are those of field values.
            (Quoted, b'"') => AfterQuoted,
            (Quoted, b'\\') => QuotedPair,
            (Quoted | QuotedPair, _) if token::is_value_byte(byte) => Quoted,
            _ => return Err(Error::ChunkExtensionInvalid),
        };
        if self.extension_bytes == EXTENSION_BYTES_MAX {
            return Err(Error::ChunkExtensionsTooLong);
        }
        self.extension_bytes += 1;
        Ok(Phase::Extension(next))
    }

    fn size_end(&mut self) -> Result<Phase, Error> {
        self.budget = self.budget.checked_sub(self.left).ok_or(Error::BodyTooLarge)?;
        Ok(if self.left == 0 {
            Phase::TrailerStart
        } else {
            Phase::Data
        })
    }

    /// RFC 9112 §7.1.2: `trailer-section = *( field-line CRLF )`, as strict as a head's fields; and the final CRLF.
    fn trailer(&mut self, phase: Phase, byte: u8) -> Result<Phase, Error> {
        let next = match (phase, byte) {
            (Phase::TrailerLf, b'\n') => Phase::TrailerStart,
            (Phase::EndLf, b'\n') => Phase::End,
            (Phase::TrailerLf | Phase::EndLf, _) => return Err(Error::BareCr),
            (_, b'\n') => return Err(Error::BareLf),
            (Phase::TrailerStart, b'\r') => Phase::EndLf,
            (Phase::TrailerStart, b' ' | b'\t') => return Err(Error::ObsFold),
            (Phase::TrailerStart, _) if token::is_token_byte(byte) => {
                self.trailer_name = NameMatch::new(byte);
                Phase::TrailerName
            }
            (Phase::TrailerName, _) if token::is_token_byte(byte) => {
                self.trailer_name.push(byte);
                Phase::TrailerName
            }
            (Phase::TrailerName, b':') if self.trailer_name.is_forbidden() => return Err(Error::TrailerForbidden),
            (Phase::TrailerName, b':') => Phase::TrailerValue,
            (Phase::TrailerName, b' ' | b'\t') => return Err(Error::SpaceBeforeColon),
            (Phase::TrailerStart | Phase::TrailerName, _) => return Err(Error::FieldNameInvalid),
            (_, b'\r') => Phase::TrailerLf,
            (_, _) if token::is_value_byte(byte) => Phase::TrailerValue,
            (_, _) => return Err(Error::FieldValueInvalid),
        };
        if self.trailer_bytes == TRAILER_BYTES_MAX {
            return Err(Error::TrailersTooLarge);
        }
        self.trailer_bytes += 1;
        Ok(next)
    }
}
