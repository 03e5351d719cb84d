//! A program whose system calls are looked at one by one, by seccomp: each waits until it is let through or is answered with an error.

use std::io::{PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use libc::{c_long, seccomp_notif, seccomp_notif_resp, sock_filter, sock_fprog};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::calls::Arguments;

/// Has `decide` look at these system calls of the program, by number and arguments, and say with which error each fails, if any. On
/// a thread of its own, until the program has ended.
#[expect(unsafe_code, reason = "a filter can only be installed between fork and exec")]
pub fn watch(
    command: &mut Command,
    calls: impl Iterator<Item = i64>,
    mut decide: impl FnMut(i64, &Arguments) -> Option<i32> + Send + 'static,
) {
    // It waits before its first call of these until somebody looks.
    let filter = filter(calls.chain([libc::SYS_execve]));
    let (told, tell) = std::io::pipe().unwrap();
    // SAFETY: in the child only system calls are made, on memory that was there before.
    unsafe {
        command.pre_exec(move || install(&filter, &tell));
    }
    std::thread::spawn(move || {
        if let Some(listener) = listener(told) {
            serve(&listener, |call, arguments| if call == libc::SYS_execve { None } else { decide(call, arguments) });
        }
    });
}

/// These calls are asked about, all others are let through.
fn filter(calls: impl Iterator<Item = i64>) -> Vec<sock_filter> {
    let statement = |code: u32, k: u32, jt: u8, jf: u8| sock_filter { code: u16::try_from(code).unwrap(), jt, jf, k };
    let give = |verdict| statement(libc::BPF_RET | libc::BPF_K, verdict, 0, 0);
    let mut filter = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for call in calls {
        filter.push(statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, u32::try_from(call).unwrap(), 0, 1));
        filter.push(give(libc::SECCOMP_RET_USER_NOTIF));
    }
    filter.push(give(libc::SECCOMP_RET_ALLOW));
    filter
}

/// In the child: says which process this is and where the listener will be, then has the kernel ask it.
#[expect(unsafe_code, reason = "seccomp has no safe interface")]
fn install(filter: &[sock_filter], tell: &impl AsRawFd) -> std::io::Result<()> {
    let len = u16::try_from(filter.len()).map_err(|_too_long| Errno::EINVAL)?;
    let program = sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    // SAFETY: a number is passed.
    let next = unsafe { libc::dup(0) };
    // SAFETY: the descriptor was just made, and nobody uses it. The listener gets its number.
    unsafe { libc::close(next) };
    let said = [std::process::id().cast_signed(), next];
    // SAFETY: the bytes outlive the call.
    unsafe { libc::write(tell.as_raw_fd(), said.as_ptr().cast(), size_of_val(&said)) };
    // SAFETY: numbers are passed.
    unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    let (mode, flags) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    // SAFETY: the program and its statements outlive the call.
    let made = unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program) };
    if made == c_long::from(next) { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Takes the listener out of the child, which waits to be looked at. None where the program was never started.
#[expect(unsafe_code, reason = "pidfd_getfd has no safe interface")]
fn listener(mut told: PipeReader) -> Option<OwnedFd> {
    let mut said = [0; 8];
    told.read_exact(&mut said).ok()?;
    let [pid, fd] = [0, 4].map(|at| i32::from_ne_bytes(said[at..at + 4].try_into().unwrap()));
    let deadline = Instant::now() + Duration::from_secs(20);
    // SAFETY: numbers are passed.
    let pidfd = own(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) }).unwrap();
    loop {
        // SAFETY: numbers are passed.
        match own(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) }) {
            Ok(listener) => return Some(listener),
            Err(errno) => assert!(errno == Errno::EBADF && Instant::now() < deadline, "no listener: {errno}"),
        }
        std::thread::yield_now();
    }
}

/// What a call has just made.
#[expect(unsafe_code, reason = "descriptors come as bare numbers")]
fn own(made: c_long) -> Result<OwnedFd, Errno> {
    let fd = i32::try_from(Errno::result(made)?).map_err(|_no_descriptor| Errno::EBADF)?;
    // SAFETY: the kernel has just installed it for us, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Answers what the kernel asks, until the program has ended.
#[expect(unsafe_code, reason = "the kernel asks by ioctl")]
fn serve(listener: &OwnedFd, mut decide: impl FnMut(i64, &Arguments) -> Option<i32>) {
    loop {
        let mut asked = [PollFd::new(listener.as_fd(), PollFlags::POLLIN)];
        if poll(&mut asked, PollTimeout::NONE).is_err() {
            continue;
        }
        if asked[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP)) {
            return;
        }
        // SAFETY: plain integers, for which zeros are values.
        let mut question: seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the kernel writes one such structure.
        let received = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut question) };
        if received != 0 {
            // Whoever asked has ended meanwhile.
            continue;
        }
        let error = decide(i64::from(question.data.nr), &question.data.args);
        let flags = if error.is_some() { 0 } else { u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap() };
        let mut answer = seccomp_notif_resp { id: question.id, val: 0, error: -error.unwrap_or(0), flags };
        // SAFETY: the kernel reads one such structure. Who has ended needs no answer.
        unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) };
    }
}
