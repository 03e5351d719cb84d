//! loom's model of the atomics, with a switch that breaks one of them at a time.
//!
//! Every ordering stronger than relaxed is a *site*, named by file and line of the call. `RING_MUTANT=file:line` weakens
//! that site to relaxed (a fence there does nothing); `RING_SITES=FILE` appends the sites a model passes to a file.
//! `scripts/loom-mutants.sh` breaks each site in turn and expects some model to fail.

use std::time::Duration;

pub use loom::sync::atomic::Ordering;
pub use loom::sync::{Arc, Mutex};

/// Which site is broken, and which were seen.
pub mod mutants {
    use std::collections::BTreeSet;
    use std::io::Write;
    use std::panic::Location;
    use std::sync::{LazyLock, Mutex};

    use super::Ordering;

    static BROKEN: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("RING_MUTANT").ok());
    static SEEN: LazyLock<Mutex<BTreeSet<String>>> = LazyLock::new(Mutex::default);

    fn site(location: &Location<'_>) -> String {
        let file = location.file();
        let from = file.find("src/").map_or(0, |at| at);
        format!("{}:{}", file.get(from..).unwrap_or(file), location.line())
    }

    fn note(site: &str) {
        let Ok(path) = std::env::var("RING_SITES") else { return };
        let mut seen = SEEN.lock().expect("no model panics while it notes a site");
        if seen.insert(site.to_owned()) {
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).expect("RING_SITES opens");
            writeln!(file, "{site}").expect("RING_SITES takes a line");
        }
    }

    /// Whether the caller's site is broken.
    #[track_caller]
    pub fn is_broken() -> bool {
        let site = site(Location::caller());
        note(&site);
        BROKEN.as_deref() == Some(site.as_str())
    }

    /// The ordering to use for the caller's site.
    #[track_caller]
    pub fn ordering(asked: Ordering) -> Ordering {
        if !matches!(asked, Ordering::Relaxed) && is_broken() { Ordering::Relaxed } else { asked }
    }
}

/// A fence, unless this one is broken.
#[track_caller]
pub fn fence(ordering: Ordering) {
    if !mutants::is_broken() {
        loom::sync::atomic::fence(ordering);
    }
}

macro_rules! atomic {
    ($name:ident, $value:ty) => {
        /// loom's atomic behind the mutant switch.
        #[derive(Debug, Default)]
        pub struct $name(loom::sync::atomic::$name);

        impl $name {
            /// A new atomic.
            pub fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }

            /// Loads.
            #[track_caller]
            pub fn load(&self, ordering: Ordering) -> $value {
                self.0.load(mutants::ordering(ordering))
            }

            /// Stores.
            #[track_caller]
            pub fn store(&self, value: $value, ordering: Ordering) {
                self.0.store(value, mutants::ordering(ordering));
            }
        }
    };
}

atomic!(AtomicBool, bool);
atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);

/// A futex as the kernel makes it: the word is read under the lock that a waker takes too.
#[derive(Debug, Default)]
pub struct FutexWord {
    word: AtomicU32,
    bucket: Mutex<u32>,
    sleepers: loom::sync::Condvar,
}

impl FutexWord {
    /// The word itself.
    pub fn word(&self) -> &AtomicU32 {
        &self.word
    }

    /// Sleeps for ever where nobody wakes it: a lost wake-up is a deadlock, which loom reports.
    pub fn wait(&self, expected: u32, _timeout: Duration) {
        let bucket = self.bucket.lock().expect("no model panics in a futex");
        if self.word.load(Ordering::Relaxed) == expected {
            drop(self.sleepers.wait(bucket).expect("no model panics in a futex"));
        }
    }

    /// Wakes every sleeper.
    pub fn wake_all(&self) {
        *self.bucket.lock().expect("no model panics in a futex") += 1;
        self.sleepers.notify_all();
    }

    /// How many times sleepers were woken.
    pub fn wakes(&self) -> u32 {
        *self.bucket.lock().expect("no model panics in a futex")
    }
}
