//! What a producer's session has been given: its page, the segments it has mapped, and those it is still to map.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::message::Tell;
use framebroker_protocol::shm::{Mapped, SharedObject};
use framebroker_protocol::{Backing, ProducerPage, SegmentIndex, StreamId, stop_point};

use super::client::{Client, HandedOver};
use crate::factory::{Segment, WritableSegment};

/// How long a producer that comes may take to map what it was sent: until then the stream is of no use to anyone.
const FIRST_MAPPING_TIMEOUT: Duration = Duration::from_secs(5);
/// How long one that fills segments may take: it may wait for a trigger, and readers wait for the ring to grow.
const LATER_MAPPING_TIMEOUT: Duration = Duration::from_secs(30);

/// A segment, and the right to write it.
pub type Offer = (Arc<Segment>, WritableSegment);

/// What a producer's session has been given.
#[derive(Debug)]
pub struct Production {
    /// Which of the broker's streams it fills.
    stream: StreamId,
    page: Arc<Mapped<ProducerPage>>,
    /// The page's object and the request it answers, until it is sent.
    unsent: Option<(u32, SharedObject)>,
    /// Segments that were made for it and not sent yet.
    made: VecDeque<Offer>,
    /// What it was sent and has not mapped yet.
    offered: Offered,
    /// Until when it must have.
    deadline: Option<Instant>,
    /// Segments it has mapped.
    lent: BTreeMap<SegmentIndex, Backing>,
    /// What it fills is published.
    is_running: bool,
}

/// What a producer was sent to be mapped.
#[derive(Debug)]
pub enum Offered {
    /// Nothing.
    Nothing,
    /// Its page.
    Page(SharedObject),
    /// Segments.
    Segments(Vec<Offer>),
}

impl Production {
    /// A producer of a stream, whose page answers a request.
    pub fn new(stream: StreamId, page: Arc<Mapped<ProducerPage>>, object: SharedObject, request: u32) -> Self {
        Self {
            stream,
            page,
            unsent: Some((request, object)),
            made: VecDeque::new(),
            offered: Offered::Nothing,
            deadline: None,
            lent: BTreeMap::new(),
            is_running: false,
        }
    }

    /// The same producer with another page: its frames change. Its segments stay what they are.
    pub fn with_new_page(self, page: Arc<Mapped<ProducerPage>>, object: SharedObject, request: u32) -> Self {
        self.wake_grab_thread();
        Self { page, unsent: Some((request, object)), is_running: false, ..self }
    }

    /// Which stream it fills.
    pub fn stream(&self) -> StreamId {
        self.stream
    }

    /// Whether what it fills is published. One that waits for memory has broken no rule.
    pub fn is_running(&self) -> bool {
        self.is_running
    }

    /// What it fills is published from now on.
    pub fn start(&mut self) {
        self.is_running = true;
    }

    /// When it loses its session, if nothing happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The grab thread, which may wait for a frame of this producer, looks for commands.
    pub fn wake_grab_thread(&self) {
        self.page.call_broker();
    }

    /// A segment has been made, which this producer must map before the ring has it.
    pub fn take_segment(&mut self, segment: &Arc<Segment>, writable: WritableSegment) {
        self.made.push_back((Arc::clone(segment), writable));
    }

    /// Descriptors that the next message would have; nothing where there is nothing to be sent.
    pub fn ready(&self, segments_at_once: usize) -> usize {
        if self.unsent.is_some() { 1 } else { self.made.len().min(segments_at_once) }
    }

    /// Sends the page, or so many segments.
    pub fn send_next(&mut self, client: &mut Client, ready: usize) -> HandedOver {
        if let Some((request, object)) = self.unsent.take() {
            let sent = client.try_hand_over(request, Tell::Producing { stream: self.stream }, &[object.as_fd()]);
            if sent == HandedOver::Sent {
                self.offer(Offered::Page(object));
            } else {
                self.unsent = Some((request, object));
            }
            return sent;
        }
        let infos = self.made.iter().take(ready).map(|(segment, _)| segment.info()).collect();
        let fds: Vec<_> = self.made.iter().take(ready).filter_map(|(segment, _)| segment.descriptor()).collect();
        let sent = client.try_hand_over(0, Tell::SegmentsLent { segments: infos }, &fds);
        if sent == HandedOver::Sent {
            stop_point("lend.offered");
            let offers = self.made.drain(..ready).collect();
            self.offer(Offered::Segments(offers));
        }
        sent
    }

    fn offer(&mut self, offered: Offered) {
        self.offered = offered;
        let timeout = if self.is_running { LATER_MAPPING_TIMEOUT } else { FIRST_MAPPING_TIMEOUT };
        self.deadline = Some(Instant::now() + timeout);
    }

    /// It has mapped what it was sent.
    pub fn take_mapped(&mut self) -> Offered {
        self.deadline = None;
        std::mem::replace(&mut self.offered, Offered::Nothing)
    }

    /// It has mapped a segment that is sealed now, and may be lent it.
    pub fn lend(&mut self, segment: &Segment) {
        self.lent.insert(segment.index(), segment.backing());
    }

    /// A segment is not lent any more. Returns which object that was, if it was lent.
    pub fn withdraw(&mut self, index: SegmentIndex) -> Option<Backing> {
        self.lent.remove(&index)
    }

    /// Segments that were made for it, and that it has not mapped.
    pub fn unmapped(&self) -> impl Iterator<Item = SegmentIndex> {
        let offers = if let Offered::Segments(offers) = &self.offered { offers.as_slice() } else { &[] };
        self.made.iter().chain(offers).map(|(segment, _)| segment.index())
    }
}
