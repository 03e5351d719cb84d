//! The connection to a broker for questions, and the way to subscriptions.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use framebroker_protocol::message::{Ask, Roles, StatsEntries, StatsOf, StreamInfo, Tell};
use framebroker_protocol::stats::{ClientStats, SegmentStats, StreamStats};
use framebroker_protocol::{BrokerId, ClientId, ClientName, StreamId};

use crate::connect::{Connector, Session};
use crate::deadline::Deadline;
use crate::error::Violation;
use crate::fork::Generation;
use crate::limits::LIST_PAGES;
use crate::producer::ProducerBuilder;
use crate::subscription::SubscriptionBuilder;
use crate::{Error, Result};

/// A connection to a broker, for questions. May be used by several threads; they take turns.
///
/// Subscriptions have connections of their own: they go on when this is dropped.
#[derive(Debug)]
pub struct Broker {
    connector: Connector,
    session: Mutex<Session>,
    socket: PathBuf,
    server_pid: i32,
    id: BrokerId,
    client_id: ClientId,
    generation: Generation,
}

/// How to connect to a broker.
#[derive(Debug, Clone, Default)]
pub struct BrokerBuilder(Connector);

impl BrokerBuilder {
    /// The broker's socket. Without it: the variable `FRAMEBROKER_SOCKET`, else the first of
    /// `$XDG_RUNTIME_DIR/framebroker.sock`, `/run/framebroker/broker.sock` and `/tmp/framebroker-$UID/broker.sock` on which
    /// a broker answers.
    #[must_use]
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.0.socket = Some(path.into());
        self
    }

    /// What this client is called in statistics and logs; cut to 63 bytes. Default: the program's name.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.0.name = ClientName::cut(name);
        self
    }

    /// Trusts a broker that runs as this user, beside one's own user and root. May be given more than once.
    ///
    /// Whom you trust here can change frames while you read them.
    #[must_use]
    pub fn server_uid(mut self, uid: u32) -> Self {
        self.0.server_uids.push(uid);
        self
    }

    /// Whether this connection may change camera settings; the broker must allow it. Default: it only reads. Subscriptions
    /// never need it.
    #[must_use]
    pub fn control(mut self, wanted: bool) -> Self {
        self.0.roles = if wanted { Roles::CONSUMER.with(Roles::CONTROL) } else { Roles::CONSUMER };
        self
    }

    /// How long connecting and every answer may take. Default: 5 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = timeout;
        self
    }

    /// Connects and says hello.
    ///
    /// # Errors
    /// [`Error::NoBroker`] with every path tried and what came of it.
    pub fn connect(self) -> Result<Broker> {
        let session = self.0.connect(Deadline::after(None))?;
        Ok(Broker {
            socket: session.socket.clone(),
            server_pid: session.server_pid,
            id: session.broker,
            client_id: session.client,
            generation: Generation::current()?,
            session: Mutex::new(session),
            connector: self.0,
        })
    }
}

impl Broker {
    /// Connects to the broker of this user or this machine.
    ///
    /// # Errors
    /// [`Error::NoBroker`] with every path tried and what came of it.
    pub fn connect() -> Result<Self> {
        Self::builder().connect()
    }

    /// Connects with options.
    #[must_use]
    pub fn builder() -> BrokerBuilder {
        BrokerBuilder::default()
    }

    /// Which run of a broker this is: a broker started anew has another.
    #[must_use]
    pub fn id(&self) -> BrokerId {
        self.id
    }

    /// Names this connection in [`Self::clients`].
    #[must_use]
    pub fn client_id(&self) -> ClientId {
        self.client_id
    }

    /// The socket on which the broker answered.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The broker's process, by the kernel's word; 0 where it is in a PID namespace that cannot be seen from here.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.server_pid
    }

    /// All streams, as they are now.
    ///
    /// # Errors
    /// [`Error::BrokerGone`], [`Error::Timeout`], [`Error::Forked`], [`Error::Violation`].
    pub fn streams(&self) -> Result<Vec<StreamInfo>> {
        self.with_session(list_streams)
    }

    /// Figures of all streams, as they are now.
    ///
    /// # Errors
    /// As [`Self::streams`].
    pub fn stats(&self) -> Result<Vec<StreamStats>> {
        self.entries(StatsOf::Streams, |entries| match entries {
            StatsEntries::Streams(entries) => Some(entries),
            _ => None,
        })
    }

    /// Figures of a stream's segments. Empty for a stream that does not exist.
    ///
    /// # Errors
    /// As [`Self::streams`].
    pub fn segments(&self, stream: StreamId) -> Result<Vec<SegmentStats>> {
        self.entries(StatsOf::Segments(stream), |entries| match entries {
            StatsEntries::Segments(entries) => Some(entries),
            _ => None,
        })
    }

    /// Figures of all sessions, this one among them.
    ///
    /// # Errors
    /// As [`Self::streams`].
    pub fn clients(&self) -> Result<Vec<ClientStats>> {
        self.entries(StatsOf::Clients, |entries| match entries {
            StatsEntries::Clients(entries) => Some(entries),
            _ => None,
        })
    }

    /// Asks whether the broker is still there; tells how long the answer took.
    ///
    /// # Errors
    /// As [`Self::streams`].
    pub fn ping(&self) -> Result<Duration> {
        self.with_session(|session, deadline| {
            let begun = Instant::now();
            match session.ask("Ping", Ask::Ping, deadline)?.body {
                Tell::Pong => Ok(begun.elapsed()),
                _ => Err(Violation::Unexpected("no Pong").into()),
            }
        })
    }

    /// Prepares a subscription to a stream, by its name (`cam0`), on a connection of its own.
    pub fn subscribe(&self, stream: &str) -> SubscriptionBuilder {
        SubscriptionBuilder::new(Connector { roles: Roles::CONSUMER, ..self.connector.clone() }, stream)
    }

    /// Prepares to fill the segments of a stream, by its name (`cam0`), on a connection of its own. The broker of that stream
    /// was started with `--source producer`.
    pub fn produce(&self, stream: &str) -> ProducerBuilder {
        ProducerBuilder::new(self.connector.clone(), stream)
    }

    fn entries<T>(&self, of: StatsOf, take: impl Fn(StatsEntries) -> Option<Vec<T>>) -> Result<Vec<T>> {
        self.with_session(|session, deadline| {
            paged(|from| match session.ask("Stats", Ask::Stats { of, from }, deadline)?.body {
                Tell::Stats(stats) => take(stats.entries)
                    .map(|entries| (entries, stats.more))
                    .ok_or_else(|| Violation::Unexpected("other Stats than asked for").into()),
                _ => Err(Violation::Unexpected("no Stats").into()),
            })
        })
    }

    /// Puts pages together that may each take as long as an answer may.
    pub(crate) fn paged_slowly<T>(
        &self,
        mut page: impl FnMut(&mut Session, u32, Deadline) -> Result<(Vec<T>, bool)>,
    ) -> Result<Vec<T>> {
        paged(|from| self.with_session(|session, deadline| page(session, from, deadline)))
    }

    pub(crate) fn with_session<T>(&self, run: impl FnOnce(&mut Session, Deadline) -> Result<T>) -> Result<T> {
        // Before the lock: in a forked child another thread of the parent may seem to hold it for ever.
        self.generation.check()?;
        // A panic while it was held left at worst an answer unread, which is passed over.
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        run(&mut session, Deadline::after(Some(self.connector.timeout)))
    }
}

/// All streams of a broker.
pub fn list_streams(session: &mut Session, deadline: Deadline) -> Result<Vec<StreamInfo>> {
    paged(|from| match session.ask("ListStreams", Ask::ListStreams { from }, deadline)?.body {
        Tell::Streams { streams, more } => Ok((streams, more)),
        _ => Err(Violation::Unexpected("no Streams").into()),
    })
}

/// Puts the pages of a list together. `page` gets how many entries to pass over and says whether more are there.
fn paged<T>(mut page: impl FnMut(u32) -> Result<(Vec<T>, bool)>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    for _ in 0..LIST_PAGES {
        let (entries, more) = page(u32::try_from(all.len()).unwrap_or(u32::MAX))?;
        let is_empty = entries.is_empty();
        all.extend(entries);
        if !more {
            return Ok(all);
        }
        if is_empty {
            break;
        }
    }
    Err(Error::Violation(Violation::Unexpected("a list without end")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_put_together() {
        let list: Vec<u32> = (0..70).collect();
        let all = paged(|from| {
            let page: Vec<u32> = list.iter().skip(from as usize).take(32).copied().collect();
            let more = from as usize + page.len() < list.len();
            Ok((page, more))
        });
        assert_eq!(all.unwrap(), list);
    }

    #[test]
    fn a_list_that_never_ends_is_refused() {
        assert!(matches!(paged(|_| Ok((vec![1], true))), Err(Error::Violation(_))));
        assert!(matches!(paged::<u32>(|_| Ok((vec![], true))), Err(Error::Violation(_))));
    }
}
