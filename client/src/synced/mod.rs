//! Several subscriptions as one: frames that belong together.

mod matcher;

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use framebroker_protocol::StreamState;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use self::matcher::{Matcher, Outlook};
use crate::error::WaitingFor;
use crate::{Error, Frame, Result, Subscription};

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

/// What becomes of a set in which a stream has no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Incomplete {
    /// It is given back and counted.
    #[default]
    Drop,
    /// It is handed out, with nothing in that stream's place.
    Deliver,
}

/// Frames that belong together.
#[derive(Debug)]
pub struct FrameSet {
    frames: Vec<Option<Frame>>,
    skew: u64,
}

impl FrameSet {
    /// A place for each stream, in the order of the subscriptions; `None` where the set is incomplete.
    #[must_use]
    pub fn frames(&self) -> &[Option<Frame>] {
        &self.frames
    }

    /// The frames themselves, to be kept or handed on.
    #[must_use]
    pub fn into_frames(self) -> Vec<Option<Frame>> {
        self.frames
    }

    /// Whether every stream has a frame in it.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.frames.iter().all(Option::is_some)
    }

    /// How far apart its frames are: at most the tolerance, zero where they are matched by block ID.
    #[must_use]
    pub fn skew(&self) -> Duration {
        Duration::from_nanos(self.skew)
    }
}

/// What was matched so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SyncStats {
    /// Sets with a frame of every stream.
    pub complete: u64,
    /// Sets without: dropped, or delivered, as was asked for.
    pub incomplete: u64,
    /// Of each stream, frames that are in no complete set.
    pub unmatched: Vec<u64>,
    /// The largest skew of a complete set.
    pub max_skew: Duration,
    /// Sum of the skews of all complete sets, in ns.
    sum_skew_ns: u128,
}

impl SyncStats {
    /// The mean skew of complete sets; zero before the first.
    #[must_use]
    pub fn mean_skew(&self) -> Duration {
        let mean = self.sum_skew_ns.checked_div(u128::from(self.complete)).unwrap_or(0);
        Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    fn add(&mut self, set: &FrameSet) {
        if set.is_complete() {
            self.complete += 1;
            self.max_skew = self.max_skew.max(set.skew());
            self.sum_skew_ns += u128::from(set.skew);
            return;
        }
        self.incomplete += 1;
        for (unmatched, frame) in self.unmatched.iter_mut().zip(&set.frames) {
            *unmatched += u64::from(frame.is_some());
        }
    }
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
/// stream can hold no more, its oldest frame is given up: as an incomplete set. So a stream that stalls delays the others by
/// no more than they can hold or [the patience](Self::patience), and one that is offline or has ended not at all.
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

impl SyncedSubscription {
    /// Joins subscriptions, each with terms of its own. Policy `Sequential` is what mostly fits.
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
            stats: SyncStats { unmatched: vec![0; count], ..SyncStats::default() },
        }
    }

    /// What becomes of incomplete sets. Default: [`Incomplete::Drop`].
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
        let begun = Instant::now();
        let deadline = timeout.into().and_then(|timeout| begun.checked_add(timeout));
        loop {
            let came = self.take_all()?;
            let now = Instant::now();
            let outlook: Vec<Outlook> = (0..self.streams.len()).map(|at| self.outlook(at)).collect();
            if let Some(matched) = self.matcher.next(now, &outlook) {
                let set = FrameSet { frames: matched.members, skew: matched.skew };
                self.stats.add(&set);
                if set.is_complete() || self.incomplete == Incomplete::Deliver {
                    return Ok(set);
                }
                continue;
            }
            if let Some(ended) = self.ended() {
                return Err(ended);
            }
            self.check_room()?;
            if deadline.is_some_and(|deadline| now >= deadline) {
                return Err(Error::Timeout { waited: begun.elapsed(), waiting_for: WaitingFor::Frame });
            }
            if !came {
                self.wait(now, deadline)?;
            }
        }
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
    fn wait(&self, now: Instant, deadline: Option<Instant>) -> Result<()> {
        let until = [deadline, self.matcher.decides_at()].into_iter().flatten().min();
        let left = until.map_or(LOOK, |until| until.saturating_duration_since(now).min(LOOK));
        let open = self.streams.iter().filter(|stream| stream.ended.is_none() && !stream.is_full());
        let mut news: Vec<PollFd<'_>> =
            open.map(|stream| PollFd::new(stream.subscription.as_fd(), PollFlags::POLLIN)).collect();
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
