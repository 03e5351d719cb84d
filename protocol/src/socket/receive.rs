//! One call of recvmsg, and every descriptor that came with it.
//!
//! The kernel installs as many descriptors as this process may open and says that some are missing (`MSG_CTRUNC`). Those that it
//! did install are open, and must be closed by somebody: so each is owned first, and judged afterwards. (nix, which refuses to
//! show the control messages of a truncated message, would leave them open for ever.)

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;

/// Descriptors that the kernel delivers with one message: there is room for all, so that none is installed unseen.
pub(super) const MOST_FDS: usize = 253;

/// Room for their control message, aligned as its header is.
pub(super) type Control = [u64; 256];
/// A header, the descriptors, and what aligns their end.
const _: () = assert!(size_of::<Control>() >= size_of::<libc::cmsghdr>() + MOST_FDS * size_of::<RawFd>() + 8);
const _: () = assert!(align_of::<Control>() >= align_of::<libc::cmsghdr>());

/// What one call has received.
#[derive(Debug)]
pub(super) struct Message {
    /// Bytes of the message that are in the buffer.
    pub(super) len: usize,
    /// The message was longer than the buffer.
    pub(super) is_too_long: bool,
    /// It carried more descriptors than could be opened.
    pub(super) lacks_fds: bool,
    /// Those that were.
    pub(super) fds: Vec<OwnedFd>,
}

/// Receives one message without waiting.
#[expect(unsafe_code, reason = "nix hides the descriptors of a truncated message")]
pub(super) fn receive(socket: BorrowedFd<'_>, bytes: &mut [u8], control: &mut Control) -> Result<Message, Errno> {
    let mut slice = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: a msghdr of zeros is one without buffers.
    let mut header: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_iov = &raw mut slice;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of::<Control>();
    let flags = libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    // SAFETY: the header names buffers of the sizes that it says, which outlive the call and are borrowed by nobody else.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, flags) };
    let len = usize::try_from(received).map_err(|_negative| Errno::last())?;
    Ok(Message {
        len,
        is_too_long: header.msg_flags & libc::MSG_TRUNC != 0,
        lacks_fds: header.msg_flags & libc::MSG_CTRUNC != 0,
        fds: own(&header),
    })
}

/// Every descriptor that the kernel has installed for the message that `header` was just filled for.
#[expect(unsafe_code, reason = "control messages are a list of C, and received descriptors come as bare numbers")]
fn own(header: &libc::msghdr) -> Vec<OwnedFd> {
    let mut fds = Vec::new();
    // SAFETY: the kernel has filled the header's control buffer, and says in it how far.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
    // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR return null or a whole message header within the buffer, aligned as `Control` is.
    while let Some(message) = unsafe { next.as_ref() } {
        if message.cmsg_level == libc::SOL_SOCKET && message.cmsg_type == libc::SCM_RIGHTS {
            // SAFETY: a computation on numbers.
            let before = unsafe { libc::CMSG_LEN(0) } as usize;
            // SAFETY: the data of a message header within the buffer lies behind it.
            let data = unsafe { libc::CMSG_DATA(message) }.cast::<RawFd>();
            for at in 0..message.cmsg_len.saturating_sub(before) / size_of::<RawFd>() {
                // SAFETY: `at` is within the length that the kernel has given the message.
                let place = unsafe { data.add(at) };
                // SAFETY: the kernel has written a number there; it need not be aligned.
                let fd = unsafe { place.read_unaligned() };
                // SAFETY: the kernel has just installed this descriptor for us, and nobody else knows its number.
                fds.push(unsafe { OwnedFd::from_raw_fd(fd) });
            }
        }
        // SAFETY: as for CMSG_FIRSTHDR; `message` is a header within the buffer.
        next = unsafe { libc::CMSG_NXTHDR(header, message) };
    }
    fds
}
