//! A process that fills a stream's segments.

mod blank;
mod builder;
mod connection;
mod lent;
mod page;

use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::limits::WAIT_SLICE;
use framebroker_protocol::message::{Ask, Roles, Tell};
use framebroker_protocol::ring::Taker;
use framebroker_protocol::shm::Mapped;
use framebroker_protocol::{FrameInfo, Sequence, stop_point};

use self::connection::Listener;
use self::page::{Page, Taken};
use crate::deadline::Deadline;
use crate::error::{Violation, WaitingFor};
use crate::limits::ADMISSION_TIMEOUT;
use crate::link::Incoming;
use crate::segments::MappedSegment;
use crate::{Error, Result};

pub use blank::{Blank, KeptSegment};
pub use builder::ProducerBuilder;

/// Publishes what a producer keeps, in whatever thread, also while another waits in [`Producer::take`]: see
/// [`Producer::publisher`].
#[derive(Debug, Clone)]
pub struct Publisher(Arc<Page>);

/// Fills the segments of a stream. A stream has one producer at a time; dropping it makes the stream's readers wait for the
/// next, and ends what can be published: a [`Blank`] that outlives it says [`Error::Stopped`].
///
/// ```no_run
/// # fn main() -> framebroker_client::Result<()> {
/// use framebroker_client::{Broker, FrameInfo, PixelFormat};
///
/// let broker = Broker::connect()?;
/// let mut producer = broker.produce("cam0").geometry(640, 480, PixelFormat::MONO8).open()?;
/// loop {
///     let mut blank = producer.take(None)?;
///     blank.bytes_mut().fill(42);
///     blank.publish(&FrameInfo::new(640, 480, PixelFormat::MONO8))?;
/// }
/// # }
/// ```
///
/// A thread of its own hears the broker and maps the segments that come as the ring grows. What is done per frame costs no
/// system call, but for one that wakes the broker where it sleeps.
///
/// # Drivers with buffers of their own
/// A driver that is given all its buffers beforehand, such as pylon by its buffer factory, wants
/// [`ProducerBuilder::fixed_pool`]. Take every segment with [`Self::try_take`], [`Blank::keep`] it, and give its address and
/// buffer context to the driver. When the driver says that a context is filled, [`Self::publish`] it. When a segment comes
/// back, [`Self::try_take`] hands it out again: keep it, and let the driver have it.
#[derive(Debug)]
pub struct Producer {
    builder: ProducerBuilder,
    listener: Listener,
    page: Arc<Page>,
    taker: Taker,
}

impl ProducerBuilder {
    /// Becomes the stream's producer; returns when every segment is mapped and frames can be published.
    ///
    /// # Errors
    /// [`Error::Name`]; [`Error::NoBroker`], also where the broker's user does not let this one produce (`--allow-uid
    /// U:producer`); [`Error::Frame`] where geometry or size is missing; [`Error::Refused`] with code `Busy` (the text says
    /// who is the producer), `UnknownStream`, `NotAdmitted`, `StreamClosed`, `Invalid` or `Unavailable`; [`Error::Memory`] and
    /// [`Error::System`] where this machine fails; [`Error::Timeout`] where the segments do not come within 30 s.
    pub fn open(self) -> Result<Producer> {
        let deadline = Deadline::after(Some(ADMISSION_TIMEOUT));
        // Before connecting, so that a producer that is not well described never takes the place.
        self.request()?;
        let listener = Listener::start(self.connector.connect_as(Roles::PRODUCER, deadline)?)?;
        let (page, taker) = begin(&listener, &self, deadline)?;
        Ok(Producer { builder: self, listener, page, taker })
    }
}

impl Producer {
    /// Waits for a segment to fill: for at most `timeout`, or with `None` as long as it takes.
    ///
    /// # Errors
    /// * [`Error::Timeout`]: none came back in time; call again.
    /// * For good: [`Error::Closed`] (the stream has ended), [`Error::Refused`] (the broker disconnected this producer; the
    ///   text says why), [`Error::BrokerGone`], [`Error::Violation`], [`Error::Memory`], [`Error::Connection`],
    ///   [`Error::Forked`].
    pub fn take(&mut self, timeout: impl Into<Option<Duration>>) -> Result<Blank> {
        let begun = Instant::now();
        let deadline = Deadline::after(timeout.into());
        loop {
            if let Some(blank) = self.try_take()? {
                return Ok(blank);
            }
            if deadline.is_over() {
                return Err(Error::Timeout { waited: begun.elapsed(), waiting_for: WaitingFor::Segment });
            }
            self.taker.wait(deadline.left(WAIT_SLICE));
        }
    }

    /// A segment to fill, if there is one now.
    ///
    /// # Errors
    /// As [`Self::take`], but for [`Error::Timeout`].
    pub fn try_take(&mut self) -> Result<Option<Blank>> {
        self.check()?;
        let taken = match self.page.spare() {
            Some(taken) => Some(taken),
            None => self.take_lent()?,
        };
        Ok(taken.map(|taken| Blank::new(&self.page, taken)))
    }

    fn take_lent(&mut self) -> Result<Option<Taken>> {
        let lie = |what| Err(self.listener.end(Violation::Unexpected(what).into()));
        let lend = match self.taker.try_take() {
            Ok(Some(lend)) => lend,
            Ok(None) => return Ok(None),
            Err(_lie) => return lie("a lend of no segment"),
        };
        match self.listener.find(lend.segment()) {
            Some(segment) => Ok(Some(Taken { lend, segment })),
            None => lie("a lend of a segment that was never handed over"),
        }
    }

    /// Makes a segment that was taken and [kept](Blank::keep) a frame, named by its buffer context.
    ///
    /// # Errors
    /// [`Error::NotKept`]; [`Error::Frame`] where `info` cannot be true of it; [`Error::Stopped`] where the broker takes
    /// nothing more; [`Error::Forked`].
    pub fn publish(&self, buffer_context: u32, info: &FrameInfo) -> Result<()> {
        self.page.publish_kept(buffer_context, info)
    }

    /// Publishes for this producer, in another thread. Of use until the frames [change](Self::change): then ask for another.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher(Arc::clone(&self.page))
    }

    /// Whether the broker still takes what is filled.
    ///
    /// # Errors
    /// Why not, as [`Self::take`].
    pub fn check(&self) -> Result<()> {
        self.listener.check()?;
        self.listener.check_end()
    }

    /// Says that the frames change: to another geometry, or a size that needs other segments. Frames of another geometry that
    /// fit in the segments need not be told. Nothing may be filled meanwhile; the stream stays live, and its readers notice
    /// nothing but the new frames.
    ///
    /// # Errors
    /// [`Error::StillFilling`]; else as [`ProducerBuilder::open`]. After [`Error::Refused`] the producer goes on as before.
    pub fn change(&mut self, change: impl FnOnce(ProducerBuilder) -> ProducerBuilder) -> Result<()> {
        self.check()?;
        let count = self.page.filling();
        if count > 0 {
            return Err(Error::StillFilling { count });
        }
        let builder = change(self.builder.clone());
        stop_point("change.begun");
        (self.page, self.taker) = begin(&self.listener, &builder, Deadline::after(Some(ADMISSION_TIMEOUT)))?;
        self.builder = builder;
        Ok(())
    }

    /// The sequence that the first frame got, or the first after the last [change](Self::change); those that follow are
    /// numbered without a gap, but for incomplete ones that the broker does not publish. 0 in a forked child.
    #[must_use]
    pub fn first_sequence(&self) -> Sequence {
        self.listener.check().map_or(Sequence(0), |()| self.listener.first())
    }

    /// Every segment that is lent now or will be again, and where it is mapped: by index, none in a forked child. The address
    /// of one stays the same while its backing does.
    #[must_use]
    pub fn segments(&self) -> Vec<MappedSegment> {
        self.listener.check().map_or(Vec::new(), |()| self.listener.list())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // The broker may have taken the last frame when it learns of this: a later one would be lost silently.
        self.page.close();
    }
}

impl Publisher {
    /// As [`Producer::publish`].
    ///
    /// # Errors
    /// As there.
    pub fn publish(&self, buffer_context: u32, info: &FrameInfo) -> Result<()> {
        self.0.publish_kept(buffer_context, info)
    }
}

/// Asks to produce, maps the page that comes, and waits until what is filled there is taken.
fn begin(listener: &Listener, builder: &ProducerBuilder, deadline: Deadline) -> Result<(Arc<Page>, Taker)> {
    let asked = builder.request()?;
    let payload_bytes = usize::try_from(asked.payload_bytes).unwrap_or(usize::MAX);
    let timeout = deadline.within(builder.connector.timeout);
    let answer = listener.ask("Produce", Ask::Produce(asked), timeout)?;
    stop_point("produce.granted");
    let begun = map_page(answer, payload_bytes).and_then(|(page, taker)| {
        listener.begin(&page, deadline)?;
        stop_point("produce.started");
        Ok((page, taker))
    });
    // What the broker has begun and this side has not leaves nothing to go on with.
    begun.map_err(|error| listener.end(error))
}

/// Maps the page that the broker answered with.
fn map_page(answer: Incoming, payload_bytes: usize) -> Result<(Arc<Page>, Taker)> {
    let Incoming { body: Tell::Producing { .. }, fds, .. } = answer else {
        return Err(Violation::Unexpected("no Producing").into());
    };
    let found = fds.len();
    let [page] = <[_; 1]>::try_from(fds).map_err(|_wrong_number| Violation::Descriptors { expected: 1, found })?;
    let page = Arc::new(Mapped::writable(page)?);
    let taker = Taker::new(Arc::clone(&page));
    Ok((Arc::new(Page::new(page, payload_bytes)?), taker))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_producer_may_move_between_threads() {
        fn is_send<T: Send>() {}
        is_send::<Producer>();
        is_send::<Blank>();
        is_send::<KeptSegment>();
        is_send::<Publisher>();
    }
}
