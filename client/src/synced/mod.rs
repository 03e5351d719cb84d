//! Several subscriptions as one: frames that belong together.

mod matcher;
mod set;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use framebroker_protocol::StreamState;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

pub use self::set::{FrameSet, SyncStats};

use self::matcher::{Matcher, Outlook, Unmatched};
use crate::error::{Apart, WaitingFor};
use crate::{Error, Frame, Result, SettingsChange, Subscription};

/// How long the other frames of a set are waited for.
const DEFAULT_PATIENCE: Duration = Duration::from_millis(500);
/// How long at most is slept before the streams' states are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What makes frames of several streams belong together.
///
/// A tolerance should be below half the time between two frames: else a frame may be matched with a neighbour's partner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncBy {
    /// The time at which they were complete in this machine's memory, at most so far apart ([`Frame::monotonic_ns`]). Works
    /// with every camera, and knows nothing of how long a frame was on its way.
    Arrival(Duration),
    /// The cameras' own times, at most so far apart ([`Frame::camera_timestamp_ns`]). For cameras whose clocks are set by
    /// one another (PTP), and recordings of them.
    CameraTime(Duration),
    /// The same block ID ([`Frame::block_id`]): for cameras that are started together and triggered by one signal.
    BlockId,
}

/// What happens to a set in which a stream has no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Incomplete {
    /// It is given back and counted.
    #[default]
    Drop,
    /// It is handed out, with nothing in that stream's place.
    Deliver,
}

/// Several subscriptions, whose frames are handed out in sets that belong together.
///
/// ```no_run
/// # use std::time::Duration;
/// # use framebroker_client::{Broker, Result, SyncBy, SyncedSubscription};
/// # fn main() -> Result<()> {
/// let broker = Broker::connect()?;
/// let left = broker.subscribe("left").max_held(4).open()?;
/// let right = broker.subscribe("right").max_held(4).open()?;
/// let mut pairs = SyncedSubscription::new(vec![left, right], SyncBy::Arrival(Duration::from_millis(2)));
/// loop {
///     let pair = pairs.next(None)?;
///     let [Some(left), Some(right)] = pair.frames() else { continue };
///     println!("{} and {}, {:?} apart", left.sequence(), right.sequence(), pair.skew());
/// }
/// # }
/// ```
///
/// **Memory.** A stream that is ahead waits with its frames held, and holds no more than its subscription was granted. Take
/// `max_held` as large as the number of frames by which the streams may be apart, plus those of the sets you keep. Where a
/// stream can hold no more, of the frames that wait all but the last are given up, as incomplete sets. So a stream that stalls
/// delays the others by no more than they can hold or [the patience](Self::patience), and one that is offline or has ended not
/// at all.
///
/// **Order.** The frames of each stream come in order. A camera that counts anew, after it was away, goes on with the new
/// numbers; with [`SyncBy::BlockId`] there is no match until all count alike again.
#[derive(Debug)]
pub struct SyncedSubscription {
    streams: Vec<Stream>,
    by: SyncBy,
    incomplete: Incomplete,
    matcher: Matcher<Frame>,
    stats: SyncStats,
}

#[derive(Debug)]
struct Stream {
    subscription: Subscription,
    /// Why no more frames come.
    ended: Option<Error>,
}

/// What a look at the streams came to.
#[derive(Debug)]
enum Step {
    Set(FrameSet),
    /// An incomplete set, which nobody wants.
    Dropped,
    /// No set is decided, and no frame is there.
    Nothing,
}

impl SyncedSubscription {
    /// Joins subscriptions, each with terms of its own. Policy `Sequential` usually fits.
    #[must_use]
    pub fn new(subscriptions: Vec<Subscription>, by: SyncBy) -> Self {
        let tolerance = match by {
            SyncBy::Arrival(time) | SyncBy::CameraTime(time) => u64::try_from(time.as_nanos()).unwrap_or(u64::MAX),
            SyncBy::BlockId => 0,
        };
        let count = subscriptions.len();
        let streams = subscriptions.into_iter().map(|subscription| Stream { subscription, ended: None }).collect();
        Self {
            streams,
            by,
            incomplete: Incomplete::default(),
            matcher: Matcher::new(count, tolerance, DEFAULT_PATIENCE),
            stats: SyncStats::new(count),
        }
    }

    /// What happens to incomplete sets. Default: [`Incomplete::Drop`].
    #[must_use]
    pub fn incomplete(mut self, incomplete: Incomplete) -> Self {
        self.incomplete = incomplete;
        self
    }

    /// How long the first frame of a set waits for the others. Default: 0.5 s. Before the first call of [`Self::next`].
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.matcher.set_patience(patience);
        self
    }

    /// Waits for the next set: for at most `timeout`, or with `None` as long as it takes.
    ///
    /// # Errors
    /// * [`Error::Timeout`]: no set came in time; call again.
    /// * [`Error::Full`]: the caller holds all the frames that a stream may have; drop a set, or ask for a larger `max_held`.
    /// * [`Error::Closed`] when all streams have ended and the last set was handed out.
    /// * [`Error::NotComparable`]: a camera has no time or count of its own.
    /// * Else as [`Subscription::next`], of the first stream that has it.
    pub fn next(&mut self, timeout: impl Into<Option<Duration>>) -> Result<FrameSet> {
        let timeout = timeout.into();
        loop {
            // Nobody stops it, so one turn is all.
            if let Some(set) = self.next_while(timeout, |_| true)? {
                return Ok(set);
            }
        }
    }

    /// As [`Self::next`], for callers that must be able to stop waiting: `goes_on` is asked whenever a signal handler has
    /// run in this thread, and at least every tenth of a second. `None` if it says no.
    ///
    /// # Errors
    /// As [`Self::next`].
    pub fn next_while(
        &mut self,
        timeout: impl Into<Option<Duration>>,
        mut goes_on: impl FnMut(&Self) -> bool,
    ) -> Result<Option<FrameSet>> {
        let begun = Instant::now();
        let deadline = timeout.into().and_then(|timeout| begun.checked_add(timeout));
        loop {
            let step = self.step()?;
            if let Step::Set(set) = step {
                return Ok(Some(set));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Error::Timeout { waited: begun.elapsed(), waiting_for: self.waiting_for() });
            }
            if matches!(step, Step::Nothing) {
                self.wait(deadline)?;
            }
            if !goes_on(self) {
                return Ok(None);
            }
        }
    }

    /// The next set if there is one now, `None` if not. Never waits, but as [`Subscription::try_next`] does.
    ///
    /// After `None`, call it again when one of the [descriptors](Self::descriptors) is readable, or
    /// [so much time](Self::look_within) has gone by.
    ///
    /// # Errors
    /// As [`Self::next`], but for [`Error::Timeout`].
    pub fn try_next(&mut self) -> Result<Option<FrameSet>> {
        loop {
            match self.step()? {
                Step::Set(set) => return Ok(Some(set)),
                Step::Dropped => {}
                Step::Nothing => return Ok(None),
            }
        }
    }

    /// For a poll of the caller's own: a descriptor of each stream from which frames may come.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let open = self.streams.iter().filter(|stream| stream.ended.is_none() && !stream.is_full());
        open.map(|stream| stream.subscription.as_fd())
    }

    /// For a poll of the caller's own: how long it may last. A set is also decided when the patience is over, or a stream
    /// goes offline.
    #[must_use]
    pub fn look_within(&self) -> Duration {
        let decides_at = self.matcher.decides_at();
        decides_at.map_or(LOOK, |at| at.saturating_duration_since(Instant::now()).min(LOOK))
    }

    /// The oldest news of changed settings of a stream, by its place: see [`Subscription::next_change`]. They are heard by
    /// [`Self::next`] and [`Self::try_next`].
    pub fn next_change(&mut self, stream: usize) -> Option<SettingsChange> {
        self.streams.get_mut(stream)?.subscription.next_change()
    }

    /// What has not come yet, as [`Error::Timeout`] tells it: where frames came that do not belong together, how many and how far
    /// apart the nearest were.
    #[must_use]
    pub fn waiting_for(&self) -> WaitingFor {
        let Unmatched { frames, nearest } = self.matcher.since_last();
        let apart = |apart| match self.by {
            SyncBy::Arrival(tolerance) | SyncBy::CameraTime(tolerance) => {
                Apart::Time { apart: Duration::from_nanos(apart), tolerance }
            }
            SyncBy::BlockId => Apart::BlockIds(apart),
        };
        if frames == 0 { WaitingFor::Frame } else { WaitingFor::Set { frames, nearest: nearest.map(apart) } }
    }

    /// What was matched so far.
    #[must_use]
    pub fn stats(&self) -> &SyncStats {
        &self.stats
    }

    /// The subscriptions, for their counters and states.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.streams.iter().map(|stream| &stream.subscription)
    }

    /// Takes what is there, and decides on one set if that can be done.
    fn step(&mut self) -> Result<Step> {
        loop {
            let came = self.take_all()?;
            let outlook: Vec<Outlook> = (0..self.streams.len()).map(|at| self.outlook(at)).collect();
            if let Some(matched) = self.matcher.next(Instant::now(), &outlook) {
                let set = FrameSet::new(matched);
                self.stats.add(&set);
                let is_wanted = set.is_complete() || self.incomplete == Incomplete::Deliver;
                if is_wanted {
                    self.matcher.count_anew();
                    return Ok(Step::Set(set));
                }
                return Ok(Step::Dropped);
            }
            if let Some(ended) = self.ended() {
                return Err(ended);
            }
            self.check_room()?;
            if !came {
                return Ok(Step::Nothing);
            }
        }
    }

    /// Takes the frames that are there; true if one was.
    fn take_all(&mut self) -> Result<bool> {
        let mut came = false;
        for at in 0..self.streams.len() {
            while let Some(frame) = self.take(at)? {
                came = true;
                let key = self.key(at, &frame)?;
                let outdated = self.matcher.push(at, key, Instant::now(), frame);
                if let Some(unmatched) = self.stats.unmatched.get_mut(at) {
                    *unmatched += outdated.len() as u64;
                }
            }
        }
        Ok(came)
    }

    fn take(&mut self, at: usize) -> Result<Option<Frame>> {
        let Some(stream) = self.streams.get_mut(at) else { return Ok(None) };
        if stream.ended.is_some() || stream.is_full() {
            return Ok(None);
        }
        match stream.subscription.try_next() {
            Ok(frame) => Ok(frame),
            Err(ended @ (Error::Closed { .. } | Error::Evicted { .. })) => {
                stream.ended = Some(ended);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn key(&self, at: usize, frame: &Frame) -> Result<u64> {
        let (key, missing) = match self.by {
            SyncBy::Arrival(_) => (Some(frame.monotonic_ns()), "time of arrival"),
            SyncBy::CameraTime(_) => (frame.camera_timestamp_ns(), "camera timestamp"),
            SyncBy::BlockId => (frame.block_id(), "block ID"),
        };
        let name = || self.streams.get(at).map(|stream| stream.subscription.name().to_string()).unwrap_or_default();
        key.ok_or_else(|| Error::NotComparable { stream: name(), missing })
    }

    fn outlook(&self, at: usize) -> Outlook {
        match self.streams.get(at) {
            Some(stream) if stream.is_full() => Outlook::Full,
            Some(stream) if stream.ended.is_none() && stream.subscription.state() == StreamState::Live => Outlook::Open,
            _ => Outlook::Silent,
        }
    }

    /// Why no more sets come, if all streams have ended.
    fn ended(&self) -> Option<Error> {
        let mut ended = self.streams.iter().map(|stream| stream.ended.clone());
        match ended.next() {
            Some(first) => ended.try_fold(first?, |first, other| other.map(|_| first)),
            None => Some(Error::Closed { reason: "no streams were joined".to_owned() }),
        }
    }

    /// A stream all of whose frames are with the caller cannot go on.
    fn check_room(&self) -> Result<()> {
        let stuck = |(at, stream): (usize, &Stream)| stream.is_full() && self.matcher.waiting(at) == 0;
        match self.streams.iter().enumerate().find(|(at, stream)| stuck((*at, stream))) {
            Some((_, stream)) => Err(Error::Full { max_held: stream.subscription.max_held() }),
            None => Ok(()),
        }
    }

    /// Sleeps until a stream has news, or there is something else to do.
    fn wait(&self, deadline: Option<Instant>) -> Result<()> {
        let left = deadline.map_or(LOOK, |deadline| deadline.saturating_duration_since(Instant::now()));
        let left = left.min(self.look_within());
        let mut news: Vec<PollFd<'_>> = self.descriptors().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        // Rounded up, so that it does not wake before the time.
        let millis = u16::try_from(left.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        match poll(&mut news, PollTimeout::from(millis)) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(source) => Err(Error::System { what: "wait for frames", source }),
        }
    }
}

impl Stream {
    fn is_full(&self) -> bool {
        self.subscription.held() >= self.subscription.max_held()
    }
}
