//! What a client was sent and has not read. Pure: time is passed in, and whoever sends says what became of it.
//!
//! A client that does not read costs little and delays nobody: only so many messages wait for it, for so long; one message with
//! descriptors is under way at a time, which the client must answer; and news of changed settings are sent as it keeps up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use framebroker_protocol::limits::SHORTAGE_PAUSE;

/// Messages a client may leave unread beyond what its socket buffer holds.
const UNREAD_LIMIT: usize = 64;
/// How long nothing may be sent to a client while messages wait for it: it reads nothing, or the kernel has no memory.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that has not received descriptors for this time may lose its session when others need its share of what all may
/// have in flight.
const RECEIVE_TIMEOUT: Duration = Duration::from_secs(5);
/// News of changed settings that may lie unread in a client's socket: whoever sets features as fast as it can must not drown it.
const UNREAD_CHANGES: usize = 16;

/// What became of a message that was to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way.
    Done,
    /// There is no room for it now.
    NoRoom,
    /// The kernel has no memory for it now.
    Short,
    /// Nobody will ever read it.
    Closed,
}

/// What the next message waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Room in the socket, of which the kernel tells.
    Room,
    /// Memory of the kernel's, for which one can only try again then.
    Memory { again: Instant },
}

impl Lack {
    /// The kernel had none now.
    pub fn memory(now: Instant) -> Self {
        Self::Memory { again: now + SHORTAGE_PAUSE }
    }
}

/// What waits for a client, and what it has not answered.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Vec<u8>>,
    /// Until when something must have been sent, if messages wait, also one with descriptors.
    unread_deadline: Option<Instant>,
    lack: Option<Lack>,
    /// Descriptors were sent that are to be answered with `Mapped`.
    is_unmapped: bool,
    in_flight: Option<InFlight>,
    /// News of changed settings that the client may not have received.
    unread_changes: usize,
}

/// Descriptors that the client may not have received.
#[derive(Debug, Clone, Copy)]
struct InFlight {
    count: usize,
    deadline: Instant,
}

impl Outbox {
    /// One more message. False where too many wait.
    #[must_use]
    pub fn push(&mut self, message: Vec<u8>) -> bool {
        let has_room = self.waiting.len() < UNREAD_LIMIT;
        if has_room {
            self.waiting.push_back(message);
        }
        has_room
    }

    /// Sends what waits, as far as the client reads. False where nobody will ever read it.
    #[must_use]
    pub fn flush(&mut self, now: Instant, mut send: impl FnMut(&[u8]) -> Sent) -> bool {
        while let Some(message) = self.waiting.front() {
            match send(message) {
                Sent::Done => {
                    self.waiting.pop_front();
                    (self.unread_deadline, self.lack) = (None, None);
                }
                Sent::NoRoom => {
                    self.wait_for(Lack::Room, now);
                    return true;
                }
                Sent::Short => {
                    self.wait_for(Lack::memory(now), now);
                    return true;
                }
                Sent::Closed => return false,
            }
        }
        true
    }

    /// What waits is not sent any more.
    pub fn clear(&mut self) {
        self.waiting.clear();
        (self.unread_deadline, self.lack) = (None, None);
    }

    /// Whether messages wait for the client to read.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// What the next message waits for, if one was tried.
    #[must_use]
    pub fn lack(&self) -> Option<Lack> {
        self.lack
    }

    /// Until when something must have been sent.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.unread_deadline
    }

    /// Whether a message with descriptors can be sent: nothing waits, and the last one was answered. Where one could not be sent
    /// before, nothing waits but what is tried from here on.
    #[must_use]
    pub fn takes_descriptors(&mut self) -> bool {
        if !self.is_blocked() {
            self.lack = None;
        }
        !self.is_blocked() && !self.is_unmapped
    }

    /// A message with so many descriptors is on its way.
    pub fn sent_descriptors(&mut self, now: Instant, count: usize, is_all_received: impl FnOnce() -> bool) {
        let count = self.in_flight(is_all_received) + count;
        self.in_flight = Some(InFlight { count, deadline: now + RECEIVE_TIMEOUT });
        self.is_unmapped = true;
    }

    /// The next message, perhaps one with descriptors, could not be sent: it will be tried again.
    pub fn wait_for(&mut self, lack: Lack, now: Instant) {
        self.lack = Some(lack);
        self.unread_deadline.get_or_insert(now + UNREAD_TIMEOUT);
    }

    /// All that could be sent has been tried.
    pub fn settle(&mut self) {
        if self.lack.is_none() {
            self.unread_deadline = None;
        }
    }

    /// The client says that it has mapped what it was sent. False if it was sent nothing.
    #[must_use]
    pub fn take_mapped(&mut self) -> bool {
        std::mem::take(&mut self.is_unmapped)
    }

    /// Descriptors that lie in the socket, whatever the client says.
    pub fn in_flight(&mut self, is_all_received: impl FnOnce() -> bool) -> usize {
        if self.in_flight.is_some() && is_all_received() {
            self.in_flight = None;
        }
        self.in_flight.map_or(0, |in_flight| in_flight.count)
    }

    /// Whether the client has had time enough to receive what lies in the socket.
    pub fn hoards_descriptors(&mut self, now: Instant, is_all_received: impl FnOnce() -> bool) -> bool {
        self.in_flight(is_all_received) > 0 && self.in_flight.is_some_and(|in_flight| now >= in_flight.deadline)
    }

    /// How many news of changed settings can be sent now.
    pub fn room_for_changes(&mut self, is_all_received: impl FnOnce() -> bool) -> usize {
        if self.is_blocked() {
            return 0;
        }
        if self.unread_changes > 0 && is_all_received() {
            self.unread_changes = 0;
        }
        UNREAD_CHANGES - self.unread_changes
    }

    /// One was sent.
    pub fn sent_change(&mut self) {
        self.unread_changes = (self.unread_changes + 1).min(UNREAD_CHANGES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_does_not_read_may_leave_so_much_unread_for_so_long() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        assert!(outbox.push(vec![0]) && outbox.flush(now, |_| Sent::NoRoom));
        assert!(outbox.flush(now + UNREAD_TIMEOUT, |_| Sent::NoRoom));
        assert_eq!((outbox.is_blocked(), outbox.deadline()), (true, Some(now + UNREAD_TIMEOUT)), "it began then");
        assert!((1..UNREAD_LIMIT).all(|_| outbox.push(vec![0])) && !outbox.push(vec![0]));
        let mut room = 1;
        let one = |_: &[u8]| if std::mem::take(&mut room) == 1 { Sent::Done } else { Sent::NoRoom };
        assert!(outbox.flush(now + UNREAD_TIMEOUT, one));
        assert_eq!(outbox.deadline(), Some(now + 2 * UNREAD_TIMEOUT), "it has read one");
        assert!(outbox.flush(now, |_| Sent::Done) && !outbox.is_blocked() && outbox.deadline().is_none());
        assert!(outbox.push(vec![0]) && !outbox.flush(now, |_| Sent::Closed));
    }

    /// Goal: a shortage of memory is waited out by the clock, as long as a client may read nothing and no longer.
    #[test]
    fn what_finds_no_memory_is_tried_again_after_a_pause() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        assert!(outbox.push(vec![0]) && outbox.flush(now, |_| Sent::Short));
        assert_eq!(outbox.lack(), Some(Lack::Memory { again: now + SHORTAGE_PAUSE }));
        assert!(outbox.flush(now + SHORTAGE_PAUSE, |_| Sent::NoRoom) && outbox.lack() == Some(Lack::Room));
        assert_eq!(outbox.deadline(), Some(now + UNREAD_TIMEOUT), "it began with the shortage");
        assert!(outbox.flush(now, |_| Sent::Done));
        assert_eq!((outbox.lack(), outbox.deadline()), (None, None));
    }

    /// Goal: a message with descriptors waits no longer than any other; one that is not tried again waits for nothing.
    #[test]
    fn descriptors_that_cannot_be_sent_have_a_deadline() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        for pause in [0, 1, 2] {
            assert!(outbox.takes_descriptors());
            outbox.wait_for(Lack::memory(now), now + pause * SHORTAGE_PAUSE);
            outbox.settle();
            assert_eq!(outbox.deadline(), Some(now + UNREAD_TIMEOUT), "it began then");
        }
        assert!(outbox.takes_descriptors());
        outbox.settle();
        assert_eq!((outbox.lack(), outbox.deadline()), (None, None));
    }

    #[test]
    fn messages_keep_their_order() {
        let (mut outbox, mut sent) = (Outbox::default(), Vec::new());
        assert!((0..5).all(|number| outbox.push(vec![number])));
        assert!(outbox.flush(Instant::now(), |message| {
            sent.extend_from_slice(message);
            if message == [2] && sent.len() == 3 { Sent::NoRoom } else { Sent::Done }
        }));
        assert!(outbox.flush(Instant::now(), |message| {
            sent.extend_from_slice(message);
            Sent::Done
        }));
        assert_eq!(sent, [0, 1, 2, 2, 3, 4]);
    }

    #[test]
    fn one_message_with_descriptors_is_under_way() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        assert!(outbox.takes_descriptors() && !outbox.take_mapped());
        outbox.sent_descriptors(now, 5, || true);
        assert!(!outbox.takes_descriptors());
        assert!(outbox.take_mapped() && outbox.takes_descriptors());
        // It says so and has received nothing.
        outbox.sent_descriptors(now, 3, || false);
        assert_eq!(outbox.in_flight(|| false), 8);
        assert!(
            !outbox.hoards_descriptors(now, || false) && outbox.hoards_descriptors(now + RECEIVE_TIMEOUT, || false)
        );
        assert!(!outbox.hoards_descriptors(now + RECEIVE_TIMEOUT, || true));
        assert_eq!(outbox.in_flight(|| false), 0, "what was received is not in flight again");
    }

    #[test]
    fn changes_are_sent_as_the_client_keeps_up() {
        let mut outbox = Outbox::default();
        assert_eq!(outbox.room_for_changes(|| false), UNREAD_CHANGES);
        (0..100).for_each(|_| outbox.sent_change());
        assert_eq!(outbox.room_for_changes(|| false), 0);
        assert_eq!(outbox.room_for_changes(|| true), UNREAD_CHANGES);
        assert!(outbox.push(vec![0]));
        assert_eq!(outbox.room_for_changes(|| true), 0, "something else waits");
    }
}
