//! What a client was sent and has not read. Pure: time is passed in, and whoever sends says what became of it.
//!
//! A client that does not read costs little and delays nobody: only so many messages wait for it, for so long; one message with
//! descriptors is under way at a time, which the client must answer; and news of changed settings are sent as it keeps up.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Messages a client may leave unread beyond what its socket buffer holds.
const UNREAD_LIMIT: usize = 64;
/// How long a client may read nothing while messages wait for it.
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
    /// Nobody will ever read it.
    Closed,
}

/// What waits for a client, and what it has not answered.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: VecDeque<Vec<u8>>,
    /// Until when the client may read nothing, if messages wait for it.
    unread_deadline: Option<Instant>,
    /// Descriptors were sent that are to be answered with `Mapped`.
    is_unmapped: bool,
    in_flight: Option<InFlight>,
    /// Descriptors found no room in the socket.
    want_room: bool,
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
                    self.unread_deadline = None;
                }
                Sent::NoRoom => {
                    self.unread_deadline.get_or_insert(now + UNREAD_TIMEOUT);
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
        self.unread_deadline = None;
    }

    /// Whether messages wait for the client to read.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Whether something waits for room in the socket.
    #[must_use]
    pub fn wants_room(&self) -> bool {
        self.is_blocked() || self.want_room
    }

    /// Until when the client must have read something.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.unread_deadline
    }

    /// Whether a message with descriptors can be sent: nothing waits, and the last one was answered.
    #[must_use]
    pub fn takes_descriptors(&self) -> bool {
        !self.is_blocked() && !self.is_unmapped
    }

    /// A message with so many descriptors is on its way.
    pub fn sent_descriptors(&mut self, now: Instant, count: usize, is_all_received: impl FnOnce() -> bool) {
        let count = self.in_flight(is_all_received) + count;
        self.in_flight = Some(InFlight { count, deadline: now + RECEIVE_TIMEOUT });
        self.is_unmapped = true;
    }

    /// Whether a message with descriptors has found no room in the socket.
    pub fn set_want_room(&mut self, want_room: bool) {
        self.want_room = want_room;
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
