//! A reader that breaks the rules of the ring in the memory it shares.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use framebroker_protocol::message::{Ask, Delivery, Policy, Subscribed};
use framebroker_protocol::ring::{Pages, Reader};
use framebroker_protocol::shm::{Mapped, Mapping, SharedObject};
use framebroker_protocol::{ConsumerPage, StreamPage};

use crate::{Broker, Chance, Raw};

/// A hostile reader of a shared delivery: it has the pages and can write what it likes into its own.
#[derive(Debug)]
pub struct Intruder {
    /// Its connection.
    pub raw: Raw,
    /// The pages, mapped.
    pub pages: Arc<Pages>,
    /// What it was granted.
    pub subscribed: Subscribed,
    /// The segments it was shown.
    pub segments: Vec<OwnedFd>,
    own: Mapping,
    policy: Policy,
}

impl Intruder {
    /// Subscribes to `cam0`.
    #[must_use]
    pub fn enter(broker: &Broker, max_held: u32) -> Self {
        Self::enter_as(broker.raw(), "cam0", Policy::Sequential, max_held)
    }

    /// Subscribes over a connection on which nothing was said yet.
    ///
    /// # Panics
    /// When it is not let in.
    #[must_use]
    pub fn enter_as(mut raw: Raw, stream: &str, policy: Policy, max_held: u32) -> Self {
        raw.hello();
        let (subscribed, fds) = raw.subscribe_to(stream, policy, Delivery::Shared, max_held);
        let mut fds = fds.into_iter();
        let mut fd = || fds.next().expect("two pages and a socket");
        let (stream, own, _notify) = (fd(), fd(), fd());
        let again = own.try_clone().expect("a second descriptor");
        let object = SharedObject::received(again, size_of::<ConsumerPage>()).expect("an object that cannot shrink");
        let stream = Arc::new(Mapped::<StreamPage>::read_only(stream).expect("a stream page"));
        let consumer = Arc::new(Mapped::<ConsumerPage>::writable(own).expect("a consumer page"));
        let own = object.map_writable().expect("a page to write");
        raw.send(Ask::Mapped);
        Self { raw, pages: Arc::new(Pages { stream, consumer }), subscribed, segments: fds.collect(), own, policy }
    }

    /// A reader of the pages that may hold one frame.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.pages), 1, self.policy, self.subscribed.first)
    }

    /// Writes anything into each word of its own page.
    pub fn scribble(&self, chance: &mut Chance) {
        for word in 0..size_of::<ConsumerPage>() / 8 {
            self.write(word, chance.number());
        }
    }

    #[expect(unsafe_code, reason = "a hostile consumer writes into its page what it likes")]
    fn write(&self, word: usize, value: u64) {
        // SAFETY: `word` is below the page's number of words.
        let target = unsafe { self.own.as_mut_ptr().cast::<u64>().add(word) };
        // SAFETY: the mapping is writable, this process's own and as aligned as a page; the broker reads the word as an atomic.
        unsafe { target.write_volatile(value) };
    }

    /// Rings the stream's bell for all that sleep on it, as the kernel lets whoever may read the page.
    #[expect(unsafe_code, reason = "a hostile consumer wakes whom it likes")]
    pub fn ring_the_bell(&self) {
        let page = std::ptr::from_ref::<StreamPage>(&self.pages.stream).cast::<u32>();
        for word in 0..64 {
            let word = page.wrapping_add(word);
            // SAFETY: the kernel looks at the address only to find who sleeps there.
            unsafe { libc::syscall(libc::SYS_futex, word, libc::FUTEX_WAKE, i32::MAX, std::ptr::null::<u32>(), 0, 0) };
        }
    }
}
