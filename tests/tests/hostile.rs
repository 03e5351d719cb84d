//! Clients that break the rules: each gets an error that names what it did, and nobody beside it notices.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use framebroker_protocol::codec::encode;
use framebroker_protocol::limits::MESSAGE_BYTES;
use framebroker_protocol::message::{
    Ask, Delivery, ErrorCode, Policy, Request, Roles, Start, StatsOf, Subscribed, Tell,
};
use framebroker_protocol::pattern::Pattern;
use framebroker_protocol::ring::{Claim, Pages, Reader, Taken};
use framebroker_protocol::shm::{Mapped, SharedObject};
use framebroker_protocol::sync::Arc;
use framebroker_protocol::{
    ClientName, ConsumerPage, ContextId, PROTOCOL_VERSION, PixelFormat, SegmentIndex, Sequence, StreamPage,
};
use framebroker_tests::actor::figure;
use framebroker_tests::attack::ways_to_write;
use framebroker_tests::broker::run;
use framebroker_tests::raw::Heard;
use framebroker_tests::{Actor, Broker, Raw, binaries, wait_for};

const SMALL: &str = "--segments 8 --fps 200 --width 64 --height 64";

/// A consumer that must notice nothing of what happens beside it.
struct Beside(Actor);

impl Beside {
    fn start(broker: &Broker) -> Self {
        let mut actor = broker.actor();
        actor.must("subscribe");
        actor.must("watch");
        Self(actor)
    }

    /// Checks that it got frames all the time, lost none, and found every byte right.
    fn noticed_nothing(mut self) {
        let ran = self.0.ask("stop");
        assert_eq!((figure(&ran, "lost"), figure(&ran, "bad")), (0, 0), "{ran}");
        assert!(figure(&ran, "received") > 0, "{ran}");
        assert_eq!(self.0.answer(), "ok");
    }
}

fn hello(version: u32, roles: Roles) -> Ask {
    Ask::Hello { version, name: ClientName::cut("hostile"), roles }
}

/// Goal: each breach of the protocol is answered with an error that names it, then the connection is closed.
#[test]
fn breaches_are_named_and_end_the_session() {
    let broker = Broker::start(SMALL);
    let beside = Beside::start(&broker);
    type Breach = fn(&mut Raw);
    let breaches: [(&str, ErrorCode, &str, Breach); 9] = [
        ("another version", ErrorCode::WrongVersion, "99", |raw| {
            raw.send(hello(99, Roles::CONSUMER));
        }),
        ("no hello first", ErrorCode::NoHello, "Hello", |raw| {
            raw.send(Ask::Ping);
        }),
        ("hello twice", ErrorCode::Malformed, "only once", |raw| {
            raw.hello();
            raw.send(hello(PROTOCOL_VERSION, Roles::CONSUMER));
        }),
        ("random bytes", ErrorCode::Malformed, "no message", |raw| {
            raw.hello();
            raw.channel().send(&[0xA5; 300]).unwrap();
        }),
        ("a byte too many", ErrorCode::Malformed, "too many", |raw| {
            let mut bytes = encode(&Request { id: 1, body: hello(PROTOCOL_VERSION, Roles::CONSUMER) }).unwrap();
            bytes.push(0);
            raw.channel().send(&bytes).unwrap();
        }),
        ("a segment that cannot be", ErrorCode::Malformed, "context ID", |raw| {
            raw.hello();
            let subscription = framebroker_protocol::SubscriptionId(1);
            let context = ContextId::new(Sequence(1), SegmentIndex::new(0).unwrap());
            let mut bytes = encode(&Request { id: 1, body: Ask::Acquire { subscription, context } }).unwrap();
            let at = bytes.len() - 8;
            bytes[at..].copy_from_slice(&(1u64 << 16 | 0xffff).to_le_bytes());
            raw.channel().send(&bytes).unwrap();
        }),
        ("too long a message", ErrorCode::Malformed, "longer", |raw| {
            raw.hello();
            raw.channel().send(&vec![0; MESSAGE_BYTES + 1]).unwrap();
        }),
        ("a descriptor", ErrorCode::Malformed, "descriptors", |raw| {
            raw.hello();
            let bytes = encode(&Request { id: 1, body: Ask::Ping }).unwrap();
            raw.channel().try_send(&bytes, &[std::io::stdin().as_fd()]).unwrap();
        }),
        ("mapped what was not sent", ErrorCode::Malformed, "Mapped", |raw| {
            raw.hello();
            raw.send(Ask::Mapped);
        }),
    ];
    for (name, code, word, breach) in breaches {
        let mut raw = broker.raw();
        breach(&mut raw);
        let (found, text) = raw.error();
        assert_eq!(found, code, "{name}: {text}");
        assert!(text.contains(word), "{name}: {text}");
        raw.must_end();
    }
    beside.noticed_nothing();
    broker.end_clean();
}

/// Goal: requests that cannot be granted are refused by name and the session goes on.
#[test]
fn refusals_leave_the_session_open() {
    let broker = Broker::start(SMALL);
    let beside = Beside::start(&broker);
    let mut raw = broker.raw();
    raw.hello();
    let subscribe = |stream: &str, max_held| Ask::Subscribe {
        stream: stream.parse().unwrap(),
        policy: Policy::Sequential,
        delivery: Delivery::Shared,
        max_held,
        start: Start::Next,
    };
    let subscription = framebroker_protocol::SubscriptionId(77);
    let context = ContextId::new(Sequence(1), SegmentIndex::new(0).unwrap());
    for (ask, code, word) in [
        (subscribe("cam7", 2), ErrorCode::UnknownStream, "cam0"),
        (subscribe("cam0", 0), ErrorCode::Invalid, "1 to 64"),
        (subscribe("cam0", 65), ErrorCode::Invalid, "1 to 64"),
        (subscribe("cam0", 63), ErrorCode::NotAdmitted, "--segments 67"),
        (Ask::Release { subscription, context }, ErrorCode::UnknownSubscription, "77"),
        (Ask::Acquire { subscription, context }, ErrorCode::UnknownSubscription, "77"),
        (Ask::Unsubscribe { subscription }, ErrorCode::UnknownSubscription, "77"),
    ] {
        raw.send(ask);
        let (found, text) = raw.error();
        assert_eq!(found, code, "{text}");
        assert!(text.contains(word), "{text}");
    }
    raw.send(Ask::Ping);
    assert!(matches!(raw.answer(), (Tell::Pong, _)));
    beside.noticed_nothing();
    broker.end_clean();
}

/// Goal: who says nothing is told so and dropped; who does not read what it is sent is disconnected.
#[test]
fn silent_and_deaf_clients_are_dropped() {
    let broker = Broker::start(SMALL);
    let beside = Beside::start(&broker);
    let mut silent = broker.raw();
    let (code, text) = silent.error();
    assert_eq!(code, ErrorCode::NoHello, "{text}");
    silent.must_end();

    let mut deaf = broker.raw();
    deaf.hello();
    // Unread answers fill the socket, then the broker's patience; it never blocks.
    let bytes = encode(&Request { id: 9, body: Ask::Stats { of: StatsOf::Streams, from: 0 } }).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while deaf.channel().try_send(&bytes, &[]).is_ok() && Instant::now() < deadline {}
    let broker_still_answers = broker.connect().ping().unwrap();
    assert!(broker_still_answers < Duration::from_secs(1));
    wait_for("the broker to lose patience", Duration::from_secs(20), || broker.log().contains("TooSlow").then_some(()));
    let last = wait_for("the reason", Duration::from_secs(5), || match deaf.hear() {
        Heard::Message(reply, _) => matches!(reply.body, Tell::Error { .. }).then_some(reply.body),
        Heard::End => panic!("closed without a word"),
    });
    assert!(matches!(&last, Tell::Error { code: ErrorCode::TooSlow, .. }), "{last:?}");
    beside.noticed_nothing();
    drop((silent, deaf));
    broker.end_clean();
}

/// Goal: more clients than allowed are told so; when one leaves another may come.
#[test]
fn too_many_clients_are_told() {
    let broker = Broker::start(&format!("{SMALL} --max-clients 3"));
    let beside = Beside::start(&broker);
    let mut second = broker.raw();
    second.hello();
    let mut third = broker.raw();
    third.hello();
    let mut one_too_many = broker.raw();
    let (code, text) = one_too_many.error();
    assert_eq!(code, ErrorCode::TooManyClients);
    assert!(text.contains("--max-clients"), "{text}");
    one_too_many.must_end();
    drop(third);
    wait_for("a free place", Duration::from_secs(5), || {
        let mut raw = broker.raw();
        raw.send(hello(PROTOCOL_VERSION, Roles::CONSUMER));
        matches!(raw.hear(), Heard::Message(reply, _) if matches!(reply.body, Tell::Welcome { .. })).then_some(())
    });
    beside.noticed_nothing();
    drop(second);
    broker.end_clean();
}

/// A hostile reader of a shared delivery: it has the pages and can write what it likes into its own.
struct Intruder {
    raw: Raw,
    pages: Arc<Pages>,
    subscribed: Subscribed,
    segments: Vec<OwnedFd>,
}

impl Intruder {
    fn enter(broker: &Broker, max_held: u32) -> Self {
        let mut raw = broker.raw();
        raw.hello();
        let (subscribed, fds) = raw.subscribe(Policy::Sequential, Delivery::Shared, max_held);
        let mut fds = fds.into_iter();
        let stream = Mapped::<StreamPage>::read_only(fds.next().unwrap()).unwrap();
        let consumer = Mapped::<ConsumerPage>::writable(fds.next().unwrap()).unwrap();
        let _notify = fds.next().unwrap();
        raw.send(Ask::Mapped);
        let pages = Arc::new(Pages { stream: Arc::new(stream), consumer: Arc::new(consumer) });
        Self { raw, pages, subscribed, segments: fds.collect() }
    }

    fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.pages), 1, Policy::Sequential, self.subscribed.first)
    }
}

/// Goal: a reader that vetoes, with its one hold, whatever is being retired never costs the source a frame. Method: it races
/// to hold the oldest frame again and again while the source runs at 2000 frames/s.
#[test]
fn a_reader_that_vetoes_every_retirement_costs_nothing() {
    let broker = Broker::start("--segments 4 --max-segments 16 --history 0 --fps 2000 --width 64 --height 64");
    let beside = Beside::start(&broker);
    let intruder = Intruder::enter(&broker, 1);
    let mut reader = intruder.reader();
    let before = broker.stats();
    let deadline = Instant::now() + Duration::from_secs(3);
    let mut vetoes = 0u64;
    while Instant::now() < deadline {
        let Some(oldest) = intruder.pages.stream.oldest() else { continue };
        let Some(context) = intruder.pages.stream.context_of(oldest) else { continue };
        if let Claim::Held(hold) = reader.take_context(context) {
            // Holds it until it would be retired, then goes on to the next oldest.
            while intruder.pages.stream.oldest() == Some(oldest) && vetoes % 2 == 1 && Instant::now() < deadline {
                if intruder.pages.stream.head().since(oldest) > 16 {
                    break;
                }
            }
            intruder.pages.release(hold.slot);
            vetoes += 1;
        }
    }
    let after = broker.stats();
    assert!(vetoes > 100, "{vetoes}");
    assert_eq!(after.starved - before.starved, 0, "{vetoes} vetoes, {} frames", after.published - before.published);
    assert!(after.published - before.published > 1000, "the source ran");
    drop(intruder);
    // At this rate, with no frame kept beyond the holds, a reader may be lapped; it is not held up.
    let Beside(mut actor) = beside;
    let ran = actor.ask("stop");
    assert!(figure(&ran, "received") > 100 && figure(&ran, "bad") == 0, "{ran}");
    drop(actor);
    broker.end_clean();
}

/// Goal: a subscription that is ended while its reader still reads never lets a byte of what it held change: the segment is
/// given up, not refilled. Method: the reader's connection ends, the process lives; the frame is compared with the pattern
/// over many rounds of the ring, and others lose nothing.
#[test]
fn a_revoked_reader_never_sees_a_byte_change() {
    let broker = Broker::start(SMALL);
    let beside = Beside::start(&broker);
    let intruder = Intruder::enter(&broker, 1);
    let mut reader = intruder.reader();
    let hold = wait_for("a frame", Duration::from_secs(5), || match reader.try_take() {
        Taken::Frame(hold) => Some(hold),
        _ => None,
    });
    let Intruder { raw, pages, subscribed, segments } = intruder;
    let at = subscribed.segments.iter().position(|info| info.index == hold.context.segment()).unwrap();
    let len = usize::try_from(subscribed.segments[at].bytes).unwrap();
    let fd = segments.into_iter().nth(at).unwrap();
    let mapping = SharedObject::received(fd, len).unwrap().map_read_only().unwrap();
    let pattern = Pattern::new(PixelFormat::MONO8, 64, 64).unwrap();
    let check = || {
        let bytes: Vec<u8> = read(&mapping).into_iter().take(64 * 64).collect();
        pattern.verify(&bytes, hold.header.block_id).unwrap_or_else(|changed| panic!("{changed}"));
    };
    check();
    drop(raw);
    wait_for("the revocation", Duration::from_secs(5), || pages.consumer.is_revoked().then_some(()));
    assert!(matches!(reader.try_take(), Taken::Revoked));
    let published = broker.stats().published;
    wait_for("ten rounds of the ring", Duration::from_secs(10), || {
        check();
        (broker.stats().published > published + 200).then_some(())
    });
    assert_eq!(broker.stats().starved, 0);
    let segments = broker.connect().streams().unwrap()[0].segments;
    assert!(segments >= 8, "the segment was replaced: {segments}");
    beside.noticed_nothing();
    broker.end_clean();
}

/// Goal: where two subscriptions held one frame and end while their process lives, the segment is given up once, and nobody
/// else ever finds another object under that frame. Method: rounds of two readers that hold the same frames and hang up.
#[test]
fn a_frame_held_twice_is_given_up_once() {
    let broker = Broker::start(SMALL);
    let beside = Beside::start(&broker);
    let mut late = Beside::start(&broker);
    for _ in 0..10 {
        let intruders = [Intruder::enter(&broker, 1), Intruder::enter(&broker, 1)];
        let mut readers = intruders.each_ref().map(Intruder::reader);
        let mut shared = 0;
        wait_for("frames that both hold", Duration::from_secs(5), || {
            let newest = intruders[0].pages.stream.context_of(intruders[0].pages.stream.head())?;
            let both =
                readers.iter_mut().map(|reader| reader.take_context(newest)).filter(|c| matches!(c, Claim::Held(_)));
            shared += usize::from(both.count() == 2);
            (shared == 1).then_some(())
        });
        drop(intruders);
        // A reader that comes now maps whatever object the broker says backs each segment.
        late.noticed_nothing();
        late = Beside::start(&broker);
    }
    assert_eq!(broker.stats().starved, 0);
    late.noticed_nothing();
    beside.noticed_nothing();
    broker.must_be_idle();
    broker.end_clean();
}

/// Goal: ordinary and odd ends of subscriptions leave the control thread asleep and no descriptor open. Method: processes that
/// hold frames, unsubscribe, drop, hang up, die; messages with more descriptors than allowed.
#[test]
fn nothing_is_left_of_clients_that_are_gone() {
    let broker = Broker::start(SMALL);
    let holds_left = || broker.connect().streams().unwrap()[0].holds_left;
    let (before, granted) = (broker.open_files(), holds_left());
    for delivery in ["shared", "socket"] {
        for _ in 0..5 {
            let mut actor = broker.actor();
            actor.must(&format!("subscribe delivery={delivery}"));
            assert!(actor.take() > 0);
            actor.must("drop");
            assert!(actor.ask("check").starts_with("good"));
            actor.kill();
        }
    }
    let null = std::fs::File::open("/dev/null").unwrap();
    for _ in 0..20 {
        let mut raw = broker.raw();
        raw.hello();
        let (subscribed, _) = raw.subscribe(Policy::Sequential, Delivery::Socket, 2);
        raw.send(Ask::Mapped);
        wait_for("a frame", Duration::from_secs(5), || match raw.hear() {
            Heard::Message(reply, _) => matches!(reply.body, Tell::Frame { .. }).then_some(()),
            Heard::End => panic!("closed"),
        });
        raw.send(Ask::Unsubscribe { subscription: subscribed.subscription });
        let bytes = encode(&Request { id: 1, body: Ask::Ping }).unwrap();
        raw.channel().try_send(&bytes, &[null.as_fd(); 100]).unwrap();
        assert_eq!(wait_for_error(&mut raw), ErrorCode::Malformed);
    }
    wait_for("descriptors to be closed", Duration::from_secs(10), || (broker.open_files() <= before + 4).then_some(()));
    assert_eq!(holds_left(), granted, "what was granted has come back");
    broker.must_be_idle();
    broker.end_clean();
}

fn wait_for_error(raw: &mut Raw) -> ErrorCode {
    wait_for("an error", Duration::from_secs(5), || match raw.hear() {
        Heard::Message(reply, _) => match reply.body {
            Tell::Error { code, .. } => Some(code),
            _ => None,
        },
        Heard::End => panic!("closed without a word"),
    })
}

/// Goal: a flood of connections that fail keeps nobody else out.
#[test]
fn a_flood_of_bad_connections_keeps_nobody_out() {
    let broker = Broker::start(SMALL);
    let flood: Vec<Raw> = (0..300)
        .map(|_| {
            let raw = broker.raw();
            raw.channel().send(b"x").unwrap();
            raw
        })
        .collect();
    let mut honest = broker.actor();
    honest.must("subscribe");
    assert!(honest.take() > 0);
    drop(flood);
    drop(honest);
    broker.must_be_idle();
    broker.end_clean();
}

/// Goal: nobody makes a hold look younger by moving it from slot to slot, nor keeps it by ignoring that it was evicted; and
/// names of frames that never were have no age. Method: two slots that take turns at one frame, under a lease.
#[test]
fn a_hold_that_moves_between_slots_grows_old() {
    let broker = Broker::start(&format!("{SMALL} --lease 200 --evict"));
    let beside = Beside::start(&broker);
    let intruder = Intruder::enter(&broker, 2);
    let mut reader = Reader::new(Arc::clone(&intruder.pages), 2, Policy::Sequential, intruder.subscribed.first);
    let mut hold = wait_for("a frame", Duration::from_secs(5), || match reader.try_take() {
        Taken::Frame(hold) => Some(hold),
        _ => None,
    });
    let began = Instant::now();
    let claim = loop {
        match reader.take_context(hold.context) {
            Claim::Held(again) => {
                intruder.pages.release(hold.slot);
                hold = again;
            }
            failed => break failed,
        }
        assert!(began.elapsed() < Duration::from_secs(5), "it is never evicted");
    };
    assert!(began.elapsed() >= Duration::from_millis(200), "{:?}", began.elapsed());
    assert!(matches!(claim, Claim::Gone) && matches!(reader.try_take(), Taken::Revoked));
    let stats = broker.stats();
    assert_eq!((stats.overdue, stats.evicted, stats.starved), (1, 1, 0), "{stats:?}");
    drop(intruder);
    beside.noticed_nothing();
    broker.end_clean();
}

/// A copy of mapped memory.
#[expect(unsafe_code, reason = "the hostile reader maps by itself")]
fn read(mapping: &framebroker_protocol::shm::Mapping) -> Vec<u8> {
    // SAFETY: the mapping has that many bytes; what another process might write meanwhile is what the test looks for.
    unsafe { std::slice::from_raw_parts(mapping.as_ptr(), mapping.len()) }.to_vec()
}

/// Goal: no descriptor that a consumer is given lets it write anything but its own page, and that page only through the
/// mapping it made before it said `Mapped`.
#[test]
fn nothing_becomes_writable_but_the_own_page() {
    let broker = Broker::start(SMALL);
    let beside = Beside::start(&broker);
    for delivery in [Delivery::Shared, Delivery::Socket] {
        let mut raw = broker.raw();
        raw.hello();
        let (subscribed, fds) = raw.subscribe(Policy::Sequential, delivery, 2);
        let pages = if delivery == Delivery::Shared { 3 } else { 0 };
        assert_eq!(fds.len(), pages + subscribed.segments.len());
        let mut attacked = 0;
        for (at, fd) in fds.iter().enumerate() {
            let own_page = delivery == Delivery::Shared && at == 1;
            let notify_socket = delivery == Delivery::Shared && at == 2;
            if own_page || notify_socket {
                continue;
            }
            let len = match at.checked_sub(pages) {
                Some(segment) => usize::try_from(subscribed.segments[segment].bytes).unwrap(),
                None => size_of::<StreamPage>(),
            };
            assert_eq!(ways_to_write(fd, len), [""; 0], "descriptor {at} of {delivery:?}");
            attacked += 1;
        }
        assert!(attacked >= 8);
        if delivery == Delivery::Shared {
            // Before `Mapped` the page is this client's to map; after it, no new way in is left.
            let page = fds.into_iter().nth(1).unwrap();
            let _mapped = Mapped::<ConsumerPage>::writable(page.try_clone().unwrap()).unwrap();
            raw.send(Ask::Mapped);
            raw.send(Ask::Ping);
            assert!(matches!(raw.answer(), (Tell::Pong, _)));
            assert_eq!(ways_to_write(&page, size_of::<ConsumerPage>()), [""; 0], "the own page, mapped");
        }
    }
    beside.noticed_nothing();
    broker.end_clean();
}

/// Goal: what a consumer scribbles into its own page harms nobody: holds of frames that do not exist, cursors from the
/// future, a waiting word that is none.
#[test]
fn scribbling_into_the_own_page_harms_nobody() {
    let broker = Broker::start(SMALL);
    let beside = Beside::start(&broker);
    let mut raw = broker.raw();
    raw.hello();
    let (_, fds) = raw.subscribe(Policy::Lossless, Delivery::Shared, 2);
    let page = SharedObject::received(fds.into_iter().nth(1).unwrap(), size_of::<ConsumerPage>()).unwrap();
    let mapping = page.map_writable().unwrap();
    raw.send(Ask::Mapped);
    let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        for word in 0..size_of::<ConsumerPage>() / 8 {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            scribble(&mapping, word, noise);
        }
    }
    beside.noticed_nothing();
    assert_eq!(broker.stats().incomplete, 0);
    drop(raw);
    broker.end_clean();
}

#[expect(unsafe_code, reason = "the hostile consumer writes into its page what it likes")]
fn scribble(mapping: &framebroker_protocol::shm::Mapping, word: usize, value: u64) {
    // SAFETY: `word` is below the page's number of words, and the mapping is writable and this process's own.
    let target = unsafe { mapping.as_mut_ptr().cast::<u64>().add(word) };
    // SAFETY: as above; the broker reads it as an atomic.
    unsafe { target.write_volatile(value) };
}

/// Goal: another user is refused by name unless allowed, and may only be what it was allowed to be. Method: this process
/// changes into a user of its own for a connection each.
#[test]
fn other_users_need_to_be_allowed() {
    assert!(nix::unistd::geteuid().is_root(), "this test changes its user and so must run as root");
    const STRANGER: u32 = 31_007;
    let socket_of = |broker: &Broker| broker.socket().to_owned();
    let as_stranger = |broker: &Broker, roles: Roles| {
        let socket = socket_of(broker);
        open_directory(&socket);
        // Credentials of a connection are the thread's: the rest of the test stays root.
        std::thread::spawn(move || {
            become_user(STRANGER);
            let mut raw = Raw::connect(&socket);
            raw.send(hello(PROTOCOL_VERSION, roles));
            match raw.hear() {
                Heard::Message(reply, _) => reply.body,
                Heard::End => panic!("closed without a word"),
            }
        })
        .join()
        .unwrap()
    };
    let closed = Broker::start(&format!("{SMALL} --allow-uid 31008"));
    let beside = Beside::start(&closed);
    let answer = as_stranger(&closed, Roles::CONSUMER);
    assert!(
        matches!(&answer, Tell::Error { code: ErrorCode::Forbidden, text } if text.to_string().contains("--allow-uid 31007")),
        "{answer:?}"
    );
    let said = framectl_as(STRANGER, closed.socket());
    assert!(said.contains("--allow-uid 31007"), "{said}");
    beside.noticed_nothing();
    closed.end_clean();

    let open = Broker::start(&format!("{SMALL} --allow-uid 31007"));
    let answer = as_stranger(&open, Roles::CONSUMER);
    assert!(matches!(answer, Tell::Welcome { .. }), "{answer:?}");
    let said = framectl_as(STRANGER, open.socket());
    assert!(said.contains("cam0"), "{said}");
    for roles in [Roles::CONSUMER.with(Roles::CONTROL), Roles::PRODUCER] {
        let answer = as_stranger(&open, roles);
        assert!(matches!(answer, Tell::Error { code: ErrorCode::Forbidden, .. }), "{answer:?}");
    }
    open.end_clean();
    let trusting = Broker::start("--source producer --allow-uid 31007:producer");
    let answer = as_stranger(&trusting, Roles::PRODUCER);
    assert!(matches!(answer, Tell::Welcome { .. }), "{answer:?}");
    trusting.end_clean();
}

/// What `framectl list` says to another user.
fn framectl_as(uid: u32, socket: &std::path::Path) -> String {
    // A copy: the build's own directory may be closed to others.
    let program = socket.with_file_name("framectl");
    std::fs::copy(binaries::framectl(), &program).unwrap();
    let mut command = std::process::Command::new("setpriv");
    command.args(["--clear-groups", &format!("--reuid={uid}"), &format!("--regid={uid}")]);
    let (_, said, errors) = run(command.arg(program).arg("--socket").arg(socket).args(["--server-uid=0", "list"]));
    format!("{said}{errors}")
}

/// Lets every user reach the socket: the scratch directory is the test's own.
fn open_directory(socket: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    let directory = socket.parent().unwrap();
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[expect(unsafe_code, reason = "setting the user of one thread has no safe interface")]
fn become_user(uid: u32) {
    // SAFETY: plain numbers; the raw call changes this thread only, unlike libc's function.
    let groups = unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<u32>()) };
    // SAFETY: as above.
    let group = unsafe { libc::syscall(libc::SYS_setresgid, uid, uid, uid) };
    // SAFETY: as above.
    let user = unsafe { libc::syscall(libc::SYS_setresuid, uid, uid, uid) };
    assert_eq!((groups, group, user), (0, 0, 0));
}
