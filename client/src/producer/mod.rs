//! A process that fills a stream's segments.

mod blank;
mod builder;
mod lent;
mod round;

use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::limits::WAIT_SLICE;
use framebroker_protocol::message::{Ask, ErrorCode, Roles, Tell};
use framebroker_protocol::ring::Taker;
use framebroker_protocol::shm::Mapped;
use framebroker_protocol::socket::Buffer;
use framebroker_protocol::{FrameInfo, Sequence, monotonic_ns};

use self::lent::LentSegments;
use self::round::{Round, Taken};
use crate::connect::refused;
use crate::deadline::Deadline;
use crate::error::{Violation, WaitingFor};
use crate::limits::{ADMISSION_TIMEOUT, LOOK_INTERVAL_NS, MESSAGES_PER_LOOK};
use crate::link::{Incoming, Link};
use crate::segments::MappedSegment;
use crate::{Error, Result};

pub use blank::{Blank, KeptSegment};
pub use builder::ProducerBuilder;

/// Publishes what a producer keeps, in whatever thread, also while another waits in [`Producer::take`]: see
/// [`Producer::publisher`].
#[derive(Debug, Clone)]
pub struct Publisher(Arc<Round>);

/// Fills the segments of a stream. A stream has one producer at a time; dropping it makes the stream's readers wait for the
/// next.
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
/// # The broker's messages
/// They are heard by [`Self::take`], [`Self::try_take`] and [`Self::attend`]. Call one of them every few seconds, also while no
/// frame comes: the broker lends further segments as readers come, and disconnects a producer that does not map them within
/// 30 s.
///
/// # Drivers with buffers of their own
/// A driver that is given all its buffers beforehand, such as pylon by its buffer factory, wants
/// [`ProducerBuilder::fixed_pool`]. Take every segment with [`Self::try_take`], [`Blank::keep`] it, and give its address and
/// buffer context to the driver. When the driver says that a context is filled, [`Self::publish`] it. When a segment comes
/// back, [`Self::try_take`] hands it out again: keep it, and let the driver have it.
#[derive(Debug)]
pub struct Producer {
    builder: ProducerBuilder,
    link: Link,
    buffer: Buffer,
    segments: LentSegments,
    round: Arc<Round>,
    taker: Taker,
    last_request: u32,
    /// The sequence of the first frame, once the broker takes what is filled.
    started: Option<Sequence>,
    /// Why the broker takes nothing more.
    ended: Option<Error>,
    next_look_ns: u64,
}

impl Producer {
    fn open(builder: ProducerBuilder) -> Result<Self> {
        let asked = builder.request()?;
        let deadline = Deadline::after(Some(ADMISSION_TIMEOUT));
        let payload_bytes = usize::try_from(asked.payload_bytes).unwrap_or(usize::MAX);
        let mut session = builder.connector.connect_as(Roles::PRODUCER, deadline)?;
        let answer = session.ask("Produce", Ask::Produce(asked), deadline.within(builder.connector.timeout))?;
        let (round, taker) = begin_round(answer, payload_bytes)?;
        session.link.post(0, Ask::Mapped)?;
        let last_request = session.last_request();
        let mut producer = Self {
            builder,
            link: session.link,
            buffer: session.buffer,
            segments: LentSegments::default(),
            round,
            taker,
            last_request,
            started: None,
            ended: None,
            next_look_ns: 0,
        };
        producer.wait_until_started(deadline)?;
        Ok(producer)
    }

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
            self.attend()?;
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
        self.link.check()?;
        if monotonic_ns() >= self.next_look_ns {
            self.attend()?;
        }
        if let Some(error) = &self.ended {
            return Err(error.clone());
        }
        let taken = match self.round.spare() {
            Some(taken) => Some(taken),
            None => self.take_lent()?,
        };
        Ok(taken.map(|taken| Blank::new(&self.round, taken)))
    }

    fn take_lent(&mut self) -> Result<Option<Taken>> {
        let lend = match self.taker.try_take() {
            Ok(Some(lend)) => lend,
            Ok(None) => return Ok(None),
            Err(_lie) => return Err(self.end(Violation::Unexpected("a lend of no segment").into())),
        };
        match self.segments.find(lend.segment()) {
            Some(segment) => Ok(Some(Taken { lend, segment: Arc::clone(segment) })),
            None => Err(self.end(Violation::Unexpected("a lend of a segment that was never handed over").into())),
        }
    }

    /// Makes a segment that was taken and [kept](Blank::keep) a frame, named by its buffer context.
    ///
    /// # Errors
    /// [`Error::NotKept`]; [`Error::Frame`] where `info` cannot be true of it; [`Error::Stopped`] where the broker takes
    /// nothing more; [`Error::Forked`].
    pub fn publish(&self, buffer_context: u32, info: &FrameInfo) -> Result<()> {
        self.round.publish_kept(buffer_context, info)
    }

    /// Publishes for this producer, in another thread. Of use until the frames [change](Self::change): then ask for another.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher(Arc::clone(&self.round))
    }

    /// Hears what the broker has said, without waiting.
    ///
    /// # Errors
    /// Why the broker takes nothing more, as [`Self::take`].
    pub fn attend(&mut self) -> Result<()> {
        self.link.check()?;
        self.next_look_ns = monotonic_ns().saturating_add(LOOK_INTERVAL_NS);
        for _ in 0..MESSAGES_PER_LOOK {
            if let Some(error) = &self.ended {
                return Err(error.clone());
            }
            let heard = self.link.flush().and_then(|()| self.link.receive(&mut self.buffer));
            match heard.and_then(|message| message.map_or(Ok(false), |message| self.hear(message).map(|()| true))) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Err(self.end(error)),
            }
        }
        Ok(())
    }

    /// Says that the frames change: to another geometry, or a size that needs other segments. Frames of another geometry that
    /// fit in the segments need no word. Nothing may be filled meanwhile; the stream stays live, and its readers notice
    /// nothing but the new frames.
    ///
    /// # Errors
    /// [`Error::StillFilling`]; else as [`ProducerBuilder::open`]. After [`Error::Refused`] the producer goes on as before.
    pub fn change(&mut self, change: impl FnOnce(ProducerBuilder) -> ProducerBuilder) -> Result<()> {
        self.attend()?;
        let builder = change(self.builder.clone());
        let asked = builder.request()?;
        let count = self.round.filling();
        if count > 0 {
            return Err(Error::StillFilling { count });
        }
        let deadline = Deadline::after(Some(ADMISSION_TIMEOUT));
        let payload_bytes = usize::try_from(asked.payload_bytes).unwrap_or(usize::MAX);
        self.last_request = self.last_request.wrapping_add(1).max(1);
        self.link.post(self.last_request, Ask::Produce(asked))?;
        let answer = self.answer(deadline)?;
        (self.round, self.taker) = begin_round(answer, payload_bytes)?;
        self.builder = builder;
        self.started = None;
        self.link.post(0, Ask::Mapped)?;
        self.wait_until_started(deadline)
    }

    /// The sequence that the first frame got, or the first after the last [change](Self::change); those that follow are
    /// numbered without a gap, but for incomplete ones that the broker does not publish.
    #[must_use]
    pub fn first_sequence(&self) -> Sequence {
        self.started.unwrap_or(Sequence(0))
    }

    /// Every segment that is lent now or will be again, and where it is mapped. The address of one stays the same while its
    /// backing does.
    #[must_use]
    pub fn segments(&self) -> Vec<MappedSegment> {
        self.segments.list()
    }

    /// Waits for the answer to the last request; hears everything that comes before it.
    fn answer(&mut self, deadline: Deadline) -> Result<Incoming> {
        let begun = Instant::now();
        loop {
            match self.link.receive(&mut self.buffer) {
                Ok(Some(Incoming { request, body: Tell::Error { code, text }, .. }))
                    if request == self.last_request =>
                {
                    return Err(refused(code, text.as_str()));
                }
                Ok(Some(answer)) if answer.request == self.last_request => return Ok(answer),
                Ok(Some(news)) => self.hear(news).map_err(|error| self.end(error))?,
                Ok(None) => self.pause("Produce", begun, deadline)?,
                Err(error) => return Err(self.end(error)),
            }
        }
    }

    fn wait_until_started(&mut self, deadline: Deadline) -> Result<()> {
        let begun = Instant::now();
        loop {
            self.attend()?;
            if self.started.is_some() {
                return Ok(());
            }
            self.pause("Produce with all its segments", begun, deadline)?;
        }
    }

    fn pause(&mut self, request: &'static str, begun: Instant, deadline: Deadline) -> Result<()> {
        if deadline.is_over() {
            let error = Error::Timeout { waited: begun.elapsed(), waiting_for: WaitingFor::Answer(request) };
            return Err(self.end(error));
        }
        self.link.wait(deadline.left(WAIT_SLICE))?;
        self.link.flush()
    }

    fn hear(&mut self, message: Incoming) -> Result<()> {
        let Incoming { request, body, fds } = message;
        if let Tell::SegmentsLent { segments } = body {
            self.segments.add(&segments, fds)?;
            return self.link.post(0, Ask::Mapped);
        }
        if !fds.is_empty() {
            return Err(Violation::Descriptors { expected: 0, found: fds.len() }.into());
        }
        match body {
            Tell::Started { first } => self.started = Some(first),
            Tell::SegmentWithdrawn { index, backing } => self.segments.remove(index, backing),
            Tell::Error { code: ErrorCode::StreamClosed, text } => return Err(Error::Closed { reason: text.into() }),
            Tell::Error { code, text } => return Err(refused(code, text.as_str())),
            // The answer to a question that was given up.
            _ if request != 0 => {}
            _ => return Err(Violation::Unexpected("not news of a producer").into()),
        }
        Ok(())
    }

    /// The first reason stays: what follows it is its consequence.
    fn end(&mut self, reason: Error) -> Error {
        self.ended.get_or_insert(reason).clone()
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

/// Maps the page that the broker answered with.
fn begin_round(answer: Incoming, payload_bytes: usize) -> Result<(Arc<Round>, Taker)> {
    let Incoming { body: Tell::Producing { .. }, fds, .. } = answer else {
        return Err(Violation::Unexpected("no Producing").into());
    };
    let found = fds.len();
    let [page] = <[_; 1]>::try_from(fds).map_err(|_wrong_number| Violation::Descriptors { expected: 1, found })?;
    let page = Arc::new(Mapped::writable(page)?);
    let taker = Taker::new(Arc::clone(&page));
    Ok((Arc::new(Round::new(page, payload_bytes)?), taker))
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
