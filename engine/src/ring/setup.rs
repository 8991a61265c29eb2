//! Setting up a core's io_uring: the flags, the kernel floor, and the features that are used where they exist.

use io_uring::{IoUring, Probe, opcode};

use crate::error::Error;

/// The operations without which nothing works; all exist since Linux 6.0.
const OPERATIONS: [(u8, &str); 7] = [
    (opcode::AcceptMulti::CODE, "accept"),
    (opcode::RecvMulti::CODE, "receive"),
    (opcode::Send::CODE, "send"),
    (opcode::SendMsg::CODE, "sendmsg"),
    (opcode::AsyncCancel::CODE, "cancel"),
    (opcode::Close::CODE, "close"),
    (opcode::PollAdd::CODE, "poll"),
];

/// Finds out whether a ring can be made at all.
pub(crate) fn check(entries: u32) -> Result<(), Error> {
    setup(entries).map(drop)
}

/// Makes a ring for the calling thread, which alone may use it from then on.
///
/// - `SINGLE_ISSUER` and `DEFER_TASKRUN` (6.1, which is the floor): completions are worked off when the core enters the
///   kernel anyway, never by interrupting it.
/// - `TASKRUN_FLAG`: the ring's memory tells that deferred work waits.
/// - `SUBMIT_ALL`: one bad operation does not hold back those behind it.
/// - `NO_SQARRAY` (6.6): one indirection less, where the kernel has it.
pub(super) fn setup(entries: u32) -> Result<IoUring, Error> {
    let floor = || {
        let mut builder = IoUring::builder();
        builder
            .dontfork()
            .setup_clamp()
            .setup_cqsize(entries.saturating_mul(4))
            .setup_submit_all()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_taskrun_flag();
        builder
    };
    let ring = match floor().setup_no_sqarray().build(entries) {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => floor().build(entries),
        other => other,
    }
    .map_err(Error::ring("setting up io_uring"))?;
    check_operations(&ring)?;
    Ok(ring)
}

/// Refuses a kernel, or a seccomp-like restriction, that lacks an operation.
fn check_operations(ring: &IoUring) -> Result<(), Error> {
    let mut probe = Probe::new();
    ring.submitter()
        .register_probe(&mut probe)
        .map_err(Error::ring("asking io_uring for its operations"))?;
    match OPERATIONS.iter().find(|(code, _)| !probe.is_supported(*code)) {
        None => Ok(()),
        Some(_) => Err(Error::Ring {
            step: "looking for the accept, receive, send, cancel, close and poll operations of io_uring",
            source: std::io::Error::from_raw_os_error(libc::EINVAL),
        }),
    }
}

/// The first kernel whose bundles are used: with a bound on what is received at a time, and after what was mended in them
/// since they came with 6.10.
const BUNDLES_SINCE: (u32, u32) = (6, 18);

/// Whether one completion of a multishot receive may cover several buffers, as far as a bound says.
pub(super) fn has_bundles(ring: &IoUring) -> bool {
    ring.params().is_feature_recvsend_bundle()
        && std::fs::read_to_string("/proc/sys/kernel/osrelease")
            .is_ok_and(|release| version(&release).is_some_and(|version| version >= BUNDLES_SINCE))
}

/// The first two numbers of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|byte: char| !byte.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_compare_by_number() {
        for (release, expected) in [
            ("6.18.44-fc-v595\n", Some((6, 18))),
            ("6.9.0", Some((6, 9))),
            ("7.0-rc1", Some((7, 0))),
            ("10.2", Some((10, 2))),
            ("6", None),
            ("linux", None),
            ("", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
        assert!((6, 9) < BUNDLES_SINCE && (7, 0) > BUNDLES_SINCE);
    }
}
