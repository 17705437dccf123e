//! Which pages there are to run on.
//!
//! The EAL cannot be asked twice: once its memory failed, this process will not start it. So what
//! the system gives is found out before, by taking one page and giving it back.

use std::{fmt, fs, ptr};

use crate::Error;

/// Which memory the EAL shall use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Memory {
    /// Huge pages when enough of them are free, else ordinary ones.
    #[default]
    Auto,
    /// Huge pages, or no start.
    Huge,
    /// Ordinary pages.
    Ordinary,
}

/// Which memory the EAL runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Huge pages; the largest that were free at start.
    Huge {
        /// Size of one.
        page_kib: u64,
        /// How many of them were free at start.
        free: u64,
    },
    /// Ordinary pages, of which the EAL took this much address space at start.
    Ordinary {
        /// All that pools and rings will ever have.
        reserved_mib: u32,
    },
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Huge { page_kib, free } => write!(f, "{free} huge pages of {page_kib} KiB"),
            Self::Ordinary { reserved_mib } => write!(f, "{reserved_mib} MiB in ordinary pages"),
        }
    }
}

/// Huge pages of one size.
#[derive(Clone, Copy, Debug)]
struct Free {
    page_kib: u64,
    count: u64,
}

/// Decides on the pages: `need_mib` of huge ones must be free for them to be chosen.
pub(crate) fn choose(memory: Memory, need_mib: u32) -> Result<Pages, Error> {
    let ordinary = Pages::Ordinary {
        reserved_mib: need_mib,
    };
    if memory == Memory::Ordinary {
        return Ok(ordinary);
    }
    let free: Vec<Free> = free_pages()
        .into_iter()
        .filter(|size| obtainable(size.page_kib))
        .collect();
    let free_mib = free
        .iter()
        .map(|size| size.page_kib.saturating_mul(size.count) / 1024)
        .sum();
    let need_mib = u64::from(need_mib);
    match free.iter().max_by_key(|size| size.page_kib) {
        Some(largest) if free_mib >= need_mib => Ok(Pages::Huge {
            page_kib: largest.page_kib,
            free: largest.count,
        }),
        _ if memory == Memory::Auto => Ok(ordinary),
        _ => Err(Error::HugePages { need_mib, free_mib }),
    }
}

/// The sizes of which pages are free.
fn free_pages() -> Vec<Free> {
    let Ok(sizes) = fs::read_dir("/sys/kernel/mm/hugepages") else {
        return Vec::new();
    };
    sizes
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let page_kib = name
                .strip_prefix("hugepages-")?
                .strip_suffix("kB")?
                .parse()
                .ok()?;
            let count = fs::read_to_string(entry.path().join("free_hugepages")).ok()?;
            let count = count.trim().parse().ok()?;
            (count > 0).then_some(Free { page_kib, count })
        })
        .collect()
}

/// Whether this process may have such a page: a container's limit shows only when it is touched.
fn obtainable(page_kib: u64) -> bool {
    let Some(octets) = page_kib
        .checked_mul(1024)
        .and_then(|n| usize::try_from(n).ok())
    else {
        return false;
    };
    let Ok(exponent) = i32::try_from(octets.trailing_zeros()) else {
        return false;
    };
    let flags = libc::MAP_PRIVATE
        | libc::MAP_ANONYMOUS
        | libc::MAP_HUGETLB
        | exponent << libc::MAP_HUGE_SHIFT;
    // SAFETY: Maps fresh memory wherever the system likes.
    let page = unsafe {
        libc::mmap(
            ptr::null_mut(),
            octets,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            -1,
            0,
        )
    };
    if page == libc::MAP_FAILED {
        return false;
    }
    // Unlike touching it, this fails where the page cannot be had.
    // SAFETY: The range is the mapping made above.
    let answer = unsafe { libc::madvise(page, octets, libc::MADV_POPULATE_WRITE) };
    // A system before Linux 5.14 does not know the question.
    let obtained =
        answer == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL);
    // SAFETY: The range is the mapping made above, which nothing refers to.
    unsafe { libc::munmap(page, octets) };
    obtained
}
