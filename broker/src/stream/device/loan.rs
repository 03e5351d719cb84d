//! Features that change the size of frames: the grab thread stops the source and lends it, and it comes back by the same way as
//! one that was lost.
//!
//! While it is lent the stream stays live: nothing is lost, frames only come a little later. All segments stay with the grab
//! thread. Whatever happens here, the source or the news that it is gone goes back.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use framebroker_protocol::message::{Feature, FeatureValue};
use framebroker_protocol::{Text, stop_point};

use super::Device;
use crate::source::Source;
use crate::source::features::{FeatureError, check};
use crate::stream::command::{Command, Lent};

/// How long an answer waits for the source to be started again. Segments may have to be made first; frames come later then.
const START: Duration = Duration::from_secs(2);

impl Device {
    /// Sets a feature to a value, or executes it, while the source is stopped.
    pub(super) fn set_stopped(
        &mut self,
        before: &Feature,
        value: Option<&FeatureValue>,
        by: &Text,
    ) -> Result<Feature, FeatureError> {
        let mut loan = Loan::take(&self.parts.commands)?;
        stop_point("size.lent");
        let done = self.set_lent(&mut loan, before, value);
        if let Ok(after) = &done {
            // Before the source starts: its first frame has the new version.
            self.note_change(after, by);
        }
        stop_point("size.set");
        let started = loan.give_back();
        // Only whoever asked waits: where it takes longer, the frames do too.
        let _not_yet = started.recv_timeout(START);
        done
    }

    fn set_lent(
        &mut self,
        loan: &mut Loan,
        before: &Feature,
        value: Option<&FeatureValue>,
    ) -> Result<Feature, FeatureError> {
        let name = &before.name;
        // It may have been locked only because the source was not stopped.
        check::access(&self.find(name)?)?;
        let features = self.features()?;
        let done = match value {
            Some(value) => features.write(name, value),
            None => features.execute(name),
        };
        let after = done.and_then(|()| self.find(name));
        // Whatever came of it: the source must know how the camera is set now.
        loan.refresh()?;
        let after = after?;
        let Some(reason) = self.too_much(loan) else { return Ok(after) };
        if value.is_some() {
            self.features()?.write(name, &before.value)?;
        }
        loan.refresh()?;
        Err(FeatureError::Invalid(reason))
    }

    /// Why there can be no ring for such frames, or for so many, if so.
    fn too_much(&self, loan: &Loan) -> Option<String> {
        let needs = loan.source.as_ref()?.requirements();
        let segments = needs.min_queued + 1;
        let (bytes, limit) = ((needs.payload_bytes as u64).saturating_mul(segments as u64), self.parts.memory_bytes);
        let most = self.parts.max_segments;
        if segments > most {
            return Some(format!(
                "frames would come too fast: the source would need {segments} segments, and the broker may have {most}; raise its \
                 --max-segments"
            ));
        }
        (bytes > limit).then(|| {
            let (needed_mb, limit_mb) = (bytes.div_ceil(1 << 20), limit >> 20);
            format!(
                "frames would be too large: the {segments} segments that the source needs would take {needed_mb} MB, and the \
                 broker may take {limit_mb} MB; raise its --memory-limit"
            )
        })
    }
}

/// A source that the grab thread has stopped and lent.
struct Loan {
    source: Option<Box<dyn Source>>,
    /// Why it does not come back, if it does not.
    lost: Option<String>,
    commands: Sender<Command>,
}

impl Loan {
    /// Waits until the grab thread has stopped the source, which takes as long as the driver does.
    fn take(commands: &Sender<Command>) -> Result<Self, FeatureError> {
        let away = || FeatureError::Failed("the camera is away; it can be set when it is back".to_owned());
        let (to, lent) = channel();
        if commands.send(Command::Lend(to)).is_err() {
            return Err(away());
        }
        // The grab thread answers, or drops the other end when it has no source or ends.
        let Ok(Lent(source)) = lent.recv() else { return Err(away()) };
        Ok(Self { source: Some(source), lost: None, commands: commands.clone() })
    }

    /// Has the source take over what was set.
    fn refresh(&mut self) -> Result<(), FeatureError> {
        let Some(source) = &mut self.source else { return Ok(()) };
        source.refresh().map_err(|error| {
            let reason = format!("the camera failed while it was set: {error}");
            self.lost = Some(reason.clone());
            FeatureError::Failed(reason)
        })
    }

    /// Gives it back; the receiver hears, or is cut off, when it has started or cannot.
    fn give_back(mut self) -> Receiver<()> {
        let (started, hears) = channel();
        self.send(started);
        hears
    }

    fn send(&mut self, started: Sender<()>) {
        let source = self.source.take();
        let source = match self.lost.take() {
            Some(reason) => Err(reason),
            None => {
                source.map(Lent).ok_or_else(|| "the source was lost while it was set; please report this".to_owned())
            }
        };
        // Where the grab thread has ended, the source ends here.
        let _ended = self.commands.send(Command::Return { source, started });
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if self.source.is_some() {
            // After a panic: the driver may be in any state.
            self.lost.get_or_insert_with(|| "setting a feature panicked; please report this".to_owned());
            self.send(channel().0);
        }
    }
}
