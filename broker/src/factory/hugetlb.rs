//! Segments in sealed memfds of huge pages: fewer entries of the processor's address cache for large frames.
//!
//! Huge pages are set aside by the machine's owner; there are none by default, and a segment takes whole ones.

use std::path::{Path, PathBuf};

use framebroker_protocol::shm::{HugePage, SharedObject, ShmError};
use nix::errno::Errno;

use super::{BufferFactory, FactoryError, Memory, Registry, Request, Sharing};

/// Sealed memfds of huge pages.
#[derive(Debug)]
pub struct HugeTlb {
    registry: Registry,
    page: HugePage,
}

impl HugeTlb {
    /// A factory with this registry, of pages of this size.
    #[must_use]
    pub fn new(registry: Registry, page: HugePage) -> Self {
        Self { registry, page }
    }

    /// What is missing for so many segments of so many pages each, where more were wanted than there are.
    fn shortage(&self, segments: usize, pages_each: usize, state: Pages) -> FactoryError {
        let needed = segments.saturating_mul(pages_each);
        let total = state.set + needed.saturating_sub(state.available);
        let (page, setting) = (label(self.page), setting(self.page));
        FactoryError::HugePages { segments, needed, available: state.available, total, page, setting }
    }

    fn pages(&self) -> Result<Pages, FactoryError> {
        let (page, other) = match self.page {
            HugePage::Mega2 => (HugePage::Mega2, "1G"),
            HugePage::Giga1 => (HugePage::Giga1, "2M"),
        };
        Pages::read(&directory(page)).ok_or(FactoryError::NoHugePages { page: label(page), other })
    }
}

impl BufferFactory for HugeTlb {
    fn name(&self) -> &'static str {
        "hugetlb"
    }

    fn sharing(&self) -> Sharing {
        Sharing::Sealed
    }

    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn page_bytes(&self) -> usize {
        self.page.bytes()
    }

    fn foresee(&self, segments: usize, bytes: usize) -> Result<(), FactoryError> {
        let (state, pages_each) = (self.pages()?, bytes.div_ceil(self.page.bytes()));
        if segments.saturating_mul(pages_each) <= state.available {
            return Ok(());
        }
        Err(self.shortage(segments, pages_each, state))
    }

    fn create(&self, request: &Request) -> Result<Memory, FactoryError> {
        let name = format!("framebroker-segment-{}", request.index);
        let made = SharedObject::create_huge(&name, request.bytes, self.page).map_err(FactoryError::from);
        // Mapping reserves the pages: here they are missing, if they are.
        made.and_then(|object| Memory::of(object, request)).map_err(|error| {
            if is_shortage(&error) {
                let state = self.pages().unwrap_or_default();
                self.shortage(1, request.bytes / self.page.bytes(), state)
            } else {
                error
            }
        })
    }
}

fn is_shortage(error: &FactoryError) -> bool {
    match error {
        FactoryError::Memory(ShmError::Create { source, .. }) => matches!(source, Errno::ENOMEM | Errno::ENOSPC),
        FactoryError::Memory(ShmError::Map { source, .. }) => source.raw_os_error() == Some(libc::ENOMEM),
        _ => false,
    }
}

/// The kernel's huge pages of one size.
#[derive(Debug, Clone, Copy, Default)]
struct Pages {
    /// Set aside.
    set: usize,
    /// Neither used nor promised to anyone, or to be had beyond those set aside.
    available: usize,
}

impl Pages {
    fn read(directory: &Path) -> Option<Self> {
        let number = |name: &str| std::fs::read_to_string(directory.join(name)).ok()?.trim().parse::<usize>().ok();
        let set = number("nr_hugepages")?;
        let free = number("free_hugepages")?.saturating_sub(number("resv_hugepages")?);
        let surplus = number("nr_overcommit_hugepages")?.saturating_sub(number("surplus_hugepages")?);
        Some(Self { set, available: free + surplus })
    }
}

fn label(page: HugePage) -> &'static str {
    match page {
        HugePage::Mega2 => "2 MiB",
        HugePage::Giga1 => "1 GiB",
    }
}

fn directory(page: HugePage) -> PathBuf {
    PathBuf::from(format!("/sys/kernel/mm/hugepages/hugepages-{}kB", page.bytes() >> 10))
}

/// Where the machine's owner sets how many there are: the well-known place serves the default size only.
fn setting(page: HugePage) -> String {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let default = info.lines().find_map(|line| line.strip_prefix("Hugepagesize:")?.trim().strip_suffix("kB"));
    let is_default = default.and_then(|kilobytes| kilobytes.trim().parse().ok()) == Some(page.bytes() >> 10);
    if is_default {
        "/proc/sys/vm/nr_hugepages".to_owned()
    } else {
        directory(page).join("nr_hugepages").display().to_string()
    }
}
