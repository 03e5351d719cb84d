//! Asking a broker, and the next one when that has ended.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use framebroker_protocol::{BrokerId, ClientId};

use crate::Result;
use crate::connect::{Connector, Session};
use crate::deadline::Deadline;
use crate::fork::Generation;

/// A connection for questions, made anew where the broker has ended. Threads take turns.
#[derive(Debug)]
pub struct Questions {
    connector: Connector,
    generation: Generation,
    session: Mutex<Session>,
    /// Of the session. Beside it, so that nobody waits for an answer to read it.
    at: Mutex<At>,
}

/// To whom a connection is.
#[derive(Debug, Clone)]
pub struct At {
    /// Where the broker listens.
    pub socket: PathBuf,
    /// Its process.
    pub pid: i32,
    /// Which run of a broker it is.
    pub broker: BrokerId,
    /// Which of its sessions this is.
    pub client: ClientId,
}

impl Questions {
    /// Connects, and waits so long for a broker that is not there yet, while `goes_on` says so.
    pub fn connect(
        connector: Connector,
        wait: Option<Duration>,
        goes_on: impl FnMut() -> bool,
    ) -> Result<Option<Self>> {
        let generation = Generation::current()?;
        let Some(session) = connector.connect_while(wait, goes_on)? else { return Ok(None) };
        let at = Mutex::new(At::of(&session));
        Ok(Some(Self { connector, generation, session: Mutex::new(session), at }))
    }

    /// An error in a forked child.
    pub fn check(&self) -> Result<()> {
        self.generation.check()
    }

    /// How it is connected.
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// To whom it was connected last.
    pub fn at(&self) -> At {
        lock(&self.at).clone()
    }

    /// Asks. A question that was sent is never sent again: where the broker ends before it answers, that is the answer.
    pub fn ask<T>(&self, run: impl FnOnce(&mut Session, Deadline) -> Result<T>) -> Result<T> {
        // Before the lock: in a forked child another thread of the parent may seem to hold it for ever.
        self.check()?;
        // A panic while it was held left at worst an answer unread, which is passed over.
        let mut session = lock(&self.session);
        if session.has_ended() {
            *session = self.connector.connect(Deadline::after(None))?;
            *lock(&self.at) = At::of(&session);
        }
        run(&mut session, Deadline::after(Some(self.connector.timeout)))
    }
}

impl At {
    pub fn of(session: &Session) -> Self {
        Self { socket: session.socket.clone(), pid: session.server_pid, broker: session.broker, client: session.client }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
