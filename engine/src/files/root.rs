//! The directory that is served, and opening what lies in it: the kernel sees to it that nothing else is opened.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::Symlinks;

/// How often an open is tried again that the kernel gave up because something was renamed meanwhile (openat2(2)).
const TRIES: usize = 8;

/// A directory, as a descriptor that only leads to what lies below it (`O_PATH`).
#[derive(Clone)]
pub(super) struct Root {
    /// Shared with the thread of the blocking pool that opens a file.
    descriptor: Arc<OwnedFd>,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    File(File),
    Directory,
    /// A FIFO, a socket, a device.
    Other,
}

/// A regular file, open for reading.
#[derive(Debug)]
pub(super) struct File {
    pub(super) descriptor: OwnedFd,
    /// In bytes, when it was opened.
    pub(super) size: u64,
    /// When it was modified, in seconds since 1970.
    pub(super) modified: i64,
}

impl Root {
    /// Opens the root, and sees whether the kernel lets files be opened below it.
    pub(super) fn open(path: &Path) -> io::Result<Root> {
        let name = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: the name is a string that ends with NUL; the call keeps nothing of it.
        let number = unsafe { libc::open(name.as_ptr(), libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC) };
        let root = Root {
            descriptor: Arc::new(owned(number)?),
        };
        open_below(&root.descriptor, c".", resolve(Symlinks::Refused))?;
        Ok(root)
    }

    /// Opens what lies at a path below the root; an empty path is the root itself.
    ///
    /// First from what the kernel has in memory, on the core's own thread. Only where that does not do, where the kernel would
    /// read from a disk or wait for a lock, does a thread of the blocking pool open it (`RESOLVE_CACHED`, openat2(2)).
    pub(super) async fn find(&self, path: &[u8], symlinks: Symlinks) -> io::Result<Found> {
        let path = CString::new(if path.is_empty() { b"." } else { path })?;
        let resolve = resolve(symlinks);
        match open_below(&self.descriptor, &path, resolve | libc::RESOLVE_CACHED) {
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            found => return found,
        }
        let root = Arc::clone(&self.descriptor);
        let done = off_the_core(move || {
            let open = || open_below(&root, &path, resolve);
            let again = |found: &io::Result<Found>| {
                let error = found.as_ref().err().and_then(io::Error::raw_os_error);
                error == Some(libc::EAGAIN)
            };
            let mut found = open();
            for _ in 1..TRIES {
                if !again(&found) {
                    break;
                }
                found = open();
            }
            found
        });
        done.await.unwrap_or_else(|| Err(io::ErrorKind::Interrupted.into()))
    }
}

/// How openat2(2) is to go along a path.
fn resolve(symlinks: Symlinks) -> u64 {
    let always = libc::RESOLVE_BENEATH | libc::RESOLVE_NO_MAGICLINKS;
    match symlinks {
        Symlinks::Refused => always | libc::RESOLVE_NO_SYMLINKS,
        Symlinks::WithinRoot => always,
    }
}

/// Opens for reading and looks what it is. A FIFO is not waited for, and a terminal does not become the process's own.
fn open_below(root: &OwnedFd, path: &CStr, resolve: u64) -> io::Result<Found> {
    // SAFETY: all zeros is a valid open_how, that of a plain open.
    let mut how: libc::open_how = unsafe { MaybeUninit::zeroed().assume_init() };
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOCTTY;
    how.flags = flags as u64;
    how.resolve = resolve;
    // SAFETY: the descriptor is open as long as it is borrowed; path and `how` live through the call, which keeps neither,
    // and the size is that of `how`.
    let number = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            root.as_raw_fd(),
            path.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    };
    look_at(owned(number as i32)?)
}

fn look_at(descriptor: OwnedFd) -> io::Result<Found> {
    let mut stat = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the descriptor is open, and `stat` is large enough for what is written into it.
    if unsafe { libc::fstat(descriptor.as_raw_fd(), stat.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fstat(2) succeeded and has filled it.
    let stat = unsafe { stat.assume_init() };
    Ok(match stat.st_mode & libc::S_IFMT {
        libc::S_IFREG => Found::File(File {
            descriptor,
            size: stat.st_size.unsigned_abs(),
            modified: stat.st_mtime,
        }),
        libc::S_IFDIR => Found::Directory,
        _ => Found::Other,
    })
}

/// A descriptor out of the result of an open.
fn owned(number: i32) -> io::Result<OwnedFd> {
    if number < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the open that returned this number succeeded, and nobody else has the descriptor.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Runs something that may block in the executor's pool. What it returns is dropped where nobody waits for it any more:
/// glommio itself would forget it, descriptors included.
async fn off_the_core<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let done = Arc::new(Mutex::new(None));
    let place = Arc::clone(&done);
    let job = move || {
        let result = work();
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    };
    glommio::executor().spawn_blocking(job).await;
    done.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// Reads from a file what the kernel has in memory; none where it would have to wait for a disk. No bytes at the file's end.
///
/// # Errors
///
/// What preadv2(2) says; `Unsupported` where the file system cannot tell.
pub(super) fn read_cached(file: BorrowedFd<'_>, at: u64, count: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::<u8>::with_capacity(count);
    let place = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: count,
    };
    let at = i64::try_from(at).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is open as long as it is borrowed, and `place` is `count` bytes of `bytes`' memory.
    let read = unsafe { libc::preadv2(file.as_raw_fd(), &raw const place, 1, at, libc::RWF_NOWAIT) };
    match usize::try_from(read) {
        Ok(read) => {
            debug_assert!(read <= count);
            // SAFETY: the kernel has written that many bytes from the beginning on, within the capacity.
            unsafe { bytes.set_len(read) };
            Ok(Some(bytes))
        }
        Err(_) => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::EAGAIN) => Ok(None),
            error => Err(error),
        },
    }
}
