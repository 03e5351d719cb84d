//! The system calls that can fail for want of something, and how each does.
//!
//! Left out is what cannot be refused for that (`write` to an eventfd), or whose refusal no program can mend: `close` (the descriptor is gone whatever it says), `munmap`, and memory for the allocator, without which Rust
//! ends the process.

use libc::{
    EAGAIN, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC, EPOLL_CTL_ADD, F_DUPFD_CLOEXEC, MADV_DONTFORK,
    MADV_POPULATE_READ, MADV_POPULATE_WRITE, MAP_ANONYMOUS, MAP_STACK, SO_PEERPIDFD,
};

/// The arguments of a call.
pub type Arguments = [u64; 6];

/// A system call, and what it lacks.
#[derive(Debug)]
pub struct Call {
    pub name: &'static str,
    pub number: i64,
    /// What it may say.
    pub errors: &'static [i32],
    /// Whether it may do so with these arguments.
    pub may_fail: fn(&Arguments) -> bool,
}

const DESCRIPTORS: &[i32] = &[EMFILE, ENFILE, ENOMEM];

/// All of them.
pub const CALLS: &[Call] = &[
    call("accept4", libc::SYS_accept4, &[EMFILE, ENFILE, ENOMEM, ENOBUFS, EINTR]),
    call("clock_nanosleep", libc::SYS_clock_nanosleep, &[EINTR]),
    call("clone", libc::SYS_clone, &[EAGAIN, ENOMEM]),
    call("clone3", libc::SYS_clone3, &[EAGAIN, ENOMEM]),
    call("connect", libc::SYS_connect, &[EAGAIN, EINTR]),
    call("epoll_create1", libc::SYS_epoll_create1, DESCRIPTORS),
    with("epoll_ctl", libc::SYS_epoll_ctl, &[ENOMEM, ENOSPC], |arguments| arguments[1] == EPOLL_CTL_ADD as u64),
    call("epoll_wait", libc::SYS_epoll_wait, &[EINTR]),
    call("eventfd2", libc::SYS_eventfd2, DESCRIPTORS),
    with("fcntl", libc::SYS_fcntl, DESCRIPTORS, |arguments| arguments[1] == F_DUPFD_CLOEXEC as u64),
    call("ftruncate", libc::SYS_ftruncate, &[ENOSPC, ENOMEM, EINTR]),
    with("futex", libc::SYS_futex, &[EAGAIN, EINTR], |arguments| matches!(arguments[1] & 0x7f, 0 | 9)),
    with("getsockopt", libc::SYS_getsockopt, DESCRIPTORS, |arguments| arguments[2] == SO_PEERPIDFD as u64),
    with("madvise", libc::SYS_madvise, &[ENOMEM, EAGAIN, EINTR], |arguments| {
        [MADV_POPULATE_READ, MADV_POPULATE_WRITE, MADV_DONTFORK]
            .iter()
            .any(|advice| i64::try_from(arguments[2]) == Ok(i64::from(*advice)))
    }),
    call("memfd_create", libc::SYS_memfd_create, DESCRIPTORS),
    with("mmap", libc::SYS_mmap, &[ENOMEM, EAGAIN], |arguments| {
        // A file, or the stack of a thread. All else is the allocator's, or for Rust's own handling of a stack that is full.
        arguments[3] & MAP_ANONYMOUS as u64 == 0 || arguments[3] & MAP_STACK as u64 != 0 && arguments[2] == 0
    }),
    call("openat", libc::SYS_openat, &[EMFILE, ENFILE, ENOMEM, EINTR]),
    call("pidfd_open", libc::SYS_pidfd_open, DESCRIPTORS),
    call("poll", libc::SYS_poll, &[EINTR, ENOMEM, EAGAIN]),
    call("ppoll", libc::SYS_ppoll, &[EINTR, ENOMEM, EAGAIN]),
    with("read", libc::SYS_read, &[EAGAIN, EINTR, ENOMEM], is_no_stream),
    call("recvmsg", libc::SYS_recvmsg, &[EAGAIN, EINTR, ENOMEM, ENOBUFS]),
    call("sendmsg", libc::SYS_sendmsg, &[EAGAIN, EINTR, ENOMEM, ENOBUFS]),
    call("setsockopt", libc::SYS_setsockopt, &[ENOMEM, ENOBUFS]),
    call("socket", libc::SYS_socket, &[EMFILE, ENFILE, ENOMEM, ENOBUFS]),
    call("socketpair", libc::SYS_socketpair, DESCRIPTORS),
    call("timerfd_create", libc::SYS_timerfd_create, DESCRIPTORS),
];

const fn call(name: &'static str, number: i64, errors: &'static [i32]) -> Call {
    with(name, number, errors, |_| true)
}

const fn with(name: &'static str, number: i64, errors: &'static [i32], may_fail: fn(&Arguments) -> bool) -> Call {
    Call { name, number, errors, may_fail }
}

/// By its standard streams a program of the tests is told what to do, and says what went wrong.
fn is_no_stream(arguments: &Arguments) -> bool {
    arguments[0] > 2
}

/// The name of an error.
pub fn name_of(error: i32) -> &'static str {
    match error {
        EAGAIN => "EAGAIN",
        EINTR => "EINTR",
        EMFILE => "EMFILE",
        ENFILE => "ENFILE",
        ENOBUFS => "ENOBUFS",
        ENOMEM => "ENOMEM",
        ENOSPC => "ENOSPC",
        _ => "another",
    }
}
