//! Statistics for people.

use std::fmt;

use framebroker_protocol::realtime_ns;

use super::view::{ClientView, HolderView, Report, SegmentView, StreamView, SubscriptionView, TimingView};
use crate::console::plain;
use crate::table::{Table, numbers, words};
use crate::units::{duration, megabytes, microseconds};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.streams.is_empty() {
            writeln!(f, "this broker has no streams")?;
        }
        for stream in &self.streams {
            writeln!(f, "{stream}")?;
        }
        match &self.clients {
            Some(list) => write!(f, "{}", clients(list)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for StreamView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "stream {}", self.name)?;
        writeln!(f, "  total allocated {}, total freed {}", self.total_allocated, self.total_freed)?;
        writeln!(f, "  active buffers {}, max buffers {}", self.active_buffers, self.max_buffers)?;
        let Self { current_memory_mb, peak_memory_mb, mapped_mb, given_up_mb, .. } = self;
        write!(
            f,
            "  current memory {current_memory_mb:.1} MB, peak memory {peak_memory_mb:.1} MB, mapped {mapped_mb:.1} MB"
        )?;
        writeln!(f, ", given up {given_up_mb:.1} MB")?;
        let Self { grabbed, published, incomplete, lost_at_camera, starved, .. } = self;
        writeln!(
            f,
            "  frames: {grabbed} grabbed, {published} published, {incomplete} incomplete, {lost_at_camera} lost at camera, {starved} starved"
        )?;
        writeln!(f, "  lease: {} holds overdue, {} subscriptions evicted", self.overdue, self.evicted)?;
        let packets = &self.packets;
        writeln!(
            f,
            "  packets: {} resent, {} missing; frames given up by the driver: {}",
            packets.resent, packets.missing, packets.failed_frames
        )?;
        let timings = &self.timings;
        for (what, timing) in
            [("allocate", &timings.allocate), ("publish", &timings.publish), ("retire", &timings.retire)]
        {
            writeln!(f, "  {what}: {timing}")?;
        }
        match &self.segments {
            Some(segments) => write!(f, "{}", segment_table(segments)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for TimingView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} times, mean {}, max {}",
            self.count,
            duration(microseconds(self.mean_ns)),
            duration(microseconds(self.max_ns))
        )
    }
}

fn segment_table(segments: &[SegmentView]) -> Table {
    let mut table = Table::new(&[
        numbers("BUFFER"),
        numbers("MB"),
        numbers("AGE"),
        words("STATE"),
        numbers("USED"),
        words("HELD BY"),
    ]);
    let now_ns = realtime_ns();
    for segment in segments {
        let named = segment.held_by.iter().map(HolderView::to_string);
        let more = (segment.more_holders > 0).then(|| format!("and {} more", segment.more_holders));
        table.row([
            segment.buffer_context.to_string(),
            format!("{:.1}", megabytes(segment.bytes)),
            duration(microseconds(now_ns.saturating_sub(segment.allocated_realtime_ns))),
            segment.state.to_owned(),
            segment.usage_count.to_string(),
            named.chain(more).collect::<Vec<_>>().join("; "),
        ]);
    }
    table
}

impl fmt::Display for HolderView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (pid {}, uid {}) for {}",
            plain(&self.name),
            self.pid,
            self.uid,
            duration(self.held_ms * 1000.0)
        )?;
        if self.overdue { f.write_str(", OVERDUE") } else { Ok(()) }
    }
}

/// A row per subscription; one for a client that has none.
fn clients(clients: &[ClientView]) -> String {
    if clients.is_empty() {
        return "no clients\n".to_owned();
    }
    let mut table = Table::new(&[
        words("CLIENT"),
        numbers("PID"),
        numbers("UID"),
        words("STREAM"),
        words("POLICY"),
        words("DELIVERY"),
        numbers("RECEIVED"),
        numbers("LOST"),
        numbers("SKIPPED"),
        numbers("HELD"),
        numbers("LONGEST"),
    ]);
    for client in clients {
        let identity = [plain(&client.name), client.pid.to_string(), client.uid.to_string()];
        if client.subscriptions.is_empty() {
            table.row(identity.clone());
        }
        for subscription in &client.subscriptions {
            table.row(identity.iter().cloned().chain(cells(subscription)));
        }
    }
    table.to_string()
}

fn cells(subscription: &SubscriptionView) -> [String; 8] {
    [
        subscription.stream.clone(),
        subscription.policy.to_owned(),
        subscription.delivery.to_owned(),
        subscription.received.to_string(),
        subscription.lost.to_string(),
        subscription.skipped.to_string(),
        format!("{}/{}", subscription.held, subscription.max_held),
        duration(subscription.longest_hold_ms * 1000.0),
    ]
}
