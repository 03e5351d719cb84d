//! Frames that a camera sent and nobody got: how many, by their block IDs, and why.

/// Follows the block IDs of a stream and tells which are missing.
///
/// GigE Vision 1.x counts 1 to 65535 and begins again at 1; extended IDs and USB3 Vision count with 64 bits. Nothing says
/// which one a GigE Vision camera uses, so 16 bits are assumed until an ID is larger.
#[derive(Debug, Clone, Copy)]
struct BlockIds {
    last: Option<u64>,
    wraps: bool,
}

/// Where 16-bit IDs end.
const LAST_SHORT_ID: u64 = 0xffff;

/// A larger jump is a camera that began to count anew rather than one that lost so many frames.
const LARGEST_GAP: u64 = 0x7fff;

impl BlockIds {
    /// Of a stream that begins; `wraps` where it is GigE Vision.
    fn new(wraps: bool) -> Self {
        Self { last: None, wraps }
    }

    /// Frames missing between the last one and this one.
    fn missing_before(&mut self, id: u64) -> u64 {
        if id > LAST_SHORT_ID {
            self.wraps = false;
        }
        let Some(last) = self.last.replace(id) else { return 0 };
        let ahead = match id.checked_sub(last) {
            Some(ahead) => ahead,
            None if self.wraps => id.saturating_add(LAST_SHORT_ID).saturating_sub(last),
            None => 0,
        };
        let missing = ahead.saturating_sub(1);
        if missing > LARGEST_GAP { 0 } else { missing }
    }
}

/// Says of every missing frame whether it was lost on its way or found no buffer (starved): starved are those of a gap
/// before which the driver had none.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameLosses {
    ids: BlockIds,
    /// No buffer was queued at some time since the last gap.
    starving: bool,
    /// Starved frames of the next gap that were reported before the frame that shows it.
    reported: u64,
    /// Frames that were received and not delivered since the last one delivered.
    withheld: u64,
    /// Starved frames still to be reported.
    due: u64,
    /// All starved frames so far.
    starved_total: u64,
}

impl FrameLosses {
    /// Of a stream that begins; `wraps` where it is GigE Vision.
    pub(super) fn new(wraps: bool) -> Self {
        Self { ids: BlockIds::new(wraps), starving: false, reported: 0, withheld: 0, due: 0, starved_total: 0 }
    }

    /// The driver has no segment left.
    pub(super) fn ran_dry(&mut self) {
        self.starving = true;
    }

    /// Where the driver had no segment, at least one frame has found none. Once for each gap.
    pub(super) fn report_starving(&mut self) {
        if self.starving && self.reported == 0 {
            self.reported = 1;
            self.add_starved(1);
        }
    }

    /// Frames that found no buffer, as counted by the driver.
    pub(super) fn add_starved(&mut self, frames: u64) {
        self.due = self.due.saturating_add(frames);
        self.starved_total = self.starved_total.saturating_add(frames);
    }

    /// Takes in a frame that arrived, with its block ID if it has one; answers how many were lost on their way since the
    /// last one delivered.
    pub(super) fn arrived(&mut self, id: Option<u64>, delivered: bool) -> u32 {
        let missing = id.map_or(0, |id| self.ids.missing_before(id));
        let mut lost = missing;
        if missing > 0 && std::mem::take(&mut self.starving) {
            let reported = std::mem::take(&mut self.reported);
            self.add_starved(missing.saturating_sub(reported));
            lost = 0;
        }
        if !delivered {
            self.withheld = self.withheld.saturating_add(lost).saturating_add(1);
            return 0;
        }
        let lost = lost.saturating_add(std::mem::take(&mut self.withheld));
        u32::try_from(lost).unwrap_or(u32::MAX)
    }

    /// Takes one starved frame that is still to be reported.
    pub(super) fn take_starved(&mut self) -> bool {
        let any = self.due > 0;
        self.due = self.due.saturating_sub(1);
        any
    }

    /// All frames so far that found no buffer.
    pub(super) fn starved_total(&self) -> u64 {
        self.starved_total
    }
}
