//! The least that a broadcast between processes can do: a time stamp, a word, and a futex on it.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use framebroker_protocol::shm::{Mapped, Page};
use framebroker_protocol::sync::{FutexWord, load_acquire_u32};
use framebroker_protocol::{LayoutError, monotonic_ns};

use crate::Result;
use crate::frames::{PATIENCE, Seen, Wait, Window, pace, record};
use crate::process::path_of;

#[derive(Debug, Default)]
#[repr(C, align(4096))]
struct BarePage {
    bell: FutexWord,
    published_ns: AtomicU64,
}

// SAFETY: repr(C), and both fields are atomics.
#[expect(unsafe_code, reason = "see the line above")]
unsafe impl Page for BarePage {
    const NAME: &'static str = "ringbench-bare";

    fn check(&self) -> std::result::Result<(), LayoutError> {
        Ok(())
    }
}

/// Prints where the page is, then publishes. Wakes nobody where everybody spins.
pub fn publish(wait: Wait) -> Result<()> {
    let (page, object) = Mapped::<BarePage>::create()?;
    println!("{}", path_of(object.as_fd()));
    pace(|now_ns| {
        page.published_ns.store(now_ns, Ordering::Relaxed);
        page.bell.word().fetch_add(1, Ordering::Release);
        if wait != Wait::Spin {
            page.bell.wake_all();
        }
        Ok(())
    })
}

/// Receives.
pub fn consume(paths: &[PathBuf], wait: Wait, window: Window) -> Result<()> {
    let [path] = paths else { return Err("one path is needed".into()) };
    let page = Mapped::<BarePage>::read_only(File::open(path)?.into())?;
    let mut last = load_acquire_u32(page.bell.word());
    record(window, || {
        last = hear(&page, last, wait)?;
        let published_ns = page.published_ns.load(Ordering::Relaxed);
        Ok(Seen { sequence: last.into(), published_ns, seen_ns: monotonic_ns() })
    })
}

/// Waits until the bell is another than `last`.
fn hear(page: &BarePage, last: u32, wait: Wait) -> Result<u32> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        // As often as the ring's spin looks between two looks at the clock.
        for _ in 0..64 {
            let heard = load_acquire_u32(page.bell.word());
            if heard != last {
                return Ok(heard);
            }
            match wait {
                Wait::Spin => std::hint::spin_loop(),
                _ => {
                    page.bell.wait(last, PATIENCE);
                }
            }
        }
    }
    Err("no frame came".into())
}
