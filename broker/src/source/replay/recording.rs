//! Raw recordings: frames as they came, one behind the other in a data file, and an index that says what they are.
//!
//! The index is text, a JSON object a line. The first names the format's version and the data file, which lies beside the
//! index; each other line is a frame.
//!
//! ```text
//! {"framebroker_recording": 1, "data": "run7.raw"}
//! {"offset": 0, "width": 640, "height": 480, "pixel_format": "Mono8", "timestamp_ns": 1000000, "block_id": 1}
//! {"offset": 307200, "width": 640, "height": 480, "pixel_format": "Mono8", "timestamp_ns": 34000000, "block_id": 2}
//! ```

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use framebroker_protocol::PixelFormat;
use serde::Deserialize;

use super::usable::{Broken, Known, open_beside, open_file};
use super::{Shape, invalid};
use crate::source::SourceError;

/// The only version there is.
const VERSION: u32 = 1;

/// The most bytes of a line; a longer one is no index.
const LONGEST_LINE: u64 = 64 << 10;

/// The first line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    framebroker_recording: u32,
    data: String,
}

/// Every other line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Where it begins in the data file.
    offset: u64,
    width: u32,
    height: u32,
    /// PFNC name.
    pixel_format: String,
    /// Bytes of the image; what the format needs where it is left out.
    bytes: Option<usize>,
    /// Bytes of chunk data behind the image.
    #[serde(default)]
    chunk_bytes: usize,
    /// Bytes from one row to the next; what the format needs where it is left out.
    stride: Option<u32>,
    #[serde(default)]
    offset_x: u32,
    #[serde(default)]
    offset_y: u32,
    /// The camera's clock.
    #[serde(default)]
    timestamp_ns: u64,
    /// The camera's count.
    #[serde(default)]
    block_id: u64,
    #[serde(default = "yes")]
    complete: bool,
}

fn yes() -> bool {
    true
}

/// A frame in the data file.
#[derive(Debug)]
pub(super) struct Stored {
    /// Where the index speaks of it.
    pub name: String,
    pub shape: Shape,
    pub stride: u32,
    pub offset_x: u32,
    pub offset_y: u32,
    pub image_bytes: usize,
    pub chunk_bytes: usize,
    pub complete: bool,
    offset: u64,
    timestamp_ns: u64,
    block_id: u64,
}

impl Known for Stored {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn bytes(&self) -> usize {
        self.image_bytes + self.chunk_bytes
    }
}

/// The frames of a data file that can be used.
#[derive(Debug)]
pub(super) struct Recording {
    data: File,
    data_path: PathBuf,
    frames: Vec<Stored>,
    /// The smallest and the largest count of a frame.
    block_ids: (u64, u64),
}

/// An index as it was read.
#[derive(Debug)]
pub(super) struct Index {
    data: File,
    data_path: PathBuf,
    frames: Vec<Result<Stored, Broken>>,
}

impl Index {
    /// Reads an index.
    pub(super) fn open(index: &Path) -> Result<Self, SourceError> {
        let no_index = |reason: String| {
            invalid(format!(
                "cannot replay {}: {reason}; a replay is a directory of images or a recording's index",
                index.display()
            ))
        };
        let mut text = BufReader::new(open_file(index).map_err(|error| no_index(error.to_string()))?);
        let head = next_line(&mut text).map_err(no_index)?.unwrap_or_default();
        let head: Head = serde_json::from_str(&head)
            .map_err(|error| no_index(format!("its first line does not name a recording ({error})")))?;
        if head.framebroker_recording != VERSION {
            let theirs = head.framebroker_recording;
            return Err(no_index(format!("it is of version {theirs}, this broker reads version {VERSION}")));
        }
        let data_path = index.with_file_name(&head.data);
        let cannot = |error: std::io::Error| invalid(format!("cannot replay {}: {error}", data_path.display()));
        let data = open_beside(index, &head.data).map_err(cannot)?;
        let available = data.metadata().map_err(cannot)?.len();
        let mut frames = Vec::new();
        for number in 2.. {
            let name = format!("{}:{number}", index.display());
            match next_line(&mut text) {
                Ok(None) => break,
                Ok(Some(line)) if line.trim().is_empty() => {}
                Ok(Some(line)) => frames.push(parse(&line, &name, available).map_err(|reason| Broken { name, reason })),
                Err(reason) => return Err(no_index(format!("line {number}: {reason}"))),
            }
        }
        Ok(Self { data, data_path, frames })
    }

    /// The recording, with those of its frames that `choose` takes.
    pub(super) fn usable(
        self,
        choose: impl FnOnce(Vec<Result<Stored, Broken>>) -> Result<Vec<Stored>, SourceError>,
    ) -> Result<Recording, SourceError> {
        let Self { data, data_path, frames } = self;
        let frames = choose(frames)?;
        let ids = || frames.iter().map(|frame| frame.block_id);
        let block_ids = (ids().min().unwrap_or(0), ids().max().unwrap_or(0));
        Ok(Recording { data, data_path, frames, block_ids })
    }
}

/// The next line; `None` at the end.
fn next_line(text: &mut BufReader<File>) -> Result<Option<String>, String> {
    use std::io::Read;
    let mut line = String::new();
    match text.take(LONGEST_LINE).read_line(&mut line) {
        Ok(0) => Ok(None),
        Ok(_) if line.ends_with('\n') || (line.len() as u64) < LONGEST_LINE => Ok(Some(line)),
        Ok(_) => Err("it is too long for a line of an index".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn parse(line: &str, name: &str, available: u64) -> Result<Stored, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let pixel_format: PixelFormat = line.pixel_format.parse().map_err(|error| format!("{error}"))?;
    let shape = Shape::new(line.width, line.height, pixel_format)?;
    let stride = line.stride.unwrap_or(shape.stride());
    let image_bytes = line.bytes.unwrap_or(shape.bytes());
    let rows = u64::from(shape.height) - 1;
    let needed = (u64::from(stride) * rows + u64::from(shape.stride())).max(shape.bytes() as u64);
    if stride < shape.stride() || (image_bytes as u64) < needed {
        return Err(format!("{image_bytes} bytes with a stride of {stride} do not hold its {needed} bytes"));
    }
    let end = line.offset.checked_add(image_bytes as u64).and_then(|end| end.checked_add(line.chunk_bytes as u64));
    if end.is_none_or(|end| end > available) {
        return Err(format!("the data file ends before it, at byte {available}"));
    }
    Ok(Stored {
        name: name.to_owned(),
        shape,
        stride,
        offset_x: line.offset_x,
        offset_y: line.offset_y,
        image_bytes,
        chunk_bytes: line.chunk_bytes,
        complete: line.complete,
        offset: line.offset,
        timestamp_ns: line.timestamp_ns,
        block_id: line.block_id,
    })
}

impl Recording {
    /// Its frames, in their order.
    pub(super) fn frames(&self) -> &[Stored] {
        &self.frames
    }

    /// Reads a frame to the beginning of `to`.
    pub(super) fn read(&self, frame: &Stored, to: &mut [u8]) -> Result<(), String> {
        let to = to.get_mut(..frame.bytes()).ok_or("it is larger than its segment")?;
        let read = self.data.read_exact_at(to, frame.offset);
        read.map_err(|error| format!("{}: {error}", self.data_path.display()))
    }

    /// Whether each frame has a time, none before the one before it.
    pub(super) fn has_times(&self) -> bool {
        self.frames.iter().all(|frame| frame.timestamp_ns > 0)
            && self.frames.is_sorted_by_key(|frame| frame.timestamp_ns)
            && self.span_ns() > 0
    }

    /// From the first frame to the last.
    fn span_ns(&self) -> u64 {
        let of = |frame: Option<&Stored>| frame.map_or(0, |frame| frame.timestamp_ns);
        of(self.frames.last()).saturating_sub(of(self.frames.first()))
    }

    fn mean_interval_ns(&self) -> u64 {
        self.span_ns() / (self.frames.len() as u64).saturating_sub(1).max(1)
    }

    #[expect(clippy::cast_precision_loss, reason = "for people to read")]
    pub(super) fn fps(&self) -> f64 {
        1e9 / self.mean_interval_ns().max(1) as f64
    }

    /// Time from a frame to the next; behind the last one, the mean.
    pub(super) fn pause_after_ns(&self, at: usize) -> u64 {
        match (self.frames.get(at), self.frames.get(at + 1)) {
            (Some(this), Some(next)) => next.timestamp_ns.saturating_sub(this.timestamp_ns),
            _ => self.mean_interval_ns(),
        }
    }

    /// The camera's time and count of a frame. Those of later rounds go on from the round before.
    pub(super) fn times(&self, at: usize, round: u64) -> (u64, u64) {
        let Some(frame) = self.frames.get(at) else { return (0, 0) };
        let timestamp_ns = match frame.timestamp_ns {
            0 => 0,
            time => time.saturating_add(round.saturating_mul(self.span_ns().saturating_add(self.mean_interval_ns()))),
        };
        let (first, last) = self.block_ids;
        let block_id = match frame.block_id {
            id @ 1.. => id.saturating_add(round.saturating_mul((last - first).saturating_add(1))),
            0 => round.saturating_mul(self.frames.len() as u64).saturating_add(at as u64 + 1),
        };
        (timestamp_ns, block_id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn recording(frames: u64) -> Recording {
        let shape = Shape::new(4, 4, PixelFormat::MONO8).unwrap();
        let stored = |number: u64| Stored {
            name: String::new(),
            shape,
            stride: 4,
            offset_x: 0,
            offset_y: 0,
            image_bytes: 16,
            chunk_bytes: 0,
            complete: true,
            offset: 0,
            timestamp_ns: number * 1000,
            block_id: number,
        };
        let (data, data_path) = (File::open("/dev/null").unwrap(), PathBuf::new());
        let frames = (1..=frames).map(stored).map(Ok).collect();
        Index { data, data_path, frames }.usable(|frames| Ok(frames.into_iter().flatten().collect())).unwrap()
    }

    /// Goal: a frame of a long recording costs what one of a short recording does. Method: both in turns, of a thousand frames and
    /// of a million; a cost that grew with their number would be a thousandfold.
    #[test]
    fn a_frame_costs_the_same_in_a_long_recording() {
        let recordings = [recording(1000), recording(1_000_000)];
        let [mut short, mut long] = [const { Vec::new() }; 2];
        for _ in 0..15 {
            for (recording, times) in recordings.iter().zip([&mut short, &mut long]) {
                let began = Instant::now();
                for at in 0..1000 {
                    let (time, _) = std::hint::black_box(recording.times(std::hint::black_box(at), 2));
                    assert!(time + recording.pause_after_ns(at) > 0);
                }
                times.push(began.elapsed());
            }
        }
        short.sort_unstable();
        long.sort_unstable();
        let (short, long) = (short[7], long[7]);
        assert!(long < 30 * short, "1000 frames: {long:?} of a million, {short:?} of a thousand");
    }

    #[test]
    fn counts_of_later_rounds_go_on() {
        let recording = recording(3);
        assert_eq!([0, 1, 2].map(|at| recording.times(at, 1)), [(4000, 4), (5000, 5), (6000, 6)]);
    }
}
