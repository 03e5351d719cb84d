//! `framectl save`.

mod target;

use std::path::Path;

use framebroker_client::{Broker, Frame};
use serde::Serialize;

use self::target::Target;
use crate::console::{complain, print, print_json};
use crate::failure::Failure;
use crate::image::{Image, Raw};
use crate::options::SaveOptions;
use crate::receive::{Received, Receiver, Stop, granted_delivery};

/// A file as `--json` shows it.
#[derive(Debug, Serialize)]
struct Saved {
    file: String,
    context: u64,
    sequence: u64,
    width: u32,
    height: u32,
    pixel_format: String,
}

/// Writes frame after frame until there are enough.
pub fn run(broker: Broker, options: &SaveOptions, json: bool) -> Result<(), Failure> {
    let target = Target::new(&options.file, options.count)?;
    let stop = Stop::on_signals()?;
    let delivery = granted_delivery(&broker, &options.stream)?;
    let subscription = broker.subscribe(&options.stream).delivery(delivery).max_held(1).open()?;
    drop(broker);
    let mut receiver = Receiver::new(subscription, options.timeout);
    let mut done = 0;
    let mut lost_before = 0;
    let unfinished =
        |done, reason: &str| Failure::Unfinished { done, wanted: options.count, reason: reason.to_owned() };
    while done < options.count {
        if stop.is_set() {
            return Err(unfinished(done, "ended by a signal"));
        }
        match receiver.next()? {
            Received::Frame(frame) => {
                if done == 0 {
                    lost_before = receiver.subscription().counters().lost;
                }
                let saved = save(&target, frame)?;
                done += 1;
                if json { print_json(&saved)? } else { print(&saved.line())? }
            }
            Received::Refused(reason) => complain(&reason),
            Received::Nothing => {}
            Received::Ended(reason) => return Err(unfinished(done, &format!("the stream has ended: {reason}"))),
        }
    }
    let missed = receiver.subscription().counters().lost.saturating_sub(lost_before);
    if missed > 0 {
        complain(&format!("{missed} frames between them were missed: they came faster than files can be written"));
    }
    Ok(())
}

/// Converts the frame, gives it back, and only then takes the time to write the file.
fn save(target: &Target, frame: Frame) -> Result<Saved, Failure> {
    let header = frame.header();
    let sequence = frame.sequence().0;
    let (width, height, pixel_format) = (header.width, header.height, header.pixel_format);
    let raw = Raw { data: frame.data(), width, height, stride: frame.stride(), format: pixel_format };
    let image = Image::convert(&raw).map_err(|source| Failure::Convert { sequence, source })?;
    if !frame.is_complete() {
        complain(&format!("frame {sequence} is incomplete: parts of it were lost on the way from the camera"));
    }
    let context = frame.context().as_u64();
    drop(frame);
    let path = target.path(sequence);
    target::write(&path, &image)?;
    let file = shown(&path);
    Ok(Saved { file, context, sequence, width, height, pixel_format: pixel_format.to_string() })
}

impl Saved {
    /// For people.
    fn line(&self) -> String {
        let Self { file, context, sequence, width, height, pixel_format } = self;
        format!("{file}: frame {sequence} (context {context}), {width}x{height} {pixel_format}\n")
    }
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
