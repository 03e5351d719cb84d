//! Segments in the driver's hands: the memory-safety argument of this source.
//!
//! A [`Receiver`] takes each [`WritableSegment`] by value and gives it back when the driver can write to it no more. In
//! between it lies in its slot, out of everyone's reach:
//! * it leaves the slot when its buffer was popped, after which the stream knows the buffer no longer, or
//! * in [`Receiver::close`], after the stream was dropped, which ends and joins its thread.

use std::time::Duration;

use super::socket::size_receive_buffer;
use super::{Buffer, Camera, Failure, Report, Statistics, Stream};
use crate::source::WritableSegment;

/// A stream and the segments it fills.
#[derive(Debug)]
pub(in super::super) struct Receiver {
    // First: dropped before the segments and buffers below.
    stream: Stream,
    /// By segment index.
    slots: Vec<Slot>,
    /// Buffers whose segment was replaced by another of the same index: libaravis may remember their addresses.
    retired: Vec<SlotBuffer>,
    /// How many slots have a segment.
    queued: usize,
}

/// The place of one segment index.
#[derive(Debug, Default)]
struct Slot {
    /// The segment while the driver has it.
    segment: Option<WritableSegment>,
    /// The buffer made for it, kept from one turn to the next.
    buffer: Option<SlotBuffer>,
}

/// A buffer and the memory it lies over.
#[derive(Debug)]
struct SlotBuffer {
    buffer: Buffer,
    address: usize,
    len: usize,
}

impl Receiver {
    /// Creates the stream. Its thread runs, but no segment is queued and the camera does not send yet.
    pub(in super::super) fn new(camera: &Camera) -> Result<Self, Failure> {
        let stream = camera.create_stream()?;
        Ok(Self { stream, slots: Vec::new(), retired: Vec::new(), queued: 0 })
    }

    /// Sizes the receive buffer of a GigE Vision stream's socket; answers the size it has then.
    pub(in super::super) fn size_socket_buffer(&self, bytes: usize) -> Option<usize> {
        size_receive_buffer(&self.stream, bytes)
    }

    /// Gives a segment to the driver; hands it back where its index is queued already or no buffer can be made for it.
    pub(in super::super) fn queue(&mut self, mut segment: WritableSegment) -> Result<(), WritableSegment> {
        let index = segment.index().as_usize();
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, Slot::default); // once per index
        }
        let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.segment.is_none()) else { return Err(segment) };
        let memory = segment.as_mut_ptr();
        let (address, len) = (memory.addr(), segment.len());
        if slot.buffer.as_ref().is_some_and(|buffer| (buffer.address, buffer.len) != (address, len)) {
            self.retired.extend(slot.buffer.take());
        }
        if slot.buffer.is_none() {
            slot.buffer = Buffer::new(memory, len, index).map(|buffer| SlotBuffer { buffer, address, len });
        }
        let Some(SlotBuffer { buffer, .. }) = &slot.buffer else { return Err(segment) };
        slot.segment = Some(segment);
        self.queued += 1;
        // SAFETY:
        // * mapped and writable: `buffer` lies over the memory of `segment`, which a WritableSegment keeps so;
        // * nobody else reads or writes it: a WritableSegment is the exclusive right, and it stays in the slot until the
        //   buffer was popped (`pop`) or the stream dropped (`close`, or the order of the fields);
        // * not pushed again: the slot had no segment, so its buffer was never pushed or has been popped since;
        // * not dropped: slots and `retired` are dropped after the stream.
        unsafe { self.stream.push(buffer) };
        Ok(())
    }

    /// Waits for a segment to come back from the driver, filled or not.
    pub(in super::super) fn pop(&mut self, timeout: Duration) -> Option<(WritableSegment, Report)> {
        let index = self.stream.pop(timeout)?;
        let slot = self.slots.get_mut(index)?;
        let segment = slot.segment.take()?;
        let report = slot.buffer.as_ref()?.buffer.report();
        self.queued -= 1;
        Some((segment, report))
    }

    /// How many segments the driver has, filled ones that were not popped included.
    pub(in super::super) fn queued(&self) -> usize {
        self.queued
    }

    /// The stream's figures.
    pub(in super::super) fn statistics(&self) -> Statistics {
        self.stream.statistics()
    }

    /// Ends receiving; when this returns, the driver can write nothing any more and has given every segment back.
    pub(in super::super) fn close(self) -> Vec<WritableSegment> {
        let Self { stream, mut slots, retired, .. } = self;
        drop(stream);
        let segments = slots.iter_mut().filter_map(|slot| slot.segment.take()).collect();
        drop((slots, retired));
        segments
    }
}
