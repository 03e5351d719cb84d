//! A broker that lives for many rounds, with witnesses beside the victims.

use std::time::{Duration, Instant};

use framebroker_client as client;
use framebroker_tests::actor::figure;
use framebroker_tests::process::Process;
use framebroker_tests::rig::Reader;
use framebroker_tests::{Broker, Chance, PATIENCE, Scratch, wait_for};

use super::blow::{Blow, End, Moment, Struck};
use super::level::{Level, PIDFD, mapped_objects, open_files, private_bytes};
use super::programs::Programs;
use super::victim::{self, Language};

/// A ring that grows for every subscription and shrinks at once; it waits for lossless readers, whatever happens to them.
const CAMERA: &str = "name = 'cam0'\nsource = 'pattern'\nwidth = 64\nheight = 48\nfps = 200\nsegments = 8\nmax-segments = 400\n\
                      history = 64\nshrink-after = 0\nlossless-timeout = 60_000\n";
/// As many as all holds and the frames to keep, and as many again of a producer before.
const MADE_SEGMENTS: u64 = 100;
const MADE: &str = "name = 'made'\nsource = 'producer'\nmax-segments = 100\nhistory = 16\nshrink-after = 0\nlossless-timeout = 60_000\n";
/// Of which the broker ends subscriptions that hold for too long.
const LEASED: &str =
    "--segments 8 --max-segments 100 --history 8 --shrink-after 0 --fps 200 --width 64 --height 48 --lease 60 --evict";

/// What a campaign may add to the broker's private memory, however long it is: what allocators keep.
const MEMORY_BYTES: u64 = 4 << 20;
/// Rounds after which all that is kept for later has been made.
const WARM: u64 = 50;

/// Comes only where somebody strikes it.
const UNHARMED: Blow = Blow { moment: Moment::After(Duration::ZERO), end: End::Killed };

/// A broker and its witnesses.
pub struct Stage {
    broker: Broker,
    connection: client::Broker,
    control: client::Broker,
    witnesses: Vec<Reader>,
    before: Level,
    rounds: u64,
    warm_bytes: u64,
    _scratch: Scratch,
}

/// What happens to the ring while a victim lives.
#[derive(Debug, Clone, Copy)]
pub enum Change {
    Nothing,
    /// Subscriptions come that need so many segments more, and go.
    Growth(u32),
    /// The frames get another width.
    Size(i64),
}

impl Change {
    pub fn draw(chance: &mut Chance, grows: bool) -> Self {
        match chance.below(4) {
            0 | 1 => Self::Growth(4 + u32::try_from(chance.below(20)).unwrap()),
            _ if grows => Self::Growth(8),
            2 => Self::Size(chance.one_of(&[64, 128, 32])),
            _ => Self::Nothing,
        }
    }
}

impl Stage {
    /// With witnesses of a camera and of what producers make.
    pub fn begin(programs: &Programs) -> Self {
        let scratch = Scratch::default();
        let file = scratch.file("streams.toml");
        std::fs::write(&file, format!("[[stream]]\n{CAMERA}[[stream]]\n{MADE}")).unwrap();
        let broker = Broker::start_program(&mut programs.broker(), &format!("--config {}", file.display()));
        let witness = |stream, terms| Reader::subscribed(broker.socket(), (stream, "pattern"), terms);
        let of_camera = ["policy=lossless", "policy=lossless delivery=socket", "", "policy=latest delivery=socket"];
        let of_made = ["policy=lossless", "delivery=socket"];
        let of_camera = of_camera.map(|terms| witness("cam0", terms));
        let of_made = of_made.map(|terms| witness("made", terms));
        let mut witnesses: Vec<_> = of_camera.into_iter().chain(of_made).collect();
        let mut producer = victim::producer(programs, Language::Rust, broker.socket(), &UNHARMED);
        witnesses.iter_mut().for_each(Reader::begin);
        assert!(producer.ended(PATIENCE).success());
        Self::of(broker, witnesses, scratch)
    }

    /// Without witnesses, which could be too slow themselves: subscriptions end that hold for too long.
    pub fn with_lease(programs: &Programs) -> Self {
        let broker = Broker::start_program(&mut programs.broker(), LEASED);
        let mut holder = victim::holder(programs, victim::SHARED, broker.socket(), &UNHARMED);
        assert!(holder.ended(PATIENCE).success());
        Self::of(broker, Vec::new(), Scratch::default())
    }

    fn of(broker: Broker, witnesses: Vec<Reader>, scratch: Scratch) -> Self {
        let connection = broker.connect();
        let control =
            client::Broker::builder().socket(broker.socket()).name("control").control(true).connect().unwrap();
        let mut before = Level::of(&broker, &connection);
        // What was there at the start, and the producer, has gone soon.
        let settled = Instant::now() + Duration::from_millis(500);
        wait_for("the broker to settle", PATIENCE, || {
            let now = Level::of(&broker, &connection);
            let is_settled = Instant::now() >= settled && now.excess(&before, 0, MADE_SEGMENTS).is_none();
            before = now;
            is_settled.then_some(())
        });
        Self { broker, connection, control, witnesses, before, rounds: 0, warm_bytes: 0, _scratch: scratch }
    }

    pub fn socket(&self) -> &std::path::Path {
        self.broker.socket()
    }

    /// Changes the ring.
    pub fn change(&self, change: Change) {
        let pause = || std::thread::sleep(Duration::from_millis(12));
        match change {
            Change::Nothing => {}
            Change::Growth(holds) => {
                for more in 0..3 {
                    pause();
                    let guest = self.connection.subscribe("cam0").max_held(holds + more).open().unwrap();
                    pause();
                    drop(guest);
                }
            }
            Change::Size(width) => {
                pause();
                self.control.set_feature("cam0", "Width", width).unwrap();
            }
        }
    }

    /// What is left to be done with a victim that was struck, and what must hold then. True where it was at its stop point.
    pub fn finish(&mut self, victim: Process, blow: &Blow, struck: (Struck, bool), delays_others: bool) -> bool {
        let (struck, at_point) = struck;
        victim::finish(victim, blow, struck, || {
            if !delays_others {
                self.must_go_on();
            }
        });
        self.must_be_as_before();
        at_point
    }

    /// The camera fills on.
    fn must_go_on(&self) {
        let published = || self.connection.stats().unwrap().first().unwrap().published;
        let before = published();
        wait_for("frames while a victim is stopped", PATIENCE, || (published() > before + 3).then_some(()));
    }

    /// Nothing is left of the victim, and the witnesses have seen every frame and byte.
    fn must_be_as_before(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        // What the witnesses hold may be of another size.
        let beside = self.witnesses.len() as u64;
        while let Some(excess) = Level::of(&self.broker, &self.connection).excess(&self.before, beside, MADE_SEGMENTS) {
            let is_late = Instant::now() >= deadline;
            assert!(!is_late, "something is left: {excess}\nopen: {:?}", open_files(self.broker.pid()));
            std::thread::sleep(Duration::from_millis(3));
        }
        let terms: Vec<_> = self.witnesses.iter().map(|witness| witness.terms).collect();
        for (terms, seen) in terms.into_iter().zip(Reader::look_all(&mut self.witnesses)) {
            if terms.contains("lossless") {
                assert_eq!((figure(&seen, "missing"), figure(&seen, "lost")), (0, 0), "{terms}: {seen}");
            }
        }
        self.rounds += 1;
        if self.rounds == WARM {
            self.warm_bytes = private_bytes(self.broker.pid());
        }
    }

    /// Ends it: the broker's memory is where it was, and nobody has more mapped than there is.
    pub fn end(mut self) -> String {
        let bytes = private_bytes(self.broker.pid());
        if self.warm_bytes > 0 {
            let (now_kb, warm_kb) = (bytes >> 10, self.warm_bytes >> 10);
            assert!(
                bytes <= self.warm_bytes + MEMORY_BYTES,
                "the broker's memory grew from {warm_kb} kB to {now_kb} kB"
            );
        }
        // Its pages, and a frame that it holds in a segment that has gone since.
        let beside = 4;
        for witness in &self.witnesses {
            // A segment that the ring has just given up is unmapped when the witness has read that.
            wait_for("a witness to have no more mapped than there is", PATIENCE, || {
                let segments: u64 = self.connection.stats().unwrap().iter().map(|it| it.active_buffers).sum();
                (mapped_objects(witness.pid()) <= usize::try_from(segments).unwrap() + beside).then_some(())
            });
        }
        let lost: u64 = Reader::look_all(&mut self.witnesses).iter().map(|seen| figure(seen, "lost")).sum();
        wait_for("dead debtors to be forgotten", PATIENCE, || {
            // The witnesses, the two connections of this process, and for each stream the last that owed memory.
            let watched = open_files(self.broker.pid()).get(PIDFD).copied().unwrap_or_default();
            (watched <= self.witnesses.len() + 4).then_some(())
        });
        let Self { broker, connection, control, witnesses, rounds, warm_bytes, .. } = self;
        let count = witnesses.len();
        drop((witnesses, connection, control));
        broker.end_clean();
        format!(
            "{rounds} victims on one broker: {count} witnesses saw every byte right, those that may lose frames counted {lost}; \
             private memory {} kB after {WARM}, {} kB in the end",
            warm_bytes >> 10,
            bytes >> 10
        )
    }
}
