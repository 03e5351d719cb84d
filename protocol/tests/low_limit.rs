//! A process that may hardly open files, alone in this test's process.
#![allow(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::os::fd::AsFd;

use framebroker_protocol::socket::{Buffer, Channel, ChannelError};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Goal: descriptors of a message of which only some can be opened are closed. Method: a message of 60, where 40 can be.
#[test]
fn descriptors_that_fit_under_the_limit_are_closed_with_their_message() {
    let (ours, theirs) = Channel::pair().unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    let mut buffer = Buffer::default();
    let before = open_files();
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    for _ in 0..10 {
        theirs.try_send(&[1], &[file.as_fd(); 60]).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, before as u64 + 40, most).unwrap();
        let received = ours.try_receive(&mut buffer);
        assert!(matches!(received, Err(ChannelError::TooManyFds)), "{received:?}");
        setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
        assert_eq!(open_files(), before);
    }
    theirs.try_send(&[2], &[file.as_fd(); 60]).unwrap();
    assert_eq!(ours.try_receive(&mut buffer).unwrap().fds.len(), 60, "and all come where they can");
}
