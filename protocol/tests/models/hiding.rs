//! A frame that the writer hides while it looks through the holds: nobody takes it for one that is gone.

use framebroker_protocol::message::Policy;
use framebroker_protocol::ring::Claim;
use loom::thread;

use crate::stage::{Stage, TWO_THREADS, check, context, read_held};

/// A frame that somebody holds is there for whoever asks for it by name, also in the moments in which the writer hides it: alone, and
/// then in a batch.
#[test]
fn a_frame_that_another_holds_is_never_gone() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut other = stage.subscribe(Policy::Latest, 1);
        let mut source = stage.source(2);
        source.deliver_each(2);
        let _held_for_good = stage.hog(1, 0);
        let asking = thread::spawn(move || other.reader.take_context(context(1, 0)));
        assert_eq!(source.retire(1), 0, "it is held");
        assert!(matches!(asking.join().unwrap(), Claim::Held(_)), "a held frame is gone");
    });
}

/// Frames that are hidden in a batch and put back are not lost to a reader that comes by meanwhile.
#[test]
fn a_hidden_frame_is_not_counted_lost() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut consumer = stage.subscribe(Policy::Sequential, 1);
        let mut source = stage.source(3);
        source.deliver_each(3);
        let _held_for_good = [stage.hog(1, 0), stage.hog(2, 1)];
        let reading = thread::spawn(move || {
            consumer.drain();
            consumer
        });
        assert_eq!(source.retire(1), 0, "both are held");
        let consumer = reading.join().unwrap();
        let (got, counters) = consumer.account();
        assert_eq!((got, counters.lost), (&[1, 2, 3][..], 0));
    });
}

/// Asked for by name beside a retirement, a frame is either held, and then it stays, or it is gone, and then the writer has its
/// segment.
#[test]
fn what_is_gone_was_retired() {
    check(TWO_THREADS, || {
        let stage = Stage::new();
        let mut other = stage.subscribe(Policy::Latest, 1);
        let mut source = stage.source(2);
        source.deliver_each(2);
        let asking = thread::spawn(move || other.reader.take_context(context(1, 0)));
        let retired = source.retire(1);
        source.deliver();
        match asking.join().unwrap() {
            Claim::Held(hold) => {
                read_held(&stage.payload, &hold);
                assert_eq!(retired, 0, "a held frame is retired");
            }
            Claim::Gone => assert_eq!(retired, 1, "a frame that is still there is gone"),
            Claim::Full => unreachable!("it holds nothing"),
        }
    });
}
