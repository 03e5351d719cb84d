//! The session thread's loop: it sleeps until a client, another thread, a signal or the clock has news.

use std::time::{Duration, Instant};

use framebroker_protocol::{BrokerId, StreamName};
use nix::errno::Errno;
use nix::sys::epoll::EpollFlags;
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tracing::{info, warn};

use super::broker::Broker;
use super::clock::Alarm;
use super::descriptors::{DescriptorBudget, advice};
use super::end::Impatience;
use super::listener::Listener;
use super::log_limit::CLIENTS;
use super::poll::{Poll, Token, Watched};
use super::rules::Rules;
use super::streams::Streams;
use crate::events::EventReceiver;
use crate::stream::served::Stream;
use crate::worker::Worker;

/// How long no connection is accepted after one could not be.
const DEAF: Duration = Duration::from_millis(200);
/// Connections accepted before anyone else's turn.
const ACCEPTED_AT_ONCE: usize = 16;

/// Why the session thread stopped before its streams did.
#[derive(Debug)]
pub enum ServeError {
    /// The kernel refuses something.
    System(Errno),
    /// It was told to end, and grab threads of these streams were still in their drivers.
    Stuck(Impatience, Vec<StreamName>),
}

impl From<Errno> for ServeError {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

/// What the session thread listens to.
#[derive(Debug)]
pub struct Server {
    poll: Poll,
    listener: Watched<Listener>,
    signals: Watched<SignalFd>,
    events: Watched<EventReceiver>,
    broker: Broker,
}

impl Server {
    /// The session thread's state; signals must be blocked in every thread.
    pub fn new(
        id: BrokerId,
        listener: Listener,
        events: EventReceiver,
        worker: Worker,
        rules: Rules,
        streams: Vec<Stream>,
    ) -> Result<Self, Errno> {
        let signals = SignalFd::with_flags(&end_signals(), SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let poll = Poll::new()?;
        let (open_files, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
        let (streams, budget) = (Streams::new(streams, worker), DescriptorBudget::of(open_files));
        Ok(Self {
            listener: Watched::new(&poll, Token::Listener, listener)?,
            signals: Watched::new(&poll, Token::Signals, signals)?,
            events: Watched::new(&poll, Token::Events, events)?,
            broker: Broker::new(id, rules, streams, poll.clone(), budget),
            poll,
        })
    }

    /// Serves until a signal comes or every stream has ended; returns the streams for the summary.
    ///
    /// # Errors
    /// What the kernel refuses, or that the streams had not ended in time after a signal.
    pub fn run(mut self) -> Result<Vec<Stream>, ServeError> {
        while !self.broker.is_done() {
            if let Some((why, streams)) = self.broker.stuck() {
                self.broker.tell_the_end();
                return Err(ServeError::Stuck(why, streams));
            }
            for token in self.poll.wait(self.broker.clock().next())? {
                self.handle(token);
                self.broker.settle();
            }
            let now = Instant::now();
            for alarm in self.broker.clock().take_due(now) {
                self.ring(alarm, now);
                self.broker.settle();
            }
            self.broker.end_turn(now);
        }
        Ok(self.broker.close())
    }

    fn handle(&mut self, token: Token) {
        match token {
            Token::Listener => self.accept(),
            Token::Signals => self.take_signal(),
            Token::Events => {
                self.events.quiet();
                while let Some(event) = self.events.next() {
                    self.broker.hear(event);
                    // In their order: what was changed is told before the answer to who has changed it.
                    self.broker.settle();
                }
            }
            Token::Session(client) => self.broker.serve(client),
            Token::Process(client) => self.broker.end_session(client, true),
            Token::Bell(client, subscription) => self.broker.deliver(client, subscription),
        }
    }

    fn ring(&mut self, alarm: Alarm, now: Instant) {
        if alarm == Alarm::Listen {
            self.listen(true);
        } else {
            self.broker.ring(alarm, now);
        }
    }

    fn accept(&mut self) {
        for _ in 0..ACCEPTED_AT_ONCE {
            match self.listener.accept() {
                Ok(accepted) => self.broker.welcome(accepted),
                Err(Errno::EAGAIN) => return,
                Err(Errno::ECONNABORTED | Errno::EINTR) => {}
                Err(errno) => {
                    // Too many open files, above all: those that wait stay in the backlog until some are closed.
                    if CLIENTS.may_speak() {
                        warn!(%errno, "cannot accept a connection: {}", advice(errno));
                    }
                    // One that waits and cannot be accepted would wake this thread without end.
                    return self.listen(false);
                }
            }
        }
    }

    fn listen(&mut self, wanted: bool) {
        let changed = self.listener.want(wanted.then_some(EpollFlags::EPOLLIN));
        if let Err(errno) = &changed
            && !wanted
        {
            return warn!(%errno, "cannot stop listening");
        }
        let is_deaf = !wanted || changed.is_err();
        self.broker.clock().set(Alarm::Listen, is_deaf.then(|| Instant::now() + DEAF));
    }

    fn take_signal(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            let name = i32::try_from(signal.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
            info!(signal = name.map_or("unknown", Signal::as_str), "ending");
            self.broker.signal();
        }
    }
}

/// The signals that end the broker in order.
pub fn end_signals() -> SigSet {
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect()
}
