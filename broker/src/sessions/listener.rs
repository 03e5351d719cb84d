//! The listening socket: where it lies, who else may have it, and how a dead broker's is told from a living one's.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use framebroker_protocol::address::{SYSTEM_SOCKET, candidates, private_directory};
use framebroker_protocol::socket::Channel;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, accept4, bind, getsockopt, listen, socket, sockopt,
};

use super::access::Peer;

/// Bytes of a socket's path, without its final zero.
const LONGEST_PATH: usize = 107;

/// Bytes of a lock file: a process ID.
const LONGEST_LOCK: u64 = 10;

/// Groups that a user is in, mostly; more are asked for again.
const USUAL_GROUPS: usize = 64;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 64;

/// The broker cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("a broker is already running on {path}, pid {pid}; use --socket PATH for a second one")]
    Taken { path: PathBuf, pid: String },
    /// The directory is not safe to put a socket into.
    #[error("{path} must be a directory of this user's own with mode 0700, no link; remove it or use --socket PATH")]
    Unsafe { path: PathBuf },
    #[error("cannot {what} {path}: {source}; use --socket PATH for another place")]
    File { what: &'static str, path: PathBuf, source: std::io::Error },
    /// Something that is not a socket lies there; it is not ours to remove.
    #[error("{path} exists and is no socket, so it is left alone; use --socket PATH for another place")]
    Occupied { path: PathBuf },
    /// Where the lock would be lies a file with something else in it.
    #[error("{path} is no lock of a broker's, so it is left alone; use --socket PATH for another place")]
    NoLock { path: PathBuf },
    /// The kernel has no room for such a path.
    #[error(
        "{path} is too long for a socket, whose path has at most {LONGEST_PATH} bytes; use --socket PATH for a shorter one"
    )]
    TooLong { path: PathBuf },
    /// There is no place for the socket.
    #[error("cannot listen on {path}: there is no such directory; create it, or use --socket PATH for another place")]
    NoDirectory { path: PathBuf },
    #[error("cannot listen on {path}: {source}")]
    Socket { path: PathBuf, source: Errno },
}

/// A connection, and who made it.
#[derive(Debug)]
pub struct Accepted {
    pub channel: Channel,
    pub peer: Peer,
    /// Its supplementary groups.
    pub groups: Vec<u32>,
}

/// A listening socket; its files go when it is dropped.
#[derive(Debug)]
pub struct Listener {
    socket: OwnedFd,
    path: PathBuf,
    /// Locked while the broker lives; the kernel lets go of it whatever way the broker ends.
    _lock: Flock<File>,
}

impl Listener {
    /// Listens on `given`, or on the first usable place of the documented list. With `shared`, users other than the
    /// broker's may connect.
    ///
    /// # Errors
    /// Says what is in the way.
    pub fn open(given: Option<&Path>, shared: bool) -> Result<Self, ListenError> {
        let path = place(given, shared)?;
        if path.parent().is_some_and(|directory| !directory.as_os_str().is_empty() && !directory.is_dir()) {
            return Err(ListenError::NoDirectory { path });
        }
        let failed = |source| ListenError::Socket { path: path.clone(), source };
        let address = match UnixAddr::new(&path) {
            Err(Errno::ENAMETOOLONG) => return Err(ListenError::TooLong { path }),
            address => address.map_err(failed)?,
        };
        // Before the lock file is made beside it, too.
        check_replaceable(&path)?;
        let lock = lock(&path)?;
        remove_old(&path)?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Unix, SockType::SeqPacket, flags, None).map_err(failed)?;
        bind(socket.as_raw_fd(), &address).map_err(failed)?;
        // Who may talk to the broker is decided by `Access`; the mode only has to let them knock.
        let mode = if shared { 0o666 } else { 0o600 };
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).map_err(|source| ListenError::File {
            what: "set the mode of",
            path: path.clone(),
            source,
        })?;
        listen(&socket, Backlog::new(BACKLOG).map_err(failed)?).map_err(failed)?;
        Ok(Self { socket, path, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A connection that waits, and who made it.
    ///
    /// # Errors
    /// `EAGAIN` when none waits; else what the kernel says.
    pub fn accept(&self) -> Result<Accepted, Errno> {
        let fd = accept4(self.socket.as_raw_fd(), SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK)?;
        let fd = own(fd);
        let credentials = getsockopt(&fd, sockopt::PeerCredentials)?;
        let groups = groups_of(fd.as_fd())?;
        let peer = Peer { pid: credentials.pid(), uid: credentials.uid(), gid: credentials.gid() };
        Ok(Accepted { channel: Channel::from(fd), peer, groups })
    }
}

/// The supplementary groups of whoever made a connection, as they were then.
#[expect(unsafe_code, reason = "SO_PEERGROUPS has no safe interface in nix")]
fn groups_of(socket: BorrowedFd<'_>) -> Result<Vec<u32>, Errno> {
    let mut groups: Vec<libc::gid_t> = vec![0; USUAL_GROUPS];
    loop {
        let mut bytes = libc::socklen_t::try_from(size_of_val(&*groups)).map_err(|_too_many| Errno::ERANGE)?;
        // SAFETY: both pointers are to values that outlive the call, and `bytes` says how long the list is.
        let asked = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERGROUPS,
                groups.as_mut_ptr().cast(),
                &raw mut bytes,
            )
        };
        let needed = bytes as usize / size_of::<libc::gid_t>();
        match Errno::result(asked) {
            Ok(_) => {
                groups.truncate(needed);
                return Ok(groups);
            }
            // The kernel has said how many there are.
            Err(Errno::ERANGE) if needed > groups.len() => groups.resize(needed, 0),
            Err(errno) => return Err(errno),
        }
    }
}

#[expect(unsafe_code, reason = "accepted descriptors come as bare numbers")]
fn own(fd: i32) -> OwnedFd {
    // SAFETY: accept4 has just installed this descriptor for us, and nobody else knows its number.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The lock file stays: removing it would let two brokers lock two files of one name.
        let _gone_already = std::fs::remove_file(&self.path);
    }
}

/// Chooses the path and makes its directory.
fn place(given: Option<&Path>, shared: bool) -> Result<PathBuf, ListenError> {
    let candidates = candidates(given);
    if let [only] = candidates.as_slice() {
        return Ok(only.clone());
    }
    let serves_machine = shared || nix::unistd::geteuid().is_root();
    for path in candidates {
        if path == Path::new(SYSTEM_SOCKET) {
            if serves_machine && make_directory(&path, 0o711).is_ok() {
                return Ok(path);
            }
        } else if path.starts_with(private_directory()) {
            make_directory(&path, 0o700)?;
            check_private(&private_directory())?;
            return Ok(path);
        } else if !shared {
            return Ok(path);
        }
    }
    Ok(private_directory().join("broker.sock"))
}

fn make_directory(socket: &Path, mode: u32) -> Result<(), ListenError> {
    let Some(directory) = socket.parent() else { return Ok(()) };
    let made = DirBuilder::new().mode(mode).create(directory);
    match made {
        Err(source) if source.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(ListenError::File { what: "make the directory", path: directory.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// In a directory that anyone may write to, someone else may have been there first.
fn check_private(directory: &Path) -> Result<(), ListenError> {
    let metadata = std::fs::symlink_metadata(directory);
    let good = metadata.is_ok_and(|found| {
        found.is_dir() && found.uid() == nix::unistd::geteuid().as_raw() && found.mode() & 0o077 == 0
    });
    if good { Ok(()) } else { Err(ListenError::Unsafe { path: directory.to_owned() }) }
}

/// Only a socket may be replaced: a path that was mistyped can name any file of the user's.
fn check_replaceable(path: &Path) -> Result<(), ListenError> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => Err(ListenError::Occupied { path: path.to_owned() }),
        Ok(_) => Ok(()),
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(ListenError::File { what: "look at", path: path.to_owned(), source }),
    }
}

/// Removes the socket of a broker that is dead, as is whoever had it: the lock is ours.
fn remove_old(path: &Path) -> Result<(), ListenError> {
    check_replaceable(path)?;
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(ListenError::File { what: "remove the old", path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

fn lock(socket: &Path) -> Result<Flock<File>, ListenError> {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let failed = |what: &'static str| {
        let path = path.clone();
        move |source| ListenError::File { what, path, source }
    };
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)
        .map_err(failed("open"))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            if !is_lock(&mut lock) {
                return Err(ListenError::NoLock { path });
            }
            lock.set_len(0).map_err(failed("write"))?;
            lock.rewind().map_err(failed("write"))?;
            write!(lock, "{}", std::process::id()).map_err(failed("write"))?;
            Ok(lock)
        }
        Err((file, Errno::EWOULDBLOCK)) => Err(ListenError::Taken { path: socket.to_owned(), pid: owner(file) }),
        Err((_, errno)) => Err(failed("lock")(errno.into())),
    }
}

/// Whether a file has nothing in it but what a broker writes: it is written over.
fn is_lock(file: &mut File) -> bool {
    let mut text = String::new();
    let read = file.take(LONGEST_LOCK + 1).read_to_string(&mut text);
    read.is_ok() && text.len() as u64 <= LONGEST_LOCK && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The process ID in a lock file. A broker that has just taken the lock writes it a moment later: until then it is that of one
/// which is dead, or none.
fn owner(mut file: File) -> String {
    for _ in 0..20 {
        let mut pid = String::new();
        let read = file.rewind().and_then(|()| file.read_to_string(&mut pid));
        if read.is_ok() && !pid.is_empty() && Path::new("/proc").join(&pid).exists() {
            return pid;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    "unknown".to_owned()
}
