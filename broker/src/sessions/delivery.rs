//! Deliveries by socket: the session thread takes frames from the ring on a client's behalf.

use framebroker_protocol::message::{ErrorCode, Tell};
use framebroker_protocol::ring::Hold;
use framebroker_protocol::{BrokerId, ContextId, FrameRef, SubscriptionId, stop_point};

use super::client::Client;
use super::session::Session;
use super::socket_reader::{SocketReader, Unavailable};
use super::streams::Streams;
use super::subscription::Subscription;
use crate::stream::served::Stream;

/// Sends a session the frames there are for it.
pub fn send_frames(session: &mut Session) {
    let Session { client, subscriptions, .. } = session;
    subscriptions.values_mut().for_each(|subscription| send_frames_of(client, subscription));
}

/// Sends frames until there is none, the client holds as many as it may, or it does not read.
fn send_frames_of(client: &mut Client, subscription: &mut Subscription) {
    while !client.is_blocked() {
        let Some((request, hold)) = subscription.socket_reader().and_then(SocketReader::take) else { return };
        let is_known = subscription.knows(hold.context.segment(), hold.backing);
        let Some(reader) = subscription.socket_reader() else { return };
        if !is_known {
            // Until the descriptor is on its way.
            return reader.put_back(request, hold);
        }
        let Hold { backing, header, .. } = hold;
        reader.sent(hold);
        let subscription = subscription.id();
        stop_point("deliver.taken");
        match request {
            Some(request) => client.tell(request, Tell::Acquired { backing, header }),
            None => client.tell(0, Tell::Frame { subscription, backing, header }),
        }
    }
}

/// The client gives back a frame.
pub fn release(session: &mut Session, request: u32, id: SubscriptionId, context: ContextId) {
    let Session { client, subscriptions, .. } = session;
    let Some(reader) = subscriptions.get_mut(&id).and_then(Subscription::socket_reader) else {
        return unknown_subscription(client, request, id);
    };
    if !reader.release(context) {
        client.refuse(request, ErrorCode::NotHeld, format_args!("frame {context} is not held"));
    }
}

/// The client wants one certain frame. Its context ID names another frame in other streams, and at other brokers.
pub fn acquire(
    session: &mut Session,
    streams: &Streams,
    broker: BrokerId,
    request: u32,
    id: SubscriptionId,
    frame: &FrameRef,
) {
    let Session { client, subscriptions, .. } = session;
    let Some(subscription) = subscriptions.get_mut(&id) else { return unknown_subscription(client, request, id) };
    let stream = streams.get(subscription.stream()).map(Stream::name);
    let Some((reader, stream)) = subscription.socket_reader().zip(stream) else {
        return unknown_subscription(client, request, id);
    };
    if frame.broker != broker {
        let text = format_args!("frame {frame} is of another run of the broker: this is {broker}");
        return client.refuse(request, ErrorCode::Gone, text);
    }
    if frame.stream != *stream {
        let text = format_args!("frame {frame} is of another stream: this subscription is to {stream}");
        return client.refuse(request, ErrorCode::Invalid, text);
    }
    let context = frame.context;
    match reader.acquire(request, context) {
        Ok(()) => {}
        Err(Unavailable::Gone) => {
            client.refuse(request, ErrorCode::Gone, format_args!("frame {context} was retired"));
        }
        Err(Unavailable::Full) => client.refuse(
            request,
            ErrorCode::Full,
            "this subscription holds as many frames as it may; release one, or subscribe with a larger max_held",
        ),
    }
}

/// Only a delivery by socket has frames that are released or acquired by message.
pub fn unknown_subscription(client: &mut Client, request: u32, id: SubscriptionId) {
    client.refuse(request, ErrorCode::UnknownSubscription, format_args!("this session has no subscription {id}"));
}
