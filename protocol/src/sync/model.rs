//! loom's model of the atomics, with a switch that breaks one of them at a time.
//!
//! Every ordering stronger than relaxed is a *site*, named by file and line of the call. `RING_MUTANT=file:line` weakens
//! that site to relaxed (a fence there does nothing); `RING_SITES=FILE` appends the sites that are passed to a file.
//! `scripts/loom-mutants.sh` breaks each site in turn and expects some model to fail.

use std::time::Duration;

pub use loom::sync::Mutex;
pub use loom::sync::atomic::Ordering;
pub use loom::thread::yield_now as spin_loop;
// Not loom's own: its counting would order threads where the ring must do so by itself.
pub use std::sync::Arc;

use crate::limits::STARVED_SLICE;

/// Which site is broken, and which were passed.
pub mod mutants {
    use std::collections::BTreeSet;
    use std::fs::File;
    use std::io::Write;
    use std::panic::Location;
    use std::sync::{LazyLock, Mutex};

    use super::Ordering;

    static BROKEN: LazyLock<Option<(String, u32)>> = LazyLock::new(|| {
        let site = std::env::var("RING_MUTANT").ok()?;
        let (file, line) = site.rsplit_once(':').expect("RING_MUTANT is file:line");
        Some((file.to_owned(), line.parse().expect("RING_MUTANT ends with a line number")))
    });
    static PASSED: LazyLock<Option<Mutex<Passed>>> = LazyLock::new(|| {
        let path = std::env::var_os("RING_SITES")?;
        let file = File::options().create(true).append(true).open(path).expect("RING_SITES opens");
        Some(Mutex::new(Passed { file, sites: BTreeSet::new() }))
    });

    struct Passed {
        file: File,
        sites: BTreeSet<(&'static str, u32)>,
    }

    impl Passed {
        fn note(&mut self, at: &Location<'static>) {
            if self.sites.insert((at.file(), at.line())) {
                let from = at.file().find("src/").unwrap_or(0);
                let file = at.file().get(from..).unwrap_or(at.file());
                writeln!(self.file, "{file}:{}", at.line()).expect("RING_SITES takes a line");
            }
        }
    }

    /// Whether the caller's site is broken.
    #[track_caller]
    pub fn is_broken() -> bool {
        let at = Location::caller();
        if let Some(passed) = &*PASSED {
            passed.lock().expect("no model panics while it notes a site").note(at);
        }
        BROKEN.as_ref().is_some_and(|(file, line)| *line == at.line() && at.file().ends_with(file.as_str()))
    }

    /// The ordering to use for the caller's site.
    #[track_caller]
    pub fn ordering(asked: Ordering) -> Ordering {
        if !matches!(asked, Ordering::Relaxed) && is_broken() { Ordering::Relaxed } else { asked }
    }
}

loom::lazy_static! {
    static ref TURN: loom::sync::atomic::AtomicU32 = loom::sync::atomic::AtomicU32::new(0);
}

/// A fence, unless this one is broken.
///
/// loom itself switches threads only at accesses, and only for the sake of accesses to one word: it would always run a
/// store and the fence after it as one. So a sequentially consistent fence stores into a word that all such fences share;
/// nobody reads it, so it orders nothing.
#[track_caller]
pub fn fence(ordering: Ordering) {
    if !mutants::is_broken() {
        if matches!(ordering, Ordering::SeqCst) {
            TURN.store(0, Ordering::Relaxed);
        }
        loom::sync::atomic::fence(ordering);
    }
}

/// Lets others run: a model has no time.
pub fn sleep(_time: Duration) {
    spin_loop();
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

/// loom's pointer behind the mutant switch.
#[derive(Debug)]
pub struct AtomicPtr<T>(loom::sync::atomic::AtomicPtr<T>);

impl<T> AtomicPtr<T> {
    /// A new pointer.
    pub fn new(pointer: *mut T) -> Self {
        Self(loom::sync::atomic::AtomicPtr::new(pointer))
    }

    /// Loads.
    #[track_caller]
    pub fn load(&self, ordering: Ordering) -> *mut T {
        self.0.load(mutants::ordering(ordering))
    }

    /// Exchanges.
    #[track_caller]
    pub fn swap(&self, pointer: *mut T, ordering: Ordering) -> *mut T {
        self.0.swap(pointer, mutants::ordering(ordering))
    }
}

/// A futex as the kernel makes it: the word is read under the lock that a waker takes too.
#[derive(Debug, Default)]
pub struct FutexWord {
    word: AtomicU32,
    wakes: Mutex<Wakes>,
    sleepers: loom::sync::Condvar,
}

#[derive(Debug, Default)]
struct Wakes {
    sent: u32,
    /// Of these, how many a wait of [`STARVED_SLICE`] has met.
    met: u32,
}

impl FutexWord {
    /// The word itself.
    pub fn word(&self) -> &AtomicU32 {
        &self.word
    }

    /// Sleeps for ever where nobody wakes it: a lost wake-up is a deadlock, which loom reports.
    ///
    /// A wait of [`STARVED_SLICE`] also ends for a wake-up that came before it. On the machine such a one is missed, since
    /// wakers cannot change the word, and the end of the slice makes up for it; that none was sent at all is an error.
    pub fn wait(&self, expected: u32, timeout: Duration) -> bool {
        let mut wakes = self.wakes.lock().expect("no model panics in a futex");
        if timeout == STARVED_SLICE {
            while wakes.sent == wakes.met {
                wakes = self.sleepers.wait(wakes).expect("no model panics in a futex");
            }
            wakes.met = wakes.sent;
            return true;
        }
        let sleeps = self.word.load(Ordering::Relaxed) == expected;
        if sleeps {
            drop(self.sleepers.wait(wakes).expect("no model panics in a futex"));
        }
        sleeps
    }

    /// Wakes every sleeper.
    pub fn wake_all(&self) {
        self.wakes.lock().expect("no model panics in a futex").sent += 1;
        self.sleepers.notify_all();
    }
}
