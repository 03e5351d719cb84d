//! The device thread of a stream: reads and sets the source's features, for clients that ask.
//!
//! A camera may take seconds to answer, or never do. Only this thread waits for it: the grab thread goes on with frames, and the
//! session thread answers in time what is not answered here. What changes the frames' size is set while the source is stopped
//! (`loan`); what was set is remembered and set again when the source comes back ([`journal`]).

mod job;
pub mod journal;
mod loan;
mod question;
mod queue;
mod settle;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use framebroker_protocol::codec::encode;
use framebroker_protocol::limits::PAGE_ENTRIES;
use framebroker_protocol::message::{Access, Feature, FeatureKind, FeatureValue, Tell, Visibility};
use framebroker_protocol::{FeatureName, Sequence, StreamId, Text};

pub use self::job::{Handle, Job};
use self::journal::Settings;
pub use self::question::{Question, What};
use self::queue::Queue;
use super::StreamCore;
use super::command::Command;
use crate::events::{Event, EventSender};
use crate::source::features::{FeatureError, Features, check, is_trigger};
use crate::stream::triggers::Waiting;

/// A page of features ends with the first that makes it longer than this; a feature has less than 44 KiB.
const PAGE_BYTES: usize = 16 * 1024;
/// How long the end of the broker waits for a camera to answer what was asked last.
const LAST_ANSWER: Duration = Duration::from_secs(2);

/// The session thread's hold on a device thread.
#[derive(Debug)]
pub struct DeviceThread {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
    /// Questions that it has not answered.
    pub unanswered: usize,
}

impl DeviceThread {
    /// Starts the thread of a stream. `jobs` are those that are sent to `sender`.
    ///
    /// # Errors
    /// The system can start no thread.
    pub fn start((sender, jobs): (Sender<Job>, Receiver<Job>), parts: Parts) -> std::io::Result<Self> {
        let name = format!("device-{}", parts.core.name);
        let device = Device { parts, jobs: Queue::new(jobs), features: None, names: None, waiting: Waiting::default() };
        let thread = std::thread::Builder::new().name(name).spawn(move || device.run())?;
        Ok(Self { jobs: sender, thread, unanswered: 0 })
    }

    /// Asks something.
    pub fn ask(&mut self, question: Question) {
        self.unanswered += 1;
        // It ends only when this end is dropped, or by a panic, of which the time limit tells whoever asked.
        let _sent = self.jobs.send(Job::Ask(question));
    }

    /// Ends the thread, when the stream's grab thread has ended. A camera that does not answer is not waited for.
    pub fn end(self) {
        let Self { jobs, thread, .. } = self;
        drop(jobs);
        let deadline = Instant::now() + LAST_ANSWER;
        while !thread.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        if thread.is_finished() && thread.join().is_err() {
            tracing::warn!("a device thread panicked; please report this");
        }
    }
}

/// A way to a device thread that has yet to be started.
#[must_use]
pub fn jobs() -> (Sender<Job>, Receiver<Job>) {
    channel()
}

/// What a device thread works with.
#[derive(Debug)]
pub struct Parts {
    /// The stream.
    pub core: Arc<StreamCore>,
    /// To the session thread.
    pub events: EventSender,
    /// To the grab thread.
    pub commands: Sender<Command>,
    /// What clients have set.
    pub settings: Settings,
    /// The most that segments may take.
    pub memory_bytes: u64,
    /// The most segments there may be.
    pub max_segments: usize,
}

/// The thread's state.
struct Device {
    parts: Parts,
    jobs: Queue,
    features: Option<Box<dyn Features>>,
    /// Known once they were asked for.
    names: Option<Arc<[FeatureName]>>,
    /// For the frames of triggers.
    waiting: Waiting,
}

impl Device {
    fn run(mut self) {
        while let Some(job) = self.jobs.next() {
            match job {
                Job::Source(Handle(features)) => (self.features, self.names) = (features, None),
                Job::Ask(question) => self.answer(question),
            }
        }
    }

    fn answer(&mut self, Question { id, what, by, dropped, .. }: Question) {
        // Set by the session thread; guards no data.
        let result = if dropped.load(Ordering::Relaxed) {
            Err(FeatureError::Failed("nobody waits for the answer any more".to_owned()))
        } else {
            match what {
                What::List { from } => self.list(from),
                What::Get(name) => {
                    let head = self.head();
                    self.find(&name).map(|feature| self.told(feature, head))
                }
                What::Set(name, value) => self.set(&name, &value, &by),
                What::Execute(name) => self.execute(&name, &by),
            }
        };
        self.parts.events.send(Event::Answered { stream: self.stream(), question: id, result });
    }

    fn stream(&self) -> StreamId {
        self.parts.core.id
    }

    fn told(&self, feature: Feature, head: Sequence) -> Tell {
        Tell::Feature { version: self.parts.core.settings_version(), head, feature }
    }

    /// The newest frame.
    fn head(&self) -> Sequence {
        self.parts.core.page.head()
    }

    fn features(&mut self) -> Result<&mut Box<dyn Features>, FeatureError> {
        self.features.as_mut().ok_or_else(|| {
            FeatureError::Failed(
                "the source of this stream is away, or has no features; `framectl list` tells".to_owned(),
            )
        })
    }

    fn names(&mut self) -> Result<Arc<[FeatureName]>, FeatureError> {
        if let Some(names) = &self.names {
            return Ok(Arc::clone(names));
        }
        let names: Arc<[FeatureName]> = self.features()?.names()?.into();
        self.names = Some(Arc::clone(&names));
        Ok(names)
    }

    /// Features from here on, as many as make a page.
    fn list(&mut self, from: usize) -> Result<Tell, FeatureError> {
        let names = self.names()?;
        let (mut page, mut bytes, mut passed) = (Vec::new(), 0, from);
        for name in names.iter().skip(from).take(PAGE_ENTRIES) {
            passed += 1;
            let feature = self.features()?.read(name)?.unwrap_or_else(|| vanished(name));
            bytes += encode(&feature).map_or(PAGE_BYTES, |encoded| encoded.len());
            page.push(feature);
            if bytes > PAGE_BYTES {
                break;
            }
        }
        Ok(Tell::Features { features: page, more: passed < names.len() })
    }

    fn find(&mut self, name: &FeatureName) -> Result<Feature, FeatureError> {
        match self.features()?.read(name)? {
            Some(feature) => Ok(feature),
            None => Err(check::unknown(name, &self.names()?)),
        }
    }

    fn set(&mut self, name: &FeatureName, value: &FeatureValue, by: &Text) -> Result<Tell, FeatureError> {
        let head = self.head();
        let before = self.find(name)?;
        self.note_exposure(&before);
        check::clients(name)?;
        let needs_stop = self.features()?.needs_stop(name);
        if !needs_stop {
            check::access(&before)?;
        }
        let value = check::value(&before, value)?;
        let feature = if !needs_stop {
            self.features()?.write(name, &value)?;
            // What the device made of it.
            let after = self.find(name).unwrap_or(Feature { value: value.clone(), ..before });
            self.note_exposure(&after);
            self.note_change(&after, by);
            self.settle();
            after
        } else if before.value == value {
            // Not worth a stop.
            before
        } else {
            self.set_stopped(&before, Some(&value), by)?
        };
        self.parts.settings.remember(name, &value);
        Ok(self.told(feature, head))
    }

    fn execute(&mut self, name: &FeatureName, by: &Text) -> Result<Tell, FeatureError> {
        // Before: what the command makes comes later.
        let head = self.head();
        let before = self.find(name)?;
        check::clients(name)?;
        check::command(&before)?;
        let feature = if self.features()?.needs_stop(name) {
            self.set_stopped(&before, None, by)?
        } else {
            check::access(&before)?;
            if is_trigger(name.as_str()) {
                self.trigger(name)?;
                before
            } else {
                self.features()?.execute(name)?;
                let after = self.find(name).unwrap_or(before);
                self.note_change(&after, by);
                self.settle();
                after
            }
        };
        Ok(self.told(feature, head))
    }

    /// Begins a new settings version and has it told.
    fn note_change(&self, feature: &Feature, by: &Text) {
        let version = self.parts.core.raise_settings_version();
        let (feature, value) = (feature.name.clone(), feature.value.clone());
        self.parts.events.send(Event::SettingsChanged {
            stream: self.stream(),
            version,
            feature,
            value,
            by: by.clone(),
        });
    }
}

/// A feature that has a name only: the next page is counted from the number of this one's features.
fn vanished(name: &FeatureName) -> Feature {
    Feature {
        name: name.clone(),
        display_name: Text::cut(""),
        description: Text::cut(""),
        visibility: Visibility::Unknown,
        access: Access::NotAvailable,
        value: FeatureValue::None,
        kind: FeatureKind::String,
    }
}
