//! `framectl watch`.

mod changes;
mod latency;
mod progress;
mod silence;
mod subscribe;
mod summary;
mod synced;
mod tally;
mod verify;

use std::time::Instant;

use framebroker_client::{Broker, Content, FeatureValue, Frame, SettingsChange, StreamState, Subscription};

use self::changes::Changes;
use self::progress::Progress;
use self::silence::{HINT, Silence};
use self::subscribe::subscribe_to;
use self::tally::Tally;
use self::verify::Verifier;
use crate::console::{complain, plain};
use crate::failure::Failure;
use crate::options::WatchOptions;
use crate::receive::{Received, Receiver, Stop};

/// Bad frames named on standard error; more are only counted.
const BAD_FRAMES_NAMED: u64 = 10;

/// Receives until the count is reached, the stream ends or a signal comes; then prints what there was.
pub fn run(broker: Broker, options: &WatchOptions, json: bool) -> Result<(), Failure> {
    if let Some(by) = options.sync {
        return synced::run(&broker, options, by, json);
    }
    let stop = Stop::on_signals()?;
    let subscription = subscribe(broker, options)?;
    let mut watch = Watch {
        verifier: options.verify.then(Verifier::default),
        progress: Progress::begin(&options.stream, options.interval, json, Instant::now()),
        receiver: Receiver::new(subscription, options.timeout),
        tally: Tally::default(),
        silence: Silence::default(),
        changes: Changes::default(),
        reconnects: 0,
        is_demoted: false,
    };
    let ended = watch.receive(options.count, &stop);
    watch.conclude(ended)
}

/// The subscription has a connection of its own; that for questions ends here.
fn subscribe(broker: Broker, options: &WatchOptions) -> Result<Subscription, Failure> {
    let subscription = subscribe_to(&broker, options, &options.stream, options.max_held)?;
    if options.verify {
        check_verifiable(&subscription)?;
    }
    Ok(subscription)
}

fn check_verifiable(subscription: &Subscription) -> Result<(), Failure> {
    let info = subscription.stream_info();
    match info.content {
        Content::Pattern => Ok(()),
        Content::Opaque => {
            Err(Failure::NotVerifiable { stream: info.name.to_string(), source_kind: info.source.to_string() })
        }
    }
}

fn told(change: &SettingsChange) -> String {
    let SettingsChange { version, feature, value, by } = change;
    match value {
        FeatureValue::None => format!("{feature} was executed by {by} (settings version {version})"),
        value => {
            let value = plain(&value.to_string());
            format!("{feature} = {value}, set by {by} (settings version {version})")
        }
    }
}

/// A watch under way.
#[derive(Debug)]
struct Watch {
    receiver: Receiver,
    tally: Tally,
    verifier: Option<Verifier>,
    progress: Progress,
    silence: Silence,
    changes: Changes,
    reconnects: u64,
    is_demoted: bool,
}

impl Watch {
    fn receive(&mut self, count: Option<u64>, stop: &Stop) -> Result<(), Failure> {
        while !stop.is_set() && count.is_none_or(|count| self.tally.received < count) {
            match self.receiver.next()? {
                Received::Frame(frame) => self.take(&frame)?,
                Received::Refused(reason) => self.reject(&reason)?,
                Received::Nothing => self.notice_silence()?,
                Received::Ended(reason) if self.progress.is_for_people() => {
                    return self.say(&format!("the stream has ended: {reason}"));
                }
                Received::Ended(_) => return Ok(()),
            }
            self.notice_demotion()?;
            self.notice_changes()?;
            self.progress.tick(&mut self.tally, self.receiver.subscription())?;
        }
        Ok(())
    }

    fn take(&mut self, frame: &Frame) -> Result<(), Failure> {
        // First of all: what is done with the frame takes time that is not the broker's.
        let age = frame.age();
        self.silence.end();
        self.tally.add(age, frame.data().len(), Instant::now());
        if self.receiver.subscription().reconnects() != self.reconnects {
            self.begin_anew()?;
        }
        let Some(verifier) = &mut self.verifier else { return Ok(()) };
        self.tally.verified += 1;
        let Err(fault) = verifier.check(frame.context(), frame.header(), frame.data()) else { return Ok(()) };
        let (context, buffer) = (frame.context(), frame.buffer_context());
        self.reject(&format!("bad frame: context {context} (sequence {}), buffer {buffer}: {fault}", frame.sequence()))
    }

    fn reject(&mut self, reason: &str) -> Result<(), Failure> {
        self.tally.bad += 1;
        if self.tally.bad <= BAD_FRAMES_NAMED {
            self.say(reason)?;
        }
        if self.tally.bad == BAD_FRAMES_NAMED {
            self.say("further bad frames are only counted")?;
        }
        Ok(())
    }

    /// Another broker: sequences begin anew, and its source may be another.
    fn begin_anew(&mut self) -> Result<(), Failure> {
        self.reconnects = self.receiver.subscription().reconnects();
        self.say(&format!("goes on with another broker (reconnection {})", self.reconnects))?;
        if let Some(verifier) = &mut self.verifier {
            verifier.begin_anew();
            check_verifiable(self.receiver.subscription())?;
        }
        Ok(())
    }

    /// A camera whose packets get lost looks like one that takes no frames. People are told where to see the difference.
    fn notice_silence(&mut self) -> Result<(), Failure> {
        if self.receiver.subscription().state() != StreamState::Live {
            self.silence.end();
        } else if self.silence.goes_on(Instant::now()) && self.progress.is_for_people() {
            self.say(HINT)?;
        }
        Ok(())
    }

    /// Settings that somebody has changed: said at once, and with `--json` at the end.
    fn notice_changes(&mut self) -> Result<(), Failure> {
        while let Some(change) = self.receiver.next_change() {
            if self.progress.is_for_people() {
                self.say(&told(&change))?;
            }
            self.changes.add(change);
        }
        Ok(())
    }

    fn notice_demotion(&mut self) -> Result<(), Failure> {
        match self.receiver.subscription().demotion_reason() {
            Some(reason) if !self.is_demoted => {
                let news = format!("no longer lossless: {reason}");
                self.is_demoted = true;
                self.say(&news)
            }
            _ => Ok(()),
        }
    }

    /// Says something on standard error, on a line of its own.
    fn say(&mut self, what: &str) -> Result<(), Failure> {
        self.progress.make_room()?;
        complain(&what);
        Ok(())
    }

    /// Prints the end, whatever led to it. Bad frames weigh more than what came after them.
    fn conclude(mut self, ended: Result<(), Failure>) -> Result<(), Failure> {
        let printed = self.progress.end(&self.tally, self.receiver.subscription(), &self.changes);
        let result = ended.and(printed);
        if self.tally.bad == 0 {
            return result;
        }
        if let Err(failure) = &result {
            complain(failure);
        }
        Err(Failure::BadFrames(self.tally.bad))
    }
}
