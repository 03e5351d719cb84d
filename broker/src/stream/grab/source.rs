//! The life of a stream's source: it runs, waits for its segments, is lent to be set, or is away and looked for.

use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::thread::MayWait;
use crate::factory::WritableSegment;
use crate::source::{Event, Opener, Source, SourceError};

/// The first pause before a lost camera is looked for again; it doubles up to [`MAX_BACK_OFF`].
const FIRST_BACK_OFF: Duration = Duration::from_millis(250);
const MAX_BACK_OFF: Duration = Duration::from_secs(5);

/// A source that was there for less is not back yet: one that comes and goes is not opened ever faster.
const SETTLED: Duration = MAX_BACK_OFF;

/// How often something is looked at that nobody tells.
const LOOK: Duration = Duration::from_millis(100);
/// The same for a driver that opens a camera.
const LOOK_AT_OPENER: Duration = Duration::from_millis(10);

/// A stream's one source.
pub struct SourceLife {
    state: State,
    /// How a lost source is found again; a producer comes by itself.
    search: Option<Search>,
}

enum State {
    /// It delivers frames.
    Running(Box<dyn Source>),
    /// It is stopped until the session thread has made segments for it.
    Returning {
        source: Box<dyn Source>,
        /// When to look whether there is room for them.
        look_at: Instant,
    },
    /// The device thread has it.
    Lent,
    /// Nobody has it.
    Away,
}

impl SourceLife {
    /// A source that is open, not started, and about to get its segments; or one that is away.
    pub fn new(source: Option<Box<dyn Source>>, open: Option<Opener>, now: Instant) -> Self {
        let search = open.map(|open| Search { open, back_off: BackOff::default(), step: Step::Idle });
        let mut life = Self { state: State::Away, search };
        match source {
            Some(source) => life.await_segments(source, now),
            None => life.begin_search(now),
        }
        life
    }

    /// The source, if it delivers frames.
    pub fn running(&self) -> Option<&dyn Source> {
        if let State::Running(source) = &self.state { Some(&**source) } else { None }
    }

    /// Whether it is stopped until there are segments for it.
    pub fn is_returning(&self) -> bool {
        matches!(self.state, State::Returning { .. })
    }

    /// Whether the device thread has it.
    pub fn is_lent(&self) -> bool {
        matches!(self.state, State::Lent)
    }

    /// Whether it is away and being opened.
    pub fn is_opening(&self) -> bool {
        let is_away = matches!(self.state, State::Away);
        is_away && self.search.as_ref().is_some_and(|search| matches!(search.step, Step::Opens(_)))
    }

    /// Gives a running source a segment to fill.
    pub fn queue(&mut self, segment: WritableSegment) {
        if let State::Running(source) = &mut self.state {
            source.queue(segment);
        }
    }

    /// What a running source has to tell, within so long. Only who may wait can call it.
    pub fn wait(&mut self, _: &MayWait, longest: Duration) -> Option<Event> {
        if let State::Running(source) = &mut self.state { Some(source.wait(longest)) } else { None }
    }

    /// What a running source has to tell already.
    pub fn collect(&mut self) -> Option<Event> {
        let State::Running(source) = &mut self.state else { return None };
        Some(source.wait(Duration::ZERO)).filter(|event| !matches!(event, Event::Timeout))
    }

    /// It waits for its segments from now on, stopped.
    pub fn await_segments(&mut self, source: Box<dyn Source>, now: Instant) {
        self.state = State::Returning { source, look_at: now + LOOK };
    }

    /// Lets it run, if it waits for its segments: they are queued next, and then [`Self::start`] is called.
    pub fn resume(&mut self) {
        self.state = match std::mem::replace(&mut self.state, State::Away) {
            State::Returning { source, .. } => State::Running(source),
            other => other,
        };
    }

    /// Has it deliver frames.
    pub fn start(&mut self, now: Instant) -> Result<(), SourceError> {
        if let State::Running(source) = &mut self.state {
            source.start()?;
        }
        if let Some(search) = &mut self.search {
            search.back_off.source_started(now);
        }
        Ok(())
    }

    /// Stops the source and takes it, with the segments that it had; a driver may take its time for that. None where it is away
    /// or lent.
    pub fn take(&mut self) -> Option<(Box<dyn Source>, Vec<WritableSegment>)> {
        match std::mem::replace(&mut self.state, State::Away) {
            State::Running(mut source) => {
                let segments = source.stop();
                Some((source, segments))
            }
            State::Returning { source, .. } => Some((source, Vec::new())),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// The device thread has got it.
    pub fn lend(&mut self) {
        self.state = State::Lent;
    }

    /// It is lost: where there is a way to open it, it is looked for.
    pub fn lose(&mut self, now: Instant) {
        self.state = State::Away;
        if let Some(search) = &mut self.search {
            search.back_off.source_lost(now);
        }
        self.begin_search(now);
    }

    fn begin_search(&mut self, now: Instant) {
        if let Some(search) = &mut self.search {
            search.pause(now);
        }
    }

    /// How long nothing has to be done, where the source does not run.
    pub fn quiet_time(&self, now: Instant) -> Duration {
        match (&self.state, &self.search) {
            (State::Returning { look_at, .. }, _) => look_at.saturating_duration_since(now),
            (State::Away, Some(search)) => search.quiet_time(now).min(LOOK),
            _ => LOOK,
        }
    }

    /// Whether it waits for its segments and it is time to look whether there is room for them.
    pub fn is_room_due(&mut self, now: Instant) -> bool {
        match &mut self.state {
            State::Returning { look_at, .. } if now >= *look_at => {
                *look_at = now + LOOK;
                true
            }
            _ => false,
        }
    }

    /// Looks for a lost source; tells if it is found, or why it is not.
    pub fn search(&mut self, now: Instant) -> Option<Result<Box<dyn Source>, String>> {
        let search = self.search.as_mut().filter(|_| matches!(self.state, State::Away))?;
        search.look(now)
    }
}

impl std::fmt::Debug for SourceLife {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match &self.state {
            State::Running(_) => "Running",
            State::Returning { .. } => "Returning",
            State::Lent => "Lent",
            State::Away => "Away",
        })
    }
}

/// The search for a lost source. A driver may take seconds to answer, so it is opened on a thread of its own.
struct Search {
    open: Opener,
    back_off: BackOff,
    step: Step,
}

type Opening = JoinHandle<Result<Box<dyn Source>, SourceError>>;

enum Step {
    Idle,
    PausesUntil(Instant),
    Opens(Opening),
}

impl Search {
    fn pause(&mut self, now: Instant) {
        self.step = Step::PausesUntil(now + self.back_off.pause());
    }

    fn quiet_time(&self, now: Instant) -> Duration {
        match &self.step {
            Step::Idle => LOOK,
            Step::PausesUntil(until) => until.saturating_duration_since(now),
            Step::Opens(_) => LOOK_AT_OPENER,
        }
    }

    fn look(&mut self, now: Instant) -> Option<Result<Box<dyn Source>, String>> {
        match std::mem::replace(&mut self.step, Step::Idle) {
            Step::PausesUntil(until) if now >= until => {
                let open = self.open.clone();
                match std::thread::Builder::new().name("opener".to_owned()).spawn(move || open()) {
                    Ok(opening) => self.step = Step::Opens(opening),
                    Err(error) => {
                        self.pause(now);
                        return Some(Err(format!(
                            "no thread can be started to open it ({error}); raise the limit on processes (ulimit -u, or \
                             TasksMax of the service)"
                        )));
                    }
                }
                None
            }
            Step::Opens(opening) if opening.is_finished() => {
                let reason = match opening.join() {
                    Ok(Ok(source)) => return Some(Ok(source)),
                    Ok(Err(error)) => error.to_string(),
                    Err(_panic) => "opening the source panicked; please report this".to_owned(),
                };
                self.pause(now);
                Some(Err(reason))
            }
            unchanged => {
                self.step = unchanged;
                None
            }
        }
    }
}

/// The pauses between two looks for a lost source.
#[derive(Debug)]
struct BackOff {
    next: Duration,
    /// When the source started that was lost.
    started: Option<Instant>,
}

impl Default for BackOff {
    fn default() -> Self {
        Self { next: FIRST_BACK_OFF, started: None }
    }
}

impl BackOff {
    fn source_started(&mut self, now: Instant) {
        self.started = Some(now);
    }

    fn source_lost(&mut self, now: Instant) {
        if self.started.take().is_some_and(|started| now.saturating_duration_since(started) >= SETTLED) {
            self.next = FIRST_BACK_OFF;
        }
    }

    fn pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = (pause * 2).min(MAX_BACK_OFF);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: pauses grow while a source is away, and also where it only shows itself; one that stayed is looked for at once.
    #[test]
    fn pauses_grow_until_a_source_stays() {
        let (mut back_off, mut now) = (BackOff::default(), Instant::now());
        let mut pauses = Vec::new();
        for _ in 0..6 {
            pauses.push(back_off.pause().as_millis());
            back_off.source_started(now);
            now += SETTLED / 2;
            back_off.source_lost(now);
        }
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000]);
        back_off.source_started(now);
        back_off.source_lost(now + SETTLED);
        assert_eq!(back_off.pause(), FIRST_BACK_OFF);
    }
}
