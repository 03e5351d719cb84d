//! A SEQPACKET socket that carries messages and descriptors.

mod receive;

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, Shutdown, SockFlag, SockType, UnixAddr, connect, sendmsg, shutdown,
    socket, socketpair,
};

use self::receive::{Control, Message, receive};
use crate::limits::{MESSAGE_BYTES, MESSAGE_FDS};

/// One end of a connection.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// A message as it came.
#[derive(Debug)]
pub struct Received<'a> {
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its descriptors.
    pub fds: Vec<OwnedFd>,
}

/// A message cannot be sent or received.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other end is gone.
    #[error("the connection is closed")]
    Closed,
    /// Nothing to read, or no room to write, at the moment: the socket becomes ready.
    #[error("the connection is not ready")]
    WouldBlock,
    /// The kernel lacks memory for it at the moment. Whether the socket is ready says nothing of that: try again after
    /// [`SHORTAGE_PAUSE`](crate::limits::SHORTAGE_PAUSE).
    #[error("the kernel is short of memory")]
    Short,
    /// Longer than allowed.
    #[error("a message is longer than {MESSAGE_BYTES} bytes")]
    TooLong,
    /// More descriptors than allowed, or than this process may open.
    #[error("a message carries more than {MESSAGE_FDS} descriptors, or more than this process may open (ulimit -n)")]
    TooManyFds,
    /// The kernel refused.
    #[error("the connection failed: {0}")]
    Failed(#[source] Errno),
}

impl Channel {
    /// Connects to a listening socket.
    ///
    /// # Errors
    /// The kernel's error: no such file, nobody listens, no permission.
    pub fn connect(path: &Path) -> Result<Self, Errno> {
        let fd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
        let address = UnixAddr::new(path)?;
        loop {
            match connect(fd.as_raw_fd(), &address) {
                // On a Unix socket nothing has been done by then.
                Err(Errno::EINTR) => {}
                connected => return connected.map(|()| Self(fd)),
            }
        }
    }

    /// Two connected ends.
    ///
    /// # Errors
    /// The kernel's error, above all too many open files.
    pub fn pair() -> Result<(Self, Self), Errno> {
        let (a, b) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?;
        Ok((Self(a), Self(b)))
    }

    /// Sends one message without waiting.
    ///
    /// # Errors
    /// [`ChannelError`]; after [`ChannelError::WouldBlock`] and [`ChannelError::Short`] nothing was sent.
    pub fn try_send(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), ChannelError> {
        self.send_with(bytes, fds, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL)
    }

    /// Sends one message, waiting for room.
    ///
    /// # Errors
    /// [`ChannelError`].
    pub fn send(&self, bytes: &[u8]) -> Result<(), ChannelError> {
        self.send_with(bytes, &[], MsgFlags::MSG_NOSIGNAL)
    }

    /// Sends nothing more: the peer reads what was sent, then the end.
    pub fn end_output(&self) {
        // A peer that is gone needs no end.
        let _gone = shutdown(self.0.as_raw_fd(), Shutdown::Write);
    }

    /// Whether the peer has received all that was sent.
    #[must_use]
    #[expect(unsafe_code, reason = "the ioctl has no safe interface")]
    pub fn is_all_received(&self) -> bool {
        let mut unreceived: libc::c_int = 0;
        // SAFETY: SIOCOUTQ (under its older name) writes one int, which outlives the call.
        let asked = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCOUTQ, &raw mut unreceived) };
        asked == 0 && unreceived == 0
    }

    fn send_with(&self, bytes: &[u8], fds: &[BorrowedFd<'_>], flags: MsgFlags) -> Result<(), ChannelError> {
        let raw: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control = if raw.is_empty() { &[][..] } else { &rights[..] };
        loop {
            match sendmsg::<UnixAddr>(self.0.as_raw_fd(), &[IoSlice::new(bytes)], control, flags, None) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(ChannelError::WouldBlock),
                Err(Errno::ENOBUFS | Errno::ENOMEM) => return Err(ChannelError::Short),
                Err(Errno::EPIPE | Errno::ECONNRESET) => return Err(ChannelError::Closed),
                Err(Errno::EMSGSIZE) => return Err(ChannelError::TooLong),
                Err(errno) => return Err(ChannelError::Failed(errno)),
            }
        }
    }

    /// Receives one message into `buffer` without waiting.
    ///
    /// # Errors
    /// [`ChannelError`]; after [`ChannelError::WouldBlock`] and [`ChannelError::Short`] nothing was taken.
    pub fn try_receive<'a>(&self, buffer: &'a mut Buffer) -> Result<Received<'a>, ChannelError> {
        let Message { len, is_too_long, lacks_fds, fds } = loop {
            match receive(self.as_fd(), &mut buffer.bytes, &mut buffer.control) {
                Ok(message) => break message,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Err(ChannelError::WouldBlock),
                Err(Errno::ENOBUFS | Errno::ENOMEM) => return Err(ChannelError::Short),
                Err(Errno::ECONNRESET) => return Err(ChannelError::Closed),
                Err(errno) => return Err(ChannelError::Failed(errno)),
            }
        };
        if is_too_long {
            return Err(ChannelError::TooLong);
        }
        if lacks_fds || fds.len() > MESSAGE_FDS {
            return Err(ChannelError::TooManyFds);
        }
        // No message of ours is empty, so an empty one is the end.
        if len == 0 {
            return Err(ChannelError::Closed);
        }
        Ok(Received { bytes: buffer.bytes.get(..len).unwrap_or_default(), fds })
    }
}

/// Room for one message, to be used again and again.
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    /// For descriptors.
    control: Box<Control>,
}

impl Default for Buffer {
    fn default() -> Self {
        Self { bytes: vec![0; MESSAGE_BYTES].into_boxed_slice(), control: Box::new([0; 256]) }
    }
}

impl From<OwnedFd> for Channel {
    fn from(fd: OwnedFd) -> Self {
        Self(fd)
    }
}

impl From<Channel> for OwnedFd {
    fn from(channel: Channel) -> Self {
        channel.0
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::receive::MOST_FDS;
    use super::*;

    fn open_files() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    #[test]
    fn descriptors_beyond_the_limit_are_closed() {
        let (ours, theirs) = Channel::pair().unwrap();
        let (file, mut buffer) = (std::fs::File::open("/dev/null").unwrap(), Buffer::default());
        let before = open_files();
        for count in [MESSAGE_FDS + 1, MOST_FDS] {
            theirs.try_send(&[1], &vec![file.as_fd(); count]).unwrap();
            assert!(!theirs.is_all_received());
            assert!(matches!(ours.try_receive(&mut buffer), Err(ChannelError::TooManyFds)));
            assert!(theirs.is_all_received());
        }
        // Other tests of this process open a few files meanwhile.
        assert!(open_files() < before + MESSAGE_FDS);
    }
}
