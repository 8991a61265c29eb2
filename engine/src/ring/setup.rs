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
