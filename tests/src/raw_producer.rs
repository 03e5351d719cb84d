//! A producer without the client library: for what a well-behaved one never does.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use framebroker_protocol::message::{Ask, Produce, Roles, Tell};
use framebroker_protocol::ring::{Filler, Lend, Taker};
use framebroker_protocol::shm::{Mapped, Mapping, SharedObject};
use framebroker_protocol::{FrameHeader, FrameInfo, PixelFormat, ProducerPage, SegmentIndex, Text};

use crate::raw::Heard;
use crate::{Broker, PATIENCE, Raw, wait_for};

/// Width of its frames.
pub const WIDTH: u32 = 64;
/// Height of its frames.
pub const HEIGHT: u32 = 48;

/// A producer of the stream `cam0`. Dropping it closes its socket.
#[derive(Debug)]
pub struct RawProducer {
    /// Its connection.
    pub raw: Raw,
    /// Gives segments back.
    pub filler: Filler,
    taker: Taker,
    /// The page again, to be written where a producer must not.
    page: Mapping,
    /// What it was lent, mapped for writing, with the descriptors.
    pub segments: BTreeMap<SegmentIndex, (OwnedFd, Mapping)>,
}

/// A request to produce small frames.
#[must_use]
pub fn produce() -> Produce {
    Produce {
        stream: "cam0".parse().unwrap_or_else(|error| panic!("{error}")),
        payload_bytes: u64::from(WIDTH * HEIGHT),
        min_queued: 2,
        fixed_pool: false,
        can_pause: false,
        width: WIDTH,
        height: HEIGHT,
        pixel_format: PixelFormat::MONO8,
        millihertz: 0,
        model: Text::cut("raw"),
        serial: Text::cut(""),
    }
}

/// What a producer says of such a frame.
#[must_use]
pub fn record() -> FrameHeader {
    FrameInfo::new(WIDTH, HEIGHT, PixelFormat::MONO8).header()
}

impl RawProducer {
    /// Becomes the stream's producer.
    ///
    /// # Panics
    /// When the broker does not let it.
    #[must_use]
    pub fn attach(broker: &Broker) -> Self {
        Self::offer(broker.raw(), "cam0").unwrap_or_else(|answer| panic!("{answer}"))
    }

    /// As [`Self::attach`], to a stream of this name, over a connection on which nothing was said yet.
    ///
    /// # Errors
    /// The broker's answer where it does not let it.
    ///
    /// # Panics
    /// When there is none.
    pub fn offer(mut raw: Raw, stream: &str) -> Result<Self, String> {
        raw.hello_as(Roles::PRODUCER);
        raw.send(Ask::Produce(Produce { stream: stream.parse().expect("a stream name"), ..produce() }));
        let (answer, fds) = raw.answer();
        if !matches!(answer, Tell::Producing { .. }) {
            return Err(format!("{answer:?}"));
        }
        let [fd] = <[_; 1]>::try_from(fds).expect("one page");
        let again = fd.try_clone().expect("a second descriptor");
        let object = SharedObject::received(again, size_of::<ProducerPage>()).expect("an object that cannot shrink");
        let page = object.map_writable().expect("a page to write");
        let mapped = Arc::new(Mapped::<ProducerPage>::writable(fd).expect("a producer page"));
        let (taker, filler) = (Taker::new(Arc::clone(&mapped)), Filler::new(mapped));
        raw.send(Ask::Mapped);
        let mut producer = Self { raw, filler, taker, page, segments: BTreeMap::new() };
        while !producer.hear() {}
        Ok(producer)
    }

    /// Takes the next message; true if it says that frames are published.
    fn hear(&mut self) -> bool {
        match self.raw.hear() {
            Heard::Message(reply, fds) => match reply.body {
                Tell::SegmentsLent { segments } => {
                    for (info, fd) in segments.iter().zip(fds) {
                        let len = usize::try_from(info.bytes).expect("a small segment");
                        let object = SharedObject::received(fd.try_clone().expect("a second descriptor"), len);
                        let mapping = object.and_then(|object| object.map_writable()).expect("a segment to write");
                        self.segments.insert(info.index, (fd, mapping));
                    }
                    self.raw.send(Ask::Mapped);
                    false
                }
                Tell::Started { .. } => true,
                other => panic!("not what a producer is told: {other:?}"),
            },
            Heard::End => panic!("the broker closed the connection"),
        }
    }

    /// The next segment it is lent.
    ///
    /// # Panics
    /// When there is none.
    pub fn take(&mut self) -> Lend {
        wait_for("a segment to fill", PATIENCE, || self.taker.try_take().expect("a broker that keeps to the rules"))
    }

    /// Writes every byte of a segment, lent or not.
    ///
    /// # Panics
    /// When it never had it.
    pub fn paint(&self, index: SegmentIndex, byte: u8) {
        let (_, mapping) = self.segments.get(&index).expect("a segment that was lent");
        fill(mapping, byte);
    }

    /// Paints and publishes a frame.
    pub fn publish(&mut self, byte: u8) -> SegmentIndex {
        let lend = self.take();
        self.paint(lend.segment(), byte);
        self.filler.fill(lend, &record());
        lend.segment()
    }

    /// Writes a 32-bit word of its page.
    #[expect(unsafe_code, reason = "a hostile producer writes what it likes")]
    pub fn poke(&self, offset: usize, value: u32) {
        assert!(offset.is_multiple_of(4) && offset < self.page.len());
        // SAFETY: the offset lies within the mapping.
        let word = unsafe { self.page.as_mut_ptr().add(offset) }.cast::<u32>();
        // SAFETY: the word is aligned, as the mapping and the offset are, and mapped for writing.
        unsafe { word.write_volatile(value) };
    }

    /// Wakes whoever sleeps on a word of its page.
    #[expect(unsafe_code, reason = "a hostile producer wakes whom it likes")]
    pub fn wake(&self, offset: usize) {
        let word = self.page.as_ptr().wrapping_add(offset);
        // SAFETY: the kernel looks at the address only to find who sleeps there.
        unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX, std::ptr::null::<u32>(), 0, 0) };
    }
}

#[expect(unsafe_code, reason = "a producer fills memory that others have mapped")]
fn fill(mapping: &Mapping, byte: u8) {
    // SAFETY: the mapping is writable and of this length.
    unsafe { std::ptr::write_bytes(mapping.as_mut_ptr(), byte, mapping.len()) };
}
