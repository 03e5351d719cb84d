//! Subscriptions that a broker object keeps for calls of its own: one for each stream, made when it is first needed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use framebroker_protocol::StreamName;

use crate::Result;
use crate::subscription::Subscription;

/// A subscription, once it is needed. Whoever uses it has the lock; those of other streams go on.
type Place = Arc<Mutex<Option<Subscription>>>;

/// The subscriptions.
#[derive(Debug, Default)]
pub struct Kept {
    places: Mutex<BTreeMap<StreamName, Place>>,
}

impl Kept {
    /// Takes frames by the stream's subscription. One that has ended, perhaps while nobody looked, is made anew, once.
    pub fn take<T>(
        &self,
        stream: &StreamName,
        open: impl Fn() -> Result<Subscription>,
        mut take: impl FnMut(&mut Subscription) -> Result<T>,
    ) -> Result<T> {
        let place = self.place(stream);
        // A panic while it was held leaves a subscription that goes on.
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(subscription) = &mut *place {
            let taken = take(subscription);
            if taken.is_ok() || !subscription.has_ended() {
                return taken;
            }
            *place = None;
        }
        match open() {
            Ok(subscription) => take(place.insert(subscription)),
            Err(error) => {
                // There may be no such stream: whoever hands over addresses must not fill the list.
                self.places().remove(stream);
                Err(error)
            }
        }
    }

    fn place(&self, stream: &StreamName) -> Place {
        let mut places = self.places();
        if let Some(place) = places.get(stream) {
            return Arc::clone(place);
        }
        Arc::clone(places.entry(stream.clone()).or_default())
    }

    fn places(&self) -> std::sync::MutexGuard<'_, BTreeMap<StreamName, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
