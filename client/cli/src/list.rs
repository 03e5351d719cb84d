//! `framectl list`.

use framebroker_client::{Broker, StreamInfo};
use serde::Serialize;

use crate::console::{plain, print, print_json};
use crate::failure::Failure;
use crate::options::ListOptions;
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
    /// `pattern`: `watch --verify` can check it.
    content: &'static str,
    /// What its segments are made of.
    backing: String,
    segments: u32,
    max_segments: u32,
    holds_left: u32,
    /// Number of the newest frame.
    head: u64,
    /// Name and process ID of who fills its segments, where that is another process; `null` while there is none.
    producer: Option<String>,
}

/// Prints the streams.
pub fn run(broker: &Broker, options: &ListOptions, json: bool) -> Result<(), Failure> {
    let only = options.stream.as_deref();
    let all = broker.streams()?;
    let wanted = all.iter().filter(|stream| only.is_none_or(|only| only == stream.name.as_str()));
    let streams: Vec<Listed> = wanted.map(Listed::from).collect();
    if let (Some(name), true) = (only, streams.is_empty()) {
        let known = all.iter().map(|stream| stream.name.to_string()).collect();
        return Err(Failure::UnknownStream { name: name.to_owned(), known });
    }
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
        numbers("HEAD"),
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
            stream.head.to_string(),
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
            content: info.content.name(),
            backing: info.backing.to_string(),
            segments: info.segments,
            max_segments: info.max_segments,
            holds_left: info.holds_left,
            head: info.head.0,
            producer: Some(info.producer.to_string()).filter(|producer| !producer.is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use framebroker_client::{Content, PixelFormat, Sequence, StreamId, StreamState};
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
        assert_eq!((listed.state, listed.fps, listed.content), ("live", None, "pattern"));
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
