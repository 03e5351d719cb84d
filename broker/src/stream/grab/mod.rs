//! What the grab thread does: it publishes a frame, retires an old one, queues its segment, and handles commands. It takes no
//! lock a client can hold, and per frame it allocates nothing.
//!
//! **Nothing here waits**, and so no command is handled inside another: the loop ([`thread`]) waits and calls, [`supply`] moves
//! segments, [`source`] knows whether the source is there. What a source that is to be stopped has filled already is published
//! without asking for segments in its place; a source that starts gets what can be retired at once, and the loop sees to the rest.

pub mod source;
pub mod supply;
pub mod thread;

use std::sync::Arc;
use std::sync::mpsc::{SendError, Sender};
use std::time::{Duration, Instant};

use framebroker_protocol::ring::Releases;
use framebroker_protocol::{
    FrameHeader, PixelFormat, SEGMENT_LIMIT, Sequence, StreamId, StreamState, monotonic_ns, realtime_ns, stop_point,
};

use self::source::SourceLife;
use self::supply::{News, Refilled, Restart, Supply};
use self::thread::MayWait;
use super::StreamCore;
use super::command::{Attached, Command, Lent};
use super::device::{Handle, Job};
use super::settings_stamp::{SettingsStamp, Versions};
use crate::events::{Event, EventSender};
use crate::factory::Epoch;
use crate::source::{Description, Event as SourceEvent, FrameInfo, Opener, Requirements, Source, WritableSegment};

pub use thread::GrabThread;

/// How the grab thread behaves.
#[derive(Debug, Clone, Copy)]
pub struct GrabOptions {
    /// Ends after so many frames.
    pub frames: Option<u64>,
    /// Publishes frames of which a part is missing.
    pub publish_incomplete: bool,
    /// How long the ring may wait for a lossless reader while it takes one ring of frames.
    pub lossless_timeout: Duration,
}

/// Everything the grab thread owns.
#[derive(Debug)]
pub struct Grab {
    core: Arc<StreamCore>,
    options: GrabOptions,
    supply: Supply,
    source: SourceLife,
    events: EventSender,
    /// To the device thread.
    device: Sender<Job>,
    /// How often the source was stopped to start again.
    restart: u64,
    /// Whom to tell when the source that was lent has started.
    started: Option<Sender<()>>,
    /// The newest settings version when the present frame was not waited for yet.
    settings_version: u32,
    stamp: SettingsStamp,
    /// The source can pause, and does so for a lossless reader.
    awaits_reader: bool,
    /// The time of this turn of the loop.
    now: Instant,
    /// Why no more frames are taken, if so.
    end: Option<String>,
    is_closing: bool,
}

impl Grab {
    /// A grab thread's state; `source` is opened and not started. Without one it is looked for, or where there is no way to
    /// open one, a producer is waited for.
    #[must_use]
    pub fn new(
        core: Arc<StreamCore>,
        options: GrabOptions,
        events: EventSender,
        open: Option<Opener>,
        source: Option<Box<dyn Source>>,
        device: Sender<Job>,
    ) -> Self {
        let now = Instant::now();
        let payload_bytes = source.as_ref().map_or(0, |source| source.requirements().payload_bytes);
        let (page, roster) = (Arc::clone(&core.page), Arc::clone(&core.roster));
        Self {
            core,
            options,
            supply: Supply::new(page, roster, payload_bytes, options.lossless_timeout),
            source: SourceLife::new(source, open, now),
            events,
            device,
            restart: 0,
            started: None,
            settings_version: 0,
            stamp: SettingsStamp::default(),
            awaits_reader: false,
            now,
            end: None,
            is_closing: false,
        }
    }

    /// Where the loop waits for a lossless reader.
    #[must_use]
    pub fn releases(&self) -> Releases {
        self.supply.releases()
    }

    /// The segments of the ring.
    #[must_use]
    pub fn supply(&self) -> &Supply {
        &self.supply
    }

    /// Whether the source delivers frames.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.source.running().is_some()
    }

    /// Whether there is no source: it is away, and not only stopped or lent.
    #[must_use]
    pub fn is_away(&self) -> bool {
        !self.is_running() && !self.source.is_returning() && !self.source.is_lent()
    }

    /// Whether a lost source is being opened.
    #[must_use]
    pub fn is_opening(&self) -> bool {
        self.source.is_opening()
    }

    /// Whether the source pauses for a lossless reader.
    #[must_use]
    pub fn awaits_reader(&self) -> bool {
        let is_short = |source: &dyn Source| self.supply.is_short(&source.requirements());
        self.awaits_reader && self.source.running().is_some_and(is_short)
    }

    /// Whether no more frames are taken.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.end.is_some()
    }

    /// Whether the stream is to be closed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// Starts the source that was there from the beginning, with the segments that have come. One that has come meanwhile, or
    /// was set, waits for the segments that it then needs.
    pub fn begin(&mut self) {
        if self.is_awaited(0) {
            self.start();
        }
    }

    /// Waits for the source, at most so long, and does what it tells.
    pub fn wait(&mut self, permit: &MayWait, longest: Duration) {
        // Before the frame: what is set while it is waited for may come too late for it.
        self.settings_version = self.core.settings_version();
        if let Some(event) = self.source.wait(permit, longest) {
            self.take(event);
        }
    }

    /// Does what the source has to tell already.
    pub fn take_ready(&mut self) {
        self.settings_version = self.core.settings_version();
        self.take_rest();
        self.settle();
    }

    fn take(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Filled(segment, info) => {
                self.take_filled(segment, &info);
                self.refill();
                if let Some(source) = self.source.running() {
                    self.core.counters.set_transport(source.counters());
                }
            }
            SourceEvent::Starved => {
                self.note_starved();
                self.refill();
            }
            // Where there was no segment for it, one may have been released.
            SourceEvent::Timeout => self.refill(),
            SourceEvent::Gone(reason) => self.go_offline(reason),
            SourceEvent::Ended(reason) => self.end = Some(reason),
        }
    }

    /// Publishes what the source has filled already, and asks for nothing in its place: it may be stopped next. Where it tells that
    /// it has gone or ended, it has. One that fills on meanwhile does not keep the thread.
    fn take_rest(&mut self) {
        for _ in 0..SEGMENT_LIMIT {
            // A source that can pause does so while it has no segment, unless it is asked for a frame.
            if self.supply.queued() == 0 || self.is_ending() {
                return;
            }
            match self.source.collect() {
                Some(SourceEvent::Filled(segment, info)) => self.take_filled(segment, &info),
                Some(SourceEvent::Starved) => self.note_starved(),
                Some(last) => return self.take(last),
                None => return,
            }
        }
    }

    /// A frame came and there was no segment for it.
    fn note_starved(&self) {
        self.core.counters.starved.add(1);
        self.core.triggers.frame_came();
    }

    fn take_filled(&mut self, segment: WritableSegment, info: &FrameInfo) {
        let settings_version = self.stamp();
        // After its stamp, and before anybody can see it and set the camera: see `triggers`.
        self.core.triggers.frame_came();
        let counters = &self.core.counters;
        counters.grabbed.add(1);
        counters.lost_at_camera.add(u64::from(info.lost_at_camera));
        counters.incomplete.add(u64::from(!info.complete));
        if info.complete || self.options.publish_incomplete {
            self.publish(segment, info, settings_version);
        } else {
            self.supply.withhold(segment);
        }
        self.supply.shed();
    }

    fn publish(&mut self, segment: WritableSegment, info: &FrameInfo, settings_version: u32) {
        let (monotonic_ns, realtime_ns) = (monotonic_ns(), realtime_ns());
        // Context, usage count and buffer context are the writer's to set.
        let header = FrameHeader { settings_version, monotonic_ns, realtime_ns, ..info.header() };
        let (context, took_ns) = self.supply.publish(segment, header);
        self.core.set_geometry(info.width, info.height, info.pixel_format);
        let counters = &self.core.counters;
        counters.publish.add(took_ns);
        counters.published.add(1);
        if self.options.frames.is_some_and(|frames| context.sequence() >= Sequence(frames)) {
            self.end = Some("the broker has grabbed the frames it was asked for".to_owned());
        }
    }

    /// The settings version of the frame that has come. Has the session thread look at a source that was changed.
    fn stamp(&mut self) -> u32 {
        let before = self.settings_version;
        // First: so the newest is none that is older.
        let settled = self.core.settled_version();
        let versions = Versions { before, newest: self.core.settings_version(), settled };
        let Some(source) = self.source.running() else { return before };
        if before != self.stamp.newest() {
            let (stream, epoch, description, needs) = self.facts(source);
            self.events.send(Event::Described { stream, epoch, description, needs });
        }
        self.stamp.next(versions, source.frames_under_way())
    }

    /// Retires frames until the source has as many segments as it needs, as far as that can be done at once.
    pub fn refill(&mut self) {
        if let Some(source) = self.source.running()
            && !self.is_ending()
        {
            let needs = source.requirements();
            let (is_short, began_ns) = (self.supply.is_short(&needs), monotonic_ns());
            self.awaits_reader = self.supply.refill(&needs) == Refilled::AwaitsReader;
            if is_short {
                self.core.counters.retire.add(monotonic_ns() - began_ns);
            }
        }
        self.settle();
    }

    /// Retires once more for a source that pauses. True if nothing could be: then readers were asked to wake the loop.
    pub fn ask_for_release(&mut self) -> bool {
        let asked = self.supply.ask_for_release();
        self.settle();
        asked
    }

    /// The source has paused for so long.
    pub fn charge(&mut self, waited: Duration) {
        self.supply.charge(waited);
    }

    /// Hands over what has been done: segments to the source, news to the session thread.
    fn settle(&mut self) {
        if self.is_running() {
            self.supply.hand_over().for_each(|segment| self.source.queue(segment));
            self.core.set_filling(self.supply.filling());
        }
        let stream = self.core.id;
        for news in self.supply.take_news() {
            self.events.send(match news {
                News::Released(index) => Event::Released { stream, index },
                News::Vacated(context) => Event::Vacated { stream, context },
                News::Demoted(member) => Event::Demoted { stream, member },
            });
        }
    }

    /// What is done next is done at this time.
    pub fn set_time(&mut self, now: Instant) {
        self.now = now;
    }

    /// How long nothing has to be done, while the source does not run.
    #[must_use]
    pub fn quiet_time(&self, now: Instant) -> Duration {
        self.source.quiet_time(now)
    }

    /// Does what is due by now, where the source does not run.
    pub fn look(&mut self) {
        if self.source.is_room_due(self.now) {
            // Its segments have not come yet: there may be no memory for them beside the old ones.
            self.supply.retire_outgrown();
            self.settle();
        }
        if self.is_ending() {
            return;
        }
        match self.source.search(self.now) {
            None => {}
            Some(Ok(source)) => self.restart(source),
            Some(Err(reason)) => self.events.send(Event::StillOffline { stream: self.core.id, reason }),
        }
    }

    /// Does what another thread asks.
    pub fn handle(&mut self, command: Command) {
        match command {
            Command::Install(segment) => self.supply.install(segment),
            Command::Resume(restart) if self.is_awaited(restart) => self.start(),
            // For an earlier restart.
            Command::Resume(_) => {}
            Command::Renew => self.renew(),
            Command::Lend(to) => self.lend(&to),
            Command::Return { source, started } => self.take_lent(source, started),
            Command::MakeRoom(reason) => self.make_room(reason),
            Command::Attach(attached) => self.attach(attached),
            Command::Detach { epoch, reason } => self.detach(epoch, reason),
            // Sent before the session thread heard of the source's return, and void since.
            Command::Shrink(_) if self.source.is_returning() => {}
            Command::Shrink(segments) => self.supply.shrink(segments),
            Command::Adopt { key, member, start } => {
                let first = self.supply.adopt(&member, start);
                self.events.send(Event::Adopted { key, first });
            }
            Command::Confirm { held, client } => {
                let (kept, stale) = held.into_iter().partition(|context| self.supply.is_published(*context));
                self.events.send(Event::Quarantined { stream: self.core.id, kept, stale, client });
            }
            Command::Stop => self.stop(),
            Command::Close => {
                self.stop();
                self.is_closing = true;
            }
        }
        self.settle();
    }

    /// Whether the source waits for the segments of this restart.
    fn is_awaited(&self, restart: u64) -> bool {
        restart == self.restart && self.source.is_returning() && !self.is_ending()
    }

    fn stop(&mut self) {
        self.end.get_or_insert_with(|| "the broker was told to end".to_owned());
    }

    /// Starts the source that waits for its segments, with those that are there, and says that the stream is live.
    fn start(&mut self) {
        self.source.resume();
        let Some(source) = self.source.running() else { return };
        let (stream, epoch, description, needs) = self.facts(source);
        self.core.set_geometry(0, 0, PixelFormat::from_code(0));
        self.refill();
        self.stamp = SettingsStamp::begin(self.core.settings_version());
        self.core.triggers.begin();
        match self.source.start(self.now) {
            Ok(()) => {
                stop_point("size.started");
                self.supply.announce(StreamState::Live);
                self.hand_over_features();
                self.events.send(Event::Online { stream, epoch, description, needs });
                if let Some(started) = self.started.take() {
                    // It may have waited long enough.
                    let _nobody_waits = started.send(());
                }
            }
            Err(error) => self.go_offline(error.to_string()),
        }
    }

    fn facts(&self, source: &dyn Source) -> (StreamId, Epoch, Description, Requirements) {
        (self.core.id, self.supply.epoch(), source.describe(), source.requirements())
    }

    /// Gives the device thread the features of the source.
    fn hand_over_features(&self) {
        let features = self.source.running().and_then(|source| source.features());
        // Where the device thread has ended, nobody asks for them.
        let _ended = self.device.send(Job::Source(Handle(features)));
    }

    /// Stops the source and takes it; its figures go on when it starts again.
    fn halt(&mut self) -> Option<Box<dyn Source>> {
        let (source, segments) = self.source.take()?;
        self.supply.take_back(segments);
        self.core.counters.set_transport(source.counters());
        self.core.set_filling(None);
        Some(source)
    }

    /// Stops the source for good.
    fn end_source(&mut self) {
        if self.halt().is_some() {
            self.core.counters.end_transport();
        }
    }

    fn go_offline(&mut self, reason: String) {
        self.end_source();
        self.source.lose(self.now);
        self.started = None;
        self.hand_over_features();
        self.tell_offline(reason);
    }

    fn tell_offline(&mut self, reason: String) {
        self.supply.announce(StreamState::Offline);
        self.events.send(Event::Offline { stream: self.core.id, epoch: self.supply.epoch(), reason });
    }

    /// A source is open again, or was set: its frames may have another size.
    fn restart(&mut self, source: Box<dyn Source>) {
        let needs = source.requirements();
        let without = self.supply.resize(&needs);
        self.await_segments(source, without);
    }

    /// Has the session thread make the segments that a stopped source needs.
    fn await_segments(&mut self, source: Box<dyn Source>, without: Restart) {
        // What was told before counts before.
        self.settle();
        self.restart += 1;
        stop_point("size.awaited");
        let Restart { left_behind, given_up } = without;
        let (stream, epoch, _, needs) = self.facts(&*source);
        self.events.send(Event::Resized { stream, epoch, needs, restart: self.restart, left_behind, given_up });
        self.source.await_segments(source, self.now);
    }

    /// Stops a source whose pool is fixed, to start it with new segments beside those whose frames are in the ring: nothing that
    /// somebody may still want is retired for it. Its stream stays live.
    fn renew(&mut self) {
        self.take_rest();
        if self.is_ending() || !self.is_running() {
            return;
        }
        if let Some(source) = self.halt() {
            let without = self.supply.begin_anew(&source.requirements());
            self.await_segments(source, without);
        }
    }

    /// Stops the source and lends it. Its stream stays live: it comes back soon.
    fn lend(&mut self, to: &Sender<Lent>) {
        let Some(source) = self.halt() else { return };
        self.source.lend();
        if let Err(SendError(Lent(source))) = to.send(Lent(source)) {
            self.restart(source);
        }
    }

    /// Takes back what was lent.
    fn take_lent(&mut self, source: Result<Lent, String>, started: Sender<()>) {
        if !self.source.is_lent() {
            return;
        }
        self.started = Some(started);
        match source {
            Ok(Lent(source)) => self.restart(source),
            Err(reason) => {
                self.core.counters.end_transport();
                self.go_offline(reason);
            }
        }
    }

    /// Takes the frames of a producer: of a new one, or of the same whose frames change.
    fn attach(&mut self, Attached { source, epoch }: Attached) {
        self.take_rest();
        if self.is_ending() {
            return;
        }
        self.end_source();
        self.supply.set_epoch(epoch);
        self.restart(source);
    }

    /// The producer has gone. Nobody else is ever given what it can write.
    fn detach(&mut self, epoch: Epoch, reason: String) {
        if self.supply.epoch() != epoch {
            return;
        }
        self.take_rest();
        if self.is_running() || self.source.is_returning() {
            self.go_offline(reason);
        }
        self.supply.disown();
    }

    /// The source that is back needs more memory than there is. What older frames take can be had at once, unless they are held.
    fn make_room(&mut self, reason: String) {
        let is_returning = self.source.is_returning();
        let has_made_room = is_returning && self.supply.make_room();
        // Each segment is told as released, before this.
        self.settle();
        if is_returning && !has_made_room && self.core.page.state() == StreamState::Live {
            self.tell_offline(reason);
        }
        self.events.send(Event::MadeRoom { stream: self.core.id, has_made_room });
    }

    /// Stops the source and says that no more frames come.
    pub fn finish(&mut self) {
        self.end_source();
        let reason = self.end.clone().unwrap_or_default();
        self.events.send(Event::Finished { stream: self.core.id, reason });
    }

    /// Says in the page that the stream has ended.
    pub fn close(&mut self) {
        self.supply.announce(StreamState::Closed);
    }
}

impl Drop for Grab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Nobody publishes any more: the broker must not go on as if somebody did.
            let reason = "the grab thread panicked; please report this".to_owned();
            self.events.send(Event::Finished { stream: self.core.id, reason });
        }
    }
}

#[cfg(test)]
mod tests;
