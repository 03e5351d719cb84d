//! memfds and their seals.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

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

/// A memfd of fixed size.
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
        let create = |source| ShmError::Create { bytes: len, source };
        let fd = memfd(name).map_err(create)?;
        // A memfd is born readable and writable for all: another user's process could re-open it through /proc.
        fchmod(&fd, Mode::S_IRUSR | Mode::S_IWUSR).map_err(create)?;
        let size = i64::try_from(len).map_err(|_too_large| create(Errno::EFBIG))?;
        ftruncate(&fd, size).map_err(create)?;
        let object = Self { fd, len };
        object.add_seals(SIZE_SEALS)?;
        Ok(object)
    }

    /// Wraps a descriptor received from a broker: `len` bytes must be there and must stay there.
    ///
    /// # Errors
    /// [`ShmError::Short`] and [`ShmError::Unsealed`] where a mapping could fault.
    pub fn received(fd: OwnedFd, len: usize) -> Result<Self, ShmError> {
        let stat = nix::sys::stat::fstat(&fd).map_err(|errno| ShmError::Map { bytes: len, source: errno.into() })?;
        let found = u64::try_from(stat.st_size).unwrap_or(0);
        if found < len as u64 {
            return Err(ShmError::Short { found, needed: len });
        }
        let object = Self { fd, len };
        object.require_seals(SIZE_SEALS)?;
        Ok(object)
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
        Mapping::writable(self.as_fd(), self.len)
    }

    /// Maps the object for reading.
    ///
    /// # Errors
    /// [`ShmError::Map`].
    pub fn map_read_only(&self) -> Result<Mapping, ShmError> {
        Mapping::read_only(self.as_fd(), self.len)
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

/// A memfd that can be sealed and, where the kernel knows how, never be made executable.
fn memfd(name: &str) -> Result<OwnedFd, Errno> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    match memfd_create(name, flags | MFdFlags::from_bits_retain(libc::MFD_NOEXEC_SEAL)) {
        // Linux before 6.3 knows no MFD_NOEXEC_SEAL.
        Err(Errno::EINVAL) => memfd_create(name, flags),
        result => result,
    }
}
