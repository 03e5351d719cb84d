//! The way in for tests/fuzz: connections to a broker that is made up.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;

thread_local! {
    static MADE_UP: RefCell<VecDeque<OwnedFd>> = const { RefCell::new(VecDeque::new()) };
}

/// The next connection of this thread is this one.
pub fn connect_to(broker: OwnedFd) {
    MADE_UP.with_borrow_mut(|connections| connections.push_back(broker));
}

/// Takes it, if there is one.
pub fn connection() -> Option<OwnedFd> {
    MADE_UP.with_borrow_mut(VecDeque::pop_front)
}
