//! A producer's connection: a thread of its own hears the broker, so that segments are mapped and readers need not wait
//! for them, whatever the producer does meanwhile.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use framebroker_protocol::limits::WAIT_SLICE;
use framebroker_protocol::message::{Ask, ErrorCode, Tell};
use framebroker_protocol::socket::Buffer;
use framebroker_protocol::{SegmentIndex, Sequence, stop_point};
use nix::errno::Errno;

use super::lent::{LentSegment, LentSegments, map_all};
use super::page::Page;
use crate::connect::{Session, refused};
use crate::deadline::Deadline;
use crate::error::{Violation, WaitingFor};
use crate::limits::LOOK_INTERVAL_NS;
use crate::link::{Incoming, Link};
use crate::segments::MappedSegment;
use crate::{Error, Result};

/// The connection and what was heard on it.
#[derive(Debug)]
pub struct Connection {
    link: Link,
    heard: Mutex<Heard>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Heard {
    segments: LentSegments,
    /// The newest page: whoever waits for a segment there is woken at the end.
    page: Option<Arc<Page>>,
    last_request: u32,
    /// The answer to the last request.
    answer: Option<Incoming>,
    /// The sequence of the first frame, once the broker takes what is filled.
    started: Option<Sequence>,
    /// Why the broker takes nothing more.
    ended: Option<Error>,
}

/// Hears the broker until it is dropped.
#[derive(Debug)]
pub struct Listener {
    connection: Arc<Connection>,
    /// Always there, but while it is dropped.
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens on a connection on which the broker has said welcome.
    pub fn start(session: Session) -> Result<Self> {
        let heard = Heard { last_request: session.last_request(), ..Heard::default() };
        let connection = Arc::new(Connection { link: session.link, heard: Mutex::new(heard), news: Condvar::new() });
        let (theirs, buffer) = (Arc::clone(&connection), session.buffer);
        let thread = std::thread::Builder::new().name("producer".to_owned()).spawn(move || theirs.listen(buffer));
        let thread = thread.map_err(|error| Error::System {
            what: "start a thread",
            source: error.raw_os_error().map_or(Errno::EAGAIN, Errno::from_raw),
        })?;
        Ok(Self { connection, thread: Some(thread) })
    }
}

impl std::ops::Deref for Listener {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let thread = self.thread.take();
        if !self.connection.link.is_ours() {
            // In a forked child there is no such thread.
            std::mem::forget(thread);
            return;
        }
        self.connection.link.end();
        if let Some(thread) = thread {
            // What it panicked with was printed when it did.
            let _panic = thread.join();
        }
    }
}

impl Connection {
    /// An error in a forked child.
    pub fn check(&self) -> Result<()> {
        self.link.check()
    }

    /// Why the broker takes nothing more, if so. Not in a forked child.
    pub fn check_end(&self) -> Result<()> {
        self.heard().ended.clone().map_or(Ok(()), Err)
    }

    /// The segment of an index, as it was handed over last.
    pub fn find(&self, index: SegmentIndex) -> Option<Arc<LentSegment>> {
        self.heard().segments.find(index).map(Arc::clone)
    }

    /// What is mapped where.
    pub fn list(&self) -> Vec<MappedSegment> {
        self.heard().segments.list()
    }

    /// The sequence of the first frame, 0 before it is known.
    pub fn first(&self) -> Sequence {
        self.heard().started.unwrap_or(Sequence(0))
    }

    /// Asks for segments and waits for the answer. `name` is for the error when none comes.
    pub fn ask(&self, name: &'static str, ask: Ask, deadline: Deadline) -> Result<Incoming> {
        let (request, before) = {
            let mut heard = self.heard();
            heard.last_request = heard.last_request.wrapping_add(1).max(1);
            heard.answer = None;
            // `Started` may come right behind the answer.
            (heard.last_request, heard.started.take())
        };
        self.link.post(request, ask)?;
        self.wait(name, deadline, |heard| heard.answer.take()).and_then(|answer| match answer.body {
            Tell::Error { code, text } => {
                // All goes on as it was.
                self.heard().started = before;
                Err(refused(code, text.as_str()))
            }
            _ => Ok(answer),
        })
    }

    /// Says that the page of the last answer is mapped, and waits until the broker takes what is filled there.
    pub fn begin(&self, page: &Arc<Page>, deadline: Deadline) -> Result<()> {
        self.heard().page = Some(Arc::clone(page));
        stop_point("produce.mapped");
        self.link.post(0, Ask::Mapped)?;
        self.wait("Produce with all its segments", deadline, |heard| heard.started)?;
        Ok(())
    }

    /// Ends the connection for a reason of this process's; returns the reason there is.
    pub fn end(&self, reason: Error) -> Error {
        let mut heard = self.heard();
        // The first reason stays: what follows it is its consequence.
        let reason = heard.ended.get_or_insert(reason).clone();
        if let Some(page) = &heard.page {
            page.call();
        }
        drop(heard);
        self.news.notify_all();
        self.link.end();
        reason
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        // Each change of it is one assignment.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<T>(&self, name: &'static str, deadline: Deadline, seen: impl Fn(&mut Heard) -> Option<T>) -> Result<T> {
        let begun = Instant::now();
        let mut heard = self.heard();
        loop {
            if let Some(found) = seen(&mut heard) {
                return Ok(found);
            }
            if let Some(error) = &heard.ended {
                return Err(error.clone());
            }
            if deadline.is_over() {
                return Err(Error::Timeout { waited: begun.elapsed(), waiting_for: WaitingFor::Answer(name) });
            }
            let waited = self.news.wait_timeout(heard, deadline.left(WAIT_SLICE));
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn listen(&self, mut buffer: Buffer) {
        loop {
            let heard = self.link.flush().and_then(|()| self.link.receive(&mut buffer));
            let gone_on = match heard {
                Ok(Some(message)) => self.hear(message),
                Ok(None) => self.link.wait(std::time::Duration::from_nanos(LOOK_INTERVAL_NS)),
                Err(error) => Err(error),
            };
            if let Err(error) = gone_on {
                self.end(error);
                return;
            }
        }
    }

    fn hear(&self, message: Incoming) -> Result<()> {
        if let Tell::SegmentsLent { segments } = message.body {
            stop_point("lend.received");
            let mapped = map_all(&segments, message.fds)?;
            stop_point("lend.mapped");
            self.heard().segments.add(mapped);
            self.link.post(0, Ask::Mapped)?;
            stop_point("lend.acknowledged");
            return Ok(());
        }
        let mut heard = self.heard();
        if message.request != 0 {
            // Another is the answer to a question that was given up.
            if message.request == heard.last_request {
                heard.answer = Some(message);
            }
        } else if !message.fds.is_empty() {
            return Err(Violation::Descriptors { expected: 0, found: message.fds.len() }.into());
        } else {
            match message.body {
                Tell::Started { first } => heard.started = Some(first),
                Tell::SegmentWithdrawn { index, backing } => heard.segments.remove(index, backing),
                Tell::Error { code: ErrorCode::StreamClosed, text } => {
                    return Err(Error::Closed { reason: text.into() });
                }
                Tell::Error { code, text } => return Err(refused(code, text.as_str())),
                _ => return Err(Violation::Unexpected("not news of a producer").into()),
            }
        }
        drop(heard);
        self.news.notify_all();
        Ok(())
    }
}
