//! A producer that does what it is told on standard input, one command a line, one line of answer each. Its frames show the
//! test pattern of their block ID, which the consumers of the tests check.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use framebroker_client::{
    Blank, Broker, Error, FrameInfo, KeptSegment, PixelFormat, Producer, ProducerBuilder, Result,
};
use framebroker_protocol::pattern::Pattern;
use framebroker_tests::commands::{Options, answer_each, is_told_more};

const PATIENCE: Duration = Duration::from_secs(5);

fn main() {
    let socket = std::env::args_os().nth(1).map(PathBuf::from).expect("usage: producer SOCKET");
    let pattern = Pattern::new(PixelFormat::MONO8, 64, 48).expect("a geometry that the pattern can have");
    let frames = Frames { width: 64, height: 48, pixel_format: PixelFormat::MONO8, pattern, block: 0 };
    let mut actor = Actor { socket, frames, producer: None, blanks: Vec::new(), kept: HashMap::new() };
    answer_each(|line| actor.obey(line));
}

struct Actor {
    socket: PathBuf,
    frames: Frames,
    producer: Option<Producer>,
    blanks: Vec<Blank>,
    kept: HashMap<u32, KeptSegment>,
}

/// What the frames are like, and the newest.
struct Frames {
    width: u32,
    height: u32,
    pixel_format: PixelFormat,
    pattern: Pattern,
    block: u64,
}

impl Actor {
    fn obey(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (verb, rest) = words.split_first().expect("a command");
        let options = Options::of(rest);
        let answered = match *verb {
            "produce" => self.produce(&options),
            "change" => self.change(&options),
            "shape" => Ok(self.shape(&options)),
            "publish" => self.publish(&options),
            "stream" => self.stream(&options),
            "stop" => Ok("ok".to_owned()),
            "blank" => self.blank(&options),
            "unblank" => {
                self.blanks.clear();
                Ok("ok".to_owned())
            }
            "keep" => self.keep(),
            "publish-kept" => self.publish_kept(&options),
            "segments" => Ok(self.producer().segments().len().to_string()),
            "fork" => Ok(self.fork()),
            "drop" => {
                self.blanks.clear();
                self.producer = None;
                Ok("ok".to_owned())
            }
            _ => panic!("unknown command {line:?}"),
        };
        answered.unwrap_or_else(|error| format!("error {}", self.reason(error).to_string().replace('\n', " ")))
    }

    /// Why the broker takes nothing more, where that is the error.
    fn reason(&mut self, error: Error) -> Error {
        match (error, &mut self.producer) {
            (Error::Stopped, Some(producer)) => producer.take(PATIENCE).err().unwrap_or(Error::Stopped),
            (error, _) => error,
        }
    }

    fn produce(&mut self, options: &Options<'_>) -> Result<String> {
        let broker = Broker::builder().socket(&self.socket).name("producer").connect()?;
        let builder = broker.produce(options.get("stream").unwrap_or("cam0"));
        self.shape(options);
        let producer = self.describe(builder, options).open()?;
        let answer = format!("ok first={} segments={}", producer.first_sequence().0, producer.segments().len());
        self.producer = Some(producer);
        Ok(answer)
    }

    fn change(&mut self, options: &Options<'_>) -> Result<String> {
        self.shape(options);
        let mut producer = self.producer.take().expect("produce comes first");
        let changed = producer.change(|builder| self.describe(builder, options));
        let answer = format!("ok first={} segments={}", producer.first_sequence().0, producer.segments().len());
        self.producer = Some(producer);
        changed.map(|()| answer)
    }

    /// The frames from here on.
    fn shape(&mut self, options: &Options<'_>) -> String {
        let number =
            |name: &str, old: u32| options.number(name).map_or(old, |value| u32::try_from(value).expect("pixels"));
        let frames = &mut self.frames;
        frames.width = number("width", frames.width);
        frames.height = number("height", frames.height);
        if let Some(name) = options.get("format") {
            frames.pixel_format = PixelFormat::from_name(name).expect("a pixel format");
        }
        frames.pattern = Pattern::new(frames.pixel_format, frames.width, frames.height).expect("a pattern");
        "ok".to_owned()
    }

    fn describe(&self, builder: ProducerBuilder, options: &Options<'_>) -> ProducerBuilder {
        let Frames { width, height, pixel_format, .. } = self.frames;
        let mut builder = builder.geometry(width, height, pixel_format).model("scripted").serial("7");
        if let Some(bytes) = options.number("payload") {
            builder = builder.payload_bytes(bytes);
        }
        if let Some(segments) = options.number("min") {
            builder = builder.min_queued(u32::try_from(segments).expect("a small number"));
        }
        if let Some(interval) = options.number("interval_us") {
            builder = builder.interval(Duration::from_micros(interval));
        }
        builder.fixed_pool(options.get("fixed") == Some("yes")).can_pause(options.get("pause") == Some("yes"))
    }

    fn producer(&mut self) -> &mut Producer {
        self.producer.as_mut().expect("produce comes first")
    }

    fn publish(&mut self, options: &Options<'_>) -> Result<String> {
        let interval = Duration::from_micros(options.number("interval_us").unwrap_or(0));
        let count = options.number("count").unwrap_or(1);
        for _ in 0..count {
            self.publish_one(PATIENCE)?;
            std::thread::sleep(interval);
        }
        Ok(format!("published last={}", self.frames.block))
    }

    fn publish_one(&mut self, patience: Duration) -> Result<()> {
        let blank = match self.blanks.pop() {
            Some(blank) => blank,
            None => self.producer().take(patience)?,
        };
        self.frames.publish(blank)
    }

    /// Says `ok`, then publishes until there is another command.
    fn stream(&mut self, options: &Options<'_>) -> Result<String> {
        println!("ok");
        let interval = Duration::from_micros(options.number("interval_us").unwrap_or(2000));
        while !is_told_more() {
            self.publish_one(PATIENCE)?;
            std::thread::sleep(interval);
        }
        Ok(format!("published last={}", self.frames.block))
    }

    /// Takes segments without filling them.
    fn blank(&mut self, options: &Options<'_>) -> Result<String> {
        for _ in 0..options.number("count").unwrap_or(1) {
            let blank = self.producer().take(PATIENCE)?;
            self.blanks.push(blank);
        }
        Ok("ok".to_owned())
    }

    /// Keeps all that is lent, as a driver with buffers of its own does.
    fn keep(&mut self) -> Result<String> {
        let mut contexts = Vec::new();
        while let Some(blank) = self.producer().try_take()? {
            let kept = blank.keep().expect("this process is the producer's");
            contexts.push(kept.buffer_context());
            self.kept.insert(kept.buffer_context(), kept);
        }
        contexts.sort_unstable();
        Ok(format!("kept {}", contexts.iter().map(u32::to_string).collect::<Vec<_>>().join(",")))
    }

    fn publish_kept(&mut self, options: &Options<'_>) -> Result<String> {
        let context = options.number("context").and_then(|context| u32::try_from(context).ok()).expect("a context");
        if let Some(kept) = self.kept.remove(&context) {
            // SAFETY: the segment is kept and lent, mapped for so many bytes, and nobody else in this process uses it.
            let bytes = unsafe { std::slice::from_raw_parts_mut(kept.as_mut_ptr(), kept.len()) };
            self.frames.fill(bytes);
        }
        let info = self.frames.info();
        self.producer().publish(context, &info)?;
        Ok(format!("published last={}", self.frames.block))
    }

    /// What a forked child can do with its parent's producer.
    fn fork(&mut self) -> String {
        let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
        // SAFETY: the parent has one thread, so the child can use what it likes; it exits.
        if unsafe { libc::fork() } == 0 {
            let hidden = self.blanks.iter_mut().all(|blank| blank.bytes_mut().is_empty());
            let refused = matches!(self.producer().try_take(), Err(framebroker_client::Error::Forked));
            self.blanks.clear();
            self.kept.clear();
            self.producer = None;
            let _told = write!(writer, "forked={} hidden={}", u8::from(refused), u8::from(hidden));
            std::process::exit(0);
        }
        drop(writer);
        let mut said = String::new();
        std::io::Read::read_to_string(&mut reader, &mut said).expect("what the child says");
        // SAFETY: waits for the child that was just made.
        unsafe { libc::wait(std::ptr::null_mut()) };
        said
    }
}

impl Frames {
    fn fill(&mut self, bytes: &mut [u8]) {
        self.block += 1;
        self.pattern.fill(bytes, self.block);
    }

    fn info(&self) -> FrameInfo {
        FrameInfo { block_id: self.block, ..FrameInfo::new(self.width, self.height, self.pixel_format) }
    }

    fn publish(&mut self, mut blank: Blank) -> Result<()> {
        self.fill(blank.bytes_mut());
        blank.publish(&self.info())
    }
}
