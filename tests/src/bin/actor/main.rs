//! A consumer that does what it is told on standard input, one command a line, one line of answer each. The tests use it
//! where a process must be killed, stopped or forked, or must hold frames for as long as the test wants.

mod content;
mod sight;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use framebroker_client::{Broker, ContextId, Error, Frame, Result, Subscription, WaitMode};
use framebroker_tests::commands::{Options, answer_each, is_told_more};
use nix::sys::resource::{UsageWho, getrusage};

use self::content::{Content, Patterns, fault};
use self::sight::Sight;

fn main() {
    let socket = std::env::args_os().nth(1).map(PathBuf::from).expect("usage: actor SOCKET");
    let mut actor = Actor { socket, subscription: None, held: Vec::new() };
    answer_each(|line| actor.obey(line));
}

struct Actor {
    socket: PathBuf,
    subscription: Option<Subscription>,
    held: Vec<Frame>,
}

impl Actor {
    fn obey(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (verb, rest) = words.split_first().expect("a command");
        let options = Options::of(rest);
        let answered = match *verb {
            "subscribe" => self.subscribe(&options),
            "take" => self.take(millis(rest)),
            "try" => self.try_take(),
            "acquire" => self.acquire(number(rest)),
            "release" => self.release(rest),
            "check" => Ok(self.check_held(Content::named(rest.first().copied()))),
            "run" => self.run(&options),
            "watch" => self.watch(&options),
            "stop" => Ok("ok".to_owned()),
            "sleep" => {
                std::thread::sleep(millis(rest));
                Ok("ok".to_owned())
            }
            "drain" => Ok(self.drain(millis(rest))),
            "describe" => Ok(self.describe()),
            "mappings" => Ok(self.frames().mappings().len().to_string()),
            "counters" => Ok(self.counters()),
            "state" => Ok(self.state()),
            "fork" => Ok(fork()),
            "fork-use" => Ok(self.use_in_child()),
            "drop" => {
                self.subscription = None;
                Ok("ok".to_owned())
            }
            _ => panic!("unknown command {line:?}"),
        };
        answered.unwrap_or_else(|error| describe(&error))
    }

    fn subscribe(&mut self, options: &Options<'_>) -> Result<String> {
        let broker = Broker::builder().socket(&self.socket).name("actor").connect()?;
        let mut builder = broker.subscribe(options.get("stream").unwrap_or("cam0"));
        if let Some(policy) = options.word("policy") {
            builder = builder.policy(policy);
        }
        if let Some(delivery) = options.word("delivery") {
            builder = builder.delivery(delivery);
        }
        if let Some(start) = options.word("start") {
            builder = builder.start(start);
        }
        builder = match options.get("wait") {
            Some("spin") => builder.wait_mode(WaitMode::Spin),
            Some("hybrid") => builder.wait_mode(WaitMode::SpinThenBlock(Duration::from_micros(50))),
            Some("predictive") => builder.wait_mode(WaitMode::Predictive(framebroker_client::Predictive::default())),
            _ => builder,
        };
        if let Some(max_held) = options.number("max_held") {
            builder = builder.max_held(u32::try_from(max_held).expect("a small number"));
        }
        self.subscription = Some(builder.reconnect(options.get("reconnect") == Some("yes")).open()?);
        Ok("ok".to_owned())
    }

    fn frames(&mut self) -> &mut Subscription {
        self.subscription.as_mut().expect("subscribe comes first")
    }

    fn take(&mut self, timeout: Duration) -> Result<String> {
        let frame = self.frames().next(timeout)?;
        Ok(self.keep(frame))
    }

    fn try_take(&mut self) -> Result<String> {
        Ok(match self.frames().try_next()? {
            Some(frame) => self.keep(frame),
            None => "none".to_owned(),
        })
    }

    fn acquire(&mut self, context: u64) -> Result<String> {
        let context = ContextId::from_u64(context).expect("a context ID");
        let frame = self.frames().acquire(context)?;
        Ok(self.keep(frame))
    }

    fn keep(&mut self, frame: Frame) -> String {
        let answer = format!("frame {}", frame.context());
        self.held.push(frame);
        answer
    }

    fn release(&mut self, which: &[&str]) -> Result<String> {
        match which {
            [] => self.held.clear(),
            _ => self.held.retain(|frame| frame.context().as_u64() != number(which)),
        }
        Ok("ok".to_owned())
    }

    /// Compares every byte of every held frame with what it should show.
    fn check_held(&self, content: Content) -> String {
        let bad: Vec<String> = self.held.iter().filter_map(|frame| fault(frame, content)).collect();
        if bad.is_empty() { format!("good {}", self.held.len()) } else { bad.join("; ") }
    }

    /// Takes `count` frames one after the other and checks them. Memory allocated and pages faulted in are counted after
    /// the first `warm` frames, and only while a frame is taken, read and released.
    fn run(&mut self, options: &Options<'_>) -> Result<String> {
        let count = options.number("count").expect("run count=N");
        let timeout = Duration::from_millis(options.number("timeout").unwrap_or(5000));
        let pause = Duration::from_millis(options.number("pause").unwrap_or(0));
        let warm = options.number("warm").unwrap_or(100);
        let content = Content::named(options.get("content"));
        let (mut bad, mut allocations, mut faults, mut first, mut last) = (Vec::new(), 0, 0, 0, 0);
        let mut bench = Patterns::default();
        for at in 0..count {
            let before = (ALLOCATED.load(Ordering::Relaxed), page_faults());
            let frame = self.frames().next(timeout)?;
            bad.extend(bench.fault(&frame, content));
            let (context, bytes) = (frame.context(), frame.data().as_ptr_range());
            drop(frame);
            if at >= warm {
                allocations += ALLOCATED.load(Ordering::Relaxed) - before.0;
                faults += page_faults() - before.1;
            }
            let sequence = context.sequence().0;
            let outside = !self.lies_in_a_segment(context, bytes.start.addr(), bytes.end.addr());
            if outside || sequence <= last {
                bad.push(format!("frame {sequence} after {last}, outside {outside}"));
            }
            first = if first == 0 { sequence } else { first };
            last = sequence;
            std::thread::sleep(pause);
        }
        if let Some(worst) = bad.first() {
            eprintln!("actor: {} bad frames, the first: {worst}", bad.len());
        }
        let bad = bad.len();
        let counters = self.counters();
        Ok(format!("ran bad={bad} first={first} last={last} allocations={allocations} faults={faults} {counters}"))
    }

    /// Takes frames and gives them back until there are no more; says which was the last and why.
    fn drain(&mut self, timeout: Duration) -> String {
        let mut last = 0;
        loop {
            match self.frames().next(timeout) {
                Ok(frame) => last = frame.sequence().0,
                Err(error) => return format!("drained last={last} {} {}", self.counters(), describe(&error)),
            }
        }
    }

    /// What is known of the newest frame it holds, and the chunks that came with it.
    fn describe(&self) -> String {
        let Some(frame) = self.held.last() else { return "none".to_owned() };
        let header = frame.header();
        let chunks = frame.chunks().into_iter().flatten();
        let chunks: Vec<String> = chunks.map(|chunk| format!("{}={:?}", chunk.name, chunk.value)).collect();
        format!(
            "width={} height={} stride={} x={} y={} bytes={} context={} block={} ns={} complete={} lost={} format={} {}",
            header.width,
            header.height,
            header.stride,
            header.offset_x,
            header.offset_y,
            header.payload_bytes,
            header.buffer_context,
            header.block_id,
            header.camera_timestamp_ns,
            u8::from(header.is_complete()),
            header.lost_at_camera,
            header.pixel_format,
            chunks.join(" ")
        )
    }

    /// Says `ok`, then takes and checks frames until there is another command, while the source comes and goes.
    fn watch(&mut self, options: &Options<'_>) -> Result<String> {
        println!("ok");
        let mut sight = Sight::of(Content::named(options.get("content")));
        // At least one frame, however soon it is told to stop, where there is a source.
        let patience = Instant::now() + Duration::from_secs(5);
        let awaits_first = |sight: &Sight| sight.frames == 0 && !sight.is_away() && Instant::now() < patience;
        let mut reconnects = self.frames().reconnects();
        while !is_told_more() || awaits_first(&sight) {
            let frames = self.frames();
            let next = frames.next(Duration::from_millis(50));
            if frames.reconnects() != reconnects {
                reconnects = frames.reconnects();
                sight.begin_anew();
            }
            match next {
                Ok(frame) => sight.see(&frame),
                Err(Error::Timeout { .. }) => {}
                Err(error) => return Err(error),
            }
            sight.look_after(frames.state());
        }
        Ok(format!("watched {} {}", sight.end(), self.counters()))
    }

    /// Whether the bytes are those of the segment that the context ID names: nothing was copied.
    fn lies_in_a_segment(&self, context: ContextId, begin: usize, end: usize) -> bool {
        let Some(subscription) = &self.subscription else { return false };
        subscription.mappings().iter().any(|segment| {
            let address = segment.address;
            segment.index == context.segment() && address <= begin && end <= address + segment.length
        })
    }

    fn counters(&self) -> String {
        let Some(subscription) = &self.subscription else { return "none".to_owned() };
        let counters = subscription.counters();
        let (received, lost, skipped) = (counters.received, counters.lost, counters.skipped);
        format!("received={received} lost={lost} skipped={skipped}")
    }

    fn state(&self) -> String {
        let Some(subscription) = &self.subscription else { return "none".to_owned() };
        let (state, demoted) = (subscription.state(), u8::from(subscription.is_demoted()));
        format!("{state} demoted={demoted} reconnects={}", subscription.reconnects())
    }

    /// What a forked child sees of its parent's subscription and frames.
    fn use_in_child(&mut self) -> String {
        let mut said = [0u8; 64];
        let (mut reader, mut writer) = std::io::pipe().expect("a pipe");
        // SAFETY: the child only uses what is asynchronous-signal-safe enough for a single-threaded parent, and exits.
        if unsafe { libc::fork() } == 0 {
            let next = matches!(self.frames().next(Duration::from_millis(10)), Err(Error::Forked));
            let hidden = self.held.iter().all(|frame| frame.data().is_empty() && !frame.is_valid());
            self.held.clear();
            self.subscription = None;
            let _told = write!(writer, "forked={} hidden={}", u8::from(next), u8::from(hidden));
            std::process::exit(0);
        }
        drop(writer);
        let mut len = 0;
        while let Ok(more @ 1..) = std::io::Read::read(&mut reader, said.get_mut(len..).expect("room")) {
            len += more;
        }
        // SAFETY: waits for the child that was just made.
        unsafe { libc::wait(std::ptr::null_mut()) };
        String::from_utf8_lossy(said.get(..len).expect("what was read")).into_owned()
    }
}

/// Makes a child that keeps every descriptor open for a minute; answers with its process ID.
fn fork() -> String {
    // SAFETY: the child calls nothing but sleep and _exit.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: it only sleeps.
        unsafe { libc::sleep(60) };
        // SAFETY: it only ends the child.
        unsafe { libc::_exit(0) };
    }
    pid.to_string()
}

fn describe(error: &Error) -> String {
    let kind = match error {
        Error::Full { .. } => "full",
        Error::Gone { .. } => "gone",
        Error::Forked => "forked",
        Error::Timeout { .. } => "timeout",
        Error::Refused { .. } => "refused",
        Error::Closed { .. } => "closed",
        Error::Evicted { .. } => "evicted",
        Error::NoBroker { .. } => "no-broker",
        Error::BrokerGone => "broker-gone",
        _ => "other",
    };
    format!("error {kind}: {}", error.to_string().replace('\n', " "))
}

fn number(words: &[&str]) -> u64 {
    words.first().and_then(|word| word.parse().ok()).expect("a number")
}

fn millis(words: &[&str]) -> Duration {
    Duration::from_millis(number(words))
}

fn page_faults() -> i64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD).expect("a thread can always ask for its own usage");
    usage.minor_page_faults() + usage.major_page_faults()
}

/// Allocations of this process.
static ALLOCATED: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: passes everything on to the system's allocator; counting touches no memory of the allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system allocator's conditions.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;
