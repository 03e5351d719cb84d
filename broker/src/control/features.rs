//! Features of a camera, for clients: who may, how many may ask at once, and for how long they wait.
//!
//! The device thread asks the camera. Its answers come as events, in time or not: what is not answered in time is answered here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use framebroker_protocol::message::{ErrorCode, FeatureValue, Roles, Tell};
use framebroker_protocol::{ClientId, FeatureName, StreamId, StreamName, Text};
use tracing::info;

use super::Control;
use super::log_limit::CLIENTS;
use super::session::{Phase, Session};
use crate::source::FeatureError;
use crate::stream::device::{Question, What};
use crate::stream::served::Controller;

/// How long the camera may take for an answer; less than clients wait.
const ANSWER_TIME: Duration = Duration::from_secs(4);
/// Requests of one session that wait for cameras.
const AT_ONCE: usize = 4;
/// Requests that wait for one camera.
const IN_ALL: usize = 32;
/// Of these, so many are for sessions of the role control: those who only read leave them free.
const FOR_CONTROL: usize = 8;

/// Questions to cameras that are not answered.
#[derive(Debug, Default)]
pub struct Questions {
    last: u64,
    open: BTreeMap<u64, Open>,
}

/// A question that is not answered.
#[derive(Debug)]
struct Open {
    client: ClientId,
    request: u32,
    deadline: Instant,
    /// The stream whose camera it would change.
    changes: Option<usize>,
    dropped: Arc<AtomicBool>,
}

impl Questions {
    /// When the first must be answered.
    pub fn deadline(&self) -> Option<Instant> {
        self.open.values().map(|open| open.deadline).min()
    }

    /// Nobody waits for those of this client any more.
    pub fn forget(&mut self, client: ClientId) {
        self.open.values().filter(|open| open.client == client).for_each(Open::drop_it);
        self.open.retain(|_, open| open.client != client);
    }

    /// Takes those out by which others than this client would change a stream's camera.
    fn overtake(&mut self, at: usize, client: ClientId) -> Vec<Open> {
        let overtaken = self.open.extract_if(.., |_, open| open.changes == Some(at) && open.client != client);
        let overtaken: Vec<Open> = overtaken.map(|(_, open)| open).collect();
        overtaken.iter().for_each(Open::drop_it);
        overtaken
    }

    fn of(&self, client: ClientId) -> usize {
        self.open.values().filter(|open| open.client == client).count()
    }
}

impl Open {
    fn drop_it(&self) {
        // Guards no data: the device thread need not begin what nobody waits for.
        self.dropped.store(true, Ordering::Relaxed);
    }
}

impl Control {
    /// Asks a stream's camera for a client. What changes it needs the role control, and that nobody else has sole control.
    pub(super) fn ask_device(&mut self, session: &mut Session, request: u32, name: &StreamName, what: What) {
        let Some(at) = self.find_stream(session, request, name) else { return };
        let changes = matches!(what, What::Set(..) | What::Execute(_)).then_some(at);
        if changes.is_some() && !self.may_control(session, request, at) {
            return;
        }
        let Some(stream) = self.streams.get_mut(at) else { return };
        let has_ended = stream.life().finished().is_some();
        let Some(device) = stream.device().filter(|_| !has_ended) else {
            return session.refuse(request, ErrorCode::StreamClosed, format_args!("stream {name} has ended"));
        };
        let may_change = session.roles.contains(Roles::CONTROL);
        let places = if may_change { IN_ALL } else { IN_ALL - FOR_CONTROL };
        if self.questions.of(session.id) >= AT_ONCE || device.unanswered >= places {
            let text = "as many requests wait for the camera as may; ask again when one is answered";
            return session.refuse(request, ErrorCode::Busy, text);
        }
        self.questions.last += 1;
        let (id, dropped) = (self.questions.last, Arc::new(AtomicBool::new(false)));
        let (client, deadline) = (session.id, Instant::now() + ANSWER_TIME);
        self.questions.open.insert(id, Open { client, request, deadline, changes, dropped: Arc::clone(&dropped) });
        device.ask(Question { id, what, by: called(session), may_change, dropped });
    }

    /// Takes or gives back sole control.
    pub(super) fn control(&mut self, session: &mut Session, request: u32, name: &StreamName, sole: bool) {
        let Some(at) = self.find_stream(session, request, name) else { return };
        if !self.may_control(session, request, at) {
            return;
        }
        if let Some(stream) = self.streams.get_mut(at) {
            stream.set_controller(sole.then(|| Controller { client: session.id, called: called(session) }));
        }
        if CLIENTS.may_speak() {
            info!(client = %session.id, stream = %name, sole, "sole control");
        }
        session.tell(request, Tell::Control { sole });
        if sole {
            self.refuse_overtaken(session, at, name);
        }
    }

    /// Answers those whose settings wait for a camera of which a session has just taken sole control.
    fn refuse_overtaken(&mut self, controller: &Session, at: usize, name: &StreamName) {
        for Open { client, request, .. } in self.questions.overtake(at, controller.id) {
            let Some(session) = self.sessions.get_mut(&client) else { continue };
            let text = format_args!(
                "{} has taken sole control of stream {name}; a setting that the camera was at may still be made",
                called(controller)
            );
            session.refuse(request, ErrorCode::Controlled, text);
            self.settle(client);
        }
    }

    /// Whether a session may change the camera; refuses what it may not.
    fn may_control(&self, session: &mut Session, request: u32, at: usize) -> bool {
        if !session.roles.contains(Roles::CONTROL) {
            let text = "only a session of the role control changes settings; ask for that role when you connect. Other users than \
                        the broker's need it to be started with --allow-uid UID:control";
            session.refuse(request, ErrorCode::Forbidden, text);
            return false;
        }
        let Some(stream) = self.streams.get(at) else { return false };
        let Some(controller) = stream.controller().filter(|other| other.client != session.id) else { return true };
        // One that has failed or is about to end has it no longer.
        let Some(controller) = self.sessions.get(&controller.client).filter(|other| other.phase == Phase::Open) else {
            return true;
        };
        let (name, who) = (&stream.name(), called(controller));
        let text = format_args!("{who} has sole control of stream {name}, until it gives it back or ends");
        session.refuse(request, ErrorCode::Controlled, text);
        false
    }

    /// The camera has answered.
    pub(super) fn take_answer(&mut self, stream: StreamId, question: u64, result: Result<Tell, FeatureError>) {
        let known = self.streams.iter_mut().find(|known| known.id() == stream);
        if let Some(device) = known.and_then(|stream| stream.device()) {
            device.unanswered = device.unanswered.saturating_sub(1);
        }
        // It came too late, or whoever asked is gone.
        let Some(Open { client, request, .. }) = self.questions.open.remove(&question) else { return };
        let Some(session) = self.sessions.get_mut(&client) else { return };
        match result {
            Ok(answer) => session.tell(request, answer),
            Err(error) => session.refuse(request, error.code(), error),
        }
        self.settle(client);
    }

    /// Answers in the place of cameras that do not.
    pub(super) fn answer_late_questions(&mut self, now: Instant) {
        let late: Vec<u64> =
            self.questions.open.iter().filter(|(_, open)| now >= open.deadline).map(|(id, _)| *id).collect();
        for id in late {
            let Some(open) = self.questions.open.remove(&id) else { continue };
            open.drop_it();
            let Some(session) = self.sessions.get_mut(&open.client) else { continue };
            let seconds = ANSWER_TIME.as_secs();
            let text = format_args!(
                "the camera did not answer within {seconds} s; a setting may still be made. See `framectl list` whether the camera \
                 is away, and its cable and network"
            );
            session.refuse(open.request, ErrorCode::CameraFailed, text);
            self.settle(open.client);
        }
    }

    /// A feature was changed: tells whoever reads the stream.
    pub(super) fn tell_changed(
        &mut self,
        stream: StreamId,
        version: u32,
        feature: &FeatureName,
        value: &FeatureValue,
        by: &Text,
    ) {
        let Some(at) = self.streams.iter().position(|known| known.id() == stream) else { return };
        if CLIENTS.may_speak()
            && let Some(stream) = self.streams.get(at)
        {
            // As debug output escapes it: a text may hold whatever its client likes, also what looks like another line.
            let value = value.to_string();
            info!(stream = %stream.name(), version, %feature, ?value, %by, "setting changed");
        }
        for session in self.sessions.values_mut() {
            for (id, subscription) in session.subscriptions.iter_mut().filter(|(_, s)| s.stream == at) {
                let (feature, value, by) = (feature.clone(), value.clone(), by.clone());
                subscription.changes.add(Tell::SettingsChanged { subscription: *id, version, feature, value, by });
            }
        }
        self.settle_all();
    }
}

/// A session for people.
fn called(session: &Session) -> Text {
    Text::label(format_args!("{}, pid {}", session.name, session.peer.pid))
}
