//! A stream as it is listed.

use framebroker_protocol::Text;
use framebroker_protocol::message::StreamInfo;

use super::{Life, Stream};
use crate::source::Description;

impl Stream {
    /// The stream in one line, for the ready line.
    #[must_use]
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
            self.pool.installed(),
            self.factory.name(),
            self.capacity().holds_left(),
        )
    }

    /// The stream as it is listed.
    #[must_use]
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
            backing: Text::label(self.factory.name()),
            shared: self.is_sealed(),
            segments: number(self.pool.installed()),
            max_segments: number(self.limits.max_segments),
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
