//! Receiving frames until a signal comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use framebroker_client::{Broker, Delivery, Error, Frame, SettingsChange, Subscription, Violation};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::Failure;

/// A signal and a tick are noticed this soon.
const SLICE: Duration = Duration::from_millis(200);
/// As shells report a program that Ctrl-C ended.
const KILLED_BY_SIGINT: i32 = 130;
/// A signal that comes so soon after the first is the same wish: a shell and a wrapper such as timeout both pass it on.
const SAME_WISH: Duration = Duration::from_millis(500);

/// Set once SIGINT or SIGTERM has come. A later one ends the process at once, whatever it is stuck in.
#[derive(Debug, Clone)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Begins to listen.
    pub fn on_signals() -> Result<Self, Failure> {
        let stop = Self(Arc::default());
        let told = stop.clone();
        let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(Failure::Signals)?;
        let listen = move || {
            let mut first = None;
            for _ in signals.forever() {
                told.0.store(true, Ordering::Relaxed);
                if first.get_or_insert_with(Instant::now).elapsed() > SAME_WISH {
                    std::process::exit(KILLED_BY_SIGINT);
                }
            }
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(listen).map_err(Failure::Signals)?;
        Ok(stop)
    }

    /// Waits so long, or until the user wants an end.
    pub fn wait(&self, time: Duration) {
        let begin = Instant::now();
        while !self.is_set() {
            match time.saturating_sub(begin.elapsed()) {
                Duration::ZERO => return,
                left => std::thread::sleep(left.min(SLICE)),
            }
        }
    }

    /// Whether the user wants an end.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The fastest delivery that the broker grants for a stream; that of a stream which is not there is refused anyway.
pub fn granted_delivery(broker: &Broker, stream: &str) -> Result<Delivery, Failure> {
    let streams = broker.streams()?;
    let by_socket = streams.iter().any(|info| info.name.as_str() == stream && !info.shared);
    Ok(if by_socket { Delivery::Socket } else { Delivery::Shared })
}

/// What came.
#[derive(Debug)]
pub enum Received {
    /// A frame.
    Frame(Frame),
    /// A frame that the library refused and gave back; why.
    Refused(String),
    /// Nothing yet: time to look at signals and clocks.
    Nothing,
    /// The stream has ended, in the broker's words.
    Ended(String),
}

/// Receives a subscription's frames; gives up after a silence if that is wanted.
#[derive(Debug)]
pub struct Receiver {
    subscription: Subscription,
    timeout: Option<Duration>,
    silent_since: Instant,
}

impl Receiver {
    /// The silence begins now.
    pub fn new(subscription: Subscription, timeout: Option<Duration>) -> Self {
        Self { subscription, timeout, silent_since: Instant::now() }
    }

    /// The subscription, for its counters and state.
    pub fn subscription(&self) -> &Subscription {
        &self.subscription
    }

    /// What was changed in the camera's settings, and not asked for before.
    pub fn next_change(&mut self) -> Option<SettingsChange> {
        self.subscription.next_change()
    }

    /// The next frame, or what else there is to say; waits no longer than [`SLICE`].
    pub fn next(&mut self) -> Result<Received, Failure> {
        let silence = self.silent_since.elapsed();
        let left = self.timeout.map_or(SLICE, |timeout| timeout.saturating_sub(silence));
        let received = match self.subscription.next(left.min(SLICE)) {
            Ok(frame) => Received::Frame(frame),
            Err(Error::Timeout { waiting_for, .. }) => {
                self.check_silence(&waiting_for)?;
                return Ok(Received::Nothing);
            }
            Err(Error::Closed { reason }) => Received::Ended(reason),
            Err(Error::Violation(bad @ (Violation::Header { .. } | Violation::Unmapped { .. }))) => {
                Received::Refused(bad.to_string())
            }
            Err(Error::BrokerGone) => return Err(Failure::BrokerGone),
            Err(error) => return Err(error.into()),
        };
        self.silent_since = Instant::now();
        Ok(received)
    }

    fn check_silence(&self, reason: &impl ToString) -> Result<(), Failure> {
        match self.timeout {
            Some(waited) if self.silent_since.elapsed() >= waited => {
                Err(Failure::Silence { waited, reason: reason.to_string() })
            }
            _ => Ok(()),
        }
    }
}
