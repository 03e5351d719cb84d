//! The source pylon against the stand-in for Basler's SDK (`pylon-sdk/`): a software camera that keeps the SDK's contract.
//! What Basler's own runtime does is checked by hand; see CONTRIBUTING.md.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod cameras;
mod faults;
mod features;
mod holding;

use std::time::Duration;

use framebroker_tests::actor::figure;
use framebroker_tests::{Actor, Broker, Cameras, wait_for};

/// A camera like that, and a broker for it.
fn started(settings: &str, words: &str) -> (Cameras, Broker) {
    let cameras = Cameras::default();
    cameras.plug("4001", settings);
    let broker = Broker::start_program(&mut cameras.broker(), &format!("--source pylon {words}"));
    (cameras, broker)
}

fn subscribed(broker: &Broker, terms: &str) -> Actor {
    let mut actor = broker.actor();
    actor.must(&format!("subscribe {terms}"));
    actor
}

/// Waits for news of the stream, and gives back the frames that come meanwhile: of a delivery by socket, both come together.
fn wait_for_state(actor: &mut Actor, state: &str) {
    wait_for(state, Duration::from_secs(20), || {
        if let Some(context) = actor.ask("take 50").strip_prefix("frame ") {
            actor.must(&format!("release {context}"));
        }
        actor.ask("state").starts_with(state).then_some(())
    });
}

/// Every buffer that was taken was given back; and when the SDK stopped, it had not those of frames in the ring: results
/// let go of before would have been filled again.
fn must_be_balanced(cameras: &Cameras, serial: &str) {
    let notes = cameras.notes(serial);
    let stopped: Vec<u64> =
        notes.iter().filter(|note| note.starts_with("stopped")).map(|note| figure(note, "out")).collect();
    assert!(!stopped.is_empty() && !stopped.contains(&0), "{notes:?}");
    cameras.must_have_given_back(serial);
}
