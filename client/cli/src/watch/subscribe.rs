//! The subscriptions of a watch, as the options say.

use framebroker_client::{Broker, Subscription};

use crate::failure::Failure;
use crate::options::WatchOptions;
use crate::receive::granted_delivery;

/// Subscribes to one of the streams that are watched.
pub fn subscribe_to(
    broker: &Broker,
    options: &WatchOptions,
    stream: &str,
    max_held: u32,
) -> Result<Subscription, Failure> {
    let delivery = options.delivery.map_or_else(|| granted_delivery(broker, stream), Ok)?;
    let mut subscription = broker.subscribe(stream);
    if let Some(policy) = options.policy {
        subscription = subscription.policy(policy);
    }
    let subscription = subscription
        .delivery(delivery)
        .start(options.start)
        .wait_mode(options.wait_mode)
        .max_held(max_held)
        .reconnect(options.reconnect)
        .open()?;
    Ok(subscription)
}
