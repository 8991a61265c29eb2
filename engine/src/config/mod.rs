//! Every knob of a server: its name, its default, its range, and how it is read from the environment.

mod values;

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::error::Error;
use values::{Size, Value};

pub use values::Cores;

/// The prefix of the environment variables that set knobs.
const PREFIX: &str = "RINGLANE_";

/// A field type's textual form: itself, or a `Size` for byte counts.
macro_rules! textual {
    (size, $value:expr) => {
        Size($value as u64)
    };
    (option_size, $value:expr) => {
        $value.map(|bytes| Size(bytes as u64))
    };
    (plain, $value:expr) => {
        $value.clone()
    };
}

/// Reads a field from its textual form.
macro_rules! read {
    (size, $text:expr) => {
        <Size as Value>::parse($text).and_then(|Size(bytes)| {
            bytes
                .try_into()
                .map_err(|_| "which is too large: write a smaller size".to_owned())
        })
    };
    (option_size, $text:expr) => {
        <Option<Size> as Value>::parse($text).and_then(|size| {
            size.map(|Size(bytes)| {
                bytes
                    .try_into()
                    .map_err(|_| "which is too large: write a smaller size".to_owned())
            })
            .transpose()
        })
    };
    (plain, $text:expr) => {
        Value::parse($text)
    };
}

/// The one list of knobs: from it come the fields, the defaults, the variables and the printed line.
macro_rules! knobs {
    ($($(#[$doc:meta])* $name:ident: $type:ty as $form:ident = $default:expr;)*) => {
        /// Every limit, timeout and size of a server, each with a default.
        ///
        /// A knob has one name: `idle_timeout` here, `RINGLANE_IDLE_TIMEOUT` in the environment. Durations are written
        /// `75s`, `500ms`, `2m`, `1h`; sizes `4096`, `16KiB`, `2MiB`, `1GiB`; switches `on` and `off`; `none` where there
        /// may be none. `Display` prints all knobs in one line, in the form in which the environment takes them.
        ///
        /// A value outside the range that its knob states keeps the server from starting.
        ///
        /// ```
        /// use ringlane::Config;
        /// use std::time::Duration;
        ///
        /// let mut config = Config::default();
        /// config.idle_timeout = Duration::from_secs(20);
        /// config.body_bytes_max = 64 * 1024 * 1024;
        /// assert!(config.to_string().contains("idle_timeout=20s"));
        /// assert!(config.to_string().contains("body_bytes_max=64MiB"));
        /// ```
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Config { $($(#[$doc])* pub $name: $type,)* }

        impl Default for Config {
            fn default() -> Config {
                Config { $($name: $default,)* }
            }
        }

        impl Config {
            /// The names of all knobs, in the order in which they are printed.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name),)*];

            /// Sets one knob from text; false where no knob has that name.
            fn set(&mut self, name: &str, text: &str) -> Result<bool, String> {
                match name {
                    $(stringify!($name) => self.$name = read!($form, text)?,)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }

        impl fmt::Display for Config {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut separator = "";
                $(
                    write!(out, "{separator}{}=", stringify!($name))?;
                    textual!($form, self.$name).write(out)?;
                    separator = " ";
                )*
                let _ = separator;
                Ok(())
            }
        }
    };
}

knobs! {
    /// The cores to run on, one thread each; at least one. Default: all that the process may use.
    cores: Cores as plain = Cores::All;
    /// How long a request head may take from its first byte (from accept for a connection's first request) to its end;
    /// then 408 where a byte had come, and the connection is closed. At least 1 ms. Default: 10 s.
    head_timeout: Duration as plain = Duration::from_secs(10);
    /// How long a kept-alive connection may be silent between requests before it is closed. At least 1 ms. Default: 75 s.
    idle_timeout: Duration as plain = Duration::from_secs(75);
    /// How long a request body may stall while it is waited for; then 408 and close. At least 1 ms. Default: 30 s.
    body_timeout: Duration as plain = Duration::from_secs(30);
    /// The slowest rate, in bytes per second, at which a request body may come for longer than `body_timeout`: each byte
    /// makes up for the time that it may take, and who has used up the timeout so is answered 408. Time in which the
    /// handler does not wait for the body does not count. At least 1 byte. Default: 240 bytes; `none` asks for any byte
    /// within the timeout.
    body_bytes_per_second_min: Option<u64> as option_size = Some(240);
    /// How long the peer may acknowledge no byte of a response before its connection is cut. It is looked at four times in
    /// this time, so that the cut comes that much late at the most. At least 1 ms. Default: 30 s.
    write_timeout: Duration as plain = Duration::from_secs(30);
    /// The slowest rate, in bytes per second, at which a peer may acknowledge a response for longer than `write_timeout`,
    /// counted in the same way; then its connection is cut. At least 1 byte. Default: 240 bytes; `none` asks for any byte
    /// within the timeout.
    write_bytes_per_second_min: Option<u64> as option_size = Some(240);
    /// How long a stopping server waits for the requests that it has accepted. Default: 30 s.
    drain_timeout: Duration as plain = Duration::from_secs(30);
    /// How long a stopping server still answers requests that arrive on connections that are idle, so that one which
    /// is on its way meets an answer and not a reset. At most `drain_timeout`. Default: 500 ms.
    drain_idle_timeout: Duration as plain = Duration::from_millis(500);
    /// How long a connection that is being closed after an error may go on sending, so that it gets to read the answer
    /// instead of a reset (RFC 9112 §9.6). At least 1 ms. Default: 2 s.
    close_timeout: Duration as plain = Duration::from_secs(2);
    /// How many bytes such a connection may go on sending. Default: 8 MiB.
    close_bytes_max: u64 as size = 8 << 20;
    /// The longest request target, 16 bytes to `head_bytes_max`; a longer one is answered 414. Default: 8 KiB.
    target_bytes_max: usize as size = 8 << 10;
    /// The largest request head, request line and fields together, 256 bytes to 1 MiB; a larger one is answered 431.
    /// Default: 16 KiB.
    head_bytes_max: usize as size = 16 << 10;
    /// The most fields in a request head, 1 to 256; more are answered 431. Default: 100.
    fields_max: u32 as plain = 100;
    /// The largest request body unless the service says otherwise
    /// ([`Service::body_bytes_max`](crate::Service::body_bytes_max)); a larger one is answered 413. Default: 2 MiB.
    body_bytes_max: u64 as size = 2 << 20;
    /// How much of a request body that its handler did not read is read and thrown away, so that the connection can
    /// be kept; with more to come, it is closed after the response. Default: 256 KiB.
    discard_bytes_max: u64 as size = 256 << 10;
    /// The most pooled buffers of received and unread input that one connection may hold, 2 to 4096 and fewer than
    /// `buffers_max`; at this point it is no longer received from, and TCP holds the sender back. Default: 16.
    input_buffers_max: u32 as plain = 16;
    /// How much output may be queued on one connection, beside what is being sent, before no further pipelined request is
    /// parsed and no further chunk of a streamed response is asked for. At least 1 KiB. Default: 64 KiB.
    output_bytes_max: usize as size = 64 << 10;
    /// The most connections per core; above it accepting pauses. Default: none, which is what file descriptors allow
    /// (`RLIMIT_NOFILE`, raised to its hard limit at start), less a reserve, divided by the cores.
    connections_max: Option<NonZeroU32> as plain = None;
    /// After how many requests a connection is closed. Default: none.
    requests_per_connection_max: Option<NonZeroU32> as plain = None;
    /// The size of a pooled buffer, a power of two from 1 KiB to 64 KiB. Default: 4 KiB.
    buffer_bytes: usize as size = 4 << 10;
    /// The most pooled buffers per core, 8 to 32768; memory is taken in steps, as it is needed. Default: 16384.
    buffers_max: u32 as plain = 16_384;
    /// The submission queue of a core's ring, a power of two from 32 to 32768; its completion queue is four times as
    /// long, 65536 at the most. Default: 512.
    ring_entries: u32 as plain = 512;
    /// How many connections the kernel may hold, established and not yet accepted, per core (listen(2)), 1 to 2147483647.
    /// Default: 4096; `net.core.somaxconn` bounds it.
    backlog: u32 as plain = 4096;
    /// Whether other servers, this one's next version among them, may listen on the same address beside this one
    /// (`SO_REUSEPORT` across processes). Default: off, which makes a taken address an error at start.
    share_port: bool as plain = false;
    /// Whether small responses are sent at once (`TCP_NODELAY`, tcp(7)). Default: on.
    nodelay: bool as plain = true;
    /// `SO_LINGER` of accepted connections (socket(7)), in whole seconds; 0 s makes every close a reset. Default: none.
    linger: Option<Duration> as plain = None;
    /// The time to live (hop limit) of sent packets, 1 to 255 (ip(7)). Default: none, which is the system's.
    ttl: Option<NonZeroU32> as plain = None;
    /// `SO_RCVBUF` of accepted connections (socket(7)). Default: none, which leaves it to the kernel's tuning.
    receive_buffer_bytes: Option<usize> as option_size = None;
    /// `SO_SNDBUF` of accepted connections (socket(7)). Default: none, which leaves it to the kernel's tuning.
    send_buffer_bytes: Option<usize> as option_size = None;
    /// How many bytes of one connection's output the kernel keeps unsent before it takes no more (`TCP_NOTSENT_LOWAT`,
    /// tcp(7)): what a peer that reads nothing costs the kernel's memory, beside the peer's window. 1 KiB to 1 GiB.
    /// Default: 128 KiB; `none` leaves it to the kernel, which takes some megabytes.
    unsent_bytes_max: Option<usize> as option_size = Some(128 << 10);
    /// After how much silence the kernel probes a connection (`SO_KEEPALIVE`, `TCP_KEEPIDLE`), in whole seconds, at least
    /// 1 s; what is beyond whole seconds is cut off. Default: none.
    keepalive: Option<Duration> as plain = None;
    /// How many connections may be in TCP Fast Open's half-way state (`TCP_FASTOPEN`, tcp(7)). Default: none.
    fast_open: Option<NonZeroU32> as plain = None;
    /// Whether connections are delivered only with their first bytes, and for how long the kernel waits for those
    /// (`TCP_DEFER_ACCEPT`, tcp(7)), rounded up to whole seconds. Default: none.
    defer_accept: Option<Duration> as plain = None;
}

impl Config {
    /// The defaults with the process's `RINGLANE_…` variables on top.
    ///
    /// # Errors
    ///
    /// [`Error::Variable`] for a value that its knob cannot take, [`Error::VariableUnknown`] for a name that no knob
    /// has, [`Error::Config`] where values contradict each other.
    pub fn from_env() -> Result<Config, Error> {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            name.starts_with(PREFIX)
                .then(|| (name, value.to_string_lossy().into_owned()))
        });
        Config::from_variables(variables)
    }

    /// The defaults with these variables on top; names without the prefix `RINGLANE_` are passed over.
    ///
    /// ```
    /// use ringlane::{Config, Cores};
    /// let config = Config::from_variables([("RINGLANE_CORES", "0-1"), ("HOME", "/root")]).unwrap();
    /// assert_eq!(config.cores, Cores::List(vec![0, 1]));
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Config::from_env`].
    pub fn from_variables<N, V>(variables: impl IntoIterator<Item = (N, V)>) -> Result<Config, Error>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut config = Config::default();
        for (name, value) in variables {
            let (name, value) = (name.as_ref(), value.as_ref());
            let Some(knob) = name.strip_prefix(PREFIX) else {
                continue;
            };
            match config.set(&knob.to_ascii_lowercase(), value) {
                Ok(true) if knob.bytes().all(|byte| !byte.is_ascii_lowercase()) => {}
                Ok(_) => {
                    return Err(Error::VariableUnknown {
                        name: name.to_owned(),
                        nearest: nearest(knob),
                    });
                }
                Err(problem) => {
                    return Err(Error::Variable {
                        name: name.to_owned(),
                        value: value.to_owned(),
                        problem,
                    });
                }
            }
        }
        config.validate()?;
        Ok(config)
    }

    /// Checks the ranges that the knobs' documents state.
    pub(crate) fn validate(&self) -> Result<(), Error> {
        let pool_bytes = self.buffer_bytes;
        let checks = [
            (
                self.cores != Cores::List(Vec::new()),
                "cores is empty: name at least one core",
            ),
            (
                (1..=256).contains(&self.fields_max),
                "fields_max is out of range: choose 1 to 256",
            ),
            (
                self.head_bytes_max >= 256,
                "head_bytes_max is below 256B: choose a larger one",
            ),
            (
                self.head_bytes_max <= 1 << 20,
                "head_bytes_max is above 1MiB: choose a smaller one",
            ),
            (
                self.target_bytes_max >= 16 && self.target_bytes_max <= self.head_bytes_max,
                "target_bytes_max is out of range: choose 16B up to head_bytes_max",
            ),
            (
                pool_bytes.is_power_of_two() && (1 << 10..=64 << 10).contains(&pool_bytes),
                "buffer_bytes is out of range: choose a power of two from 1KiB to 64KiB",
            ),
            (
                (8..=32_768).contains(&self.buffers_max),
                "buffers_max is out of range: choose 8 to 32768",
            ),
            (
                (2..=4096).contains(&self.input_buffers_max) && self.input_buffers_max < self.buffers_max,
                "input_buffers_max is out of range: choose 2 to 4096, and less than buffers_max",
            ),
            (
                self.ring_entries.is_power_of_two() && (32..=32_768).contains(&self.ring_entries),
                "ring_entries is out of range: choose a power of two from 32 to 32768",
            ),
            (
                self.output_bytes_max >= 1 << 10,
                "output_bytes_max is below 1KiB: choose a larger one",
            ),
            (
                self.unsent_bytes_max
                    .is_none_or(|bytes| (1 << 10..=1 << 30).contains(&bytes)),
                "unsent_bytes_max is out of range: choose 1KiB to 1GiB, or none",
            ),
            (
                ![self.body_bytes_per_second_min, self.write_bytes_per_second_min].contains(&Some(0)),
                "a rate is zero: choose at least 1B, or none, for body_ and write_bytes_per_second_min",
            ),
            (
                self.keepalive.is_none_or(|time| time >= Duration::from_secs(1)),
                "keepalive is below 1s: choose at least 1s, or none",
            ),
            (
                self.linger.is_none_or(|time| time.subsec_nanos() == 0),
                "linger is not a number of whole seconds: choose one, or none",
            ),
            (
                (1..=i32::MAX as u32).contains(&self.backlog),
                "backlog is out of range: choose 1 to 2147483647",
            ),
            (
                self.ttl.is_none_or(|ttl| ttl.get() <= 255),
                "ttl is out of range: choose 1 to 255, or none",
            ),
            (
                self.drain_idle_timeout <= self.drain_timeout,
                "drain_idle_timeout is longer than drain_timeout: make it the shorter one",
            ),
            (
                [
                    self.head_timeout,
                    self.idle_timeout,
                    self.body_timeout,
                    self.write_timeout,
                    self.close_timeout,
                ]
                .iter()
                .all(|timeout| *timeout >= Duration::from_millis(1)),
                "a timeout is zero: choose at least 1ms for head_, idle_, body_, write_ and close_timeout",
            ),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            None => Ok(()),
            Some((_, problem)) => Err(Error::Config {
                problem: problem.to_owned(),
            }),
        }
    }
}

/// The variable whose name shares the longest beginning with the unknown one.
fn nearest(knob: &str) -> String {
    let knob = knob.to_ascii_lowercase();
    let shared = |name: &str| name.bytes().zip(knob.bytes()).take_while(|(a, b)| a == b).count();
    let name = Config::NAMES
        .iter()
        .max_by_key(|name| (shared(name), usize::MAX - name.len()))
        .unwrap_or(&"cores");
    format!("{PREFIX}{}", name.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_display_prints_the_environment_takes() {
        let mut config = Config::default();
        config.cores = Cores::List(vec![0, 2]);
        config.linger = Some(Duration::from_secs(15));
        config.defer_accept = Some(Duration::from_millis(1500));
        config.connections_max = NonZeroU32::new(7);
        config.send_buffer_bytes = Some(65_536);
        config.share_port = true;
        let line = config.to_string();
        let variables = line.split(' ').map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (format!("{PREFIX}{}", name.to_ascii_uppercase()), value.to_owned())
        });
        assert_eq!(Config::from_variables(variables).unwrap(), config);
        assert_eq!(line.split(' ').count(), Config::NAMES.len());
    }

    #[test]
    fn bad_values_are_named_with_their_cure() {
        for (name, value, part) in [
            ("RINGLANE_IDLE_TIMEOUT", "75", "not a duration"),
            ("RINGLANE_IDLE_TIMEOUT", "-1s", "not a duration"),
            ("RINGLANE_IDLE_TIMEOUT", "99999999999999999999s", "not a duration"),
            ("RINGLANE_IDLE_TIMEOUT", "0s", "a timeout is zero"),
            ("RINGLANE_CORES", "0-", "not a list of cores"),
            ("RINGLANE_CORES", "3-1", "not a list of cores"),
            ("RINGLANE_CORES", "1,1", "names a core twice"),
            ("RINGLANE_CORES", "", "not a list of cores"),
            ("RINGLANE_HEAD_BYTES_MAX", "16kb", "not a size"),
            ("RINGLANE_HEAD_BYTES_MAX", "99999999GiB", "above 1MiB"),
            ("RINGLANE_HEAD_BYTES_MAX", "99999999999999GiB", "not a size"),
            ("RINGLANE_TARGET_BYTES_MAX", "17KiB", "up to head_bytes_max"),
            ("RINGLANE_FIELDS_MAX", "0", "choose 1 to 256"),
            ("RINGLANE_CONNECTIONS_MAX", "0", "which is zero"),
            ("RINGLANE_NODELAY", "maybe", "write on or off"),
            ("RINGLANE_BUFFER_BYTES", "3KiB", "power of two"),
            ("RINGLANE_OUTPUT_BYTES_MAX", "0", "below 1KiB"),
            ("RINGLANE_KEEPALIVE", "500ms", "at least 1s"),
            ("RINGLANE_LINGER", "1500ms", "whole seconds"),
            ("RINGLANE_TTL", "256", "choose 1 to 255"),
            ("RINGLANE_IDEL_TIMEOUT", "1s", "did you mean RINGLANE_IDLE_TIMEOUT?"),
            ("RINGLANE_idle_timeout", "1s", "did you mean RINGLANE_IDLE_TIMEOUT?"),
            ("RINGLANE_DRAIN_IDLE_TIMEOUT", "31s", "make it the shorter one"),
            ("RINGLANE_BODY_BYTES_PER_SECOND_MIN", "0", "a rate is zero"),
            ("RINGLANE_WRITE_BYTES_PER_SECOND_MIN", "240B/s", "not a size"),
            ("RINGLANE_UNSENT_BYTES_MAX", "1", "choose 1KiB to 1GiB"),
        ] {
            let sentence = Config::from_variables([(name, value)]).unwrap_err().to_string();
            assert!(sentence.contains(part), "{name}={value}: {sentence}");
            assert!(!sentence.contains('\n'));
        }
    }
}
