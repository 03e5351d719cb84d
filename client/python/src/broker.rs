//! The broker as Python sees it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use framebroker_client as client;
use framebroker_client::fork::Generation;
use framebroker_client::{Result, StreamId};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::error::{ClosedError, raised};
use crate::features::{self, Feature, Setting};
use crate::frame::Frame;
use crate::frame_info::Shape;
use crate::frame_ref::FrameRef;
use crate::ledger::{Ledger, Place};
use crate::options;
use crate::pixel_format::PixelFormat;
use crate::producer::{self, Producer};
use crate::records::{ClientStats, SegmentStats, StreamInfo, StreamStats};
use crate::subscription::Subscription;
use crate::waiting::{check_signals, ended, take_with_room};

/// A connection to a broker, for questions, subscriptions and producers.
///
/// When the broker has ended, the next question goes to the one that is there then: :attr:`id` tells which. What belonged to the
/// connection, as sole control of a camera, is gone with the broker that gave it.
///
/// Subscriptions and producers have connections of their own: they go on when this is closed. Threads may share it: they take turns.
#[pyclass(frozen, weakref, module = "framebroker")]
pub struct Broker {
    /// `None` once it was closed.
    client: Mutex<Option<Arc<client::Broker>>>,
    /// Where the first broker answered.
    socket: PathBuf,
    /// Frames that were acquired, and are out.
    ledger: Ledger,
    generation: Generation,
}

impl Broker {
    fn client(&self) -> PyResult<Arc<client::Broker>> {
        // Before the lock: in a forked child another thread of the parent may seem to have it for ever.
        self.generation.check().map_err(|error| raised(&error))?;
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone();
        client.ok_or_else(closed)
    }

    fn ask<T: Send>(&self, py: Python<'_>, ask: impl FnOnce(&client::Broker) -> Result<T> + Send) -> PyResult<T> {
        let client = self.client()?;
        py.detach(move || ask(&client)).map_err(|error| raised(&error))
    }
}

fn closed() -> PyErr {
    ClosedError::new_err("this broker object was closed by this program")
}

#[pymethods]
impl Broker {
    /// Connects to a broker.
    ///
    /// ``socket``: where it listens. Without it: the variable ``FRAMEBROKER_SOCKET``, else the first of
    /// ``$XDG_RUNTIME_DIR/framebroker.sock``, ``/run/framebroker/broker.sock`` and ``/tmp/framebroker-$UID/broker.sock`` on
    /// which a broker answers.
    /// ``name``: what this program is called in the broker's statistics and log; its own name if not given.
    /// ``wait``: seconds to wait for a broker that is not there yet; ``None``: as long as it takes.
    /// ``timeout``: seconds that connecting to a broker that is there, and every answer, may take.
    /// ``server_uids``: users to trust with a broker, beside this one and root. They can change frames while you read them.
    /// ``control``: whether this connection may change camera settings; the broker must allow it. Subscriptions never need
    /// it.
    /// ``max_acquired``: frames of one stream that :meth:`acquire` may hold at once, 1 to 64. Each costs the broker a segment.
    ///
    /// Raises :class:`NoBrokerError`, which lists every socket that was tried.
    #[new]
    #[pyo3(
        signature = (
            socket=None, name=None, *, wait=Some(0.0), timeout=5.0, server_uids=Vec::new(), control=false, max_acquired=2
        ),
        text_signature = "(socket=None, name=None, *, wait=0.0, timeout=5.0, server_uids=(), control=False, max_acquired=2)"
    )]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python, each with a default")]
    fn new(
        py: Python<'_>,
        socket: Option<PathBuf>,
        name: Option<String>,
        wait: Option<f64>,
        timeout: f64,
        server_uids: Vec<u32>,
        control: bool,
        max_acquired: u32,
    ) -> PyResult<Self> {
        let name = name.map_or_else(|| program(py), Ok)?;
        let (wait, timeout) =
            (wait.map(|wait| options::seconds("wait", wait)).transpose()?, options::seconds("timeout", timeout)?);
        let mut builder = client::Broker::builder()
            .name(&name)
            .wait(wait)
            .timeout(timeout)
            .control(control)
            .max_acquired(max_acquired);
        if let Some(socket) = socket {
            builder = builder.socket(socket);
        }
        for uid in server_uids {
            builder = builder.server_uid(uid);
        }
        let mut signal = Ok(());
        let goes_on = || {
            signal = check_signals();
            signal.is_ok()
        };
        let connect = || Ok((builder.connect_while(goes_on)?, Generation::current()?));
        let (client, generation) = py.detach(connect).map_err(|error| raised(&error))?;
        signal?;
        let client = client.ok_or_else(closed)?;
        Ok(Self {
            socket: client.socket(),
            client: Mutex::new(Some(Arc::new(client))),
            ledger: Ledger::new()?,
            generation,
        })
    }

    /// All streams, as they are now.
    fn streams(&self, py: Python<'_>) -> PyResult<Vec<Py<StreamInfo>>> {
        let streams = self.ask(py, client::Broker::streams)?;
        streams.iter().map(|stream| StreamInfo::from_broker(py, stream)).collect()
    }

    /// Figures of all streams, as they are now.
    fn stats(&self, py: Python<'_>) -> PyResult<Vec<Py<StreamStats>>> {
        let stats = self.ask(py, client::Broker::stats)?;
        stats.iter().map(|stream| StreamStats::from_broker(py, stream)).collect()
    }

    /// Figures of a stream's segments, by the stream's number (``StreamInfo.id``): what each is doing and who holds its
    /// frame. Empty for a stream that does not exist.
    fn segments(&self, py: Python<'_>, stream: u32) -> PyResult<Vec<Py<SegmentStats>>> {
        let segments = self.ask(py, |client| client.segments(StreamId(stream)))?;
        segments.iter().map(|segment| SegmentStats::from_broker(py, segment)).collect()
    }

    /// Figures of all sessions, this one among them.
    fn clients(&self, py: Python<'_>) -> PyResult<Vec<Py<ClientStats>>> {
        let clients = self.ask(py, client::Broker::clients)?;
        clients.iter().map(|client| ClientStats::from_broker(py, client)).collect()
    }

    /// Asks whether the broker is still there; gives the seconds the answer took.
    fn ping(&self, py: Python<'_>) -> PyResult<f64> {
        Ok(self.ask(py, client::Broker::ping)?.as_secs_f64())
    }

    /// All features of a stream's camera, in the camera's order, as they are now; none where its source has none. A real
    /// camera has hundreds, which takes seconds to read.
    ///
    /// Raises :class:`UnknownStreamError`, :class:`CameraFailedError`, :class:`RefusedError` (``code`` is ``"Busy"`` where too
    /// many ask the camera at once).
    fn features(&self, py: Python<'_>, stream: &str) -> PyResult<Vec<Py<Feature>>> {
        let features = self.ask(py, |client| client.features(stream))?;
        features.iter().map(|feature| Feature::from_broker(py, feature)).collect()
    }

    /// One feature, as it is now: ``broker.feature("cam0", "ExposureTime").value``. Names are those of the GenICam SFNC as far as
    /// the camera keeps to it.
    ///
    /// Raises :class:`UnknownFeatureError`, else as :meth:`features`.
    fn feature(&self, py: Python<'_>, stream: &str, name: &str) -> PyResult<Py<Feature>> {
        let feature = self.ask(py, |client| client.feature(stream, name))?;
        Feature::from_broker(py, &feature)
    }

    /// Sets a feature, and reads it: the camera may have rounded the value. Readers of the stream need do nothing: each frame has
    /// its own geometry, and the ``settings_version`` it was exposed with.
    ///
    /// ``value``: an ``int``, ``float``, ``bool`` or ``str``, in the feature's unit. A text does for every kind: it is read as
    /// people write such values. Enumerations take the name of an entry.
    ///
    /// Raises :class:`ForbiddenError` unless this connection was made with ``control=True``, :class:`ControlledError`,
    /// :class:`NotAccessibleError`, :class:`InvalidValueError` (the text says what would do), else as :meth:`feature`.
    fn set_feature(&self, py: Python<'_>, stream: &str, name: &str, value: &Bound<'_, PyAny>) -> PyResult<Py<Setting>> {
        let value = features::value(value)?;
        let setting = self.ask(py, |client| client.set_feature(stream, name, value))?;
        Setting::from_broker(py, &setting)
    }

    /// Executes a command, as ``"TimestampReset"``. One that only triggers a frame raises no settings version: see :meth:`trigger`.
    /// Raises as :meth:`set_feature` does.
    fn execute(&self, py: Python<'_>, stream: &str, command: &str) -> PyResult<Py<Setting>> {
        let setting = self.ask(py, |client| client.execute(stream, command))?;
        Setting::from_broker(py, &setting)
    }

    /// Triggers a camera (``TriggerSoftware``) and waits for its frame, for at most ``timeout`` seconds from then on, or with ``None``
    /// as long as it takes: the first that comes after the trigger. The camera waits for triggers: its ``TriggerMode`` is ``On``, its
    /// ``TriggerSource`` ``Software``.
    ///
    /// Subscribes to the stream when it is first called, on a connection of its own that is kept until :meth:`close`, for two frames: one
    /// may be held while the next is waited for. Threads that trigger the same camera take turns.
    ///
    /// Raises :class:`WaitTimeoutError` where no frame came, as where the camera ignored the trigger, :class:`HeldFramesError` where two
    /// frames of it are held, else as :meth:`execute`, :meth:`subscribe` and :meth:`Subscription.next`.
    #[pyo3(signature = (stream, timeout=None))]
    fn trigger(&self, py: Python<'_>, stream: &str, timeout: Option<f64>) -> PyResult<Frame> {
        let (client, timeout) = (self.client()?, options::timeout(timeout)?);
        let trigger = || {
            let mut signal = Ok(());
            let goes_on = |_: &client::Subscription| {
                signal = check_signals();
                signal.is_ok()
            };
            let taken = py.detach(|| client.trigger_while(stream, timeout, goes_on));
            signal?;
            ended(taken)
        };
        let taken = take_with_room(py, &[&self.ledger], trigger)?.ok_or_else(closed)?;
        Frame::taken(py, taken, &self.ledger, Arc::new(Place::here(py)?))
    }

    /// Takes sole control of a stream's settings: others can read them, and are told who has it when they set one. For a block:
    /// ``with broker.take_control("cam0"): …``; else until :meth:`give_control`, or until this connection ends.
    ///
    /// Raises as :meth:`set_feature` does.
    fn take_control(&self, py: Python<'_>, stream: &str) -> PyResult<SoleControl> {
        let control = self.ask(py, |client| client.take_control(stream))?.kept();
        Ok(SoleControl { control })
    }

    /// Gives sole control back. Does nothing if nobody has it.
    fn give_control(&self, py: Python<'_>, stream: &str) -> PyResult<()> {
        self.ask(py, |client| client.give_control(stream))
    }

    /// Subscribes to a stream, on a connection of its own. May take as long as the broker needs to allocate segments.
    ///
    /// ``policy``: which frames come: ``"sequential"`` (all, in order; those retired too early are counted lost),
    /// ``"latest"`` (the newest; those passed over are counted skipped), ``"upcoming"`` (the first published after each
    /// call) or ``"lossless"`` (all, and the ring waits within a bound). By default the stream's own: sequential, but for the
    /// broker's ``--grab-strategy``.
    /// ``max_held``: frames that may be held at once, 1 to 64. 2 lets a loop hold the last frame while it waits for the
    /// next. Each costs the broker a segment.
    /// ``delivery``: ``"shared"``, or ``"socket"`` with a message for each frame.
    /// ``start``: with the ``"next"`` frame that is published or the ``"oldest"`` that is still readable.
    /// ``wait_mode``: ``"block"``, ``"spin"`` (never sleeps), ``"spin-then-block"`` (spins for ``spin`` seconds, 50 µs if not
    /// given) or ``"predictive"`` (sleeps until shortly before the next frame is due): less latency for more processor time.
    /// ``reconnect``: whether to go on with the next broker when this one dies or ends.
    ///
    /// Raises :class:`UnknownStreamError`, :class:`NotAdmittedError` (the message says how many segments would do),
    /// :class:`StreamClosedError`, :class:`RefusedError`, :class:`NoBrokerError`, :class:`WaitTimeoutError`.
    #[pyo3(signature = (stream, *, policy=None, max_held=2, delivery="shared", start="next", wait_mode="block",
                        spin=None, reconnect=false))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python, each with a default")]
    fn subscribe(
        &self,
        py: Python<'_>,
        stream: &str,
        policy: Option<&str>,
        max_held: u32,
        delivery: &str,
        start: &str,
        wait_mode: &str,
        spin: Option<f64>,
        reconnect: bool,
    ) -> PyResult<Subscription> {
        let builder = self
            .client()?
            .subscribe(stream)
            .max_held(max_held)
            .delivery(options::word(delivery)?)
            .start(options::word(start)?)
            .wait_mode(options::wait_mode(wait_mode, spin)?)
            .reconnect(reconnect);
        let builder = match policy {
            Some(policy) => builder.policy(options::word(policy)?),
            None => builder,
        };
        Subscription::new(py.detach(|| builder.open()).map_err(|error| raised(&error))?)
    }

    /// Becomes the producer of a stream, on a connection of its own: fills its segments in place of a camera.
    /// The broker was started with ``--source producer``. May take as long as the broker needs to allocate segments.
    ///
    /// ``width``, ``height``, ``pixel_format``: what the frames are like. Each frame carries its own geometry: this one is
    /// shown, and without ``payload_bytes`` it says how large segments must be.
    /// ``payload_bytes``: bytes of image and chunk data of the largest frame.
    /// ``min_queued``: segments that are needed at all times so as to lose nothing; the broker grants no hold that would take
    /// one of them.
    /// ``fixed_pool``: whether no segment can come once it has begun, as where a driver has them all from the start. The ring
    /// then cannot grow for new readers.
    /// ``can_pause``: whether frames can be delayed, as recorded ones can: the ring may then wait for lossless readers.
    /// ``fps``, ``model``, ``serial``: to be shown.
    ///
    /// Raises :class:`RefusedError` (``code`` is ``"Busy"`` where the stream has a producer, ``"Invalid"`` where it takes
    /// none), :class:`UnknownStreamError`, :class:`NotAdmittedError`, :class:`ForbiddenError`, :class:`InvalidFrameError`,
    /// :class:`StreamClosedError`, :class:`NoBrokerError`, :class:`WaitTimeoutError`.
    #[pyo3(signature = (stream, *, width, height, pixel_format, payload_bytes=None, min_queued=2, fixed_pool=false,
                        can_pause=false, fps=None, model="producer", serial=""))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn produce(
        &self,
        py: Python<'_>,
        stream: &str,
        width: u32,
        height: u32,
        pixel_format: &Bound<'_, PyAny>,
        payload_bytes: Option<u64>,
        min_queued: u32,
        fixed_pool: bool,
        can_pause: bool,
        fps: Option<f64>,
        model: &str,
        serial: &str,
    ) -> PyResult<Producer> {
        let shape = Shape { width, height, pixel_format: PixelFormat::parse(pixel_format)? };
        let mut builder = self
            .client()?
            .produce(stream)
            .geometry(width, height, shape.pixel_format)
            .min_queued(min_queued)
            .fixed_pool(fixed_pool)
            .can_pause(can_pause)
            .model(model)
            .serial(serial);
        if let Some(bytes) = payload_bytes {
            builder = builder.payload_bytes(bytes);
        }
        if let Some(fps) = fps {
            builder = builder.interval(producer::interval(fps)?);
        }
        Producer::open(py, stream.to_owned(), builder, shape)
    }

    /// Holds the frame of an address (:attr:`Frame.ref`), from whatever thread or process that comes. Subscribes to its stream when a
    /// frame of it is first asked for, on a connection of its own, which is kept until :meth:`close`; then, and where the broker was
    /// started anew, it may take as long as :meth:`subscribe`. Threads may ask at once.
    ///
    /// Raises :class:`FrameGoneError` if it was retired, never was, or is of another run of the broker, :class:`HeldFramesError` where
    /// ``max_acquired`` of its stream are held, else as :meth:`subscribe` and :meth:`Subscription.next`.
    fn acquire(&self, py: Python<'_>, frame: &Bound<'_, FrameRef>) -> PyResult<Frame> {
        let (client, address) = (self.client()?, &frame.get().0);
        let acquire = || ended(py.detach(|| client.acquire(address)).map(Some));
        let taken = take_with_room(py, &[&self.ledger], acquire)?.ok_or_else(closed)?;
        Frame::taken(py, taken, &self.ledger, Arc::new(Place::here(py)?))
    }

    /// Closes the connection. Subscriptions and producers go on.
    fn close(&self, py: Python<'_>) {
        if self.generation.is_current() {
            let client = self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
            py.detach(|| drop(client));
        }
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*_exception))]
    fn __exit__(&self, py: Python<'_>, _exception: &Bound<'_, PyAny>) {
        self.close(py);
    }

    /// The socket on which the broker answered.
    #[getter]
    fn socket(&self) -> String {
        self.client().map_or_else(|_| self.socket.clone(), |client| client.socket()).display().to_string()
    }

    /// The broker's process; 0 where it is in a PID namespace that cannot be seen from here.
    #[getter]
    fn pid(&self) -> PyResult<i32> {
        Ok(self.client()?.pid())
    }

    /// Which run of a broker this is: a broker started anew has another.
    #[getter]
    fn id(&self) -> PyResult<u64> {
        Ok(self.client()?.id().0)
    }

    /// Names this connection in :meth:`clients`.
    #[getter]
    fn client_id(&self) -> PyResult<u64> {
        Ok(self.client()?.client_id().0)
    }

    fn __repr__(&self) -> String {
        format!("<framebroker.Broker at {}>", self.socket())
    }
}

/// Sole control of a stream's settings, for a ``with`` block: given back at its end. Made by :meth:`Broker.take_control`.
///
/// Without a ``with`` block it is kept until :meth:`Broker.give_control`, or the end of the broker object's connection.
#[pyclass(frozen, weakref, module = "framebroker")]
pub struct SoleControl {
    /// Kept, whatever becomes of this object: Python says with a block when it ends.
    control: client::SoleControl,
}

#[pymethods]
impl SoleControl {
    /// The stream's name.
    #[getter]
    fn stream(&self) -> &str {
        self.control.stream().as_str()
    }

    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    #[pyo3(signature = (*exception))]
    fn __exit__(&self, py: Python<'_>, exception: &Bound<'_, PyTuple>) -> PyResult<()> {
        let is_failing = exception.get_item(0).is_ok_and(|kind| !kind.is_none());
        match py.detach(|| self.control.give()) {
            Ok(()) => Ok(()),
            // It has ended with the connection, or the block's own exception is what counts.
            Err(client::Error::BrokerGone | client::Error::NoBroker { .. }) => Ok(()),
            Err(_) if is_failing => Ok(()),
            Err(error) => Err(raised(&error)),
        }
    }

    fn __repr__(&self) -> String {
        format!("<framebroker.SoleControl of {}>", self.control.stream())
    }
}

/// The script's name, which says more than the interpreter's.
fn program(py: Python<'_>) -> PyResult<String> {
    py.import("framebroker._program")?.call_method0("name")?.extract()
}
