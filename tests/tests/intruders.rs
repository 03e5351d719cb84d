//! Readers that break the rules of the ring in the memory they share: no frame changes under anyone, and nobody beside them
//! notices.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

use std::time::{Duration, Instant};

use framebroker_protocol::message::{Ask, Delivery, Policy, Tell};
use framebroker_protocol::pattern::Pattern;
use framebroker_protocol::ring::{Claim, Reader, Taken};
use framebroker_protocol::shm::{Mapped, SharedObject};
use framebroker_protocol::sync::Arc;
use framebroker_protocol::{ConsumerPage, PixelFormat, StreamPage};
use framebroker_tests::actor::figure;
use framebroker_tests::attack::ways_to_write;
use framebroker_tests::{Beside, Broker, Chance, Intruder, wait_for};

const SMALL: &str = "--segments 8 --fps 200 --width 64 --height 64";

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
    let mut actor = beside.into_actor();
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
    let Intruder { raw, pages, subscribed, segments, .. } = intruder;
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
    let intruder = Intruder::enter_as(broker.raw(), "cam0", Policy::Lossless, 2);
    let mut chance = Chance::of(1);
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline {
        intruder.scribble(&mut chance);
    }
    beside.noticed_nothing();
    assert_eq!(broker.stats().incomplete, 0);
    drop(intruder);
    broker.end_clean();
}
