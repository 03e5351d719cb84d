//! What is said of a stream's buffers when it has ended.

use std::fmt;
use std::sync::Arc;

use framebroker_protocol::stats::{StreamStats, Timing};

use super::report::{megabytes, stream_stats};
use crate::factory::Segment;
use crate::stream::served::Stream;

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
    pub fn of(mut stream: Stream) -> Self {
        let uses = |segment: &Arc<Segment>| format!("{} x{}", segment.index().buffer_context(), segment.usage_count());
        let usage = stream.pool().segments().map(uses).collect();
        let leaked = stream.free_segments();
        Self { stats: stream_stats(&stream), usage, leaked }
    }

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

#[cfg(test)]
mod tests {
    use std::process::ExitCode;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use framebroker_protocol::message::{Content, Policy};
    use framebroker_protocol::{PixelFormat, StreamId};

    use super::*;
    use crate::factory::{BufferFactory, Memfd};
    use crate::run::Report;
    use crate::source::{Description, Requirements};
    use crate::stream::StreamCore;
    use crate::stream::pool::Pool;
    use crate::stream::served::{Limits, StreamParts};

    const BYTES: usize = 5000;

    /// A stream with so many segments and no grab thread.
    fn stream(segments: usize) -> Stream {
        let core = Arc::new(StreamCore::create("cam0".parse().unwrap(), StreamId(0)).unwrap());
        let (factory, mut pool) = (Arc::new(Memfd::default()), Pool::default());
        for _ in 0..segments {
            let (index, backing) = pool.order(BYTES).unwrap();
            let (segment, _writable) = factory.allocate_at(index, backing, BYTES).unwrap();
            pool.install(&segment);
        }
        let needs =
            Requirements { min_queued: 1, wanted_queued: 1, fixed_pool: false, can_pause: true, payload_bytes: BYTES };
        let (model, serial, pixel_format) = (String::new(), String::new(), PixelFormat::MONO8);
        let description = Description { model, serial, width: 100, height: 50, pixel_format, fps: 0.0 };
        let limits = Limits {
            min_segments: segments,
            shrink_after: Duration::MAX,
            max_segments: 8,
            memory_bytes: 1 << 20,
            memory_warn_bytes: None,
            history: 0,
            lossless_timeout: Duration::ZERO,
            default_policy: Policy::default(),
        };
        let (source, content, commands) = ("pattern", Content::Opaque, channel().0);
        Stream::new(StreamParts { core, factory, pool, commands, needs, description, source, content, limits })
    }

    fn said(summary: Summary) -> (String, ExitCode) {
        let report = Report::Buffers(vec![summary]);
        (report.to_string(), report.exit_code())
    }

    #[test]
    fn what_was_allocated_was_freed() {
        let (said, exit) = said(Summary::of(stream(3)));
        assert!(said.contains("total allocated  3 buffers\n  total freed      3 buffers"), "{said}");
        assert!(said.contains("usage            1000 x0, 1001 x0, 1002 x0\n"), "{said}");
        assert!(!said.contains("WARNING"), "{said}");
        assert_eq!(exit, ExitCode::SUCCESS);
    }

    /// Goal: a leak is told, with the buffers' names, and fails the broker. Method: segments that something else than the
    /// stream keeps, one of them long out of its pool.
    #[test]
    fn a_leak_is_named_and_fails() {
        let mut leaky = stream(4);
        let kept: Vec<Arc<Segment>> = leaky.pool().segments().skip(1).step_by(2).cloned().collect();
        for segment in &kept[..1] {
            leaky.do_without(segment.index());
        }
        let (said, exit) = said(Summary::of(leaky));
        assert!(said.contains("total allocated  4 buffers\n  total freed      2 buffers"), "{said}");
        let warning = "WARNING: 2 buffers leaked, allocated and not freed: contexts 1001, 1003\n";
        assert!(said.ends_with(warning), "{said}");
        assert_eq!(exit, ExitCode::FAILURE);
    }
}
