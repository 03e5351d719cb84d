//! What a watching consumer sees of its stream, while the source comes and goes.

use std::fmt;

use framebroker_client::{Frame, StreamState};

use super::content::{Content, Patterns};

/// Frames seen one after the other.
pub struct Sight {
    content: Content,
    patterns: Patterns,
    /// How many.
    pub frames: u64,
    bad: u64,
    worst: Option<String>,
    /// Sequences of the first and the newest.
    first: u64,
    last: u64,
    /// Sequences between them of which no frame came.
    missing: u64,
    /// Width of the newest, and how often it was another than before.
    width: u32,
    resized: u64,
    /// How often the source went away, as the stream's state tells.
    away: u64,
    is_away: bool,
}

impl Sight {
    /// Of frames that show this.
    pub fn of(content: Content) -> Self {
        Self {
            content,
            patterns: Patterns::default(),
            frames: 0,
            bad: 0,
            worst: None,
            first: 0,
            last: 0,
            missing: 0,
            width: 0,
            resized: 0,
            away: 0,
            is_away: false,
        }
    }

    /// The next frame.
    pub fn see(&mut self, frame: &Frame) {
        let sequence = frame.sequence().0;
        let is_first = self.last == 0;
        let fault = self.patterns.fault(frame, self.content);
        let fault = fault.or_else(|| (sequence <= self.last).then(|| format!("{sequence} after {}", self.last)));
        self.bad += u64::from(fault.is_some());
        self.worst = self.worst.take().or(fault);
        self.missing += if is_first { 0 } else { sequence.saturating_sub(self.last + 1) };
        self.resized += u64::from(!is_first && frame.width() != self.width);
        self.first = if is_first { sequence } else { self.first };
        (self.last, self.width) = (sequence, frame.width());
        self.frames += 1;
    }

    /// Another broker counts from the beginning.
    pub fn begin_anew(&mut self) {
        self.last = 0;
    }

    /// Whether the source is away.
    pub fn is_away(&self) -> bool {
        self.is_away
    }

    /// Whether the source is there.
    pub fn look_after(&mut self, state: StreamState) {
        let was_away = std::mem::replace(&mut self.is_away, state == StreamState::Offline);
        self.away += u64::from(self.is_away && !was_away);
    }

    /// The figures; the first bad frame is named on standard error.
    pub fn end(&self) -> impl fmt::Display {
        let Self { bad, first, last, missing, width, resized, away, .. } = self;
        if let Some(worst) = &self.worst {
            eprintln!("actor: {bad} bad frames, the first: {worst}");
        }
        format!(
            "bad={bad} first={first} last={last} missing={missing} width={width} resized={resized} away={away} back={}",
            u8::from(!self.is_away)
        )
    }
}
