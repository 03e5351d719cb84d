//! Features of a camera, for clients: who may, how many may ask at once, and for how long they wait.
//!
//! The device thread asks the camera. Its answers come as events, in time or not: what is not answered in time is answered here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use framebroker_protocol::message::{ErrorCode, Roles, Tell};
use framebroker_protocol::{ClientId, StreamId, StreamName, Text};
use tracing::info;

use super::client::Client;
use super::log_limit::CLIENTS;
use super::streams::Streams;
use super::table::Sessions;
use crate::source::FeatureError;
use crate::stream::device::{Question, What};
use crate::stream::served::{Controller, Stream};

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
    changes: Option<StreamId>,
    dropped: Arc<AtomicBool>,
}

impl Questions {
    pub fn deadline(&self) -> Option<Instant> {
        self.open.values().map(|open| open.deadline).min()
    }

    /// Nobody waits for those of this client any more.
    pub fn forget(&mut self, client: ClientId) {
        self.open.values().filter(|open| open.client == client).for_each(Open::drop_it);
        self.open.retain(|_, open| open.client != client);
    }

    /// Takes those out by which others than this client would change a stream's camera.
    fn overtake(&mut self, stream: StreamId, client: ClientId) -> Vec<Open> {
        let overtaken = self.open.extract_if(.., |_, open| open.changes == Some(stream) && open.client != client);
        let overtaken: Vec<Open> = overtaken.map(|(_, open)| open).collect();
        overtaken.iter().for_each(Open::drop_it);
        overtaken
    }

    /// How many of a client are not answered.
    pub fn of(&self, client: ClientId) -> usize {
        self.open.values().filter(|open| open.client == client).count()
    }
}

impl Open {
    fn drop_it(&self) {
        // Guards no data: the device thread need not begin what nobody waits for.
        self.dropped.store(true, Ordering::Relaxed);
    }
}

/// A refusal: what kind, and what to do.
type Refusal = (ErrorCode, Text);

/// A request that can no longer be done, and whose.
#[derive(Debug)]
pub struct Overtaken {
    client: ClientId,
    request: u32,
    text: Text,
}

/// Asks a stream's camera for a client. What changes it needs the role control, and that nobody else has sole control.
pub fn ask(
    client: &mut Client,
    streams: &mut Streams,
    questions: &mut Questions,
    request: u32,
    name: &StreamName,
    what: What,
) {
    if let Err((code, text)) = try_ask(client, streams, questions, request, name, what) {
        client.refuse(request, code, text);
    }
}

fn try_ask(
    client: &Client,
    streams: &mut Streams,
    questions: &mut Questions,
    request: u32,
    name: &StreamName,
    what: What,
) -> Result<(), Refusal> {
    let id = streams.named(name).map_err(|text| (ErrorCode::UnknownStream, Text::cut(text)))?;
    let Some(stream) = streams.get_mut(id) else { return Ok(()) };
    let changes = matches!(what, What::Set(..) | What::Execute(_)).then_some(id);
    if changes.is_some() {
        may_control(client, stream)?;
    }
    let has_ended = stream.life().finished().is_some();
    let Some(device) = stream.device().filter(|_| !has_ended) else {
        return Err((ErrorCode::StreamClosed, Text::cut(format_args!("stream {name} has ended"))));
    };
    let may_change = client.roles().contains(Roles::CONTROL);
    let most = if may_change { IN_ALL } else { IN_ALL - FOR_CONTROL };
    if questions.of(client.id()) >= AT_ONCE || device.unanswered >= most {
        let text = "too many requests wait for the camera already; ask again when one is answered";
        return Err((ErrorCode::Busy, Text::cut(text)));
    }
    questions.last += 1;
    let (id, dropped) = (questions.last, Arc::new(AtomicBool::new(false)));
    let deadline = Instant::now() + ANSWER_TIME;
    let open = Open { client: client.id(), request, deadline, changes, dropped: Arc::clone(&dropped) };
    questions.open.insert(id, open);
    device.ask(Question { id, what, by: client.called(), may_change, dropped });
    Ok(())
}

/// Takes or gives back sole control. Returns the requests of others that can no longer be done.
pub fn control(
    client: &mut Client,
    streams: &mut Streams,
    questions: &mut Questions,
    request: u32,
    name: &StreamName,
    sole: bool,
) -> Vec<Overtaken> {
    let named = streams.named(name).map_err(|text| (ErrorCode::UnknownStream, Text::cut(text)));
    let allowed = named.and_then(|id| {
        let Some(stream) = streams.get_mut(id) else { return Ok(id) };
        may_control(client, stream)?;
        stream.set_controller(sole.then(|| Controller { client: client.id(), called: client.called() }));
        Ok(id)
    });
    let id = match allowed {
        Ok(id) => id,
        Err((code, text)) => {
            client.refuse(request, code, text);
            return Vec::new();
        }
    };
    if CLIENTS.may_speak() {
        info!(client = %client.id(), stream = %name, sole, "sole control");
    }
    client.tell(request, Tell::Control { sole });
    let overtaken = if sole { questions.overtake(id, client.id()) } else { Vec::new() };
    let text = Text::cut(format_args!(
        "{} has taken sole control of stream {name}; a setting that the camera was working on may still take effect",
        client.called()
    ));
    let overtaken = overtaken.into_iter();
    overtaken.map(|Open { client, request, .. }| Overtaken { client, request, text: text.clone() }).collect()
}

/// Answers those whose settings wait for a camera of which a session has just taken sole control.
pub fn refuse_overtaken(sessions: &mut Sessions, overtaken: Vec<Overtaken>) {
    for Overtaken { client, request, text } in overtaken {
        if let Some(session) = sessions.get_mut(client) {
            session.client.refuse(request, ErrorCode::Controlled, text);
        }
    }
}

/// Whether a client may change the camera.
fn may_control(client: &Client, stream: &Stream) -> Result<(), Refusal> {
    if !client.roles().contains(Roles::CONTROL) {
        let text = "only a session of the role control changes settings; ask for that role when you connect. Other users than \
                    the broker's need it to be started with --allow-uid UID:control";
        return Err((ErrorCode::Forbidden, Text::cut(text)));
    }
    let Some(controller) = stream.controller().filter(|other| other.client != client.id()) else { return Ok(()) };
    let (name, who) = (stream.name(), &controller.called);
    let text = format_args!("{who} has sole control of stream {name}, until it gives it back or ends");
    Err((ErrorCode::Controlled, Text::cut(text)))
}

/// The camera has answered.
pub fn answered(
    sessions: &mut Sessions,
    streams: &mut Streams,
    questions: &mut Questions,
    stream: StreamId,
    question: u64,
    result: Result<Tell, FeatureError>,
) {
    if let Some(device) = streams.get_mut(stream).and_then(Stream::device) {
        device.unanswered = device.unanswered.saturating_sub(1);
    }
    // It came too late, or whoever asked is gone.
    let Some(Open { client, request, .. }) = questions.open.remove(&question) else { return };
    let Some(session) = sessions.get_mut(client) else { return };
    match result {
        Ok(answer) => session.client.tell(request, answer),
        Err(error) => session.client.refuse(request, error.code(), error),
    }
}

/// Answers in the place of cameras that do not.
pub fn answer_late(sessions: &mut Sessions, questions: &mut Questions, now: Instant) {
    let late = questions.open.extract_if(.., |_, open| now >= open.deadline);
    for (_, open) in late {
        open.drop_it();
        let Some(session) = sessions.get_mut(open.client) else { continue };
        let seconds = ANSWER_TIME.as_secs();
        let text = format_args!(
            "the camera did not answer within {seconds} s; a setting may still take effect. See `framectl list` whether the camera \
             is away, and its cable and network"
        );
        session.client.refuse(open.request, ErrorCode::CameraFailed, text);
    }
}
