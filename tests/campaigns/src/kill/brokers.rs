//! The broker as the victim: those that read it go on with the next one, or with the same if it was only stopped.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use framebroker_client::{self as client, Delivery};
use framebroker_tests::actor::figure;
use framebroker_tests::{Actor, Broker, Chance, PATIENCE, Scratch, wait_for};
use nix::sys::signal::Signal;

use super::blow::{Blow, End, Struck};
use super::level::names;
use super::programs::Programs;

const CAMERA: &str = "[[stream]]\nname = 'cam0'\nsource = 'pattern'\nwidth = 64\nheight = 48\nfps = 200\nsegments = 8\n\
                      max-segments = 200\nhistory = 32\nshrink-after = 0\n";
const MADE: &str = "[[stream]]\nname = 'made'\nsource = 'producer'\nmax-segments = 60\nshrink-after = 0\n";
const LEASE: &str = "lease = 300\nevict = true\n";
/// Who reads on.
const TERMS: [&str; 3] = ["policy=lossless", "delivery=socket", "policy=latest delivery=socket"];
/// Until when a broker must have come to its stop point.
const LIMIT: Duration = Duration::from_secs(3);

/// What is attacked.
#[derive(Debug, Clone, Copy)]
pub struct Attack {
    pub blow: Blow,
    /// Segments are objects with names.
    pub named: bool,
}

/// A reader that joins the next broker.
struct Follower {
    actor: Actor,
    terms: String,
    holds: bool,
    is_attached: bool,
}

impl Attack {
    fn evicts(&self) -> bool {
        self.blow.point().is_some_and(|point| point.starts_with("eviction."))
    }

    /// One round. True where the broker was at its stop point.
    pub fn fight(&self, programs: &Programs, chance: &mut Chance) -> bool {
        let scratch = Scratch::default();
        let file = scratch.file("streams.toml");
        let lease = if self.evicts() { LEASE } else { "" };
        // What producers fill has no names.
        let streams = if self.named { format!("backing = 'posix'\n{CAMERA}") } else { format!("{CAMERA}{MADE}") };
        std::fs::write(&file, format!("{lease}{streams}")).unwrap();
        let words = format!("--config {}", file.display());
        let mut program = programs.broker();
        self.blow.arm(&mut program);
        let mut broker = Broker::start_program(&mut program, &words);
        let mut followers = self.followers(programs, broker.socket());
        let socket = broker.socket().to_owned();
        let mut id = None;
        let is_over = AtomicBool::new(false);
        let (struck, at_point) = std::thread::scope(|scope| {
            scope.spawn(|| {
                id = connect(&socket).ok().map(|broker| broker.id());
                followers.iter_mut().for_each(Follower::attach);
            });
            scope.spawn(|| self.readers_come_and_go(&socket, &is_over));
            scope.spawn(|| sizes_change(&socket, &is_over));
            if !self.named {
                scope.spawn(|| producers_come_and_go(programs, &socket, &is_over));
            }
            let struck = self.blow.strike(broker.process(), LIMIT, || {});
            if matches!(struck.0, Struck::Stopped) {
                chance.pause(Duration::from_millis(100));
                if self.blow.end == End::StoppedAndKilled {
                    broker.kill();
                } else {
                    broker.signal(Signal::SIGCONT);
                    chance.pause(Duration::from_millis(100));
                }
            }
            is_over.store(true, Ordering::Relaxed);
            struck
        });
        assert!(!matches!(struck, Struck::Ended(_)), "the broker ended by itself: {struck:?}\n{}", broker.log());
        let is_alive = matches!(struck, Struck::Stopped) && self.blow.end == End::Stopped;
        let broker = if is_alive { broker } else { broker.start_program_again(&mut programs.broker(), &words) };
        followers.iter_mut().for_each(|follower| follower.must_go_on(!is_alive, self.evicts()));
        drop(followers);
        let ids = [id, Some(broker.connect().id())];
        broker.end_clean();
        let left: Vec<_> = ids.into_iter().flatten().flat_map(names).collect();
        assert!(left.is_empty(), "names are left: {left:?}");
        at_point
    }

    fn followers(&self, programs: &Programs, socket: &Path) -> Vec<Follower> {
        let follower = |terms: &str| {
            let terms = if self.named { format!("{terms} delivery=socket") } else { terms.to_owned() };
            let actor = Actor::start_program(&mut programs.actor(), socket);
            Follower { actor, terms, holds: !self.evicts(), is_attached: false }
        };
        TERMS.map(follower).into()
    }

    /// The ring grows, frames are held, and where that is not allowed for long, somebody does it.
    fn readers_come_and_go(&self, socket: &Path, is_over: &AtomicBool) {
        let mut holds = 8;
        let mut by_socket = self.named;
        while !is_over.load(Ordering::Relaxed) {
            let delivery = if by_socket { Delivery::Socket } else { Delivery::Shared };
            let _struck = connect(socket).and_then(|broker| {
                let mut frames = broker.subscribe("cam0").max_held(holds).delivery(delivery).open()?;
                let held =
                    (0..3).map(|_| frames.next(Duration::from_millis(100))).collect::<client::Result<Vec<_>>>()?;
                if self.evicts() {
                    std::thread::sleep(Duration::from_millis(500));
                }
                drop(held);
                frames.next(Duration::from_millis(50)).map(drop)
            });
            holds = 4 + holds % 16 * 2;
            by_socket = self.named || !by_socket;
        }
    }
}

impl Follower {
    /// Holds a frame, and watches those that follow. Nothing, where its broker is struck meanwhile.
    fn attach(&mut self) {
        let Self { actor, terms, .. } = self;
        if actor.ask(&format!("subscribe stream=cam0 max_held=3 reconnect=yes {terms}")) != "ok" {
            return;
        }
        let has_frame = actor.ask("take 2000").starts_with("frame ");
        if !self.holds {
            actor.must("release");
        }
        self.holds &= has_frame;
        actor.must("watch");
        self.is_attached = true;
    }

    /// All it saw was right, what it holds is as it was, and it gets more.
    fn must_go_on(&mut self, at_another: bool, may_be_evicted: bool) {
        if self.is_attached {
            let seen = self.actor.ask("stop");
            assert_eq!(self.actor.answer(), "ok");
            if may_be_evicted && seen.starts_with("error evicted") {
                return;
            }
            assert!(seen.starts_with("watched ") && figure(&seen, "bad") == 0, "{}: {seen}", self.terms);
            if self.terms.contains("lossless") {
                assert_eq!(figure(&seen, "missing"), 0, "{}: {seen}", self.terms);
            }
            assert_eq!(self.actor.ask("check"), format!("good {}", u8::from(self.holds)), "{}", self.terms);
        } else {
            let Self { actor, terms, .. } = self;
            actor.must("release");
            actor.must(&format!("subscribe stream=cam0 max_held=3 reconnect=yes {terms}"));
        }
        let reconnects = format!("reconnects={}", u8::from(at_another && self.is_attached));
        wait_for("frames after the blow", PATIENCE, || {
            self.actor.must("watch");
            let seen = self.actor.ask("stop");
            assert_eq!(self.actor.answer(), "ok");
            assert!(seen.starts_with("watched ") && figure(&seen, "bad") == 0, "{}: {seen}", self.terms);
            let is_there = self.actor.ask("state").contains(&reconnects);
            (is_there && figure(&seen, "last") > 0).then_some(())
        });
    }
}

fn connect(socket: &Path) -> client::Result<client::Broker> {
    client::Broker::builder().socket(socket).name("beside").control(true).connect()
}

fn sizes_change(socket: &Path, is_over: &AtomicBool) {
    for width in [128, 64].into_iter().cycle() {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let _struck = connect(socket).and_then(|broker| broker.set_feature("cam0", "Width", width));
        std::thread::sleep(Duration::from_millis(30));
    }
}

fn producers_come_and_go(programs: &Programs, socket: &Path, is_over: &AtomicBool) {
    let mut producer = Actor::start_program(&mut programs.producer(), socket);
    while !is_over.load(Ordering::Relaxed) {
        if !producer.ask("produce stream=made interval_us=2000 pause=yes").starts_with("ok ") {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        }
        for width in [128, 64] {
            let _struck = producer.ask("publish count=12 interval_us=1000");
            let _struck = producer.ask(&format!("change width={width} pause=yes"));
        }
        producer.must("drop");
    }
}
