//! Frames in a `for` loop.

use super::Subscription;
use crate::frame::Frame;
use crate::{Error, Result};

/// Waits for frame after frame: see [`Subscription::frames`].
#[derive(Debug)]
pub struct Frames<'a> {
    subscription: &'a mut Subscription,
    has_failed: bool,
}

impl<'a> Frames<'a> {
    pub(super) fn new(subscription: &'a mut Subscription) -> Self {
        Self { subscription, has_failed: false }
    }
}

impl Iterator for Frames<'_> {
    type Item = Result<Frame>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        match self.subscription.next(None) {
            Err(Error::Closed { .. }) => {
                self.has_failed = true;
                None
            }
            result => {
                self.has_failed = result.is_err();
                Some(result)
            }
        }
    }
}
