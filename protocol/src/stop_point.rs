//! Named places where a test has this process killed or stopped. Without the cargo feature `stop-points`, which only tests set,
//! they are nothing at all.
//!
//! `FRAMEBROKER_STOP_POINT=NAME:PASS:ACTION` says at which place, on which pass of it (from 1), and whether to `kill` (SIGKILL) or
//! to `stop` (SIGSTOP).

/// A place where a test may have this process killed or stopped.
#[doc(hidden)]
#[cfg(not(feature = "stop-points"))]
#[inline(always)]
pub fn stop_point(_name: &'static str) {}

/// A place where a test may have this process killed or stopped.
#[doc(hidden)]
#[cfg(feature = "stop-points")]
pub fn stop_point(name: &'static str) {
    armed::ORDER.as_ref().filter(|order| order.name == name).inspect(|order| order.pass());
}

#[cfg(feature = "stop-points")]
mod armed {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    use nix::sys::signal::{Signal, raise};

    /// What the environment of this process orders.
    pub static ORDER: LazyLock<Option<Order>> = LazyLock::new(|| {
        let text = std::env::var("FRAMEBROKER_STOP_POINT").ok()?;
        Some(Order::parse(&text).unwrap_or_else(|| panic!("FRAMEBROKER_STOP_POINT={text} is not NAME:PASS:ACTION")))
    });

    /// What is to happen where.
    pub struct Order {
        pub name: String,
        passes: AtomicU64,
        pass: u64,
        signal: Signal,
    }

    impl Order {
        fn parse(text: &str) -> Option<Self> {
            let mut words = text.split(':');
            let (name, pass) = (words.next()?.to_owned(), words.next()?.parse().ok()?);
            let signal = match words.next()? {
                "kill" => Signal::SIGKILL,
                "stop" => Signal::SIGSTOP,
                _ => return None,
            };
            Some(Self { name, passes: AtomicU64::new(0), pass, signal })
        }

        pub fn pass(&self) {
            if self.passes.fetch_add(1, Ordering::Relaxed) + 1 == self.pass {
                // To this very thread, which goes no step further.
                raise(self.signal).expect("a process can send itself a signal");
            }
        }
    }
}
