//! The grab thread's side: the broker's own loop, turned by hand, with what the session thread has sent and not delivered yet.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use framebroker::events::{Event, EventReceiver, event_channel};
use framebroker::source::{Opener, Requirements};
use framebroker::stream::StreamCore;
use framebroker::stream::command::{Command, Lent};
use framebroker::stream::device::{self, Job};
use framebroker::stream::grab::{Grab, GrabOptions, GrabThread};
use framebroker_protocol::StreamState;

use crate::scripted::Scripted;
use crate::world::Setting;

pub struct GrabSide {
    thread: GrabThread,
    core: Arc<StreamCore>,
    /// What its sources do.
    pub scripted: Scripted,
    /// What the camera needs, as it is set.
    pub camera: Arc<Mutex<Requirements>>,
    sent: Receiver<Command>,
    /// Sent by the session thread and not delivered.
    undelivered: VecDeque<Command>,
    deliver: Sender<Command>,
    told: EventReceiver,
    /// Told to the session thread, which has not heard it yet.
    pub unheard: VecDeque<Event>,
    /// With the device thread, or on the way to it.
    lent: Option<Receiver<Lent>>,
    pub now: Instant,
    _jobs: Receiver<Job>,
}

impl GrabSide {
    /// A camera that is there, or the place for a producer. The sender is the session thread's.
    pub fn new(core: &Arc<StreamCore>, needs: Requirements, setting: &Setting) -> (Self, Sender<Command>) {
        let (commands, sent) = channel();
        let (deliver, todo) = channel();
        let (events, told) = event_channel().unwrap();
        let (device, jobs) = device::jobs();
        let (scripted, camera) = (Scripted::default(), Arc::new(Mutex::new(needs)));
        let source = (!setting.is_produced).then(|| scripted.source(Arc::clone(&camera)));
        let open: Option<Opener> = (!setting.is_produced).then(|| {
            let (scripted, camera) = (scripted.clone(), Arc::clone(&camera));
            Arc::new(move || Ok(scripted.source(Arc::clone(&camera)))) as Opener
        });
        let options =
            GrabOptions { frames: None, publish_incomplete: false, lossless_timeout: setting.lossless_timeout };
        let grab = Grab::new(Arc::clone(core), options, events, open, source, device);
        let thread = GrabThread::new(grab, todo);
        let (undelivered, unheard, lent, now) = (VecDeque::new(), VecDeque::new(), None, Instant::now());
        let core = Arc::clone(core);
        let side =
            Self { thread, core, scripted, camera, sent, undelivered, deliver, told, unheard, lent, now, _jobs: jobs };
        (side, commands)
    }

    pub fn grab(&self) -> &Grab {
        self.thread.grab()
    }

    /// One turn of the loop, which waits for nothing.
    pub fn turn(&mut self) {
        let now = self.now;
        self.thread.turn(Duration::ZERO, || now);
        self.unheard.extend(std::iter::from_fn(|| self.told.next()));
        let is_live = self.core.page.state() == StreamState::Live;
        assert!(!is_live || !self.grab().is_away(), "a stream is live, and has no source");
    }

    /// The first turn, in which a camera starts.
    pub fn begin(&mut self) {
        while self.deliver_next() {}
        self.thread.begin();
        self.turn();
    }

    /// Whether the device thread has the source, or has asked for it.
    pub fn is_lent(&self) -> bool {
        self.lent.is_some()
    }

    /// Has a look at what the session thread has sent.
    pub fn receive(&mut self) {
        self.undelivered.extend(self.sent.try_iter());
    }

    /// Segments that the session thread has sent and that have not come.
    pub fn on_the_way(&self) -> usize {
        self.undelivered.iter().filter(|command| matches!(command, Command::Install(_))).count()
    }

    /// Whether what is sent changes who has which segments.
    pub fn is_asked(&self) -> bool {
        let is_neutral = |command: &Command| matches!(command, Command::Adopt { .. } | Command::Confirm { .. });
        !self.undelivered.iter().all(is_neutral)
    }

    /// One command of the session thread comes. False where there is none.
    pub fn deliver_next(&mut self) -> bool {
        self.receive();
        let Some(command) = self.undelivered.pop_front() else { return false };
        if let Command::Install(segment) = &command {
            let mut others = self.grab().supply().segments().map(|other| other.index());
            assert!(others.all(|index| index != segment.index()), "a new object in place of one that is there");
        }
        self.deliver.send(command).is_ok()
    }

    /// The device thread asks for the source, or gives it back: with frames of another size, or lost.
    pub fn lend_or_return(&mut self, payload_bytes: usize, is_lost: bool) {
        let Some(lent) = self.lent.take() else {
            let (to, lent) = channel();
            self.lent = Some(lent);
            return self.deliver.send(Command::Lend(to)).unwrap();
        };
        match lent.try_recv() {
            Ok(Lent(source)) => {
                self.camera.lock().unwrap().payload_bytes = payload_bytes;
                let source =
                    if is_lost { Err("the camera failed while it was set".to_owned()) } else { Ok(Lent(source)) };
                self.deliver.send(Command::Return { source, started: channel().0 }).unwrap();
            }
            // It had none to lend.
            Err(std::sync::mpsc::TryRecvError::Disconnected) => {}
            Err(std::sync::mpsc::TryRecvError::Empty) => self.lent = Some(lent),
        }
    }

    /// Everything that is under way has come, and a camera that was pulled is there again.
    pub fn settle(&mut self) {
        if self.lent.is_some() {
            self.turn();
            let payload_bytes = self.camera.lock().unwrap().payload_bytes;
            self.lend_or_return(payload_bytes, false);
        }
        while self.deliver_next() {}
        self.turn();
    }

    /// So much time passes; a camera that is looked for is found.
    pub fn pass(&mut self, time: Duration) {
        self.now += time;
        let deadline = Instant::now() + Duration::from_secs(20);
        self.turn();
        while self.grab().is_opening() {
            assert!(Instant::now() < deadline, "the camera is not opened");
            std::thread::yield_now();
            self.turn();
        }
    }
}
