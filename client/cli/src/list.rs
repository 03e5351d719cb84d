//! `framectl list`.

use framebroker_client::{Broker, Content, StreamInfo};
use serde::Serialize;

use crate::console::{plain, print, print_json};
use crate::failure::Failure;
use crate::table::{Table, numbers, words};

/// A stream as `--json` shows it.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    state: &'static str,
    source: String,
    model: String,
    serial: String,
    width: u32,
    height: u32,
    pixel_format: String,
    /// Nominal; `null` where it is not known.
    fps: Option<f64>,
    /// Whether `watch --verify` can check it.
    verifiable: bool,
    /// What its segments are made of.
    backing: String,
    segments: u32,
    max_segments: u32,
    holds_left: u32,
    sequence: u64,
    /// Name and process ID of who fills its segments, where that is another process; `null` while there is none.
    producer: Option<String>,
}

/// Prints the streams.
pub fn run(broker: &Broker, json: bool) -> Result<(), Failure> {
    let streams: Vec<Listed> = broker.streams()?.iter().map(Listed::from).collect();
    if json {
        return print_json(&streams);
    }
    if streams.is_empty() {
        return print("this broker has no streams\n");
    }
    print(&table(&streams).to_string())
}

fn table(streams: &[Listed]) -> Table {
    let mut table = Table::new(&[
        words("NAME"),
        words("STATE"),
        words("SOURCE"),
        words("PRODUCER"),
        words("MODEL"),
        words("SERIAL"),
        words("SIZE"),
        words("FORMAT"),
        numbers("FPS"),
        words("BACKING"),
        numbers("SEGMENTS"),
        numbers("HOLDS LEFT"),
        numbers("SEQUENCE"),
    ]);
    for stream in streams {
        table.row([
            stream.name.clone(),
            stream.state.to_owned(),
            plain(&stream.source),
            stream.producer.as_deref().map_or_else(String::new, plain),
            plain(&stream.model),
            plain(&stream.serial),
            format!("{}x{}", stream.width, stream.height),
            stream.pixel_format.clone(),
            stream.fps.map_or_else(String::new, |fps| format!("{fps}")),
            plain(&stream.backing),
            format!("{}/{}", stream.segments, stream.max_segments),
            stream.holds_left.to_string(),
            stream.sequence.to_string(),
        ]);
    }
    table
}

impl From<&StreamInfo> for Listed {
    #[expect(clippy::cast_precision_loss, reason = "no camera takes 2^53 frames in a thousand seconds")]
    fn from(info: &StreamInfo) -> Self {
        Self {
            name: info.name.to_string(),
            state: info.state.name(),
            source: info.source.to_string(),
            model: info.model.to_string(),
            serial: info.serial.to_string(),
            width: info.width,
            height: info.height,
            pixel_format: info.pixel_format.to_string(),
            fps: (info.millihertz != 0).then_some(info.millihertz as f64 / 1000.0),
            verifiable: info.content == Content::Pattern,
            backing: info.backing.to_string(),
            segments: info.segments,
            max_segments: info.max_segments,
            holds_left: info.holds_left,
            sequence: info.head.0,
            producer: Some(info.producer.to_string()).filter(|producer| !producer.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use framebroker_client::{PixelFormat, Sequence, StreamId, StreamState};
    use framebroker_protocol::Text;

    use super::*;

    #[test]
    fn an_unknown_rate_and_serial_are_left_open() {
        let info = StreamInfo {
            name: "cam0".parse().unwrap(),
            id: StreamId(0),
            state: StreamState::Live,
            source: Text::cut("pattern"),
            model: Text::cut("test\x1b pattern"),
            serial: Text::cut(""),
            width: 64,
            height: 48,
            pixel_format: PixelFormat::MONO8,
            millihertz: 0,
            content: Content::Pattern,
            backing: Text::cut("memfd"),
            shared: true,
            segments: 8,
            max_segments: 64,
            holds_left: 50,
            head: Sequence(7),
            producer: Text::cut(""),
        };
        let listed = Listed::from(&info);
        assert_eq!((listed.state, listed.fps, listed.verifiable), ("live", None, true));
        let row = table(&[listed]).to_string().lines().nth(1).unwrap().to_owned();
        let cells: Vec<&str> = row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let expected = [
            "cam0",
            "live",
            "pattern",
            "-",
            "test\u{fffd} pattern",
            "-",
            "64x48",
            "Mono8",
            "-",
            "memfd",
            "8/64",
            "50",
            "7",
        ];
        assert_eq!(cells, expected);
    }
}
