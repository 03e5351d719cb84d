//! Shared-memory objects: memfds and their seals, and files without.

use std::fs::OpenOptions;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::ftruncate;

use super::{Mapping, ShmError};

/// Set at creation: the object keeps its size, so that no mapping of it can ever fault.
const SIZE_SEALS: i32 = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW;
/// Set once the writer has its mapping: no new writable mapping, no write, and no further change of seals.
const WRITE_SEALS: i32 = libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_SEAL;

/// A size of huge pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HugePage {
    /// 2 MiB.
    Mega2,
    /// 1 GiB.
    Giga1,
}

impl HugePage {
    /// Bytes of a page.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Mega2 => 1 << 21,
            Self::Giga1 => 1 << 30,
        }
    }

    fn flags(self) -> MFdFlags {
        let size = match self {
            Self::Mega2 => libc::MFD_HUGE_2MB,
            Self::Giga1 => libc::MFD_HUGE_1GB,
        };
        MFdFlags::from_bits_retain(libc::MFD_HUGETLB | size)
    }
}

/// An object of fixed size, and one of its descriptors: a memfd, or a file whose size only its owner's care keeps.
#[derive(Debug)]
pub struct SharedObject {
    fd: OwnedFd,
    len: usize,
}

impl SharedObject {
    /// Creates an object of `len` zero bytes. `name` shows in `/proc/PID/maps`.
    ///
    /// # Errors
    /// [`ShmError::Create`] or [`ShmError::Seal`].
    pub fn create(name: &str, len: usize) -> Result<Self, ShmError> {
        Self::create_with(name, len, MFdFlags::empty())
    }

    /// As [`Self::create`], of huge pages; `len` is a multiple of their size.
    ///
    /// # Errors
    /// [`ShmError::Create`] or [`ShmError::Seal`].
    pub fn create_huge(name: &str, len: usize, page: HugePage) -> Result<Self, ShmError> {
        Self::create_with(name, len, page.flags())
    }

    fn create_with(name: &str, len: usize, flags: MFdFlags) -> Result<Self, ShmError> {
        let create = |source| ShmError::Create { bytes: len, source };
        let fd = memfd(name, flags).map_err(create)?;
        // A memfd is born readable and writable for all: another user's process could re-open it through /proc.
        fchmod(&fd, Mode::S_IRUSR | Mode::S_IWUSR).map_err(create)?;
        let size = i64::try_from(len).map_err(|_too_large| create(Errno::EFBIG))?;
        uninterrupted(|| ftruncate(&fd, size)).map_err(create)?;
        let object = Self { fd, len };
        object.add_seals(SIZE_SEALS)?;
        Ok(object)
    }

    /// Wraps a descriptor received from a broker: `len` bytes must be there and must stay there.
    ///
    /// # Errors
    /// [`ShmError::Short`] and [`ShmError::Unsealed`] where a mapping could fault.
    pub fn received(fd: OwnedFd, len: usize) -> Result<Self, ShmError> {
        let object = Self::unsealed(fd, len)?;
        object.require_seals(SIZE_SEALS)?;
        Ok(object)
    }

    /// Wraps a file of at least `len` bytes that has no seals: anyone who may write it can write it, and where it is
    /// made smaller, touching it is fatal.
    ///
    /// # Errors
    /// [`ShmError::Short`].
    pub fn unsealed(fd: OwnedFd, len: usize) -> Result<Self, ShmError> {
        let stat = nix::sys::stat::fstat(&fd).map_err(|errno| ShmError::Map { bytes: len, source: errno.into() })?;
        let found = u64::try_from(stat.st_size).unwrap_or(0);
        if found < len as u64 { Err(ShmError::Short { found, needed: len }) } else { Ok(Self { fd, len }) }
    }

    /// Opens for reading what a broker of this user named: a regular file of this user's of at least `len` bytes. As
    /// little protects it as [`Self::unsealed`].
    ///
    /// # Errors
    /// [`ShmError::Open`], [`ShmError::Short`].
    pub fn open(path: &Path, len: usize) -> Result<Self, ShmError> {
        let failed = |source| ShmError::Open { path: path.to_owned(), source };
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?;
        if !found.is_file() || found.uid() != nix::unistd::geteuid().as_raw() {
            return Err(failed(std::io::Error::other("it is not a file of this user's own")));
        }
        Self::unsealed(file.into(), len)
    }

    /// Bytes of the object.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no object is empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Closes every route by which anyone could still write the object, but for mappings that exist.
    ///
    /// # Errors
    /// [`ShmError::Seal`]; [`ShmError::Unsealed`] where the kernel did not keep a seal.
    pub fn seal(&self) -> Result<(), ShmError> {
        self.add_seals(WRITE_SEALS)?;
        self.require_seals(SIZE_SEALS | WRITE_SEALS)
    }

    /// Maps the object for its writer; only possible before [`Self::seal`].
    ///
    /// # Errors
    /// [`ShmError::Map`].
    pub fn map_writable(&self) -> Result<Mapping, ShmError> {
        self.map_writable_at(1)
    }

    /// As [`Self::map_writable`], at a multiple of `align` bytes, a power of two.
    ///
    /// # Errors
    /// [`ShmError::Map`].
    pub fn map_writable_at(&self, align: usize) -> Result<Mapping, ShmError> {
        Mapping::writable(self.as_fd(), self.len, align)
    }

    /// Maps the object for reading.
    ///
    /// # Errors
    /// [`ShmError::Map`].
    pub fn map_read_only(&self) -> Result<Mapping, ShmError> {
        self.map_read_only_at(1)
    }

    /// As [`Self::map_read_only`], at a multiple of `align` bytes, a power of two.
    ///
    /// # Errors
    /// [`ShmError::Map`].
    pub fn map_read_only_at(&self, align: usize) -> Result<Mapping, ShmError> {
        Mapping::read_only(self.as_fd(), self.len, align)
    }

    fn add_seals(&self, seals: i32) -> Result<(), ShmError> {
        let seals = SealFlag::from_bits_retain(seals);
        fcntl(&self.fd, FcntlArg::F_ADD_SEALS(seals)).map_err(|source| ShmError::Seal { source })?;
        Ok(())
    }

    fn require_seals(&self, needed: i32) -> Result<(), ShmError> {
        let found = fcntl(&self.fd, FcntlArg::F_GET_SEALS).map_err(|source| ShmError::Seal { source })?;
        if found & needed == needed { Ok(()) } else { Err(ShmError::Unsealed { found, needed }) }
    }
}

impl AsFd for SharedObject {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Calls again after a signal.
fn uninterrupted<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            done => return done,
        }
    }
}

/// A memfd that can be sealed and, where the kernel knows how, never be made executable.
fn memfd(name: &str, kind: MFdFlags) -> Result<OwnedFd, Errno> {
    let flags = kind | MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    match memfd_create(name, flags | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL)) {
        // Linux before 6.3 knows no MFD_NOEXEC_SEAL.
        Err(Errno::EINVAL) => memfd_create(name, flags),
        result => result,
    }
}
