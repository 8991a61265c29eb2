//! The memory behind a pool: one anonymous mapping, reserved as a whole, resident only where it was used.

use std::io;
use std::ptr::{self, NonNull};

use crate::Error;

/// Miri knows plain anonymous mappings only; the flag changes accounting, not behaviour.
const NO_RESERVE: libc::c_int = if cfg!(miri) { 0 } else { libc::MAP_NORESERVE };

/// A mapping that this value alone owns, readable and writable, and zero until written to.
pub(crate) struct Region {
    /// Page-aligned; `bytes` from here are mapped for as long as this value exists.
    start: NonNull<u8>,
    /// A multiple of `page_bytes`, and at most `isize::MAX`, as the kernel maps no more than half the address space.
    bytes: usize,
    page_bytes: usize,
}

impl Region {
    /// Reserves `bytes`, which must not be zero, rounded up to whole pages.
    pub(crate) fn reserve(bytes: usize) -> Result<Region, Error> {
        debug_assert_ne!(bytes, 0);
        let page_bytes = page_bytes();
        let Some(rounded) = bytes.checked_next_multiple_of(page_bytes) else {
            return Err(Error::Reserve {
                bytes,
                source: io::Error::from_raw_os_error(libc::ENOMEM),
            });
        };
        // SAFETY: a new private mapping at an address of the kernel's choice replaces no existing one.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                rounded,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | NO_RESERVE,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(Error::Reserve {
                bytes: rounded,
                source: io::Error::last_os_error(),
            });
        }
        // Without MAP_FIXED the kernel never chooses address zero.
        let Some(start) = NonNull::new(start.cast::<u8>()) else {
            return Err(Error::Reserve {
                bytes: rounded,
                source: io::Error::from_raw_os_error(libc::EFAULT),
            });
        };
        let region = Region {
            start,
            bytes: rounded,
            page_bytes,
        };
        region.refuse_huge_pages();
        Ok(region)
    }

    /// The first byte; valid for `bytes()` of reads and writes while the region exists.
    #[inline]
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub(crate) fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// Gives the memory behind a range back to the system. It reads as zeros afterwards.
    ///
    /// # Errors
    ///
    /// What `madvise` says, for example where the process has locked its memory. The range is then unchanged.
    ///
    /// # Safety
    ///
    /// `offset` and `bytes` are multiples of the page size and lie within the region. No reference into the range
    /// exists, and nobody else (such as the kernel on our behalf) is writing to it.
    pub(crate) unsafe fn give_back(&self, offset: usize, bytes: usize) -> io::Result<()> {
        debug_assert!(offset.is_multiple_of(self.page_bytes) && bytes.is_multiple_of(self.page_bytes));
        debug_assert!(offset <= self.bytes && bytes <= self.bytes - offset);
        // SAFETY: the caller keeps the range within the mapping.
        let start = unsafe { self.start.add(offset) };
        if cfg!(miri) {
            // SAFETY: the range is mapped, and the caller vouches that nobody else looks at it.
            unsafe { start.write_bytes(0, bytes) };
            return Ok(());
        }
        // SAFETY: the range is part of our own mapping, and losing its contents surprises nobody, as the caller vouches.
        match unsafe { libc::madvise(start.as_ptr().cast(), bytes, libc::MADV_DONTNEED) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Keeps the first byte that is written to a buffer from making 2 MiB resident. A kernel without huge pages
    /// answers with an error, and has done what was asked.
    fn refuse_huge_pages(&self) {
        if !cfg!(miri) {
            // SAFETY: this advice about our own mapping changes how it is paged, never what it contains.
            unsafe { libc::madvise(self.start.as_ptr().cast(), self.bytes, libc::MADV_NOHUGEPAGE) };
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: `start` and `bytes` describe the mapping that `reserve` made, which nothing but this unmaps; who
        // hands out addresses in it keeps the region alive for as long as they are used (see `buffers::shared`).
        let answer = unsafe { libc::munmap(self.start.as_ptr().cast(), self.bytes) };
        debug_assert_eq!(answer, 0, "{}", io::Error::last_os_error());
    }
}

/// The system's page size. Where it does not say, the largest in use: rounding too far is harmless.
fn page_bytes() -> usize {
    // SAFETY: `sysconf` takes no pointers; an unknown name is answered with -1.
    let answer = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(answer)
        .ok()
        .filter(|bytes| bytes.is_power_of_two())
        .unwrap_or(64 * 1024)
}

/// How many pages of the region are in memory. For tests.
#[cfg(all(test, not(miri)))]
pub(crate) fn resident_pages(region: &Region) -> usize {
    let mut pages = vec![0_u8; region.bytes / region.page_bytes];
    // SAFETY: the range is exactly our mapping, and the table has one byte for each of its pages.
    let answer = unsafe { libc::mincore(region.start.as_ptr().cast(), region.bytes, pages.as_mut_ptr()) };
    assert_eq!(answer, 0, "{}", io::Error::last_os_error());
    pages.iter().filter(|&&page| page & 1 == 1).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_zero_before_use_and_after_giving_it_back() {
        let page = page_bytes();
        let region = Region::reserve(4 * page).expect("four pages");
        // SAFETY: the region is mapped and zeroed, and this slice's life ends before the region is touched otherwise.
        let memory = unsafe { std::slice::from_raw_parts_mut(region.start().as_ptr(), region.bytes()) };
        assert!(memory.iter().all(|&byte| byte == 0));
        memory.fill(7);

        // SAFETY: two whole pages within the region; `memory` is not used again.
        unsafe { region.give_back(page, 2 * page) }.expect("memory is not locked");

        // SAFETY: as above; nobody writes while this slice is read.
        let memory = unsafe { std::slice::from_raw_parts(region.start().as_ptr(), region.bytes()) };
        assert!(memory[..page].iter().all(|&byte| byte == 7));
        assert!(memory[page..3 * page].iter().all(|&byte| byte == 0));
        assert!(memory[3 * page..].iter().all(|&byte| byte == 7));
    }

    #[test]
    #[cfg(not(miri))]
    fn only_used_pages_are_resident() {
        let page = page_bytes();
        let region = Region::reserve(4096 * page).expect("4096 pages of address space");
        assert_eq!(resident_pages(&region), 0);
        // SAFETY: the first bytes of the mapping, which nobody else refers to.
        unsafe { region.start().write_bytes(1, 10) };
        assert_eq!(resident_pages(&region), 1);
        // SAFETY: the first page of the mapping, which nobody else refers to.
        unsafe { region.give_back(0, page) }.expect("memory is not locked");
        assert_eq!(resident_pages(&region), 0);
    }

    #[test]
    fn a_size_is_rounded_up_to_pages() {
        let region = Region::reserve(1).expect("one page");
        assert_eq!(region.bytes(), region.page_bytes());
    }

    #[test]
    fn too_much_is_an_error() {
        assert!(matches!(
            Region::reserve(usize::MAX),
            Err(Error::Reserve { bytes: usize::MAX, .. })
        ));
        if !cfg!(miri) {
            assert!(matches!(
                Region::reserve(isize::MAX as usize),
                Err(Error::Reserve { .. })
            ));
        }
    }
}
