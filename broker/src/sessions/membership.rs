//! A subscription's membership in a ring: its page, and how it learns of frames.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use framebroker_protocol::message::{Delivery, Policy};
use framebroker_protocol::ring::{Member, Notify, Pages, Reader};
use framebroker_protocol::shm::{Mapped, SharedObject, ShmError};
use framebroker_protocol::socket::Channel;
use framebroker_protocol::{ConsumerId, ConsumerPage, Counters, Sequence};
use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};

use super::poll::{Poll, Token, Watched};
use super::socket_reader::SocketReader;
use super::terms::Terms;
use crate::events::SubscriptionKey;
use crate::stream::StreamCore;

/// A subscription in the ring.
#[derive(Debug)]
pub struct Membership {
    member: Arc<Member>,
    page: Arc<Mapped<ConsumerPage>>,
    way: Way,
}

/// By which way frames come.
#[derive(Debug)]
enum Way {
    /// What the client is handed, until it has mapped it.
    Shared(Option<HandOver>),
    Socket(Box<SocketReader>),
}

#[derive(Debug)]
struct HandOver {
    page: SharedObject,
    /// The client's end; ours is with the member.
    notify: Channel,
}

#[derive(Debug)]
struct NotifySocket(Channel);

impl Notify for NotifySocket {
    fn notify(&self) {
        // A client that does not read has enough bytes to wake it; one that is gone needs none.
        let _full_or_gone = self.0.try_send(&[1], &[]);
    }
}

#[derive(Debug)]
struct NotifyBell(Arc<EventFd>);

impl Notify for NotifyBell {
    fn notify(&self) {
        // A full counter wakes as well as a raised one.
        let _full = self.0.write(1);
    }
}

/// A subscription's page or sockets cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    #[error(transparent)]
    Page(#[from] ShmError),
    #[error("cannot make a notify socket: {0}")]
    Notify(#[from] Errno),
}

impl Membership {
    /// A page of its own for a subscription, not yet in the ring.
    ///
    /// # Errors
    /// What the kernel refuses.
    pub fn create(key: SubscriptionKey, terms: Terms, poll: &Poll) -> Result<Self, MembershipError> {
        let (page, page_object) = Mapped::<ConsumerPage>::create()?;
        page.initialise(ConsumerId::new(key.client, key.subscription));
        let page = Arc::new(page);
        let (notify, way): (Box<dyn Notify>, Way) = match terms.delivery {
            Delivery::Shared => {
                let (ours, theirs) = Channel::pair()?;
                let hand_over = HandOver { page: page_object, notify: theirs };
                (Box::new(NotifySocket(ours)), Way::Shared(Some(hand_over)))
            }
            Delivery::Socket => {
                let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
                let bell = Arc::new(EventFd::from_value_and_flags(0, flags)?);
                let notify = NotifyBell(Arc::clone(&bell));
                let bell = Watched::new(poll, Token::Bell(key.client, key.subscription), bell)?;
                (Box::new(notify), Way::Socket(Box::new(SocketReader::new(bell))))
            }
        };
        let member = Arc::new(Member::new(Arc::clone(&page), terms.max_held, notify));
        Ok(Self { member, page, way })
    }

    pub fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// What the client is handed: its page, and its end of the notify socket.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let hand_over = if let Way::Shared(hand_over) = &self.way { hand_over.as_ref() } else { None };
        hand_over.into_iter().flat_map(|HandOver { page, notify }| [page.as_fd(), notify.as_fd()])
    }

    /// The client has mapped its page: nobody else will ever write it.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn seal(&mut self) -> Result<(), ShmError> {
        match &mut self.way {
            Way::Shared(hand_over) => hand_over.take().map_or(Ok(()), |done| done.page.seal()),
            Way::Socket(_) => Ok(()),
        }
    }

    /// The session thread's reader, for a socket delivery.
    pub fn socket_reader(&mut self) -> Option<&mut SocketReader> {
        match &mut self.way {
            Way::Shared(_) => None,
            Way::Socket(reader) => Some(reader),
        }
    }

    /// The first frame is known: a socket delivery can begin.
    pub fn begin(&mut self, core: &StreamCore, terms: Terms, first: Sequence) {
        if let Way::Socket(reader) = &mut self.way {
            let pages = Pages { stream: Arc::clone(&core.page), consumer: Arc::clone(&self.page) };
            reader.begin(Reader::new(Arc::new(pages), terms.max_held, terms.policy, first));
        }
    }

    /// The ring no longer waits for it.
    pub fn demote(&mut self) {
        if let Way::Socket(reader) = &mut self.way {
            reader.demote();
        }
    }

    /// How frames are chosen now: a lossless subscription that was demoted is sequential.
    pub fn policy(&self, terms: Terms) -> Policy {
        match terms.policy {
            Policy::Lossless if !self.member.is_lossless() => Policy::Sequential,
            policy => policy,
        }
    }

    /// What it did; for a shared delivery as it says itself.
    pub fn counters(&self) -> Counters {
        self.page.counters()
    }

    /// Context IDs it holds; for a shared delivery as it says itself.
    pub fn held(&self) -> impl Iterator<Item = u64> {
        self.page.holds(self.member.granted())
    }
}
