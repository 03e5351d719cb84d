//! What is said of a stream's buffers when it has ended.

use std::fmt;
use std::sync::Arc;

use framebroker_protocol::stats::{StreamStats, Timing};

use super::report::stream_stats;
use crate::factory::Segment;
use crate::stream::live::Stream;

/// The buffer statistics of a stream that has ended.
#[derive(Debug)]
pub struct Summary {
    stats: StreamStats,
    usage: Vec<String>,
    /// Buffer contexts of the segments that were not freed.
    leaked: Vec<u32>,
}

impl Summary {
    /// Frees the stream's segments and counts what is left.
    #[must_use]
    pub fn of(mut stream: Stream) -> Self {
        let uses = |segment: &Arc<Segment>| format!("{} x{}", segment.index().buffer_context(), segment.usage_count());
        let usage = stream.pool.segments().map(uses).collect();
        let held_elsewhere = stream.pool.empty();
        let leaked = held_elsewhere.iter().filter_map(|segment| segment.upgrade());
        let leaked = leaked.map(|segment| segment.index().buffer_context()).collect();
        Self { stats: stream_stats(&stream), usage, leaked }
    }

    /// Whether every buffer was freed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.stats.active_buffers == 0
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let StreamStats { name, published, starved, incomplete, lost_at_camera, .. } = &self.stats;
        let StreamStats { total_allocated, total_freed, active_buffers, max_buffers, .. } = &self.stats;
        writeln!(
            f,
            "stream {name}: {published} frames published, {incomplete} incomplete, {lost_at_camera} lost at the camera, \
             {starved} starved"
        )?;
        writeln!(f, "  total allocated  {total_allocated} buffers")?;
        writeln!(f, "  total freed      {total_freed} buffers")?;
        writeln!(f, "  active           {active_buffers} buffers")?;
        writeln!(f, "  maximum          {max_buffers} buffers")?;
        writeln!(f, "  current memory   {:.2} MB", megabytes(self.stats.current_bytes))?;
        writeln!(f, "  peak memory      {:.2} MB", megabytes(self.stats.peak_bytes))?;
        for (what, timing) in
            [("allocate", self.stats.allocate), ("publish", self.stats.publish), ("retire", self.stats.retire)]
        {
            let Timing { count, mean_ns, max_ns } = timing;
            writeln!(f, "  {what:<16} {count} times, mean {mean_ns} ns, maximum {max_ns} ns")?;
        }
        writeln!(f, "  usage            {}", self.usage.join(", "))?;
        if !self.is_clean() {
            let leaked: Vec<String> = self.leaked.iter().map(u32::to_string).collect();
            let contexts = leaked.join(", ");
            writeln!(f, "  WARNING: {active_buffers} buffers leaked, allocated and not freed: contexts {contexts}")?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "for people to read")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
