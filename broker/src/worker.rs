//! The worker: allocates segments and fills them with pages, which takes long, beside the threads that must not wait.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use framebroker_protocol::{Backing, SegmentIndex, StreamId, stop_point};

use crate::events::{Event, EventSender};
use crate::factory::BufferFactory;

/// A segment to allocate; answered by [`Event::Allocated`].
#[derive(Debug)]
pub struct Order {
    /// For which stream.
    pub stream: StreamId,
    /// That stream's factory.
    pub factory: Arc<dyn BufferFactory>,
    /// At which index.
    pub index: SegmentIndex,
    /// Which object at that index.
    pub backing: Backing,
    /// Payload bytes.
    pub bytes: usize,
}

/// The worker thread.
#[derive(Debug)]
pub struct Worker {
    orders: Option<Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system can start no thread.
    pub fn start(events: EventSender) -> std::io::Result<Self> {
        let (orders, todo) = channel::<Order>();
        let thread = std::thread::Builder::new().name("worker".to_owned()).spawn(move || {
            for order in todo {
                let result = order.factory.allocate_at(order.index, order.backing, order.bytes);
                stop_point("growth.allocated");
                events.send(Event::Allocated { stream: order.stream, index: order.index, result });
            }
        })?;
        Ok(Self { orders: Some(orders), thread: Some(thread) })
    }

    /// Orders a segment.
    pub fn order(&self, order: Order) {
        if let Some(orders) = &self.orders {
            // The worker ends only when this end is dropped.
            let _sent = orders.send(order);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // What it panicked with was printed when it did.
            let _panic = thread.join();
        }
    }
}
