//! A stream: one source, its segments and its page. The grab thread ([`grab`]) moves frames through the ring, the device thread
//! ([`device`]) sets the source's features, the session thread admits subscriptions ([`admission`]) and gives segments to both ([`pool`]).

pub mod admission;
pub mod command;
pub mod counters;
pub mod debts;
pub mod device;
pub mod grab;
pub mod health;
pub mod hold_times;
pub mod lossless_budget;
pub mod pool;
pub mod process;
pub mod scheduling;
pub mod served;
pub mod settings_stamp;
pub mod triggers;
pub mod waits;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use framebroker_protocol::ring::SharedRoster;
use framebroker_protocol::shm::{Mapped, SharedObject, ShmError};
use framebroker_protocol::{PixelFormat, SegmentIndex, StreamId, StreamName, StreamPage};

use self::counters::StreamCounters;
use self::triggers::Triggers;

/// No index of a segment.
const NO_SEGMENT: u32 = u32::MAX;

/// What grab thread and session thread share of a stream.
#[derive(Debug)]
pub struct StreamCore {
    /// The stream's name.
    pub name: StreamName,
    /// Its number.
    pub id: StreamId,
    /// Its page, writable; only the grab thread's `Writer` writes it.
    pub page: Arc<Mapped<StreamPage>>,
    /// The page's descriptor, sealed.
    pub page_object: SharedObject,
    /// Who reads.
    pub roster: Arc<SharedRoster>,
    /// What happened.
    pub counters: StreamCounters,
    /// The segment the source writes, or will write next: [`Self::filling`].
    filling: AtomicU32,
    /// Raised by every change of a feature: [`Self::settings_version`].
    settings_version: AtomicU32,
    /// [`Self::settled_version`].
    settled_version: AtomicU32,
    /// What it was triggered for.
    pub triggers: Triggers,
    /// Width and height of the newest frame, 0 before the first since the source came.
    size: AtomicU64,
    pixel_format: AtomicU32,
}

impl StreamCore {
    /// A new stream with an empty ring.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn create(name: StreamName, id: StreamId) -> Result<Self, ShmError> {
        let (page, page_object) = Mapped::<StreamPage>::create()?;
        page.initialise(id);
        page_object.seal()?;
        Ok(Self {
            name,
            id,
            page: Arc::new(page),
            page_object,
            roster: Arc::default(),
            counters: StreamCounters::default(),
            filling: AtomicU32::new(NO_SEGMENT),
            settings_version: AtomicU32::new(0),
            settled_version: AtomicU32::new(0),
            triggers: Triggers::default(),
            size: AtomicU64::new(0),
            pixel_format: AtomicU32::new(0),
        })
    }

    /// The segment the source writes, or will write next: of those it was given, the first.
    #[must_use]
    pub fn filling(&self) -> Option<SegmentIndex> {
        usize::try_from(self.filling.load(Ordering::Relaxed)).ok().and_then(SegmentIndex::new)
    }

    /// The number of changes that were made to the source's features.
    #[must_use]
    pub fn settings_version(&self) -> u32 {
        // Pairs with the device thread's: what was changed by then is changed for whoever sees the version.
        self.settings_version.load(Ordering::Acquire)
    }

    /// A feature was changed; for the device thread alone. Returns the version that begins.
    fn raise_settings_version(&self) -> u32 {
        // Pairs with the load above, publishes that the change is done.
        self.settings_version.fetch_add(1, Ordering::Release).wrapping_add(1)
    }

    /// The newest settings version that began while no frame was under way. The next frame that is triggered has it.
    #[must_use]
    pub fn settled_version(&self) -> u32 {
        // Pairs with the store below: who sees it sees the version raised to it, too.
        self.settled_version.load(Ordering::Acquire)
    }

    /// No frame is under way: for the device thread alone, which triggers none meanwhile.
    fn settle(&self, version: u32) {
        self.settled_version.store(version, Ordering::Release);
    }

    /// Width, height and pixel format of the newest frame, if one has come since the source did. Only to be shown: they may be
    /// of neighbouring frames.
    #[must_use]
    pub fn geometry(&self) -> Option<(u32, u32, PixelFormat)> {
        let size = self.size.load(Ordering::Relaxed).to_le_bytes();
        let [width, height] = [[size[0], size[1], size[2], size[3]], [size[4], size[5], size[6], size[7]]];
        let pixel_format = PixelFormat::from_code(self.pixel_format.load(Ordering::Relaxed));
        Some((u32::from_le_bytes(width), u32::from_le_bytes(height), pixel_format)).filter(|(width, ..)| *width > 0)
    }

    /// For the grab thread alone; width 0 means that no frame has come.
    fn set_geometry(&self, width: u32, height: u32, pixel_format: PixelFormat) {
        self.size.store(u64::from(width) | u64::from(height) << 32, Ordering::Relaxed);
        self.pixel_format.store(pixel_format.code(), Ordering::Relaxed);
    }

    /// For the grab thread alone.
    fn set_filling(&self, segment: Option<SegmentIndex>) {
        let number = segment.map_or(NO_SEGMENT, |segment| u32::from(u16::from(segment)));
        self.filling.store(number, Ordering::Relaxed);
    }
}
