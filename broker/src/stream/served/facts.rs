//! A stream, to be read, and as it is listed.

use std::sync::Arc;

use framebroker_protocol::message::StreamInfo;
use framebroker_protocol::{ContextId, StreamId, StreamName, Text};

use super::{Controller, LeaseCounts, Life, Limits, Lingering, Stream};
use crate::factory::{BufferFactory, Sharing};
use crate::source::{Description, Requirements};
use crate::stream::StreamCore;
use crate::stream::debts::Debts;
use crate::stream::pool::Pool;

impl Stream {
    /// What it shares with the grab thread.
    pub fn core(&self) -> &Arc<StreamCore> {
        &self.core
    }

    pub fn id(&self) -> StreamId {
        self.core.id
    }

    pub fn name(&self) -> &StreamName {
        &self.core.name
    }

    pub fn factory(&self) -> &Arc<dyn BufferFactory> {
        self.segments.factory()
    }

    pub fn pool(&self) -> &Pool {
        self.segments.pool()
    }

    pub fn limits(&self) -> &Limits {
        self.segments.limits()
    }

    pub fn source(&self) -> &'static str {
        self.source
    }

    pub fn needs(&self) -> Requirements {
        self.segments.needs()
    }

    pub fn life(&self) -> &Life {
        &self.life
    }

    pub fn outages(&self) -> u64 {
        self.outages
    }

    /// Why it went last, as it was told then.
    pub fn last_outage(&self) -> &str {
        &self.last_outage
    }

    /// Segments that were given up while somebody may read them.
    pub fn debts(&self) -> &Debts {
        self.segments.debts()
    }

    /// Holds granted, to subscriptions that wait for growth too.
    pub fn granted(&self) -> usize {
        self.granted
    }

    /// What became of holds that lasted too long.
    pub fn lease_counts(&self) -> LeaseCounts {
        self.lease_counts
    }

    /// Who has sole control of the source's features, if somebody has.
    pub fn controller(&self) -> Option<&Controller> {
        self.controller.as_ref()
    }

    /// Whether its segments may be shared with readers of their own: those of named objects are not protected.
    pub fn is_sealed(&self) -> bool {
        self.segments.factory().sharing() == Sharing::Sealed
    }

    /// Who was cut off while it held this frame.
    pub fn lingering(&self, context: ContextId) -> impl Iterator<Item = &Lingering> {
        self.members.lingering(context)
    }

    /// Segments that the ring has lost and cannot get while the source runs.
    pub fn missing(&self) -> usize {
        // A producer is given others when it attaches again, which it does by itself.
        let is_fixed = self.needs().fixed_pool && !self.takes_producers();
        let is_live = matches!(self.life, Life::Live);
        if is_fixed && is_live { self.segments.size().wanted().saturating_sub(self.segments.expected()) } else { 0 }
    }

    /// How often the source was stopped to make the ring whole again.
    pub fn renewals(&self) -> u64 {
        self.renewal.count()
    }

    /// The stream in one line, for the ready line.
    pub fn facts(&self) -> String {
        if matches!(self.life, Life::Unseen(_)) {
            return format!("stream={} source={} state=offline", self.core.name, self.source);
        }
        let Description { width, height, pixel_format, fps, .. } = &self.description;
        format!(
            "stream={} source={} width={width} height={height} pixel_format={pixel_format} fps={fps:.2} segments={} \
             backing={} holds_left={}",
            self.core.name,
            self.source,
            self.pool().installed(),
            self.factory().name(),
            self.capacity().holds_left(),
        )
    }

    pub fn info(&self) -> StreamInfo {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let Description { model, serial, width, height, pixel_format, fps } = &self.description;
        let (width, height, pixel_format) = self.core.geometry().unwrap_or((*width, *height, *pixel_format));
        StreamInfo {
            name: self.core.name.clone(),
            id: self.core.id,
            state: self.core.page.state(),
            source: Text::label(self.source),
            model: Text::label(model),
            serial: Text::label(serial),
            width,
            height,
            pixel_format,
            millihertz: millihertz(*fps),
            content: self.content,
            backing: Text::label(self.factory().name()),
            shared: self.is_sealed(),
            segments: number(self.pool().installed()),
            max_segments: number(self.limits().max_segments),
            holds_left: number(self.capacity().holds_left()),
            head: self.core.page.head(),
            producer: self.producer().map_or_else(|| Text::label(""), Text::label),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "float casts saturate; rates are positive")]
fn millihertz(fps: f64) -> u64 {
    (fps * 1000.0).round() as u64
}
