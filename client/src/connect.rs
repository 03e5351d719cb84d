//! Finding a broker, greeting it, and asking.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use framebroker_protocol::address::candidates;
use framebroker_protocol::message::{Ask, ErrorCode, Roles, StreamInfo, Tell};
use framebroker_protocol::socket::{Buffer, Channel};
use framebroker_protocol::{BrokerId, ClientId, ClientName, PROTOCOL_VERSION};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, setsockopt, socket, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::deadline::Deadline;
use crate::error::{Attempt, Unreachable, Violation, WaitingFor};
use crate::fork::Generation;
use crate::limits::{ANSWER_TIMEOUT, LIST_PAGES, MESSAGES_PER_LOOK, QUESTION_INTERVAL};
use crate::link::{Incoming, Link};
use crate::retry::Retry;
use crate::{Error, Result};

/// How a broker is found and greeted: enough to do it again.
#[derive(Debug, Clone)]
pub struct Connector {
    /// The only socket to try, if one was named.
    pub socket: Option<PathBuf>,
    /// What the client calls itself.
    pub name: ClientName,
    /// What it wants to be.
    pub roles: Roles,
    /// Users whose brokers are trusted beside one's own and root's.
    pub server_uids: Vec<u32>,
    /// For the greeting and for answers.
    pub timeout: Duration,
}

/// A connection on which the broker has said welcome.
#[derive(Debug)]
pub struct Session {
    /// The connection.
    pub link: Link,
    /// Room for messages.
    pub buffer: Buffer,
    /// Where the broker listens.
    pub socket: PathBuf,
    /// The broker's process when it began to listen.
    pub server_pid: i32,
    /// Which run of a broker this is.
    pub broker: BrokerId,
    /// Which session this is.
    pub client: ClientId,
    last_request: u32,
}

impl Default for Connector {
    fn default() -> Self {
        let program = std::env::args_os().next().map(PathBuf::from);
        let name = program.as_deref().and_then(Path::file_name).unwrap_or_default();
        Self {
            socket: None,
            name: ClientName::cut(&name.to_string_lossy()),
            roles: Roles::CONSUMER,
            server_uids: Vec::new(),
            timeout: ANSWER_TIMEOUT,
        }
    }
}

impl Connector {
    /// Connects to the first path that a trusted broker answers on.
    pub fn connect(&self, deadline: Deadline) -> Result<Session> {
        self.connect_as(self.roles, deadline)
    }

    /// As [`Self::connect`]. Where no broker is there yet, tries again for as long as `wait` says, and `goes_on` does at least every
    /// quarter of a second; `None` if that says no.
    pub fn connect_while(&self, wait: Option<Duration>, mut goes_on: impl FnMut() -> bool) -> Result<Option<Session>> {
        let deadline = Deadline::after(wait);
        let mut retry = Retry::new(Instant::now(), String::new());
        loop {
            match self.connect(Deadline::after(None)) {
                Ok(session) => return Ok(Some(session)),
                Err(error) if deadline.is_over() || !may_come(&error) => return Err(error),
                Err(error) => retry.failed(Instant::now(), error.to_string()),
            }
            // The last attempt is made when the time is over.
            while !retry.left(Instant::now()).is_zero() && !deadline.is_over() {
                if !goes_on() {
                    return Ok(None);
                }
                std::thread::sleep(deadline.left(retry.left(Instant::now()).min(QUESTION_INTERVAL)));
            }
        }
    }

    /// As [`Self::connect`], in these roles.
    pub fn connect_as(&self, roles: Roles, deadline: Deadline) -> Result<Session> {
        let generation = Generation::current()?;
        let mut tried = Vec::new();
        for path in candidates(self.socket.as_deref()) {
            match self.connect_to(&path, roles, generation, deadline.within(self.timeout)) {
                Ok(session) => return Ok(session),
                Err(reason) => tried.push(Attempt { path, reason }),
            }
        }
        Err(Error::NoBroker { tried })
    }

    fn connect_to(
        &self,
        path: &Path,
        roles: Roles,
        generation: Generation,
        deadline: Deadline,
    ) -> Result<Session, Unreachable> {
        let fd = open(path, deadline.left(self.timeout)).map_err(Unreachable::Connect)?;
        let server = getsockopt(&fd, sockopt::PeerCredentials).map_err(Unreachable::Connect)?;
        if !self.trusts(server.uid()) {
            return Err(Unreachable::WrongServer { uid: server.uid() });
        }
        let mut session = Session {
            link: Link::new(Channel::from(fd), generation),
            buffer: Buffer::default(),
            socket: path.to_owned(),
            server_pid: server.pid(),
            broker: BrokerId(0),
            client: ClientId(0),
            last_request: 0,
        };
        session.greet(&self.name, roles, deadline).map_err(|error| Unreachable::Greeting(Box::new(error)))?;
        Ok(session)
    }

    /// A broker of another user could hand out memory that changes while it is read.
    fn trusts(&self, uid: u32) -> bool {
        uid == 0 || uid == nix::unistd::geteuid().as_raw() || self.server_uids.contains(&uid)
    }
}

/// Whether a broker may well be there later.
fn may_come(error: &Error) -> bool {
    matches!(error, Error::NoBroker { tried } if tried.iter().any(|attempt| attempt.reason.may_pass()))
}

/// More than anyone waits for a backlog, and less than the kernel's times hold.
const LONGEST_CONNECT: Duration = Duration::from_secs(24 * 3600);

/// Connects, waiting at most `timeout` while the broker's backlog is full.
fn open(path: &Path, timeout: Duration) -> Result<OwnedFd, Errno> {
    #[cfg(fuzzing)]
    if let Some(made_up) = crate::fuzzing::connection() {
        return Ok(made_up);
    }
    let fd = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    // The timeout for sending bounds `connect` too; messages are later sent without waiting. Zero would mean never.
    let bounded = timeout.clamp(Duration::from_millis(1), LONGEST_CONNECT);
    let us = i64::try_from(bounded.as_micros()).unwrap_or(i64::MAX);
    setsockopt(&fd, sockopt::SendTimeout, &TimeVal::microseconds(us))?;
    let address = UnixAddr::new(path)?;
    loop {
        match connect(fd.as_fd().as_raw_fd(), &address) {
            // On a Unix socket nothing has been done by then.
            Err(Errno::EINTR) => {}
            connected => return connected.map(|()| fd),
        }
    }
}

impl Session {
    fn greet(&mut self, name: &ClientName, roles: Roles, deadline: Deadline) -> Result<()> {
        let hello = Ask::Hello { version: PROTOCOL_VERSION, name: name.clone(), roles };
        match self.ask("Hello", hello, deadline)?.body {
            Tell::Welcome { version: PROTOCOL_VERSION, broker, client } => {
                (self.broker, self.client) = (broker, client);
                Ok(())
            }
            Tell::Welcome { version, .. } => Err(Violation::Version(version).into()),
            _ => Err(Violation::Unexpected("no Welcome").into()),
        }
    }

    /// Asks and waits for the answer. `name` is for the error when none comes.
    pub fn ask(&mut self, name: &'static str, ask: Ask, deadline: Deadline) -> Result<Incoming> {
        self.link.check()?;
        let begun = Instant::now();
        self.last_request = self.last_request.wrapping_add(1).max(1);
        self.link.post(self.last_request, ask)?;
        loop {
            match self.link.receive(&mut self.buffer)? {
                Some(Incoming { request, body: Tell::Error { code, text }, .. })
                    if request == self.last_request || request == 0 =>
                {
                    return Err(refused(code, text.as_str()));
                }
                Some(answer) if answer.request == self.last_request => return Ok(answer),
                Some(news) if news.request == 0 => {
                    return Err(Violation::Unexpected("news without a subscription").into());
                }
                // Looked at whatever has come: late answers may never end.
                _ if deadline.is_over() => {
                    return Err(Error::Timeout { waited: begun.elapsed(), waiting_for: WaitingFor::Answer(name) });
                }
                // The answer to a question that was given up.
                Some(_late) => {}
                None => {
                    self.link.wait(deadline.left(ANSWER_TIMEOUT))?;
                    self.link.flush()?;
                }
            }
        }
    }

    /// Whether the broker has ended this session. Answers that come too late are passed over.
    pub fn has_ended(&mut self) -> bool {
        for _ in 0..MESSAGES_PER_LOOK {
            match self.link.receive(&mut self.buffer) {
                Ok(Some(_late)) => {}
                Ok(None) => return false,
                Err(_) => return true,
            }
        }
        // It never stops talking.
        true
    }

    /// All streams of the broker.
    pub fn list_streams(&mut self, deadline: Deadline) -> Result<Vec<StreamInfo>> {
        paged(|from| match self.ask("ListStreams", Ask::ListStreams { from }, deadline)?.body {
            Tell::Streams { streams, more } => Ok((streams, more)),
            _ => Err(Violation::Unexpected("no Streams").into()),
        })
    }

    /// The number of the last request, for whoever goes on asking on this connection.
    pub fn last_request(&self) -> u32 {
        self.last_request
    }
}

/// Puts the pages of a list together. `page` gets how many entries to pass over and says whether more are there.
pub fn paged<T>(mut page: impl FnMut(u32) -> Result<(Vec<T>, bool)>) -> Result<Vec<T>> {
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

/// The broker's error as ours.
pub fn refused(code: ErrorCode, text: &str) -> Error {
    Error::Refused { code, text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use framebroker_protocol::codec::encode;
    use framebroker_protocol::message::Reply;

    use super::*;

    #[test]
    fn only_own_roots_and_named_users_are_trusted() {
        let own = nix::unistd::geteuid().as_raw();
        let connector = Connector { server_uids: vec![7], ..Connector::default() };
        assert!([0, own, 7].into_iter().all(|uid| connector.trusts(uid)));
        assert!(!connector.trusts(own.wrapping_add(8).max(8)));
    }

    #[test]
    fn a_path_without_a_broker_is_named_with_its_reason() {
        let connector = Connector { socket: Some("/nonexistent/broker.sock".into()), ..Connector::default() };
        let error = connector.connect(Deadline::after(None)).unwrap_err();
        let Error::NoBroker { tried } = &error else { panic!("{error}") };
        assert!(matches!(tried.as_slice(), [Attempt { reason: Unreachable::Connect(Errno::ENOENT), .. }]), "{error}");
    }

    /// Goal: whoever waits for an answer is told in time that none came, whatever comes in its place.
    #[test]
    fn late_answers_are_not_read_beyond_the_deadline() {
        let (ours, theirs) = Channel::pair().unwrap();
        let late = encode(&Reply { request: 7, body: Tell::Pong }).unwrap();
        while theirs.try_send(&late, &[]).is_ok() {}
        let mut session = Session {
            link: Link::new(ours, Generation::current().unwrap()),
            buffer: Buffer::default(),
            socket: PathBuf::new(),
            server_pid: 0,
            broker: BrokerId(0),
            client: ClientId(0),
            last_request: 7,
        };
        let error = session.ask("Ping", Ask::Ping, Deadline::after(Some(Duration::ZERO))).unwrap_err();
        assert!(error.is_timeout(), "{error}");
        assert!(!theirs.is_all_received(), "it has read on");
    }

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
