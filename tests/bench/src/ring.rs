//! The ring without broker and client library: `Writer` and `Reader` over the same pages.

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use framebroker_protocol::message::Policy;
use framebroker_protocol::ring::{Calls, Member, Notify, Pages, Reader, Retired, SharedRoster, Taken, Writer};
use framebroker_protocol::shm::{Mapped, SharedObject};
use framebroker_protocol::{
    ClientId, ConsumerId, ConsumerPage, FrameHeader, SegmentIndex, Sequence, StreamId, StreamPage, StreamState,
    SubscriptionId, monotonic_ns,
};
use nix::time::ClockId;

use crate::Result;
use crate::frames::{PATIENCE, RATE, Seen, Wait, Window, cpu_ns, pace, record};
use crate::process::{await_word, path_of};
use crate::report::median;

/// Frames each consumer may hold.
const MAX_HELD: usize = 1;
/// Frames published in one go where the cost of publishing is measured; the ring has room for twice as many.
const BATCH: usize = 500;

#[derive(Debug)]
struct Silent;

impl Notify for Silent {
    fn notify(&self) {}
}

/// A stream with its consumers' pages. Its segments are numbers only: nobody reads or writes pixels here.
struct Stream {
    writer: Writer,
    free: Vec<SegmentIndex>,
    freed: Vec<Retired>,
    /// Keep the pages' descriptors open for the consumers to open.
    _objects: Vec<SharedObject>,
}

impl Stream {
    /// Makes the pages and prints where they are: the stream's, then each consumer's.
    fn create(consumers: usize, segments: usize) -> Result<Self> {
        let (page, object) = Mapped::<StreamPage>::create()?;
        page.initialise(StreamId(0));
        let mut objects = vec![object];
        let roster = Arc::<SharedRoster>::default();
        for client in (1..).take(consumers) {
            let (page, object) = Mapped::<ConsumerPage>::create()?;
            page.initialise(ConsumerId::new(ClientId(client), SubscriptionId(0)));
            let member = Arc::new(Member::new(Arc::new(page), MAX_HELD, Box::new(Silent)));
            drop(roster.change(|roster| roster.members.push(member)));
            objects.push(object);
        }
        let mut writer = Writer::new(Arc::new(page), roster);
        let _nobody_is_here_yet = writer.set_state(StreamState::Live);
        let paths: Vec<String> = objects.iter().map(|object| path_of(object.as_fd())).collect();
        println!("{}", paths.join(" "));
        let free = (0..segments).rev().filter_map(SegmentIndex::new).collect();
        Ok(Self { writer, free, freed: Vec::with_capacity(2 * BATCH), _objects: objects })
    }

    fn publish(&mut self, now_ns: u64) -> Result<Calls> {
        let segment = self.free.pop().ok_or("consumers hold every segment")?;
        let mut header = FrameHeader::from_words(&[0; 16]);
        header.monotonic_ns = now_ns;
        Ok(self.writer.publish(segment, header, now_ns).1)
    }

    fn retire(&mut self, wanted: usize) {
        self.writer.retire(wanted, &mut self.freed);
        self.free.extend(self.freed.drain(..).map(|retired| match retired {
            Retired::Reusable(segment) | Retired::Quarantined(segment) => segment,
        }));
    }
}

/// Publishes as the broker's grab thread does.
pub fn publish(consumers: usize) -> Result<()> {
    let mut stream = Stream::create(consumers, MAX_HELD * consumers + 6)?;
    pace(|now_ns| {
        let calls = stream.publish(now_ns)?;
        stream.writer.wake(calls);
        if stream.free.is_empty() {
            stream.retire(1);
        }
        Ok(())
    })
}

/// Receives.
pub fn consume(paths: &[PathBuf], wait: Wait, window: Window) -> Result<()> {
    let mut reader = reader(paths)?;
    record(window, || {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            match reader.try_take() {
                Taken::Frame(hold) => {
                    let seen_ns = monotonic_ns();
                    reader.pages().release(hold.slot);
                    let sequence = hold.context.sequence().0;
                    return Ok(Seen { sequence, published_ns: hold.header.monotonic_ns, seen_ns });
                }
                Taken::Empty => reader.wait_by(wait.mode(), Duration::from_millis(250)),
                Taken::Full | Taken::Revoked => return Err("the ring refuses frames".into()),
            }
        }
        Err("no frame came".into())
    })
}

fn reader(paths: &[PathBuf]) -> Result<Reader> {
    let [stream, consumer] = paths else { return Err("two paths are needed".into()) };
    let writable = |path: &Path| OpenOptions::new().read(true).write(true).open(path);
    let stream = Arc::new(Mapped::<StreamPage>::read_only(File::open(stream)?.into())?);
    let consumer = Arc::new(Mapped::<ConsumerPage>::writable(writable(consumer)?.into())?);
    let first = Sequence(stream.head().0 + 1);
    let mut reader = Reader::new(Arc::new(Pages { stream, consumer }), MAX_HELD, Policy::Sequential, first);
    reader.see_state();
    Ok(reader)
}

/// A consumer that attends while publishing is measured: asleep on the ring, or elsewhere.
pub fn attend(paths: &[PathBuf], asleep: bool) -> Result<()> {
    let mut reader = reader(paths)?;
    println!("ready");
    if asleep {
        reader.wait(PATIENCE * 4);
    }
    await_word()
}

/// Measures what publishing costs without the wake call, and prints three medians in ns: processor time of a publish and
/// of a retire back to back, and the time a publish takes at [`RATE`], when caches have gone cold.
pub fn measure_cost(consumers: usize, quick: bool) -> Result<()> {
    let mut stream = Stream::create(consumers, 2 * BATCH)?;
    await_word()?;
    let (batches, paced) = if quick { (10, 50) } else { (100, 200) };
    let (mut publishing, mut retiring, mut cold) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..batches {
        publishing.push(per_frame(|| stream.publish(monotonic_ns()).map(drop))?);
        retiring.push(per_frame(|| {
            stream.retire(1);
            Ok(())
        })?);
    }
    for _ in 0..paced {
        std::thread::sleep(Duration::from_secs(1) / RATE);
        let began_ns = monotonic_ns();
        let _not_woken = stream.publish(began_ns)?;
        cold.push((monotonic_ns() - began_ns) as f64);
        stream.retire(1);
    }
    println!("{} {} {}", median(publishing), median(retiring), median(cold));
    Ok(())
}

/// Processor time in ns of one of many calls. The thread's clock: other programs do not count.
fn per_frame(mut call: impl FnMut() -> Result<()>) -> Result<f64> {
    let began_ns = cpu_ns(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    for _ in 0..BATCH {
        call()?;
    }
    Ok((cpu_ns(ClockId::CLOCK_THREAD_CPUTIME_ID)? - began_ns) as f64 / BATCH as f64)
}
