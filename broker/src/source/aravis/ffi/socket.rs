//! The receive buffer of a GigE Vision stream.
//!
//! libaravis can size it only when the first frame arrives, which is then often lost: a camera sends a frame's packets in one
//! burst, and the kernel's default buffer holds about 90. It also offers no way to its socket. But it tells the port, and by
//! that the socket is found among this process' descriptors, before the camera sends.

use std::net::UdpSocket;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::path::Path;

use nix::sys::socket::sockopt::{RcvBuf, RcvBufForce, SockType};
use nix::sys::socket::{self, getsockopt, setsockopt};

use super::Stream;

/// Sizes the receive buffer; answers the size it has then, or `None` where the stream has no such socket.
///
/// Should another interface's socket have the same port, which can only be another camera's stream, it is sized as well.
pub(super) fn size_receive_buffer(stream: &Stream, bytes: usize) -> Option<usize> {
    let port = stream.port()?;
    sockets().filter_map(|descriptor| bound_to(descriptor, port)).filter_map(|socket| size(&socket, bytes)).min()
}

fn size(socket: &UdpSocket, bytes: usize) -> Option<usize> {
    // Beyond net.core.rmem_max only with CAP_NET_ADMIN.
    setsockopt(socket, RcvBufForce, &bytes).or_else(|_| setsockopt(socket, RcvBuf, &bytes)).ok()?;
    // The kernel doubles what is asked for, to have room for its own bookkeeping, and tells the double.
    getsockopt(socket, RcvBuf).ok().map(|doubled| doubled / 2)
}

/// The sockets this process has open now.
fn sockets() -> impl Iterator<Item = RawFd> {
    let entries = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    entries.filter(|entry| is_socket(&entry.path())).filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn is_socket(link: &Path) -> bool {
    std::fs::read_link(link).is_ok_and(|target| target.to_string_lossy().starts_with("socket:"))
}

/// A second descriptor of a socket, if it is a UDP socket bound to this port.
fn bound_to(descriptor: RawFd, port: u16) -> Option<UdpSocket> {
    // SAFETY: touches no memory, and makes a new descriptor (or fails) whatever number it is given: should another thread have
    // closed this one, or put something else in its place, the checks below are of what was duplicated.
    let copy = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 0) };
    if copy < 0 {
        return None;
    }
    // SAFETY: a descriptor that was just made, which nobody else knows.
    let copy = unsafe { OwnedFd::from_raw_fd(copy) };
    let is_datagram = getsockopt(&copy, SockType) == Ok(socket::SockType::Datagram);
    let socket = UdpSocket::from(copy);
    let is_bound = socket.local_addr().is_ok_and(|address| address.port() == port);
    (is_datagram && is_bound).then_some(socket)
}
