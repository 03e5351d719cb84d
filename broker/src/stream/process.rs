//! A client's process: how it is told from all others, and from later ones of its number.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use framebroker_protocol::{ClientId, ClientName};
use nix::errno::Errno;
use nix::sys::statfs::{FsType, fstatfs};

/// A client's process, as far as it can be watched.
#[derive(Debug)]
pub struct Process {
    /// Its session.
    pub client: ClientId,
    /// What it calls itself.
    pub name: ClientName,
    /// Its user.
    pub uid: u32,
    /// Its number; 0 where it has none in the broker's PID namespace.
    pub pid: i32,
    /// Which it is.
    pub key: ProcessKey,
    /// Readable once it has ended.
    pub pidfd: Option<OwnedFd>,
}

/// Tells a process from all others that there are, were or will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProcessKey {
    /// By the inode of its pidfd (Linux 6.9 or newer).
    Inode(u64),
    /// By its number, and when it started, in ticks since the machine did.
    Started { pid: i32, ticks: u64 },
    /// Nothing is known of it but its session, as of one in another PID namespace where the kernel is older.
    Session(ClientId),
}

/// The file system of pidfds that have inodes of their own; before, all had the same.
const PIDFS: FsType = FsType(0x5049_4446);

impl ProcessKey {
    /// Of the process that opened this session.
    #[must_use]
    pub fn of(session: ClientId, pid: i32, pidfd: Option<&OwnedFd>) -> Self {
        let by_inode = pidfd.and_then(|pidfd| inode(pidfd.as_fd())).map(Self::Inode);
        by_inode.or_else(|| Self::by_start(pid)).unwrap_or(Self::Session(session))
    }

    fn by_start(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, in brackets, may hold anything. Behind it come the third field and those that follow; the start is the 22nd.
        let (_, fields) = stat.rsplit_once(") ")?;
        let ticks = fields.split(' ').nth(19)?.parse().ok()?;
        Some(Self::Started { pid, ticks })
    }
}

fn inode(pidfd: BorrowedFd<'_>) -> Option<u64> {
    let is_own = fstatfs(pidfd).is_ok_and(|found| found.filesystem_type() == PIDFS);
    nix::sys::stat::fstat(pidfd).ok().filter(|_| is_own).map(|found| found.st_ino)
}

/// A descriptor that becomes readable when the process ends that opened this connection, whose number is `pid`.
///
/// # Errors
/// `ESRCH` where the process is gone already; else what the kernel says.
pub fn pidfd_of_peer(socket: BorrowedFd<'_>, pid: i32) -> Result<OwnedFd, Errno> {
    match peer_pidfd(socket) {
        Ok(pidfd) => Ok(pidfd),
        Err(errno @ (Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM)) => Err(errno),
        // Linux before 6.5 does not know it; before 6.16 not of a process that has ended.
        Err(_) => pidfd_of(pid),
    }
}

/// The kernel has kept which process it was: also one in another PID namespace, and none that has got its number since.
#[expect(unsafe_code, reason = "SO_PEERPIDFD has no safe interface in nix")]
fn peer_pidfd(socket: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    let mut fd: i32 = -1;
    let mut bytes = libc::socklen_t::try_from(size_of_val(&fd)).map_err(|_too_many| Errno::EINVAL)?;
    // SAFETY: both pointers are to values that outlive the call, and `bytes` is the size of the first.
    let asked = unsafe {
        libc::getsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PEERPIDFD, (&raw mut fd).cast(), &raw mut bytes)
    };
    Errno::result(asked)?;
    // SAFETY: the kernel has just installed this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A descriptor that becomes readable when the process of this number ends.
///
/// # Errors
/// As [`pidfd_of_peer`].
#[expect(unsafe_code, reason = "pidfd_open has no safe interface in nix")]
pub fn pidfd_of(pid: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: the call takes two numbers and touches no memory of ours.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = Errno::result(fd).and_then(|fd| i32::try_from(fd).map_err(|_no_descriptor| Errno::EBADF))?;
    // SAFETY: the kernel has just installed this descriptor for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a process has one key, and no other has it. Method: this process, from two descriptors and by its start, and two of a
    /// program that ends at once, one after the other.
    #[test]
    fn a_key_is_of_one_process() {
        let client = ClientId(1);
        let own_pid = std::process::id().cast_signed();
        let own = || ProcessKey::of(client, own_pid, Some(&pidfd_of(own_pid).unwrap()));
        let others = [(); 2].map(|()| {
            let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
            let pid = child.id().cast_signed();
            let keys = (ProcessKey::of(client, pid, Some(&pidfd_of(pid).unwrap())), ProcessKey::by_start(pid));
            child.kill().unwrap();
            child.wait().unwrap();
            keys
        });
        assert_eq!(own(), own());
        assert!(others[0].0 != others[1].0 && others.iter().all(|(key, _)| *key != own()));
        let own_start = ProcessKey::by_start(own_pid);
        assert!(own_start.is_some() && own_start == ProcessKey::by_start(own_pid));
        assert!(others.iter().all(|(_, started)| started.is_some() && *started != own_start));
    }

    #[test]
    fn nothing_is_known_of_a_process_that_cannot_be_seen() {
        assert_eq!(ProcessKey::of(ClientId(5), 0, None), ProcessKey::Session(ClientId(5)));
    }
}
