//! What can go wrong when a pool is made.

use std::{fmt, io};

/// Why a [`Pool`](crate::Pool) could not be made.
///
/// ```
/// use ringlane_pool::{Error, Options, Pool};
///
/// let error = Pool::new(Options { buffer_bytes: 3000, buffers_max: 64, buffers_step: 8 }).unwrap_err();
/// assert!(matches!(error, Error::BufferBytes { given: 3000 }));
/// assert!(error.to_string().contains("power of two"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// `buffer_bytes` is not a power of two from 1 KiB to 1 MiB.
    BufferBytes {
        /// The refused size, in bytes.
        given: usize,
    },
    /// `buffers_max` is not in `1..=32768`.
    BuffersMax {
        /// The refused number of buffers.
        given: usize,
    },
    /// `buffers_step` is zero.
    BuffersStep,
    /// The system refused to reserve the address space.
    Reserve {
        /// How much was asked for, in bytes.
        bytes: usize,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::BufferBytes { given } => {
                write!(
                    f,
                    "buffer_bytes is {given}; set it to a power of two from 1024 (1 KiB) to 1048576 (1 MiB)"
                )
            }
            Error::BuffersMax { given } => write!(f, "buffers_max is {given}; set it to a number from 1 to 32768"),
            Error::BuffersStep => write!(
                f,
                "buffers_step is 0, so the pool could never grow; set it to 1 or more"
            ),
            Error::Reserve { bytes, source } => write!(
                f,
                "reserving {bytes} bytes of address space for buffers failed: {source}; lower buffers_max or \
                 buffer_bytes, or allow more (ulimit -v, ulimit -l where memory is locked, vm.overcommit_memory)"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Reserve { source, .. } => Some(source),
            Error::BufferBytes { .. } | Error::BuffersMax { .. } | Error::BuffersStep => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_reservation_names_attempt_answer_and_cure() {
        let error = Error::Reserve {
            bytes: 4096,
            source: io::Error::from_raw_os_error(libc::ENOMEM),
        };
        let message = error.to_string();
        assert!(message.contains("reserving 4096 bytes"), "{message}");
        assert!(
            message.contains(&io::Error::from_raw_os_error(libc::ENOMEM).to_string()),
            "{message}"
        );
        assert!(message.contains("lower buffers_max"), "{message}");
        assert!(std::error::Error::source(&error).is_some());
    }
}
